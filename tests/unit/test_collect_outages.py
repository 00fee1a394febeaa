"""Bounds and clocks while things go wrong: bytes that wait, clocks that differ, nodes that wait."""

from __future__ import annotations

from tests.unit.collect_clock import VirtualClock
from tests.unit.collect_fakes import Rig as SweepRig
from tests.unit.collect_fakes import node, pod, uid
from tests.unit.store_facts import usage
from tests.unit.test_collect_logs import START, Rig, error, info, reading
from tui.cilium.servicespec import EndpointSliceSpec
from tui.collect.log_lines import MOST_WAITING_BYTES, LogBuffer
from tui.collect.logs import STARTING_FOLLOWERS
from tui.collect.roster import Roster
from tui.collect.wants import WantKeeper
from tui.errors import ApiError, ConnectError
from tui.model.logs import LogBatch
from tui.model.names import ContainerId, NodeUid
from tui.model.node import AgentPhase
from tui.model.snapshot import NodeReport
from tui.safety import clean
from tui.store.trends import NodeTrends


def test_long_lines_wait_in_bounded_memory_and_their_loss_is_counted() -> None:
    buffer = LogBuffer(uid(), ContainerId("c1"))
    for number in range(40):
        loud, quiet = b"level=error msg=" + b"x" * 65_000, b"level=info msg=" + b"y" * 65_000
        buffer.add([(START + number, loud), (START + number, quiet)] * 5)
        assert buffer._waiting_bytes <= MOST_WAITING_BYTES
    taken, lost = 0, 0
    while (batch := buffer.take(50)) is not None:
        taken += len(batch.lines)
        lost += (batch.gap.lost_lines or 0) if batch.gap is not None else 0
    assert taken + lost == 400
    assert taken > 20
    assert buffer._waiting_bytes == 0


async def test_a_poll_that_is_cut_goes_on_by_the_nodes_clock() -> None:
    rig = Rig()
    rig.logs.lines["cilium-1"] = [info(0.0, "first")]
    # The virtual clock is a thousand seconds ahead of these lines.
    async with reading(rig):
        rig.logs.lines["cilium-1"] += [info(1.0 + n * 1e-4, "x" * 900) for n in range(6_000)]
        await rig.clock.advance(30.0)
        rig.logs.lines["cilium-1"].append(error(20.0, "after the cut"))
        await rig.clock.advance(30.0)
        facts = rig.facts()
        batches = [fact for fact in facts if isinstance(fact, LogBatch)]
        gaps = [batch.gap for batch in batches if batch.gap is not None]
        assert any("KiB" in gap.reason for gap in gaps)
        assert all(gap.started_at <= gap.ended_at <= START + 2.0 for gap in gaps)
        said = [line.message for batch in batches for line in batch.lines]
        assert said[-1] == "after the cut"


async def test_the_last_words_are_asked_again_after_a_failure() -> None:
    rig = Rig()
    rig.roster.put_pod(pod(1, phase=AgentPhase.CRASH_LOOP, started_at=None, has_previous=True))
    rig.logs.previous["cilium-1"] = [error(1.0, "the last words")]
    rig.logs.failures["cilium-1"] = ApiError("in trouble", 503)
    async with reading(rig):
        assert rig.messages() == []
        del rig.logs.failures["cilium-1"]
        rig.intake.resume()
        await rig.clock.advance(2.0)
        assert rig.messages() == ["the last words"]


async def test_few_followers_read_their_start_at_once() -> None:
    rig = Rig(nodes=20)
    most, open_reads = 0, 0
    read_log = rig.logs.read_log

    async def slow_read_log(*arguments: object, **named: object) -> bytes:
        nonlocal most, open_reads
        open_reads += 1
        most = max(most, open_reads)
        await rig.clock.sleep(3.0)
        open_reads -= 1
        return await read_log(*arguments, **named)  # type: ignore[arg-type]  # passed on as they are

    rig.logs.read_log = slow_read_log  # type: ignore[method-assign]  # the fake, made slow
    async with reading(rig, 0.0):
        for number in range(1, 21):
            failed = NodeReport(uid(number), ContainerId("c1"), None, clean("exec failed"))
            rig.intake.note_report(failed)
        await rig.clock.advance(60.0)
        assert most <= STARTING_FOLLOWERS + 3
        assert rig.logs.open_follows == 20


async def test_nodes_that_wait_after_failures_are_asked_when_the_server_is_back() -> None:
    rig = SweepRig(nodes=3)
    rig.execs.failures = {f"cilium-{number}": ConnectError("away") for number in (1, 2, 3)}
    await rig.note_all()
    for _ in range(12):
        rig.schedule.resume()
        while (turn := rig.schedule.next_turn()) is not None:
            await rig.sweeper.visit(turn)
    assert rig.schedule.next_turn() is None
    rig.execs.failures.clear()
    rig.sweeper.reconnect()
    asked: list[NodeUid] = []
    while (turn := rig.schedule.next_turn()) is not None and len(asked) < 3:
        asked.append(turn.agent.uid)
        await rig.sweeper.visit(turn)
    assert sorted(asked) == [uid(1), uid(2), uid(3)]


def test_a_pod_that_is_over_does_not_speak_for_its_node() -> None:
    roster = Roster()
    roster.put_node(node(1))
    roster.put_pod(pod(1, "", AgentPhase.NOT_READY, "-evicted", started_at=None))
    for phase in (AgentPhase.CRASH_LOOP, AgentPhase.PENDING, AgentPhase.RUNNING):
        roster.put_pod(pod(1, "c2", phase, started_at=None))
        agent = next(iter(roster.targets)).agent
        assert agent is not None
        assert agent.phase is phase


def test_a_start_in_our_future_does_not_stop_the_forecasts() -> None:
    trends = NodeTrends(10.0)
    trends.restart(9_999_999.0)
    for step in range(20):
        at = 1_000.0 + step * 10.0
        if step == 1:
            trends.restart(at + 3_600.0)
        trends.record(at, [usage(100 + 20 * step, at)])
    (shown,) = trends.attach([usage(480, 1_190.0)], is_detailed=True)
    assert shown.trend.seconds_to_full is not None


def test_services_that_come_and_go_leave_nothing_behind() -> None:
    wants = WantKeeper(VirtualClock())
    for number in range(50):
        key = ("ns", f"slice-{number}")
        wants.put_slice(key, EndpointSliceSpec("ns", f"service-{number}"))
        wants.drop_slice(key)
    assert not wants._slices
    assert not wants._owner
