"""Take over the rows of a node's maps that nothing changed: most of them, at most sweeps.

Working out all rows takes more CPU than the exec that brought them. Between two counts, a row
follows from its map in the kernel's table and its pressure metric alone, so that only the maps in
which one of them changed are worked out again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from tui.cilium.map_catalogue import is_policy_pin
from tui.cilium.maps import KernelMap
from tui.cilium.metrics import CAPACITY, PRESSURE, Labels
from tui.cilium.occupancy import Evidence, NodeOccupancy, occupancy
from tui.model.maps import MapUsage

STEADY_SECONDS = 30.0
"""After so long all rows are worked out, and it is looked which maps need a count."""

_Pressures = Mapping[Labels, float]


@dataclass(slots=True)
class SteadyRows:
    """The last rows of one node, and all they followed from."""

    maps: tuple[KernelMap, ...] = ()
    pressures: _Pressures = field(default_factory=dict)
    context: tuple[object, ...] = ()
    made_at: float = float("-inf")
    read_at: float = 0.0
    usages: tuple[MapUsage, ...] = ()

    def begin(
        self, evidence: Evidence, usages: tuple[MapUsage, ...], *, is_looked_at: bool
    ) -> None:
        """Remember rows that were all worked out."""
        self.maps = evidence.maps or ()
        self.pressures = _pressures(evidence)
        self.context = (*_context(evidence), is_looked_at)
        self.read_at = evidence.read_at
        # A row that was counted now is told by cheaper means the next time.
        self.made_at = float("-inf") if evidence.counts else evidence.read_at
        self.usages = usages

    def renewed(
        self, remembered: NodeOccupancy, evidence: Evidence, *, is_looked_at: bool
    ) -> tuple[MapUsage, ...] | None:
        """Return the rows as read now; None where all have to be worked out."""
        is_old = evidence.read_at - self.made_at > STEADY_SECONDS
        if evidence.counts or is_old or not evidence.maps:
            return None
        if self.context != (*_context(evidence), is_looked_at):
            return None
        changed = self._changed_pins(evidence)
        if changed is None:
            return None
        usages = self._refreshed(evidence.read_at)
        if changed:
            subset = tuple(one for one in evidence.maps if one.pin in changed)
            _, rows = occupancy(remembered, replace(evidence, maps=subset))
            by_name = {row.name: row for row in rows}
            usages = tuple(by_name.get(usage.name, usage) for usage in usages)
        self.maps = evidence.maps
        self.pressures = _pressures(evidence)
        self.read_at = evidence.read_at
        return usages

    def _refreshed(self, read_at: float) -> tuple[MapUsage, ...]:
        """Return the rows with what was read last time, and is the same now, as read now."""
        before = self.read_at
        return tuple(
            replace(usage, counted_at=read_at) if usage.counted_at == before else usage
            for usage in self.usages
        )

    def _changed_pins(self, evidence: Evidence) -> set[str] | None:
        """Return the maps to work out again; None where maps came or went."""
        maps = evidence.maps or ()
        changed: set[str] = set()
        if maps is not self.maps:
            if len(maps) != len(self.maps):
                return None
            for before, one in zip(self.maps, maps, strict=True):
                if (before.pin, before.id) != (one.pin, one.id):
                    return None
                if before != one:
                    changed.add(one.pin)
        pressures = _pressures(evidence)
        if pressures != self.pressures:
            changed.update(_changed_names(self.pressures, pressures))
        if any(is_policy_pin(pin) or "_policy_" in pin for pin in changed):
            changed.update(one.pin for one in maps if is_policy_pin(one.pin))
        shown = {str(usage.name) for usage in self.usages}
        return {pin for pin in changed if pin in shown or is_policy_pin(pin)}


def _changed_names(before: _Pressures, now: _Pressures) -> Iterator[str]:
    for labels in before.keys() | now.keys():
        if before.get(labels) != now.get(labels):
            yield from (f"cilium_{text}" for name, text in labels if name == "map_name")


def _pressures(evidence: Evidence) -> _Pressures:
    return {} if evidence.metrics is None else evidence.metrics.values.get(PRESSURE, {})


def _context(evidence: Evidence) -> tuple[object, ...]:
    """Return what all rows follow from alike."""
    metrics, status = evidence.metrics, evidence.status
    return (
        None if metrics is None else metrics.values.get(CAPACITY),
        None if status is None else status.failing_controllers,
        None if status is None else status.map_sizes,
        evidence.release,
        evidence.kernel_release,
    )
