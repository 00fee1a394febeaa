"""Which nodes somebody looks at: they are read first and followed live."""

from __future__ import annotations

from dataclasses import dataclass

from tui.model.names import NodeUid

MOST_MARKED_FIRST = 20
"""Marked nodes that get the chosen node's pace; more of them would starve the sweep."""


@dataclass(frozen=True, slots=True)
class Focus:
    """The chosen node and the marked ones."""

    chosen: NodeUid | None = None
    marked: frozenset[NodeUid] = frozenset()

    @property
    def ordered(self) -> tuple[NodeUid, ...]:
        """The nodes to read first, in this order."""
        marked = sorted(self.marked - {self.chosen})[:MOST_MARKED_FIRST]
        return (*([] if self.chosen is None else [self.chosen]), *marked)

    @property
    def nodes(self) -> frozenset[NodeUid]:
        """All nodes somebody looks at."""
        return self.marked if self.chosen is None else self.marked | {self.chosen}
