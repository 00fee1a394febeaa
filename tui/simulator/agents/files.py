"""The few files and small tools of an agent's container."""

from __future__ import annotations

import gzip
from functools import lru_cache

from tui.simulator.agents import hostfiles, hosttools, kernelfacts
from tui.simulator.agents.answer import Answer
from tui.simulator.agents.bpfroot import bpf_root
from tui.simulator.kernels import Kernel
from tui.simulator.model import Agent, SimNode, pinned_specs, policy_specs

SHELLS = frozenset({"sh", "bash", "ash"})
_NO_SHELL = (
    "sh: this container is simulated and has no shell: run one program at a time,"
    " such as `cilium-dbg status` or `bpftool map show`\n"
)


def run(node: SimNode, agent: Agent, name: str, argv: list[str]) -> Answer | None:
    """Answer one of the small tools; None for a program that is not there."""
    if name in SHELLS:
        return Answer(b"", _NO_SHELL.encode(), 126, 0.05)
    if name == "uname":
        return _uname(node, argv[1:])
    if name == "hostname":
        return Answer(f"{node.name}\n".encode(), seconds=0.02)
    if name in {"cat", "zcat"}:
        return _cat(node, agent, name, argv[1:])
    if name == "ls":
        return _ls(node, agent, [word for word in argv[1:] if not word.startswith("-")])
    return hosttools.run(node, agent, name, argv[1:])


def _uname(node: SimNode, words: list[str]) -> Answer:
    release = node.kernel.release
    texts = {
        "-r": release,
        "-a": f"Linux {node.name} {release} #1 SMP PREEMPT_DYNAMIC x86_64 GNU/Linux",
        "-m": "x86_64",
        "-n": node.name,
        "": "Linux",
    }
    text = texts.get(words[0] if words else "")
    if text is None:
        return Answer(b"", f"uname: invalid option -- '{words[0]}'\n".encode(), 1, 0.02)
    return Answer(f"{text}\n".encode(), seconds=0.02)


def _cat(node: SimNode, agent: Agent, name: str, paths: list[str]) -> Answer:
    known = _files(node, agent)
    stdout, stderr = b"", ""
    for path in paths:
        content = known.get(path)
        if content is None:
            stderr += f"{name}: {path}: No such file or directory\n"
            continue
        stdout += gzip.decompress(content) if name == "zcat" else content
    return Answer(stdout, stderr.encode(), 1 if stderr else 0, 0.02)


def _files(node: SimNode, agent: Agent) -> dict[str, bytes]:
    found = {
        "/etc/hostname": f"{node.name}\n".encode(),
        "/proc/sys/kernel/osrelease": f"{node.kernel.release}\n".encode(),
        "/proc/sys/kernel/random/boot_id": f"{node.boot_id}\n".encode(),
        "/proc/kallsyms": _symbols(node.kernel),
        **hostfiles.files(node, agent),
    }
    if node.kernel.has_config_gz:
        found["/proc/config.gz"] = _config_gz(node.kernel)
    for path, lines in kernelfacts.headers_of(node, agent).items():
        found[path] = "".join(f"{line}\n" for line in lines).encode()
    for key, value in agent.config.values.items():
        found[f"/tmp/cilium/config-map/{key}"] = value.encode()  # noqa: S108  the path in Cilium's chart
    return found


def _symbols(kernel: Kernel) -> bytes:
    lines = [f"0000000000000000 T {symbol}\n" for symbol in kernel.symbols()]
    return "".join(lines).encode()


@lru_cache(maxsize=16)
def _config_gz(kernel: Kernel) -> bytes:
    lines = [
        f"{name}={value}" if value else f"# {name} is not set"
        for name, value in kernel.options().items()
    ]
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)


def _ls(node: SimNode, agent: Agent, paths: list[str]) -> Answer:
    pins = [spec.pin for spec in pinned_specs(agent.release)]
    pins += [pin for _, pin, _ in policy_specs(node, agent.release)]
    root = bpf_root(node, agent)
    folders = {
        root: ["tc"],
        f"{root}/tc": ["globals"],
        f"{root}/tc/globals": sorted(pins),
        "/var/run/cilium": ["cilium.pid", "cilium.sock", "monitor1_2.sock", "state"],
        **hostfiles.folders(node, agent),
    }
    lines: list[str] = []
    for path in paths or ["/"]:
        found = folders.get(path.rstrip("/"))
        if found is None:
            text = f"ls: cannot access '{path}': No such file or directory\n"
            return Answer(b"", text.encode(), 2, 0.02)
        lines += found
    return Answer("".join(f"{line}\n" for line in lines).encode(), seconds=0.02)
