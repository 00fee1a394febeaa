"""`ip`, `nsenter` and `dmesg` in an agent's container, as far as a person needs them for proof."""

from __future__ import annotations

import json

from tui.simulator.agents import hostfiles
from tui.simulator.agents.answer import Answer
from tui.simulator.host import SimNeighbor
from tui.simulator.model import Agent, SimNode

_NEIGHBOR_WORDS = ("neighbour", "neighbor")
_ROUTE_WORDS = ("route",)
_LEAST_PREFIX = 1


def run(node: SimNode, agent: Agent, name: str, words: list[str]) -> Answer | None:
    """Answer one of these programs; None for any other."""
    if name == "ip":
        return _ip(node, agent, words)
    if name == "nsenter":
        return _nsenter(node, agent, words)
    if name == "dmesg":
        lines = hostfiles.kernel_log(node, agent)
        if lines is None:
            return Answer(b"", hostfiles.DENIED_LOG.encode(), 1, 0.02)
        return Answer("".join(lines).encode(), seconds=0.02)
    return None


def _ip(node: SimNode, agent: Agent, words: list[str]) -> Answer:
    options = [word for word in words if word.startswith("-")]
    rest = [word for word in words if not word.startswith("-")]
    kind = rest[0] if rest else ""
    if _abbreviates(kind, _NEIGHBOR_WORDS):
        return _neigh(node, agent, rest[1:], is_json="-j" in options)
    if _abbreviates(kind, _ROUTE_WORDS):
        text = "" if "-6" in options else "".join(hostfiles.default_routes(node))
        return Answer(text.encode(), seconds=0.02)
    message = f'Object "{kind}" is unknown, try "ip help".\n'
    return Answer(b"", message.encode(), 1, 0.02)


def _abbreviates(word: str, names: tuple[str, ...]) -> bool:
    return len(word) >= _LEAST_PREFIX and any(name.startswith(word) for name in names)


def _neigh(node: SimNode, agent: Agent, words: list[str], *, is_json: bool) -> Answer:
    device = words[words.index("dev") + 1] if "dev" in words[:-1] else ""
    found = [one for one in hostfiles.neighbors(node, agent) if device in ("", one.device)]
    if is_json:
        return Answer(_compact(list(map(_as_json, found))), seconds=0.02)
    return Answer("".join(map(hostfiles.neighbor_line, found)).encode(), seconds=0.02)


def _compact(found: list[dict[str, object]]) -> bytes:
    return json.dumps(found, separators=(",", ":")).encode() + b"\n"


def _as_json(neighbor: SimNeighbor) -> dict[str, object]:
    words = hostfiles.neighbor_line(neighbor).split()
    found: dict[str, object] = {"dst": neighbor.address, "dev": neighbor.device}
    if "lladdr" in words:
        found["lladdr"] = words[words.index("lladdr") + 1]
    if neighbor.is_agents:
        found |= {"managed": None, "extern_learn": None}
    return {**found, "state": [neighbor.state]}


def _nsenter(node: SimNode, agent: Agent, words: list[str]) -> Answer:
    """Answer `nsenter --net=PATH cat FILE...` for the sockets of a pod's namespace."""
    path = words[0].removeprefix("--net=") if words else ""
    folder, _, space = path.rpartition("/")
    is_there = hostfiles.has_netns_folder(agent) and space in hostfiles.pod_namespaces(node)
    if folder != hostfiles.NETNS or not is_there:
        text = f"nsenter: cannot open {path}: No such file or directory\n"
        return Answer(b"", text.encode(), 1, 0.02)
    if words[1:2] != ["cat"]:
        return Answer(b"", b"nsenter: simulated: only `cat` runs in a namespace\n", 1, 0.02)
    tables = {"/proc/net/udp": 4, "/proc/net/udp6": 6}
    stdout, stderr = "", ""
    for name in words[2:]:
        if name in tables:
            stdout += hostfiles.udp_table(node.host.udp_peers, space, tables[name])
        else:
            stderr += f"cat: {name}: No such file or directory\n"
    return Answer(stdout.encode(), stderr.encode(), 1 if stderr else 0, 0.02)
