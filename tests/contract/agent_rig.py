"""One simulated node a release, on the kernel that the real outputs were taken on."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from tui.simulator.agents.failures import failure_message
from tui.simulator.fleet import SCENARIOS, CommandResult, Fleet
from tui.simulator.loadbalancer import LoadBalancer
from tui.simulator.logs import render
from tui.simulator.model import SimNode
from tui.simulator.scenarios import NodeGroup, Quirk, QuirkKind

OUTPUTS = Path(__file__).parents[1] / "fixtures" / "cilium-outputs"
RELEASES = ("1.11.7", "1.17.5", "1.19.4")
NOW = 1_800_000_000.0
STRICT = {"kube-proxy-replacement": "strict", "tunnel": "vxlan"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One command that was run on a real agent, and what it printed."""

    folder: str
    command: str
    file: str
    exit_code: int
    stderr: str
    is_json: bool

    @property
    def argv(self) -> list[str]:
        return shlex.split(self.command)

    @property
    def stdout(self) -> str:
        return (OUTPUTS / self.folder / self.file).read_text()

    def __str__(self) -> str:
        return f"{self.folder} {self.command}"


def recorded(folder: str) -> Iterator[Recorded]:
    """Yield the commands of one manifest whose output is at hand."""
    for line in (OUTPUTS / folder / "MANIFEST.jsonl").read_text().splitlines():
        entry = json.loads(line)
        found = Recorded(
            folder,
            entry["cmd"],
            entry["file"],
            entry["rc"],
            entry["stderr"],
            bool(entry["valid_json"]),
        )
        if (OUTPUTS / folder / found.file).exists():
            yield found


@dataclass(frozen=True, slots=True)
class DownCommand:
    """One command that was run without an agent."""

    command: str
    exit_code: int
    milliseconds: float
    stdout: str
    stderr: str

    @property
    def argv(self) -> list[str]:
        return shlex.split(self.command)

    def __str__(self) -> str:
        return self.command


def recorded_down(release: str) -> Iterator[DownCommand]:
    """Yield what was run without an agent; the manifest cuts texts, the files do not."""
    folder = OUTPUTS / release / "agent-down"
    for line in (folder / "MANIFEST.jsonl").read_text().splitlines():
        entry = json.loads(line)
        words = entry["cmd"].split()[1:]
        stem = "-".join(word.strip("-") for word in words if word != "--")
        texts = []
        for ending, key in ((".txt", "out"), (".err", "err")):
            path = folder / f"{stem}{ending}"
            texts.append(path.read_text() if path.exists() else entry[key])
        yield DownCommand(entry["cmd"], entry["rc"], entry["ms"], texts[0], texts[1])


def recorded_log(folder: str, name: str = "agent.log") -> list[str]:
    """Return the lines of a real agent's log."""
    return (OUTPUTS / folder / name).read_text(errors="replace").splitlines()


def full_map_lines(release: str) -> list[str]:
    """Return what an agent logs when its load-balancing maps are too small for the Services."""
    lines = []
    for size in (16, 40):
        found = fleet()
        agent = node_of(found, release).agent
        assert agent is not None
        balancer = LoadBalancer(agent.release, size)
        if size == 40:
            balancer.backends = {}
            balancer.capacity = 10_000
            balancer.apply(found.wanted.of(agent.release)[:1])
            balancer.capacity = len(balancer.services)
        for failure in balancer.apply(found.wanted.of(agent.release)):
            message = failure_message(agent.release, failure, 0)
            lines.append(render(agent.release, NOW, message))
    return lines


def fleet(quirk: QuirkKind | None = None) -> Fleet:
    """Return three nodes, one a release, all with the same thing wrong."""
    groups = tuple(
        NodeGroup(text, 1, text, "6.18.44", config=STRICT if text == "1.11.7" else {})
        for text in RELEASES
    )
    quirks = tuple(Quirk(quirk, group.name) for group in groups) if quirk else ()
    scenario = replace(SCENARIOS["healthy"], groups=groups, quirks=quirks)
    return Fleet(scenario, 0, 1, lambda: NOW)


@cache
def shared_fleet(quirk: QuirkKind | None = None) -> Fleet:
    """Return such a fleet for tests that do not change it."""
    return fleet(quirk)


def node_of(found: Fleet, release: str) -> SimNode:
    """Return the node that runs this release."""
    return next(node for node in found.nodes if node.group == release)


def run(found: Fleet, release: str, argv: list[str]) -> CommandResult:
    """Run a command in the agent's container of this release."""
    return found.exec(node_of(found, release).pod_name, "cilium-agent", argv, b"")


_MAP_KEY = re.compile(r"^[\d.]+[:/]|^\d+(\.\d+)*$")


def shape(value: object, path: str = "") -> set[str]:
    """Return the paths of all keys; keys that are addresses or numbers are one."""
    found: set[str] = set()
    if isinstance(value, dict):
        for key, item in value.items():
            name = f"{path}/{'*' if _MAP_KEY.match(key) else key}"
            found |= {name} | shape(item, name)
    elif isinstance(value, list):
        for item in value:
            found |= shape(item, f"{path}[]")
    return found
