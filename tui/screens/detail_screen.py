"""One row opened: everything known of it, kept current while it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from textual import on
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget

from tui.keymap import Scope
from tui.screens.board import Board
from tui.screens.details import Detail
from tui.screens.fleet import NodeSummary
from tui.screens.links import parse_line_key
from tui.screens.live_screen import Desk, LiveScreen
from tui.screens.panel import Panel
from widgets.detail import DetailView
from widgets.detail_lines import DetailLine
from widgets.filters import Filter
from widgets.state_note import NoteKind, StateNote
from widgets.tones import text_of

DetailSource = Callable[[Board], Detail | None]
"""Gives the detail from the newest facts; None when the row is gone."""


class DetailPanel(Panel):
    """A panel of labelled values."""

    key = "detail"
    number = ""
    title = "Detail"

    def __init__(self, source: DetailSource) -> None:
        self.view = DetailView(id="panel-detail")
        self._source = source
        self._filter = Filter()
        self._lines: tuple[DetailLine, ...] = ()
        self.heading = ""

    @property
    def widget(self) -> DetailView:
        """The detail view."""
        return self.view

    @property
    def filter_fields(self) -> tuple[str, ...]:
        """What a line has."""
        return ("label", "value", "origin")

    @property
    def description(self) -> str:
        """The filter."""
        return self._filter.title

    @property
    def row_text(self) -> str:
        """The value under the cursor."""
        line = self.view.highlighted
        return "" if line is None else line.text

    @property
    def row_key(self) -> str | None:
        """The line under the cursor has no identity of its own."""
        return None

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show the newest facts; what is gone stays as it was and says so."""
        detail = self._source(board)
        if detail is None:
            self.view.show_note(StateNote(NoteKind.STALE, "this is gone; shown as it was"))
            return
        self.heading = detail.title
        self._lines = detail.lines
        self._draw()

    def _draw(self) -> None:
        shown = [line for line in self._lines if self._matches(line)]
        note = None if shown else StateNote(NoteKind.EMPTY, f"no line matches {self._filter.title}")
        self.view.set_lines(shown, note)

    def _matches(self, line: DetailLine) -> bool:
        text = text_of(line.value)
        fields = {"label": line.label, "value": text, "origin": line.origin}
        return self._filter.matches(f"{line.label} {text} {line.origin}", fields)

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return nothing: a detail has no further detail."""
        return None

    def set_filter(self, wanted: Filter) -> None:
        """Show only the lines that match."""
        self._filter = wanted
        self._draw()

    def show_failure(self, note: StateNote) -> None:
        """Say that the panel itself failed."""
        self.view.set_lines((), note)

    def toggle_faults_only(self) -> None:
        """Keep every line: a detail has no faults of its own."""

    def sort(self, column: str) -> bool:
        """Refuse: the lines stand in their order."""
        return False

    def sort_next(self) -> None:
        """Keep the order."""

    def reverse(self) -> None:
        """Keep the order."""


class DetailScreen(LiveScreen):
    """Shows one detail over the whole screen."""

    SCOPES = (Scope.EVERYWHERE,)

    def __init__(self, desk: Desk, source: DetailSource, node: NodeSummary | None = None) -> None:
        super().__init__(desk)
        self._detail = DetailPanel(source)
        self._node = node
        self._box = Container(self._detail.widget, id="detail-box")

    @property
    def chosen(self) -> NodeSummary | None:
        """The node the detail belongs to."""
        return self._node

    @property
    def panel(self) -> Panel:
        """The detail."""
        return self._detail

    def compose_body(self) -> Iterable[Widget]:
        """Yield the detail."""
        yield self._box

    def on_mount(self) -> None:
        """Put the focus on the lines."""
        super().on_mount()
        self.set_focus(self._detail.widget)

    def show_board(self) -> None:
        """Draw the newest facts."""
        self._detail.show(None, self.board)
        self.show_titles()

    def show_titles(self) -> None:
        """Draw the title."""
        title = self._detail.heading
        if self._detail.description:
            title = f"{title}  {self._detail.description}"
        self._box.border_title = Content(title)

    @on(DetailView.LineChosen)
    def follow_line_link(self, event: DetailView.LineChosen) -> None:
        """Go where the line leads."""
        self.follow_link(parse_line_key(event.line.key))
