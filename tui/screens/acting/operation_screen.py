"""`O`: an operation as it goes on, node by node, with pause, resume, abort and undo."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget

from tui.keymap import Scope
from tui.model.names import NodeUid
from tui.model.operations import NodeProgress, NodeState, OperationProgress
from tui.screens import wording
from tui.screens.acting.operation_rows import (
    NODE_COLUMNS,
    headline_spans,
    node_rows,
    operation_lines,
)
from tui.screens.bindings import bindings_of
from tui.screens.board import Board
from tui.screens.details import Detail
from tui.screens.fleet import NodeSummary
from tui.screens.live_screen import Desk, LiveScreen
from tui.screens.marks import joined
from tui.screens.panel import GridPanel, Panel
from tui.screens.panel_stack import show_guarded
from widgets.detail import DetailView
from widgets.grid import Grid
from widgets.grid_rows import GridColumn
from widgets.state_note import NoteKind, StateNote
from widgets.tones import text_of

WIDE_COLUMNS = 140
"""Width from which the nodes and what they wait for stand side by side."""
_TABLE_FRAME = 3
"""The border and the columns' titles."""
_LEAST_TABLE_ROWS = 5
_NO_OPERATION = StateNote(
    NoteKind.EMPTY, "no operation in this session", "a shows the actions for a node"
)

_STARTING = StateNote(NoteKind.LOADING, "starting")


def find_operation(board: Board, operation_id: str) -> OperationProgress | None:
    """Return an operation of the newest snapshot, also while the view is paused."""
    operations = board.newest.operations
    return next((each for each in reversed(operations) if each.plan.id == operation_id), None)


class OperationPanel(GridPanel):
    """One row a node."""

    key = "operation"
    number = ""
    title = "Operation"
    columns: ClassVar[tuple[GridColumn, ...]] = NODE_COLUMNS

    def __init__(self, operation_id: str) -> None:
        super().__init__()
        self.operation_id = operation_id
        self.progress: OperationProgress | None = None
        self._followed: str | None = None
        """The row the cursor was put on; elsewhere it was moved by the person."""

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show every node as it stands; until the cursor is moved it follows what goes on."""
        self.progress = find_operation(board, self.operation_id) or self.progress
        if self.progress is None:
            self.give_rows((), _STARTING if self.operation_id else _NO_OPERATION)
            return
        was_followed = self._followed in (None, self.row_key)
        self.give_rows(node_rows(self.progress, board.wall_now))
        if was_followed:
            self._follow(self.progress)

    def _follow(self, progress: OperationProgress) -> None:
        """Put the cursor on the node that failed, else on the one that is worked on."""
        idle = (NodeState.WAITING, NodeState.DONE, NodeState.SKIPPED)
        failed = [node for node in progress.nodes if node.state is NodeState.FAILED]
        busy = [node for node in progress.nodes if node.state not in idle]
        wanted = next(iter([*failed, *busy]), None)
        if wanted is not None and self.grid.select(wanted.node_uid):
            self._followed = wanted.node_uid

    def node(self) -> NodeProgress | None:
        """Return the node under the cursor."""
        nodes = () if self.progress is None else self.progress.nodes
        return next((node for node in nodes if node.node_uid == self.row_key), None)

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return nothing: enter goes to the node instead."""
        return None


class OperationScreen(LiveScreen):
    """The nodes of an operation, and what the one under the cursor waits for."""

    SCOPES = (Scope.EVERYWHERE, Scope.TABLE, Scope.OPERATION, Scope.ACTED)
    HERE = "operation"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Scope.OPERATION, Scope.ACTED)

    def __init__(self, desk: Desk, operation_id: str) -> None:
        super().__init__(desk)
        self._table = OperationPanel(operation_id)
        self._lines = DetailView(id="panel-operation-lines")
        self._table_box = Container(self._table.widget, id="operation-box")
        self._lines_box = Container(self._lines, id="operation-lines-box")

    @property
    def panel(self) -> Panel:
        """The table of nodes."""
        return self._table

    @property
    def progress(self) -> OperationProgress | None:
        """The operation that is shown."""
        return self._table.progress

    @property
    def operation_id(self) -> str:
        """Which operation is shown."""
        return self._table.operation_id

    @property
    def chosen(self) -> NodeSummary | None:
        """The node under the cursor."""
        key = self._table.row_key
        return None if key is None else self.board.node(NodeUid(key))

    def compose_body(self) -> Iterable[Widget]:
        """Yield the table and the lines."""
        yield self._table_box
        yield self._lines_box

    def on_mount(self) -> None:
        """Put the focus on the table."""
        super().on_mount()
        self.set_focus(self._table.widget)

    def on_resize(self) -> None:
        """Choose the layout: side by side, or one above the other."""
        super().on_resize()
        self.set_class(self.app.size.width >= WIDE_COLUMNS, "-wide")
        self._share_room()

    def _share_room(self) -> None:
        """Give the table what its nodes need, and the lines the rest, where one is above."""
        self._table_box.styles.height = None
        nodes = 0 if self.progress is None else len(self.progress.nodes)
        if not self.has_class("-wide"):
            wanted = max(_LEAST_TABLE_ROWS, nodes + _TABLE_FRAME)
            self._table_box.styles.height = min(wanted, self.app.size.height // 2)

    def show_board(self) -> None:
        """Draw the newest state, also while the view is paused: what is done is not frozen."""
        show_guarded(self._table, None, self.board)
        self._share_room()
        self._show_lines()
        self.show_titles()

    def show_time(self) -> None:
        """Draw how long it takes."""
        super().show_time()
        if self.is_laid_out:
            self.guard(self.show_board)

    def _show_lines(self) -> None:
        progress = self.progress
        if progress is not None:
            lines = operation_lines(progress, self._table.node(), self.board.wall_now)
            self._lines.set_lines(lines)

    def show_titles(self) -> None:
        """Draw the titles: what it is, how it stands, and what it waits for."""
        progress = self.progress
        if progress is None:
            self._table_box.border_title = Content("Operation")
            return
        state = text_of(headline_spans(progress, self.board.wall_now)).strip()
        plan_title = wording.cut(progress.plan.title, 60)
        self._table_box.border_title = Content(joined(plan_title, self._table.description))
        self._table_box.border_subtitle = Content(state)
        self._lines_box.border_title = Content(wording.cut(progress.text, 100))
        self.set_class(progress.state.value == "failed", "-failed")

    @on(Grid.RowHighlighted)
    def follow_cursor(self) -> None:
        """Show what the node under the cursor waits for."""
        self.guard(self._show_lines)

    @on(Grid.ViewChanged)
    def follow_view(self) -> None:
        """Show counts, filter and sort in the title."""
        self.show_titles()

    @on(Grid.RowChosen)
    def open_row(self, event: Grid.RowChosen) -> None:
        """Go to the node on Home."""
        if self.desk.acting is not None:
            self.desk.acting.open_node(NodeUid(event.row.key))

    def action_hold(self) -> None:
        """Pause the operation at once, or ask whether it goes on."""
        if self.desk.acting is not None:
            self.desk.acting.hold(self.progress)

    def action_abort(self) -> None:
        """Ask whether the operation ends."""
        if self.desk.acting is not None:
            self.desk.acting.ask_abort(self.progress)

    def action_undo(self) -> None:
        """Preview what puts back what the operation changed."""
        if self.desk.acting is not None:
            self.desk.acting.undo(self.progress)
