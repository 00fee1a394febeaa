"""Send the log lines that matter, one message for each node and tick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tui.bus.publishing.node_publishing import NodePublishing
from tui.bus.publishing.postbox import Postbox
from tui.bus.publishing.tee import lost_gap, merged_gap
from tui.bus.wire.messages import WarningsMessage
from tui.bus.wire.topics import TopicKind
from tui.model.logs import LogBatch, LogGap
from tui.model.names import NodeName, NodeUid
from tui.model.snapshot import Snapshot

MOST_LINES = 200
"""Of one node in one message; the newest."""


class WarningsPublishing:
    """The warnings of this collector's nodes."""

    def __init__(self, postbox: Postbox, nodes: NodePublishing) -> None:
        self._postbox = postbox
        self._nodes = nodes
        self._waiting: dict[NodeUid, list[LogBatch]] = {}
        self.dropped_lines = 0

    def add(self, batches: Sequence[LogBatch]) -> None:
        """Take in what was read, in order."""
        for batch in batches:
            self._waiting.setdefault(batch.node_uid, []).append(batch)

    def send_next(self, snapshot: Snapshot) -> bool:
        """Send one node's lines; return whether more is waiting."""
        if not self._waiting:
            return False
        uid = next(iter(self._waiting))
        batches = self._waiting.pop(uid)
        facts = snapshot.nodes.get(uid)
        # What was read of a node that moved away is read again by its new collector.
        if facts is not None and self._nodes.owns(facts):
            self._send(facts.node.name, batches)
        return bool(self._waiting)

    def _send(self, name: NodeName, batches: list[LogBatch]) -> None:
        bounded, lost = newest_lines(batches, MOST_LINES)
        self.dropped_lines += lost
        self._postbox.post(WarningsMessage(bounded), TopicKind.WARNINGS, name)


def newest_lines(batches: Sequence[LogBatch], most: int) -> tuple[tuple[LogBatch, ...], int]:
    """Return the newest lines of one node's batches, and how many lines were given up for them.

    What is left out becomes a gap before the first line that is kept.
    """
    excess = sum(len(batch.lines) for batch in batches) - most
    if excess <= 0:
        return tuple(batches), 0
    kept: list[LogBatch] = []
    gap: LogGap | None = None
    left = excess
    for batch in batches:
        if left <= 0:
            kept.append(batch)
            continue
        lost, rest = batch.lines[:left], batch.lines[left:]
        left -= len(lost)
        gap = merged_gap(merged_gap(gap, batch.gap), lost_gap(batch.node_uid, lost))
        if rest or left <= 0:
            kept.append(replace(batch, lines=rest, gap=gap))
            gap = None
    return tuple(kept), excess
