"""In which order, and how many at once, agents are restarted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tui.model.cluster import CiliumDaemonSet
from tui.model.names import NodeName
from tui.model.services import Service

DEFAULT_UNAVAILABLE = 1
"""What Kubernetes takes where a DaemonSet says nothing."""


def max_unavailable(daemonset: CiliumDaemonSet | None) -> int:
    """Return how many agents of a DaemonSet may be away at once, at least one.

    A percentage is of the desired number, rounded up, as the DaemonSet controller rounds it.
    """
    text = "" if daemonset is None else daemonset.max_unavailable.strip()
    if daemonset is not None and text.endswith("%") and text[:-1].isdecimal():
        return max(1, -(-daemonset.desired * int(text[:-1]) // 100))
    return max(1, int(text)) if text.isdecimal() and len(text) < 10 else DEFAULT_UNAVAILABLE


def plan_waves(
    nodes: Sequence[NodeName],
    *,
    wave_size: int,
    unavailable: int,
    services: Iterable[Service] = (),
) -> tuple[tuple[NodeName, ...], ...]:
    """Return the waves: one node first, then up to `wave_size`, in the order given.

    No wave holds all ready endpoints of a Service that has them on two nodes or more.

    Args:
        nodes: whose agents restart; a name that comes twice counts once.
        wave_size: nodes at once after the first.
        unavailable: the DaemonSet's maxUnavailable, which no wave exceeds.
        services: with the nodes of their ready endpoints.
    """
    left = list(dict.fromkeys(nodes))
    size = max(1, min(wave_size, unavailable))
    shared = _shared(left, services, size)
    waves: list[tuple[NodeName, ...]] = []
    while left:
        wave = _next_wave(left, size if waves else 1, shared)
        waves.append(tuple(wave))
        taken = set(wave)
        left = [node for node in left if node not in taken]
    return tuple(waves)


def _shared(
    nodes: Sequence[NodeName], services: Iterable[Service], size: int
) -> Mapping[NodeName, list[frozenset[str]]]:
    """Return, by node, the sets of nodes that hold all endpoints of a Service and fit a wave."""
    ours = set(nodes)
    sets = {
        names
        for one in services
        if 2 <= len(names := frozenset(one.endpoint_nodes)) <= size and ours.issuperset(names)
    }
    found: dict[NodeName, list[frozenset[str]]] = {}
    for names in sets:
        for name in names:
            found.setdefault(NodeName(name), []).append(names)
    return found


def _next_wave(
    left: Sequence[NodeName], size: int, shared: Mapping[NodeName, list[frozenset[str]]]
) -> list[NodeName]:
    wave: list[NodeName] = []
    chosen: set[str] = set()
    for node in left:
        together = chosen | {node}
        if any(names <= together for names in shared.get(node, ())):
            continue
        wave.append(node)
        chosen = together
        if len(wave) == size:
            break
    return wave
