"""The size to set for a map: its key by release, its limits, its price."""

from __future__ import annotations

import pytest

from tests.unit.check_maps import BACKENDS, CONNTRACK, SERVICES, a_map, an_lru
from tests.unit.checks_facts import cluster_facts, known, node_facts
from tui.checks.remedies.map_remedy import remedy_for
from tui.checks.remedies.mapsizes import memory_cost, own_key, resize_of, size_key
from tui.checks.view import ClusterView, NodeView
from tui.model.cluster import CiliumDaemonSet, CiliumNodeConfig
from tui.model.maps import MapUsage
from tui.safety import clean

NAT = "cilium_snat_v4_external"


def a_view(*maps: MapUsage, release: str = "1.17.5", **config: str) -> NodeView:
    held = {key.replace("_", "-"): value for key, value in config.items()}
    facts = node_facts(release, maps=maps, config=held)
    return NodeView(facts, ClusterView(cluster_facts(held), 0.0))


@pytest.mark.parametrize(
    ("name", "key", "helm"),
    [
        (BACKENDS, "bpf-lb-map-max", "bpf.lbMapMax"),
        (CONNTRACK, "bpf-ct-global-tcp-max", "bpf.ctTcpMax"),
        ("cilium_ct_any6_global", "bpf-ct-global-any-max", "bpf.ctAnyMax"),
        (NAT, "bpf-nat-global-max", "bpf.natMax"),
        ("cilium_lb4_reverse_sk", "bpf-sock-rev-map-max", ""),
        ("cilium_policy_v2_*", "bpf-policy-map-max", "bpf.policyMapMax"),
    ],
)
def test_each_map_has_its_key(name: str, key: str, helm: str) -> None:
    usage = a_map(name, 64)
    found = size_key(a_view(usage), usage)
    assert found is not None
    assert (found.key, found.helm) == (key, helm)


@pytest.mark.parametrize(("release", "is_there"), [("1.11.17", False), ("1.12.0", True)])
def test_keys_of_single_maps_came_with_1_12(release: str, is_there: bool) -> None:
    usage = a_map(SERVICES, 64)
    assert bool(own_key(a_view(usage, release=release), usage)) is is_there


def test_a_single_maps_key_that_is_set_is_the_one_to_change() -> None:
    usage = a_map(SERVICES, 64)
    view = a_view(usage, bpf_lb_service_map_max="64")
    found = resize_of(view, usage)
    assert found is not None
    assert found.by.key == "bpf-lb-service-map-max"
    assert found.helm == "extraConfig.bpf-lb-service-map-max=128"
    unset = size_key(a_view(usage, bpf_lb_service_map_max="0"), usage)
    assert unset is not None
    assert unset.key == "bpf-lb-map-max"


@pytest.mark.parametrize(
    ("entries", "most", "wanted", "size"),
    [(64, 64, 95, 256), (64, 64, None, 128), (64, 64, 10, 128), (65_536, 65_536, 70_000, 262_144)],
)
def test_twice_what_is_wanted_as_a_power_of_two(
    entries: int, most: int, wanted: int | None, size: int
) -> None:
    usage = a_map(BACKENDS, entries, most, wanted_entries=wanted)
    found = resize_of(a_view(usage), usage)
    assert found is not None
    assert found.size == size


def test_a_key_of_several_maps_does_for_all_but_not_for_those_that_evict() -> None:
    usage = a_map(BACKENDS, 64, wanted_entries=95)
    services = a_map(SERVICES, 64, wanted_entries=400)
    affinity = an_lru("cilium_lb4_affinity", 65_536, 65_536)
    found = resize_of(a_view(usage, services, affinity), usage)
    assert found is not None
    assert found.size == 1_024


def test_limits_hold() -> None:
    policy = a_map("cilium_policy_v2_*", 40_000, 40_000, wanted_entries=None)
    capped = resize_of(a_view(policy), policy)
    assert capped is not None
    assert (capped.size, capped.is_capped) == (65_536, True)
    at_limit = a_map("cilium_policy_v2_*", 65_536, 65_536)
    remedy = remedy_for(a_view(at_limit), at_limit)
    assert remedy.settings == ()
    assert "at its limit of 65,536" in remedy.now[0]


