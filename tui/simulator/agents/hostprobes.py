"""The probes of what the host uses and of bpffs, reduced from the files as the script does.

`tests/contract/test_host_probes.py` runs the real script over the same files and holds both to the
same answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tui.cilium.script import CLIENT_MODULES
from tui.simulator.agents import hostfiles
from tui.simulator.agents.answer import Answer, Context
from tui.simulator.agents.bpfroot import bpf_root
from tui.simulator.model import Agent, SimNode

_SMB_WORDS = re.compile(rb"^Display|(?:Hostname|Address|Name): [^ \n]+", re.MULTILINE)
_STORAGE_ROW = re.compile(rb":[^:]*:(?:0801|01BD) 0[12] ")
_LOG_WORDS = re.compile(r"libceph: .*wrong peer|nfs: server .* (OK|not resp)")
_MODULES = frozenset(CLIENT_MODULES.split("|"))
_SHORT_MOUNT = re.compile(rb" /[^ ]{0,16} r| - bpf ")
_MOST_LOG_LINES = 30
_MOST_REMOTES = 200
_MOST_FAILED = 50


def answer_clients(node: SimNode, agent: Agent, context: Context) -> Answer:
    """Answer the probe `clients`."""
    known = hostfiles.files(node, agent)
    folders = hostfiles.folders(node, agent)
    parts = [
        _file("nfs", known.get("/proc/fs/nfsfs/servers")),
        _folder("rpc", folders.get("/proc/net/rpc"), b""),
        _folder("sunrpc", folders.get(hostfiles.SWITCHES), _transports(known)),
        _file("smb", known.get("/proc/fs/cifs/DebugData"), _debug_data),
        _connections(node, known),
        _paths("rbd", folders, "/sys/bus/rbd/devices", ""),
        _paths("bdi", folders, "/sys/class/bdi", "ceph-"),
        _file("modules", known["/proc/modules"], _modules),
        _file("fastopen", known["/proc/sys/net/ipv4/tcp_fastopen"]),
        _file("netstat", known["/proc/net/netstat"], _tcp_ext),
        _file("sctp", known.get("/proc/net/sctp/assocs"), _line_count),
        _kernel_log(node, agent),
    ]
    return Answer(b"".join(parts), seconds=0.03)


def _file(part: str, content: bytes | None, reduce: object = None) -> bytes:
    if content is None:
        return f"# {part} absent\n".encode()
    reduced = reduce(content) if callable(reduce) else content
    return f"# {part} read\n".encode() + reduced


def _folder(part: str, names: list[str] | None, lines: bytes) -> bytes:
    return _file(part, None if names is None else lines)


def _paths(part: str, folders: dict[str, list[str]], folder: str, prefix: str) -> bytes:
    names = folders.get(folder)
    if names is None:
        return _file(part, None)
    found = [name for name in names if name.startswith(prefix)] or [f"{prefix}*"]
    return _file(part, "".join(f"{folder}/{name}\n" for name in found).encode())


def _transports(known: dict[str, bytes]) -> bytes:
    return b"".join(text for path, text in sorted(known.items()) if path.endswith("/dstaddr"))


def _debug_data(content: bytes) -> bytes:
    return b"".join(found.group() + b"\n" for found in _SMB_WORDS.finditer(content))


def _connections(node: SimNode, known: dict[str, bytes]) -> bytes:
    if not node.host.nfs_servers and not node.host.smb_servers:
        return b""
    lines = (known["/proc/net/tcp"] + known["/proc/net/tcp6"]).splitlines(keepends=True)
    return b"# tcp read\n" + b"".join(line for line in lines if _STORAGE_ROW.search(line))


def _modules(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join(line for line in lines if line.split()[0].decode() in _MODULES)


def _tcp_ext(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join(line for line in lines if line.startswith(b"TcpExt:"))


def _line_count(content: bytes) -> bytes:
    return f"{len(content.splitlines())}\n".encode()


def _kernel_log(node: SimNode, agent: Agent) -> bytes:
    lines = hostfiles.kernel_log(node, agent)
    if lines is None:
        return b"# kmsg read\n# kmsg denied\n"
    kept = [line for line in lines if _LOG_WORDS.search(line)][-_MOST_LOG_LINES:]
    return ("# kmsg read\n" + "".join(kept)).encode()


def answer_sockets(node: SimNode, agent: Agent, context: Context) -> Answer:
    """Answer the probe `sockets`."""
    spaces = ["host"]
    lines = ["# host\n"]
    if hostfiles.has_netns_folder(agent):
        pods = hostfiles.pod_namespaces(node)
        spaces += pods
        lines.append(f"# pods {len(pods)} {len(pods)}\n")
    counts = Counter(_remotes(node, spaces))
    kept = list(counts)[:_MOST_REMOTES]
    if len(kept) < len(counts):
        lines.append("# truncated\n")
    lines += [f"{remote} {counts[remote]}\n" for remote in kept]
    return Answer("".join(lines).encode(), seconds=0.02 + 0.004 * len(spaces))


def _remotes(node: SimNode, spaces: list[str]) -> Iterator[str]:
    used = {peer.namespace for peer in node.host.udp_peers}
    for space in (name for name in spaces if name in used):
        for family in (4, 6):
            table = hostfiles.udp_table(node.host.udp_peers, space, family)
            for line in table.splitlines()[1:]:
                remote = line.split()[2]
                if remote.strip("0") != ":":
                    yield f"{space} {remote}"


def answer_neighbors(node: SimNode, agent: Agent, context: Context) -> Answer:
    """Answer the probe `neighbors`."""
    devices = sorted(node.host.devices, key=lambda device: device.name)
    lines = [f"dev {device.name} {device.index} {device.kind}\n" for device in devices]
    entries = hostfiles.neighbors(node, agent)
    failed = [one for one in entries if one.state == "FAILED"]
    lines += [f"failed {one.address} {one.device}\n" for one in failed[:_MOST_FAILED]]
    lines += [f"default {one.name}\n" for one in node.host.devices if one.has_default_route]
    agents = Counter(one.device for one in entries if one.is_agents)
    fails = Counter(one.device for one in failed)
    lines += [f"agent {device} {count}\n" for device, count in agents.items()]
    lines += [f"fails {device} {count}\n" for device, count in fails.items()]
    return Answer("".join(lines).encode(), seconds=0.03)


def answer_mounts(node: SimNode, agent: Agent, context: Context) -> Answer:
    """Answer the probe `mounts`."""
    known = hostfiles.files(node, agent)
    parts, root = [], bpf_root(node, agent)
    for folder in ("/proc/self", "/proc/1"):
        lines = known[f"{folder}/mountinfo"].splitlines(keepends=True)
        parts.append(f"# table {folder}\n".encode())
        parts += [line for line in lines if _SHORT_MOUNT.search(line)]
    return Answer(b"".join((*parts, f"# pins {root}\n".encode())), seconds=0.02)
