"""What goes wrong while an operation runs, each told and none made worse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.operations_rig import (
    DONE,
    FAST,
    Rig,
    make_operator,
    operating,
    over,
)
from tui.cluster.arming import Arming
from tui.errors import BlockedError, CiltopError, OperationError
from tui.model.names import PodUid
from tui.model.operations import (
    AuditEvent,
    Intent,
    NodeState,
    OperationKind,
    OperationPlan,
    OperationState,
    Scope,
)
from tui.operations.writer import sent_as
from tui.simulator.faults import DryRun, Fault, FaultKind
from tui.simulator.fleet import SCENARIOS
from tui.simulator.scenarios import NodeGroup

FOUR = replace(
    SCENARIOS["healthy"],
    groups=(NodeGroup("main", 4, "1.17.5", "6.8.0-45-generic"),),
    events=(),
)
SHORT = replace(FAST, verify=6.0)
AGENT_PODS = "/namespaces/kube-system/pods/"


def restart_all(rig: Rig) -> Intent:
    return Intent(OperationKind.RESTART, tuple(one.node.uid for one in rig.live.nodes))


def restart_one(rig: Rig) -> Intent:
    return Intent(OperationKind.RESTART, (rig.uid(names(rig)[0]),))


def names(rig: Rig) -> list[str]:
    return [str(one.node.name) for one in rig.live.nodes]


def deleted(rig: Rig) -> set[str]:
    """Return the nodes whose agent's deletion was recorded as sent."""
    return {
        str(one.node_name)
        for one in rig.snapshot.audit
        if one.event is AuditEvent.BEFORE_WRITE and one.target.startswith("delete pods")
    }


async def ending(rig: Rig, plan: OperationPlan) -> str:
    """Begin, and return the words with which it was refused or ended."""
    try:
        await rig.operator.start(plan, plan.confirmation)
    except OperationError as error:
        return str(error.message)
    await rig.operator.wait()
    assert rig.operation(plan).state is OperationState.FAILED
    return over(rig.operation(plan))


def has_other_agent(rig: Rig, name: str, uid: PodUid) -> bool:
    agent = rig.node(name).agent
    return agent is not None and agent.uid != uid and agent.is_ready


async def test_an_agent_that_never_becomes_ready_stops_the_waves(tmp_path: Path) -> None:
    async with operating(tmp_path, FOUR, timing=SHORT) as rig:
        rig.fleet.misbehave(names(rig)[1], "never-ready", {}, "")
        plan, ended = await rig.done(restart_all(rig))
        assert ended.state is OperationState.FAILED, over(ended)
        assert rig.states(plan) == [
            NodeState.DONE,
            NodeState.FAILED,
            NodeState.SKIPPED,
            NodeState.SKIPPED,
        ]
        assert "not healthy within" in ended.text
        assert "2 nodes were not begun" in ended.text
        assert deleted(rig) == set(names(rig)[:2])


async def test_an_agent_that_crashes_because_of_the_change_ends_it_at_once(tmp_path: Path) -> None:
    async with operating(tmp_path, FOUR) as rig:
        first = names(rig)[0]
        text = "bpf-lb-sock-hostns-only=true"
        rig.fleet.misbehave(first, "crash-on", {}, text)
        uids = tuple(one.node.uid for one in rig.live.nodes)
        plan, ended = await rig.done(Intent(OperationKind.HOSTNS_ONLY, uids, is_on=True))
        assert ended.state is OperationState.FAILED, over(ended)
        assert "starts and crashes" in ended.text
        assert deleted(rig) == {first}
        assert ended.undo_id == plan.id
        _, undone = await rig.done(Intent(OperationKind.UNDO, undo_id=plan.id))
        assert undone.state is DONE, over(undone)
        configs = await rig.api("/apis/cilium.io/v2/namespaces/kube-system/ciliumnodeconfigs")
        assert configs["items"] == []


