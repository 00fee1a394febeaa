"""Which nodes of the chosen cluster were heard of, and which nobody has told of for too long."""

from __future__ import annotations

from collections.abc import Iterable

from tui.model.names import NodeUid
from tui.model.snapshot import Fact, NodeGone

FORGET_SECONDS = 3_600.0
"""The expiry of a node's facts at the broker: then a late dashboard would not know it either."""

LOOK_SECONDS = 10.0


class NodeAges:
    """When each node was told of last, by the monotonic clock."""

    def __init__(self) -> None:
        self._heard: dict[NodeUid, float] = {}
        self._steady_since: float | None = None
        self._looked_at = float("-inf")
        self.grew_at: float | None = None
        """When a node was first heard of last."""

    def __len__(self) -> int:
        return len(self._heard)

    def hear(self, uid: NodeUid, now: float) -> None:
        """Note that a collector told of a node."""
        if uid not in self._heard:
            self.grew_at = now
        self._heard[uid] = now

    def note(self, facts: Iterable[Fact]) -> None:
        """Note which nodes are gone."""
        for fact in facts:
            if isinstance(fact, NodeGone):
                self._heard.pop(fact.node_uid, None)

    def expired(self, now: float, *, is_steady: bool) -> list[Fact]:
        """Return the nodes that are gone, as far as anybody can tell.

        Args:
            now: by the monotonic clock.
            is_steady: whether all collectors are present; while one is missing, or the broker is,
                silence means nothing.
        """
        if not is_steady:
            self._steady_since = None
            return []
        if self._steady_since is None:
            self._steady_since = now
        if now - self._looked_at < LOOK_SECONDS or now - self._steady_since < FORGET_SECONDS:
            return []
        self._looked_at = now
        old = [uid for uid, at in self._heard.items() if now - at > FORGET_SECONDS]
        gone: list[Fact] = [NodeGone(uid) for uid in old]
        self.note(gone)
        return gone
