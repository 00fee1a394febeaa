"""The rows of the Clusters screen: who reads each cluster, and what is wrong there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tui.model.findings import FindingSeverity
from tui.model.room import ClusterSummary
from tui.screens import wording
from tui.screens.fleet import NodeStatus
from tui.screens.marks import status_mark
from tui.screens.room.words import (
    STALE_SECONDS,
    collectors_cell,
    finding_counts,
    present_count,
    worst_titles,
)
from widgets.grid_rows import GridColumn, GridRow, natural_key
from widgets.symbols import symbols
from widgets.tones import CellText, Span, Tone

CLUSTER_COLUMNS = (
    GridColumn("status", "", 1, 1),
    GridColumn("cluster", "CLUSTER", 10, 40),
    GridColumn("shown", "SHOWN", 5, 5, priority=3),
    GridColumn("nodes", "NODES", 5, 7, align="right", sorts_descending=True),
    GridColumn("collectors", "COLLECTORS", 11, 18),
    GridColumn("findings", "FINDINGS", 9, 18, sorts_descending=True),
    GridColumn("heard", "HEARD", 7, 8, align="right", priority=1, sorts_descending=True),
    GridColumn("worst", "WORST FINDINGS", 16, 60, priority=2, is_flexible=True),
)
"""The clusters' columns."""

_STATUSES = tuple(NodeStatus)
_Order = tuple[int, int, int, int, int, str]


def cluster_status(cluster: ClusterSummary) -> NodeStatus:
    """Return how a cluster stands: one that nobody reads is not well, whatever is known of it."""
    counts = cluster.findings
    if counts.get(FindingSeverity.ACTIVE):
        return NodeStatus.HARM
    missing = len(cluster.collectors) - present_count(cluster.collectors)
    if counts.get(FindingSeverity.ARMED) or missing or not cluster.collectors:
        return NodeStatus.WARNING
    if counts.get(FindingSeverity.UNKNOWN):
        return NodeStatus.UNKNOWN
    return NodeStatus.OK if any(counts.values()) else NodeStatus.LOADING


def cluster_order(cluster: ClusterSummary) -> _Order:
    """Sort worst first, ties by name."""
    counts = cluster.findings
    return (
        _STATUSES.index(cluster_status(cluster)),
        -counts.get(FindingSeverity.ACTIVE, 0),
        -counts.get(FindingSeverity.ARMED, 0),
        present_count(cluster.collectors) - len(cluster.collectors),
        -counts.get(FindingSeverity.UNKNOWN, 0),
        natural_key(cluster.name),
    )


class ClusterOrder:
    """The order of the clusters, which does not change under a cursor that somebody moved."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def arranged(
        self, clusters: Iterable[ClusterSummary], *, is_held: bool
    ) -> list[ClusterSummary]:
        """Return them worst first, or where they stood before with new ones behind."""
        ordered = sorted(clusters, key=cluster_order)
        if is_held:
            last = len(self._places)
            ordered.sort(key=lambda one: self._places.get(one.name, last))
        self._places = {one.name: place for place, one in enumerate(ordered)}
        return ordered


def cluster_rows(clusters: Sequence[ClusterSummary], now: float) -> list[GridRow]:
    """Return one row a cluster, in the order given."""
    return [_row(one, now) for one in clusters]


def _row(one: ClusterSummary, now: float) -> GridRow:
    status = cluster_status(one)
    is_bad = status in (NodeStatus.HARM, NodeStatus.WARNING)
    shown = Span(f"{symbols().check} yes", Tone.ACCENT) if one.is_chosen else Span("")
    counts = finding_counts(one) or (Span(symbols().dash, Tone.MUTED),)
    cells: tuple[CellText, ...] = (
        status_mark(status),
        Span(wording.cut(one.name, 80), Tone.STRONG if one.is_chosen else Tone.NORMAL),
        shown,
        wording.count(one.nodes),
        collectors_cell(one.collectors),
        counts if one.findings else Span(f"{symbols().loading} not told", Tone.MUTED),
        _heard(one, now),
        Span(
            wording.cut("; ".join(title for title, _ in worst_titles(one)), 400),
            Tone.NORMAL if is_bad else Tone.MUTED,
        ),
    )
    return GridRow(
        one.name,
        cells,
        {
            "status": cluster_order(one),
            "nodes": one.nodes,
            "findings": one.findings.get(FindingSeverity.ACTIVE, 0) * 100_000
            + one.findings.get(FindingSeverity.ARMED, 0),
            "heard": None if one.heard_at is None else now - one.heard_at,
            "collectors": present_count(one.collectors),
        },
        {
            "status": status.value,
            "shown": "yes" if one.is_chosen else "no",
            "collector": ", ".join(collector.id for collector in one.collectors),
        },
        is_fault=is_bad or status is NodeStatus.UNKNOWN,
    )


def _heard(one: ClusterSummary, now: float) -> Span:
    if one.heard_at is None:
        return Span(symbols().unknown, Tone.UNKNOWN)
    age = now - one.heard_at
    words = wording.coarse_age(age)
    if age > STALE_SECONDS:
        return Span(f"{symbols().stale} {words}", Tone.STALE)
    return Span(words, Tone.MUTED)
