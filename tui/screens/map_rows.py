"""The rows of the Maps panel, worst first, LRU maps apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from tui.model.maps import CountOrigin, MapKind, MapUsage
from tui.screens import wording
from tui.screens.map_words import MapTrouble, map_trouble, remark_parts
from tui.screens.marks import SEVERITY_TONES, severity_mark
from tui.screens.node_rows import map_tone
from tui.screens.severity import Severity
from widgets.grid_rows import natural_key
from widgets.map_rows import MAP_FIELDS, MapRowView, MapSection
from widgets.symbols import symbols
from widgets.tones import Span, Tone

_EASY_SECTIONS = (
    ("HASH: a full map refuses entries", False),
    ("LRU: a full map evicts", True),
)


_SHORT_ORIGINS = {
    CountOrigin.ACCOUNTING: "acct",
    CountOrigin.COUNTED: "cnt",
    CountOrigin.METRIC: "met",
}
MAP_ROW_FIELDS = (
    *MAP_FIELDS,
    "status",
    "entries",
    "max",
    "wanted",
    "agent",
    "copies",
    "kind",
    "map",
    "note",
)
"""What `/field:value` can name in the Maps panel."""


class MapSort(StrEnum):
    """How the maps of a section are ordered."""

    WORST = "worst first"
    NAME = "name"
    FILL = "fill"
    ENTRIES = "entries"
    MAX = "max entries"
    MEMORY = "memory"


class MapRows:
    """Keep the rows of maps that did not change."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[MapUsage, MapRowView]] = {}

    def sections(
        self, maps: Sequence[MapUsage], sort: MapSort = MapSort.WORST, *, is_reversed: bool = False
    ) -> tuple[MapSection, ...]:
        """Return the maps that refuse and those that evict, each in the order asked for."""
        kept, fresh = self._kept, {}
        for usage in maps:
            old = kept.get(usage.name)
            if old is None or old[0] != usage:
                old = (usage, map_row(usage))
            fresh[str(usage.name)] = old
        self._kept = fresh
        return tuple(
            MapSection(title, tuple(fresh[usage.name][1] for usage in chosen))
            for title, is_evicting in _EASY_SECTIONS
            if (chosen := _ordered(maps, is_evicting, sort, is_reversed))
        )


def _ordered(
    maps: Iterable[MapUsage], is_evicting: bool, sort: MapSort, is_reversed: bool
) -> list[MapUsage]:
    chosen = [usage for usage in maps if usage.is_evicting is is_evicting]
    chosen.sort(key=_place)
    numbers: dict[MapSort, Callable[[MapUsage], float | None]] = {
        MapSort.FILL: lambda usage: usage.ratio,
        MapSort.ENTRIES: lambda usage: usage.entries,
        MapSort.MAX: lambda usage: usage.max_entries,
        MapSort.MEMORY: lambda usage: usage.memory_bytes,
    }
    if sort is MapSort.NAME:
        chosen.sort(key=lambda usage: natural_key(usage.name))
    elif sort is not MapSort.WORST:
        number = numbers[sort]
        chosen.sort(key=lambda usage: -1.0 if (n := number(usage)) is None else n, reverse=True)
    return chosen[::-1] if is_reversed else chosen


def _place(usage: MapUsage) -> tuple[int, float, str]:
    """Sort troubles first, then the fullest, then the unknown, then what can't fill."""
    trouble = map_trouble(usage)
    if trouble is not None:
        return (int(trouble[0]), -(usage.ratio or 0.0), natural_key(usage.name))
    if usage.ratio is not None:
        return (4, -usage.ratio, natural_key(usage.name))
    place = 6 if usage.kind in (MapKind.ARRAY, MapKind.OTHER) else 5
    return (place, 0.0, natural_key(usage.name))


def map_name(usage: MapUsage) -> str:
    """Return the short name, with the number of maps the row stands for."""
    name = wording.short_map(usage.name)
    return f"{name} ({usage.members})" if usage.members > 1 else name


def map_row(usage: MapUsage) -> MapRowView:
    """Return one map's row."""
    trouble = map_trouble(usage)
    mark = severity_mark(None if trouble is None else trouble[0])
    if trouble is None and usage.entries is None:
        mark = severity_mark(Severity.UNKNOWN)
    return MapRowView(
        usage.name,
        mark.text,
        map_tone(usage),
        map_name(usage),
        usage.ratio,
        wording.percent(usage.ratio),
        f"{wording.count(usage.entries)}/{wording.count(usage.max_entries)}",
        origin_words(usage),
        forecast_words(usage),
        SEVERITY_TONES[trouble[0]] if trouble is not None else Tone.MUTED,
        usage.trend.ratios,
        _remark(usage),
        _fields(usage, trouble),
        trouble is not None,
        _SHORT_ORIGINS.get(usage.origin, "") if usage.entries is not None else "",
        "" if usage.is_full else forecast_words(usage).removeprefix("full "),
    )


def _fields(usage: MapUsage, trouble: MapTrouble | None) -> dict[str, str]:
    unknown = Severity.UNKNOWN.name if usage.entries is None else "ok"
    numbers = {
        "entries": usage.entries,
        "max": usage.max_entries,
        "wanted": usage.wanted_entries,
        "agent": usage.agent_entries,
        "copies": usage.duplicate_entries,
    }
    return {
        "status": (unknown if trouble is None else trouble[0].name).lower(),
        "kind": usage.kind.value,
        "map": usage.name,
        "note": usage.note,
        **{name: "" if number is None else str(number) for name, number in numbers.items()},
    }


def origin_words(usage: MapUsage) -> str:
    """Return where the count comes from, or the key that makes one."""
    if usage.origin is CountOrigin.NONE or usage.entries is None:
        return "not counted: c"
    return usage.origin.value


def forecast_words(usage: MapUsage) -> str:
    """Return when the map is full."""
    if usage.is_full:
        return "full"
    trend = usage.trend
    if trend.seconds_to_full is None:
        return ""
    return f"full in {symbols().estimated} {wording.age(trend.seconds_to_full)}"


def window_words(usage: MapUsage) -> str:
    """Return the stretch of history behind the forecast."""
    trend = usage.trend
    if usage.is_full or trend.seconds_to_full is None or trend.window_seconds is None:
        return ""
    return f"by the trend of {wording.age(trend.window_seconds)}"


def _remark(usage: MapUsage) -> tuple[Span, ...]:
    """Return the second line of a map that is in trouble or that the agent sees differently."""
    is_odd = (
        usage.agent_entries is not None
        and usage.entries is not None
        and usage.agent_entries != usage.entries
    )
    window = window_words(usage)
    trouble = map_trouble(usage)
    if trouble is None and not is_odd and not window:
        return ()
    verdict, numbers, fails = remark_parts(usage)
    head, *others = (verdict, numbers, fails) if verdict else (fails, numbers)
    rest = [part for part in (*others, window) if part]
    tone = Tone.MUTED if trouble is None else SEVERITY_TONES[trouble[0]]
    divider = f" {symbols().divider} "
    if not head:
        return (Span(divider.join(rest), Tone.MUTED),) if rest else ()
    return (Span(head, tone), *(Span(f"{divider}{part}", Tone.MUTED) for part in rest))
