"""The chart's default ConfigMaps against what agents of each release print: nothing is pending."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.chart_configs import BASE, chart, printed
from tests.unit.checks_facts import cluster_facts, known, node_facts
from tui.cilium.config import parse_config
from tui.cilium.nextstart import next_start
from tui.model.cluster import CiliumDaemonSet
from tui.model.maps import MapKind, MapUsage
from tui.model.nextstart import NextStart
from tui.safety import clean


def started(
    version: str, values: dict[str, str], maps: tuple[MapUsage, ...] = (), **changed: object
) -> NextStart:
    words = ("cilium-agent", "--config-dir=/tmp/cilium/config-map")
    daemonset = CiliumDaemonSet(
        clean("cilium"),
        clean("kube-system"),
        args=tuple(map(clean, words)),
        has_config_builder=True,
    )
    cluster = cluster_facts(values, daemonsets=known((daemonset,)), node_configs=known(()))
    facts = node_facts(version)
    config = parse_config(printed(version, **changed))
    return next_start(facts.node, facts.agent, config, maps, cluster)


@pytest.mark.parametrize("version", BASE)
def test_a_default_chart_leaves_nothing_pending(version: str) -> None:
    found = started(version, chart(version))
    assert [(one.key, one.running, one.next) for one in found.pending] == []
    assert found.blockers == ()


@pytest.mark.parametrize("version", ["1.14.16", "1.16.6", "1.17.5", "1.18.2", "1.19.4"])
def test_hostns_only_without_socket_lb_is_not_pending(version: str) -> None:
    """Such an agent switches it off by itself: `only takes effect when bpf-lb-sock is true`."""
    off = {"kube-proxy-replacement": "false", "bpf-lb-sock-hostns-only": "true"}
    found = started(
        version, chart(version) | off, KubeProxyReplacement="false", EnableSocketLB=False
    )
    assert [one.key for one in found.pending] == []
    assert any("bpf-lb-sock-hostns-only" in one for one in found.unknown)


def test_hostns_only_is_pending_where_the_agent_keeps_it() -> None:
    asked = chart("1.17.5") | {"bpf-lb-sock-hostns-only": "true"}
    assert [one.key for one in started("1.17.5", asked).pending] == ["bpf-lb-sock-hostns-only"]


@pytest.mark.parametrize("version", BASE)
def test_a_family_that_is_off_is_not_masqueraded_whatever_the_key_says(version: str) -> None:
    asked = chart(version) | {"enable-ipv4": "false", "enable-ipv6": "true"}
    found = started(version, asked, EnableIPv4=False, EnableIPv6=True, EnableIPv4Masquerade=False)
    assert [one.key for one in found.pending] == []


def test_masquerading_that_was_switched_is_pending() -> None:
    asked = chart("1.17.5") | {"enable-ipv4-masquerade": "false"}
    assert [one.key for one in started("1.17.5", asked).pending] == ["enable-ipv4-masquerade"]


@pytest.mark.parametrize(
    ("version", "is_pending"),
    [("1.12.10", False), ("1.14.16", False), ("1.15.7", True), ("1.17.5", True)],
)
def test_old_agents_fall_back_from_masquerading_in_bpf(version: str, is_pending: bool) -> None:
    """`Falling back to iptables-based masquerading` became an error later."""
    found = started(version, chart(version) | {"enable-bpf-masquerade": "true"})
    assert [one.key for one in found.pending] == ["enable-bpf-masquerade"] * is_pending
    back = started(
        version, chart(version) | {"enable-bpf-masquerade": "false"}, EnableBPFMasquerade=True
    )
    assert [one.key for one in back.pending] == ["enable-bpf-masquerade"]


@pytest.mark.parametrize(
    ("version", "changed", "stops"),
    [
        ("1.14.16", {}, False),
        ("1.16.6", {}, True),
        ("1.17.5", {}, True),
        ("1.18.2", {}, False),
        ("1.17.5", {"enable-node-port": "true"}, False),
        ("1.17.5", {"enable-envoy-config": "true"}, False),
        ("1.17.5", {"enable-bpf-masquerade": "false"}, False),
        ("1.17.5", {"enable-ipv4-masquerade": "false"}, False),
        ("1.17.5", {"kube-proxy-replacement": "true"}, False),
    ],
)
def test_masquerading_in_bpf_stops_an_agent_that_loses_node_port(
    version: str, changed: dict[str, str], stops: bool
) -> None:
    asked = chart(version) | {"enable-bpf-masquerade": "true", "kube-proxy-replacement": "false"}
    found = started(version, asked | changed, EnableBPFMasquerade=True)
    assert bool(found.blockers) is stops
    assert all("BPF masquerade requires NodePort" in one for one in found.blockers)


def tracking(tcp: int, other: int, nat: int) -> tuple[MapUsage, ...]:
    sizes = {"cilium_ct4_global": tcp, "cilium_ct_any4_global": other}
    sizes["cilium_snat_v4_external"] = nat
    return tuple(MapUsage(clean(name), MapKind.LRU_HASH, size) for name, size in sizes.items())


@pytest.mark.parametrize(("nat", "stops"), [("262144", True), ("196608", False), ("524288", False)])
def test_a_nat_map_larger_than_conntrack_stops_the_nodes_with_little_memory(
    nat: str, stops: bool
) -> None:
    """Conntrack is sized by each node's memory, an explicit key is the same on all."""
    small = tracking(131_072, 65_536, 131_072)
    found = started(
        "1.17.5",
        chart("1.17.5") | {"bpf-nat-global-max": nat},
        small,
        CTMapEntriesGlobalTCP=131_072,
        CTMapEntriesGlobalAny=65_536,
        NATMapEntriesGlobal=131_072,
    )
    assert bool(found.blockers) is stops
    assert all("must not exceed maximum CT table size 196608" in one for one in found.blockers)
    assert found.maps == () or nat != "524288"
    assert [one.key for one in found.pending] == ["bpf-nat-global-max"] * (nat != "524288")


