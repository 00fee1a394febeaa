"""Plans against a simulated cluster: what is blocked, what heals, and that nothing is written."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.contract.live_rig import LiveRig, running
from tui.cluster.access import ConnectionSettings
from tui.cluster.arming import Arming
from tui.cluster.connection import connect
from tui.model.names import NodeUid
from tui.model.operations import Intent, OperationKind, OperationPlan, Scope
from tui.operations.plans import make_plan
from tui.operations.reader import ClusterReader
from tui.safety import clean
from tui.simulator.fleet import SCENARIOS


@asynccontextmanager
async def planning(tmp_path: Path, scenario: str) -> AsyncIterator[tuple[LiveRig, ClusterReader]]:
    async with running(tmp_path, SCENARIOS[scenario]) as rig:
        await rig.until_read()
        await rig.until(
            lambda: (
                all(facts.maps.is_known and facts.logs for facts in rig.nodes)
                and rig.snapshot.cluster.services.value is not None
                and rig.snapshot.cluster.node_configs.value is not None
                and bool(rig.snapshot.cluster.daemonsets.value)
            ),
            "maps, logs, Services and what configures agents",
        )
        settings = ConnectionSettings(kubeconfig=str(tmp_path / "kubeconfig"))
        session = await connect(settings)
        async with session:
            arming = Arming(False, "", clean("simulated"))
            yield rig, ClusterReader(session, session.gate(arming))


def uid(rig: LiveRig, name: str) -> NodeUid:
    return next(facts.node.uid for facts in rig.nodes if facts.node.name == name)


def blockers(plan: OperationPlan) -> set[tuple[str, str]]:
    return {(guard.id, guard.text.partition(":")[0]) for guard in plan.blockers}


async def test_shrunk_blocks_restarts_that_spread_it_and_heals_by_a_resize(tmp_path: Path) -> None:
    async with planning(tmp_path, "shrunk") as (rig, reader):
        snapshot = rig.snapshot
        restart = Intent(OperationKind.RESTART, (uid(rig, "node1"),))
        plan = await make_plan(restart, snapshot, reader)
        assert blockers(plan) == {("map-too-small", "node1")}
        assert plan.writes[0].is_dry_run_passed
        every = await make_plan(
            Intent(OperationKind.RESTART, scope=Scope.CLUSTER), snapshot, reader
        )
        assert blockers(every) == {("map-too-small", "node1"), ("map-too-small", "node2")}
        assert [len(wave) for wave in every.waves] == [1, 1, 1]
        heal = Intent(OperationKind.RESIZE, (uid(rig, "node3"),))
        plan = await make_plan(heal, snapshot, reader)
        assert not plan.is_blocked
        assert json.loads(plan.writes[0].body) == {"data": {"bpf-lb-map-max": "256"}}
        assert plan.writes[0].is_dry_run_passed
        assert plan.node_names == ("node3",)
        flip = Intent(OperationKind.HOSTNS_ONLY, (uid(rig, "node1"),), is_on=True)
        plan = await make_plan(flip, snapshot, reader)
        assert "no-node-configs" in {guard.id for guard in plan.blockers}
        assert plan.writes == ()
        assert rig.snapshot.cluster.config_map.value == snapshot.cluster.config_map.value


async def test_healthy_lets_one_node_be_flipped_and_the_rest_roll(tmp_path: Path) -> None:
    async with planning(tmp_path, "healthy") as (rig, reader):
        nodes = tuple(facts.node.uid for facts in rig.nodes)
        flip = Intent(OperationKind.HOSTNS_ONLY, nodes[:1], is_on=True)
        plan = await make_plan(flip, rig.snapshot, reader)
        assert plan.blockers == ()
        assert [write.is_dry_run_passed for write in plan.writes] == [True, True]
        assert f"+  name: zz-ciltop-{plan.id}" in plan.writes[0].diff.split("\n")
        assert plan.confirmation == ""
        rest = Intent(OperationKind.HOSTNS_ONLY, nodes[1:], is_on=True, wave_size=2)
        plan = await make_plan(rest, rig.snapshot, reader)
        assert plan.blockers == ()
        assert plan.confirmation
        assert sorted(uid for wave in plan.waves for uid in wave) == sorted(nodes[1:])
