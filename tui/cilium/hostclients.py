"""What the `clients` probe prints: the host's in-kernel NFS, SMB, Ceph and SCTP clients.

Each source is marked `# PART read`, `denied` or `absent`. Most of these files come with their
kernel module, so that an absent one proves "none", unless the list of modules says that the module
is there; a denied one proves nothing. None in the facts is "not known", never "none".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from tui.cilium.output import describe_garbage
from tui.cilium.script import CLIENT_MODULES
from tui.cilium.sockets import address_of
from tui.errors import ParseError
from tui.model.host import HostClients, NfsServer, StoragePeer
from tui.safety import CleanText, clean

_MARKER = re.compile(
    rb"# (nfs|rpc|sunrpc|smb|tcp|rbd|bdi|modules|fastopen|netstat|sctp|kmsg) (read|denied|absent)"
)
_HEX_ADDRESS = re.compile(r"[0-9a-fA-F]{8}(?:[0-9a-fA-F]{24})?")
_HEX_PORT = re.compile(r"[0-9a-fA-F]{1,4}")
_SMB_NAME = re.compile(r"(?:Hostname|Address|Name): (\S+)")
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\d+)?|([^:]+):\d+")
_NFS_LINE = re.compile(r"nfs: server (\S+).*(OK|not responding)")
_NUMBER = re.compile(r"[0-9]{1,18}")
_MODULES = frozenset(CLIENT_MODULES.split("|"))
_MAX_LINES = 10_000
_MOST_SERVERS = 500
_MOST_LOG_LINES = 30


@dataclass(slots=True)
class _Section:
    """One source: whether it could be read, and its lines."""

    state: str = ""
    lines: list[bytes] = field(default_factory=list)

    @property
    def is_read(self) -> bool:
        return self.state == "read"

    @property
    def is_absent(self) -> bool:
        return self.state == "absent"


def parse_clients(stdout: bytes) -> HostClients:
    """Parse the `clients` probe.

    Raises:
        ParseError: no source is marked in it.
    """
    found = _sections(stdout)
    if not found:
        raise ParseError(describe_garbage(stdout, "clients probe", "its sources"))
    modules = _modules(_part(found, "modules"))
    return HostClients(
        nfs_servers=_nfs_servers(_part(found, "nfs"), modules),
        sunrpc_addresses=_sunrpc(_part(found, "sunrpc"), _part(found, "rpc")),
        smb_servers=_smb_servers(_part(found, "smb"), modules),
        storage_peers=_storage_peers(_part(found, "tcp")),
        rbd_devices=_devices(_part(found, "rbd"), modules),
        ceph_filesystems=_devices(_part(found, "bdi"), None),
        module_uses=modules,
        tcp_fastopen=_number(_part(found, "fastopen").lines),
        fastopen_passive=_passive(_part(found, "netstat").lines),
        sctp_associations=_associations(_part(found, "sctp"), modules),
        kernel_log=_kernel_log(_part(found, "kmsg")),
    )


def _sections(stdout: bytes) -> dict[str, _Section]:
    found: dict[str, _Section] = {}
    lines: list[bytes] = []
    for line in stdout.splitlines()[:_MAX_LINES]:
        marker = _MARKER.fullmatch(line)
        if marker is None:
            lines.append(line)
            continue
        section = _Section(marker.group(2).decode())
        # The kernel's log is first said to be read, then to be denied.
        found[marker.group(1).decode()] = section
        lines = section.lines
    return found


def _part(found: Mapping[str, _Section], name: str) -> _Section:
    return found.get(name) or _Section()


def _words(line: bytes) -> list[CleanText]:
    return [clean(word, 300) for word in line.split()]


def _modules(section: _Section) -> Mapping[str, int] | None:
    if not section.is_read:
        return None
    uses = {}
    for words in map(_words, section.lines):
        if len(words) > 2 and words[0] in _MODULES and _NUMBER.fullmatch(words[2]):
            uses[str(words[0])] = int(words[2])
    return MappingProxyType(uses)


def _is_loaded(modules: Mapping[str, int] | None, name: str) -> bool:
    return modules is not None and name in modules


def _nfs_servers(
    section: _Section, modules: Mapping[str, int] | None
) -> tuple[NfsServer, ...] | None:
    """Return the servers; below the title, or the file was not that file."""
    if section.is_absent and not _is_loaded(modules, "nfs"):
        return ()
    rows = list(map(_words, section.lines))
    if not section.is_read or not any(words[:2] == ["NV", "SERVER"] for words in rows):
        return None
    servers = filter(None, map(_nfs_server, rows))
    return tuple(dict.fromkeys(servers))[:_MOST_SERVERS]


def _nfs_server(words: Sequence[CleanText]) -> NfsServer | None:
    """Read `v4 0a600a01 801 1 HOSTNAME`: address and port in hex (`nfs_server_list_show`)."""
    if len(words) < 4 or not _HEX_ADDRESS.fullmatch(words[1]) or not _HEX_PORT.fullmatch(words[2]):
        return None
    return NfsServer(
        address=str(ipaddress.ip_address(bytes.fromhex(words[1]))),
        port=int(words[2], 16),
        uses=int(words[3]) if _NUMBER.fullmatch(words[3]) else 0,
        hostname=words[4] if len(words) > 4 else CleanText(""),
    )


def _sunrpc(section: _Section, rpc: _Section) -> tuple[str, ...] | None:
    """Return the transports' addresses; paths of local ones and closed ones are left out."""
    if section.is_absent and rpc.is_absent:
        return ()
    if not section.is_read:
        return None
    addresses = (_address(line.decode("ascii", "replace").strip()) for line in section.lines)
    return tuple(sorted({address for address in addresses if address}))[:_MOST_SERVERS]


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _smb_servers(
    section: _Section, modules: Mapping[str, int] | None
) -> tuple[CleanText, ...] | None:
    if section.is_absent and not _is_loaded(modules, "cifs"):
        return ()
    if not section.is_read or b"Display" not in section.lines:
        return None
    names = []
    for line in section.lines:
        named = _SMB_NAME.fullmatch(clean(line, 300))
        if named and named.group(1) != "(null)":
            names.append(_without_port(named.group(1)))
    return tuple(dict.fromkeys(names))[:_MOST_SERVERS]


