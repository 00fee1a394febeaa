"""What is wrong with one map, and what else is known of it, in words."""

from __future__ import annotations

from tui.model.maps import MapUsage
from tui.screens import wording
from tui.screens.severity import Rank, Severity
from widgets.symbols import symbols

NEARLY_FULL_RATIO = 0.9
AT_CAPACITY_RATIO = 0.99
"""An LRU map keeps a few free entries on each CPU: it evicts before it holds its last one."""
SOON_FULL_SECONDS = 3_600.0
HALF_FULL_RATIO = 0.5
"""Below it a short trend is shown in the Maps panel, and is no reason to wake somebody."""


MapTrouble = tuple[Severity, Rank, str]
"""How bad, of which rank, and in words."""


def map_trouble(usage: MapUsage) -> MapTrouble | None:
    """Return what is wrong with a map, in words, or None."""
    if usage.is_full:
        wanted = (
            f", {wording.count(usage.wanted_entries)} wanted"
            if usage.wanted_entries is not None
            else ""
        )
        numbers = f"{wording.count(usage.entries)} of {wording.count(usage.max_entries)}"
        return Severity.HARM, Rank.FULL_MAP, f"full ({numbers}{wanted})"
    if usage.sync_failure:
        return Severity.HARM, Rank.MAP_SYNC, "can't be written: its sync fails"
    filling = evicting_words(usage) if usage.is_evicting else _filling_words(usage)
    return None if not filling else (Severity.WARNING, Rank.FILLING_MAP, filling)


def evicting_words(usage: MapUsage) -> str:
    """Return how full an LRU map is once it evicts what is still in use, or the empty text."""
    if usage.ratio is None or usage.ratio < NEARLY_FULL_RATIO:
        return ""
    is_full = usage.ratio >= AT_CAPACITY_RATIO
    level = "full" if is_full else f"{wording.percent(usage.ratio)} full"
    return f"{level}: evicts live entries"


def _filling_words(usage: MapUsage) -> str | None:
    """Return why a map that still takes entries will soon not; an LRU map never refuses."""
    ratio, soon = usage.ratio, usage.trend.seconds_to_full
    is_filling = soon is not None and soon <= SOON_FULL_SECONDS
    if ratio is not None and ratio >= HALF_FULL_RATIO and soon is not None and is_filling:
        return f"full in ≈ {wording.age(soon)} ({wording.percent(ratio)} now)"
    if usage.wanted_entries is not None and usage.wanted_entries > usage.max_entries:
        wanted = wording.count(usage.wanted_entries)
        return f"too small ({wanted} wanted, holds {wording.count(usage.max_entries)})"
    if ratio is not None and ratio >= NEARLY_FULL_RATIO:
        return f"{wording.percent(ratio)} full"
    return None


def map_remarks(usage: MapUsage) -> str:
    """Return what else is known of a map: leak or too small, and what the agent believes."""
    return f" {symbols().divider} ".join(filter(None, remark_parts(usage)))


def remark_parts(usage: MapUsage) -> tuple[str, str, str]:
    """Return the verdict, the numbers beside the kernel's, and why the agent can't write."""
    numbers = []
    if usage.wanted_entries is not None:
        numbers.append(f"{wording.count(usage.wanted_entries)} wanted")
    if usage.agent_entries is not None and usage.agent_entries != usage.entries:
        numbers.append(f"agent says {wording.count(usage.agent_entries)}")
    fails = f"sync fails: {wording.cut(usage.sync_failure)}" if usage.sync_failure else ""
    return map_verdict(usage), ", ".join(numbers), fails


def map_verdict(usage: MapUsage) -> str:
    """Return whether a map leaked or is too small, as far as copies and wanted entries tell."""
    is_too_small = usage.wanted_entries is not None and usage.wanted_entries > usage.max_entries
    if usage.duplicate_entries:
        copies = wording.count(usage.duplicate_entries)
        if usage.entries is None:
            return f"leaked: {copies} entries are copies of others"
        return f"leaked: {copies} of {wording.count(usage.entries)} entries are copies of others"
    if usage.is_full and usage.duplicate_entries == 0:
        if is_too_small or usage.wanted_entries is None:
            return "full: too small, not leaked"
        return "full: no copies, but more entries than wanted"
    if is_too_small:
        return "full: too small" if usage.is_full else "too small"
    return ""


def worst_map(maps: tuple[MapUsage, ...]) -> MapUsage | None:
    """Return the map that most deserves a look, or None where none is counted.

    A full LRU map evicts by design: it wins only where every hash map is at ease.
    """
    known = [usage for usage in maps if usage.ratio is not None or usage.sync_failure]
    known.sort(key=lambda usage: str(usage.name))
    return max(known, key=_badness, default=None)


def _badness(usage: MapUsage) -> tuple[int, bool, float, float]:
    trouble = map_trouble(usage)
    soon = usage.trend.seconds_to_full
    haste = 0.0 if soon is None or usage.is_evicting else 1.0 / (1.0 + soon)
    if trouble is None:
        return (0, False, haste, usage.ratio or 0.0)
    return (9 - trouble[0], not usage.is_evicting, haste, usage.ratio or 0.0)
