"""How numbers, sizes, ages and names read on screen, in one place."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeVar

from tui.model.reading import Reading, ReadingState

T = TypeVar("T")

_SHORT_UNITS = (
    (" seconds", " s"),
    (" second", " s"),
    (" minutes", " m"),
    (" minute", " m"),
    (" hours", " h"),
    (" hour", " h"),
    (" days", " d"),
    (" day", " d"),
    (" years", " y"),
    (" year", " y"),
)


@lru_cache(maxsize=4096)
def _age_of_whole(seconds: int) -> str:
    import humanize

    if seconds < 1:
        return "0 s"
    words = humanize.naturaldelta(seconds, months=False).replace(",", "")
    words = words.removeprefix("an ") if words.startswith("an ") else words
    words = words.removeprefix("a ") if words.startswith("a ") else words
    if words[0].isalpha():
        words = "1 " + words
    for long, short in _SHORT_UNITS:
        words = words.replace(long, short)
    return words


def _coarse(seconds: float) -> int:
    """Drop the digits that the words will not show, so that few ages are ever worded."""
    whole = int(max(0.0, seconds))
    for step in (86_400, 3_600, 60):
        if whole >= step:
            return whole - whole % step
    return whole


def age(seconds: float | None) -> str:
    """Word an age in one unit, such as `33 m`; the empty text where there is none."""
    if seconds is None:
        return ""
    return _age_of_whole(_coarse(seconds))


def coarse_age(seconds: float) -> str:
    """Word an age in steps that change seldom, so that a table of thousands stays as drawn."""
    if seconds >= 60:
        return age(seconds)
    return "<10 s" if seconds < 10 else f"{int(seconds) // 10 * 10} s"


def ago(seconds: float | None) -> str:
    """Word an age as a distance in the past, such as `33 m ago`."""
    return "" if seconds is None else f"{age(seconds)} ago"


def count(number: int | None) -> str:
    """Word a count with its thousands apart; `?` where it is unknown."""
    if number is None:
        return "?"
    if -1000 < number < 1000:
        return str(number)
    import humanize

    return humanize.intcomma(number)


def size(size_bytes: int | None) -> str:
    """Word a size in binary units; `?` where it is unknown."""
    if size_bytes is None:
        return "?"
    import humanize

    return humanize.naturalsize(size_bytes, binary=True)


def percent(ratio: float | None) -> str:
    """Word a ratio so that only a full map reads 100 % and only an empty one 0 %."""
    if ratio is None:
        return "?"
    if 0 < ratio < 0.005:
        return "<1%"
    if 0.99 < ratio < 1:
        return "99%"
    return f"{math.floor(ratio * 100 + 0.5)}%"


def counted(number: int, noun: str) -> str:
    """Word a number of things: `1 fault`, `2 faults`."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def utc_clock(at: float | None) -> str:
    """Word a moment as the time of day in UTC."""
    return "" if at is None else _utc(at, "%H:%M:%S")


def utc_day(at: float) -> str:
    """Return the day of a moment in UTC."""
    return _utc(at, "%Y-%m-%d")


def utc_minute(at: float) -> str:
    """Word a moment of another day: month, day, hour and minute in UTC."""
    return _utc(at, "%m-%d %H:%M")


def utc_stamp(at: float | None) -> str:
    """Word a moment as date and time in UTC."""
    return "" if at is None else _utc(at, "%Y-%m-%d %H:%M:%S UTC")


def _utc(at: float, shape: str) -> str:
    try:
        return datetime.fromtimestamp(at, tz=UTC).strftime(shape)
    except (OverflowError, OSError, ValueError):
        return "?"


def short_map(name: str) -> str:
    """Drop the prefix that every map of Cilium shares."""
    return name.removeprefix("cilium_")


def cut(text: str, limit: int = 300) -> str:
    """Cut a text of the cluster to what a line can show; the detail views have all of it."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def listed(names: list[str], limit: int = 2) -> str:
    """Word a list by its first names and the number of the others."""
    if len(names) <= limit + 1:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} +{len(names) - limit}"


def reading_trouble(reading: Reading[T]) -> str:
    """Word why a reading is not current; the empty text when it is."""
    if reading.state is ReadingState.DENIED:
        return f"denied: {cut(reading.reason)}" if reading.reason else "denied"
    if reading.state is ReadingState.FAILED:
        return f"failed: {cut(reading.reason)}" if reading.reason else "failed"
    return ""
