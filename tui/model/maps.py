"""Occupancy of BPF maps, always the kernel's count and always with its origin."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tui.safety import CleanText


class MapKind(StrEnum):
    """What a full map does: a hash refuses, an LRU evicts, an array can't fill."""

    HASH = "hash"
    PERCPU_HASH = "percpu-hash"
    LPM_TRIE = "lpm-trie"
    LRU_HASH = "lru-hash"
    ARRAY = "array"
    OTHER = "other"


class CountOrigin(StrEnum):
    """Where a count of entries came from (design §3a), best first."""

    ACCOUNTING = "accounting"
    """Kernel memory accounting, after one matching count on this node."""
    COUNTED = "counted"
    """Counted in the kernel's map."""
    METRIC = "metric"
    """A metric that the agent counts in the kernel's map (releases in design §3a)."""
    NONE = "not counted"


@dataclass(frozen=True, slots=True)
class Trend:
    """The recent history of one map's fill ratio."""

    ratios: tuple[float | None, ...] = ()
    """Oldest first, evenly spaced; None where nothing was read."""
    spacing_seconds: float = 30.0
    seconds_to_full: float | None = None
    """Only when the trend is real; None otherwise."""
    window_seconds: float | None = None
    """The stretch of history behind `seconds_to_full`."""


NO_TREND = Trend()


@dataclass(frozen=True, slots=True)
class MapUsage:
    """How full one BPF map of one node is."""

    name: CleanText
    """The pin's name, such as `cilium_lb4_backends_v2`; all maps of the family for a policy map."""
    kind: MapKind
    max_entries: int
    entries: int | None = None
    """The kernel's count; None is unknown, never zero."""
    origin: CountOrigin = CountOrigin.NONE
    counted_at: float | None = None
    agent_entries: int | None = None
    """What the agent's cache says; it misleads, and is shown as "the agent says"."""
    wanted_entries: int | None = None
    """What the cluster's Services need, where that can be computed."""
    duplicate_entries: int | None = None
    """Backend maps: entries that are copies of another, by address, port and protocol."""
    is_preallocated: bool | None = None
    memory_bytes: int | None = None
    members: int = 1
    """How many kernel maps this row stands for; the fullest one gives the numbers."""
    sync_failure: CleanText = CleanText("")
    """The message of a failing `bpf-map-sync-<map>` controller."""
    note: CleanText = CleanText("")
    """Why there is no count, and how to get one."""
    trend: Trend = NO_TREND

    @property
    def ratio(self) -> float | None:
        """Entries over max entries, or None where unknown."""
        if self.entries is None or self.max_entries <= 0:
            return None
        return self.entries / self.max_entries

    @property
    def is_evicting(self) -> bool:
        """Whether a full map evicts instead of refusing."""
        return self.kind is MapKind.LRU_HASH

    @property
    def is_full(self) -> bool:
        """Whether the map refuses entries now."""
        return (
            not self.is_evicting and self.entries is not None and self.entries >= self.max_entries
        )
