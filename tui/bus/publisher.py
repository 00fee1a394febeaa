"""Publish what one collector knows of its share of the nodes, as it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tui.bus.post import Incoming, Sends
from tui.model.logs import LogBatch
from tui.model.snapshot import Snapshot


class Sharing(Protocol):
    """Who is there, and what of the cluster is this collector's."""

    @property
    def present(self) -> frozenset[str]:
        """Ids of the collectors that are there, this one among them."""
        ...

    @property
    def is_leader(self) -> bool:
        """Whether this collector publishes what belongs to the whole cluster."""
        ...

    @property
    def is_settled(self) -> bool:
        """Whether it is known who is there."""
        ...

    def owns(self, name: str) -> bool:
        """Whether a node, by name, is this collector's."""
        ...


class Clock(Protocol):
    """The two clocks of one machine."""

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        ...

    def time(self) -> float:
        """Return seconds since the epoch."""
        ...


class Publisher:
    """Reads snapshots and sends what changed; on one loop, never waits."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it reads, where it writes, and as whom
        self,
        sends: Sends,
        cluster: str,
        own_id: str,
        membership: Sharing,
        look: Callable[[], Snapshot],
        take_batches: Callable[[], list[LogBatch]],
        clock: Clock,
    ) -> None:
        self._sends = sends
        self._cluster = cluster
        self._own_id = own_id
        self._membership = membership
        self._look = look
        self._take_batches = take_batches
        self._clock = clock

    def tick(self) -> None:
        """Find out what is due; to be called each second."""

    def work(self, budget_seconds: float) -> bool:
        """Send what is due for so long; return whether something is left."""
        return False

    def heard(self, incoming: Incoming) -> None:
        """Take in a message of the topics that it reads: other parts, the room, the audit."""
