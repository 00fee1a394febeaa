"""`T`: what changed when, by whom, in the cluster and on each node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget

from tui.keymap import Scope
from tui.model.names import NodeUid
from tui.model.snapshot import Snapshot
from tui.model.timeline import TimelineEntry
from tui.screens import wording
from tui.screens.bindings import bindings_of
from tui.screens.board import Board
from tui.screens.details import Detail
from tui.screens.fleet import NodeSummary
from tui.screens.live_screen import Desk, LiveScreen
from tui.screens.marks import joined
from tui.screens.notes import nodes_note
from tui.screens.panel import GridPanel, Panel
from tui.screens.panel_stack import show_guarded
from tui.screens.timeline_rows import TIMELINE_COLUMNS, entry_link, timeline_rows
from widgets.grid import Grid
from widgets.grid_rows import GridColumn, GridRow
from widgets.state_note import NoteKind, StateNote

TimelineOf = Callable[[Snapshot, NodeUid | None], Sequence[TimelineEntry]]
"""Gives the changes of the cluster, or of one node, the newest first."""
AGING_SECONDS = 10.0


class TimelinePanel(GridPanel):
    """One row a change."""

    key = "timeline"
    number = ""
    title = "Time line"
    columns: ClassVar[tuple[GridColumn, ...]] = TIMELINE_COLUMNS

    def __init__(self, timeline_of: TimelineOf) -> None:
        super().__init__()
        self._timeline_of = timeline_of
        self._made_of: tuple[object, ...] = ()
        self._entries: dict[str, TimelineEntry] = {}
        self._rows: list[GridRow] = []
        self.node_uid: NodeUid | None = None
        """The only node that is shown; None for the cluster."""

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show the newest changes; the same snapshot is not asked again."""
        made_of = (board.snapshot.version, self.node_uid, int(board.now / AGING_SECONDS))
        if made_of != self._made_of:
            self._made_of = made_of
            entries = self._timeline_of(board.snapshot, self.node_uid)
            rows = timeline_rows(entries, board.now)
            self._entries = dict(zip(rows, entries, strict=True))
            self._rows = list(rows.values())
        note = None
        if not self._rows:
            note = nodes_note(board.snapshot) if not board.snapshot.nodes else _NOTHING
        self.give_rows(self._rows, note)

    def entry(self, key: str | None) -> TimelineEntry | None:
        """Return the change behind a row."""
        return None if key is None else self._entries.get(key)

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return nothing: enter goes to the proof instead."""
        return None


_NOTHING = StateNote(NoteKind.EMPTY, "nothing is known to have changed")


class TimelineScreen(LiveScreen):
    """The cluster's changes, or the chosen node's."""

    SCOPES = (Scope.EVERYWHERE, Scope.TABLE, Scope.BY_NODE)
    HERE = "timeline"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Scope.BY_NODE)

    def __init__(self, desk: Desk, timeline_of: TimelineOf, home_node: NodeUid | None) -> None:
        super().__init__(desk)
        self._timeline = TimelinePanel(timeline_of)
        self._home_node = home_node
        self._box = Container(self._timeline.widget, id="timeline-box")

    @property
    def panel(self) -> Panel:
        """The table of changes."""
        return self._timeline

    @property
    def chosen(self) -> NodeSummary | None:
        """The only node that is shown."""
        return self.board.node(self._timeline.node_uid)

    def compose_body(self) -> Iterable[Widget]:
        """Yield the table."""
        yield self._box

    def on_mount(self) -> None:
        """Put the focus on the table."""
        super().on_mount()
        self.set_focus(self._timeline.widget)

    def show_board(self) -> None:
        """Draw the newest changes."""
        show_guarded(self._timeline, None, self.board)
        self.show_titles()

    def show_titles(self) -> None:
        """Draw the title: whose changes, filter and sort."""
        node = self.chosen
        who = "cluster and all nodes" if node is None else wording.cut(node.name, 60)
        order = "" if self._timeline.grid.order.sort_column else "newest first"
        title = joined(self._timeline.title, who, self._timeline.description, order)
        self._box.border_title = Content(title)

    def action_by_node(self) -> None:
        """Show the chosen node's changes only, or the cluster's again.

        The chosen one is the node of the row under the cursor, else Home's.
        """
        if self._timeline.node_uid is not None:
            self._timeline.node_uid = None
        else:
            entry = self._timeline.entry(self._timeline.row_key)
            uid = None if entry is None else entry.node_uid
            self._timeline.node_uid = uid or self._home_node
        self.show_board()

    def go_back(self) -> bool:
        """Leave a filter, then the one node."""
        if super().go_back():
            return True
        if self._timeline.node_uid is None:
            return False
        self.action_by_node()
        return True

    @on(Grid.ViewChanged)
    def follow_view(self) -> None:
        """Show counts, filter and sort in the title."""
        self.show_titles()

    @on(Grid.RowChosen)
    def open_row(self, event: Grid.RowChosen) -> None:
        """Go to what proves the change."""
        entry = self._timeline.entry(event.row.key)
        if entry is not None:
            self.follow_link(entry_link(entry))
