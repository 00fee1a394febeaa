"""Move the times by which others say what they saw to our own clock.

Log lines and Kubernetes' own times keep theirs: a person compares them with what kubectl shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from tui.model.cluster import ClusterFacts
from tui.model.host import HostFacts
from tui.model.maps import MapUsage
from tui.model.reading import Reading
from tui.model.snapshot import NodeFacts

T = TypeVar("T")

NODE_READINGS = (
    *("version", "status", "metrics", "maps", "services", "features", "config", "host"),
)
_CLUSTER_READINGS = tuple(
    one.name for one in fields(ClusterFacts) if isinstance(one.default, Reading)
)


def node_facts(facts: NodeFacts, shift: float, before: NodeFacts | None) -> NodeFacts:
    """Return the facts by our clock; readings that did not change are the objects of before."""
    moved = {name: _moved(getattr(facts, name), shift) for name in NODE_READINGS}
    if before is not None:
        for name, reading in moved.items():
            known = getattr(before, name)
            if _is_same(reading, known):
                moved[name] = known
    swept_at = None if facts.swept_at is None else facts.swept_at + shift
    parts: Mapping[str, Any] = moved
    return replace(facts, swept_at=swept_at, **parts)


def cluster_facts(facts: ClusterFacts, shift: float) -> ClusterFacts:
    """Return the facts by our clock."""
    if not shift:
        return facts
    parts: dict[str, Any] = {
        name: _moved(getattr(facts, name), shift) for name in _CLUSTER_READINGS
    }
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
    origin = replace(origin, observed_at=max(0.0, origin.observed_at + shift))
    return Reading(reading.state, _moved_value(reading.value, shift), reading.reason, origin)


def _moved_value(value: Any, shift: float) -> Any:
    """Return a value with the times that the collector's clock gave."""
    if isinstance(value, HostFacts):
        return replace(value, read_at={part: at + shift for part, at in value.read_at.items()})
    if isinstance(value, tuple) and value and isinstance(value[0], MapUsage):
        return tuple(
            usage
            if usage.counted_at is None
            else replace(usage, counted_at=max(0.0, usage.counted_at + shift))
            for usage in value
        )
    return value
