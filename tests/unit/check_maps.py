"""Maps of one node for the tests of checks: from a line, or from a real agent's outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.unit.checks_facts import NOW, known, node_facts
from tests.unit.cilium_fixtures import OUTPUTS
from tui.cilium.maps import parse_maps
from tui.cilium.metrics import metrics_between, parse_metrics
from tui.cilium.occupancy import Evidence, NodeOccupancy, occupancy
from tui.cilium.releases import parse_release
from tui.cilium.status import parse_status
from tui.model.agent import AgentMetrics, DropRate
from tui.model.maps import CountOrigin, MapKind, MapUsage
from tui.model.snapshot import NodeFacts
from tui.safety import clean

KERNEL = "6.18.5"
BACKENDS = "cilium_lb4_backends_v3"
SERVICES = "cilium_lb4_services_v2"
CONNTRACK = "cilium_ct4_global"


def a_map(name: str, entries: int | None, most: int = 64, **parts: Any) -> MapUsage:
    """Return a hash map counted in place."""
    origin = CountOrigin.NONE if entries is None else CountOrigin.COUNTED
    kind = parts.pop("kind", MapKind.HASH)
    usage = MapUsage(clean(name), kind, most, entries, origin, None if entries is None else NOW)
    return replace(usage, **parts)


def an_lru(name: str, entries: int | None, most: int = 100, **parts: Any) -> MapUsage:
    """Return an LRU map."""
    return a_map(name, entries, most, kind=MapKind.LRU_HASH, **parts)


def with_metrics(facts: NodeFacts, metrics: AgentMetrics) -> NodeFacts:
    """Return a node with what its metrics say."""
    return replace(facts, metrics=known(metrics, "cilium-dbg metrics list -o json"))


def a_drop(reason: str, per_second: float, total: int = 900) -> DropRate:
    """Return drops over ten seconds."""
    return DropRate(clean(reason), clean("egress"), int(per_second * 10), per_second, total)


def node_of_outputs(version: str, **parts: Any) -> NodeFacts:
    """Return a node with what ciltop makes of one agent's real outputs, in one sweep."""

    def read(name: str) -> bytes:
        path = OUTPUTS / version / name
        base = OUTPUTS / version.partition("-")[0] / name
        return (path if path.exists() else base).read_bytes()

    number = version.partition("-")[0]
    release = parse_release(number)
    status = parse_status(read("status.json"), release)
    sample = parse_metrics(read("metrics-list.json"))
    maps = parse_maps(read("bpftool-map-show-f.json"))
    evidence = Evidence(NOW, maps, {}, sample, status, release, KERNEL)
    _, usages = occupancy(NodeOccupancy(), evidence)
    facts = node_facts(number, KERNEL, state=status, maps=usages, **parts)
    return with_metrics(facts, metrics_between(None, sample, None))
