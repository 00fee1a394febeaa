"""Rows that are taken over are the rows that would have been worked out."""

from __future__ import annotations

from dataclasses import replace

from tui.cilium.maps import KernelMap
from tui.cilium.metrics import CAPACITY, PRESSURE, MetricSample
from tui.cilium.occupancy import Evidence, NodeOccupancy, occupancy
from tui.cilium.releases import Release
from tui.collect.steady_rows import STEADY_SECONDS, SteadyRows
from tui.model.maps import MapUsage
from tui.safety import clean

BACKENDS = KernelMap("cilium_lb4_backends_v3", "hash", 1, 4, 12, 1_000, 20_000, 1)
CT = KernelMap("cilium_ct4_global", "lru_hash", 0, 14, 56, 65_536, 9_000_000, 2)
POLICIES = tuple(
    KernelMap(f"cilium_policy_v2_{n:05}", "lpm_trie", 1, 16, 8, 16_384, 5_000, 10 + n)
    for n in range(3)
)
MAPS = (BACKENDS, CT, *POLICIES)


def sample(ct: float = 0.5, policy: float = 0.1) -> MetricSample:
    def labels(name: str) -> tuple[tuple[object, object], ...]:
        return ((clean("map_name"), clean(name)),)

    values = {
        PRESSURE: {labels("ct4_global"): ct, labels("policy_v2_*"): policy},
        CAPACITY: {((clean("map_group"), clean("default")),): 65_536.0},
    }
    return MetricSample(values)  # type: ignore[arg-type]  # names are clean text already


def evidence(at: float, maps: tuple[KernelMap, ...] = MAPS, **pressures: float) -> Evidence:
    return Evidence(
        at, maps, metrics=sample(**pressures), release=Release(1, 17, 5), kernel_release="6.18.44"
    )


def begun(at: float = 0.0) -> tuple[SteadyRows, NodeOccupancy]:
    counts = {BACKENDS.pin: 40, **{one.pin: 5 for one in POLICIES}}
    remembered, _ = occupancy(NodeOccupancy(), replace(evidence(at - 10.0), counts=counts))
    first = evidence(at)
    remembered, rows = occupancy(remembered, first)
    steady = SteadyRows()
    steady.begin(first, rows, is_looked_at=False)
    return steady, remembered


def worked_out(remembered: NodeOccupancy, given: Evidence) -> tuple[MapUsage, ...]:
    return occupancy(remembered, given)[1]


def test_nothing_changed_gives_the_same_rows_as_read_now() -> None:
    steady, remembered = begun()
    later = evidence(10.0)
    assert steady.renewed(remembered, later, is_looked_at=False) is not None
    again = evidence(20.0)
    rows = steady.renewed(remembered, again, is_looked_at=False)
    assert rows is not None
    counted = {row.name: row.entries for row in rows}
    assert counted == {row.name: row.entries for row in worked_out(remembered, again)}


def test_a_changed_pressure_and_a_changed_map_change_their_rows_only() -> None:
    steady, remembered = begun()
    grown = replace(BACKENDS, memory_bytes=24_000)
    for given in (
        evidence(10.0, ct=0.7),
        evidence(12.0, (grown, CT, *POLICIES), ct=0.7),
        evidence(14.0, (grown, CT, *POLICIES), ct=0.7, policy=0.4),
        evidence(16.0, (grown, CT, *POLICIES)),
    ):
        rows = steady.renewed(remembered, given, is_looked_at=False)
        assert rows is not None
        expected = worked_out(remembered, given)
        assert [(row.name, row.entries, row.agent_entries, row.origin) for row in rows] == [
            (row.name, row.entries, row.agent_entries, row.origin) for row in expected
        ]
        steady.usages = rows


def test_after_a_count_the_next_rows_are_worked_out_by_cheaper_means() -> None:
    steady, remembered = begun()
    counted = replace(evidence(10.0), counts={CT.pin: 5})
    steady.begin(counted, worked_out(remembered, counted), is_looked_at=False)
    assert steady.renewed(remembered, evidence(20.0), is_looked_at=False) is None


def test_all_rows_are_worked_out_when_it_matters() -> None:
    steady, remembered = begun()
    other = replace(BACKENDS, id=99)
    for given in (
        replace(evidence(10.0), counts={CT.pin: 5}),
        evidence(STEADY_SECONDS + 1.0),
        evidence(10.0, (other, CT, *POLICIES)),
        evidence(10.0, MAPS[:-1]),
        replace(evidence(10.0), release=Release(1, 19, 4)),
        replace(evidence(10.0), metrics=None),
        replace(evidence(10.0), maps=None),
    ):
        assert steady.renewed(remembered, given, is_looked_at=False) is None
    assert steady.renewed(remembered, evidence(10.0), is_looked_at=True) is None
    assert SteadyRows().renewed(remembered, evidence(10.0), is_looked_at=False) is None