_CLOUDS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "gke": (
        {"routing-mode": "native", "ipam": "kubernetes", "enable-local-node-route": "false"},
        {"RoutingMode": "native", "IPAM": "kubernetes", "EnableLocalNodeRoute": True},
    ),
    "eks": (
        {"ipam": "eni", "eni-tags": "{}", "ec2-api-endpoint": "", "routing-mode": "native"},
        {"IPAM": "eni", "RoutingMode": "native", "EnableEndpointRoutes": True},
    ),
    "aws-cni": (
        {"cni-chaining-mode": "aws-cni", "enable-endpoint-health-checking": "false"},
        {"EnableEndpointHealthChecking": False, "EnableHostLegacyRouting": True},
    ),
    "dual-stack": (
        {"enable-ipv6": "true", "cluster-pool-ipv6-cidr": "fd00::/104"},
        {"EnableIPv6": True, "EnableIPv6Masquerade": True},
    ),
    "kube-proxy": (
        {"kube-proxy-replacement": "false"},
        {"KubeProxyReplacement": "false", "EnableNodePort": False, "EnableSocketLB": False},
    ),
}


@pytest.mark.parametrize("cloud", _CLOUDS)
@pytest.mark.parametrize("version", ["1.14.16", "1.16.6", "1.17.5", "1.19.4"])
def test_a_cloud_leaves_nothing_pending(version: str, cloud: str) -> None:
    values, changed = _CLOUDS[cloud]
    found = started(version, chart(version) | values, **changed)
    assert [(one.key, one.running, one.next) for one in found.pending] == []
    assert found.blockers == ()


@pytest.mark.parametrize("version", ["1.14.16", "1.17.5", "1.19.4"])
def test_what_is_compared_is_seen_to_change(version: str) -> None:
    """Nothing is pending above because it is equal, and not because nothing is looked at."""
    turned = {"enable-ipv4-masquerade": "false", "enable-l7-proxy": "false", "ipam": "eni"}
    turned |= {"monitor-aggregation": "none", "enable-sctp": "true", "routing-mode": "native"}
    found = started(version, chart(version) | turned)
    assert {one.key for one in found.pending} == turned.keys()
