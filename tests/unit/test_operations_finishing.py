"""Finishing what a killed run left: what it restarted is verified, what it did not is restarted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.collect_clock import VirtualClock
from tests.unit.operations_fakes import FakeCluster, Rig, uid_of
from tui.model.agent import AgentStatus, ComponentState, FailingController
from tui.model.names import NodeName, PodUid
from tui.model.node import AgentPhase
from tui.model.operations import AuditEvent, AuditRecord, Intent, OperationKind, OperationPlan
from tui.model.snapshot import NodeFacts
from tui.operations.finishing import finishing_of, wanted_of
from tui.operations.undo import UndoRecord
from tui.safety import clean


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path, FakeCluster(VirtualClock()))
    yield made
    await made.operator.close()


async def killed(rig: Rig, *numbers: int, after: float = 3.0) -> tuple[OperationPlan, Rig]:
    """Begin to restart agents, end in the middle, and return the plan and the next run."""
    plan = await rig.begin(*numbers)
    await rig.clock.advance(after)
    await rig.operator.close()
    again = Rig(rig.folder, rig.cluster)
    again.plans = 100
    await again.operator.recover()
    return plan, again


async def finished(rig: Rig, plan: OperationPlan) -> OperationPlan:
    rest = await rig.operator.plan_finish(plan.id)
    await rig.operator.start(rest, rest.confirmation)
    await rig.run_out()
    return rest


async def test_a_single_restart_that_was_begun_is_verified_within_the_ten_minutes(
    rig: Rig,
) -> None:
    plan, again = await killed(rig, 1)
    rest = await again.operator.plan_finish(plan.id)
    assert rest.title == f"Finish operation {plan.id}: verify node-1"
    assert (rest.waves, rest.writes, rest.guards) == (((uid_of(1),),), (), ())
    assert "restarted by operation plan1 and not verified" in rest.now[0]
    await again.operator.start(rest, rest.confirmation)
    await again.run_out()
    assert again.states(rest) == ["done"]
    assert {mark.id for mark in again.progress(rest).nodes[0].marks} >= {"pod-ready", "agent-ok"}
    assert again.restarted() == ["cilium-1-0"]
    third = Rig(rig.folder, rig.cluster)
    await third.operator.recover()
    assert third.look().operations == ()


async def test_waves_go_on_with_what_is_left_and_without_a_pause(rig: Rig) -> None:
    plan, again = await killed(rig, 1, 2, 3, after=40.0)
    rest = await again.operator.plan_finish(plan.id)
    assert rest.waves == ((uid_of(2),), (uid_of(3),))
    assert rest.node_names == ("node-2", "node-3")
    assert rest.title == f"Finish operation {plan.id}: verify node-2, then restart"
    assert not rest.is_blocked
    await again.operator.start(rest, rest.confirmation)
    await again.run_out()
    assert again.states(rest) == ["done", "done"]
    assert again.restarted() == ["cilium-1-0", "cilium-2-0", "cilium-3-0"]
    assert again.progress(plan).state.value == "aborted"


async def test_another_operations_restart_still_keeps_its_ten_minutes(rig: Rig) -> None:
    await rig.begin(4)
    await rig.run_out()
    plan, again = await killed(rig, 1, 2)
    await again.clock.advance(30.0)
    rest = await again.operator.plan_finish(plan.id)
    assert rest.waves == ((uid_of(1),), (uid_of(2),))
    assert [guard.id for guard in rest.blockers] == ["too-soon"]


async def test_what_was_to_finish_it_and_was_killed_too_is_finished(rig: Rig) -> None:
    plan, again = await killed(rig, 1)
    rest = await again.operator.plan_finish(plan.id)
    await again.operator.start(rest, rest.confirmation)
    await again.clock.advance(2.0)
    await again.operator.close()
    third = Rig(rig.folder, rig.cluster)
    third.plans = 200
    await third.operator.recover()
    last = await finished(third, rest)
    assert third.states(last) == ["done"]
    first = await finished(third, plan)
    assert third.states(first) == ["done"]
    assert third.restarted() == ["cilium-1-0"]


async def test_an_agent_that_is_ill_stays_unfinished_and_says_why(rig: Rig) -> None:
    controller = FailingController(clean("sync-lb-maps"), 3, clean("no space"))

    def ill(facts: NodeFacts) -> NodeFacts:
        status = AgentStatus(ComponentState(clean("Ok")), failing_controllers=(controller,))
        return replace(facts, status=replace(facts.status, value=status))

    plan, again = await killed(rig, 1)
    rig.cluster.on_restart = ill
    rest = await finished(again, plan)
    assert again.states(rest) == ["failed"]
    assert "sync-lb-maps: no space" in again.progress(rest).text
    assert again.progress(plan).state.value == "unfinished"


async def test_a_node_that_has_left_is_told_and_not_waited_for(rig: Rig) -> None:
    plan, again = await killed(rig, 1, 2)
    del rig.cluster.nodes[uid_of(1)]
    rest = await finished(again, plan)
    assert [guard.text for guard in rest.guards] == ["1 of its nodes are not there any more"]
    assert again.states(rest) == ["done"]


def sent(event: AuditEvent, result: str = "") -> AuditRecord:
    return AuditRecord(
        7.0, event, operation_id="plan1", node_name=NodeName("node-1"), result=clean(result)
    )


BEFORE = sent(AuditEvent.BEFORE_WRITE)


@pytest.mark.parametrize(
    ("records", "pod", "phase", "is_begun"),
    [
        ([], "other", AgentPhase.RUNNING, False),
        ([BEFORE], "cilium-1-0", AgentPhase.RUNNING, False),
        ([BEFORE], "cilium-1-0", AgentPhase.TERMINATING, True),
        ([BEFORE], "other", AgentPhase.RUNNING, True),
        ([BEFORE], "", AgentPhase.MISSING, True),
        ([BEFORE, sent(AuditEvent.AFTER_WRITE, "done")], "cilium-1-0", AgentPhase.RUNNING, True),
        ([BEFORE, sent(AuditEvent.AFTER_WRITE, "not done")], "other", AgentPhase.RUNNING, False),
        ([BEFORE, sent(AuditEvent.VERIFIED, "well")], "other", AgentPhase.RUNNING, None),
    ],
)
async def test_which_agents_an_operation_restarted(
    records: list[AuditRecord], pod: str, phase: AgentPhase, is_begun: bool | None, rig: Rig
) -> None:
    plan = await rig.operator.plan(Intent(OperationKind.RESTART, (uid_of(1),)))
    record = UndoRecord(plan, clean("lab"), clean("https://lab"), 5.0)
    facts = rig.cluster.nodes[uid_of(1)]
    assert facts.agent is not None
    made = replace(facts.agent, uid=PodUid(f"pod-{pod}"), phase=phase) if pod else None
    rig.cluster.nodes[uid_of(1)] = replace(facts, agent=made)
    found = finishing_of(record, records, rig.look())
    assert (uid_of(1) in found.begun) is bool(is_begun)
    assert (uid_of(1) in found.intent.nodes) is (is_begun is False)
    if is_begun:
        assert (found.begun[uid_of(1)].at, found.begun[uid_of(1)].pod_uid) == (
            7.0,
            "pod-cilium-1-0",
        )


async def test_a_resize_that_is_finished_still_wants_every_frontend(rig: Rig) -> None:
    plan = await rig.operator.plan(Intent(OperationKind.RESTART, (uid_of(1),)))
    resize = replace(plan, intent=Intent(OperationKind.RESIZE, (uid_of(1),)))
    record = UndoRecord(resize, clean("lab"), clean("https://lab"), 5.0)
    finishing = finishing_of(record, [BEFORE, sent(AuditEvent.AFTER_WRITE, "done")], rig.look())
    kept = wanted_of(plan, None, replace(finishing, record=record))
    assert kept[uid_of(1)].is_complete
    assert not wanted_of(plan, None, None)[uid_of(1)].is_complete
