"""The operator: confirms, spaces, pauses, aborts, stops, and never writes twice blindly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.collect_clock import VirtualClock, settle
from tests.unit.operations_fakes import FakeCluster, Rig, uid_of
from tui.cluster.gate import WriteRequest
from tui.errors import (
    BlockedError,
    ConnectError,
    DeniedError,
    NotArmedError,
    OperationError,
    UnknownOutcomeError,
)
from tui.model.agent import AgentStatus, ComponentState, FailingController
from tui.model.node import AgentPhase
from tui.model.operations import (
    AuditEvent,
    Guard,
    GuardKind,
    Intent,
    OperationKind,
    OperationPlan,
)
from tui.model.snapshot import (
    AuditWritten,
    NodeFacts,
    Snapshot,
    SourceHealth,
    SourceState,
)
from tui.operations.journal import JournalError
from tui.safety import clean

LOST = SourceHealth(clean("fake"), SourceState.LOST, clean("nothing answers"))
LIVE = SourceHealth(clean("fake"), SourceState.LIVE)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path, FakeCluster(VirtualClock()))
    yield made
    await made.operator.close()


def fails(error: Exception) -> Callable[[object], None]:
    def fail(_: object) -> None:
        raise error

    return fail


def events(rig: Rig) -> list[str]:
    """Return what was told of the operation itself: without its Lease and Kubernetes Events."""
    told = [one.record.event for one in rig.told if isinstance(one, AuditWritten)]
    return [one.value for one in told if not one.is_upkeep]


async def test_waves_one_node_first_then_so_many_at_once(rig: Rig) -> None:
    plan = await rig.begin(1, 2, 3, 4, wave_size=2)
    await rig.run_out()
    assert rig.states(plan) == ["done"] * 4
    assert rig.restarted() == ["cilium-1-0", "cilium-2-0", "cilium-3-0", "cilium-4-0"]
    nodes = rig.progress(plan).nodes
    assert [node.wave for node in nodes] == [0, 1, 1, 2]
    assert (nodes[1].started_at or 0) - (nodes[0].ended_at or 0) >= 20.0
    assert nodes[1].started_at == nodes[2].started_at
    assert frozenset({uid_of(2), uid_of(3)}) in rig.revisited
    assert rig.revisited[-1] == frozenset()


async def test_every_write_is_recorded_before_and_after(rig: Rig) -> None:
    await rig.begin(1)
    await rig.run_out()
    assert events(rig) == ["confirmed", "before-write", "after-write", "verified", "ended"]
    assert [one.event.value for one in rig.journal.tail(9)] == events(rig)
    written = rig.journal.tail(9)[1]
    assert written.target == "delete pods kube-system/cilium-1-0"
    assert (written.target_uid, written.user, written.context) == ("pod-cilium-1-0", "alice", "lab")


async def test_without_its_record_nothing_is_written(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = rig.journal.write

    def write(record: object) -> object:
        if getattr(record, "event", None) is AuditEvent.BEFORE_WRITE:
            raise JournalError("disk full")
        return original(record)  # type: ignore[arg-type]  # the record as it came

    monkeypatch.setattr(rig.journal, "write", write)
    plan = await rig.begin(1)
    await rig.run_out()
    assert rig.cluster.sent == []
    assert rig.progress(plan).state.value == "failed"
    assert "disk full" in rig.progress(plan).nodes[0].text


async def test_a_wide_plan_needs_the_clusters_name(rig: Rig) -> None:
    intent = Intent(OperationKind.RESTART, (uid_of(1), uid_of(2)))
    plan = await rig.operator.plan(intent)
    with pytest.raises(BlockedError, match="type lab to confirm"):
        await rig.operator.start(plan, "Lab")
    assert not rig.operator.is_running


async def test_an_unarmed_session_begins_nothing(rig: Rig) -> None:
    plan = await rig.operator.plan(Intent(OperationKind.RESTART, (uid_of(1),)))
    await rig.operator.disarm()
    with pytest.raises(NotArmedError):
        await rig.operator.start(plan, "")
    assert events(rig) == ["disarmed"]


async def test_disarming_stops_at_the_next_node(rig: Rig) -> None:
    plan = await rig.begin(1, 2)
    await rig.operator.disarm()
    await rig.run_out()
    assert rig.states(plan) == ["done", "failed"]
    assert rig.restarted() == ["cilium-1-0"]
    assert "not armed" in rig.progress(plan).nodes[1].text


async def test_pausing_holds_the_next_wave_and_resuming_goes_on(rig: Rig) -> None:
    plan = await rig.begin(1, 2)
    rig.operator.pause()
    await settle()
    assert "pauses before the next wave" in rig.progress(plan).text
    await rig.clock.advance(200.0)
    assert rig.states(plan) == ["done", "waiting"]
    assert rig.progress(plan).state.value == "paused"
    rig.operator.resume()
    await rig.run_out()
    assert rig.states(plan) == ["done", "done"]
    assert {"paused", "resumed"} <= set(events(rig))


async def test_aborting_verifies_what_was_begun_and_begins_no_more(rig: Rig) -> None:
    plan = await rig.begin(1, 2)
    rig.operator.abort()
    await rig.run_out()
    assert rig.states(plan) == ["done", "skipped"]
    assert rig.progress(plan).state.value == "aborted"
    assert "aborted" in events(rig)


async def test_aborting_twice_ends_at_once(rig: Rig) -> None:
    plan = await rig.begin(1, 2)
    rig.operator.abort()
    rig.operator.abort()
    await rig.run_out(5.0)
    assert not rig.operator.is_running
    assert rig.states(plan) == ["unknown", "skipped"]


async def test_a_node_that_stays_ill_stops_it_with_what_is_wrong(rig: Rig) -> None:
    controller = FailingController(clean("sync-lb-maps"), 3, clean("no space"))

    def ill(facts: NodeFacts) -> NodeFacts:
        status = AgentStatus(ComponentState(clean("Ok")), failing_controllers=(controller,))
        return replace(facts, status=replace(facts.status, value=status))

    rig.cluster.on_restart = ill
    plan = await rig.begin(1, 2)
    await rig.run_out()
    assert rig.states(plan) == ["failed", "skipped"]
    text = rig.progress(plan).text
    assert "not healthy within 100 s" in text
    assert "sync-lb-maps: no space" in text
    assert "1 nodes were not begun" in text


async def test_a_crash_loop_is_not_waited_out(rig: Rig) -> None:
    def crashes(facts: NodeFacts) -> NodeFacts:
        assert facts.agent is not None
        agent = replace(
            facts.agent, phase=AgentPhase.CRASH_LOOP, is_ready=False, reason=clean("exit code 1")
        )
        return replace(facts, agent=agent)

    rig.cluster.on_restart = crashes
    plan = await rig.begin(1)
    await rig.run_out(15.0)
    assert rig.states(plan) == ["failed"]
    assert "starts and crashes: exit code 1" in rig.progress(plan).text


async def test_a_node_ill_after_the_soak_stops_the_next_wave(rig: Rig) -> None:
    plan = await rig.begin(1, 2)
    await rig.clock.advance(25.0)
    assert rig.states(plan)[0] == "done"
    facts = rig.cluster.nodes[uid_of(1)]
    assert facts.services.value is not None
    worse = replace(facts.services.value, held_frontends=3)
    rig.cluster.nodes[uid_of(1)] = replace(facts, services=replace(facts.services, value=worse))
    await rig.run_out()
    assert rig.states(plan) == ["failed", "skipped"]
    assert "not after the soak: 7 frontends missing" in rig.progress(plan).text


async def test_another_agent_that_goes_down_meanwhile_stops_it(rig: Rig) -> None:
    plan = await rig.begin(1, 2)
    facts = rig.cluster.nodes[uid_of(4)]
    rig.cluster.nodes[uid_of(4)] = replace(facts, agent=None)
    await rig.run_out()
    assert rig.states(plan) == ["done", "skipped"]
    assert "the agent of node-4 went down meanwhile" in rig.progress(plan).text


async def test_time_without_the_api_does_not_count(rig: Rig) -> None:
    plan = await rig.begin(1)
    rig.cluster.health = LOST
    await rig.clock.advance(500.0)
    assert rig.states(plan) == ["unknown"]
    assert "nothing answers" in rig.progress(plan).nodes[0].text
    rig.cluster.health = LIVE
    await rig.run_out()
    assert rig.states(plan) == ["done"]


async def test_no_wave_begins_while_the_api_is_lost(rig: Rig) -> None:
    plan = await rig.begin(1, 2)
    await rig.clock.advance(30.0)
    assert rig.states(plan)[0] == "done"
    rig.cluster.health = LOST
    await rig.clock.advance(300.0)
    assert rig.states(plan) == ["done", "waiting"]
    assert rig.restarted() == ["cilium-1-0"]
    rig.cluster.health = LIVE
    await rig.run_out()
    assert rig.states(plan) == ["done", "done"]


async def test_what_was_never_sent_is_sent_when_the_api_is_back(rig: Rig) -> None:
    down = fails(ConnectError("connection refused"))
    rig.cluster.before_write = [down, down, down]
    plan = await rig.begin(1)
    await settle()
    assert "not sent, waiting for the API" in rig.progress(plan).text
    await rig.run_out()
    assert rig.states(plan) == ["done"]
    assert len(rig.cluster.sent) == 4


async def test_a_lost_answer_is_read_back_and_found_done(rig: Rig) -> None:
    rig.cluster.after_write = [fails(UnknownOutcomeError("the connection broke"))]
    plan = await rig.begin(1)
    await rig.run_out()
    assert rig.states(plan) == ["done"]
    assert rig.restarted() == ["cilium-1-0"]
    after = next(one for one in rig.journal.tail(9) if one.event is AuditEvent.AFTER_WRITE)
    assert "answer was lost" in after.result


async def test_what_was_surely_not_done_is_sent_again_after_three_looks(rig: Rig) -> None:
    rig.cluster.before_write = [fails(UnknownOutcomeError("timed out"))]
    plan = await rig.begin(1)
    looks = len(rig.cluster.reads)
    assert len(rig.cluster.sent) == 1
    await rig.run_out()
    assert rig.states(plan) == ["done"]
    assert len(rig.cluster.sent) == 2
    assert events(rig)[1:5] == ["before-write", "after-write"] * 2
    assert sum("pods/cilium-1-0" in path for path in rig.cluster.reads) >= 3
    assert looks <= len(rig.cluster.reads)


async def test_reading_back_waits_for_the_api(rig: Rig) -> None:
    rig.cluster.after_write = [fails(UnknownOutcomeError("the connection broke"))]
    plan = await rig.operator.plan(Intent(OperationKind.RESTART, (uid_of(1),)))
    await rig.operator.start(plan, "")
    rig.cluster.before_read = [fails(ConnectError("refused"))] * 5
    await settle()
    assert "reading back" in rig.progress(plan).text
    await rig.run_out()
    assert rig.states(plan) == ["done"]
    assert len(rig.cluster.sent) == 1


async def test_a_pod_replaced_between_preview_and_write_stops_it(rig: Rig) -> None:
    def replaced(request: WriteRequest) -> None:
        rig.cluster.objects[request.object_path]["metadata"]["uid"] = "another"

    rig.cluster.before_write = [replaced]
    plan = await rig.begin(1, 2)
    await rig.run_out()
    assert rig.states(plan) == ["failed", "skipped"]
    assert "replaced by another object" in rig.progress(plan).text


async def test_a_denied_write_stops_it_with_the_right_that_is_missing(rig: Rig) -> None:
    rig.cluster.before_write = [fails(DeniedError("no right to delete pods", "delete", "pods"))]
    plan = await rig.begin(1, 2)
    await rig.run_out()
    assert rig.states(plan) == ["failed", "skipped"]
    assert "no right to delete pods" in rig.progress(plan).text


async def test_a_preview_that_is_no_longer_true_is_refused(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = await rig.operator.plan(Intent(OperationKind.RESTART, (uid_of(1),)))
    made = rig.make
    guard = Guard(GuardKind.WARNED, "image-changes", clean("another image starts"))

    async def warned(intent: Intent, snapshot: Snapshot) -> OperationPlan:
        return replace(await made(intent, snapshot), guards=(guard,))

    monkeypatch.setattr(rig.operator, "_planner", warned)
    with pytest.raises(BlockedError, match="new since the preview: another image starts"):
        await rig.operator.start(plan, "")
    seen = await rig.operator.plan(plan.intent)
    await rig.operator.start(seen, "")


async def test_one_restart_in_ten_minutes_but_for_waves_and_undoing(rig: Rig) -> None:
    await rig.begin(1)
    await rig.run_out()
    alone = Intent(OperationKind.RESTART, (uid_of(2),))
    second = await rig.operator.plan(alone)
    assert [guard.id for guard in second.blockers] == ["too-soon"]
    assert not (await rig.operator.plan(replace(alone, nodes=(uid_of(2), uid_of(3))))).blockers
    assert not (await rig.operator.plan(replace(alone, kind=OperationKind.UNDO))).blockers
    await rig.clock.advance(601.0)
    assert not (await rig.operator.plan(alone)).blockers


async def test_only_one_operation_at_a_time(rig: Rig) -> None:
    plan = await rig.begin(1)
    with pytest.raises(OperationError, match="one at a time"):
        await rig.operator.start(plan, "")


async def test_a_cut_off_run_is_unfinished_at_the_next_start(rig: Rig, tmp_path: Path) -> None:
    plan = await rig.begin(1, 2, 3)
    await rig.clock.advance(40.0)
    assert rig.states(plan)[:2] == ["done", "restarting"]
    await rig.operator.close()
    again = Rig(tmp_path, rig.cluster)
    await again.operator.recover()
    left = again.progress(plan)
    assert left.state.value == "unfinished"
    assert again.states(plan) == ["done", "unknown", "skipped"]
    assert left.nodes[1].text == "restarted, not verified"
    await rig.clock.advance(30.0)
    rest = await again.operator.plan_finish(plan.id)
    assert [uid for wave in rest.waves for uid in wave] == [uid_of(2), uid_of(3)]
    await again.operator.dismiss(plan.id)
    assert again.progress(plan).state.value == "aborted"
    third = Rig(tmp_path, rig.cluster)
    await third.operator.recover()
    assert third.look().operations == ()


async def test_an_operation_that_another_ciltop_runs_is_not_unfinished(
    rig: Rig, tmp_path: Path
) -> None:
    await rig.begin(1, 2)
    other = Rig(tmp_path, rig.cluster)
    await other.operator.recover()
    assert other.look().operations == ()


async def test_a_long_operation_does_not_disarm_itself(rig: Rig) -> None:
    plan = await rig.begin(1, 2)
    rig.operator.pause()
    await rig.clock.advance(3_000.0)
    rig.operator.resume()
    await rig.run_out()
    assert rig.states(plan) == ["done", "done"]


async def test_another_cluster_of_the_same_context_is_not_this_one(
    rig: Rig, tmp_path: Path
) -> None:
    await rig.begin(1)
    await rig.clock.advance(3.0)
    await rig.operator.close()
    other = Rig(tmp_path, FakeCluster(rig.clock, server="https://elsewhere"))
    await other.operator.recover()
    assert other.look().operations == ()
    assert not (await other.operator.plan(Intent(OperationKind.RESTART, (uid_of(2),)))).blockers
