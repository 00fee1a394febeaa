"""Occupancy from what real agents and kernels printed, and from calibrations that can't fit."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace

import msgspec
import pytest

from tests.unit.probe_shells import FIXTURES
from tui.cilium.accounting import Calibration, accounted_entries, calibrated
from tui.cilium.map_catalogue import (
    CATALOGUE,
    family_of,
    is_policy_pin,
    live_pins,
    policy_row_name,
    rank_of,
)
from tui.cilium.maps import KernelMap, parse_maps
from tui.cilium.metrics import MetricSample, parse_metrics
from tui.cilium.occupancy import Evidence, NodeOccupancy, occupancy, probes_to_count
from tui.cilium.releases import Release, parse_release
from tui.cilium.status import parse_status
from tui.model.maps import CountOrigin, MapKind, MapUsage

MODERN = "6.18.44"


@functools.cache
def evidence(version: str) -> Evidence:
    folder = FIXTURES / version
    base = FIXTURES / version.split("-", maxsplit=1)[0]

    def read(name: str) -> bytes:
        path = folder / name
        return (path if path.exists() else base / name).read_bytes()

    release = parse_release(version)
    return Evidence(
        1_000.0,
        parse_maps(read("bpftool-map-show-f.json")),
        {},
        parse_metrics(read("metrics-list.json")),
        parse_status(read("status.json"), release),
        release,
        MODERN,
    )


def rows(
    given: Evidence, counts: Mapping[str, int] | None = None, before: NodeOccupancy | None = None
) -> tuple[NodeOccupancy, dict[str, MapUsage]]:
    given = replace(given, counts=counts or {})
    remembered, usages = occupancy(before or NodeOccupancy(), given)
    return remembered, {usage.name: usage for usage in usages}


def a_map(pin: str, entries: int, most: int = 64, kind: str = "hash") -> KernelMap:
    """A map as a 6.18 kernel accounts it."""
    if kind == "lpm_trie":
        return KernelMap(pin, kind, 1, 24, 12, most, entries * 56, 7)
    buckets = 16 * (1 << max(0, most - 1).bit_length())
    return KernelMap(pin, kind, 1, 4, 8, most, 896 + buckets + entries * 72, 7)


def a_sample(pressures: Mapping[str, float], capacities: Mapping[str, int]) -> MetricSample:
    series = [
        {"name": "cilium_bpf_map_pressure", "labels": {"map_name": name}, "value": value}
        for name, value in pressures.items()
    ] + [
        {"name": "cilium_bpf_map_capacity", "labels": {"map_group": name}, "value": value}
        for name, value in capacities.items()
    ]
    return parse_metrics(msgspec.json.encode(series))


def test_the_full_maps_of_a_real_incident_are_full() -> None:
    """1.11.7: the agent says 36 of 64 services and 82 of 64 backends; the kernel 64 and 64."""
    _, found = rows(evidence("1.11.7-k8s"), {"cilium_lb4_reverse_nat": 16})
    services, backends = found["cilium_lb4_services_v2"], found["cilium_lb4_backends_v2"]
    assert (services.entries, services.agent_entries) == (64, 36)
    assert (backends.entries, backends.agent_entries) == (64, 82)
    assert services.is_full
    assert backends.is_full
    assert services.origin is CountOrigin.ACCOUNTING
    assert services.sync_failure == "20 map sync errors"
    assert backends.sync_failure == "18 map sync errors"


def test_the_agents_own_count_is_never_the_kernels() -> None:
    for version in ("1.11.7-full", "1.11.7-k8s", "1.17.5"):
        _, found = rows(evidence(version))
        assert any(row.agent_entries for row in found.values())
        for row in found.values():
            assert row.entries is None, row.name
            assert row.origin is CountOrigin.NONE
            assert row.ratio is None
            assert row.note


def test_1_18_and_later_count_load_balancing_maps_in_the_kernel() -> None:
    _, found = rows(evidence("1.19.4-full"))
    services = found["cilium_lb4_services_v2"]
    assert (services.entries, services.max_entries, services.is_full) == (64, 64, True)
    assert services.origin is CountOrigin.METRIC
    assert services.agent_entries is None
    assert "300 s" in services.note
    assert found["cilium_lb4_backends_v3"].entries == 58
    assert found["cilium_ct4_global"].entries == 6
    # The ipcache metric is the agent's cache in every release.
    ipcache = found["cilium_ipcache_v2"]
    assert (ipcache.entries, ipcache.agent_entries) == (None, 5)
    # No series is not zero: the agent may not have counted yet.
    assert found["cilium_snat_v4_external"].entries is None


@pytest.mark.parametrize(
    ("name", "release", "is_kernel"),
    [
        ("snat_v4_external", (1, 14), False),
        ("snat_v4_external", (1, 15), True),
        ("ct4_global", (1, 15), False),
        ("ct4_global", (1, 16), True),
        ("ct_any6_global", (1, 16), True),
        ("lb4_services_v2", (1, 17), False),
        ("lb6_services_v2", (1, 18), True),
        ("lb4_source_range", (1, 19), False),
        ("lxc", (1, 19), False),
    ],
)
def test_metrics_are_trusted_by_release(
    name: str, release: tuple[int, int], is_kernel: bool
) -> None:
    pin = f"cilium_{name}"
    kernel_map = KernelMap(pin, "lru_hash", 0, 4, 8, 65_536, 1, 7)
    given = Evidence(
        5.0,
        (kernel_map,),
        metrics=a_sample({name: 0.25}, {"default": 1_000}),
        release=Release(*release),
        kernel_release=MODERN,
    )
    _, found = rows(given)
    # `default` is the size of the maps that the capacity metric does not name, not of this one.
    wanted = (16_384, None) if is_kernel else (None, 16_384)
    assert (found[pin].entries, found[pin].agent_entries) == wanted


def test_a_full_map_by_the_agents_count_is_noted_but_stays_unknown() -> None:
    _, found = rows(evidence("1.11.7-full"))
    backends = found["cilium_lb4_backends_v2"]
    assert backends.entries is None
    assert "the agent's own count says full" in backends.note
    assert "says full" not in found["cilium_lb4_services_v2"].note


def test_lru_maps_stand_apart() -> None:
    _, found = rows(evidence("1.17.5"), {"cilium_ct4_global": 65_536})
    conntrack = found["cilium_ct4_global"]
    assert conntrack.kind is MapKind.LRU_HASH
    assert conntrack.is_evicting
    assert not conntrack.is_full
    assert found["cilium_lb4_services_v2"].kind is MapKind.HASH
    arrays = {name for name in found if name.startswith("cilium_call") or "events" in name}
    assert arrays == set()


def test_policy_maps_are_one_row_with_the_fullest() -> None:
    given = evidence("1.19.4")
    counts = {"cilium_policy_v2_00743": 3, "cilium_policy_v2_00864": 9}
    before = NodeOccupancy(Calibration())
    given = replace(
        given,
        kernel_release="5.10.0",
        metrics=a_sample({"policy_v2_*": 0.5}, {"endpoint_policy": 16_384, "default": 65_536}),
    )
    _, found = rows(given, counts, before)
    row = found["cilium_policy_v2_*"]
    assert (row.entries, row.members, row.max_entries) == (9, 3, 16_384)
    assert row.agent_entries == 8_192
    assert "2 counted of 3" in row.note
    assert not any(is_policy_pin(name) for name in found)


def test_left_over_maps_of_an_older_release_are_not_shown() -> None:
    pins = ["cilium_lb4_backends_v2", "cilium_lb4_backends_v3", "cilium_lb6_backends_v2"]
    policies = ["cilium_policy_00001", "cilium_policy_v2_00001"]
    assert live_pins(pins) == {pins[1], pins[2]}
    assert live_pins(pins, Release(1, 12)) == {pins[0], pins[2]}
    assert live_pins(pins, Release(1, 16)) == {pins[1], pins[2]}
    assert live_pins(policies) == {policies[1]}
    assert policy_row_name(policies[:1]) == "cilium_policy_*"
    assert policy_row_name([]) == "cilium_policy_*"


def test_maps_that_break_services_come_first() -> None:
    _, usages = occupancy(NodeOccupancy(), evidence("1.19.4"))
    assert [usage.name for usage in usages][:3] == [
        "cilium_lb4_services_v2",
        "cilium_lb4_backends_v3",
        "cilium_lb4_reverse_nat",
    ]
    assert rank_of("cilium_policy_v2_*") == rank_of("cilium_policy_00001")
    assert rank_of("cilium_new_in_2.0") == len(CATALOGUE)
    assert family_of("cilium_policystats").key == "policy-stats"


def test_a_map_nobody_knows_is_shown_when_it_can_fill() -> None:
    maps = (a_map("cilium_new_hash", 5), replace(a_map("cilium_new_array", 0), type="array"))
    _, found = rows(Evidence(5.0, maps, kernel_release=MODERN), {"cilium_new_hash": 5})
    assert list(found) == ["cilium_new_hash"]


def test_a_count_is_remembered_until_the_map_is_recreated() -> None:
    kernel_map = replace(a_map("cilium_lb4_services_v2", 0), flags=0)
    given = Evidence(10.0, (kernel_map,), kernel_release=MODERN)
    remembered, found = rows(given, {"cilium_lb4_services_v2": 33})
    later = replace(given, read_at=50.0)
    remembered, found = rows(later, before=remembered)
    assert (found["cilium_lb4_services_v2"].entries) == 33
    assert found["cilium_lb4_services_v2"].counted_at == 10.0
    recreated = replace(later, maps=(replace(kernel_map, id=8),))
    remembered, found = rows(recreated, before=remembered)
    assert found["cilium_lb4_services_v2"].entries is None
    assert remembered.counts == {}


def test_accounting_is_used_only_after_a_matching_count() -> None:
    maps = (a_map("cilium_lb4_services_v2", 40), a_map("cilium_lxc", 3))
    given = Evidence(10.0, maps, kernel_release=MODERN)
    remembered, found = rows(given)
    assert found["cilium_lxc"].entries is None
    assert "once a count on this node has matched" in found["cilium_lxc"].note
    # A count of nothing proves no entry's size.
    remembered, _ = rows(replace(given, maps=(a_map("cilium_lxc", 0),)), {"cilium_lxc": 0})
    assert remembered.calibration.hash_bytes is None
    later = replace(given, read_at=20.0)
    remembered, found = rows(later, {"cilium_lb4_services_v2": 40}, remembered)
    assert (found["cilium_lxc"].entries, found["cilium_lxc"].origin) == (3, CountOrigin.ACCOUNTING)
    assert found["cilium_lb4_services_v2"].origin is CountOrigin.COUNTED


def test_accounting_that_disagrees_with_a_count_is_given_up_for_that_map() -> None:
    good, bad = a_map("cilium_lxc", 3), a_map("cilium_lb4_services_v2", 40)
    given = Evidence(10.0, (good, bad), kernel_release=MODERN)
    remembered, _ = rows(given, {"cilium_lxc": 3})
    remembered, found = rows(given, {"cilium_lb4_services_v2": 64}, remembered)
    services = found["cilium_lb4_services_v2"]
    assert (services.entries, services.origin) == (64, CountOrigin.COUNTED)
    assert "disagreed with a count" in services.note
    later = replace(given, read_at=20.0)
    remembered, found = rows(later, before=remembered)
    assert found["cilium_lb4_services_v2"].counted_at == 10.0
    assert found["cilium_lxc"].origin is CountOrigin.ACCOUNTING
    # It is counted again when due, and believed again when a count agrees.
    due = probes_to_count(
        remembered, replace(later, read_at=80.0), budget_seconds=1, is_looked_at=False
    )
    assert due == ("count=cilium_lb4_services_v2",)
    remembered, found = rows(later, {"cilium_lb4_services_v2": 41}, remembered)
    assert remembered.calibration.misfits == frozenset()


def solve(counts: Mapping[str, int], maps: tuple[KernelMap, ...]) -> Calibration:
    return calibrated(Calibration(), maps, counts, MODERN)


def test_other_struct_sizes_need_three_counts_that_agree() -> None:
    counts = {"a": 5, "b": 17, "c": 60}
    maps = tuple(
        replace(a_map(pin, 0), memory_bytes=704 + 1024 + n * (48 + 16)) for pin, n in counts.items()
    )
    assert solve(counts, maps).hash_bytes == (704, 48)
    assert solve({"a": 5, "b": 17}, maps).hash_bytes is None
    assert solve({**counts, "c": 59}, maps).hash_bytes is None
    assert accounted_entries(maps[2], solve(counts, maps)) == 60


def hashes(fixed: int, element: int, counts: Mapping[str, int]) -> tuple[KernelMap, ...]:
    """Maps as a kernel with these struct sizes accounts them."""
    return tuple(
        replace(a_map(pin, 0), memory_bytes=fixed + 1024 + n * (element + 16))
        for pin, n in counts.items()
    )


@pytest.mark.parametrize("cpus", [1, 4, 64, 240, 512])
def test_each_cpu_adds_to_a_hash_until_6_14(cpus: int) -> None:
    """htab_map_mem_usage of 6.4 to 6.14: sizeof(int) * num_possible_cpus() * 8."""
    counts = {"cilium_lxc": 0, "cilium_lb4_services_v2": 37}
    maps = hashes(832 + 32 * cpus, 56, counts)
    found = calibrated(Calibration(), maps, counts, "6.8.0-45-generic")
    assert found.hash_bytes == (832 + 32 * cpus, 56)
    assert accounted_entries(maps[1], found) == 37


def test_a_count_that_lost_an_entry_proves_no_size() -> None:
    """8 entries counted as 7: (8 * 56) / 7 is the whole number 64."""
    maps = hashes(2880, 56, {"a": 0, "b": 0, "c": 8})
    assert solve({"a": 0, "b": 0, "c": 7}, maps).hash_bytes is None
    assert solve({"a": 0, "b": 0, "c": 8}, maps).hash_bytes == (2880, 56)


def test_unknown_node_sizes_of_tries_need_two_counts() -> None:
    counts = {"a": 5, "b": 17}
    maps = tuple(
        replace(a_map(pin, n, kind="lpm_trie"), memory_bytes=n * (48 + 32))
        for pin, n in counts.items()
    )
    assert solve({"a": 5}, maps).lpm_node_bytes is None
    assert solve(counts, maps).lpm_node_bytes == 48
    with_rcu = (replace(a_map("a", 5, kind="lpm_trie"), memory_bytes=5 * (40 + 32)),)
    assert solve({"a": 5}, with_rcu).lpm_node_bytes == 40


@pytest.mark.parametrize("memory", [0, 895, 896 + 1024 + 71, 896 + 1024 + 65 * 72, -72])
def test_memory_that_can_be_no_count_is_unknown(memory: int) -> None:
    kernel_map = replace(a_map("cilium_lxc", 0), memory_bytes=memory)
    assert accounted_entries(kernel_map, Calibration((896, 56), 24)) is None


@pytest.mark.parametrize("release", ["5.4.0-90-generic", "6.3.9", "", "garbage", "6"])
def test_kernels_before_6_4_are_only_counted(release: str) -> None:
    given = Evidence(10.0, (a_map("cilium_lxc", 3),), kernel_release=release)
    remembered, found = rows(given, {"cilium_lxc": 3})
    assert remembered.calibration == Calibration()
    assert found["cilium_lxc"].origin is CountOrigin.COUNTED


def test_what_needs_a_count_is_asked_within_the_budget() -> None:
    given = evidence("1.17.5")
    asked = probes_to_count(NodeOccupancy(), given, budget_seconds=1.0, is_looked_at=False)
    assert asked[:2] == ("count=cilium_lb4_services_v2", "count=cilium_lb4_backends_v3")
    assert not any("ct" in probe.split("_") or "ct4" in probe for probe in asked)
    everything = probes_to_count(NodeOccupancy(), given, budget_seconds=99, is_looked_at=True)
    assert "count=cilium_lb4_reverse_sk" in everything
    assert "policies" in everything
    assert not any("policy" in probe for probe in everything)
    dumped = frozenset({"cilium_lb4_services_v2", "cilium_lb4_backends_v3"})
    rest = probes_to_count(
        NodeOccupancy(), given, budget_seconds=99, is_looked_at=True, dumped=dumped
    )
    assert set(rest) == set(everything) - {f"count={pin}" for pin in dumped}
    assert len(probes_to_count(NodeOccupancy(), given, budget_seconds=0, is_looked_at=True)) == 1


def test_what_is_told_is_not_counted_again() -> None:
    given = evidence("1.19.4-full")
    remembered, _ = rows(given, {"cilium_ipcache_v2": 5, "cilium_node_map_v2": 0})
    asked = probes_to_count(remembered, given, budget_seconds=99, is_looked_at=True)
    assert not any("services" in probe or "backends" in probe for probe in asked)
    assert "policies" not in asked
    assert "count=cilium_ct4_global" not in asked
    assert "count=cilium_lb4_affinity" in asked


def test_without_bpftool_sizes_and_metrics_are_all_there_is() -> None:
    given = replace(evidence("1.19.4-full"), maps=None)
    _, found = rows(given)
    services = found["cilium_lb4_services_v2"]
    assert (services.entries, services.max_entries) == (64, 64)
    assert services.origin is CountOrigin.METRIC
    backends = rows(replace(evidence("1.11.7-full"), maps=None))[1]["cilium_lb4_backends_v2"]
    assert (backends.entries, backends.agent_entries, backends.max_entries) == (None, 74, 64)
    assert "bpftool" in backends.note
    assert backends.sync_failure == "10 map sync errors"
    # The status does not list it, the capacity metric does.
    assert found["cilium_node_map_v2"].max_entries == 16_384
    assert rows(Evidence(1.0))[1] == {}
