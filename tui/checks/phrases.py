"""Small phrases that verdicts share: counts, shares, spans of time, lists cut short."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tui.model.findings import AffectedObject
from tui.safety import CleanText


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 frontend` or `1,024 frontends`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(ratio: float) -> str:
    """Return a share rounded down, so that nothing is called 100 % before it is."""
    return f"{int(ratio * 100)} %"


def span(seconds: float) -> str:
    """Return a span of time in its greatest unit, such as `35 minutes`."""
    if not math.isfinite(seconds):
        return "an unknown time"
    for size, noun in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return counted(int(seconds // size), noun)
    return counted(int(seconds), "second")


def some_of(names: Iterable[str], shown: int = 2) -> str:
    """Return the first names and how many more there are: `default/echo, default/web +14`."""
    found = list(dict.fromkeys(names))
    rest = len(found) - shown
    return ", ".join(found[:shown]) + (f" +{rest:,}" if rest > 0 else "")


def memory(size_bytes: float) -> str:
    """Return a size in memory, such as `1.2 MiB`."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size_bytes >= size:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{int(size_bytes)} bytes"


def service_object(service: str, detail: str = "") -> AffectedObject:
    """Return a Service by its `namespace/name` as an affected object."""
    namespace, _, name = service.partition("/")
    return AffectedObject("Service", CleanText(name), CleanText(namespace), CleanText(detail[:200]))


def is_rising(ratios: Sequence[float | None]) -> bool:
    """Tell whether a history of fill ratios ends higher than it began, and at its highest."""
    known = [ratio for ratio in ratios if ratio is not None]
    return len(known) >= 2 and known[-1] > known[0] and known[-1] >= max(known) * 0.98
