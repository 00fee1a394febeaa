"""Agents, pods and a session that answers from real outputs, for the collector's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

from tests.unit.cilium_fixtures import read
from tests.unit.collect_clock import VirtualClock
from tui.cilium.frames import Frame, encode_frames
from tui.cilium.probes import parse_argv
from tui.cluster.exec import ExecResult
from tui.cluster.logs import LogPiece, LogStart, LogTarget, split_timestamp
from tui.collect.roster import Roster
from tui.collect.schedule import Schedule
from tui.collect.settings import CollectSettings
from tui.collect.shared import Shared
from tui.collect.sweep import Sweeper
from tui.collect.wants import WantKeeper
from tui.model.names import ContainerId, NodeName, NodeUid, PodUid
from tui.model.node import AgentPhase, AgentPod, Node
from tui.model.snapshot import Fact, NodeReport
from tui.safety import clean

VERSION = "1.17.5"


def uid(number: int = 1) -> NodeUid:
    return NodeUid(f"uid-{number}")


def node(number: int = 1, is_ready: bool | None = True, boot: str = "b1") -> Node:
    name = NodeName(f"node-{number}")
    return Node(uid(number), name, is_ready, clean("6.18.44"), boot_id=boot)


def pod(
    number: int = 1,
    container: str = "c1",
    phase: AgentPhase = AgentPhase.RUNNING,
    suffix: str = "",
    **changes: object,
) -> AgentPod:
    made = AgentPod(
        PodUid(f"pod-{number}{suffix}"),
        clean(f"cilium-{number}{suffix}"),
        clean("kube-system"),
        NodeName(f"node-{number}"),
        phase,
        container_id=ContainerId(container),
        image=clean(f"quay.io/cilium/cilium:v{VERSION}"),
        is_ready=phase is AgentPhase.RUNNING,
        started_at=1_700_000_000.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the test names the fields


def real_answer(probe: str) -> Frame:
    """Return what a real agent of 1.17.5 answers, as far as its output is at hand."""
    names = {
        "status": "status.json",
        "version": "version.json",
        "config": "config-a-json.json",
        "metrics": "metrics-list.json",
    }
    maps = (
        b'{"id":1,"type":"hash","flags":1,"bytes_key":12,"bytes_value":12,"max_entries":64,'
        b'"bytes_memlock":2000,"pinned":["/sys/fs/bpf/tc/globals/cilium_lb4_services_v2"]}\n'
    )
    if probe == "maps":
        return Frame(probe, 0, 0.02, maps, b"", False)
    if probe in names:
        return Frame(probe, 0, 0.1, read(VERSION, names[probe]), b"", False)
    return Frame(probe, 127, 0.0, b"", b"sh: not found", False)


Answer = Callable[[str], Frame]


@dataclass
class FakeExecs:
    """Answers probes from a function; a pod may fail, or hang until released."""

    answer: Answer = real_answer
    failures: dict[str, Exception] = field(default_factory=dict)
    hanging: dict[str, asyncio.Event] = field(default_factory=dict)
    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    async def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        deadline_seconds: float,
        stdout_limit: int = 0,
    ) -> ExecResult:
        parsed = parse_argv(argv)
        assert parsed is not None
        nonce, probes = parsed
        self.calls.append((pod, tuple(probes)))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            if pod in self.hanging:
                await self.hanging[pod].wait()
            if pod in self.failures:
                raise self.failures[pod]
        finally:
            self.in_flight -= 1
        stdout, stderr = encode_frames(nonce, [self.answer(probe) for probe in probes])
        return ExecResult(0, stdout, stderr, False, 0.1)


@dataclass
class FakeLogs:
    """Logs by pod: what can be read, and what comes while following."""

    lines: dict[str, list[bytes]] = field(default_factory=dict)
    previous: dict[str, list[bytes]] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)
    reads: list[tuple[str, LogStart]] = field(default_factory=list)
    follows: list[str] = field(default_factory=list)
    pieces: dict[str, asyncio.Queue[LogPiece]] = field(default_factory=dict)
    open_follows: int = 0

    async def read_log(
        self, target: LogTarget, start: LogStart, *, deadline_seconds: float = 30.0
    ) -> bytes:
        self.reads.append((target.pod, start))
        await asyncio.sleep(0)
        if target.pod in self.failures:
            raise self.failures[target.pod]
        found = (self.previous if start.is_previous else self.lines).get(target.pod, [])
        if start.since_time is not None:
            since = int(start.since_time)
            found = [line for line in found if (split_timestamp(line)[0] or 0.0) >= since]
        if start.tail_lines is not None:
            found = found[-start.tail_lines :]
        text = b"".join(line + b"\n" for line in found)
        return text if start.limit_bytes is None else text[: start.limit_bytes]

    async def follow_log(self, target: LogTarget, start: LogStart) -> AsyncIterator[LogPiece]:
        self.follows.append(target.pod)
        self.open_follows += 1
        try:
            queue = self.pieces.setdefault(target.pod, asyncio.Queue())
            while True:
                yield await queue.get()
        finally:
            self.open_follows -= 1


class Rig:
    """A sweeper over some nodes, in virtual time."""

    def __init__(self, nodes: int = 1, **settings: int) -> None:
        self.clock = VirtualClock()
        self.execs = FakeExecs()
        self.roster = Roster()
        self.shared = Shared.begin(self.clock, replace(CollectSettings(), **settings))  # type: ignore[arg-type]  # the test names fields that are numbers
        self.schedule = Schedule(self.clock, None, self.shared.settings.exec_slots)
        self.wants = WantKeeper(self.clock)
        self.sweeper = Sweeper(self.execs, self.roster, self.schedule, self.wants, self.shared)
        for number in range(1, nodes + 1):
            self.roster.put_node(node(number))
            self.roster.put_pod(pod(number))

    async def note_all(self) -> None:
        for target in list(self.roster.targets):
            await self.sweeper.note(target)

    def facts(self) -> list[Fact]:
        """Return the facts that came since the last call."""
        found = []
        while not self.shared.outbox.is_empty:
            fact = self.shared.outbox.get_nowait()
            if fact is not None:
                found.append(fact)
        return found

    def reports(self) -> list[NodeReport]:
        return [fact for fact in self.facts() if isinstance(fact, NodeReport)]
