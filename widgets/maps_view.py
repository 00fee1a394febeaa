"""`MapsView`: how full each BPF map of a node is, those that refuse apart from those that evict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rich.cells import cell_len
from textual.message import Message
from textual.strip import Strip

from widgets.bars import bar, sparkline
from widgets.filters import Filter
from widgets.grid_order import FAULTS_ONLY
from widgets.line_list import LineList
from widgets.map_layout import HISTORY_CELLS, MapColumns, columns_for, seen_columns
from widgets.map_rows import MAP_FIELDS, MapRowView, MapSection
from widgets.state_note import StateNote, no_match
from widgets.symbols import symbols
from widgets.text import fit, strip_of, wrap_spans_words
from widgets.tones import Ground, Span, Tone

_REMARK_INDENT = 5


@dataclass(frozen=True, slots=True)
class _Entry:
    """What stands at one position of the list: a section's title or a map."""

    section: MapSection
    row: MapRowView | None = None
    remark: tuple[tuple[Span, ...], ...] = field(default=())
    """The remark's lines at the current width."""


class MapsView(LineList):
    """Draws sections of maps; the cursor stays on its map when the order changes."""

    DEFAULT_CSS = "MapsView { height: 1fr; }"

    class RowHighlighted(Message):
        """Another map is under the cursor; None while no map is shown."""

        def __init__(self, maps_view: MapsView, row: MapRowView | None) -> None:
            super().__init__()
            self.maps_view = maps_view
            self.row = row

        @property
        def control(self) -> MapsView:
            """The view."""
            return self.maps_view

    class RowChosen(Message):
        """A map was opened with enter or a double click."""

        def __init__(self, maps_view: MapsView, row: MapRowView) -> None:
            super().__init__()
            self.maps_view = maps_view
            self.row = row

        @property
        def control(self) -> MapsView:
            """The view."""
            return self.maps_view

    def __init__(
        self,
        sections: Sequence[MapSection] = (),
        *,
        note: StateNote | None = None,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._sections: tuple[MapSection, ...] = ()
        self._entries: list[_Entry] = []
        self._seen = MapColumns()
        """The widths of the texts seen so far: columns never shrink, or they would jump."""
        self._columns = MapColumns()
        self._filter = Filter()
        self._is_faults_only = False
        self.set_sections(sections, note)

    @property
    def highlighted(self) -> MapRowView | None:
        """The map under the cursor."""
        return self._entries[self._cursor].row if self._cursor < len(self._entries) else None

    @property
    def rows(self) -> tuple[MapRowView, ...]:
        """The maps that are shown, as they stand."""
        return tuple(entry.row for entry in self._entries if entry.row is not None)

    @property
    def field_names(self) -> tuple[str, ...]:
        """What `/field:value` can name."""
        own = {name for section in self._sections for row in section.rows for name in row.fields}
        return (*MAP_FIELDS, *sorted(own - set(MAP_FIELDS)))

    @property
    def filter(self) -> Filter:
        """The filter in use."""
        return self._filter

    @property
    def description(self) -> str:
        """The state for the panel's title: `3 of 24 ▏ /name:lb4`."""
        total, shown, hidden_by = self._total, len(self.rows), self._hidden_by
        counts = f"{shown:,} of {total:,}" if hidden_by else f"{total:,}"
        return f" {symbols().divider} ".join((counts, *hidden_by))

    @property
    def _total(self) -> int:
        return sum(len(section.rows) for section in self._sections)

    @property
    def _hidden_by(self) -> tuple[str, ...]:
        faults = FAULTS_ONLY if self._is_faults_only else ""
        return tuple(filter(None, (self._filter.title, faults)))

    def set_sections(self, sections: Sequence[MapSection], note: StateNote | None = None) -> None:
        """Show other maps; the cursor stays with its map's key."""
        if note == self._note and tuple(sections) == self._sections:
            return
        self._note = note
        self._sections = tuple(sections)
        rows = [row for section in self._sections for row in section.rows]
        self._seen = seen_columns(self._seen, rows)
        self._arrange()

    def set_filter(self, wanted: Filter) -> None:
        """Show only the maps that match."""
        self._filter = wanted
        self._arrange()

    def set_faults_only(self, wanted: bool) -> None:
        """Show only the maps with a fault, or all."""
        self._is_faults_only = wanted
        self._arrange()

    def select(self, key: str) -> bool:
        """Put the cursor on the map with this key, and return whether it is shown."""
        for index, entry in enumerate(self._entries):
            if entry.row is not None and entry.row.key == key:
                self.move_cursor(index)
                return True
        return False

    def entry_count(self) -> int:
        """Return how many titles and maps are shown."""
        return len(self._entries)

    def entry_heights(self) -> Sequence[int]:
        """Return one line for a title, and one more for each line of a map's remark."""
        return [1 + len(entry.remark) for entry in self._entries]

    def is_selectable(self, index: int) -> bool:
        """Return whether a map stands there, and not a section's title."""
        return 0 <= index < len(self._entries) and self._entries[index].row is not None

    def empty_note(self) -> StateNote | None:
        """Return the note, or say that the filter hides every map."""
        if any(section.rows for section in self._sections):
            return no_match(self._hidden_by, self._total)
        return self._note

    def cursor_moved(self) -> None:
        """Tell which map is under the cursor."""
        self.post_message(self.RowHighlighted(self, self.highlighted))

    def entry_chosen(self, index: int) -> None:
        """Tell that a map was opened."""
        row = self._entries[index].row
        if row is not None:
            self.post_message(self.RowChosen(self, row))

    def entries_changed(self) -> None:
        """Fit columns and remarks to the width and take over the maps."""
        width = self.line_width
        columns = columns_for(self._seen, width)
        if columns != self._columns:
            self._columns = columns
            self._drawn.clear()
        self._entries = [
            entry if entry.row is None else replace(entry, remark=_remark_lines(entry.row, width))
            for entry in self._entries
        ]
        super().entries_changed()

    def entry_strip(self, index: int, line: int, ground: Ground) -> Strip:
        """Return a title, a map's numbers, or a line of its remark."""
        entry = self._entries[index]
        width = self.line_width
        if entry.row is None:
            return strip_of((Span(f" {entry.section.title}", Tone.TITLE),), width, self._palette)
        row = entry.row
        remark = entry.remark[line - 1] if line else ()
        return self._drawn.line(
            (row.key, line, ground),
            row,
            lambda: strip_of(
                (_gutter(ground), *(remark or self._numbers(row))), width, self._palette, ground
            ),
        )

    def _numbers(self, row: MapRowView) -> list[Span]:
        widths = self._columns
        spans = [Span(fit(row.symbol, 1), row.tone), Span(" ")]
        spans.append(Span(fit(row.name, widths.name)))
        if widths.bar:
            spans += [Span(" "), Span(bar(row.ratio, widths.bar), row.tone)]
        spans += [Span(" "), Span(fit(row.percent, widths.percent, "right"), row.tone)]
        spans += [Span(" "), Span(fit(row.count, widths.count, "right"))]
        if row.ratio is None and not row.forecast:
            # The note may run over the columns that an uncounted map has no use for.
            return [*spans, Span(" "), Span(row.origin, Tone.MUTED)]
        if widths.origin:
            origin = row.short_origin or row.origin if widths.is_short else row.origin
            spans += [Span(" "), Span(fit(origin, widths.origin), Tone.MUTED)]
        if widths.history:
            spans += [Span(" "), Span(sparkline(row.history, widths.history), row.tone)]
        forecast = row.forecast
        if cell_len(forecast) > widths.forecast:
            forecast = row.short_forecast or forecast
        if widths.forecast and forecast:
            spans += [Span(" "), Span(forecast, row.forecast_tone)]
        elif widths.forecast and not widths.history:
            # In a narrow panel the sparkline stands where no forecast is.
            cells = min(HISTORY_CELLS, widths.forecast)
            spans += [Span(" "), Span(sparkline(row.history, cells), row.tone)]
        return spans

    def _arrange(self) -> None:
        """Choose the maps, with the cursor on the map it was on."""
        before, was_in_sight = self.highlighted, self.is_cursor_in_sight
        self._entries = []
        for section in self._sections:
            rows = [row for row in section.rows if self._shows(row)]
            if rows:
                self._entries.append(_Entry(section))
                self._entries += [_Entry(section, row) for row in rows]
        followed = None if self._follows_top or before is None else before.key
        self._cursor = next(
            (
                index
                for index, entry in enumerate(self._entries)
                if entry.row is not None and entry.row.key == followed
            ),
            min(1, len(self._entries)),
        )
        self.entries_changed()
        if was_in_sight:
            self.reveal_cursor()
        after = self.highlighted
        if (before and before.key) != (after and after.key):
            self.cursor_moved()

    def _shows(self, row: MapRowView) -> bool:
        if self._is_faults_only and not row.is_fault:
            return False
        return self._filter.is_empty or self._filter.matches(row.text, row.all_fields)


def _gutter(ground: Ground) -> Span:
    return Span(symbols().cursor if ground is not Ground.PLAIN else " ", Tone.ACCENT)


def _remark_lines(row: MapRowView, width: int) -> tuple[tuple[Span, ...], ...]:
    """Return the remark's lines, broken between words."""
    if not row.remark:
        return ()
    indent = Span(" " * min(_REMARK_INDENT - 1, max(0, width - 20)))
    room = max(1, width - 1 - len(indent.text))
    return tuple((indent, *line) for line in wrap_spans_words(row.remark, room))