async def test_a_pod_replaced_since_the_preview_is_not_deleted(tmp_path: Path) -> None:
    async with operating(tmp_path, FOUR) as rig:
        plan = await rig.operator.plan(restart_one(rig))
        agent = rig.node(names(rig)[0]).agent
        assert agent is not None
        arming = Arming(False, "", rig.session.context)
        arming.arm(rig.session.context)
        await rig.session.gate(arming).write(sent_as(plan.writes[0]))
        await rig.until(
            lambda: has_other_agent(rig, names(rig)[0], agent.uid), "another pod that is ready"
        )
        with pytest.raises(OperationError, match="replaced by another object since the preview"):
            await rig.operator.start(plan, plan.confirmation)
        assert deleted(rig) == set()
        assert not rig.operator.is_running


async def test_no_right_to_delete_says_which_and_writes_nothing(tmp_path: Path) -> None:
    async with operating(tmp_path, FOUR) as rig:
        rig.server.permissions.deny("delete", "pods")
        plan = await rig.operator.plan(restart_one(rig))
        assert "delete" in await ending(rig, plan)
        assert deleted(rig) == set()


async def test_a_webhook_that_denies_the_write_stops_it_with_its_words(tmp_path: Path) -> None:
    async with operating(tmp_path, FOUR) as rig:
        plan = await rig.operator.plan(restart_all(rig))
        rig.server.faults.add(
            Fault(
                FaultKind.WEBHOOK,
                webhook="freeze.example.com",
                resource="pods",
                message="change freeze until Monday",
                dry_run=DryRun.PASS,
            )
        )
        said = await ending(rig, plan)
        assert "change freeze until Monday" in said


async def test_a_dry_run_that_breaks_off_is_made_again(tmp_path: Path) -> None:
    async with operating(tmp_path, FOUR) as rig:
        plan = await rig.operator.plan(restart_one(rig))
        await rig.operator.start(plan, plan.confirmation)
        rig.server.faults.add(Fault(FaultKind.RESET, path=AGENT_PODS, verb="delete", count=2))
        await rig.operator.wait()
        ended = rig.operation(plan)
        assert ended.state is DONE, over(ended)


async def test_a_write_whose_answer_is_lost_is_read_back_and_not_repeated(tmp_path: Path) -> None:
    async with operating(tmp_path, FOUR) as rig:
        intent = Intent(OperationKind.HOSTNS_ONLY, (rig.uid(names(rig)[0]),), is_on=True)
        plan = await rig.operator.plan(intent)
        await rig.operator.start(plan, plan.confirmation)
        # Without `dryRun` in its query it is the write itself: done, and its answer broken.
        path = r"/ciliumnodeconfigs\?(?!.*dryRun)"
        fault = rig.server.faults.add(Fault(FaultKind.RESET, path=path, verb="create", count=1))
        await rig.operator.wait()
        ended = rig.operation(plan)
        assert ended.state is DONE, over(ended)
        assert fault not in rig.server.faults.rules
        said = [one.result for one in rig.snapshot.audit if one.target.startswith("create")]
        assert said == ["", "done; the answer was lost, the object shows it"]
        configs = await rig.api("/apis/cilium.io/v2/namespaces/kube-system/ciliumnodeconfigs")
        assert len(configs["items"]) == 1


async def test_a_config_map_changed_since_the_preview_is_not_written(tmp_path: Path) -> None:
    async with operating(tmp_path, FOUR) as rig:
        intent = Intent(OperationKind.HOSTNS_ONLY, scope=Scope.CLUSTER, is_on=True)
        plan = await rig.operator.plan(intent)
        write = next(one for one in plan.writes if one.resource == "configmaps")
        arming = Arming(False, "", rig.session.context)
        arming.arm(rig.session.context)
        somebody = replace(sent_as(write), body={"metadata": {"annotations": {"note": "mine"}}})
        await rig.session.gate(arming).write(somebody)
        assert "changed by somebody since the preview" in await ending(rig, plan)
        held = await rig.api("/api/v1/namespaces/kube-system/configmaps/cilium-config")
        assert "bpf-lb-sock-hostns-only" not in held["data"]


