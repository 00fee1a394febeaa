"""All nodes at a glance: one summary a node, worst first, and the header's one decisive line.

A summary is computed once per `NodeFacts` object: a node that did not change costs nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tui.model.cluster import CiliumConfigMap
from tui.model.maps import MapUsage
from tui.model.names import NodeUid
from tui.model.snapshot import NodeFacts, Snapshot
from tui.screens import wording
from tui.screens.faults import Fault, Subject, node_faults
from tui.screens.map_words import worst_map
from tui.screens.severity import Rank, Severity
from widgets.symbols import symbols

log = logging.getLogger(__name__)

RECENT_CHANGE_SECONDS = 86_400.0


class NodeStatus(StrEnum):
    """How a node stands, worst first."""

    HARM = "harm"
    WARNING = "warning"
    UNKNOWN = "unknown"
    """Nothing wrong is known, but something could not be read."""
    LOADING = "loading"
    """Not swept yet."""
    OK = "ok"


_STATUS_ORDER = {status: place for place, status in enumerate(NodeStatus)}


@dataclass(frozen=True, slots=True)
class NodeSummary:
    """What the node table needs of one node."""

    uid: NodeUid
    name: str
    facts: NodeFacts
    status: NodeStatus
    faults: tuple[Fault, ...]
    worst_map: MapUsage | None
    order: tuple[int, int, int, str]
    """Sorts worst first: status, worst fault, how many Services are missing, name."""

    def count(self, severity: Severity) -> int:
        """Return how many faults of a severity the node has."""
        return sum(1 for fault in self.faults if fault.severity is severity)


@dataclass(frozen=True, slots=True)
class FleetSummary:
    """What the header needs of the cluster."""

    nodes: tuple[NodeSummary, ...] = ()
    """Worst first."""
    statuses: Mapping[NodeStatus, int] = field(default_factory=dict)
    releases: tuple[tuple[str, int], ...] = ()
    """Releases of the agents with their number of nodes, most common first."""
    harms: int = 0
    warnings: int = 0
    decisive_line: str = ""
    """The one line that matters most now; empty while nothing is broken."""


def summarise_node(facts: NodeFacts, now: float, is_agent_expected: bool) -> NodeSummary:
    """Return a node's summary."""
    faults = node_faults(facts, now, is_agent_expected)
    status = _status(facts, faults)
    coverage = facts.services.value
    missing = 0 if coverage is None else coverage.missing_frontends
    worst_rank = faults[0].rank if faults else len(Rank)
    return NodeSummary(
        facts.node.uid,
        facts.node.name,
        facts,
        status,
        faults,
        worst_map(facts.maps.value or ()),
        (_STATUS_ORDER[status], int(worst_rank), -missing, facts.node.name),
    )


def _summarise_safely(facts: NodeFacts, now: float, is_agent_expected: bool) -> NodeSummary:
    """Return a node's summary; facts that break it cost this node its summary and no other."""
    try:
        return summarise_node(facts, now, is_agent_expected)
    except Exception:
        log.exception("summary of node %s failed", facts.node.name)
        fault = Fault(
            Severity.UNKNOWN,
            Rank.UNREADABLE,
            "ciltop could not judge this node; --log-file has the traceback",
            Subject.AGENT,
        )
        return NodeSummary(
            facts.node.uid,
            facts.node.name,
            facts,
            NodeStatus.UNKNOWN,
            (fault,),
            None,
            (_STATUS_ORDER[NodeStatus.UNKNOWN], int(Rank.UNREADABLE), 0, facts.node.name),
        )


def _status(facts: NodeFacts, faults: Sequence[Fault]) -> NodeStatus:
    worst = min((fault.severity for fault in faults), default=Severity.NOTE)
    if worst is Severity.HARM:
        return NodeStatus.HARM
    if worst is Severity.WARNING:
        return NodeStatus.WARNING
    if worst is Severity.UNKNOWN:
        return NodeStatus.UNKNOWN
    return NodeStatus.LOADING if facts.swept_at is None else NodeStatus.OK


