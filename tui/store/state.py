"""Fold the facts of a source into the current state, and hand it out as snapshots.

A failure never empties what was known: the last good value stays and grows old.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from tui.checks.judging.judge import Judge
from tui.model.cluster import ClusterFacts
from tui.model.logs import LogBatch
from tui.model.maps import MapUsage
from tui.model.names import ContainerId, NodeUid
from tui.model.operations import ArmingState, OperationProgress
from tui.model.reading import Reading, ReadingState
from tui.model.room import Room
from tui.model.snapshot import (
    ArmingChanged,
    AuditWritten,
    ChangesShared,
    ClusterSeen,
    Fact,
    Gap,
    GapChanged,
    HealthChanged,
    LogTrouble,
    NodeFacts,
    NodeGone,
    NodeReport,
    NodeSeen,
    OperationChanged,
    RoomChanged,
    Snapshot,
    SourceHealth,
    SourceReset,
    SourceState,
)
from tui.safety import CleanText
from tui.store.audit_log import AuditLog
from tui.store.change_log import ChangeLog
from tui.store.history import spacing_for
from tui.store.logbook import NodeLog, limits_for
from tui.store.trends import NodeTrends

T = TypeVar("T")

DETAILED_NODES = 200
"""Up to this many nodes every map carries its history; beyond it, the fullest map of each node
does, and all maps of the nodes somebody looks at."""

MOST_AUDIT_RECORDS = 1_000
"""The latest; the whole story is in the audit file."""

AGENT_RESTARTED = CleanText("the agent was restarted; not read again yet")
NODE_REBOOTED = CleanText("the node was rebooted; not read again yet")


class Store:
    """The current state, written by one thread and read as immutable snapshots."""

    def __init__(self, judge: Judge | None = None) -> None:
        self._judge = judge or Judge()
        self._nodes: dict[NodeUid, NodeFacts] = {}
        self._trends: dict[NodeUid, NodeTrends] = {}
        self._logs: dict[NodeUid, NodeLog] = {}
        self._stale_logs: set[NodeUid] = set()
        self._containers: dict[NodeUid, ContainerId] = {}
        self._gaps: dict[str, Gap] = {}
        self._cluster = ClusterFacts()
        self._health = SourceHealth()
        self._operations: dict[str, OperationProgress] = {}
        self._audit = AuditLog(MOST_AUDIT_RECORDS)
        self._upkeep = AuditLog(MOST_AUDIT_RECORDS)
        self._arming = ArmingState()
        self._room = Room()
        self._change_log = ChangeLog()
        self._detailed: frozenset[NodeUid] = frozenset()
        self._sequence = 1
        self._is_complete = False
        self._changes = 0
        self._published = Snapshot()
        self._published_changes = 0
        self._judged_changes = 0
        self._nodes_changed = False
        self._touched: set[NodeUid] = set()
        """Nodes that came, went or changed since the judge was told."""
        self._spacing_seconds = spacing_for(1, 0.0)

    def has_changed(self) -> bool:
        """Return whether anything was applied since the last snapshot."""
        return self._changes != self._published_changes

    def apply(self, fact: Fact) -> None:
        """Take in one fact."""
        self._changes += 1
        match fact:
            case NodeReport():
                self._apply_report(fact)
            case LogBatch():
                self._apply_lines(fact)
            case NodeSeen():
                self._apply_node(fact)
            case NodeGone():
                self._forget_node(fact.node_uid)
            case LogTrouble():
                self._apply_log_trouble(fact)
            case ClusterSeen() | GapChanged() | HealthChanged():
                self._apply_source(fact)
            case OperationChanged() | AuditWritten() | ArmingChanged():
                self._apply_operation(fact)
            case RoomChanged() | ChangesShared() | SourceReset():
                self._apply_shared(fact)

    def focus(self, nodes: frozenset[NodeUid]) -> None:
        """Carry the history of every map of these nodes, however many nodes there are."""
        added = nodes - self._detailed
        self._detailed = nodes
        for uid in added:
            facts = self._nodes.get(uid)
            trends = self._trends.get(uid)
            if facts is not None and trends is not None and facts.maps.value is not None:
                maps = replace(facts.maps, value=trends.attach(facts.maps.value, is_detailed=True))
                self._put(uid, replace(facts, maps=maps))
                self._changes += 1

    def judge(self, now: float, budget_seconds: float = float("inf")) -> bool:
        """Run the checks on what changed for so long; return whether something is left to do."""
        if self._room.chosen and not self._is_complete:
            # Retained facts of thousands of nodes come in within seconds: first things first.
            return False
        if self._judged_changes != self._changes:
            self._renew_logs()
            self._judge.note(self._nodes, self._cluster, self._touched)
            self._touched = set()
            self._judged_changes = self._changes
        findings, changes = self._judge.findings, self._judge.changes
        pending = self._judge.pending_nodes
        is_left = self._judge.work(now, budget_seconds)
        if (
            findings is not self._judge.findings
            or changes is not self._judge.changes
            or bool(pending) != bool(self._judge.pending_nodes)
        ):
            self._changes += 1
            self._judged_changes += 1
        return is_left

    def finish(self, now: float) -> None:
        """Judge all that is left, once nothing more is applied."""
        self.judge(now)
        self._judge.finish(now)
        self._changes += 1
        self._judged_changes += 1

    @property
    def pending_nodes(self) -> int:
        """How many nodes are not judged yet by what is known of them."""
        return self._judge.pending_nodes

    def _renew_logs(self) -> None:
        for uid in self._stale_logs:
            facts = self._nodes.get(uid)
            if facts is not None:
                self._put(uid, replace(facts, logs=self._logs[uid].rows()))
        self._stale_logs.clear()

    def snapshot(self, now: float) -> Snapshot:
        """Return the state; nodes that did not change are the same objects as before."""
        if not self.has_changed():
            return self._published
        self._renew_logs()
        before = self._published
        self._published = Snapshot(
            taken_at=now,
            version=before.version + 1,
            cluster=self._cluster,
            nodes=dict(self._nodes) if self._nodes_changed else before.nodes,
            gaps=before.gaps if before.gaps == self._gaps else dict(self._gaps),
            health=self._health,
            is_complete=self._is_complete,
            findings=self._judge.findings,
            verdicts=self._judge.verdicts,
            next_starts=self._judge.next_starts,
            finding_changes=self._change_log.take_own(self._judge.changes, now),
            operations=tuple(self._operations.values()),
            audit=self._audit.records,
            audit_elsewhere=self._audit.elsewhere,
            upkeep=self._upkeep.records,
            arming=self._arming,
            room=self._room,
            unjudged_nodes=self._judge.pending_nodes,
        )
        self._nodes_changed = False
        self._published_changes = self._changes
        return self._published

    def _apply_source(self, fact: ClusterSeen | GapChanged | HealthChanged) -> None:
        match fact:
            case ClusterSeen():
                self._cluster = fact.cluster
            case GapChanged():
                self._apply_gap(fact)
            case HealthChanged():
                self._apply_health(fact.health)

    def _apply_shared(self, fact: RoomChanged | ChangesShared | SourceReset) -> None:
        match fact:
            case RoomChanged():
                self._room = fact.room
            case ChangesShared():
                self._change_log.take_shared(fact.changes)
            case SourceReset():
                self._forget_cluster()

    def _forget_cluster(self) -> None:
        """Forget what was read; what this session did, and who else is there, stays."""
        self._judge = self._judge.anew()
        for known in (self._nodes, self._trends, self._logs, self._containers, self._gaps):
            known.clear()
        self._stale_logs.clear()
        self._touched.clear()
        self._cluster = ClusterFacts()
        self._change_log = ChangeLog()
        self._audit.leave_cluster()
        self._nodes_changed, self._is_complete = True, False

    def _apply_operation(self, fact: OperationChanged | AuditWritten | ArmingChanged) -> None:
        match fact:
            case OperationChanged():
                self._operations[fact.progress.plan.id] = fact.progress
            case AuditWritten():
                kept = self._upkeep if fact.record.event.is_upkeep else self._audit
                kept.add(fact.record, is_elsewhere=fact.is_elsewhere)
            case ArmingChanged():
                self._arming = fact.arming

    def _put(self, uid: NodeUid, facts: NodeFacts) -> None:
        self._nodes[uid] = facts
        self._nodes_changed = True
        self._touched.add(uid)

    def _apply_node(self, seen: NodeSeen) -> None:
        uid = seen.node.uid
        facts = self._nodes.get(uid)
        has_restarted = self._note_container(seen)
        if facts is None:
            self._put(uid, NodeFacts(seen.node, seen.agent))
            if uid in self._logs:
                self._stale_logs.add(uid)
            return
        if facts.node == seen.node and facts.agent == seen.agent:
            return
        changed = replace(facts, node=seen.node, agent=seen.agent)
        if _is_new(facts.node.boot_id, seen.node.boot_id):
            changed = replace(
                changed,
                features=_outdated(facts.features, NODE_REBOOTED),
                host=_outdated(facts.host, NODE_REBOOTED),
            )
        if has_restarted:
            changed = _restarted(changed)
        self._put(uid, changed)

    def _note_container(self, seen: NodeSeen) -> bool:
        """Return whether another container than the last one known runs now."""
        agent = seen.agent
        if agent is None or not agent.container_id:
            return False
        uid = seen.node.uid
        before = self._containers.get(uid, agent.container_id)
        self._containers[uid] = agent.container_id
        if before == agent.container_id:
            return False
        if (trends := self._trends.get(uid)) is not None:
            trends.restart(agent.started_at or 0.0)
        return True

    def _forget_node(self, uid: NodeUid) -> None:
        if self._nodes.pop(uid, None) is not None:
            self._nodes_changed = True
            self._touched.add(uid)
        self._trends.pop(uid, None)
        self._containers.pop(uid, None)
        self._logs.pop(uid, None)
        self._stale_logs.discard(uid)

    def _apply_report(self, report: NodeReport) -> None:
        facts = self._nodes.get(report.node_uid)
        if facts is None or _is_from_before(report, facts):
            return
        maps = facts.maps
        if report.maps is not None:
            maps = self._with_trends(report, report.maps).keeping(facts.maps)
        answered_at = report.answered_at
        self._put(
            report.node_uid,
            # Twice as fast as `replace`, and done for each answer of each node.
            NodeFacts(
                node=facts.node,
                agent=facts.agent,
                version=_merged(report.version, facts.version),
                status=_merged(report.status, facts.status),
                metrics=_merged(report.metrics, facts.metrics),
                maps=maps,
                services=_merged(report.services, facts.services),
                features=_merged(report.features, facts.features),
                config=_merged(report.config, facts.config),
                host=_merged(report.host, facts.host),
                logs=facts.logs,
                log_error=facts.log_error,
                swept_at=facts.swept_at if answered_at is None else answered_at,
                sweep_error=report.error,
            ),
        )

    def _with_trends(
        self, report: NodeReport, maps: Reading[tuple[MapUsage, ...]]
    ) -> Reading[tuple[MapUsage, ...]]:
        if maps.value is None:
            return maps
        uid = report.node_uid
        trends = self._trends.get(uid)
        if trends is None:
            trends = self._trends[uid] = NodeTrends(self._spacing_seconds)
        elif trends.history.spacing_seconds != self._spacing_seconds:
            trends.history.respace(self._spacing_seconds)
        observed_at = maps.origin.observed_at if maps.origin is not None else report.answered_at
        if observed_at is not None:
            trends.record(observed_at, maps.value)
        is_detailed = len(self._nodes) <= DETAILED_NODES or uid in self._detailed
        value = trends.attach(maps.value, is_detailed)
        return Reading(maps.state, value, maps.reason, maps.origin)

    def _apply_lines(self, batch: LogBatch) -> None:
        log = self._logs.get(batch.node_uid)
        if log is None:
            log = self._logs[batch.node_uid] = NodeLog()
        is_detailed = batch.node_uid in self._detailed
        limits = limits_for(1 if is_detailed else len(self._nodes))
        self._sequence = log.add(batch, self._sequence, limits)
        self._stale_logs.add(batch.node_uid)

    def _apply_log_trouble(self, trouble: LogTrouble) -> None:
        facts = self._nodes.get(trouble.node_uid)
        if facts is not None and facts.log_error != trouble.reason:
            self._put(trouble.node_uid, replace(facts, log_error=trouble.reason))

    def _apply_gap(self, changed: GapChanged) -> None:
        if changed.gap is None:
            self._gaps.pop(changed.key, None)
        else:
            self._gaps[changed.key] = changed.gap

    def _apply_health(self, health: SourceHealth) -> None:
        self._health = health
        if health.state in (SourceState.LIVE, SourceState.DEGRADED):
            self._is_complete = True
        spacing = spacing_for(len(self._nodes), health.sweep_interval_seconds or 0.0)
        # Moving all points costs time: only for a difference somebody could see.
        if not 0.8 <= spacing / self._spacing_seconds <= 1.25:
            self._spacing_seconds = spacing


def _merged(new: Reading[T] | None, previous: Reading[T]) -> Reading[T]:
    return previous if new is None else new.keeping(previous)


def _is_new(before: str, now: str) -> bool:
    return bool(before) and bool(now) and before != now


def _is_from_before(report: NodeReport, facts: NodeFacts) -> bool:
    """Whether an exec that began in the container of before answered only now."""
    return facts.agent is not None and _is_new(report.container_id, facts.agent.container_id)


def _restarted(facts: NodeFacts) -> NodeFacts:
    """Mark what belongs to the container of before; the kernel's maps outlive the agent."""
    return replace(
        facts,
        version=_outdated(facts.version, AGENT_RESTARTED),
        status=_outdated(facts.status, AGENT_RESTARTED),
        config=_outdated(facts.config, AGENT_RESTARTED),
        metrics=Reading.unknown(AGENT_RESTARTED),
    )


def _outdated(reading: Reading[T], reason: CleanText) -> Reading[T]:
    return Reading(ReadingState.UNKNOWN, reading.value, reason, reading.origin)
