"""Tell the result of a count that a person asked for, when it arrives."""

from __future__ import annotations

from collections.abc import Callable

from tui.model.maps import MapUsage
from tui.model.names import NodeUid
from tui.screens import wording
from tui.screens.board import Board
from tui.screens.fleet import NodeSummary

PATIENCE_SECONDS = 120.0
"""How long a result is waited for."""


class CountWatch:
    """Remember the counts asked for, and say each once it is there."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._asked: dict[tuple[NodeUid, str], tuple[float, float | None]] = {}

    def asked(self, node: NodeSummary, name: str, now: float) -> None:
        """Take note of a request."""
        usage = _usage(node, name)
        before = None if usage is None else usage.counted_at
        self._asked[node.uid, name] = (now, before)

    def look(self, board: Board) -> None:
        """Say what was counted since it was asked for."""
        for (uid, name), (asked_at, before) in list(self._asked.items()):
            node = board.node(uid)
            usage = None if node is None else _usage(node, name)
            if node is not None and usage is not None and _is_new(usage, before):
                self._say(
                    f"{wording.short_map(name)} on {wording.cut(node.name, 30)}: "
                    f"{wording.count(usage.entries)} of {wording.count(usage.max_entries)}"
                    f" ({wording.percent(usage.ratio)})"
                )
            elif node is not None and board.wall_now - asked_at < PATIENCE_SECONDS:
                continue
            del self._asked[uid, name]


def _usage(node: NodeSummary, name: str) -> MapUsage | None:
    return next((usage for usage in node.facts.maps.value or () if usage.name == name), None)


def _is_new(usage: MapUsage, before: float | None) -> bool:
    at = usage.counted_at
    return usage.entries is not None and at is not None and (before is None or at > before)
