"""The map of translated sockets: counted on every node, and never all at once."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.probe_shells import FIXTURES
from tui.cilium.maps import KernelMap, parse_maps
from tui.cilium.occupancy import Evidence, NodeOccupancy, occupancy, probes_to_count
from tui.cilium.releases import Release


def reverse_sk(max_entries: int = 262_144, map_id: int = 7) -> KernelMap:
    memory = max_entries * 70
    pin = "cilium_lb4_reverse_sk"
    return KernelMap(pin, "lru_hash", 0, 24, 8, max_entries, memory, map_id)


def slow_due(given: Evidence, remembered: NodeOccupancy, *, is_looked_at: bool = False) -> bool:
    budget = 99.0 if is_looked_at else 0.001
    asked = probes_to_count(remembered, given, budget_seconds=budget, is_looked_at=is_looked_at)
    return "count=cilium_lb4_reverse_sk" in asked


def test_the_map_of_translated_sockets_is_counted_on_every_node_every_ten_minutes() -> None:
    """No release has a metric of it; LRU, so that its memory does not tell either."""
    listed = parse_maps((FIXTURES / "1.19.4" / "bpftool-map-show-f.json").read_bytes())
    sized = [reverse_sk() if one.pin == "cilium_lb4_reverse_sk" else one for one in listed]
    given = Evidence(read_at=1_000.0, maps=tuple(sized), release=Release(1, 19, 4))
    asked = probes_to_count(NodeOccupancy(), given, budget_seconds=0.001, is_looked_at=False)
    assert asked[-1] == "count=cilium_lb4_reverse_sk"
    assert len(asked) == 2
    remembered, found = occupancy(
        NodeOccupancy(), replace(given, counts={"cilium_lb4_reverse_sk": 20_000})
    )
    usage = next(one for one in found if one.name == "cilium_lb4_reverse_sk")
    assert (usage.entries, usage.max_entries) == (20_000, 262_144)
    assert not slow_due(replace(given, read_at=1_440.0), remembered)
    assert slow_due(replace(given, read_at=1_760.0), remembered)
    assert slow_due(replace(given, read_at=1_301.0), remembered, is_looked_at=True)


def test_nodes_counted_together_drift_apart() -> None:
    due = []
    for map_id in range(101):
        given = Evidence(read_at=0.0, maps=(reverse_sk(map_id=map_id),))
        remembered, _ = occupancy(
            NodeOccupancy(), replace(given, counts={"cilium_lb4_reverse_sk": 5})
        )
        due.append(sum(not slow_due(replace(given, read_at=at), remembered) for at in range(900)))
    assert min(due) >= 450
    assert max(due) <= 750
    assert len(set(due)) > 50


def test_a_full_large_map_is_counted_less_often_and_a_huge_one_not_at_all() -> None:
    given = Evidence(read_at=0.0, maps=(reverse_sk(),))
    remembered, _ = occupancy(
        NodeOccupancy(), replace(given, counts={"cilium_lb4_reverse_sk": 262_144})
    )
    assert not slow_due(replace(given, read_at=1_200.0), remembered)
    assert slow_due(replace(given, read_at=2_500.0), remembered)
    huge = Evidence(read_at=0.0, maps=(reverse_sk(16_777_216),))
    assert not slow_due(huge, NodeOccupancy())
    assert slow_due(huge, NodeOccupancy(), is_looked_at=True)
