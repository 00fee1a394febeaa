"""How a map in trouble is told: what refuses, what evicts, and whether it leaked."""

from __future__ import annotations

from dataclasses import dataclass

from tui.model.maps import MapUsage
from tui.screens import wording
from tui.screens.map_words import map_trouble
from tui.screens.severity import Rank, Severity


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
    if trouble is None:
        return None
    name = wording.short_map(usage.name)
    severity, rank, words = trouble
    short = words.removesuffix(" live entries")
    return MapPressure(severity, rank, f"{name} {words}", f"{_family(name)} {short}")


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
