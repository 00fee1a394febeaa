"""`Targets`: the nodes that an action is for; never a row that nobody sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tui.model.names import NodeUid
from tui.screens import wording
from tui.screens.board import Board
from tui.screens.fleet import NodeSummary
from widgets.grid import Grid

_SHOWN_NAMES = 4


@dataclass(frozen=True, slots=True)
class Targets:
    """The nodes that are marked, else the one under the cursor."""

    nodes: tuple[NodeSummary, ...] = ()
    hidden: int = 0
    """Marked nodes that a filter hides: they are never acted on."""
    is_marked: bool = False

    @property
    def uids(self) -> tuple[NodeUid, ...]:
        """What an intent names."""
        return tuple(node.uid for node in self.nodes)

    @property
    def title(self) -> str:
        """Who is meant, by name."""
        if not self.nodes:
            return "no node"
        names = wording.listed([wording.cut(node.name, 40) for node in self.nodes], _SHOWN_NAMES)
        if len(self.nodes) == 1 and not self.is_marked:
            return names
        word = "marked node" if self.is_marked else "node"
        return f"{wording.counted(len(self.nodes), word)}: {names}"

    @property
    def warning(self) -> str:
        """What is left out, and why; the empty text where nothing is."""
        if not self.hidden:
            return ""
        hidden = wording.counted(self.hidden, "marked node")
        return f"{hidden} left out: a filter hides what is marked there"


def targets_of(board: Board, uids: Sequence[NodeUid]) -> Targets:
    """Return the nodes of these UIDs that are there."""
    found = (board.node(uid) for uid in dict.fromkeys(uids))
    return Targets(tuple(node for node in found if node is not None))


def marked_targets(board: Board, grid: Grid, chosen: NodeSummary | None) -> Targets:
    """Return the marked nodes in sight; the chosen one where none is marked at all."""
    if not grid.marks:
        return Targets(() if chosen is None else (chosen,))
    seen = [NodeUid(row.key) for row in grid.shown if row.key in grid.marks]
    nodes = targets_of(board, seen).nodes
    return Targets(nodes, len(grid.marks) - len(seen), is_marked=True)
