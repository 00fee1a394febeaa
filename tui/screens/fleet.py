"""All nodes at a glance: one summary a node, worst first.

A summary is computed once per `NodeFacts` object: a node that did not change costs nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tui.model.maps import MapUsage
from tui.model.names import NodeUid
from tui.model.snapshot import NodeFacts, Snapshot
from tui.screens.faults import Fault, Subject, node_faults
from tui.screens.map_words import worst_map
from tui.screens.node_gaps import NodeGap, node_gaps
from tui.screens.severity import Rank, Severity
from widgets.grid_rows import natural_key

log = logging.getLogger(__name__)


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
    """Sorts worst first: status, worst fault, how many Services are missing, fill, name."""
    gaps: tuple[NodeGap, ...] = ()
    """What could not be read."""
    context: str = ""
    """The kubeconfig context that a command line needs to reach the node."""

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
    unread: int = 0
    """Nodes of which something could not be read."""


def summarise_node(
    facts: NodeFacts, now: float, is_agent_expected: bool, context: str = ""
) -> NodeSummary:
    """Return a node's summary."""
    faults = node_faults(facts, now, is_agent_expected)
    status = _status(facts, faults)
    coverage = facts.services.value
    missing = 0 if coverage is None else coverage.missing_frontends
    worst_rank = faults[0].rank if faults else len(Rank)
    worst = worst_map(facts.maps.value or ())
    is_loud = status in (NodeStatus.HARM, NodeStatus.WARNING)
    fill = round(100 * (worst.ratio or 0.0)) if worst is not None and is_loud else 0
    return NodeSummary(
        facts.node.uid,
        facts.node.name,
        facts,
        status,
        faults,
        worst,
        (
            _STATUS_ORDER[status],
            int(worst_rank),
            -missing * 1_000 - fill,
            natural_key(facts.node.name),
        ),
        node_gaps(facts, is_agent_expected),
        context,
    )


def _summarise_safely(
    facts: NodeFacts, now: float, is_agent_expected: bool, context: str
) -> NodeSummary:
    """Return a node's summary; facts that break it cost this node its summary and no other."""
    try:
        return summarise_node(facts, now, is_agent_expected, context)
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
            (
                _STATUS_ORDER[NodeStatus.UNKNOWN],
                int(Rank.UNREADABLE),
                0,
                natural_key(facts.node.name),
            ),
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
        self._judged_for: tuple[bool, str] = (False, "")
        self.summary = FleetSummary()

    def update(self, snapshot: Snapshot) -> FleetSummary:
        """Take in a snapshot and return the cluster's summary."""
        judged_for = (snapshot.is_complete, str(snapshot.cluster.context))
        if judged_for != self._judged_for:
            self._judged_for = judged_for
            self._summaries = {}
        old, now = self._summaries, snapshot.taken_at
        fresh: dict[NodeUid, NodeSummary] = {}
        for uid, facts in snapshot.nodes.items():
            kept = old.get(uid)
            fresh[uid] = (
                kept
                if kept is not None and kept.facts is facts
                else _summarise_safely(facts, now, *judged_for)
            )
        is_same = len(fresh) == len(old) and all(
            old.get(uid) is summary for uid, summary in fresh.items()
        )
        self._summaries = fresh
        if not is_same:
            self.summary = _summarise(tuple(fresh.values()))
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
        sum(1 for node in ordered if node.gaps),
    )
