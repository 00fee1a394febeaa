"""Every line once, the storm bounded, and each loss a gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from tests.unit.collect_clock import VirtualClock, settle
from tests.unit.collect_fakes import FakeLogs, node, pod, uid
from tui.cluster.logs import LogLoss, LogPiece
from tui.collect.focus import Focus
from tui.collect.log_lines import MOST_WAITING, LogBuffer, LogCursor, is_quiet
from tui.collect.logs import LogIntake
from tui.collect.outbox import Outbox
from tui.collect.roster import Roster
from tui.collect.settings import CollectSettings
from tui.collect.shared import Shared
from tui.errors import ForbiddenError
from tui.model.logs import LogBatch, LogLevel
from tui.model.names import ContainerId
from tui.model.node import AgentPhase
from tui.model.snapshot import Fact, GapChanged, LogTrouble, NodeReport
from tui.safety import clean

START = 1_700_000_000.0


def stamped(second: float, text: str) -> bytes:
    at = datetime.fromtimestamp(START + second, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06}000Z {text}".encode()


def info(second: float, text: str = "fine") -> bytes:
    return stamped(second, f'level=info msg="{text}" subsys=daemon')


def error(second: float, text: str = "bad") -> bytes:
    return stamped(second, f'level=error msg="{text}" subsys=daemon')


class Rig:
    def __init__(self, nodes: int = 1) -> None:
        self.clock = VirtualClock()
        self.logs = FakeLogs()
        self.roster = Roster()
        self.shared = Shared.begin(self.clock, CollectSettings())
        self.intake = LogIntake(self.logs, self.roster, self.shared)
        for number in range(1, nodes + 1):
            self.roster.put_node(node(number))
            self.roster.put_pod(pod(number))

    async def note_all(self) -> None:
        for target in list(self.roster.targets):
            await self.intake.note(target)

    def facts(self) -> list[Fact]:
        return drained(self.shared.outbox)

    def messages(self) -> list[str]:
        return [
            line.message
            for fact in self.facts()
            if isinstance(fact, LogBatch)
            for line in fact.lines
        ]


def drained(outbox: Outbox) -> list[Fact]:
    found = []
    while not outbox.is_empty:
        fact = outbox.get_nowait()
        if fact is not None:
            found.append(fact)
    return found


@asynccontextmanager
async def reading(rig: Rig, seconds: float = 2.0) -> AsyncIterator[None]:
    await rig.note_all()
    task = asyncio.create_task(rig.intake.run())
    await settle()
    await rig.clock.advance(seconds)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_what_says_it_is_information_is_known_without_parsing() -> None:
    assert is_quiet(b'level=info msg="x"')
    assert is_quiet(b'time="2026-11-22T07:35:19Z" level=debug msg="level=error"')
    assert is_quiet(b'{"level":"info","ts":"x"}')
    assert is_quiet(b"I1122 07:35:19.473 1 reflector.go:1] x")
    assert not is_quiet(b'level=warning msg="x"')
    assert not is_quiet(b'time=x level=warn msg="level=info"')
    assert not is_quiet(b"panic: runtime error")
    assert not is_quiet(b"E1122 07:35:19.473 1 reflector.go:1] x")


def test_lines_read_twice_are_given_once_but_equal_lines_are_two() -> None:
    cursor = LogCursor()
    first = [info(1.0, "a"), info(1.5, "b"), info(2.0, "c")]
    assert len(cursor.fresh(first)) == 3
    second = [*first[1:], info(2.0, "d"), info(3.0, "c"), info(3.0, "c")]
    assert [text.split(b'"')[1] for _, text in cursor.fresh(second)] == [b"d", b"c", b"c"]
    assert cursor.fresh(second) == []


def test_a_storm_drops_the_quiet_lines_first_and_counts_them() -> None:
    buffer = LogBuffer(uid(), ContainerId("c1"))
    lines = []
    for number in range(MOST_WAITING + 1_000):
        is_loud = number % 100 == 0
        text = b'level=error msg="bad"' if is_loud else b'level=info msg="x"'
        lines.append((START + number, text))
    buffer.add(lines)
    batch = buffer.take(10_000)
    assert batch is not None
    assert batch.gap is not None
    assert batch.gap.lost_lines == MOST_WAITING + 1_000 - len(batch.lines)
    assert batch.gap.started_at >= START
    assert sum(line.level is LogLevel.ERROR for line in batch.lines) == 50
    assert buffer.take(10) is None


async def test_the_past_gives_all_problems_and_the_newest_other_lines() -> None:
    rig = Rig()
    rig.logs.lines["cilium-1"] = [
        error(1.0, "early harm"),
        *(info(2.0 + n, f"line {n}") for n in range(1_000)),
    ]
    async with reading(rig):
        messages = rig.messages()
    assert messages[0] == "early harm"
    assert len(messages) == 201
    assert messages[-1] == "line 999"


async def test_polling_brings_what_is_new_once() -> None:
    rig = Rig()
    rig.logs.lines["cilium-1"] = [info(1.0, "a")]
    async with reading(rig):
        rig.logs.lines["cilium-1"] = [info(1.0, "a"), info(1.0, "b"), error(2.0, "c")]
        await rig.clock.advance(30.0)
        messages = rig.messages()
    assert messages == ["a", "b", "c"]
    starts = [start for _, start in rig.logs.reads]
    assert starts[0].since_time is None
    assert starts[1].since_time == START + 1.0


async def test_the_chosen_node_is_followed_and_let_go() -> None:
    rig = Rig(nodes=3)
    rig.intake.focus(Focus(uid(2), frozenset()))
    async with reading(rig):
        assert rig.logs.follows == ["cilium-2"]
        rig.logs.pieces["cilium-2"].put_nowait(LogPiece((error(9.0, "live"),)))
        await settle()
        await rig.clock.advance(1.0)
        assert rig.messages() == ["live"]
        rig.intake.focus(Focus(uid(3), frozenset()))
        await rig.clock.advance(1.0)
        assert rig.logs.follows == ["cilium-2", "cilium-3"]
        assert rig.logs.open_follows == 1
    assert rig.logs.open_follows == 0


async def test_at_most_fifty_are_followed() -> None:
    rig = Rig(nodes=70)
    async with reading(rig):
        for number in range(1, 71):
            rig.intake.note_report(
                NodeReport(uid(number), ContainerId("c1"), None, clean("exec failed"))
            )
        await rig.clock.advance(10.0)
        assert rig.logs.open_follows == 50


async def test_a_loss_while_following_is_a_gap() -> None:
    rig = Rig()
    rig.intake.focus(Focus(uid(), frozenset()))
    async with reading(rig):
        loss = LogLoss(START + 1, START + 5, clean("the log was rotated"))
        rig.logs.pieces["cilium-1"].put_nowait(LogPiece((info(5.0),), loss))
        await settle()
        await rig.clock.advance(1.0)
        batches = [fact for fact in rig.facts() if isinstance(fact, LogBatch)]
    assert batches[0].gap is not None
    assert batches[0].gap.reason == "the log was rotated"
    assert batches[0].gap.lost_lines is None


async def test_a_log_longer_than_what_is_read_at_once_has_a_gap() -> None:
    rig = Rig(nodes=201)
    filler = "x" * 900
    rig.logs.lines["cilium-1"] = [error(float(n), f"{filler} {n}") for n in range(5_000)]
    async with reading(rig, 4.0):
        facts = rig.facts()
    batches = [fact for fact in facts if isinstance(fact, LogBatch)]
    gaps = [batch.gap for batch in batches if batch.gap is not None]
    assert len(gaps) == 1
    assert "KiB" in gaps[0].reason
    assert gaps[0].ended_at > gaps[0].started_at


async def test_a_crash_looping_agent_shows_the_log_of_the_container_before() -> None:
    rig = Rig(nodes=0)
    rig.roster.put_node(node())
    rig.roster.put_pod(pod(phase=AgentPhase.CRASH_LOOP, started_at=None, has_previous=True))
    rig.logs.previous["cilium-1"] = [error(1.0, "why it died")]
    async with reading(rig):
        batches = [fact for fact in rig.facts() if isinstance(fact, LogBatch)]
    assert [line.message for batch in batches for line in batch.lines] == ["why it died"]
    assert batches[0].is_previous
    assert all(start.is_previous for _, start in rig.logs.reads)


async def test_a_restart_reads_the_end_of_the_old_container_without_repeats() -> None:
    rig = Rig()
    rig.logs.lines["cilium-1"] = [info(1.0, "a"), info(2.0, "b")]
    async with reading(rig):
        assert rig.messages() == ["a", "b"]
        rig.logs.previous["cilium-1"] = [
            info(1.0, "a"),
            info(2.0, "b"),
            stamped(3.0, "level=fatal msg=died"),
        ]
        rig.logs.lines["cilium-1"] = [info(4.0, "new")]
        rig.roster.put_pod(pod(container="c2", has_previous=True))
        await rig.note_all()
        await rig.clock.advance(2.0)
        batches = [fact for fact in rig.facts() if isinstance(fact, LogBatch)]
    assert [line.message for batch in batches for line in batch.lines] == ["died", "new"]
    assert [batch.is_previous for batch in batches] == [True, False]
    assert batches[1].container_id == "c2"


async def test_a_denied_log_is_a_gap_and_is_asked_for_again_after_a_while() -> None:
    rig = Rig(nodes=5)
    for number in range(1, 6):
        rig.logs.failures[f"cilium-{number}"] = ForbiddenError(
            "GET /api/v1/namespaces/kube-system/pods/cilium-1/log needs get pods/log"
        )
    async with reading(rig):
        facts = rig.facts()
        asked = len(rig.logs.reads)
        assert asked <= 3
        await rig.clock.advance(50.0)
        assert len(rig.logs.reads) == asked
        rig.logs.failures.clear()
        rig.logs.lines["cilium-1"] = [error(1.0)]
        await rig.clock.advance(120.0)
        later = rig.facts()
    gaps = [fact.gap for fact in facts if isinstance(fact, GapChanged)]
    assert gaps[0] is not None
    assert gaps[0].is_denied
    assert gaps[0].reason.endswith("/log needs get pods/log")
    assert any(isinstance(fact, LogTrouble) and fact.reason for fact in facts)
    assert GapChanged("logs", None) in later
    assert any(isinstance(fact, LogTrouble) and not fact.reason for fact in later)


async def test_problems_since_the_start_are_at_hand_for_the_features() -> None:
    rig = Rig()
    rig.logs.lines["cilium-1"] = [error(1.0, "no bpf"), info(2.0)]
    async with reading(rig):
        assert [line.message for line in rig.intake.problems_of(uid())] == ["no bpf"]
        assert rig.intake.problems_of(uid(99)) == ()
