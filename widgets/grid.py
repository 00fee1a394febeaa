"""`Grid`: the table of the program, fast at 5,000 rows because it draws only what is seen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from operator import is_
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip

from widgets.filters import Filter
from widgets.grid_layout import GAP, PlacedColumn, place_columns, title_spans
from widgets.grid_order import GridOrder, RowFilter, describe, shown_rows
from widgets.grid_rows import GridColumn, GridRow
from widgets.line_list import LineList, list_binding
from widgets.state_note import StateNote, no_match
from widgets.symbols import symbols
from widgets.text import fit, fit_spans, strip_of
from widgets.tones import Ground, Span, Tone, spans_of, text_of

_GUTTER = 1
"""One cell at the left, for the mark or the cursor."""


class Grid(LineList):
    """Rows under a header line, with a cursor that follows its row, marks, sort and filter."""

    DEFAULT_CSS = "Grid { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        list_binding("space", "toggle_mark", "Mark", "Mark or unmark the row under the cursor"),
        list_binding("s", "sort_next", "Sort", "Sort by the next column"),
        list_binding("S", "reverse", "Reverse", "Turn the sort round"),
    ]

    class RowHighlighted(Message):
        """Another row is under the cursor, or the row changed; None while no row is shown."""

        def __init__(self, grid: Grid, row: GridRow | None) -> None:
            super().__init__()
            self.grid = grid
            self.row = row

        @property
        def control(self) -> Grid:
            """The grid."""
            return self.grid

    class RowChosen(Message):
        """A row was opened with enter or a double click."""

        def __init__(self, grid: Grid, row: GridRow) -> None:
            super().__init__()
            self.grid = grid
            self.row = row

        @property
        def control(self) -> Grid:
            """The grid."""
            return self.grid

    class MarksChanged(Message):
        """Rows were marked or unmarked."""

        def __init__(self, grid: Grid, keys: frozenset[str]) -> None:
            super().__init__()
            self.grid = grid
            self.keys = keys

        @property
        def control(self) -> Grid:
            """The grid."""
            return self.grid

    class ViewChanged(Message):
        """Sort, filter, faults-only or the number of rows changed: `description` is new."""

        def __init__(self, grid: Grid) -> None:
            super().__init__()
            self.grid = grid

        @property
        def control(self) -> Grid:
            """The grid."""
            return self.grid

    class SortChanged(Message):
        """The person sorted by another column, or the other way round."""

        def __init__(self, grid: Grid, column: str, *, is_descending: bool) -> None:
            super().__init__()
            self.grid = grid
            self.column = column
            self.is_descending = is_descending

        @property
        def control(self) -> Grid:
            """The grid."""
            return self.grid

    def __init__(
        self,
        columns: Sequence[GridColumn],
        rows: Sequence[GridRow] = (),
        *,
        note: StateNote | None = None,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._rows: dict[str, GridRow] = {}
        self._shown: list[GridRow] = []
        self._order = GridOrder()
        self._row_filter = RowFilter()
        self._marks: frozenset[str] = frozenset()
        self._content_widths = [cell_len(column.title) + 1 for column in self._columns]
        self._placed: tuple[PlacedColumn, ...] = ()
        self._described = ""
        self._note = note
        self._take_rows(rows)
        self._shown = shown_rows(rows, self._columns, self._order)

    @property
    def columns(self) -> tuple[GridColumn, ...]:
        """All columns, those that do not fit too."""
        return self._columns

    @property
    def field_names(self) -> tuple[str, ...]:
        """What `/field:value` can name: the columns and the rows' own fields."""
        keys = tuple(column.key for column in self._columns)
        own = {name for row in self._rows.values() for name in row.fields}
        return (*keys, *sorted(own - set(keys)))

    @property
    def shown(self) -> tuple[GridRow, ...]:
        """The rows that are shown, as they stand."""
        return tuple(self._shown)

    @property
    def highlighted(self) -> GridRow | None:
        """The row under the cursor."""
        return self._shown[self._cursor] if self._cursor < len(self._shown) else None

    @property
    def marks(self) -> frozenset[str]:
        """Keys of the marked rows, those out of sight too."""
        return self._marks

    @property
    def order(self) -> GridOrder:
        """Sort, filter and faults-only as they are."""
        return self._order

    @property
    def description(self) -> str:
        """The state for the panel's title: `12 of 5,000 ▏ /kernel:5.4 ▏ sorted by AGE ↓`."""
        counts = len(self._shown), len(self._rows)
        return describe(self._order, self._columns, counts, len(self._marks))

    def set_rows(self, rows: Sequence[GridRow], note: StateNote | None = None) -> None:
        """Show other rows; the cursor and the marks stay with their rows' keys."""
        if note == self._note and self._holds_exactly(rows):
            return
        self._note = note
        self._take_rows(rows)
        marks = self._marks & self._rows.keys()
        if marks != self._marks:
            self._marks = marks
            self.post_message(self.MarksChanged(self, marks))
        self._arrange()

    def set_filter(self, wanted: Filter) -> None:
        """Show only the rows that match."""
        self._reorder(replace(self._order, filter=wanted))

    def set_faults_only(self, wanted: bool) -> None:
        """Show only the rows with a fault, or all."""
        self._reorder(replace(self._order, is_faults_only=wanted))

    def set_sort(self, column: str, *, is_descending: bool = False) -> None:
        """Sort by a column; the empty key keeps the order the rows come in."""
        self._reorder(replace(self._order, sort_column=column, is_descending=is_descending))

    def select(self, key: str) -> bool:
        """Put the cursor on the row with this key, and return whether it is shown."""
        for index, row in enumerate(self._shown):
            if row.key == key:
                self.move_cursor(index)
                return True
        return False

    def set_marks(self, keys: Collection[str]) -> None:
        """Mark these rows and no others."""
        marks = frozenset(keys) & self._rows.keys()
        if marks == self._marks:
            return
        self._marks = marks
        self.refresh()
        self.post_message(self.MarksChanged(self, marks))
        self._tell_view()

    def action_toggle_mark(self) -> None:
        """Mark or unmark the row under the cursor."""
        row = self.highlighted
        if row is not None:
            self.hold_cursor()
            self.set_marks(self._marks ^ {row.key})

    def action_sort_next(self) -> None:
        """Sort by the next shown column, and after the last one as the rows come."""
        keys = [
            "",
            *(placed.column.key for placed in self._placed if placed.column.is_sortable),
        ]
        at = keys.index(self._order.sort_column) if self._order.sort_column in keys else 0
        key = keys[(at + 1) % len(keys)]
        descends = any(c.key == key and c.sorts_descending for c in self._columns)
        self._sort_by_person(replace(self._order, sort_column=key, is_descending=descends))

    def action_reverse(self) -> None:
        """Turn the sort round."""
        if self._order.sort_column:
            turned = not self._order.is_descending
            self._sort_by_person(replace(self._order, is_descending=turned))

    def head_clicked(self, x: int, y: int) -> None:
        """Sort by the column under the pointer."""
        for placed in self._placed:
            end = placed.start + placed.width
            if placed.start <= x - _GUTTER < end and placed.column.is_sortable:
                self._sort_by_person(self._order.sorted_by(placed.column))

    def entry_count(self) -> int:
        """Return how many rows are shown."""
        return len(self._shown)

    def entry_chosen(self, index: int) -> None:
        """Tell that a row was opened."""
        self.post_message(self.RowChosen(self, self._shown[index]))

    def cursor_moved(self) -> None:
        """Tell which row is under the cursor."""
        self.post_message(self.RowHighlighted(self, self.highlighted))

    def empty_note(self) -> StateNote | None:
        """Return the note, or say that the filter hides every row."""
        if self._rows and self._order.hides_rows:
            return no_match(self._order.hidden_by, len(self._rows))
        return self._note

    def entries_changed(self) -> None:
        """Place the columns anew and take over the rows."""
        placed = place_columns(self._columns, self._content_widths, self.line_width - _GUTTER)
        if placed != self._placed:
            self._placed = placed
            self._drawn.clear()
        super().entries_changed()

    def on_blur(self) -> None:
        """Draw the resting cursor and keep it on its row: what follows is about that row."""
        super().on_blur()
        if self.app.app_focus:
            self.hold_cursor()

    def head_strips(self) -> list[Strip]:
        """Return the line with the columns' titles."""
        table = symbols()
        arrow = table.descending if self._order.is_descending else table.ascending
        spans = title_spans(self._placed, self._order.sort_column, arrow)
        line = (Span(" " * _GUTTER), *spans)
        return [strip_of(line, self.line_width, self._palette, Ground.HEADER)]

    def entry_strip(self, index: int, line: int, ground: Ground) -> Strip:
        """Return a row's line."""
        row = self._shown[index]
        is_marked = row.key in self._marks
        return self._drawn.line(
            (row.key, ground, is_marked),
            row,
            lambda: self._draw(row, ground, is_marked=is_marked),
        )

    def _draw(self, row: GridRow, ground: Ground, *, is_marked: bool) -> Strip:
        table = symbols()
        has_cursor = ground is not Ground.PLAIN
        gutter = table.mark if is_marked else table.cursor if has_cursor else " "
        # A mark hides the cursor's symbol, so it is set off from the line under the cursor.
        spans = [Span(gutter, Tone.BADGE if is_marked and has_cursor else Tone.ACCENT)]
        for position, placed in enumerate(self._placed):
            if position:
                spans.append(Span(" " * GAP))
            cell = row.cells[placed.index] if placed.index < len(row.cells) else ""
            if isinstance(cell, str):
                spans.append(Span(fit(cell, placed.width, placed.column.align), row.tone))
            else:
                spans += fit_spans(spans_of(cell), placed.width, placed.column.align)
        return strip_of(spans, self.line_width, self._palette, ground)

    def _holds_exactly(self, rows: Sequence[GridRow]) -> bool:
        return len(rows) == len(self._rows) and all(map(is_, rows, self._rows.values()))

    def _take_rows(self, rows: Sequence[GridRow]) -> None:
        """Hold the rows; the columns grow with texts not seen before and never shrink.

        A width that follows every value would make the table jump at each refresh.
        """
        held, widths = self._rows, self._content_widths
        self._rows = {row.key: row for row in rows}
        for row in rows:
            if held.get(row.key) is row:
                continue
            for index, cell in enumerate(row.cells[: len(widths)]):
                cells = cell_len(text_of(cell))
                widths[index] = max(widths[index], cells)

    def _reorder(self, order: GridOrder) -> None:
        if order != self._order:
            self._order = order
            self._arrange()

    def _sort_by_person(self, order: GridOrder) -> None:
        self._reorder(order)
        self.post_message(
            self.SortChanged(self, order.sort_column, is_descending=order.is_descending)
        )

    def _arrange(self) -> None:
        """Choose and order the rows, with the cursor on the row it was on."""
        before = self.highlighted
        was_in_sight = self.is_cursor_in_sight
        rows = tuple(self._rows.values())
        self._shown = shown_rows(rows, self._columns, self._order, self._row_filter)
        if self._follows_top:
            self._cursor = 0
        elif before is not None:
            self._cursor = next(
                (index for index, row in enumerate(self._shown) if row.key == before.key),
                self._cursor,
            )
        self.entries_changed()
        if was_in_sight:
            self.reveal_cursor()
        after = self.highlighted
        if (before and before.key) != (after and after.key):
            self.cursor_moved()
        self._tell_view()

    def _tell_view(self) -> None:
        if self.description != self._described:
            self._described = self.description
            self.post_message(self.ViewChanged(self))
