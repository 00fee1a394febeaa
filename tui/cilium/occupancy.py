"""How full each map of a node is: the kernel's count where it can be had, and where it came from.

The agent's own numbers are never taken for a count: until 1.13 its cache keeps one key for all
backends of a frontend (21 of 64 in a full map), and it counts inserts that failed (1.156).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tui.cilium.accounting import Calibration, accounted_entries, calibrated, is_accounted
from tui.cilium.map_catalogue import (
    CATALOGUE,
    IGNORED_PINS,
    SLOW_RECOUNT_SECONDS,
    MapFamily,
    family_of,
    is_policy_pin,
    live_pins,
    policy_row_name,
    rank_of,
)
from tui.cilium.maps import KernelMap
from tui.cilium.metrics import MetricSample
from tui.cilium.probes import count_probe
from tui.cilium.releases import Release
from tui.model.agent import AgentStatus
from tui.model.maps import CountOrigin, MapKind, MapUsage
from tui.safety import CleanText, clean

_SHOWN_KINDS = frozenset({MapKind.HASH, MapKind.PERCPU_HASH, MapKind.LPM_TRIE, MapKind.LRU_HASH})
_COUNT_SECONDS_PER_ENTRY = 0.3 / 65_536
"""A count in place on a busy 2-CPU node (measured.md §0)."""
_COUNT_SECONDS_PER_MAP = 0.015
_DEAR_RECOUNT_SECONDS = 300
_SLOW_COUNT_SECONDS = 10.0
"""A map with slow recounts that would take longer than this is counted only while looked at."""
_SLOW_DUTY = 2_000
"""A slow recount comes after so many times its own duration, if that is more."""
POLICIES_PROBE = "policies"
"""Counts the policy maps of all endpoints at once."""


@dataclass(frozen=True, slots=True)
class Count:
    """A count in place, and of which map: a map recreated under the same pin has a new id."""

    entries: int
    counted_at: float
    map_id: int = 0


@dataclass(frozen=True, slots=True)
class NodeOccupancy:
    """What is remembered of one node between sweeps; start anew at every boot of the node."""

    calibration: Calibration = field(default_factory=Calibration)
    counts: Mapping[str, Count] = field(default_factory=lambda: MappingProxyType({}))
    """The last count in place by pin."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one exec brought that tells how full maps are; None is "not asked or failed"."""

    read_at: float
    maps: tuple[KernelMap, ...] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    """Counted in this exec, by pin; the length of a dump is such a count."""
    metrics: MetricSample | None = None
    status: AgentStatus | None = None
    release: Release | None = None
    kernel_release: str = ""


def occupancy(
    remembered: NodeOccupancy, evidence: Evidence
) -> tuple[NodeOccupancy, tuple[MapUsage, ...]]:
    """Return the usage of every map that can fill up, and what to remember for the next sweep.

    Maps that break Services when full come first. Without `maps` (no bpftool) the rows come from
    the agent's sizes and metrics alone.
    """
    if evidence.maps is None:
        return remembered, tuple(_usages_without_kernel(evidence))
    ids = {kernel_map.pin: kernel_map.id for kernel_map in evidence.maps}
    counts = {
        pin: count for pin, count in remembered.counts.items() if ids.get(pin) == count.map_id
    }
    for pin, entries in evidence.counts.items():
        if pin in ids:
            counts[pin] = Count(entries, evidence.read_at, ids[pin])
    calibration = calibrated(
        remembered.calibration, evidence.maps, evidence.counts, evidence.kernel_release
    )
    remembered = NodeOccupancy(calibration, MappingProxyType(counts))
    usages = [_usage(each, remembered, evidence) for each in _shown(evidence)]
    policies = [usage for usage in usages if is_policy_pin(usage.name)]
    rows = [usage for usage in usages if not is_policy_pin(usage.name)]
    if policies:
        rows.append(_folded(policies, evidence))
    return remembered, tuple(sorted(rows, key=lambda row: (rank_of(row.name), row.name)))


