"""`C`: the clusters of a broker, worst first, and the collectors of the one under the cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from tui.keymap import Scope
from tui.model.findings import FindingSeverity
from tui.model.room import ClusterSummary
from tui.model.snapshot import SourceState
from tui.screens import wording
from tui.screens.bindings import bindings_of
from tui.screens.board import Board
from tui.screens.detail_screen import DetailScreen
from tui.screens.details import Detail
from tui.screens.fleet import NodeSummary
from tui.screens.live_screen import Desk, LiveScreen
from tui.screens.marks import joined
from tui.screens.notes import broker_note
from tui.screens.panel import GridPanel, Panel
from tui.screens.panel_stack import show_guarded
from tui.screens.room.cluster_rows import CLUSTER_COLUMNS, ClusterOrder, cluster_rows
from tui.screens.room.collector_rows import COLLECTOR_COLUMNS, collector_detail, collector_rows
from tui.screens.room.words import START_ONE, present_count, worst_titles
from widgets.grid import Grid
from widgets.grid_rows import GridColumn
from widgets.state_note import NoteKind, StateNote
from widgets.symbols import symbols
from widgets.text import elide_middle

ChooseCluster = Callable[[str], str]
"""Shows a cluster; returns why that can't be, or the empty text."""

MOST_WORST = 3
TITLE_CELLS = 28
LEAST_ROWS = 3
TABLE_SHARE = 0.55
"""The most of the height that the clusters take; their collectors have the rest."""


class ClustersPanel(GridPanel):
    """One row a cluster."""

    key = "clusters"
    number = ""
    title = "Clusters"
    columns: ClassVar[tuple[GridColumn, ...]] = CLUSTER_COLUMNS
    extra_fields = ("collector",)

    def __init__(self) -> None:
        super().__init__()
        self._order = ClusterOrder()

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show the clusters; they stay where they are once the cursor was moved."""
        clusters = board.snapshot.room.clusters
        ordered = self._order.arranged(clusters, is_held=not self.grid.follows_top)
        self.give_rows(cluster_rows(ordered, board.now), _clusters_note(board))

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return nothing: enter shows the cluster itself."""
        return None


def _clusters_note(board: Board) -> StateNote | None:
    snapshot = board.snapshot
    if snapshot.room.clusters and snapshot.health.state is not SourceState.LOST:
        return None
    if snapshot.room.clusters:
        return StateNote(NoteKind.STALE, wording.cut(snapshot.health.reason) or "lost")
    return broker_note(snapshot)


