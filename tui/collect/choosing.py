"""A source of several clusters: what the collector's thread and such a source ask of each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable


@runtime_checkable
class ChoosesCluster(Protocol):
    """A source that reads one of several clusters; a person chooses which."""

    is_busy: Callable[[], bool]
    """Whether an operation runs, which belongs to the cluster that is shown."""
    leave: Callable[[], Awaitable[None]]
    """Ends everything that acts on the cluster that was shown."""

    def choose_cluster(self, name: str) -> None:
        """Read this one from here on; where that must not be, a gap says why."""
        ...
