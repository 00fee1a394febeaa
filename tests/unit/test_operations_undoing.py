"""Undo: the value that was there before, the object by its UID, and nobody else's work."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.checks_facts import NOW
from tests.unit.operations_facts import (
    HOSTNS_ONLY,
    FakeReader,
    a_config,
    a_node,
    a_snapshot,
    ids,
    lb_map,
    uid_of,
)
from tui.model.node import AgentPhase
from tui.model.operations import Intent, OperationKind, OperationPlan, Scope
from tui.model.reading import Reading
from tui.model.snapshot import Snapshot
from tui.operations.plans import make_plan
from tui.operations.undo import Reversal, UndoRecord
from tui.safety import clean

UNDO = Intent(OperationKind.UNDO, undo_id="7f3a")
ON = {HOSTNS_ONLY: "true"}


def plan_of(
    intent: Intent, snapshot: Snapshot, undo: UndoRecord | None = None, **parts: Any
) -> OperationPlan:
    reader = FakeReader(snapshot, **parts)
    return asyncio.run(make_plan(intent, snapshot, reader, undo=undo, clock=lambda: NOW + 1.8e9))


def record(plan: OperationPlan, *reversals: Reversal) -> UndoRecord:
    return UndoRecord(plan, clean("prod"), clean(""), NOW, reversals)


def made(name: str = "zz-ciltop-7f3a", uid: str = "cnc-zz-ciltop-7f3a") -> Reversal:
    return Reversal(
        "config", "create", "cilium.io", "v2", "ciliumnodeconfigs", "kube-system", name, uid,
        wanted=ON, is_written=True,
    )  # fmt: skip


def patched(previous: str | None = "64", wanted: str = "256", uid: str = "cm-uid") -> Reversal:
    key = "bpf-lb-map-max"
    return Reversal(
        "config", "patch", "", "v1", "configmaps", "kube-system", "cilium-config", uid,
        {key: previous}, {key: wanted}, is_written=True,
    )  # fmt: skip


def flip_plan() -> OperationPlan:
    intent = Intent(OperationKind.HOSTNS_ONLY, (uid_of("node-1"), uid_of("node-2")), is_on=True)
    return plan_of(intent, a_snapshot(a_node(), a_node("node-2"), a_node("node-3")))


def resize_plan() -> OperationPlan:
    intent = Intent(OperationKind.RESIZE, (uid_of("node-1"),), Scope.CLUSTER, size=256)
    return plan_of(intent, a_snapshot(a_node(maps=[lb_map(50, 64, 60)])))


def after_flip(**parts: Any) -> Snapshot:
    """Node 1 runs with the flip, node 2 was never restarted."""
    nodes = (a_node(running=ON), a_node("node-2"), a_node("node-3"))
    config = a_config("zz-ciltop-7f3a", ON, "node-1", "node-2")
    return a_snapshot(*nodes, **{"configs": [config], **parts})


def test_a_node_config_is_deleted_by_its_uid_and_those_that_read_it_restart() -> None:
    plan = plan_of(UNDO, after_flip(), record(flip_plan(), made()))
    delete, restart = plan.writes
    assert (delete.verb, delete.resource, delete.uid) == (
        "delete",
        "ciliumnodeconfigs",
        "cnc-zz-ciltop-7f3a",
    )
    assert restart.node_uid == "uid-node-1"
    assert plan.waves == (("uid-node-1",),)
    assert not plan.is_blocked
    assert "connections-break" in ids(plan, "warned")
    assert "-  name: zz-ciltop-7f3a" in delete.diff.split("\n")
    assert plan.title.startswith("Undo ")
    assert not plan.can_undo


def test_one_that_was_replaced_is_left_alone_and_one_that_is_gone_is_told() -> None:
    plan = plan_of(UNDO, after_flip(), record(flip_plan(), made(uid="another")))
    assert "replaced" in ids(plan, "blocked")
    assert plan.writes == ()
    plan = plan_of(UNDO, after_flip(configs=[]), record(flip_plan(), made()))
    assert "gone" in ids(plan, "noted")
    assert "nothing-to-do" in ids(plan, "blocked")


def test_an_operation_of_another_cluster_is_named_as_such() -> None:
    here = record(flip_plan(), made())
    assert "other-cluster" not in ids(plan_of(UNDO, after_flip(), here), "warned")
    there = replace(here, server=clean("https://other"))
    plan = plan_of(UNDO, after_flip(configs=[]), there)
    assert "other-cluster" in ids(plan, "warned")
    assert plan.is_blocked
    assert any("https://other" in guard.text for guard in plan.guards)


def test_a_create_whose_answer_was_lost_is_found_by_its_name() -> None:
    plan = plan_of(UNDO, after_flip(), record(flip_plan(), made(uid="")))
    assert plan.writes[0].uid == "cnc-zz-ciltop-7f3a"


def resized(now: str = "256", size: int = 256, wanted: int = 60) -> Snapshot:
    node = a_node(maps=[lb_map(50, size, wanted)])
    return a_snapshot(node, a_node("node-2"), values={"bpf-lb-map-max": now})


@pytest.mark.parametrize("previous", ["64", None])
def test_a_value_is_put_back_or_taken_away(previous: str | None) -> None:
    plan = plan_of(UNDO, resized(), record(resize_plan(), patched(previous)))
    patch = plan.writes[0]
    assert json.loads(patch.body) == {"data": {"bpf-lb-map-max": previous}}
    assert json.loads(patch.undo_body) == {"data": {"bpf-lb-map-max": "256"}}
    assert (patch.uid, patch.resource_version) == ("cm-uid", "17")
    assert plan.confirmation == "prod"
    assert not plan.is_blocked
    assert plan.can_undo
    assert "no way back for what a map held" in plan.undo


@pytest.mark.parametrize(
    ("now", "reversal", "guard"),
    [
        ("512", patched(), "changed-since"),
        ("256", patched(uid="older"), "replaced"),
        ("64", patched(), "nothing-to-do"),
    ],
)
def test_what_somebody_changed_since_is_not_overwritten(
    now: str, reversal: Reversal, guard: str
) -> None:
    plan = plan_of(UNDO, resized(now), record(resize_plan(), reversal))
    assert guard in ids(plan, "blocked")
    assert plan.writes == ()


def test_an_undo_has_the_same_guard_rails() -> None:
    plan = plan_of(UNDO, resized(wanted=95), record(resize_plan(), patched()))
    assert "map-too-small" in ids(plan, "blocked")


def test_without_a_record_or_after_a_mere_restart_there_is_no_way_back() -> None:
    assert "no-undo-record" in ids(plan_of(UNDO, resized()), "blocked")
    restart = plan_of(Intent(OperationKind.RESTART, (uid_of("node-1"),)), resized())
    plan = plan_of(UNDO, resized(), record(restart))
    assert "no-way-back" in ids(plan, "blocked")
    assert plan.writes == ()


def test_nodes_that_are_gone_are_no_reason_to_leave_the_value() -> None:
    gone = replace(after_flip(), nodes={uid_of("node-3"): a_node("node-3")})
    plan = plan_of(UNDO, gone, record(flip_plan(), made()))
    assert [write.resource for write in plan.writes] == ["ciliumnodeconfigs"]
    assert "nodes-gone" in ids(plan, "noted")
    assert not plan.is_blocked


def test_an_agent_that_crash_loops_by_the_change_restarts_and_a_lost_one_blocks_nothing() -> None:
    looping = replace(a_node(phase=AgentPhase.CRASH_LOOP), config=Reading())
    base = a_node("node-2")
    lost = replace(base, node=replace(base.node, is_ready=None), config=Reading())
    snapshot = after_flip()
    snapshot = replace(
        snapshot, nodes={**snapshot.nodes, uid_of("node-1"): looping, uid_of("node-2"): lost}
    )
    plan = plan_of(UNDO, snapshot, record(flip_plan(), made()))
    assert plan.waves == (("uid-node-1",),)
    assert not plan.is_blocked
    assert "left-out" in ids(plan, "warned")