def stale_seconds(snapshot: Snapshot) -> float:
    """Return the age at which what is shown of a node is called stale: three sweeps missed."""
    return max(60.0, 3 * (snapshot.health.sweep_interval_seconds or 0.0))


class Fleet:
    """Keep the summaries of the nodes that did not change from one snapshot to the next."""

    def __init__(self) -> None:
        self._summaries: dict[NodeUid, NodeSummary] = {}
        self._is_complete = False
        self.summary = FleetSummary()

    def update(self, snapshot: Snapshot) -> FleetSummary:
        """Take in a snapshot and return the cluster's summary."""
        if snapshot.is_complete is not self._is_complete:
            self._is_complete = snapshot.is_complete
            self._summaries = {}
        old, now = self._summaries, snapshot.taken_at
        fresh: dict[NodeUid, NodeSummary] = {}
        for uid, facts in snapshot.nodes.items():
            kept = old.get(uid)
            fresh[uid] = (
                kept
                if kept is not None and kept.facts is facts
                else _summarise_safely(facts, now, snapshot.is_complete)
            )
        is_same = len(fresh) == len(old) and all(
            old.get(uid) is summary for uid, summary in fresh.items()
        )
        self._summaries = fresh
        if not is_same:
            self.summary = _summarise(tuple(fresh.values()))
        line = decisive_line(self.summary.nodes, snapshot)
        if line != self.summary.decisive_line:
            self.summary = replace(self.summary, decisive_line=line)
        return self.summary

    def get(self, uid: NodeUid | None) -> NodeSummary | None:
        """Return the summary of one node, or None when it is gone."""
        return None if uid is None else self._summaries.get(uid)


def _summarise(nodes: tuple[NodeSummary, ...]) -> FleetSummary:
    ordered = tuple(sorted(nodes, key=lambda node: node.order))
    statuses = Counter(node.status for node in ordered)
    releases = Counter(
        node.facts.version.value.release for node in ordered if node.facts.version.value
    )
    severities = Counter(fault.severity for node in ordered for fault in node.faults)
    return FleetSummary(
        ordered,
        statuses,
        tuple((str(release), number) for release, number in releases.most_common()),
        severities[Severity.HARM],
        severities[Severity.WARNING],
    )


def decisive_line(nodes: Sequence[NodeSummary], snapshot: Snapshot) -> str:
    """Return the worst node's worst faults and what changed lately, in one line.

    Args:
        nodes: Worst first.
        snapshot: Gives the moment and the last write of the configuration.
    """
    if not nodes or nodes[0].status is not NodeStatus.HARM:
        return ""
    worst = nodes[0]
    harms = [fault for fault in worst.faults if fault.severity is Severity.HARM]
    causes = [fault.title for fault in harms if fault.subject is not harms[0].subject]
    parts = [f"{wording.cut(worst.name, 60)}: {harms[0].title}", *causes[:1]]
    others = sum(1 for node in nodes[1:] if node.status is NodeStatus.HARM)
    if others:
        parts.append(f"{wording.counted(others, 'more node')} broken")
    parts.extend(_recent_changes(worst, snapshot))
    return f" {symbols().divider} ".join(parts)


def _recent_changes(worst: NodeSummary, snapshot: Snapshot) -> list[str]:
    changes = []
    config = snapshot.cluster.config_map.value or CiliumConfigMap({})
    if config.writes:
        since = snapshot.taken_at - config.writes[0].at
        if since <= RECENT_CHANGE_SECONDS:
            writer = config.writes[0].manager
            changes.append(f"cilium-config written by {writer} {wording.ago(since)}")
    agent = worst.facts.agent
    if agent is not None and agent.started_at is not None:
        since = snapshot.taken_at - agent.started_at
        if since <= RECENT_CHANGE_SECONDS:
            changes.append(f"agent started {wording.ago(since)}")
    return changes
