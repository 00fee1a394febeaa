"""An operation on screen: its state in words, a row a node, and what makes a node healthy again."""

from __future__ import annotations

from collections.abc import Sequence

from tui.model.operations import (
    HealthMark,
    NodeProgress,
    NodeState,
    OperationProgress,
    OperationState,
)
from tui.screens import wording
from tui.screens.marks import joined
from widgets.detail_lines import DetailLine, empty_line, heading, sentence, value
from widgets.grid_rows import GridColumn, GridRow
from widgets.symbols import symbols
from widgets.tones import CellText, Span, Tone

NODE_COLUMNS = (
    GridColumn("mark", "", 1, 1, is_sortable=False),
    GridColumn("wave", "WAVE", 4, 4, align="right", priority=2),
    GridColumn("node", "NODE", 8, 32),
    GridColumn("state", "STATE", 10, 10),
    GridColumn("marks", "HEALTHY", 7, 24),
    GridColumn("took", "TOOK", 5, 8, align="right", priority=1),
    GridColumn("text", "WHAT", 16, 200, is_flexible=True),
)
"""The columns of an operation's nodes."""

_STATE_TONES = {
    OperationState.RUNNING: Tone.ACCENT,
    OperationState.PAUSED: Tone.WARNING,
    OperationState.DONE: Tone.OK,
    OperationState.FAILED: Tone.ERROR,
    OperationState.ABORTED: Tone.WARNING,
    OperationState.UNFINISHED: Tone.WARNING,
}
_NODE_TONES = {
    NodeState.WAITING: Tone.MUTED,
    NodeState.WRITING: Tone.ACCENT,
    NodeState.RESTARTING: Tone.ACCENT,
    NodeState.VERIFYING: Tone.ACCENT,
    NodeState.DONE: Tone.OK,
    NodeState.FAILED: Tone.ERROR,
    NodeState.SKIPPED: Tone.MUTED,
    NodeState.UNKNOWN: Tone.UNKNOWN,
}
_HURT = frozenset({NodeState.FAILED, NodeState.UNKNOWN})
_IDLE = frozenset({NodeState.WAITING, NodeState.SKIPPED})
_BEGUN = frozenset({NodeState.WRITING, NodeState.RESTARTING, NodeState.VERIFYING})


def state_mark(state: OperationState) -> Span:
    """Return the symbol of an operation's state."""
    table = symbols()
    symbol = {
        OperationState.RUNNING: table.loading,
        OperationState.PAUSED: table.paused,
        OperationState.DONE: table.ok,
        OperationState.FAILED: table.active,
        OperationState.ABORTED: table.armed,
        OperationState.UNFINISHED: table.armed,
    }[state]
    return Span(symbol, _STATE_TONES[state])


def node_mark(state: NodeState) -> Span:
    """Return the symbol of a node's state."""
    table = symbols()
    symbol = {
        NodeState.DONE: table.ok,
        NodeState.FAILED: table.active,
        NodeState.UNKNOWN: table.unknown,
        NodeState.WAITING: table.dash,
        NodeState.SKIPPED: table.dash,
    }.get(state, table.loading)
    return Span(symbol, _NODE_TONES[state])


def done_of(progress: OperationProgress) -> tuple[int, int]:
    """Return how many nodes are done, and how many there are."""
    done = sum(node.state is NodeState.DONE for node in progress.nodes)
    return done, len(progress.nodes) or len(progress.plan.node_names)


def badge(progress: OperationProgress) -> Span:
    """Return an operation as the header shows it on every screen."""
    done, total = done_of(progress)
    mark, kind = state_mark(progress.state).text, progress.plan.intent.kind.value
    if progress.state is OperationState.FAILED:
        return Span(f" {mark} {kind} FAILED ", Tone.ALERT)
    word = f"{done}/{total}" if progress.state is OperationState.RUNNING else progress.state.value
    return Span(f" {mark} {kind} {word} ", Tone.BADGE)


def headline_spans(progress: OperationProgress, now: float) -> tuple[Span, ...]:
    """Return the operation's state with its counts, loud where it failed."""
    done, total = done_of(progress)
    mark = state_mark(progress.state)
    word = progress.state.value
    is_loud = progress.state is OperationState.FAILED
    end = progress.ended_at or now
    took = wording.age(max(0.0, end - progress.started_at)) if progress.started_at else ""
    wave = _wave_words(progress)
    parts = joined(f"{done} of {total} done" if total else "", wave, took)
    state = Span(f" {mark.text} {word.upper() if is_loud else word} ", _loud(mark.tone, is_loud))
    return (state, Span(f" {parts}"))


