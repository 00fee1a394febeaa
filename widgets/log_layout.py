"""How a log row becomes lines: the columns in front, the text cut or wrapped behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len, split_text

from widgets.log_rows import LogGapRow, LogRow
from widgets.symbols import symbols
from widgets.text import (
    count_word_lines,
    elide_middle,
    fit,
    fit_spans,
    span_cells,
    wrap_spans_words,
)
from widgets.tones import Span, Tone

_LEVEL_CELLS = 5
_GAP_RULE = 8
_MIN_DETAIL_CELLS = 10
"""Cells that must be left behind the message for its fields to tell anything."""
_HINT_FROM_CELLS = 90
"""Cells of the text from which a part of them goes to the hint."""
_MESSAGE_CELLS = 70
"""Cells of a long message for which the count's words give way."""
_MIN_TEXT_CELLS = 24
"""Below this the columns in front give way: first the node, then the time."""


@dataclass(frozen=True, slots=True)
class LogLayout:
    """Widths and switches that every row is drawn with."""

    width: int
    """Cells of a line, without the gutter."""
    time_cells: int = 8
    node_cells: int = 12
    is_time_shown: bool = True
    is_node_shown: bool = True
    is_wrapped: bool = False
    offset: int = 0
    """Cells of the text that are scrolled out at the left; only while lines are not wrapped."""

    @property
    def shows_time(self) -> bool:
        """Whether there is room for the time."""
        needed = self.time_cells + 1 + _LEVEL_CELLS + 1 + _MIN_TEXT_CELLS
        return self.is_time_shown and self.width >= needed

    @property
    def shows_node(self) -> bool:
        """Whether there is room for the node's name."""
        used = (self.time_cells + 1 if self.shows_time else 0) + _LEVEL_CELLS + 1
        return self.is_node_shown and self.width >= used + self.node_cells + 1 + _MIN_TEXT_CELLS

    @property
    def front_cells(self) -> int:
        """Cells of the columns in front of the text."""
        time = self.time_cells + 1 if self.shows_time else 0
        node = self.node_cells + 1 if self.shows_node else 0
        return min(time + node + _LEVEL_CELLS + 1, max(0, self.width - 1))

    @property
    def text_cells(self) -> int:
        """Cells that are left for the text."""
        return max(1, self.width - self.front_cells)


def text_spans(row: LogRow) -> list[Span]:
    """Return what stands behind the columns: count, message, details, tag."""
    spans: list[Span] = []
    if row.count:
        spans += [Span(row.count, Tone.ACCENT), Span("  ")]
    spans.append(Span(row.message))
    if row.details:
        spans += [Span("  "), Span(row.details, Tone.MUTED)]
    for end in filter(None, (row.hint, row.tag)):
        spans += [Span("  "), Span(end, Tone.MUTED)]
    return spans


def row_height(row: LogRow, layout: LogLayout) -> int:
    """Return how many lines the row takes."""
    if not layout.is_wrapped:
        return 1
    return count_word_lines("".join(span.text for span in text_spans(row)), layout.text_cells)


def row_line(row: LogRow, line: int, layout: LogLayout) -> list[Span]:
    """Return one line of the row, in exactly `width` cells."""
    front = _front(row, layout) if line == 0 else [Span(" " * layout.front_cells)]
    if layout.is_wrapped:
        lines = wrap_spans_words(text_spans(row), layout.text_cells)
        text: Sequence[Span] = lines[line] if line < len(lines) else ()
    else:
        text = _cut_line(row, layout)
    return fit_spans([*front, *text], layout.width)


def gap_line(gap: LogGapRow, width: int) -> list[Span]:
    """Return a gap as a ruled line."""
    rule = symbols().rule
    text = f" {gap.text} "
    left = min(_GAP_RULE, max(0, width - cell_len(text)))
    right = max(0, width - left - cell_len(text))
    spans = [
        Span(rule * left, Tone.MUTED),
        Span(text, Tone.WARNING),
        Span(rule * right, Tone.MUTED),
    ]
    return fit_spans(spans, width)


def _front(row: LogRow, layout: LogLayout) -> list[Span]:
    spans: list[Span] = []
    if layout.shows_time:
        spans.append(Span(fit(row.time, layout.time_cells) + " ", Tone.MUTED))
    if layout.shows_node:
        spans.append(Span(fit(row.node, layout.node_cells) + " "))
    spans.append(Span(fit(row.level, _LEVEL_CELLS) + " ", row.tone))
    return fit_spans(spans, layout.front_cells)


def _cut_line(row: LogRow, layout: LogLayout) -> list[Span]:
    """Return the text in one line: scrolled by the offset, or with both ends of the message."""
    spans = text_spans(row)
    room = layout.text_cells
    if layout.offset:
        return fit_spans(_from_cell(spans, layout.offset), room)
    end = _end_spans(row, room)
    room -= span_cells(end)
    if span_cells(spans) <= layout.text_cells:
        whole = text_spans(replace(row, hint="", tag=""))
        return [*fit_spans(whole, room), *end]
    count: list[Span] = []
    if row.count:
        left = room - cell_len(row.count) - 2
        is_tight = left < min(cell_len(row.message), _MESSAGE_CELLS)
        words = row.count.partition(" ")[0] if is_tight else row.count
        count = [Span(words, Tone.ACCENT), Span("  ")]
    message = _both_ends(row.message, max(1, room - span_cells(count)))
    text = [*count, Span(message)]
    if row.details and span_cells(text) + _MIN_DETAIL_CELLS <= room:
        text += [Span("  "), Span(row.details, Tone.MUTED)]
    return [*fit_spans(text, room), *end]


def _end_spans(row: LogRow, room: int) -> list[Span]:
    """Return what stands at the right: the tag, and before it the hint where there is room."""
    tag = fit(row.tag, min(cell_len(row.tag), room // 3))
    hint = ""
    if room >= _HINT_FROM_CELLS:
        hint = fit(row.hint, min(cell_len(row.hint), room * 2 // 5 - cell_len(tag)))
    texts = [text for text in (hint, tag) if text]
    return [Span("  "), Span(" ".join(texts), Tone.MUTED)] if texts else []


def _both_ends(message: str, room: int) -> str:
    """Return the message's start and its cause, which follows the last colon in Go's errors.

    Of a cause that is too long itself, its start tells more than its end.
    """
    cause_at = message.rfind(": ") + 2
    head_cells = (room - 1) * 3 // 10
    is_long = cause_at > 1 and cell_len(message) > room
    if not is_long or cell_len(message[cause_at:]) < room - head_cells:
        return elide_middle(message, room)
    if cell_len(message[:cause_at]) <= head_cells:
        return fit(message, room)
    return fit(f"{fit(message[:cause_at], head_cells)} {message[cause_at:]}", room)


def _from_cell(spans: Sequence[Span], offset: int) -> list[Span]:
    """Return the spans without their first cells."""
    kept: list[Span] = []
    for span in spans:
        cells = cell_len(span.text)
        if offset >= cells:
            offset -= cells
            continue
        kept.append(Span(split_text(span.text, offset)[1], span.tone) if offset else span)
        offset = 0
    return kept
