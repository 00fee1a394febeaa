"""A rollout of the agents' DaemonSet under way: warned of, and never added to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.collect_clock import VirtualClock
from tests.unit.operations_facts import a_node, a_snapshot, agent_set, uid_of
from tests.unit.operations_fakes import FakeCluster, Rig
from tests.unit.operations_fakes import uid_of as uid_numbered
from tui.cluster import kinds
from tui.cluster.config_objects import daemonset
from tui.model.names import NodeUid
from tui.model.node import AgentPhase
from tui.model.operations import Guard, GuardKind, Intent, OperationKind, OperationPlan
from tui.model.snapshot import Snapshot
from tui.operations.guards import judged
from tui.operations.situation import Situation, warned

RESTART = Intent(OperationKind.RESTART)


def told(*down: str, **parts: Any) -> Guard | None:
    """Return the guard on the rollout, where node-1 is to be restarted and some others are away."""
    names = ("node-1", "node-2", "node-3", "node-4")
    phases = {name: AgentPhase.NOT_READY for name in down}
    nodes = [a_node(name, phase=phases.get(name, AgentPhase.RUNNING)) for name in names]
    snapshot = a_snapshot(*nodes, daemonset=agent_set(**{"desired": 4, **parts}))
    guards = judged(Situation(RESTART, [uid_of("node-1")], snapshot))
    return next((one for one in guards if one.id.startswith("rollout-")), None)


@pytest.mark.parametrize(
    ("parts", "is_told"),
    [
        ({"updated": 4}, False),
        ({"updated": 3}, True),
        ({"updated": 0}, True),
        ({"updated": None}, False),
        ({"updated": 3, "update_strategy": "OnDelete"}, False),
        ({"updated": 4, "is_observed": False}, True),
        ({"updated": 4, "is_observed": False, "update_strategy": "OnDelete"}, True),
    ],
)
def test_a_rollout_under_way_is_warned_of(parts: dict[str, Any], is_told: bool) -> None:
    guard = told(**parts)
    assert (guard is not None) is is_told
    if guard is not None:
        assert guard.kind is GuardKind.WARNED
        assert "runs the newest revision" in guard.text


@pytest.mark.parametrize(
    ("down", "allowed", "kind"),
    [
        ((), "1", GuardKind.WARNED),
        (("node-2",), "1", GuardKind.BLOCKED),
        (("node-2",), "2", GuardKind.WARNED),
        (("node-2", "node-3"), "2", GuardKind.BLOCKED),
        (("node-1",), "1", GuardKind.WARNED),
    ],
)
def test_what_would_double_the_disruption_is_forbidden(
    down: tuple[str, ...], allowed: str, kind: GuardKind
) -> None:
    guard = told(*down, updated=2, unavailable=allowed)
    assert guard is not None
    assert (guard.kind, guard.is_data_loss) == (kind, False)
    if kind is GuardKind.BLOCKED:
        assert "2 of 4 agents are of its newest revision" in guard.text
        assert "kubectl rollout status ds/cilium -n kube-system" in guard.text


@pytest.mark.parametrize(
    ("status", "updated", "is_observed"),
    [
        ({"observedGeneration": 3, "updatedNumberScheduled": 2}, 2, True),
        ({"observedGeneration": 2, "updatedNumberScheduled": 4}, 4, False),
        ({"observedGeneration": 3}, 0, True),
        ({}, 0, False),
        (None, None, True),
    ],
)
def test_how_far_a_rollout_is_is_read_from_the_status(
    status: dict[str, int] | None, updated: int | None, is_observed: bool
) -> None:
    found = {"metadata": {"name": "cilium", "generation": 3}}
    item = msgspec.convert({**found, "status": status}, kinds.DaemonSet)
    made = daemonset(item)
    assert (made.updated, made.is_observed) == (updated, is_observed)


@pytest.mark.parametrize("is_shown", [False, True])
async def test_a_rollout_that_nobody_saw_stops_it_before_the_next_node(
    is_shown: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, FakeCluster(VirtualClock()))
    rolls = warned("rollout-under-way", "a rollout of DaemonSet cilium is under way")
    made = rig.make

    def seen(_plan: OperationPlan, _now: Snapshot, uid: NodeUid) -> tuple[Guard, ...]:
        return (rolls,) if uid == uid_numbered(2) else ()

    async def planned(intent: Intent, snapshot: Snapshot) -> OperationPlan:
        return replace(await made(intent, snapshot), guards=(rolls,) if is_shown else ())

    monkeypatch.setattr("tui.operations.operator.recheck_node", seen)
    monkeypatch.setattr(rig.operator, "_planner", planned)
    plan = await rig.begin(1, 2)
    await rig.run_out()
    assert rig.states(plan) == ["done", "done" if is_shown else "failed"]
    stopped = "other than in the preview, plan again: a rollout" in rig.progress(plan).text
    assert stopped is not is_shown
