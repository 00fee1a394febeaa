"""Attach to each map its recent history and, where real, the time until it is full.

The history of every map is kept, but it is spread out into a `Trend` only where somebody can see
it: as objects, half an hour of 100,000 maps would take hundreds of megabytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tui.model.maps import NO_TREND, MapKind, MapUsage, Trend
from tui.store.forecast import SMALLEST_RISE, Forecast, forecast
from tui.store.history import HISTORY_SECONDS, NodeHistory, Sample

SHOWN_POINTS = 60
FORECAST_KINDS = frozenset({MapKind.HASH, MapKind.PERCPU_HASH, MapKind.LPM_TRIE})
"""An LRU map evicts and an array is always full: neither fills up."""


class _Course:
    """Where one map stood and where it goes."""

    __slots__ = ("counted_at", "forecast", "lowest_at", "lowest_ratio", "max_entries", "since")

    def __init__(self, max_entries: int) -> None:
        self.max_entries = max_entries
        self.counted_at = -1.0
        self.since = 0.0
        self.lowest_ratio = 2.0
        self.lowest_at = 0.0
        self.forecast: Forecast | None = None

    def start_over(self, at: float) -> None:
        """Forget the pace of before."""
        self.since = at
        self.lowest_ratio = 2.0
        self.forecast = None


class NodeTrends:
    """The history of one node's maps and what follows from it."""

    __slots__ = ("_courses", "history")

    def __init__(self, spacing_seconds: float) -> None:
        self.history = NodeHistory(spacing_seconds)
        self._courses: dict[str, _Course] = {}

    def record(self, at: float, usages: Sequence[MapUsage]) -> None:
        """Take in one reading of the node's maps."""
        samples: list[Sample] = []
        rising: list[str] = []
        for usage in usages:
            ratio = usage.ratio
            if ratio is None:
                continue
            is_fresh = self._note_count(at, usage)
            samples.append(Sample(usage.name, ratio, is_fresh))
            if is_fresh and usage.kind in FORECAST_KINDS and self._has_risen(at, usage.name, ratio):
                rising.append(usage.name)
        self.history.record(at, samples)
        for name in rising:
            course = self._courses[name]
            course.forecast = forecast(self.history.fresh_points(name, course.since))

    def _note_count(self, at: float, usage: MapUsage) -> bool:
        """Return whether this count was not seen before."""
        course = self._courses.get(usage.name)
        if course is None:
            course = self._courses[usage.name] = _Course(usage.max_entries)
        if course.max_entries != usage.max_entries:
            # Made anew with another size: what came before tells no trend.
            course.max_entries = usage.max_entries
            course.start_over(at)
        # An agent's start is told by the cluster's clock, which may be ahead of ours.
        course.since = min(course.since, at)
        counted_at = at if usage.counted_at is None else usage.counted_at
        is_fresh = course.counted_at != counted_at
        course.counted_at = counted_at
        return is_fresh

    def _has_risen(self, at: float, name: str, ratio: float) -> bool:
        """Return whether a forecast is worth its cost: steady maps are nearly all of them."""
        course = self._courses[name]
        if at - course.lowest_at > HISTORY_SECONDS:
            points = self.history.fresh_points(name, course.since)
            course.lowest_at, course.lowest_ratio = min(
                points, key=lambda point: point[1], default=(at, ratio)
            )
        if ratio <= course.lowest_ratio:
            course.lowest_ratio, course.lowest_at = ratio, at
        if ratio - course.lowest_ratio < SMALLEST_RISE:
            course.forecast = None
            return False
        return True

    def restart(self, at: float) -> None:
        """Forget the pace of before: an agent that starts fills its maps anew."""
        for course in self._courses.values():
            course.start_over(at)

    def attach(self, usages: Sequence[MapUsage], is_detailed: bool) -> tuple[MapUsage, ...]:
        """Return the maps with their trends; all histories if detailed, else the fullest map's."""
        if is_detailed:
            return tuple(self._with_trend(usage, is_shown=True) for usage in usages)
        shown = {usage.name for usage in fullest(usages)}
        courses = self._courses
        found = list(usages)
        for place, usage in enumerate(usages):
            name = usage.name
            is_shown = name in shown
            course = courses.get(name)
            is_rising = course is not None and course.forecast is not None
            if is_shown or is_rising or usage.trend is not NO_TREND:
                found[place] = self._with_trend(usage, is_shown=is_shown)
        return tuple(found)

    def _with_trend(self, usage: MapUsage, *, is_shown: bool) -> MapUsage:
        course = self._courses.get(usage.name)
        found = course.forecast if course is not None else None
        if not is_shown and found is None:
            return usage if usage.trend is NO_TREND else replace(usage, trend=NO_TREND)
        spacing = self.history.spacing_seconds
        ratios: tuple[float | None, ...] = ()
        if is_shown:
            ratios, spacing = self.history.ratios(usage.name, SHOWN_POINTS)
        seconds = None if found is None else found.seconds_to_full
        window = None if found is None else found.window_seconds
        return replace(usage, trend=Trend(ratios, spacing, seconds, window))


def fullest(usages: Sequence[MapUsage]) -> tuple[MapUsage, ...]:
    """Return the fullest map that can refuse entries, if any is counted."""
    highest, found = -1.0, None
    for usage in usages:
        if usage.entries is not None and usage.kind is not MapKind.LRU_HASH:
            ratio = usage.ratio
            if ratio is not None and ratio > highest:
                highest, found = ratio, usage
    return () if found is None else (found,)
