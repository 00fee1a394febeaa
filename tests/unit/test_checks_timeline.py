"""The time line: order, folds, one node's own, and what explains what is ACTIVE."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.checks_facts import NOW, UID, cluster_facts, entry, known, node_facts
from tui.checks.timeline import Timeline, decisive, timeline
from tui.checks.timeline.entries import ENTRIES_SHOWN
from tui.model.cluster import (
    CiliumConfigMap,
    CiliumDaemonSet,
    CiliumNodeConfig,
    ClusterFacts,
    ConfigWrite,
    DaemonSetRevision,
)
from tui.model.findings import Finding, FindingChange, FindingSeverity
from tui.model.names import NodeName, NodeUid
from tui.model.node import AgentPhase, NodeCondition
from tui.model.snapshot import NodeFacts, Snapshot
from tui.model.timeline import ChangeKind
from tui.safety import clean

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
STARTED = NOW - 33 * MINUTE
WRITTEN = STARTED - 5.0


def writes(*pairs: tuple[str, float]) -> tuple[ConfigWrite, ...]:
    return tuple(ConfigWrite(clean(manager), at) for manager, at in pairs)


def cluster(*pairs: tuple[str, float], **parts: object) -> ClusterFacts:
    held = CiliumConfigMap({}, writes=writes(*pairs))
    return replace(cluster_facts(), config_map=known(held), **parts)  # type: ignore[arg-type]  # fields of ClusterFacts


def node(number: int, started_at: float | None = NOW - 41 * DAY, **parts: object) -> NodeFacts:
    facts = node_facts("1.11.7", **parts)  # type: ignore[arg-type]  # parts of node_facts
    uid, name = NodeUid(f"uid-{number}"), NodeName(f"node{number}")
    assert facts.agent is not None
    agent = replace(facts.agent, started_at=started_at, node_name=name)
    return replace(facts, node=replace(facts.node, uid=uid, name=name), agent=agent)


def snapshot(
    nodes: list[NodeFacts], facts: ClusterFacts | None = None, *findings: Finding
) -> Snapshot:
    return Snapshot(
        NOW,
        cluster=facts or ClusterFacts(),
        nodes={one.node.uid: one for one in nodes},
        findings=findings,
    )


def active(check_id: str, *uids: str, first_seen: float | None = NOW) -> Finding:
    title = clean(check_id)
    return Finding(
        check_id,
        title,
        FindingSeverity.ACTIVE,
        title,
        title,
        tuple(map(NodeUid, uids)),
        first_seen=first_seen,
    )


def test_the_write_just_before_a_harmed_nodes_start_is_decisive() -> None:
    facts = cluster(("kubectl-patch", WRITTEN), ("helm", NOW - 90 * DAY))
    nodes = [node(1), node(2), node(3, STARTED)]
    shot = snapshot(nodes, facts, active("service-map-drift", "uid-3"))
    found = decisive(shot)
    assert found is not None
    assert found.at == WRITTEN
    assert found.who == "kubectl-patch"
    assert found.text == (
        "cilium-config written by kubectl-patch, 5 s before the agent of node3 started"
    )
    marked = [one for one in timeline(shot) if one.is_decisive]
    assert [(one.at, one.kind) for one in marked] == [(WRITTEN, ChangeKind.CONFIG)]


def test_a_write_after_the_start_explains_nothing_that_runs() -> None:
    facts = cluster(("kubectl-edit", NOW - MINUTE))
    shot = snapshot([node(3, STARTED)], facts, active("service-map-drift", "uid-3"))
    found = decisive(shot)
    assert found is not None
    assert (found.kind, found.at) == (ChangeKind.AGENT, STARTED)


def test_what_does_not_come_from_a_start_is_not_laid_at_its_door() -> None:
    facts = cluster(("kubectl-patch", WRITTEN))
    shot = snapshot([node(3, NOW - 2 * DAY)], facts, active("backend-leak", "uid-3"))
    assert decisive(shot) is None
    quiet = snapshot([node(3, STARTED)], facts)
    assert decisive(quiet) is None
    assert not any(one.is_decisive for one in timeline(quiet))


def test_a_rollout_before_the_start_is_decisive_too() -> None:
    revision = DaemonSetRevision(
        clean("cilium"), 2, clean("b"), clean("cilium:v1.12.0"), STARTED - 20.0
    )
    older = DaemonSetRevision(
        clean("cilium"), 1, clean("a"), clean("cilium:v1.11.7"), NOW - DAY * 9
    )
    facts = cluster(revisions=known((revision, older)))
    found = decisive(snapshot([node(3, STARTED)], facts, active("map-pressure", "uid-3")))
    assert found is not None
    assert "cilium:v1.11.7 → cilium:v1.12.0, 20 s before the agent of node3" in found.text


def test_newest_comes_first_and_a_roll_is_one_entry() -> None:
    roll = [node(number, NOW - HOUR + number * 20.0) for number in range(1, 41)]
    late = node(50, NOW - MINUTE)
    facts = cluster(("helm", NOW - HOUR - 10.0))
    found = timeline(snapshot([*roll, late], facts))
    assert [one.at for one in found] == sorted((one.at for one in found), reverse=True)
    starts = [one for one in found if one.kind is ChangeKind.AGENT]
    assert [one.count for one in starts] == [1, 40]
    assert (
        starts[1].text == "40 agents of DaemonSet cilium started (node1, node2, node3 and 37 more)"
    )
    assert starts[1].node_uid is None
    assert starts[1].last_at == NOW - HOUR + 800.0


def test_one_node_has_its_own_entries_and_the_clusters() -> None:
    facts = cluster(("kubectl-patch", WRITTEN))
    found = timeline(snapshot([node(1), node(3, STARTED)], facts), NodeUid("uid-3"))
    texts = [one.text for one in found]
    assert texts == [
        "agent of node3 started, 5 s after cilium-config written by kubectl-patch",
        "cilium-config written by kubectl-patch",
    ]
    assert timeline(snapshot([node(1)], facts), NodeUid("uid-gone"))[0].kind is ChangeKind.CONFIG


def test_conditions_that_changed_are_told_and_a_nodes_first_minutes_are_not() -> None:
    conditions = (
        NodeCondition(clean("Ready"), clean("Unknown"), clean("NodeStatusUnknown"), NOW - 60.0),
        NodeCondition(clean("MemoryPressure"), clean("False"), clean("fine"), NOW - 50.0),
        NodeCondition(clean("DiskPressure"), clean("True"), clean("full"), NOW - 40.0),
    )
    one = node(1)
    one = replace(one, node=replace(one.node, conditions=conditions))
    fresh = node(2)
    ready = NodeCondition(clean("Ready"), clean("True"), since=NOW - 10.0)
    fresh = replace(fresh, node=replace(fresh.node, conditions=(ready,), created_at=NOW - 60.0))
    texts = [
        found.text for found in timeline(snapshot([one, fresh])) if found.kind is ChangeKind.NODE
    ]
    assert texts == [
        "node node1 DiskPressure=True (full)",
        "node node2 joined",
        "node node1 stopped reporting (NodeStatusUnknown)",
    ]


def test_the_first_burst_of_an_error_is_told_once_and_folded_over_nodes() -> None:
    first = entry("it broke", at=NOW - 100.0, count=11)
    again = entry("it broke", at=NOW - 20.0)
    one, other = node(1), node(2)
    shot = snapshot([replace(one, logs=(first, again)), replace(other, logs=(first,))])
    bursts = [found for found in timeline(shot) if found.kind is ChangeKind.LOG]
    assert [(found.count, found.at) for found in bursts] == [(2, NOW - 100.0)]
    assert "2 nodes, first: it broke" in bursts[0].text
    own = [found for found in timeline(shot, UID) if found.kind is ChangeKind.LOG]
    assert [found.text for found in own] == ["node1: first ×11: it broke"]


def test_crash_loops_node_configs_rollouts_and_findings_are_told() -> None:
    crashing = node(1, NOW - 30.0, phase=AgentPhase.CRASH_LOOP)
    assert crashing.agent is not None
    broken = replace(crashing.agent, restart_count=7, reason=clean("CrashLoopBackOff"))
    config = CiliumNodeConfig(clean("canary"), clean("kube-system"), created_at=NOW - 500.0)
    manager = ("kube-controller-manager", NOW - 1.0)
    daemonset = CiliumDaemonSet(
        clean("cilium"), clean("kube-system"), writes=writes(manager, ("helm", NOW - 400.0))
    )
    change = FindingChange(
        NOW - 10.0,
        "map-pressure",
        "",
        clean("A map is full"),
        None,
        FindingSeverity.ACTIVE,
        (NodeName("node9"),),
        1,
    )
    facts = cluster(node_configs=known((config,)), daemonsets=known((daemonset,)))
    shot = replace(snapshot([replace(crashing, agent=broken)], facts), finding_changes=(change,))
    assert [one.text for one in timeline(shot)] == [
        "map-pressure: ACTIVE: A map is full (node9)",
        "agent of node1 crashes again and again, 7 restarts: CrashLoopBackOff",
        "DaemonSet cilium written by helm",
        "CiliumNodeConfig canary created",
    ]
    assert "map-pressure" not in " ".join(one.text for one in timeline(shot, NodeUid("uid-1")))


def test_it_is_bounded() -> None:
    logs = [
        replace(node(number), logs=(entry(f"error {number}", at=NOW - number * 1000.0),))
        for number in range(ENTRIES_SHOWN + 50)
    ]
    assert len(timeline(snapshot(logs))) == ENTRIES_SHOWN


def test_a_kept_time_line_tells_what_a_fresh_one_tells() -> None:
    kept = Timeline()
    first = snapshot([node(1), node(2)])
    assert kept.entries(first) == timeline(first)
    second = snapshot([first.nodes[NodeUid("uid-1")], node(2, NOW - 1.0), node(3)])
    assert kept.entries(second) == timeline(second)
    assert kept.entries(snapshot([])) == ()