def _loud(tone: Tone, is_loud: bool) -> Tone:
    return Tone.ALERT if is_loud else tone


def _wave_words(progress: OperationProgress) -> str:
    waves = len(progress.plan.waves)
    if waves < 2:
        return ""
    begun = [node.wave for node in progress.nodes if node.state not in _IDLE]
    active = [node.wave for node in progress.nodes if node.state in _BEGUN]
    at = max(active or begun or [0]) + 1
    return f"wave {at} of {waves}"


def node_rows(progress: OperationProgress, now: float) -> list[GridRow]:
    """Return a row a node, in the order of the waves."""
    return [_row(node, now) for node in progress.nodes]


def _row(node: NodeProgress, now: float) -> GridRow:
    tone = _NODE_TONES[node.state]
    end = now if node.ended_at is None else node.ended_at
    took = "" if node.started_at is None else wording.age(max(0.0, end - node.started_at))
    text_tone = Tone.ERROR if node.state is NodeState.FAILED else Tone.NORMAL
    cells: tuple[CellText, ...] = (
        node_mark(node.state),
        str(node.wave + 1),
        wording.cut(node.node_name, 60),
        Span(node.state.value, tone),
        marks_spans(node.marks, is_over=node.state not in _BEGUN),
        Span(took, Tone.MUTED),
        Span(wording.cut(node.text), text_tone),
    )
    took_seconds = None if node.started_at is None else end - node.started_at
    met = sum(mark.is_met is True for mark in node.marks)
    return GridRow(
        node.node_uid,
        cells,
        {"wave": node.wave, "took": took_seconds, "marks": met},
        {"state": node.state.value, "node": node.node_name},
        is_fault=node.state in _HURT,
    )


def marks_spans(marks: Sequence[HealthMark], *, is_over: bool) -> tuple[Span, ...]:
    """Return one symbol a mark, and how many are met."""
    if not marks:
        return (Span(symbols().dash, Tone.MUTED),)
    met = sum(mark.is_met is True for mark in marks)
    return (
        *(mark_span(mark, is_over=is_over) for mark in marks),
        Span(f" {met}/{len(marks)}", Tone.MUTED),
    )


def mark_span(mark: HealthMark, *, is_over: bool) -> Span:
    """Return the symbol of one condition; not true yet is no failure while it is waited for."""
    table = symbols()
    if mark.is_met is None:
        return Span(table.loading, Tone.MUTED)
    if mark.is_met:
        return Span(table.check, Tone.OK)
    return Span(table.active, Tone.ERROR) if is_over else Span(table.loading, Tone.WARNING)


def operation_lines(
    progress: OperationProgress, node: NodeProgress | None, now: float
) -> list[DetailLine]:
    """Return what a node waits for, condition by condition, and what the operation was."""
    lines = [] if node is None else _node_lines(node, now)
    plan = progress.plan
    lines += [empty_line(), heading("The operation")] if lines else []
    lines.append(value("id", plan.id))
    is_told = node is not None and node.state is NodeState.FAILED
    if progress.text and not is_told:
        lines.append(value("says", wording.cut(progress.text, 2_000)))
    if progress.state is OperationState.UNFINISHED:
        lines.append(value("left", "H finishes it, or leaves it as it is; both ask first"))
    if progress.undo_id:
        lines.append(value("undo", f"u puts back what {progress.undo_id} changed"))
    elif not plan.can_undo:
        lines.append(value("undo", Span(plan.undo or "there is no way back", Tone.MUTED)))
    lines += [
        value("" if place else "interrupts", wording.cut(text, 2_000))
        for place, text in enumerate(plan.interrupts)
    ]
    return lines


def _node_lines(node: NodeProgress, now: float) -> list[DetailLine]:
    lines = [heading(f"{wording.cut(node.node_name, 60)}: healthy again when")]
    if node.state is NodeState.FAILED:
        lines.insert(0, sentence(f"FAILED: {wording.cut(node.text, 2_000)}", Tone.ERROR))
    if not node.marks:
        lines.append(sentence("nothing is looked at yet", Tone.MUTED))
    for mark in node.marks:
        is_over = node.state not in _BEGUN
        span = mark_span(mark, is_over=is_over)
        since = "" if mark.at is None else wording.ago(max(0.0, now - mark.at))
        words = f"{span.text} {wording.cut(mark.text, 2_000)}  {since}".rstrip()
        lines.append(sentence(words, span.tone, key=mark.id))
    return lines
