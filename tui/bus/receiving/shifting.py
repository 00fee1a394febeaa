"""Move the times by which others say what they saw to our own clock.

Log lines and Kubernetes' own times keep theirs: a person compares them with what kubectl shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any, TypeVar

from tui.bus.wire.messages import CLUSTER_READINGS, NODE_READINGS
from tui.model.cluster import ClusterFacts
from tui.model.host import HostFacts
from tui.model.maps import MapUsage
from tui.model.reading import Origin, Reading
from tui.model.snapshot import NodeFacts

T = TypeVar("T")

_READINGS = attrgetter(*NODE_READINGS)
_CHANGING = frozenset({"metrics", "maps"})


@dataclass(frozen=True, slots=True)
class Told:
    """What one message told of a node, by our clock."""

    facts: NodeFacts
    shift: float
    given: tuple[Reading[Any] | None, ...]
    """Its readings as they came; None for those that are never the same object again."""


def told(given: NodeFacts, shift: float, before: Told | None) -> Told:
    """Return the facts by our clock; readings that did not change are the objects of before."""
    readings = _READINGS(given)
    if before is None:
        moved = [_moved(reading, shift) for reading in readings] if shift else readings
    else:
        known = _READINGS(before.facts)
        is_steady = shift == before.shift
        moved = [
            old if is_steady and reading is came else _moved_after(reading, shift, old)
            for reading, came, old in zip(readings, before.given, known, strict=True)
        ]
    parts: Mapping[str, Any] = dict(zip(NODE_READINGS, moved, strict=True))
    facts = NodeFacts(
        given.node,
        given.agent,
        **parts,
        logs=given.logs,
        log_error=given.log_error,
        swept_at=None if given.swept_at is None else given.swept_at + shift,
        sweep_error=given.sweep_error,
    )
    kept = (
        None if name in _CHANGING else reading
        for name, reading in zip(NODE_READINGS, readings, strict=True)
    )
    return Told(facts, shift, tuple(kept))


def _moved_after(reading: Reading[Any], shift: float, known: Reading[Any]) -> Reading[Any]:
    moved = _moved(reading, shift)
    return known if _is_same(moved, known) else moved


def cluster_facts(facts: ClusterFacts, shift: float) -> ClusterFacts:
    """Return the facts by our clock."""
    if not shift:
        return facts
    parts: dict[str, Any] = {name: _moved(getattr(facts, name), shift) for name in CLUSTER_READINGS}
    return replace(facts, **parts)


def _is_same(reading: Reading[Any], known: Reading[Any]) -> bool:
    if reading.origin != known.origin:
        return False
    if reading.value is not known.value and reading.value != known.value:
        return False
    return reading.state is known.state and reading.reason == known.reason


def _moved(reading: Reading[T], shift: float) -> Reading[T]:
    origin = reading.origin
    if not shift or origin is None:
        return reading
    origin = Origin(
        origin.source,
        max(0.0, origin.observed_at + shift),
        origin.node_uid,
        origin.container_id,
        origin.collector_id,
    )
    return Reading(reading.state, _moved_value(reading.value, shift), reading.reason, origin)


def _moved_value(value: Any, shift: float) -> Any:
    """Return a value with the times that the collector's clock gave."""
    if isinstance(value, HostFacts):
        return replace(value, read_at={part: at + shift for part, at in value.read_at.items()})
    if isinstance(value, tuple) and value and isinstance(value[0], MapUsage):
        return tuple(
            usage if usage.counted_at is None else _moved_usage(usage, shift) for usage in value
        )
    return value


def _moved_usage(usage: MapUsage, shift: float) -> MapUsage:
    values = dict(zip(_USAGE_FIELDS, _usage_values(usage), strict=True))
    values["counted_at"] = max(0.0, values["counted_at"] + shift)
    return MapUsage(**values)


_USAGE_FIELDS = tuple(one.name for one in fields(MapUsage))
_usage_values = attrgetter(*_USAGE_FIELDS)