class CollectorsPanel(GridPanel):
    """One row a collector of the cluster under the cursor."""

    key = "collectors"
    number = ""
    title = "Collectors"
    columns: ClassVar[tuple[GridColumn, ...]] = COLLECTOR_COLUMNS

    def __init__(self) -> None:
        super().__init__()
        self.cluster: ClusterSummary | None = None

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show the cluster's collectors, those in trouble first."""
        collectors = () if self.cluster is None else self.cluster.collectors
        note = None
        if self.cluster is not None and not collectors:
            note = StateNote(NoteKind.EMPTY, "nobody reads this cluster", START_ONE)
        self.give_rows(collector_rows(collectors, board.now), note)

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return nothing: the screen opens the collector itself."""
        return None


class ClustersScreen(LiveScreen):
    """All clusters of the broker; enter shows the nodes of the one under the cursor."""

    SCOPES = (Scope.EVERYWHERE, Scope.TABLE, Scope.CLUSTERS)
    HERE = "clusters"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Scope.CLUSTERS)

    def __init__(self, desk: Desk, choose: ChooseCluster) -> None:
        super().__init__(desk)
        self._choose = choose
        self._clusters = ClustersPanel()
        self._collectors = CollectorsPanel()
        self._clusters_box = Container(self._clusters.widget, id="clusters-box")
        self._worst = Static(id="cluster-worst", markup=False)
        self._collectors_box = Container(self._worst, self._collectors.widget, id="collectors-box")

    @property
    def panel(self) -> Panel:
        """The collectors where they have the focus, else the clusters."""
        is_below = self.focused is self._collectors.widget
        return self._collectors if is_below else self._clusters

    def compose_body(self) -> Iterable[Widget]:
        """Yield the clusters, and the collectors of one of them."""
        yield self._clusters_box
        yield self._collectors_box

    def on_mount(self) -> None:
        """Put the focus on the clusters."""
        super().on_mount()
        self.set_focus(self._clusters.widget)

    def on_resize(self) -> None:
        """Share the height between the two tables."""
        super().on_resize()
        self._share_room()

    def _share_room(self) -> None:
        most = max(LEAST_ROWS, int((self.app.size.height - 3) * TABLE_SHARE) - 3)
        rows = len(self.board.snapshot.room.clusters) or LEAST_ROWS
        # The titles' line and the border stand around the rows.
        self._clusters_box.styles.height = max(LEAST_ROWS, min(most, rows)) + 3

    def show_board(self) -> None:
        """Draw the clusters, and what is below them."""
        show_guarded(self._clusters, None, self.board)
        self._share_room()
        self._show_one()

    def _show_one(self) -> None:
        """Draw the collectors and the worst findings of the cluster under the cursor."""
        key = self._clusters.row_key
        clusters = self.board.snapshot.room.clusters
        one = next((cluster for cluster in clusters if cluster.name == key), None)
        self._collectors.cluster = one
        worst = [] if one is None else _worst_lines(one)
        self._worst.update(Content("\n".join(worst)))
        self._worst.display = bool(worst)
        show_guarded(self._collectors, None, self.board)
        self.show_titles()

    def show_titles(self) -> None:
        """Draw the titles: counts, filters, sorts, and whose collectors these are."""
        clusters = self._clusters
        order = "" if clusters.grid.order.sort_column else "worst first"
        shown = elide_middle(self.board.snapshot.room.chosen, TITLE_CELLS)
        self._clusters_box.border_title = Content(
            joined(clusters.title, clusters.description, order, f"{shown} shown" if shown else "")
        )
        one = self._collectors.cluster
        name, counts = "", ""
        if one is not None:
            name = elide_middle(one.name, TITLE_CELLS)
            counts = f"{present_count(one.collectors)} of {len(one.collectors)} present"
        self._collectors_box.border_title = Content(
            joined(name, f"{self._collectors.title} {self._collectors.description}", counts)
        )

    @on(Grid.RowHighlighted, "#panel-clusters")
    def follow_cursor(self) -> None:
        """Show the collectors of the cluster that the cursor went to."""
        self._show_one()

    @on(Grid.ViewChanged)
    def follow_view(self) -> None:
        """Show counts, filter and sort in the titles."""
        self.show_titles()

    @on(Grid.RowChosen, "#panel-clusters")
    def choose_row(self, event: Grid.RowChosen) -> None:
        """Show the nodes of the cluster under the cursor."""
        problem = self._choose(event.row.key)
        if problem:
            self.app.notify(wording.cut(problem), severity="warning", markup=False)

    @on(Grid.RowChosen, "#panel-collectors")
    def open_collector(self, event: Grid.RowChosen) -> None:
        """Open the collector under the cursor."""
        one = self._collectors.cluster
        if one is not None:
            source = partial(_collector_of, one.name, event.row.key)
            self.app.push_screen(DetailScreen(self.desk, source))

    def action_other_table(self) -> None:
        """Go from the clusters to the collectors, or back."""
        is_above = self.panel is self._clusters
        self.set_focus(self._collectors.widget if is_above else self._clusters.widget)

    def go_back(self) -> bool:
        """Leave a filter, then the collectors."""
        if super().go_back():
            return True
        if self.panel is self._clusters:
            return False
        self.set_focus(self._clusters.widget)
        return True


def _worst_lines(cluster: ClusterSummary) -> list[str]:
    """Return the worst findings with their symbols: the first ones are the ACTIVE ones."""
    left = cluster.findings.get(FindingSeverity.ACTIVE, 0)
    table = symbols()
    lines = []
    for title, number in worst_titles(cluster)[:MOST_WORST]:
        lines.append(f"{table.active if left > 0 else table.armed} {title}")
        left -= number
    return lines


def _collector_of(cluster: str, key: str, board: Board) -> Detail | None:
    found = (
        collector_detail(one, each.name, board.now)
        for each in board.snapshot.room.clusters
        if each.name == cluster
        for one in each.collectors
        if one.id == key
    )
    return next(found, None)
