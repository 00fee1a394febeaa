"""The node table, worst first."""

from __future__ import annotations

from collections.abc import Mapping

from tui.model.names import NodeUid
from tui.model.nextstart import NextStart
from tui.screens.board import Board
from tui.screens.details import Detail
from tui.screens.fleet import NodeSummary
from tui.screens.marks import joined
from tui.screens.node_detail import node_detail
from tui.screens.node_rows import NODE_COLUMNS, NodeRows
from tui.screens.notes import nodes_note
from tui.screens.panel import GridPanel


class NodesPanel(GridPanel):
    """All nodes of the cluster, one row each."""

    key = "nodes"
    number = ""
    title = "Nodes"
    columns = NODE_COLUMNS
    extra_fields = ("ip", "pod", "phase", "os", "fault")

    def __init__(self) -> None:
        super().__init__()
        self._rows = NodeRows()
        self._next_starts: Mapping[NodeUid, NextStart] = {}
        self.is_settled = False
        """Whether the person moved the cursor; before, it follows the worst node."""

    @property
    def is_arranged(self) -> bool:
        """Whether the person filtered or sorted the table."""
        order = self.grid.order
        return order.hides_rows or bool(order.sort_column)

    @property
    def description(self) -> str:
        """The grid's own, and the order while no column is sorted by."""
        order = "" if self.grid.order.sort_column else "worst first"
        return joined(self.grid.description, order)

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show every node; the chosen one is where the cursor is."""
        self._next_starts = board.snapshot.next_starts
        rows = self._rows.rows(board.summary.nodes, board.now, board.stale_seconds)
        self.give_rows(rows, nodes_note(board.snapshot))
        if not self.is_settled and self.grid.shown:
            self.grid.select(self.grid.shown[0].key)

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return everything known of the node."""
        return node_detail(node, now, self._next_starts.get(node.uid))
