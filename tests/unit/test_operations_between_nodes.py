"""Between two nodes of an operation: what is looked at again, and what stops it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.checks_facts import NOW, entry
from tests.unit.collect_clock import VirtualClock
from tests.unit.operations_facts import HOSTNS_ONLY, a_config, a_node, a_service, a_snapshot
from tests.unit.operations_facts import uid_of as uid_named
from tests.unit.operations_fakes import FakeCluster, Rig, uid_of
from tests.unit.test_operations_guards import cluster_write
from tui.model.names import NodeUid
from tui.model.operations import GuardKind, Intent, OperationKind, OperationPlan, Scope
from tui.model.snapshot import NodeFacts
from tui.operations.fresh import Fresh
from tui.operations.guards import recheck_node
from tui.operations.writing import node_config_write
from tui.safety import clean

FLIP = Intent(OperationKind.HOSTNS_ONLY, is_on=True)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path, FakeCluster(VirtualClock()))
    yield made
    await made.operator.close()


class Unlisted(dict[NodeUid, NodeFacts]):
    """Nodes that can be looked up by UID and not be gone through."""

    def __iter__(self) -> Iterator[NodeUid]:
        raise AssertionError("all nodes are looked at")

    def values(self) -> Any:
        raise AssertionError("all nodes are looked at")

    items = values


def test_before_each_node_only_this_node_is_judged_and_with_all_that_is_written() -> None:
    own = a_config("canary", {HOSTNS_ONLY: "false"}, "node-1")
    snapshot = a_snapshot(a_node(), a_node("node-2", kernel="5.4.0"), configs=[own])
    write = cluster_write(snapshot, {HOSTNS_ONLY: "true"})
    flip = replace(FLIP, scope=Scope.CLUSTER)
    plan = OperationPlan("7f3a", flip, clean("flip"), NOW, writes=(write,))
    unlisted = replace(snapshot, nodes=Unlisted(snapshot.nodes))
    ignoring = recheck_node(plan, unlisted, uid_named("node-1"))
    assert [(one.kind, one.id) for one in ignoring] == [(GuardKind.WARNED, "no-effect")]
    cookieless = recheck_node(plan, unlisted, uid_named("node-2"))
    assert "no-netns-cookies" in {one.id for one in cookieless if one.kind is GuardKind.BLOCKED}


def test_a_node_config_that_takes_no_effect_by_now_forbids_the_next_node() -> None:
    snapshot = a_snapshot(a_node())
    node = snapshot.nodes[uid_named("node-1")]
    write = node_config_write("7f3a", [node], {HOSTNS_ONLY: "true"}, Fresh(snapshot, version="v2"))
    plan = OperationPlan("7f3a", FLIP, clean("flip"), NOW, writes=(write,))
    assert not [
        one for one in recheck_node(plan, snapshot, uid_named("node-1")) if one.id == "no-effect"
    ]
    wins = a_config("zz-ours-is-last", {HOSTNS_ONLY: "false"}, "node-1")
    now = a_snapshot(a_node(), configs=[wins])
    found = recheck_node(plan, now, uid_named("node-1"))
    assert ("no-effect", GuardKind.BLOCKED) in {(one.id, one.kind) for one in found}


async def test_a_neighbour_that_becomes_not_ready_stops_it(rig: Rig) -> None:
    plan = await rig.begin(1, 2)
    facts = rig.cluster.nodes[uid_of(4)]
    rig.cluster.nodes[uid_of(4)] = replace(facts, node=replace(facts.node, is_ready=False))
    await rig.run_out()
    assert rig.states(plan) == ["done", "skipped"]
    assert "node-4 became NotReady meanwhile" in rig.progress(plan).text


async def test_the_last_endpoints_of_a_service_on_the_next_node_stop_it(rig: Rig) -> None:
    services = [a_service("shop/web", "node-2", "node-3"), a_service("shop/db", "node-2")]
    rig.cluster.services = services
    plan = await rig.begin(1, 2)
    rig.cluster.services = [a_service("shop/web", "node-2"), a_service("shop/db", "node-2")]
    await rig.run_out()
    assert rig.states(plan) == ["done", "skipped"]
    assert "all ready endpoints of shop/web are on node-2 by now" in rig.progress(plan).text


async def test_each_node_is_judged_again_before_it_is_begun(rig: Rig) -> None:
    plan = await rig.begin(1, 2)
    said = entry("BPF filesystem is not mounted. This will lead to", meaning="M25")
    facts = rig.cluster.nodes[uid_of(2)]
    rig.cluster.nodes[uid_of(2)] = replace(facts, logs=(*facts.logs, said))
    await rig.run_out()
    assert rig.states(plan) == ["done", "failed"]
    assert rig.restarted() == ["cilium-1-0"]
    assert "blocked meanwhile: node-2: bpffs is not mounted" in rig.progress(plan).text
