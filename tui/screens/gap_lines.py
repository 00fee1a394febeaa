"""What could not be read from the cluster, and why (`:gaps`)."""

from __future__ import annotations

from collections.abc import Sequence

from tui.model.reading import ReadingState
from tui.screens import wording
from tui.screens.board import Board
from tui.screens.details import Detail
from tui.screens.fleet import NodeSummary
from tui.screens.header_view import source_trouble
from tui.screens.node_gaps import DENIED, NodeGap
from tui.screens.room.gap_lines import broker_lines
from tui.screens.room.words import is_brokered
from widgets.detail_lines import DetailLine, empty_line, heading, sentence, value
from widgets.tones import Span, Tone

MOST_REASONS = 200


def gaps_detail(board: Board) -> Detail:
    """Return every gap of the cluster and of its nodes, and the source's health."""
    snapshot = board.snapshot
    lines: list[DetailLine] = [heading("Lists and watches")]
    for gap in snapshot.gaps.values():
        word = "denied" if gap.is_denied else "failed"
        tone = Tone.WARNING if gap.is_denied else Tone.ERROR
        since = wording.ago(board.now - gap.since)
        lines.append(value(gap.what, Span(f"{word}: {gap.reason}", tone), f"since {since}"))
    if not snapshot.gaps:
        lines.append(sentence(_none_missing(board), Tone.MUTED))
    if is_brokered(snapshot):
        lines += [empty_line(), *broker_lines(board)]
    lines += [empty_line(), heading("Nodes"), *_node_lines(board.summary.nodes)]
    if not is_brokered(snapshot):
        lines += [empty_line(), *_source_lines(board)]
    return Detail("Gaps", tuple(lines))


def _none_missing(board: Board) -> str:
    if is_brokered(board.snapshot):
        return "No collector tells of a list or watch that fails."
    return "Nothing is missing: every list and watch answers."


def _source_lines(board: Board) -> list[DetailLine]:
    snapshot = board.snapshot
    health = snapshot.health
    lines = [
        heading("Source"),
        value("name", health.name or "unknown"),
        value("server", snapshot.cluster.server or "unknown"),
        value("user", snapshot.cluster.user or "unknown"),
        value("state", health.state.value),
    ]
    trouble = source_trouble(snapshot, board.now)
    if trouble:
        lines.append(sentence(trouble, Tone.WARNING))
    if health.sweep_seconds is not None:
        lines.append(value("last full sweep", f"{health.sweep_seconds:.1f} s"))
    if health.sweep_p95_seconds is not None:
        lines.append(value("exec, 95th percentile", f"{health.sweep_p95_seconds:.2f} s"))
    if health.sweep_interval_seconds is not None:
        lines.append(value("interval", f"{health.sweep_interval_seconds:.0f} s"))
    return [
        *lines,
        value("execs in flight", wording.count(health.execs_in_flight)),
        value("failed execs", wording.count(health.exec_failures), "since the last sweep began"),
        value("nodes due", wording.count(health.nodes_due)),
    ]


def _node_lines(nodes: Sequence[NodeSummary]) -> list[DetailLine]:
    """Return what could not be read of nodes, each reason once with the nodes it holds for."""
    by_gap: dict[NodeGap, list[str]] = {}
    for node in nodes:
        for gap in node.gaps:
            by_gap.setdefault(gap, []).append(node.name)
    if not by_gap:
        return [sentence("Nothing is missing: every node was read.", Tone.MUTED)]
    lines = []
    for gap, names in list(by_gap.items())[:MOST_REASONS]:
        tone = Tone.WARNING if gap.word in (DENIED, ReadingState.UNKNOWN.value) else Tone.ERROR
        words = f"{gap.word}: {gap.reason}" if gap.reason else gap.word
        lines.append(value(wording.listed(names, 2), Span(words, tone), gap.what))
    hidden = len(by_gap) - len(lines)
    if hidden > 0:
        lines.append(sentence(f"{wording.counted(hidden, 'more reason')} not listed", Tone.MUTED))
    return lines