def _storage_peers(section: _Section) -> tuple[StoragePeer, ...] | None:
    """Read rows of /proc/net/tcp: state 01 is established, 02 still connects.

    Sockets of the kernel's clients look like those of programs, inode and all
    (`xs_create_sock` in net/sunrpc/xprtsock.c), but are root's. A connection whose first packet
    may still be answered is none yet: kubelet's TCP probes look so for a moment.
    """
    if not section.is_read:
        return None
    peers = []
    for line in section.lines:
        words = line.decode("ascii", "replace").split()
        if len(words) < 10 or words[7] != "0":
            continue
        is_established = words[3] == "01"
        if not (is_established or words[6].strip("0")):
            continue
        digits, _, port = words[2].partition(":")
        if _HEX_ADDRESS.fullmatch(digits) and _HEX_PORT.fullmatch(port):
            peers.append(StoragePeer(address_of(digits), int(port, 16), is_established))
    return tuple(dict.fromkeys(peers))[:_MOST_SERVERS]


def _without_port(text: str) -> CleanText:
    found = _WITH_PORT.fullmatch(text)
    return CleanText(found.group(1) or found.group(2) if found else text)


def _devices(section: _Section, modules: Mapping[str, int] | None) -> int | None:
    """Count paths; a pattern that nothing matched stays as it is.

    Only the folder of rbd devices, which comes with its module, is none when it is absent.
    """
    if section.is_read:
        return sum(not line.endswith(b"*") for line in section.lines)
    is_none = section.is_absent and modules is not None and "rbd" not in modules
    return 0 if is_none else None


def _number(lines: Iterable[bytes]) -> int | None:
    text = next(iter(lines), b"").strip().decode("ascii", "replace")
    return int(text) if _NUMBER.fullmatch(text) else None


def _passive(lines: Sequence[bytes]) -> int | None:
    """Find TCPFastOpenPassive in the line of names and the line of numbers below it."""
    if len(lines) < 2:
        return None
    names, numbers = lines[0].split(), lines[1].split()
    if len(names) != len(numbers) or b"TCPFastOpenPassive" not in names:
        return None
    return _number([numbers[names.index(b"TCPFastOpenPassive")]])


def _associations(section: _Section, modules: Mapping[str, int] | None) -> int | None:
    if section.is_absent and not _is_loaded(modules, "sctp"):
        return 0
    lines = _number(section.lines) if section.is_read else None
    # Without its title it is not that file.
    return lines - 1 if lines else None


def _kernel_log(section: _Section) -> tuple[CleanText, ...] | None:
    """Return the lines of trouble; a server that answers again is none any more."""
    if not section.is_read:
        return None
    kept: list[CleanText] = []
    for line in (clean(raw, 300) for raw in section.lines[-_MOST_LOG_LINES:]):
        told = _NFS_LINE.search(line)
        if told is None:
            if "wrong peer" in line:
                kept.append(line)
        elif told.group(2) == "OK":
            kept = [one for one in kept if not _is_about(one, told.group(1))]
        else:
            kept.append(line)
    return tuple(kept)


def _is_about(line: str, server: str) -> bool:
    told = _NFS_LINE.search(line)
    return told is not None and told.group(1) == server