async def test_the_api_lost_mid_wave_is_told_and_waited_for(tmp_path: Path) -> None:
    async with operating(tmp_path, FOUR) as rig:
        plan = await rig.operator.plan(restart_all(rig))
        await rig.operator.start(plan, plan.confirmation)
        await rig.until(
            lambda: (
                NodeState.VERIFYING in rig.states(plan) or NodeState.RESTARTING in rig.states(plan)
            ),
            "the first restart",
        )
        fault = rig.server.faults.add(Fault(FaultKind.STATUS, status=503))
        rig.server.faults.drop_watches()
        await rig.until(lambda: NodeState.UNKNOWN in rig.states(plan), "the loss is told")
        assert rig.operator.is_running
        rig.server.faults.rules.remove(fault)
        await rig.until(lambda: not rig.operator.is_running, "the end")
        assert rig.operation(plan).state is DONE, over(rig.operation(plan))
        assert len(deleted(rig)) == 4


async def test_a_second_operator_is_kept_away(tmp_path: Path) -> None:
    async with operating(tmp_path, FOUR) as rig:
        plan = await rig.operator.plan(restart_all(rig))
        await rig.operator.start(plan, plan.confirmation)
        other = make_operator(rig.session, rig.live, tmp_path / "other", host="bob@elsewhere")
        blocked = await other.plan(restart_one(rig))
        assert "lease-held" in {guard.id for guard in blocked.blockers}
        with pytest.raises(BlockedError, match="another operator is at work"):
            await other.start(blocked, blocked.confirmation)
        with pytest.raises(BlockedError, match="one at a time"):
            await rig.operator.start(plan, plan.confirmation)
        rig.operator.abort()
        await rig.operator.wait()
        assert rig.operation(plan).state is OperationState.ABORTED
        assert "lease-held" not in {one.id for one in (await other.plan(restart_one(rig))).guards}


async def test_without_a_right_to_the_lease_it_goes_on_with_a_warning(tmp_path: Path) -> None:
    async with operating(tmp_path, FOUR) as rig:
        for verb in ("get", "create", "patch"):
            rig.server.permissions.deny(verb, "leases")
        rig.server.permissions.deny("create", "events")
        _, ended = await rig.done(restart_one(rig))
        assert ended.state is DONE, over(ended)
        confirmed = next(one for one in rig.snapshot.audit if one.event is AuditEvent.CONFIRMED)
        assert "nothing keeps a second operator away" in confirmed.result


async def test_a_killed_run_is_shown_at_the_next_start_and_can_be_finished(tmp_path: Path) -> None:
    async with operating(tmp_path, FOUR) as rig:
        plan = await rig.operator.plan(restart_all(rig))
        await rig.operator.start(plan, plan.confirmation)
        await rig.until(lambda: rig.states(plan)[0] is NodeState.DONE, "the first node")
        await rig.operator.close()
        again = make_operator(rig.session, rig.live, tmp_path / "state")
        await again.recover()
        left = rig.operation(plan)
        assert left.state is OperationState.UNFINISHED
        assert left.nodes[0].state is NodeState.DONE
        assert NodeState.SKIPPED in {node.state for node in left.nodes}
        rest = await again.plan_finish(plan.id)
        assert left.nodes[0].node_uid not in {uid for wave in rest.waves for uid in wave}
        await again.start(rest, rest.confirmation)
        await again.wait()
        assert rig.operation(rest).state is DONE, over(rig.operation(rest))
        assert rig.operation(plan).state is not OperationState.UNFINISHED
        third = make_operator(rig.session, rig.live, tmp_path / "state")
        with pytest.raises(CiltopError, match="not unfinished"):
            await third.plan_finish(plan.id)


async def test_one_restart_in_ten_minutes_outside_a_wave(tmp_path: Path) -> None:
    async with operating(tmp_path, FOUR) as rig:
        _, ended = await rig.done(restart_one(rig))
        assert ended.state is DONE, over(ended)
        second = await rig.operator.plan(Intent(OperationKind.RESTART, (rig.uid(names(rig)[1]),)))
        assert "too-soon" in {guard.id for guard in second.blockers}
        with pytest.raises(BlockedError, match="by itself less than 10 minutes ago"):
            await rig.operator.start(second, second.confirmation)
        several = await rig.operator.plan(restart_all(rig))
        assert "too-soon" not in {guard.id for guard in several.guards}
