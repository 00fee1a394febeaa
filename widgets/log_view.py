"""`LogView`: the log of one or more nodes, a bounded ring drawn line by line.

Textual's `RichLog` takes 3,000 lines a second and 3.2 KB a line; this keeps the rows it is given
and draws only what is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from time import monotonic
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer

from widgets.filters import Filter
from widgets.line_list import LineList
from widgets.log_layout import LogLayout, gap_line, row_height, row_line
from widgets.log_ring import MAX_ROWS, LogRing
from widgets.log_rows import LogGapRow, LogItem, LogRow
from widgets.state_note import StateNote, no_match
from widgets.symbols import symbols
from widgets.text import strip_of
from widgets.tones import Ground, Span, Tone

_GUTTER = 1
_REFRESH_SECONDS = 0.1
_SCROLL_CELLS = 16
_MAX_NODE_CELLS = 24


def _binding(keys: str, action: str, description: str, tooltip: str) -> Binding:
    name = action.replace("_", "-")
    return Binding(keys, action, description, show=False, id=f"log.{name}", tooltip=tooltip)


class LogView(LineList):
    """Shows log rows; stays at the newest one until the person moves away from it."""

    DEFAULT_CSS = "LogView { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        _binding("w", "toggle_wrap", "Wrap", "Wrap long lines or cut them"),
        _binding("t", "toggle_times", "Times", "Show or hide the timestamps"),
        _binding("left,h", "scroll_back", "Left", "Scroll long lines back"),
        _binding("right,l", "scroll_on", "Right", "Scroll long lines on"),
    ]

    class RowHighlighted(Message):
        """Another row is under the cursor; None while no row is shown."""

        def __init__(self, log_view: LogView, row: LogItem | None) -> None:
            super().__init__()
            self.log_view = log_view
            self.row = row

        @property
        def control(self) -> LogView:
            """The log view."""
            return self.log_view

    class RowChosen(Message):
        """A row was opened with enter or a double click."""

        def __init__(self, log_view: LogView, row: LogItem) -> None:
            super().__init__()
            self.log_view = log_view
            self.row = row

        @property
        def control(self) -> LogView:
            """The log view."""
            return self.log_view

    class ViewChanged(Message):
        """Filter, level, wrap, following or the number of rows changed: `description` is new."""

        def __init__(self, log_view: LogView) -> None:
            super().__init__()
            self.log_view = log_view

        @property
        def control(self) -> LogView:
            """The log view."""
            return self.log_view

    def __init__(
        self,
        rows: Iterable[LogItem] = (),
        *,
        note: StateNote | None = None,
        max_rows: int = MAX_ROWS,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._ring = LogRing(max_rows)
        self._layout_now = LogLayout(0)
        self._heights: dict[int, tuple[LogItem, int]] = {}
        self._pending: list[LogItem] = []
        self._flush_timer: Timer | None = None
        self._flushed_at = 0.0
        self._is_following = True
        self._is_anchoring = False
        self._described = ""
        self.set_rows(rows, note)

    @property
    def shown(self) -> Sequence[LogItem]:
        """The rows that are shown, oldest first."""
        return tuple(self._ring.shown)

    @property
    def highlighted(self) -> LogItem | None:
        """The row under the cursor."""
        shown = self._ring.shown
        return shown[self._cursor] if self._cursor < len(shown) else None

    @property
    def is_following(self) -> bool:
        """Whether new rows scroll the view."""
        return self._is_following

    @property
    def field_names(self) -> tuple[str, ...]:
        """What `/field:value` can name: the rows' own fields too."""
        return self._ring.field_names

    @property
    def filter(self) -> Filter:
        """The filter in use."""
        return self._ring.filter

    @property
    def is_wrapped(self) -> bool:
        """Whether long lines are wrapped."""
        return self._layout_now.is_wrapped

    @property
    def description(self) -> str:
        """The state for the panel's title: `12 of 1,204 ▏ /map ▏ wrapped ▏ not following`."""
        total, shown = self._ring.total_rows, self._ring.shown_rows
        is_whole = self._ring.filter.is_empty and shown == total
        parts = [f"{total:,}" if is_whole else f"{shown:,} of {total:,}"]
        if self._ring.filter.title:
            parts.append(self._ring.filter.title)
        if self.is_wrapped:
            parts.append("wrapped")
        if not self._is_following:
            parts.append("not following")
        return f" {symbols().divider} ".join(parts)

    def set_rows(self, rows: Iterable[LogItem], note: StateNote | None = None) -> None:
        """Show these rows and no others; cursor and view stay with their rows.

        A note given takes the place of the one shown; without one it stays.
        """
        if note is not None:
            self.show_note(note)
        self._pending.clear()
        rows = tuple(rows)
        if not self._ring.holds_exactly(rows):
            self._fit_columns(rows)
            self._changing(lambda: self._ring.replace(rows))

    def extend(self, rows: Iterable[LogItem]) -> None:
        """Add rows at the end; a row with the sequence of an older one takes its place.

        They are drawn at most ten times a second, however often this is called.
        """
        self._pending.extend(rows)
        if self._flush_timer is not None or not self._pending:
            return
        wait = _REFRESH_SECONDS - (monotonic() - self._flushed_at)
        if wait <= 0 or not self.is_mounted:
            self._flush()
        else:
            self._flush_timer = self.set_timer(wait, self._flush, name="log flush")

    def clear(self, note: StateNote | None = None) -> None:
        """Forget every row and follow again, because another node is shown."""
        self._is_following = True
        self.show_note(note)
        self.set_rows(())

    def set_filter(self, wanted: Filter) -> None:
        """Show only the rows that match; gaps stay."""
        self._changing(lambda: self._ring.set_filter(wanted))

    def set_min_severity(self, severity: int) -> None:
        """Show only the rows of this severity or more; gaps stay."""
        self._changing(lambda: self._ring.set_min_severity(severity))

    def set_node_shown(self, *, is_shown: bool) -> None:
        """Show or hide the column of node names; one node alone does not need it."""
        self._set_layout(replace(self._layout_now, is_node_shown=is_shown))

    def action_toggle_wrap(self) -> None:
        """Wrap long lines, or cut them."""
        layout = self._layout_now
        self._set_layout(replace(layout, is_wrapped=not layout.is_wrapped, offset=0))

    def action_toggle_times(self) -> None:
        """Show or hide the timestamps."""
        self._set_layout(
            replace(self._layout_now, is_time_shown=not self._layout_now.is_time_shown)
        )

    def action_scroll_back(self) -> None:
        """Scroll long lines back."""
        offset = max(0, self._layout_now.offset - _SCROLL_CELLS)
        self._set_layout(replace(self._layout_now, offset=offset))

    def action_scroll_on(self) -> None:
        """Scroll long lines on; wrapped ones have nothing out of sight."""
        if not self.is_wrapped:
            offset = self._layout_now.offset + _SCROLL_CELLS
            self._set_layout(replace(self._layout_now, offset=offset))

    def entry_count(self) -> int:
        """Return how many rows are shown."""
        return len(self._ring.shown)

    def entry_heights(self) -> Sequence[int] | None:
        """Return the rows' heights while they are wrapped."""
        if not self.is_wrapped:
            return None
        heights: list[int] = []
        for item in self._ring.shown:
            held = self._heights.get(item.sequence)
            if held is None or held[0] is not item:
                height = row_height(item, self._layout_now) if isinstance(item, LogRow) else 1
                held = self._heights[item.sequence] = (item, height)
            heights.append(held[1])
        return heights

    def empty_note(self) -> StateNote | None:
        """Return the note, or say that level and filter hide every row."""
        if self._ring.total_rows:
            level = "the level" if self._ring.min_severity > 0 else ""
            return no_match((self._ring.filter.title, level), self._ring.total_rows)
        return self._note

    def entry_chosen(self, index: int) -> None:
        """Tell that a row was opened."""
        self.post_message(self.RowChosen(self, self._ring.shown[index]))

    def cursor_moved(self) -> None:
        """Tell which row is under the cursor."""
        self.post_message(self.RowHighlighted(self, self.highlighted))

    def move_cursor(self, index: int, *, reveal: bool = True) -> None:
        """Put the cursor on a row; on the newest one the view follows again."""
        super().move_cursor(index, reveal=reveal)
        self._follow(self._cursor >= self.entry_count() - 1)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Stop following when the person scrolls away from the newest row."""
        super().watch_scroll_y(old_value, new_value)
        if not self._is_anchoring:
            self._follow(new_value >= self.max_scroll_y)

    def entries_changed(self) -> None:
        """Fit the columns to the width and take over the rows."""
        self._adopt(replace(self._layout_now, width=max(0, self.line_width - _GUTTER)))
        super().entries_changed()
        if self._is_following:
            self._show_newest()

    def entry_strip(self, index: int, line: int, ground: Ground) -> Strip:
        """Return one line of a row."""
        item = self._ring.shown[index]
        key = (item.sequence, line, ground)
        return self._drawn.line(key, item, lambda: self._draw(item, line, ground))

    def _draw(self, item: LogItem, line: int, ground: Ground) -> Strip:
        has_cursor = ground is not Ground.PLAIN
        gutter = Span(symbols().cursor if has_cursor else " ", Tone.ACCENT)
        if isinstance(item, LogGapRow):
            spans = gap_line(item, self._layout_now.width)
        else:
            spans = row_line(item, line, self._layout_now)
        return strip_of((gutter, *spans), self.line_width, self._palette, ground)

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.stop()
            self._flush_timer = None
        self._flushed_at = monotonic()
        rows, self._pending = self._pending, []
        self._fit_columns(rows)
        self._changing(lambda: self._ring.extend(rows))

    def _fit_columns(self, rows: Sequence[LogItem]) -> None:
        """Widen the columns to texts not seen before; they never shrink, so nothing jumps."""
        lines = [row for row in rows if isinstance(row, LogRow)]
        nodes = max(map(cell_len, {row.node for row in lines}), default=0)
        times = max(map(cell_len, {row.time for row in lines}), default=0)
        layout = self._layout_now
        self._adopt(
            replace(
                layout,
                node_cells=max(layout.node_cells, min(nodes, _MAX_NODE_CELLS)),
                time_cells=max(layout.time_cells, times),
            )
        )

    def _adopt(self, layout: LogLayout) -> None:
        if layout != self._layout_now:
            self._layout_now = layout
            self._heights.clear()
            self._drawn.clear()

    def _set_layout(self, layout: LogLayout) -> None:
        self._changing(lambda: self._adopt(layout))

    def _changing(self, change: Callable[[], object]) -> None:
        """Make a change with the cursor and the first line on screen kept on their rows."""
        self._is_anchoring = True
        shown = self._ring.shown
        under_cursor = self.highlighted
        top = self._entry_at(self.scroll_offset.y)
        top_item = shown[top] if top is not None else None
        into_top = self.scroll_offset.y - self._start(top or 0)
        change()
        self._cursor = self._position(under_cursor, self._cursor)
        self.entries_changed()
        if not self._is_following and top_item is not None:
            first = self._start(self._position(top_item, top or 0))
            self.scroll_to(y=first + into_top, animate=False, force=True)
        self._is_anchoring = False
        if self.highlighted is not under_cursor:
            self.cursor_moved()
        self._tell_view()

    def _position(self, item: LogItem | None, held: int) -> int:
        """Return where an item stands now, given where it stood."""
        shown = self._ring.shown
        if item is None or (held < len(shown) and shown[held].sequence == item.sequence):
            return held
        found = (i for i, other in enumerate(shown) if other.sequence == item.sequence)
        return next(found, max(0, min(held, len(shown) - 1)))

    def _show_newest(self) -> None:
        self._cursor = max(0, self.entry_count() - 1)
        if self.is_mounted:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def _follow(self, is_following: bool) -> None:
        if is_following != self._is_following:
            self._is_following = is_following
            self._tell_view()

    def _tell_view(self) -> None:
        if self.description != self._described:
            self._described = self.description
            self.post_message(self.ViewChanged(self))