def test_nat_may_not_outgrow_conntrack() -> None:
    tables = (an_lru(CONNTRACK, 1, 40_000), an_lru("cilium_ct_any4_global", 1, 20_000))
    nat = an_lru(NAT, 59_000, 60_000)
    remedy = remedy_for(a_view(nat, *tables), nat)
    assert remedy.settings == ()
    assert "raise bpf-ct-global-tcp-max first" in remedy.now[0]
    small = an_lru(NAT, 29_000, 30_000)
    capped = resize_of(a_view(small, *tables), small)
    assert capped is not None
    assert capped.size == 60_000


def test_a_map_without_a_key_says_what_fills_it() -> None:
    usage = a_map("cilium_lxc", 64)
    remedy = remedy_for(a_view(usage), usage)
    assert remedy.needs_restart is False
    assert "no option of this release" in remedy.now[0]
    assert "local endpoint" in remedy.now[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (CONNTRACK, "All connection state of the node is lost"),
        (NAT, "Translations are lost"),
        (BACKENDS, "come back empty"),
        ("cilium_lb4_affinity", "balanced anew"),
        ("cilium_policy_v2_*", "regenerated"),
    ],
)
def test_what_a_resize_does_to_traffic(name: str, words: str) -> None:
    usage = a_map(name, 64)
    assert words in remedy_for(a_view(usage), usage).interrupts


def test_the_price_in_memory() -> None:
    whole = an_lru(CONNTRACK, 5, 1_024, memory_bytes=1 << 20, is_preallocated=True)
    assert memory_cost(whole, 4_096).startswith("about 4.0 MiB")
    grown = a_map(BACKENDS, 64, 64, memory_bytes=1_024 + 64 * 72, is_preallocated=False)
    assert memory_cost(grown, 256).startswith("up to 22.0 KiB")
    assert memory_cost(a_map(BACKENDS, 64), 256) == ""


def a_node_config(**values: str) -> CiliumNodeConfig:
    held = {key.replace("_", "-"): clean(value) for key, value in values.items()}
    return CiliumNodeConfig(clean("canary"), clean("kube-system"), values=held)


def test_a_node_config_that_wins_is_where_to_write() -> None:
    usage = a_map(BACKENDS, 64, wanted_entries=95)
    facts = node_facts("1.17.5", maps=(usage,))
    cluster = cluster_facts(
        {"bpf-lb-map-max": "65536"}, node_configs=known((a_node_config(bpf_lb_map_max="64"),))
    )
    remedy = remedy_for(NodeView(facts, ClusterView(cluster, 0.0)), usage)
    assert "in CiliumNodeConfig canary (now 64), which wins over" in remedy.now[0]
    assert remedy.commands[0].startswith("kubectl -n kube-system patch ciliumnodeconfig canary")
    assert '{"spec":{"defaults":{"bpf-lb-map-max":"256"}}}' in remedy.commands[0]


def test_before_1_13_a_node_config_has_no_effect() -> None:
    usage = a_map(BACKENDS, 64, wanted_entries=95)
    facts = node_facts("1.12.9", maps=(usage,))
    daemonset = CiliumDaemonSet(
        clean("cilium"), clean("kube-system"), image=clean("quay.io/cilium/cilium:v1.12.9")
    )
    cluster = cluster_facts(
        {"bpf-lb-map-max": "65536"},
        node_configs=known((a_node_config(bpf_lb_map_max="64"),)),
        daemonsets=known((daemonset,)),
    )
    remedy = remedy_for(NodeView(facts, ClusterView(cluster, 0.0)), usage)
    assert "ConfigMap cilium-config already says bpf-lb-map-max=65536" in remedy.now[0]


def test_flags_of_the_daemonset_are_changed_there() -> None:
    usage = a_map(BACKENDS, 64, wanted_entries=95)
    facts = node_facts("1.17.5", maps=(usage,))
    daemonset = CiliumDaemonSet(
        clean("cilium"),
        clean("kube-system"),
        image=clean("quay.io/cilium/cilium:v1.17.5"),
        args=(clean("cilium-agent"), clean("--bpf-lb-map-max=64")),
    )
    cluster = cluster_facts({"bpf-lb-map-max": "65536"}, daemonsets=known((daemonset,)))
    remedy = remedy_for(NodeView(facts, ClusterView(cluster, 0.0)), usage)
    assert "DaemonSet cilium, arguments" in remedy.now[0]
    assert remedy.commands[0] == "kubectl -n kube-system edit daemonset cilium"
