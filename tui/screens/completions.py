"""What the arguments of commands can be, from what is on the board."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tui.screens import wording
from tui.screens.board import Board
from tui.screens.commands import Completions
from tui.screens.fleet import NodeSummary
from tui.screens.live_screen import LiveScreen
from tui.screens.map_rows import MapSort
from tui.screens.room.cluster_rows import cluster_order
from widgets.grid import Grid

if TYPE_CHECKING:
    from textual.app import App
    from textual.screen import Screen


def completions_of(
    app: App[Any],
    board: Board,
    chosen: Callable[[], NodeSummary | None],
    operation_ids: Callable[[], Sequence[str]],
) -> Completions:
    """Return where the arguments of commands come from.

    Args:
        app: Its themes, and the screen in front.
        board: What is shown.
        chosen: Gives Home's node.
        operation_ids: Gives what `:op` takes.
    """
    return Completions(
        {
            "svc": partial(service_names, board),
            "node": partial(node_names, board),
            "cluster": partial(cluster_names, board),
            "count": lambda: map_names(chosen()),
            "op": operation_ids,
            "sort": lambda: column_names(app.screen),
            "theme": lambda: sorted(app.available_themes),
        }
    )


def service_names(board: Board) -> list[str]:
    """Return the Services' names."""
    return [str(service.name) for service in board.snapshot.cluster.services.value or ()]


def node_names(board: Board) -> list[str]:
    """Return the nodes' names, worst first."""
    return [node.name for node in board.summary.nodes]


def cluster_names(board: Board) -> list[str]:
    """Return the names of a broker's clusters, worst first."""
    return [str(one.name) for one in sorted(board.snapshot.room.clusters, key=cluster_order)]


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
