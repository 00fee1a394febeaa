"""Which nodes of the chosen cluster were heard of, and which nobody has told of for too long."""

from __future__ import annotations

from collections.abc import Iterable

from tui.model.names import NodeUid
from tui.model.snapshot import Fact, NodeGone

FORGET_SECONDS = 3_600.0
"""The expiry of a node's facts at the broker: then a late dashboard would not know it either."""

LOOK_SECONDS = 10.0


class NodeAges:
    """How long each node was not told of, counted while all collectors were there.

    While a collector is missing, or the broker is, silence means nothing.
    """

    def __init__(self) -> None:
        self._heard: dict[NodeUid, float] = {}
        """In steady seconds."""
        self._steady_seconds = 0.0
        self._ticked_at: float | None = None
        self._looked_at = float("-inf")
        self.grew_at: float | None = None
        """When a node was first heard of last, by the monotonic clock."""

    def __len__(self) -> int:
        return len(self._heard)

    def hear(self, uid: NodeUid, now: float) -> None:
        """Note that a collector told of a node."""
        if uid not in self._heard:
            self.grew_at = now
        self._heard[uid] = self._steady_seconds

    def note(self, facts: Iterable[Fact]) -> None:
        """Note which nodes are gone."""
        for fact in facts:
            if isinstance(fact, NodeGone):
                self._heard.pop(fact.node_uid, None)

    def expired(self, now: float, *, is_steady: bool) -> list[NodeGone]:
        """Return the nodes that are gone, as far as anybody can tell.

        Args:
            now: by the monotonic clock.
            is_steady: whether all collectors were there since the last call.
        """
        before, self._ticked_at = self._ticked_at, now
        if not is_steady or before is None:
            return []
        self._steady_seconds += now - before
        if self._steady_seconds - self._looked_at < LOOK_SECONDS:
            return []
        self._looked_at = self._steady_seconds
        oldest = self._steady_seconds - FORGET_SECONDS
        gone = [NodeGone(uid) for uid, at in self._heard.items() if at < oldest]
        self.note(gone)
        return gone
