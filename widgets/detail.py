"""`DetailView`: labelled values with their origins, and texts, that scroll and can be copied."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.message import Message
from textual.strip import Strip

from widgets.detail_lines import DetailKind, DetailLine
from widgets.line_list import LineList
from widgets.state_note import StateNote
from widgets.symbols import symbols
from widgets.text import fit, span_cells, strip_of, wrap_spans, wrap_words
from widgets.tones import Ground, Span, Tone, spans_of

_GUTTER = 1
_MAX_LABEL_CELLS = 28


def detail_spans(line: DetailLine, width: int, label_cells: int) -> list[list[Span]]:
    """Return the rows of one line, each at most `width` cells."""
    if width <= 0 or line.kind is DetailKind.BLANK:
        return [[]]
    if line.kind is DetailKind.HEADING:
        return wrap_spans(spans_of(line.value, Tone.TITLE), width)
    if line.kind is DetailKind.VALUE:
        return _value_spans(line, width, label_cells)
    return _text_spans(line, width)


def _text_spans(line: DetailLine, width: int) -> list[list[Span]]:
    """Return the value's rows, cut at words; output and values of several tones at cells."""
    spans = spans_of(line.value, line.tone)
    if line.kind is DetailKind.RAW or len(spans) != 1 or span_cells(spans) <= width:
        return wrap_spans(spans, width)
    return [[Span(text, spans[0].tone)] for text in wrap_words(spans[0].text, width)]


def _value_spans(line: DetailLine, width: int, label_cells: int) -> list[list[Span]]:
    """Return label, value and origin; the value's further rows stand below its first."""
    label_cells = min(label_cells, max(0, width // 2 - 1))
    room = max(1, width - label_cells - 1)
    rows = _text_spans(line, room)
    if line.origin:
        origin = Span(line.origin, Tone.MUTED)
        if span_cells(rows[-1]) + 2 + cell_len(line.origin) <= room:
            rows[-1] = [*rows[-1], Span("  "), origin]
        else:
            rows += wrap_spans((origin,), room)
    label = Span(fit(line.label, label_cells), Tone.MUTED)
    indent = Span(" " * label_cells)
    return [[indent if number else label, Span(" "), *row] for number, row in enumerate(rows)]


class DetailView(LineList):
    """Draws detail lines; the cursor chooses one to copy or to follow."""

    DEFAULT_CSS = "DetailView { height: 1fr; }"

    class LineChosen(Message):
        """A line was opened with enter or a double click."""

        def __init__(self, detail: DetailView, line: DetailLine) -> None:
            super().__init__()
            self.detail = detail
            self.line = line

        @property
        def control(self) -> DetailView:
            """The view."""
            return self.detail

    def __init__(
        self,
        lines: Sequence[DetailLine] = (),
        *,
        note: StateNote | None = None,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._lines: tuple[DetailLine, ...] = ()
        self._rows: list[list[list[Span]]] = []
        self.set_lines(lines, note)

    @property
    def lines(self) -> tuple[DetailLine, ...]:
        """All lines."""
        return self._lines

    @property
    def highlighted(self) -> DetailLine | None:
        """The line under the cursor."""
        return self._lines[self._cursor] if self.is_selectable(self._cursor) else None

    def set_lines(self, lines: Sequence[DetailLine], note: StateNote | None = None) -> None:
        """Show other lines; the cursor stays with its line's key, else at its position."""
        if note == self._note and tuple(lines) == self._lines:
            return
        before = self.highlighted
        self._note = note
        self._lines = tuple(lines)
        if before is not None and before.key:
            self._cursor = next(
                (index for index, line in enumerate(self._lines) if line.key == before.key),
                self._cursor,
            )
        self.entries_changed()
        if not self.is_selectable(self._cursor):
            self._cursor = self._nearest(self._cursor, 1)

    def entry_count(self) -> int:
        """Return how many lines there are."""
        return len(self._lines)

    def entry_heights(self) -> Sequence[int]:
        """Return how many rows each line takes."""
        width = self.line_width - _GUTTER
        labels = (cell_len(line.label) for line in self._lines if line.kind is DetailKind.VALUE)
        label_cells = min(_MAX_LABEL_CELLS, max(labels, default=0))
        self._rows = [detail_spans(line, width, label_cells) for line in self._lines]
        return [len(rows) for rows in self._rows]

    def is_selectable(self, index: int) -> bool:
        """Return whether a value or a text stands there."""
        if not 0 <= index < len(self._lines):
            return False
        return self._lines[index].kind not in (DetailKind.HEADING, DetailKind.BLANK)

    def entry_chosen(self, index: int) -> None:
        """Tell that a line was opened."""
        self.post_message(self.LineChosen(self, self._lines[index]))

    def entry_strip(self, index: int, line: int, ground: Ground) -> Strip:
        """Return one row of a line."""
        rows = self._rows[index]
        gutter = Span(symbols().cursor if ground is not Ground.PLAIN else " ", Tone.ACCENT)
        spans = rows[line] if line < len(rows) else []
        return strip_of((gutter, *spans), self.line_width, self._palette, ground)
