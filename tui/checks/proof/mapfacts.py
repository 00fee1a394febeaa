"""What a node's maps, metrics and log say of one map together: does it refuse entries?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import TypeVar
from weakref import WeakKeyDictionary

from tui.checks.phrases import percent
from tui.checks.proof.bpffs import pinned
from tui.checks.proof.sources import (
    log_lines,
    metrics_command,
    of_running_agent,
    stated,
    status_command,
)
from tui.checks.view import NodeView
from tui.cilium.map_catalogue import family_of
from tui.model.findings import Evidence, FindingSeverity, ProofKind
from tui.model.logs import LogEntry
from tui.model.maps import CountOrigin, MapUsage

T = TypeVar("T")

NEARLY_FULL_RATIO = 0.9
RECENT_SECONDS = 3_600.0
"""A line that says "full" of a map nobody could count is believed for so long."""
_PIN = re.compile(r"cilium_[a-z0-9_]+")
_FULL_WORDS = (
    "the map is full",
    "key too big for map",
    "You can resize it with the flag",
    "argument list too long",
)
"""E2BIG in the words of 1.11 to 1.13, of 1.14 and later, and of the services map in all releases
(measured.md §1.7)."""
_SERVICES_WORDS = "Unable to update element for LB bpf map"
_POLICY_MEANINGS = frozenset({"M14", "M16", "M17", "M18"})
_CT_MEANINGS = frozenset({"M4", "M5", "M6", "M7"})
_FAMILY_OF_MEANING = {
    **dict.fromkeys(_POLICY_MEANINGS, "policy"),
    **dict.fromkeys(_CT_MEANINGS, "ct-tcp"),
    "M8": "nat",
    "M9": "nat",
    "M23": "nodes",
}


@dataclass(frozen=True, slots=True)
class MapFacts:
    """One map with what else is known of it."""

    usage: MapUsage
    logged: tuple[LogEntry, ...] = ()
    """Newest first: lines that say it is full, or belong to it."""
    failed_operations: int = 0
    """Updates that failed since the last sweep."""
    now: float = 0.0
    says_full: tuple[LogEntry, ...] = field(default=())
    """Those of `logged` that say it is full."""

    @property
    def key(self) -> str:
        """The catalogue's key of the map's family."""
        return family_of(self.usage.name).key

    @property
    def since(self) -> float | None:
        """When the first line said so."""
        times = [entry.line.time for entry in self.says_full if entry.line.time > 0]
        return min(times, default=None)

    @property
    def refusal(self) -> tuple[FindingSeverity, str] | None:
        """Return how sure it is that a hash map refuses entries now, and by what; else None.

        A map that is full by the kernel's count, or that the agent can't write, is ACTIVE however
        old its log lines are. Without the kernel's count an agent that counts more than the map
        can hold counts failed inserts too (1.11 to 1.17).
        """
        usage = self.usage
        if usage.is_evicting:
            return None
        if usage.is_full:
            return FindingSeverity.ACTIVE, f"full: {_numbers(usage)}"
        if usage.sync_failure:
            held = f", it holds {_numbers(usage)}" if usage.entries is not None else ""
            if not held and usage.agent_entries is not None and _is_over(usage):
                held = f", the agent counts {usage.agent_entries:,} for {usage.max_entries:,}"
            return FindingSeverity.ACTIVE, f"not written: its sync fails{held}"
        if usage.entries is None:
            return self._refusal_uncounted()
        if self.failed_operations and (usage.ratio or 0.0) >= NEARLY_FULL_RATIO:
            return FindingSeverity.ACTIVE, f"refusing updates: {_numbers(usage)}"
        return None

    def _refusal_uncounted(self) -> tuple[FindingSeverity, str] | None:
        usage, agent = self.usage, self.usage.agent_entries
        most = f"{usage.max_entries:,}"
        if agent is not None and agent > usage.max_entries:
            text = f"full: the agent counts {agent:,} for {most}, failed inserts included"
            return FindingSeverity.ACTIVE, f"{text}; the kernel's entries were not counted"
        newest = max((entry.last_time or entry.line.time for entry in self.says_full), default=None)
        is_full_by_agent = agent is not None and agent >= usage.max_entries
        if newest is not None:
            is_recent = self.now - newest <= RECENT_SECONDS
            is_sure = is_recent or is_full_by_agent or bool(self.failed_operations)
            severity = FindingSeverity.ACTIVE if is_sure else FindingSeverity.ARMED
            return severity, f"full, as the log says; its {most} entries were not counted"
        if self.failed_operations:
            return FindingSeverity.ACTIVE, "refusing updates; its entries were not counted"
        if is_full_by_agent:
            text = f"full by the agent's own count ({agent:,} of {most})"
            return FindingSeverity.ARMED, f"{text}; the kernel's entries were not counted"
        return None


_KEPT: WeakKeyDictionary[NodeView, tuple[MapFacts, ...]] = WeakKeyDictionary()
"""Several checks ask for the same node's maps within one judgement."""


def map_facts(view: NodeView) -> tuple[MapFacts, ...]:
    """Return all maps of a node, those that break Services when full first."""
    found = _KEPT.get(view)
    if found is None:
        found = _KEPT[view] = _map_facts(view)
    return found


