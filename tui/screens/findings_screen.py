"""`F`: every finding of the cluster, the worst first, each with its proof and its way out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget

from tui.keymap import Scope
from tui.model.findings import Finding, FindingSeverity
from tui.model.names import NodeUid
from tui.report.finding_markdown import finding_markdown
from tui.screens import wording
from tui.screens.acting.targets import Targets, marked_targets, targets_of
from tui.screens.bindings import bindings_of
from tui.screens.board import Board
from tui.screens.detail_screen import DetailPanel, DetailSource
from tui.screens.details import Detail
from tui.screens.finding_lines import finding_detail, node_verdicts_detail, unknown_detail
from tui.screens.finding_rows import (
    NODE_COLUMNS,
    TABLE_COLUMNS,
    UNKNOWN_FOLD,
    FindingRows,
    NodeFindingRows,
)
from tui.screens.fleet import NodeSummary
from tui.screens.links import parse_line_key
from tui.screens.live_screen import Desk, LiveScreen
from tui.screens.marks import joined
from tui.screens.notes import findings_note
from tui.screens.panel import GridPanel, Panel
from tui.screens.panel_stack import show_guarded
from tui.screens.verdicts import LOUD, finding_of, verdict_key
from widgets.detail import DetailView
from widgets.grid import Grid
from widgets.grid_rows import GridColumn

WIDE_COLUMNS = 110
"""Width from which the list and the opened finding stand side by side."""


class FindingListPanel(GridPanel):
    """One row a finding."""

    key = "finding-list"
    number = ""
    title = "Findings"
    columns: ClassVar[tuple[GridColumn, ...]] = TABLE_COLUMNS
    extra_fields = ("node", "object", "title")

    def __init__(self) -> None:
        super().__init__()
        self._rows = FindingRows()
        self._board: Board | None = None
        self.is_all = False

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show the findings in sight."""
        self._board = board
        book = board.findings
        shown = book.sight(is_all=self.is_all).shown
        rows = self._rows.rows(shown, book.muted, board.now, is_all=self.is_all)
        self.give_rows(rows, findings_note(board))

    def toggle_all(self) -> bool:
        """Show LATENT, CLEAR and muted ones too, or no more."""
        self.is_all = not self.is_all
        return True

    @property
    def row_text(self) -> str:
        """The finding under the cursor as Markdown."""
        finding = None if self._board is None else self._board.findings.get(self.row_key or "")
        if finding is None or self._board is None:
            return ""
        return finding_markdown(finding, self._board.snapshot.cluster.context)

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return nothing: the screen shows the detail itself."""
        return None


class FindingNodesPanel(GridPanel):
    """One row a node that has a finding."""

    key = "finding-nodes"
    number = ""
    title = "Findings by node"
    columns: ClassVar[tuple[GridColumn, ...]] = NODE_COLUMNS
    extra_fields = ("severity",)

    def __init__(self) -> None:
        super().__init__()
        self._rows = NodeFindingRows()
        self._board: Board | None = None

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show the nodes, worst first."""
        self._board = board
        rows = self._rows.rows(board.summary.nodes, board.snapshot.verdicts, board.findings.muted)
        self.give_rows(rows, findings_note(board))

    @property
    def row_text(self) -> str:
        """The findings of the node under the cursor as Markdown."""
        board, key = self._board, self.row_key
        if board is None or key is None:
            return ""
        context = board.snapshot.cluster.context
        return "\n".join(
            finding_markdown(finding_of(one, board.findings.get(verdict_key(one))), context)
            for one in board.snapshot.verdicts.get(NodeUid(key), ())
            if one.severity in LOUD
        )

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return nothing: the screen shows the detail itself."""
        return None


class OpenedFindingPanel(DetailPanel):
    """The opened finding; its first line stands for the whole when it is copied."""

    def __init__(self, source: DetailSource, whole: Callable[[], str]) -> None:
        super().__init__(source)
        self._whole = whole

    @property
    def row_text(self) -> str:
        """The line under the cursor; on the first one, the finding as Markdown."""
        return (self._whole() if self.view.cursor == 0 else "") or super().row_text


class FindingsScreen(LiveScreen):
    """The ranked list at the left, the finding under the cursor at the right."""

    SCOPES = (Scope.EVERYWHERE, Scope.TABLE, Scope.FINDINGS, Scope.BY_NODE)
    HERE = "findings"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Scope.FINDINGS, Scope.BY_NODE)

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._findings = FindingListPanel()
        self._by_node = FindingNodesPanel()
        self._list: FindingListPanel | FindingNodesPanel = self._findings
        self._opened = OpenedFindingPanel(self._detail, lambda: self._list.row_text)
        self._list_box = Container(
            self._findings.widget, self._by_node.widget, id="finding-list-box"
        )
        self._detail_box = Container(self._opened.widget, id="finding-box")
        self._key: str | None = None
        self._last: Finding | None = None
        """What was shown last: it may have got worse, which is another key."""

    @property
    def panel(self) -> Panel:
        """The opened finding where it has the focus, else the list."""
        return self._opened if self.focused is self._opened.widget else self._list

    @property
    def list_panel(self) -> GridPanel:
        """The list, whatever has the focus."""
        return self._list

    @property
    def chosen(self) -> NodeSummary | None:
        """The node under the cursor, where nodes are listed."""
        is_node = self._list is self._by_node and self._key is not None
        return self.board.node(NodeUid(self._key or "")) if is_node else None

    @property
    def targets(self) -> Targets:
        """The marked nodes, the node under the cursor, or the nodes that the finding is about."""
        if self._list is self._by_node:
            return marked_targets(self.board, self._by_node.grid, self.chosen)
        finding = self.board.findings.get(self._key or "")
        return targets_of(self.board, () if finding is None else finding.nodes)

    @property
    def finding_key(self) -> str | None:
        """The finding that is looked at."""
        is_finding = self._list is self._findings and self._key != UNKNOWN_FOLD
        return self._key if is_finding else None

    def compose_body(self) -> Iterable[Widget]:
        """Yield the list and the opened finding."""
        self._by_node.widget.display = False
        yield self._list_box
        yield self._detail_box

    def on_mount(self) -> None:
        """Put the focus on the list."""
        super().on_mount()
        self.set_focus(self._list.widget)

    def on_resize(self) -> None:
        """Choose the layout: side by side, or one of the two."""
        super().on_resize()
        self.set_class(self.app.size.width >= WIDE_COLUMNS, "-wide")
        self.show_titles()

    def show_board(self) -> None:
        """Draw the list and the opened finding anew."""
        show_guarded(self._list, None, self.board)
        if self.panel is not self._opened:
            self._choose(self._list.row_key)
        self._opened.show(None, self.board)
        self.show_titles()

    def _choose(self, key: str | None) -> None:
        if key != self._key:
            self._key = key
            self._last = None
            self._opened.widget.reset_cursor()

    def _detail(self, board: Board) -> Detail | None:
        if self._key is None:
            return Detail("", ())
        if self._list is self._by_node:
            node = board.node(NodeUid(self._key))
            said = board.snapshot.verdicts.get(NodeUid(self._key), ())
            return None if node is None else node_verdicts_detail(node, said, board)
        if self._key == UNKNOWN_FOLD:
            return unknown_detail("cluster", board.findings.findings)
        finding = board.findings.get(self._key)
        if finding is None and self._last is not None:
            finding = board.findings.same_subject(self._last)
        if finding is None:
            return None
        self._last = finding
        return finding_detail(finding, board)

    def show_titles(self) -> None:
        """Draw the titles: counts, filter, sort, and what is out of sight."""
        panel = self._list
        order = "" if panel.grid.order.sort_column else "worst first"
        self._list_box.border_title = Content(joined(panel.title, panel.description, order))
        sight = self.board.findings.sight(is_all=self._findings.is_all)
        quiet = sight.line(is_all=self._findings.is_all) if panel is self._findings else ""
        self._list_box.border_subtitle = Content(quiet or self._nothing_wrong())
        self._detail_box.border_title = Content(
            joined(self._opened.heading, self._opened.description)
        )

    def _nothing_wrong(self) -> str:
        """Say that the checks found nothing, and how many they are."""
        book, snapshot = self.board.findings, self.board.snapshot
        if book.sight(is_all=False).has_loud or not book.findings:
            return ""
        unjudged = snapshot.unjudged_nodes
        left = f", {wording.counted(unjudged, 'node')} not judged yet" if unjudged else ""
        counts = ", ".join(
            f"{wording.count(book.counts[severity])} {severity.value.lower()}"
            for severity in FindingSeverity
            if book.counts[severity]
        )
        checks = wording.counted(book.checks, "check")
        return f"nothing active or armed in {checks}: {counts}{left}"

    def select(self, key: str) -> bool:
        """Put the cursor on a finding, whatever hides it, and return whether it is there."""
        self._show_list(self._findings)
        if not self._findings.grid.select(key):
            self.typing_line.filter(self._findings, "")
            self._findings.grid.set_faults_only(False)
            self._findings.is_all = (
                self._findings.is_all or self.board.findings.get(key) is not None
            )
            show_guarded(self._findings, None, self.board)
        is_there = self._findings.grid.select(key)
        if is_there:
            self.set_focus(self._findings.widget)
            self._choose(key)
            self._opened.show(None, self.board)
            self.show_titles()
        return is_there

    def _show_list(self, wanted: FindingListPanel | FindingNodesPanel) -> None:
        if wanted is self._list:
            return
        self._list.widget.display = False
        self._list = wanted
        wanted.widget.display = True
        self.remove_class("-opened")
        show_guarded(wanted, None, self.board)
        self.set_focus(wanted.widget)
        self._choose(wanted.row_key)
        self._opened.show(None, self.board)
        self.show_titles()

    def action_by_node(self) -> None:
        """List the nodes that have findings, or the findings again."""
        self._show_list(self._by_node if self._list is self._findings else self._findings)

    @on(Grid.RowHighlighted)
    def follow_cursor(self, event: Grid.RowHighlighted) -> None:
        """Show what the cursor went to."""
        if event.grid is self._list.grid and self.panel is not self._opened:
            self._choose(self._list.row_key)
            self._opened.show(None, self.board)
            self.show_titles()

    @on(Grid.ViewChanged)
    def follow_view(self) -> None:
        """Show counts, filter and sort in the titles."""
        self.show_titles()

    @on(Grid.RowChosen)
    def open_row(self) -> None:
        """Go into the finding under the cursor."""
        self.add_class("-opened")
        self.set_focus(self._opened.widget)
        self.show_titles()

    @on(DetailView.LineChosen)
    def follow_line_link(self, event: DetailView.LineChosen) -> None:
        """Go to the proof."""
        self.follow_link(parse_line_key(event.line.key))

    def go_back(self) -> bool:
        """Leave the opened finding, then a filter."""
        if self.panel is self._opened and not self.typing_line.filter_of(self._opened):
            self.remove_class("-opened")
            self.set_focus(self._list.widget)
            self.show_board()
            return True
        return super().go_back()
