"""`metrics list -o json`: counters of one sweep, and their change since the last.

Every metric in the output belongs to the agent, so the schema is one list of labelled values in
all releases from 1.11 on; a value of zero is left out of the JSON.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import msgspec

from tui.cilium.output import convert, decode_json, describe_garbage
from tui.errors import ParseError
from tui.model.agent import AgentMetrics, DropRate, LoggedProblems
from tui.safety import CleanText, clean

WHAT = "metrics list"
_PREFIX = "cilium_"
PRESSURE = "bpf_map_pressure"
CAPACITY = "bpf_map_capacity"
OPERATIONS = "bpf_map_ops_total"
DROPS = "drop_count_total"
PROBLEMS = "errors_warnings_total"
_LEVELS = {"warn": "warning", "err": "error"}

Labels = tuple[tuple[CleanText, CleanText], ...]
"""Label names and values, sorted by name."""


class _Metric(msgspec.Struct):
    name: str
    labels: dict[str, str | None] | None = None
    value: float | None = None


_DECODER = msgspec.json.Decoder(list[_Metric])


@dataclass(frozen=True, slots=True)
class MetricSample:
    """Raw values of one sweep: metric name without `cilium_` -> labels -> value."""

    values: Mapping[str, Mapping[Labels, float]]

    def by_label(self, metric: str, label: str) -> dict[CleanText, float]:
        """Return a metric's values by one label, summed over the others."""
        found: dict[CleanText, float] = {}
        for labels, value in self.values.get(metric, {}).items():
            for name, text in labels:
                if name == label:
                    found[text] = found.get(text, 0.0) + value
        return found

    @property
    def pressures(self) -> dict[CleanText, float]:
        """Fill ratios by map name without `cilium_`; a map with no entries has no series.

        The agent counts its cache for load-balancing maps until 1.17 (measured: an undercount of
        services until 1.13, above 1.0 when inserts failed); from 1.18 it counts the kernel's.
        """
        found = self.by_label(PRESSURE, "map_name")
        # The policy maps' one series is named by a constant that has the prefix (1.15 on).
        return {CleanText(name.removeprefix(_PREFIX)): ratio for name, ratio in found.items()}

    def capacity(self, map_name: str) -> int | None:
        """Return the max entries of a map that has a series, by its full name (1.15 on).

        `default` stands for all maps of the commonest size: it does not tell that this is one.
        """
        found = self.by_label(CAPACITY, "map_group").get(CleanText(map_name))
        return None if found is None else int(found)


def parse_metrics(stdout: bytes) -> MetricSample:
    """Parse `metrics list -o json`.

    Raises:
        ParseError: nothing usable came; 1.17.5 prints nothing with exit code 0 when the agent is
            down, and that is no sample of zeros.
    """
    metrics = _metrics(stdout)
    values: dict[str, dict[Labels, float]] = {}
    for metric in metrics:
        value = metric.value if metric.value is not None else 0.0
        if metric.name and math.isfinite(value):
            labels = _labels(tuple(metric.labels.items())) if metric.labels else ()
            values.setdefault(_name(metric.name), {})[labels] = value
    if metrics and not values:
        raise ParseError(describe_garbage(stdout, WHAT) + " (no metric in it)")
    return MetricSample(MappingProxyType(values))


def _metrics(stdout: bytes) -> list[_Metric]:
    """Decode all at once, or one by one where one of them is odd."""
    try:
        return _DECODER.decode(stdout)
    except msgspec.MsgspecError:
        items = decode_json(stdout, list[msgspec.Raw] | None, WHAT)  # type: ignore[arg-type]  # a union is a type to msgspec
        return [convert(raw, _Metric) or _Metric("") for raw in items or ()]


@lru_cache(maxsize=512)
def _name(name: str) -> str:
    return str(clean(name)).removeprefix(_PREFIX)


@lru_cache(maxsize=4096)
def _labels(labels: tuple[tuple[str, str | None], ...]) -> Labels:
    """Clean the labels of one series; the same ones come from every node in every sweep."""
    return tuple(sorted((clean(name), clean(value or "")) for name, value in labels))


def metrics_between(
    previous: MetricSample | None, current: MetricSample, interval_seconds: float | None
) -> AgentMetrics:
    """Return what changed between two samples of one agent.

    A counter that went down was reset by a restart: all of it counts as new. Without a previous
    sample no change is known, and totals alone are given.
    """
    is_first = previous is None or interval_seconds is None or interval_seconds <= 0
    before = previous if previous is not None and not is_first else None
    return AgentMetrics(
        drops=_drops(before, current, interval_seconds if before else None),
        problems=_problems(before, current),
        failed_map_operations=_failed_operations(before, current),
        interval_seconds=interval_seconds if before else None,
    )


def _changes(
    previous: MetricSample | None, current: MetricSample, metric: str
) -> Iterator[tuple[dict[str, CleanText], int, int]]:
    """Yield labels, total and increase of every series of a metric."""
    before = previous.values.get(metric, {}) if previous else {}
    for labels, value in current.values.get(metric, {}).items():
        total = int(value)
        old = int(before.get(labels, 0.0))
        increase = 0 if previous is None else total - old if total >= old else total
        yield {str(name): text for name, text in labels}, total, increase


def _drops(
    previous: MetricSample | None, current: MetricSample, interval_seconds: float | None
) -> tuple[DropRate, ...]:
    drops = [
        DropRate(
            reason=labels.get("reason", CleanText("unknown")),
            direction=CleanText(labels.get("direction", CleanText("")).lower()),
            packets=increase,
            per_second=increase / interval_seconds if interval_seconds else 0.0,
            total=total,
        )
        for labels, total, increase in _changes(previous, current, DROPS)
        if total
    ]
    return tuple(sorted(drops, key=lambda drop: (-drop.packets, -drop.total, drop.reason)))


def _problems(previous: MetricSample | None, current: MetricSample) -> tuple[LoggedProblems, ...]:
    """Sum by level and subsystem: 1.17 spells `warning` where 1.19 spells `WARN`."""
    sums: dict[tuple[str, CleanText], tuple[int, int]] = {}
    for labels, total, increase in _changes(previous, current, PROBLEMS):
        level = str(labels.get("level", CleanText(""))).lower()
        key = (_LEVELS.get(level, level), labels.get("subsystem", CleanText("")))
        old_total, old_increase = sums.get(key, (0, 0))
        sums[key] = (old_total + total, old_increase + increase)
    problems = [
        LoggedProblems(CleanText(level), subsystem, total, increase)
        for (level, subsystem), (total, increase) in sums.items()
        if total
    ]
    return tuple(sorted(problems, key=lambda p: (p.level != "error", -p.since_last, -p.total)))


def _failed_operations(previous: MetricSample | None, current: MetricSample) -> dict[str, int]:
    """Count failed updates by full map name; deletes of what is gone fail in health."""
    failed: dict[str, int] = {}
    for labels, _total, increase in _changes(previous, current, OPERATIONS):
        if labels.get("outcome") != "fail" or labels.get("operation") != "update" or not increase:
            continue
        name = f"{_PREFIX}{labels.get('map_name', '')}"
        failed[name] = failed.get(name, 0) + increase
    return failed
