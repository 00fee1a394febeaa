"""The Maps panel: how full each BPF map of the chosen node is, by the kernel's count."""

from __future__ import annotations

from tui.model.maps import MapUsage
from tui.model.names import NodeUid
from tui.screens import wording
from tui.screens.board import Board
from tui.screens.details import Detail, map_detail
from tui.screens.fleet import NodeSummary
from tui.screens.map_rows import MAP_ROW_FIELDS, MapRows, MapSort
from tui.screens.map_words import map_trouble
from tui.screens.marks import counts_badge, joined
from tui.screens.notes import NO_NODE, section_note
from tui.screens.panel import Panel
from widgets.filters import Filter
from widgets.maps_view import MapsView
from widgets.state_note import NoteKind, StateNote
from widgets.symbols import symbols
from widgets.tones import Span


class MapsPanel(Panel):
    """The chosen node's BPF maps, worst first, LRU maps apart."""

    key = "maps"
    number = "1"
    title = "Maps"

    def __init__(self) -> None:
        self.view = MapsView(id=f"panel-{self.key}")
        self._rows = MapRows()
        self._node: NodeUid | None = None
        self._maps: tuple[MapUsage, ...] = ()
        self._note: StateNote | None = None
        self._sort = MapSort.WORST
        self._is_reversed = False
        self._is_faults_only = False
        self._drawn: tuple[object, ...] | None = None

    @property
    def widget(self) -> MapsView:
        """The maps view."""
        return self.view

    @property
    def filter_fields(self) -> tuple[str, ...]:
        """The parts of a map's row."""
        return MAP_ROW_FIELDS

    @property
    def description(self) -> str:
        """The view's own, and the order where it is not worst first."""
        arrow = symbols().ascending if self._is_reversed else ""
        if self._sort is MapSort.WORST and not arrow:
            return self.view.description
        return joined(self.view.description, f"sorted by {self._sort} {arrow}".rstrip())

    @property
    def row_text(self) -> str:
        """The map under the cursor."""
        row = self.view.highlighted
        return "" if row is None else row.text

    @property
    def row_key(self) -> str | None:
        """The map under the cursor: its pin's name."""
        row = self.view.highlighted
        return None if row is None else row.key

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show the node's maps; the cursor starts anew on another node's."""
        shown, self._node = self._node, None if node is None else node.uid
        self._read(node, board)
        self._draw()
        if shown != self._node:
            self.view.reset_cursor()

    def _read(self, node: NodeSummary | None, board: Board) -> None:
        if node is None:
            self._maps, self._note = (), NO_NODE
            return
        reading = node.facts.maps
        note = section_note(node, reading, board.now, board.stale_seconds)
        if note is None and not reading.value:
            note = StateNote(NoteKind.EMPTY, "the agent pins no map")
        self._maps, self._note = reading.value or (), note

    def _draw(self) -> None:
        wanted = (self._maps, self._note, self._sort, self._is_reversed)
        if self._drawn is not None and wanted[0] is self._drawn[0] and wanted == self._drawn:
            return
        self._drawn = wanted
        sections = self._rows.sections(self._maps, self._sort, is_reversed=self._is_reversed)
        self.view.set_sections(sections, self._note)

    def select(self, key: str) -> bool:
        """Put the cursor on a map, and return whether it is shown."""
        short = wording.short_map(key)
        names = (row.key for row in self.view.rows if wording.short_map(row.key) == short)
        return self.view.select(next(names, key))

    def badge(self, node: NodeSummary) -> tuple[Span, ...]:
        """Return how many maps are full, and how many soon will be."""
        troubles = [map_trouble(usage) for usage in node.facts.maps.value or ()]
        return counts_badge([trouble[0] for trouble in troubles if trouble is not None])

    def age(self, node: NodeSummary, now: float) -> str:
        """Return when the maps were counted."""
        return wording.ago(node.facts.maps.age_seconds(now))

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return one map."""
        for usage in node.facts.maps.value or ():
            if usage.name == key:
                return map_detail(node, usage, now)
        return None

    def set_filter(self, wanted: Filter) -> None:
        """Show only the maps that match."""
        self.view.set_filter(wanted)

    def toggle_faults_only(self) -> None:
        """Show only the maps in trouble, or all again."""
        self._is_faults_only = not self._is_faults_only
        self.view.set_faults_only(self._is_faults_only)

    def sort(self, column: str) -> bool:
        """Sort by name, fill, entries, max entries or memory; the empty name is worst first."""
        wanted = column.strip().casefold()
        for sort in MapSort:
            if sort.value.startswith(wanted) if wanted else sort is MapSort.WORST:
                self._is_reversed = sort is self._sort and not self._is_reversed
                self._sort = sort
                self._draw()
                return True
        return False

    def sort_next(self) -> None:
        """Sort by the next column."""
        order = list(MapSort)
        self._sort = order[(order.index(self._sort) + 1) % len(order)]
        self._is_reversed = False
        self._draw()

    def reverse(self) -> None:
        """Sort the other way round."""
        self._is_reversed = not self._is_reversed
        self._draw()

    def show_failure(self, note: StateNote) -> None:
        """Say that the panel itself failed."""
        self._drawn = None
        self.view.set_sections((), note)