def probes_to_count(
    remembered: NodeOccupancy,
    evidence: Evidence,
    *,
    budget_seconds: float,
    is_looked_at: bool,
    dumped: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    """Return the probes that count in place what nothing cheaper tells, within a time budget.

    A map is due when neither the accounting nor a metric tells its entries and the last count is
    old. Dear ones (conntrack without its metric) are due only while a person looks at the node;
    `dumped` are those whose dump in the same exec counts them anyway. At least one due probe is
    returned, however dear, so that every map gets its turn; and beside the budget one of the maps
    with slow recounts, so that they and the others don't keep each other waiting.
    """
    seconds: dict[str, float] = {}
    order: list[tuple[int, float, str]] = []
    slow: list[str] = []
    for kernel_map in _shown(evidence):
        pin, last = kernel_map.pin, remembered.counts.get(kernel_map.pin)
        if pin in dumped or not _is_due(kernel_map, remembered, evidence, is_looked_at):
            continue
        probe = POLICIES_PROBE if is_policy_pin(pin) else count_probe(pin)
        entries = last.entries * 2 if last else _most_entries(kernel_map, evidence)
        cost = _count_seconds(entries)
        if _is_slow(kernel_map) and not is_looked_at:
            slow += [probe] if cost <= _SLOW_COUNT_SECONDS else []
            continue
        seconds[probe] = seconds.get(probe, 0.0) + cost
        order.append((rank_of(pin), last.counted_at if last else 0.0, probe))
    chosen: list[str] = []
    for probe in dict.fromkeys(probe for _, _, probe in sorted(order)):
        budget_seconds -= seconds[probe]
        if budget_seconds < 0 and chosen:
            break
        chosen.append(probe)
    return (*chosen, *slow[:1])


def _count_seconds(entries: int) -> float:
    return _COUNT_SECONDS_PER_MAP + entries * _COUNT_SECONDS_PER_ENTRY


def _is_slow(kernel_map: KernelMap) -> bool:
    return family_of(kernel_map.pin).recount_seconds == SLOW_RECOUNT_SECONDS


def _slow_interval(kernel_map: KernelMap, last: Count | None) -> float:
    """Return when to count again: nodes that were counted together drift apart.

    Map ids differ from node to node, so that the sweeps share the counts out among them.
    """
    if last is None:
        return SLOW_RECOUNT_SECONDS
    spread = 0.75 + kernel_map.id % 101 / 200
    return max(SLOW_RECOUNT_SECONDS * spread, _SLOW_DUTY * _count_seconds(last.entries))


def _most_entries(kernel_map: KernelMap, evidence: Evidence) -> int:
    """Return how many entries a map that was never counted can hold at most.

    Where the memory grows with the entries it bounds them: none is smaller than 24 bytes.
    """
    if not is_accounted(kernel_map, evidence.kernel_release):
        return kernel_map.max_entries
    buckets = 0 if kernel_map.kind is MapKind.LPM_TRIE else 16 * kernel_map.max_entries
    return min(kernel_map.max_entries, max(0, (kernel_map.memory_bytes or 0) - buckets) // 24)


def _is_due(
    kernel_map: KernelMap, remembered: NodeOccupancy, evidence: Evidence, is_looked_at: bool
) -> bool:
    interval: float | None = family_of(kernel_map.pin).recount_seconds
    last = remembered.counts.get(kernel_map.pin)
    if is_looked_at and (interval is None or _is_slow(kernel_map)):
        interval = _DEAR_RECOUNT_SECONDS
    elif _is_slow(kernel_map):
        interval = _slow_interval(kernel_map, last)
    if interval is None or _is_told(kernel_map, remembered, evidence):
        return False
    return last is None or evidence.read_at - last.counted_at >= interval


def _shown(evidence: Evidence) -> list[KernelMap]:
    """Return the maps that can fill up and that the datapath reads."""
    maps = evidence.maps or ()
    live = live_pins((each.pin for each in maps), evidence.release)
    return [
        each
        for each in maps
        if each.kind in _SHOWN_KINDS
        and each.pin in live
        and each.pin not in IGNORED_PINS
        and each.max_entries > 1
    ]


def _is_told(kernel_map: KernelMap, remembered: NodeOccupancy, evidence: Evidence) -> bool:
    if _accounted(kernel_map, remembered, evidence) is not None:
        return True
    return _kernel_counted(kernel_map, evidence) is not None


def _accounted(kernel_map: KernelMap, remembered: NodeOccupancy, evidence: Evidence) -> int | None:
    calibration = remembered.calibration
    if kernel_map.pin in calibration.misfits:
        return None
    if not is_accounted(kernel_map, evidence.kernel_release):
        return None
    return accounted_entries(kernel_map, calibration)


@functools.lru_cache(maxsize=1024)
def _name_of(pin: str) -> CleanText:
    return clean(pin)


def _usage(kernel_map: KernelMap, remembered: NodeOccupancy, evidence: Evidence) -> MapUsage:
    """Choose the best count of one map: of this exec, accounted, metric, or an older count."""
    pin = kernel_map.pin
    family = family_of(pin)
    usage = MapUsage(
        name=_name_of(pin),
        kind=kernel_map.kind,
        max_entries=kernel_map.max_entries,
        agent_entries=_agent_entries(pin, kernel_map.max_entries, family, evidence),
        is_preallocated=kernel_map.is_preallocated,
        memory_bytes=kernel_map.memory_bytes,
        sync_failure=_sync_failure(pin, evidence.status),
    )
    last = remembered.counts.get(pin)
    accounted = _accounted(kernel_map, remembered, evidence)
    metric = _kernel_counted(kernel_map, evidence)
    if last is not None and last.counted_at == evidence.read_at:
        return _counted(usage, last, remembered)
    if accounted is not None:
        return replace(
            usage,
            entries=accounted,
            origin=CountOrigin.ACCOUNTING,
            counted_at=evidence.read_at,
        )
    max_age = family.counted_every_seconds
    is_fresher = last is not None and evidence.read_at - last.counted_at < max_age
    if metric is not None and not is_fresher:
        return replace(usage, entries=metric, origin=CountOrigin.METRIC, note=_metric_note(family))
    if last is not None:
        return _counted(usage, last, remembered)
    return replace(usage, note=_unknown_note(usage, kernel_map, evidence))


def _counted(usage: MapUsage, count: Count, remembered: NodeOccupancy) -> MapUsage:
    note = ""
    if usage.name in remembered.calibration.misfits:
        note = "counted in place: the kernel's memory accounting disagreed with a count"
    return replace(
        usage,
        entries=count.entries,
        origin=CountOrigin.COUNTED,
        counted_at=count.counted_at,
        note=CleanText(note),
    )


def _metric_note(family: MapFamily) -> CleanText:
    if family.counted_every_seconds:
        return CleanText(f"counted by the agent every {family.counted_every_seconds} s")
    return CleanText("counted by the agent at each garbage collection")


def _unknown_note(usage: MapUsage, kernel_map: KernelMap, evidence: Evidence) -> CleanText:
    if is_accounted(kernel_map, evidence.kernel_release):
        reason = "not counted yet: its memory tells once a count on this node has matched"
    elif usage.is_evicting or usage.is_preallocated:
        reason = "not counted: its memory is constant, so only a count in place tells"
    else:
        reason = "not counted: this kernel's memory accounting does not tell, count it in place"
    agent = usage.agent_entries
    if agent is not None and agent >= kernel_map.max_entries and not usage.is_evicting:
        reason += "; the agent's own count says full"
    return CleanText(reason)


def _metric_name(pin: str) -> str:
    """Return a map's label of `bpf_map_pressure`: its pin without `cilium_`."""
    return pin.removeprefix("cilium_")


def _pressure_entries(pin: str, max_entries: int, metrics: MetricSample | None) -> int | None:
    """Return pressure times size, both of this map.

    The capacity metric is no size of a map it does not name: its `default` is the commonest size.
    """
    if metrics is None:
        return None
    ratio = metrics.pressures.get(CleanText(_metric_name(pin)))
    if ratio is None or ratio < 0:
        return None
    return round(ratio * max_entries)


def _kernel_counted(kernel_map: KernelMap, evidence: Evidence) -> int | None:
    if not family_of(kernel_map.pin).is_kernel_counted(evidence.release):
        return None
    return _pressure_entries(kernel_map.pin, kernel_map.max_entries, evidence.metrics)


def _agent_entries(pin: str, max_entries: int, family: MapFamily, evidence: Evidence) -> int | None:
    if family.is_kernel_counted(evidence.release):
        return None
    return _pressure_entries(pin, max_entries, evidence.metrics)


def _sync_failure(pin: str, status: AgentStatus | None) -> CleanText:
    """Return the message of a failing `bpf-map-sync-<map>` controller (1.11 to 1.17)."""
    for controller in status.failing_controllers if status else ():
        if controller.synced_map == pin:
            return controller.message or CleanText("failing")
    return CleanText("")


def _folded(policies: list[MapUsage], evidence: Evidence) -> MapUsage:
    """Fold the policy maps of all endpoints into one row with the fullest one's numbers."""
    known = [usage for usage in policies if usage.entries is not None]
    fullest = max(known or policies, key=lambda usage: usage.entries or 0)
    note = fullest.note
    if known and len(known) < len(policies):
        note = CleanText(f"the fullest of {len(known)} counted of {len(policies)} maps")
    name = policy_row_name(str(usage.name) for usage in policies)
    failures = [usage.sync_failure for usage in policies if usage.sync_failure]
    return replace(
        fullest,
        name=CleanText(name),
        members=len(policies),
        note=note,
        memory_bytes=sum(usage.memory_bytes or 0 for usage in policies),
        agent_entries=_policy_agent_entries(fullest.max_entries, evidence.metrics),
        sync_failure=failures[0] if failures else CleanText(""),
    )


def _policy_agent_entries(max_entries: int, metrics: MetricSample | None) -> int | None:
    """Return the agent's highest policy pressure: one series an endpoint until 1.14, then one."""
    if metrics is None:
        return None
    ratios = [ratio for name, ratio in metrics.pressures.items() if name.startswith("policy_")]
    if not ratios:
        return None
    return round(max(ratios) * max_entries)


def _named_capacity(pin: str, metrics: MetricSample | None) -> int | None:
    return metrics.capacity(pin) if metrics else None


def _usages_without_kernel(evidence: Evidence) -> Iterable[MapUsage]:
    """Make rows from the agent's sizes and metrics, for a container without bpftool."""
    sizes = evidence.status.map_sizes if evidence.status else {}
    for family in CATALOGUE:
        for pin in sorted(live_pins(family.pins, evidence.release)):
            size = sizes.get(pin) or _named_capacity(pin, evidence.metrics)
            if not size:
                continue
            entries = _pressure_entries(pin, size, evidence.metrics)
            is_counted = family.is_kernel_counted(evidence.release)
            is_known = is_counted and entries is not None
            yield MapUsage(
                name=CleanText(pin),
                kind=family.kind,
                max_entries=size,
                entries=entries if is_known else None,
                origin=CountOrigin.METRIC if is_known else CountOrigin.NONE,
                agent_entries=None if is_counted else entries,
                sync_failure=_sync_failure(pin, evidence.status),
                note=_metric_note(family)
                if is_known
                else CleanText("not counted: bpftool could not list the kernel's maps"),
            )
