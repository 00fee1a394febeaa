"""Tell when a map will be full, only where the trend is real.

A false alarm costs trust in an incident, so a forecast needs enough counts, a steady direction, a
rise well above the noise, and a rise that still goes on. Theil–Sen (the median of all pairwise
slopes) is not moved by a few outliers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

WINDOWS_SECONDS = (1_800.0, 900.0, 450.0, 225.0, 120.0)
"""Tried from the longest: the first one in which the rise is steady is the trend's window."""

FEWEST_POINTS = 5
MOST_POINTS = 32
"""All pairs are compared: 32 points are 496 slopes."""

SHORTEST_SPAN_SECONDS = 40.0
SMALLEST_RISE = 0.005
"""Half a percent of the map; less is noise on every map seen."""

SMALLEST_AGREEMENT = 0.7
"""Kendall's tau: pairs that rise minus pairs that fall, over all pairs."""

LARGEST_DEVIATION = 0.15
"""Median distance from the line, as a share of the rise."""

LONGEST_REACH = 6.0
"""A forecast reaches so many times its window ahead: a minute says nothing about the next hour."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the map is full if it goes on like this."""

    seconds_to_full: float
    window_seconds: float
    """The stretch of history behind it."""


def forecast(points: Sequence[Point]) -> Forecast | None:
    """Return when the ratio reaches 1, or None where no steady rise is seen.

    Args:
        points: (time in seconds, fill ratio), oldest first.
    """
    if len(points) < FEWEST_POINTS or not 0 <= points[-1][1] < 1:
        return None
    lowest = min(ratio for _, ratio in points)
    if points[-1][1] - lowest < SMALLEST_RISE:
        return None
    newest = points[-1][0]
    for window in WINDOWS_SECONDS:
        within = [point for point in points if point[0] >= newest - window]
        found = _steady_rise(_thinned(within))
        if found is not None:
            return found
    return None


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    if len(points) <= MOST_POINTS:
        return points
    last = len(points) - 1
    return [points[index * last // (MOST_POINTS - 1)] for index in range(MOST_POINTS)]


def _steady_rise(points: Sequence[Point]) -> Forecast | None:
    if len(points) < FEWEST_POINTS:
        return None
    span = points[-1][0] - points[0][0]
    if span < SHORTEST_SPAN_SECONDS:
        return None
    slope, agreement = _theil_sen(points)
    rise = slope * span
    if rise < SMALLEST_RISE or agreement < SMALLEST_AGREEMENT:
        return None
    middle = median(ratio - slope * at for at, ratio in points)
    deviation = median(abs(ratio - slope * at - middle) for at, ratio in points)
    if deviation > LARGEST_DEVIATION * rise or not _goes_on(points, slope):
        return None
    seconds = (1.0 - points[-1][1]) / slope
    return Forecast(seconds, span) if seconds <= LONGEST_REACH * span else None


def _theil_sen(points: Sequence[Point]) -> tuple[float, float]:
    slopes: list[float] = []
    direction = 0
    for index, (at, ratio) in enumerate(points):
        for later_at, later_ratio in points[index + 1 :]:
            if later_at > at:
                slopes.append((later_ratio - ratio) / (later_at - at))
                direction += (later_ratio > ratio) - (later_ratio < ratio)
    return median(slopes), direction / len(slopes)


def _goes_on(points: Sequence[Point], slope: float) -> bool:
    """Whether the last third still rises at no less than a third of the pace."""
    start_at, start_ratio = points[-(len(points) // 3 + 1)]
    end_at, end_ratio = points[-1]
    return end_ratio - start_ratio >= slope * (end_at - start_at) / 3
