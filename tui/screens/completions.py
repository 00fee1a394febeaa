"""What the arguments of commands can be, from what is on the board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.screens import wording
from tui.screens.board import Board
from tui.screens.fleet import NodeSummary
from tui.screens.live_screen import LiveScreen
from tui.screens.map_rows import MapSort
from widgets.grid import Grid

if TYPE_CHECKING:
    from textual.screen import Screen


def service_names(board: Board) -> list[str]:
    """Return the Services' names."""
    return [str(service.name) for service in board.snapshot.cluster.services.value or ()]


def node_names(board: Board) -> list[str]:
    """Return the nodes' names, worst first."""
    return [node.name for node in board.summary.nodes]


def map_names(node: NodeSummary | None) -> list[str]:
    """Return the chosen node's maps."""
    usages = () if node is None else node.facts.maps.value or ()
    return [wording.short_map(usage.name) for usage in usages]


def column_names(screen: Screen[object]) -> list[str]:
    """Return what the focused panel can be sorted by."""
    if not isinstance(screen, LiveScreen):
        return []
    widget = screen.acting_panel.widget
    if isinstance(widget, Grid):
        return [column.title.casefold() for column in widget.columns if column.title]
    return [sort.value for sort in MapSort]
