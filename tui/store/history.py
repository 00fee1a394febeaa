"""Keep thirty minutes of fill ratios per map in a few bytes each.

A point is four bytes in an `array`, and all maps of a node share one time axis, so that 5,000 nodes
of 20 maps fit in tens of megabytes. The spacing follows the sweep: a point a sweep, no more.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from math import ceil, isnan, nan
from typing import NamedTuple

HISTORY_SECONDS = 1_800.0
"""How far back the rings reach."""

SHORTEST_SPACING_SECONDS = 5.0

POINT_BUDGET = 10_000_000
"""Points over all nodes and maps: 40 MB."""

TYPICAL_MAPS = 20
"""Maps of one agent that can fill up, for sharing out the budget."""


def spacing_for(node_count: int, sweep_interval_seconds: float) -> float:
    """Return the seconds between two points that fit the budget and the sweep's pace."""
    points = POINT_BUDGET / (max(1, node_count) * TYPICAL_MAPS)
    return max(SHORTEST_SPACING_SECONDS, sweep_interval_seconds, HISTORY_SECONDS / points)


class Sample(NamedTuple):
    """One map's fill ratio at one moment."""

    name: str
    ratio: float
    is_fresh: bool
    """Whether it was counted since the sample before; a repeated old count proves no trend."""


class NodeHistory:
    """The rings of one node: one array per map on a common time axis.

    A point is the ratio, NaN where nothing was read, and `-1 - ratio` where an older count was
    repeated.
    """

    __slots__ = ("_first_bin", "_length", "_rings", "spacing_seconds")

    def __init__(self, spacing_seconds: float) -> None:
        self.spacing_seconds = spacing_seconds
        self._first_bin = 0
        self._length = 0
        self._rings: dict[str, array[float]] = {}

    def record(self, at: float, samples: Iterable[Sample]) -> None:
        """Write the samples of one moment; a later one within the same point replaces it."""
        index = self._advance(int(at // self.spacing_seconds))
        if index is None:
            return
        for name, ratio, is_fresh in samples:
            ring = self._rings.get(name)
            if ring is None:
                ring = self._rings[name] = array("f", [nan]) * self._length
            if is_fresh:
                ring[index] = ratio
            elif isnan(ring[index]):
                ring[index] = -1.0 - ratio

    def _advance(self, bin_number: int) -> int | None:
        """Make room up to the bin and return its index; None for one that fell out already."""
        if self._length == 0:
            self._first_bin = bin_number
        added = bin_number - (self._first_bin + self._length) + 1
        if added > 0:
            capacity = self.capacity
            added_points = array("f", [nan]) * min(added, capacity)
            self._length += added
            surplus = max(0, self._length - capacity)
            length = min(self._length, capacity)
            for ring in self._rings.values():
                ring.extend(added_points)
                if len(ring) > length:
                    del ring[: len(ring) - length]
            self._first_bin += surplus
            self._length -= surplus
            if surplus:
                self._drop_empty_rings()
        index = bin_number - self._first_bin
        return index if index >= 0 else None

    def _drop_empty_rings(self) -> None:
        if self._first_bin % 16:
            return
        empty = [name for name, ring in self._rings.items() if all(map(isnan, ring))]
        for name in empty:
            del self._rings[name]

    @property
    def capacity(self) -> int:
        """How many points a ring holds at most."""
        return max(2, ceil(HISTORY_SECONDS / self.spacing_seconds))

    def respace(self, spacing_seconds: float) -> None:
        """Move all points to another spacing; of several in one point the last one stays."""
        old = {name: list(self._points(ring)) for name, ring in self._rings.items()}
        self.spacing_seconds = spacing_seconds
        self._rings = {}
        self._length = 0
        merged: dict[float, list[Sample]] = {}
        for name, points in old.items():
            for at, value in points:
                ratio, is_fresh = (value, True) if value >= 0 else (-1.0 - value, False)
                merged.setdefault(at, []).append(Sample(name, ratio, is_fresh))
        for at in sorted(merged):
            self.record(at, merged[at])

    def _points(self, ring: array[float]) -> Iterator[tuple[float, float]]:
        start = self._first_bin
        for index, value in enumerate(ring):
            if not isnan(value):
                yield (start + index) * self.spacing_seconds, value

    def ratios(self, name: str, longest: int) -> tuple[tuple[float | None, ...], float]:
        """Return at most `longest` ratios, oldest first, and their spacing in seconds."""
        ring = self._rings.get(name)
        if ring is None:
            return (), self.spacing_seconds
        step = max(1, ceil(len(ring) / longest))
        spacing = self.spacing_seconds * step
        # Groups end with the newest point, so that it is always shown.
        starts = range(-(-len(ring) % step), len(ring), step)
        found = tuple(_last_ratio(ring[max(0, start) : start + step]) for start in starts)
        first = next((index for index, ratio in enumerate(found) if ratio is not None), len(found))
        return found[first:], spacing

    def fresh_points(self, name: str, since: float) -> list[tuple[float, float]]:
        """Return the counted points from a moment on, as (time, ratio), oldest first."""
        ring = self._rings.get(name)
        if ring is None:
            return []
        return [(at, value) for at, value in self._points(ring) if value >= 0 and at >= since]

    @property
    def point_bytes(self) -> int:
        """Memory of all points, for the bounds' test."""
        return sum(ring.itemsize * len(ring) for ring in self._rings.values())


def _last_ratio(points: array[float]) -> float | None:
    for value in reversed(points):
        if not isnan(value):
            return round(value if value >= 0 else -1.0 - value, 4)
    return None
