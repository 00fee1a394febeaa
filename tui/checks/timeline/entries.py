"""The time line: what changed when, by whom, in the cluster and on each node.

Much of it happens on many nodes at once: a roll starts hundreds of agents within minutes, and the
same error bursts out on each. What is equal within some minutes is one entry with a count.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tui.checks.timeline.actions import action_entries
from tui.checks.timeline.causes import decisive, started_text
from tui.checks.timeline.changes import Change, cluster_changes, folded, node_changes
from tui.model.findings import Finding, FindingChange
from tui.model.names import NodeUid
from tui.model.snapshot import NodeFacts, Snapshot
from tui.model.timeline import ChangeKind, TimelineEntry
from tui.safety import CleanText, clean

__all__ = ["ENTRIES_SHOWN", "Timeline", "decisive", "timeline"]

ENTRIES_SHOWN = 500
"""The newest ones; older ones are left out."""


def timeline(snapshot: Snapshot, node: NodeUid | None = None) -> tuple[TimelineEntry, ...]:
    """Return what changed, newest first and bounded; `Timeline` does it again and again.

    Args:
        snapshot: of one moment; what it no longer holds is not told.
        node: only what concerns this node, with what concerns the whole cluster.
    """
    return Timeline().entries(snapshot, node)


class Timeline:
    """The time line of one snapshot after another.

    A node whose facts are the same object as before is not looked through again.
    """

    def __init__(self) -> None:
        self._known: dict[NodeUid, tuple[NodeFacts, tuple[Change, ...]]] = {}

    def entries(self, snapshot: Snapshot, node: NodeUid | None = None) -> tuple[TimelineEntry, ...]:
        """Return what changed, newest first and bounded, see `timeline`."""
        found = [
            *cluster_changes(snapshot.cluster),
            *_findings(snapshot, node),
            *action_entries(snapshot, node),
        ]
        if node is None:
            found += folded(self._changes(snapshot), ENTRIES_SHOWN)
        elif node in snapshot.nodes:
            facts = snapshot.nodes[node]
            found += (change.entry for change in node_changes(facts, snapshot.taken_at))
        newest = heapq.nlargest(ENTRIES_SHOWN, found, key=lambda one: (one.at, one.kind, one.text))
        return tuple(_explained(newest, snapshot))

    def _changes(self, snapshot: Snapshot) -> Iterator[Change]:
        before, self._known = self._known, {}
        for uid, facts in snapshot.nodes.items():
            kept = before.get(uid)
            if kept is None or kept[0] is not facts:
                kept = (facts, tuple(node_changes(facts, snapshot.taken_at)))
            self._known[uid] = kept
            yield from kept[1]


def _findings(snapshot: Snapshot, node: NodeUid | None) -> Iterator[TimelineEntry]:
    for change in snapshot.finding_changes:
        if node is None or _concerns(change, node, snapshot):
            yield _finding_entry(change)


def _finding_entry(change: FindingChange) -> TimelineEntry:
    before = "" if change.before is None else change.before.value
    after = "gone" if change.after is None else change.after.value
    step = f"{before} → {after}" if before else after
    where = ", ".join(change.node_names)
    more = change.nodes_total - len(change.node_names)
    where += f" and {more} more nodes" if where and more > 0 else ""
    text = f"{change.id}: {step}: {change.title}" + (f" ({where})" if where else "")
    return TimelineEntry(
        change.at,
        ChangeKind.FINDING,
        clean(text, 400),
        who=change.by,
        source=CleanText("ciltop's checks"),
    )


def _concerns(change: FindingChange, node: NodeUid, snapshot: Snapshot) -> bool:
    """Tell whether a change is about a node, or about the cluster; a change names few nodes."""
    facts = snapshot.nodes.get(node)
    if not change.nodes_total or (facts is not None and facts.node.name in change.node_names):
        return True
    if change.nodes_total <= len(change.node_names):
        return False
    return any(_is_of(finding, change) and node in finding.nodes for finding in snapshot.findings)


def _is_of(finding: Finding, change: FindingChange) -> bool:
    return (finding.id, finding.group) == (change.id, change.group)


def _explained(newest: Sequence[TimelineEntry], snapshot: Snapshot) -> Iterable[TimelineEntry]:
    """Mark the decisive entry, and tell which starts followed a write at once."""
    cause = decisive(snapshot)
    writes = [one for one in newest if one.kind is ChangeKind.CONFIG]
    for entry in newest:
        is_cause = cause is not None and _is_same(entry, cause)
        if entry.kind is ChangeKind.AGENT and entry.count == 1:
            entry = replace(entry, text=started_text(entry, writes))  # noqa: PLW2901 - the same entry, told better
        yield replace(entry, is_decisive=True) if is_cause else entry


def _is_same(entry: TimelineEntry, cause: TimelineEntry) -> bool:
    return (entry.at, entry.kind, entry.source, entry.who) == (
        cause.at,
        cause.kind,
        cause.source,
        cause.who,
    )
