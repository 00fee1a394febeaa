"""How a map in trouble is told: what refuses, what evicts, and whether it leaked."""

from __future__ import annotations

from dataclasses import dataclass

from tui.model.maps import MapUsage
from tui.screens import wording
from tui.screens.map_words import NEARLY_FULL_RATIO, map_trouble
from tui.screens.severity import Rank, Severity

AT_CAPACITY_RATIO = 0.99
"""An LRU map keeps a few free entries on each CPU: it evicts before it holds its last one."""


@dataclass(frozen=True, slots=True)
class MapPressure:
    """What is wrong with one map, as a sentence and as a few words."""

    severity: Severity
    rank: Rank
    title: str
    short: str
    """For the header of a narrow terminal."""


def map_pressure(usage: MapUsage) -> MapPressure | None:
    """Return what is wrong with a map, or None."""
    if usage.is_full:
        return _full(usage)
    trouble = map_trouble(usage)
    name = wording.short_map(usage.name)
    if trouble is not None and not usage.is_evicting:
        return MapPressure(*trouble[:2], f"{name} {trouble[2]}", f"{_family(name)} {trouble[2]}")
    if usage.is_evicting and usage.ratio is not None and usage.ratio >= NEARLY_FULL_RATIO:
        return _evicting(name, usage)
    return None


def _evicting(name: str, usage: MapUsage) -> MapPressure:
    ratio = usage.ratio or 0.0
    level = "full" if ratio >= AT_CAPACITY_RATIO else f"{wording.percent(ratio)} full"
    words = f"{name} {level}: evicts live entries"
    return MapPressure(Severity.WARNING, Rank.FILLING_MAP, words, f"{name} {level}: evicts")


def _full(usage: MapUsage) -> MapPressure:
    name = wording.short_map(usage.name)
    numbers = f"{wording.count(usage.entries)}/{wording.count(usage.max_entries)}"
    details = [numbers]
    if usage.wanted_entries is not None:
        details.append(f"{wording.count(usage.wanted_entries)} wanted")
    verdict, short_verdict = _verdict(usage)
    if usage.duplicate_entries:
        details.append(f"{wording.count(usage.duplicate_entries)} copies")
    return MapPressure(
        Severity.HARM,
        Rank.FULL_MAP,
        f"{name} full{verdict} ({', '.join(details)})",
        f"{_family(name)} full {numbers}{short_verdict}",
    )


def _verdict(usage: MapUsage) -> tuple[str, str]:
    """Return whether a full map leaked or is too small, where that is known."""
    if usage.duplicate_entries:
        return ": leaked", ": leaked"
    wanted = usage.wanted_entries
    is_too_small = wanted is not None and wanted > usage.max_entries
    if usage.duplicate_entries == 0 and is_too_small:
        return ": too small, not leaked", ": too small"
    if usage.duplicate_entries == 0:
        return ": no copies, not leaked", ""
    return (": too small", ": too small") if is_too_small else ("", "")


def _family(name: str) -> str:
    """Return what a load-balancing map holds, where its IP version does not matter: `backends`."""
    parts = name.split("_")
    is_balancing = len(parts) == 3 and parts[0] == "lb4"
    return parts[1] if is_balancing and parts[1] in ("backends", "services") else name
