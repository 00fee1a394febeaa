"""Settings changed on a simulated cluster, verified from the agents and put back."""

from __future__ import annotations

from pathlib import Path

from tests.contract.operations_rig import DONE, Rig, operating, over
from tui.model.names import NodeUid
from tui.model.operations import Intent, NodeState, OperationKind, Scope
from tui.model.snapshot import NodeFacts
from tui.simulator.fleet import SCENARIOS


def coverage(facts: NodeFacts) -> str:
    status = facts.status.value
    proxy = status.kube_proxy_replacement if status is not None else None
    return str(proxy.socket_lb_coverage) if proxy is not None else ""


async def flippable(rig: Rig) -> str:
    """Return a node that tells its coverage and whose flip nothing forbids."""
    for one in rig.live.nodes:
        if coverage(one) == "Full" and one.agent is not None and one.agent.is_ready:
            plan = await rig.operator.plan(flip(one.node.uid))
            if not plan.is_blocked:
                return str(one.node.name)
    raise AssertionError("every node's flip is forbidden")


def flip(*uids: NodeUid) -> Intent:
    return Intent(OperationKind.HOSTNS_ONLY, uids, is_on=True)


async def test_hostns_only_on_one_node_changes_its_coverage_and_undo_puts_it_back(
    tmp_path: Path,
) -> None:
    async with operating(tmp_path, SCENARIOS["mixed"]) as rig:
        name = await flippable(rig)
        others = {one.node.name: one.agent.uid for one in rig.live.nodes if one.agent}
        plan, ended = await rig.done(flip(rig.uid(name)))
        assert ended.state is DONE, over(ended)
        assert coverage(rig.node(name)) == "Hostns-only"
        assert {mark.id: mark.is_met for mark in ended.nodes[0].marks}["coverage"]
        configs = await rig.api("/apis/cilium.io/v2/namespaces/kube-system/ciliumnodeconfigs")
        made = [one["metadata"] for one in configs["items"]]
        assert f"zz-ciltop-{plan.id}" in [one["name"] for one in made]
        assert ended.undo_id == plan.id
        undo, undone = await rig.done(Intent(OperationKind.UNDO, undo_id=plan.id))
        assert undone.state is DONE, over(undone)
        assert coverage(rig.node(name)) == "Full"
        assert {mark.id: mark.is_met for mark in undone.nodes[0].marks}["coverage"]
        configs = await rig.api("/apis/cilium.io/v2/namespaces/kube-system/ciliumnodeconfigs")
        assert f"zz-ciltop-{plan.id}" not in [one["metadata"]["name"] for one in configs["items"]]
        now = {one.node.name: one.agent.uid for one in rig.live.nodes if one.agent}
        assert [node for node in now if now[node] != others[node]] == [name]
        assert rig.operation(plan).undo_id == ""
        assert undo.id != plan.id


async def test_a_resize_heals_the_shrunk_node_and_node_1_may_not_be_restarted(
    tmp_path: Path,
) -> None:
    async with operating(tmp_path, SCENARIOS["shrunk"]) as rig:
        blocked = await rig.operator.plan(Intent(OperationKind.RESTART, (rig.uid("node1"),)))
        assert blocked.is_blocked
        assert "map-too-small" in {guard.id for guard in blocked.blockers}
        before = rig.node("node3").services.value
        assert before is not None
        assert before.missing_frontends > 0
        plan, ended = await rig.done(Intent(OperationKind.RESIZE, (rig.uid("node3"),)))
        assert ended.state is DONE, over(ended)
        assert [node.state for node in ended.nodes] == [NodeState.DONE]
        after = rig.node("node3").services.value
        assert after is not None
        assert after.missing_frontends == 0
        marks = {mark.id: mark for mark in ended.nodes[0].marks}
        assert marks["size:bpf-lb-map-max"].is_met
        assert plan.node_names == ("node3",)


async def test_the_config_map_is_patched_and_every_agent_follows(tmp_path: Path) -> None:
    async with operating(tmp_path, SCENARIOS["healthy"], nodes=3) as rig:
        intent = Intent(OperationKind.HOSTNS_ONLY, scope=Scope.CLUSTER, is_on=True, wave_size=2)
        plan, ended = await rig.done(intent)
        assert ended.state is DONE, over(ended)
        assert {coverage(one) for one in rig.live.nodes} == {"Hostns-only"}
        held = await rig.api("/api/v1/namespaces/kube-system/configmaps/cilium-config")
        assert held["data"]["bpf-lb-sock-hostns-only"] == "true"
        manager = [one["manager"] for one in held["metadata"]["managedFields"]]
        assert "ciltop" in manager
        undo, undone = await rig.done(Intent(OperationKind.UNDO, undo_id=plan.id))
        assert undone.state is DONE, over(undone)
        assert {coverage(one) for one in rig.live.nodes} == {"Full"}
        assert len(undo.node_names) == 3