def _map_facts(view: NodeView) -> tuple[MapFacts, ...]:
    metrics = view.facts.metrics.value
    failed = metrics.failed_map_operations if metrics is not None else {}
    logged = _logged(view)
    nothing: list[LogEntry] = []
    found = []
    for usage in view.facts.maps.value or ():
        lines = logged.get(str(usage.name), nothing)
        if family_of(usage.name).key == "policy":
            lines = logged.get("policy", nothing)
        elif not lines:
            lines = logged.get(family_of(usage.name).key, nothing)
        full = tuple(entry for entry in lines if says_full(entry))
        number = int(failed.get(str(usage.name), 0))
        found.append(MapFacts(usage, tuple(lines), number, view.now, full))
    return tuple(found)


def says_full(entry: LogEntry) -> bool:
    """Tell whether a line says that a hash map is full."""
    return entry.meaning in ("M14", "M17") or _has_full_words(_text(entry))


def _text(entry: LogEntry) -> str:
    return f"{entry.line.message} {entry.line.error}"


@lru_cache(maxsize=4096)
def _has_full_words(text: str) -> bool:
    return any(words in text for words in _FULL_WORDS)


def _logged(view: NodeView) -> Mapping[str, list[LogEntry]]:
    """Return explained lines by the map that they name, newest first; else by its family's key."""
    found: dict[str, list[LogEntry]] = {}
    for entry in of_running_agent(view):
        for name in _maps_named(entry):
            found.setdefault(name, []).append(entry)
    return MappingProxyType(found)


def _maps_named(entry: LogEntry) -> tuple[str, ...]:
    family = _FAMILY_OF_MEANING.get(entry.meaning)
    return (family,) if family is not None else _pins_in(_text(entry))


@lru_cache(maxsize=4096)
def _pins_in(text: str) -> tuple[str, ...]:
    if _SERVICES_WORDS in text:
        is_v6 = "service entry [" in text
        return (f"cilium_lb{6 if is_v6 else 4}_services_v2",)
    return tuple(dict.fromkeys(_PIN.findall(text)))


def count_evidence(view: NodeView, usage: MapUsage) -> Evidence:
    """Return the count of a map as evidence: the kernel's against the agent's and the wanted."""
    parts = [f"{usage.name}: {_numbers(usage)}"]
    if usage.ratio is not None:
        parts[0] += f" ({percent(usage.ratio)})"
    if usage.members > 1:
        parts.append(f"the fullest of {usage.members:,} maps")
    if usage.wanted_entries is not None:
        parts.append(f"{usage.wanted_entries:,} wanted")
    if usage.duplicate_entries is not None:
        parts.append(f"{usage.duplicate_entries:,} copies")
    if usage.agent_entries is not None:
        parts.append(f"the agent says {usage.agent_entries:,}")
    return view.fact(
        ", ".join(parts),
        _count_source(view, usage),
        _counted_at(view, usage),
        ProofKind.MAP,
        str(usage.name),
    )


def map_evidence(view: NodeView, facts: MapFacts) -> tuple[Evidence, ...]:
    """Return all that speaks of one map: count, controller, failed updates, log lines."""
    usage = facts.usage
    found = [count_evidence(view, usage)]
    if usage.sync_failure:
        text = f"controller bpf-map-sync-{usage.name} fails{_failures(view, usage)}: "
        text += str(usage.sync_failure)
        found.append(stated(view, view.facts.status, text, status_command(view)))
    if facts.failed_operations:
        text = f"{facts.failed_operations:,} updates of {usage.name} failed since the last sweep"
        metrics, name = view.facts.metrics, str(usage.name)
        found.append(stated(view, metrics, text, metrics_command(view), ProofKind.MAP, name))
    lines = facts.says_full or facts.logged
    return (*found, *log_lines(view, lines))


def _failures(view: NodeView, usage: MapUsage) -> str:
    status = view.facts.status.value
    for controller in status.failing_controllers if status is not None else ():
        if controller.synced_map == usage.name and controller.consecutive_failures:
            return f", {controller.consecutive_failures:,} times in a row"
    return ""


def _is_over(usage: MapUsage) -> bool:
    return (usage.agent_entries or 0) > usage.max_entries


def _numbers(usage: MapUsage) -> str:
    entries = "not counted" if usage.entries is None else f"{usage.entries:,}"
    return f"{entries} of {usage.max_entries:,}"


def _count_source(view: NodeView, usage: MapUsage) -> str:
    """Return the command that counts the map as a person would check it."""
    if usage.origin is CountOrigin.METRIC:
        return f"{view.binary} metrics list -p bpf_map_pressure -o json"
    if usage.origin is CountOrigin.COUNTED:
        return count_command(view, usage)
    return "bpftool -j -f map show"


def count_command(view: NodeView, usage: MapUsage) -> str:
    """Return what counts a map in place, to be run in the agent's container."""
    name = f"{usage.name[:-1]}ENDPOINT" if usage.name.endswith("*") else str(usage.name)
    # A dump is one line; a map with BTF prints each key once more, as a structure.
    count = f"bpftool -j map dump pinned {pinned(view, name)} | grep -o '.key.:\\[' | wc -l"
    return f'sh -c "{count}"'


def _counted_at(view: NodeView, usage: MapUsage) -> float | None:
    if usage.counted_at is not None:
        return usage.counted_at
    origin = view.facts.maps.origin
    return origin.observed_at if origin is not None else None
