"""Home: the node table, the chosen node's panels, and its log."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget

from tui.keymap import Scope
from tui.model.findings import ProofKind
from tui.model.names import NodeUid
from tui.screens import wording
from tui.screens.acting.targets import Targets, marked_targets
from tui.screens.bindings import bindings_of
from tui.screens.board import Board
from tui.screens.commands import ParsedCommand
from tui.screens.count_watch import CountWatch
from tui.screens.detail_screen import DetailScreen
from tui.screens.details import Detail
from tui.screens.findings_panel import FindingsPanel
from tui.screens.fleet import NodeStatus, NodeSummary
from tui.screens.focus_teller import FocusTeller
from tui.screens.grid_panels import FeaturesPanel, ServicesPanel
from tui.screens.links import Link
from tui.screens.live_screen import Desk, LiveScreen
from tui.screens.log_panel import LogPanel
from tui.screens.maps_panel import MapsPanel
from tui.screens.marks import joined
from tui.screens.nodes_panel import NodesPanel
from tui.screens.panel import Panel
from tui.screens.panel_stack import PanelStack, node_title, show_guarded
from tui.screens.room.words import NOTHING_ASKED, is_brokered
from tui.screens.verdicts import verdict_key
from widgets.grid import Grid
from widgets.log_view import LogView
from widgets.maps_view import MapsView
from widgets.tab_strip import TabStrip

WIDE_COLUMNS = 140
WIDE_ROWS = 28
LEAST_SIDE_COLUMNS = 72
"""Width below which the panels beside the table lose what matters."""
SIDE_SHARE = 0.48
LOG_ROWS = 10
"""Height of the log under table and panels, with its border."""
LEAST_TABLE_ROWS = 5
TABLE_SHARE = 0.4
"""The most that the table may take of the height where the panels stand below it."""
_BOXES = {"nodes": "-max-nodes", "log": "-max-log"}
_PANELS = {
    ProofKind.MAP.value: "maps",
    ProofKind.SERVICE.value: "services",
    ProofKind.FEATURE.value: "features",
    ProofKind.LOG.value: "log",
}
"""Which panel shows a proof."""
_MAXIMISED = ("-max-nodes", "-max-side", "-max-log")


class HomeScreen(LiveScreen):
    """The screen everything starts from and comes back to."""

    SCOPES = (Scope.EVERYWHERE, Scope.TABLE, Scope.HOME, Scope.LOG, Scope.FINDINGS)
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Scope.HOME, Scope.LOG, Scope.FINDINGS)

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.nodes_panel = NodesPanel()
        self.maps_panel = MapsPanel()
        self.log_panel = LogPanel()
        self.findings_panel = FindingsPanel()
        side = (self.maps_panel, ServicesPanel(), FeaturesPanel(), self.findings_panel)
        self._tabs: tuple[Panel, ...] = (*side, self.log_panel)
        self._stack = PanelStack(side, self._tabs, id="side")
        self._nodes_box = Container(self.nodes_panel.widget, id="nodes-box")
        self._log_box = Container(self.log_panel.widget, id="log-box")
        self._is_chosen_due = False
        self.focus_teller = FocusTeller(desk.controls, self.set_timer)
        self._counts = CountWatch(lambda text: self.app.notify(text, markup=False))

    def compose_body(self) -> Iterable[Widget]:
        """Yield the table, the panels and the log."""
        yield self._nodes_box
        yield self._stack
        yield self._log_box

    def on_mount(self) -> None:
        """Put the focus on the table."""
        super().on_mount()
        self.set_focus(self.nodes_panel.widget)

    def on_resize(self) -> None:
        """Choose the layout: panels beside the table, or one panel below it."""
        super().on_resize()
        self.set_class(self.is_wide, "-wide")
        self._stack.is_ruled = not self.is_wide
        self._share_room()
        self.show_time()

    def _share_room(self) -> None:
        """Give the table what its nodes need, and the panels the rest."""
        body = self.query_one("#body")
        self._nodes_box.styles.height = None
        if any(self.has_class(name) for name in _MAXIMISED):
            return
        width, height = self.app.size
        if self.is_wide:
            side = max(LEAST_SIDE_COLUMNS, int(width * SIDE_SHARE))
            body.styles.grid_columns = f"1fr {side}"
            body.styles.grid_rows = f"1fr {LOG_ROWS}"
            return
        most = max(LEAST_TABLE_ROWS, int(height * TABLE_SHARE))
        nodes = max(LEAST_TABLE_ROWS - 1, len(self.board.summary.nodes))
        title = 1 if self.nodes_panel.is_arranged else 0
        self._nodes_box.styles.height = min(most, nodes + 1) + title

    @property
    def is_wide(self) -> bool:
        """Whether table, panels and log all have a place of their own."""
        return self.app.size.width >= WIDE_COLUMNS and self.app.size.height >= WIDE_ROWS

    @property
    def chosen(self) -> NodeSummary | None:
        """The node under the table's cursor."""
        return self.board.node(self.focus_teller.chosen)

    @property
    def targets(self) -> Targets:
        """The marked nodes in sight, else the node under the cursor."""
        return marked_targets(self.board, self.nodes_panel.grid, self.chosen)

    @property
    def panel(self) -> Panel:
        """The panel that has the focus, else the node table."""
        focused = self.focused
        return next((p for p in self._tabs if p.widget is focused), self.nodes_panel)

    def show_board(self) -> None:
        """Draw table, panels and log anew."""
        show_guarded(self.nodes_panel, None, self.board)
        key = self.nodes_panel.row_key
        self.focus_teller.choose(None if key is None else NodeUid(key))
        self._share_room()
        self.show_chosen()
        self._counts.look(self.board)

    def show_chosen(self) -> None:
        """Draw the chosen node's panels and log."""
        self._is_chosen_due = False
        self._stack.show(self.chosen, self.board)
        show_guarded(self.log_panel, self.chosen, self.board)
        self.show_titles()

    def show_titles(self) -> None:
        """Draw the titles anew: counts, filters, sorts and ages."""
        self._stack.show_tabs(self.board)
        nodes, log = self.nodes_panel, self.log_panel
        nodes_title = joined(nodes.title, nodes.description)
        for box, title in (
            (self._nodes_box, nodes_title if self.is_wide else f" {nodes_title} "),
            (self._stack, node_title(self.chosen, self.board.now)),
            (self._log_box, joined(log.title, log.who(self.chosen), log.description)),
        ):
            box.border_title = Content(title)
        if nodes.is_arranged != self.has_class("-arranged"):
            self.set_class(nodes.is_arranged, "-arranged")
            self._share_room()

    @on(Grid.RowHighlighted, "#panel-nodes")
    def follow_cursor(self, event: Grid.RowHighlighted) -> None:
        """Show the node the cursor went to."""
        uid = None if event.row is None else NodeUid(event.row.key)
        if uid != self.focus_teller.chosen:
            self.nodes_panel.is_settled = True
            self.focus_teller.choose(uid)
            # The cursor is painted first, and the panels of nodes passed by are never drawn.
            if not self._is_chosen_due:
                self._is_chosen_due = True
                self.call_after_refresh(self.guard, self.show_chosen)

    @on(Grid.MarksChanged, "#panel-nodes")
    def follow_marks(self, event: Grid.MarksChanged) -> None:
        """Merge the marked nodes' logs."""
        marked = frozenset(NodeUid(key) for key in event.keys)
        self.log_panel.marked = marked
        self.focus_teller.mark(marked)
        show_guarded(self.log_panel, self.chosen, self.board)
        self.show_titles()

    @on(Grid.ViewChanged)
    @on(LogView.ViewChanged)
    def follow_view(self) -> None:
        """Show counts, filter and sort in the titles."""
        self.show_titles()

    @on(Grid.RowChosen)
    @on(MapsView.RowChosen)
    @on(LogView.RowChosen)
    def open_row(self) -> None:
        """Open the row under the cursor."""
        panel, node = self.panel, self.chosen
        key = panel.row_key
        if node is not None and key is not None:
            source = partial(_detail_of, panel, key, node.uid)
            self.app.push_screen(DetailScreen(self.desk, source, node))

    @on(TabStrip.TabChosen)
    def open_tab(self, event: TabStrip.TabChosen) -> None:
        """Open the tab that was clicked."""
        self.action_panel(event.key)

    def choose_node(self, uid: NodeUid) -> bool:
        """Put the cursor on a node, whatever hides it, and return whether it is there."""
        self.nodes_panel.is_settled = True
        if self.nodes_panel.grid.select(uid):
            return True
        self.typing_line.filter(self.nodes_panel, "")
        self.nodes_panel.grid.set_faults_only(False)
        return self.nodes_panel.grid.select(uid)

    def begin_anew(self) -> None:
        """Let the cursor follow the worst node again: another cluster's nodes come."""
        self.nodes_panel.is_settled = False
        self.nodes_panel.grid.reset_cursor()

    def show_proof(self, link: Link) -> str:
        """Show the row that proves something; return what is wrong, or the empty text."""
        if link.node_uid is None or not self.choose_node(link.node_uid):
            return "this node is gone"
        self.focus_teller.choose(link.node_uid)
        self.action_panel(_PANELS.get(link.kind, self.findings_panel.key))
        panel = self.panel
        if not link.key or panel is self.findings_panel or panel.select(link.key):
            return ""
        if self.typing_line.filter_of(panel):
            self.typing_line.filter(panel, "")
            self.show_titles()
        if panel.select(link.key):
            return ""
        is_log = panel is self.log_panel
        what = "this line is no longer kept" if is_log else "no row shows this now"
        return f"{panel.title}: {what}"

    @property
    def finding_key(self) -> str | None:
        """The finding under the cursor of the Findings panel."""
        panel = self.findings_panel
        verdict = panel.verdict(panel.row_key, self.chosen)
        is_chosen = self.acting_panel is panel and verdict is not None
        return verdict_key(verdict) if is_chosen and verdict is not None else None

    def action_show_all(self) -> None:
        """Show all verdicts of the chosen node, also while the node table has the focus."""
        in_front = self._stack.panel_in_front
        if self.panel is self.nodes_panel and in_front.toggle_all():
            self.refresh_board()
        else:
            super().action_show_all()

    def action_panel(self, key: str) -> None:
        """Open a panel and put the focus on it."""
        is_read = not self.board.summary.statuses.get(NodeStatus.LOADING, 0)
        self.nodes_panel.is_settled |= self.board.snapshot.is_complete and is_read
        self._stack.activate(key)
        self.set_class(key == self.log_panel.key, "-log-tab")
        if any(self.has_class(name) for name in _MAXIMISED):
            self._maximise(key)
        self.show_chosen()
        self.set_focus(next(panel.widget for panel in self._tabs if panel.key == key))

    def action_walk(self, step: int) -> None:
        """Go to the next or the previous panel; the node table is the first."""
        keys = [self.nodes_panel.key, *(panel.key for panel in self._tabs)]
        key = keys[(keys.index(self.panel.key) + step) % len(keys)]
        is_leaving_table = step > 0 and self.panel is self.nodes_panel
        if is_leaving_table and self._stack.active != self.log_panel.key:
            key = self._stack.active
        if key == self.nodes_panel.key:
            self.set_focus(self.nodes_panel.widget)
        else:
            self.action_panel(key)

    def action_maximise(self) -> None:
        """Give the focused panel the whole screen, or give it back."""
        if any(self.has_class(name) for name in _MAXIMISED):
            self._maximise(None)
        else:
            self._maximise(self.panel.key)

    def _maximise(self, key: str | None) -> None:
        """Give one panel the whole screen, or give it back."""
        self.remove_class(*_MAXIMISED)
        if key is not None:
            self.add_class(_BOXES.get(key, "-max-side"))
        self._share_room()

    def go_back(self) -> bool:
        """Leave full screen, then a filter, then the panel."""
        if any(self.has_class(name) for name in _MAXIMISED):
            self._maximise(None)
            return True
        if super().go_back():
            return True
        self.set_focus(self.nodes_panel.widget)
        return True

    def action_log_view(self, what: str) -> None:
        """Change how the log is shown, wherever the focus is."""
        view = self.log_panel.view
        changes = {
            "levels": self.log_panel.toggle_levels,
            "wrap": view.action_toggle_wrap,
            "timestamps": view.action_toggle_times,
        }
        changes[what]()
        self.show_titles()

    def action_count_map(self) -> None:
        """Ask for the map under the cursor to be counted in the kernel now."""
        key = self.maps_panel.row_key
        if self.panel is not self.maps_panel or key is None:
            self.app.notify("move to a map first: 1 opens the maps", markup=False)
            return
        self.count_map(key)

    def count_map(self, name: str) -> None:
        """Ask for one map of the chosen node to be counted."""
        node = self.chosen
        if is_brokered(self.board.newest):
            self.app.notify(NOTHING_ASKED, severity="warning", markup=False)
        elif node is not None:
            self.desk.controls.request_count(node.uid, name)
            self._counts.asked(node, name, self.board.wall_now)
            what = f"counting {wording.short_map(name)} on {wording.cut(node.name, 30)}"
            self.app.notify(what, markup=False)

    def run_own_command(self, command: ParsedCommand) -> str:
        """Run a command that acts on Home, and return what is wrong with it."""
        if command.name != "count":
            return super().run_own_command(command)
        node = self.chosen
        usages = () if node is None else node.facts.maps.value or ()
        names = {name: usage.name for usage in usages for name in _names_of(usage.name)}
        if command.argument not in names:
            return f"no map {command.argument} on {'this node' if node is None else node.name}"
        self.count_map(names[command.argument])
        return ""


def _names_of(name: str) -> tuple[str, str]:
    return name, wording.short_map(name)


def _detail_of(panel: Panel, key: str, uid: NodeUid, board: Board) -> Detail | None:
    node = board.node(uid)
    return None if node is None else panel.detail(key, node, board.now)
