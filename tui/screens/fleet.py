"""All nodes at a glance: one summary a node, worst first.

A summary is computed once per `NodeFacts` object: a node that did not change costs nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tui.model.findings import Finding, FindingSeverity, Verdict
from tui.model.maps import MapUsage
from tui.model.names import NodeUid
from tui.model.nextstart import NextStart
from tui.model.snapshot import NodeFacts, Snapshot
from tui.screens.faults import Fault, Subject, node_faults
from tui.screens.map_words import worst_map
from tui.screens.node_gaps import NodeGap, node_gaps
from tui.screens.severity import Rank, Severity
from tui.screens.verdicts import LOUD, Issues, Pending, issues_of, pending_of
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


_NO_ISSUES = Issues()
_UNJUDGED = Pending(is_judged=False)
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
    issues: Issues = _NO_ISSUES
    pending: Pending = _UNJUDGED


@dataclass(frozen=True, slots=True)
class FleetSummary:
    """What the header needs of the cluster."""

    nodes: tuple[NodeSummary, ...] = ()
    """Worst first."""
    statuses: Mapping[NodeStatus, int] = field(default_factory=dict)
    releases: tuple[tuple[str, int], ...] = ()
    """Releases of the agents with their number of nodes, most common first."""
    harms: int = 0
    """Faults seen on nodes; they stand in the header until the checks have judged."""
    warnings: int = 0
    unread: int = 0
    """Nodes of which something could not be read."""
    active: int | None = None
    """Findings, the muted ones left out; None while nothing is judged."""
    armed: int = 0
    muted: frozenset[str] = frozenset()
    """Keys of findings that count nowhere."""


def summarise_node(
    facts: NodeFacts, now: float, is_agent_expected: bool, context: str = ""
) -> NodeSummary:
    """Return a node's summary."""
    faults = node_faults(facts, now, is_agent_expected)
    issues = issues_of(faults, ())
    status = _status(facts, issues)
    worst = worst_map(facts.maps.value or ())
    return NodeSummary(
        facts.node.uid,
        facts.node.name,
        facts,
        status,
        faults,
        worst,
        _order(facts, status, issues, worst),
        node_gaps(facts, is_agent_expected),
        context,
        issues,
    )


def judged_summary(summary: NodeSummary, issues: Issues, pending: Pending) -> NodeSummary:
    """Return a node's summary with what the checks say of the node."""
    if issues == summary.issues and pending == summary.pending:
        return summary
    status = _status(summary.facts, issues)
    order = _order(summary.facts, status, issues, summary.worst_map)
    return replace(summary, status=status, order=order, issues=issues, pending=pending)


def _order(
    facts: NodeFacts, status: NodeStatus, issues: Issues, worst: MapUsage | None
) -> tuple[int, int, int, str]:
    coverage = facts.services.value
    missing = 0 if coverage is None else coverage.missing_frontends
    is_loud = status in (NodeStatus.HARM, NodeStatus.WARNING)
    fill = round(100 * (worst.ratio or 0.0)) if worst is not None and is_loud else 0
    return (
        _STATUS_ORDER[status],
        issues.rank,
        -missing * 1_000 - fill,
        natural_key(facts.node.name),
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
            issues=issues_of((fault,), ()),
        )


def _status(facts: NodeFacts, issues: Issues) -> NodeStatus:
    if issues.active:
        return NodeStatus.HARM
    if issues.armed:
        return NodeStatus.WARNING
    if issues.unread:
        return NodeStatus.UNKNOWN
    return NodeStatus.LOADING if facts.swept_at is None else NodeStatus.OK


def stale_seconds(snapshot: Snapshot) -> float:
    """Return the age at which what is shown of a node is called stale: three sweeps missed."""
    return max(60.0, 3 * (snapshot.health.sweep_interval_seconds or 0.0))


@dataclass(frozen=True, slots=True)
class _Kept:
    """A node's summary with what it was made of."""

    plain: NodeSummary
    """Made of the facts alone."""
    verdicts: tuple[Verdict, ...]
    next_start: NextStart | None
    summary: NodeSummary


class Fleet:
    """Keep the summaries of the nodes that did not change from one snapshot to the next."""

    def __init__(self) -> None:
        self._kept: dict[NodeUid, _Kept] = {}
        self._judged_for: tuple[bool, str] = (False, "")
        self._muted: frozenset[str] = frozenset()
        self.summary = FleetSummary()

    def update(self, snapshot: Snapshot, muted: Collection[str] = ()) -> FleetSummary:
        """Take in a snapshot and return the cluster's summary.

        Args:
            snapshot: What is known now.
            muted: Keys of findings that count nowhere.
        """
        judged_for = (snapshot.is_complete, str(snapshot.cluster.context))
        if judged_for != self._judged_for:
            self._judged_for = judged_for
            self._kept = {}
        before, self._muted = self._muted, frozenset(muted)
        is_mute_new = before != self._muted
        old, verdicts, next_starts = self._kept, snapshot.verdicts, snapshot.next_starts
        fresh: dict[NodeUid, _Kept] = {}
        is_same = len(snapshot.nodes) == len(old)
        for uid, facts in snapshot.nodes.items():
            kept = old.get(uid)
            said, start = verdicts.get(uid, ()), next_starts.get(uid)
            if (
                kept is not None
                and kept.plain.facts is facts
                and kept.verdicts is said
                and kept.next_start is start
                and not is_mute_new
            ):
                fresh[uid] = kept
                continue
            fresh[uid] = made = self._make(kept, facts, said, start, snapshot.taken_at)
            is_same = is_same and kept is not None and kept.summary is made.summary
        self._kept = fresh
        if not is_same:
            self.summary = _summarise(tuple(kept.summary for kept in fresh.values()))
        self.summary = _with_findings(self.summary, snapshot.findings, self._muted)
        return self.summary

    def _make(
        self,
        kept: _Kept | None,
        facts: NodeFacts,
        verdicts: tuple[Verdict, ...],
        start: NextStart | None,
        now: float,
    ) -> _Kept:
        if kept is not None and kept.plain.facts is facts:
            plain = kept.plain
        else:
            kept, plain = None, _summarise_safely(facts, now, *self._judged_for)
        issues = issues_of(plain.faults, verdicts, self._muted)
        pending = pending_of(start)
        if kept is not None and (kept.summary.issues, kept.summary.pending) == (issues, pending):
            return _Kept(plain, verdicts, start, kept.summary)
        return _Kept(plain, verdicts, start, judged_summary(plain, issues, pending))

    def get(self, uid: NodeUid | None) -> NodeSummary | None:
        """Return the summary of one node, or None when it is gone."""
        kept = None if uid is None else self._kept.get(uid)
        return None if kept is None else kept.summary


def _with_findings(
    summary: FleetSummary, findings: Sequence[Finding], muted: frozenset[str]
) -> FleetSummary:
    loud = [f.severity for f in findings if f.severity in LOUD and f.key not in muted]
    active = loud.count(FindingSeverity.ACTIVE) if findings else None
    armed = loud.count(FindingSeverity.ARMED)
    if (summary.active, summary.armed, summary.muted) == (active, armed, muted):
        return summary
    return replace(summary, active=active, armed=armed, muted=muted)


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
