"""What could not be read from the cluster, and why (`:gaps`)."""

from __future__ import annotations

from tui.screens import wording
from tui.screens.board import Board
from tui.screens.details import Detail
from tui.screens.header_view import source_trouble
from widgets.detail_lines import DetailLine, empty_line, heading, sentence, value
from widgets.tones import Span, Tone


def gaps_detail(board: Board) -> Detail:
    """Return the source's health and every gap with its reason and since when."""
    snapshot = board.snapshot
    health = snapshot.health
    lines: list[DetailLine] = [
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
    lines += [
        value("execs in flight", wording.count(health.execs_in_flight)),
        value("failed execs", wording.count(health.exec_failures), "since the last sweep began"),
        value("nodes due", wording.count(health.nodes_due)),
        empty_line(),
        heading("What could not be read"),
    ]
    for gap in snapshot.gaps.values():
        word = "denied" if gap.is_denied else "failed"
        tone = Tone.WARNING if gap.is_denied else Tone.ERROR
        since = wording.ago(board.now - gap.since)
        lines.append(value(gap.what, Span(f"{word}: {gap.reason}", tone), f"since {since}"))
    if not snapshot.gaps:
        lines.append(sentence("Nothing: every list and watch answers.", Tone.MUTED))
    return Detail("Gaps", tuple(lines))
