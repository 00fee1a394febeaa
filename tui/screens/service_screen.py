"""`:svc`: one Service on every node, with what every node should hold on top."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from textual import on
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from tui.model.names import NodeUid
from tui.model.reading import ReadingState
from tui.model.services import Service
from tui.screens import wording
from tui.screens.board import Board
from tui.screens.details import Detail
from tui.screens.fleet import NodeSummary
from tui.screens.live_screen import Desk, LiveScreen
from tui.screens.marks import joined
from tui.screens.panel import GridPanel, Panel
from tui.screens.panel_stack import show_guarded
from tui.screens.service_nodes import (
    SERVICE_NODE_COLUMNS,
    service_node_rows,
    verdict_counts,
    want_lines,
)
from widgets.grid import Grid
from widgets.state_note import NoteKind, StateNote


def find_service(board: Board, name: str) -> Service | None:
    """Return the Service with this `namespace/name`, as the newest snapshot has it."""
    services = board.snapshot.cluster.services.value or ()
    return next((service for service in services if service.name == name), None)


class ServiceNodesPanel(GridPanel):
    """One row a node: held, missing, wrong or unknown."""

    key = "service-nodes"
    number = ""
    title = "Nodes"
    columns = SERVICE_NODE_COLUMNS

    def __init__(self, name: str) -> None:
        super().__init__()
        self._service = name

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show the Service on every node."""
        service = find_service(board, self._service)
        if service is None:
            text = f"{self._service} is no longer a Service of this cluster"
            self.give_rows((), StateNote(NoteKind.EMPTY, text))
            return
        reading = board.snapshot.cluster.services
        note = None
        if reading.state is not ReadingState.KNOWN:
            note = StateNote(NoteKind.STALE, wording.reading_trouble(reading) or "not current")
        rows = service_node_rows(service, board.summary.nodes, board.now)
        self.give_rows(rows, note)

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return nothing: enter goes to the node instead."""
        return None


class ServiceScreen(LiveScreen):
    """Shows one Service on every node; enter goes to the node."""

    def __init__(self, desk: Desk, name: str, open_node: Callable[[NodeUid], None]) -> None:
        super().__init__(desk)
        self._service = name
        self._open_node = open_node
        self._nodes_panel = ServiceNodesPanel(name)
        self._want = Static(id="service-want", markup=False)
        self._box = Container(self._nodes_panel.widget, id="service-box")

    @property
    def chosen(self) -> NodeSummary | None:
        """The node under the cursor."""
        key = self._nodes_panel.row_key
        return None if key is None else self.board.node(NodeUid(key))

    @property
    def panel(self) -> Panel:
        """The table of nodes."""
        return self._nodes_panel

    def compose_body(self) -> Iterable[Widget]:
        """Yield what is wanted, and the table."""
        yield self._want
        yield self._box

    def on_mount(self) -> None:
        """Put the focus on the table."""
        super().on_mount()
        self.set_focus(self._nodes_panel.widget)

    def show_board(self) -> None:
        """Draw what is wanted, and every node."""
        service = find_service(self.board, self._service)
        want = ("", "") if service is None else want_lines(service)
        text = f"{self._service}  {want[0]}\n{want[1]}"
        self._want.update(Content(text))
        show_guarded(self._nodes_panel, None, self.board)
        self.show_titles()

    def show_titles(self) -> None:
        """Draw the title: how many nodes hold the Service, filter and sort."""
        panel = self._nodes_panel
        counts = verdict_counts(panel.grid.shown)
        verdicts = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
        title = joined(f"{self._service} on every node", verdicts, panel.description)
        self._box.border_title = Content(title)

    @on(Grid.ViewChanged)
    def follow_view(self) -> None:
        """Show counts, filter and sort in the title."""
        self.show_titles()

    @on(Grid.RowChosen)
    def open_row(self, event: Grid.RowChosen) -> None:
        """Go to the node."""
        self._open_node(NodeUid(event.row.key))
