"""Which cluster of a broker is shown: the one that was asked for, else the one in most trouble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SETTLE_SECONDS = 0.5
"""After the first word of any cluster, until those of the others are in."""

MOST_CLUSTERS = 256
"""More are not believed."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What makes one cluster more urgent than another."""

    has_collector: bool = False
    """Whether somebody reads it now."""
    active: int = 0
    armed: int = 0

    @property
    def order(self) -> tuple[bool, int, int]:
        """Sort worst first."""
        return (not self.has_collector, -self.active, -self.armed)


class Chooser:
    """Chooses once by itself, and then only a person does."""

    def __init__(self, wanted: str | None = None) -> None:
        self._wanted = wanted or ""
        self._first_at: float | None = None

    @property
    def wanted(self) -> str:
        """What a setting or a person asked for; empty for none."""
        return self._wanted

    def want(self, name: str) -> None:
        """Take a person's choice."""
        self._wanted = name

    def choice(self, standings: Mapping[str, Standing], now: float) -> str | None:
        """Return the cluster to show; None while it can't be told yet.

        Args:
            standings: every cluster that was heard of.
            now: by the monotonic clock.
        """
        if self._wanted:
            return self._wanted
        if not standings:
            return None
        if self._first_at is None:
            self._first_at = now
        if now - self._first_at < SETTLE_SECONDS:
            return None
        return min(standings, key=lambda name: (*standings[name].order, name))
