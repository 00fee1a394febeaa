"""Sizes of the next start, their limits and clamps, and what keeps an agent from starting."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.checks_facts import known, node_facts
from tests.unit.test_nextstart_layers import agent_set, facts_of, node_config
from tui.checks.config_drift import CHECK
from tui.checks.timeline import timeline
from tui.checks.view import ClusterView, NodeView
from tui.cilium.nextstart import next_start
from tui.model.agent import EffectiveConfig
from tui.model.cluster import ClusterFacts
from tui.model.maps import MapKind, MapUsage
from tui.model.nextstart import NextStart
from tui.model.snapshot import Snapshot
from tui.safety import clean

SERVICES, BACKENDS = "cilium_lb4_services_v2", "cilium_lb4_backends_v3"
CT, CT_ANY, NAT = "cilium_ct4_global", "cilium_ct_any4_global", "cilium_snat_v4_external"
SMALL_CT = {"bpf-ct-global-tcp-max": "65536", "bpf-ct-global-any-max": "65536"}


def usage(
    name: str, size: int, kind: MapKind = MapKind.HASH, wanted: int | None = None
) -> MapUsage:
    return MapUsage(clean(name), kind, size, 10, wanted_entries=wanted)


def start(
    values: dict[str, str],
    *maps: MapUsage,
    release: str = "1.17.5",
    running: dict[str, str] | None = None,
    cluster: ClusterFacts | None = None,
    kernel: str = "6.8.0-45-generic",
) -> NextStart:
    facts = node_facts(release, kernel)
    config = {key: clean(value) for key, value in (running or {"Debug": "false"}).items()}
    known_cluster = cluster or facts_of(values)
    return next_start(facts.node, facts.agent, EffectiveConfig(config), maps, known_cluster)


def sizes(found: NextStart) -> dict[str, int]:
    return {str(fit.name): fit.max_next for fit in found.maps}


@pytest.mark.parametrize(
    ("release", "expected"),
    [("1.11.17", {SERVICES: 512, BACKENDS: 512}), ("1.12.0", {SERVICES: 2048, BACKENDS: 512})],
)
def test_single_map_keys_came_with_1_12(release: str, expected: dict[str, int]) -> None:
    values = {"bpf-lb-map-max": "512", "bpf-lb-service-map-max": "2048"}
    maps = (usage(SERVICES, 1024), usage(BACKENDS, 1024))
    found = start(values, *maps, release=release)
    assert sizes(found) == expected
    keys = {one.key: (one.running, one.next) for one in found.pending}
    assert keys["bpf-lb-map-max"] == ("1024", "512")
    if len(set(expected.values())) > 1:
        assert keys["bpf-lb-service-map-max"] == ("1024", "2048")


def test_a_single_map_key_of_zero_inherits() -> None:
    values = {"bpf-lb-map-max": "512", "bpf-lb-service-map-max": "0"}
    assert sizes(start(values, usage(SERVICES, 1024))) == {SERVICES: 512}


def test_a_load_balancing_size_that_nobody_sets_is_the_default() -> None:
    found = start({}, usage(SERVICES, 1024))
    assert sizes(found) == {SERVICES: 65536}
    assert [(one.key, one.next) for one in found.pending] == [("bpf-lb-map-max", None)]
    unread = replace(facts_of({}), daemonsets=known(()))
    assert start({}, usage(SERVICES, 1024), cluster=unread).maps == ()


def test_the_kernels_size_goes_before_the_configurations() -> None:
    found = start({"bpf-lb-map-max": "64"}, usage(SERVICES, 1024), running={"LBMapEntries": "64"})
    assert [(one.key, one.running, one.next) for one in found.pending] == [
        ("bpf-lb-map-max", "1024", "64")
    ]


def test_what_memory_sizes_is_not_told() -> None:
    dynamic = {"bpf-map-dynamic-size-ratio": "0.0025"}
    assert start(dynamic, usage(CT, 131_072, MapKind.LRU_HASH)).maps == ()
    set_anyway = {**dynamic, "bpf-ct-global-tcp-max": "262144"}
    assert sizes(start(set_anyway, usage(CT, 131_072, MapKind.LRU_HASH))) == {CT: 262_144}


@pytest.mark.parametrize(("release", "expected"), [("1.11.7", {CT: 524_288}), ("1.17.5", {})])
def test_without_a_ratio_only_1_11_is_known_not_to_size_by_memory(
    release: str, expected: dict[str, int]
) -> None:
    assert sizes(start({}, usage(CT, 65_536, MapKind.LRU_HASH), release=release)) == expected


@pytest.mark.parametrize(
    ("asked", "expected"), [("100", 256), ("32768", 32768), ("1000000", 65536)]
)
def test_policy_maps_are_clamped(asked: str, expected: int) -> None:
    found = start({"bpf-policy-map-max": asked}, usage("cilium_policy_v2_*", 16384))
    assert sizes(found) == {"cilium_policy_v2_*": expected}
    assert found.blockers == ()


def test_a_nat_size_of_the_default_gives_way_to_conntracks() -> None:
    values = {**SMALL_CT, "bpf-nat-global-max": "524288"}
    found = start(values, usage(NAT, 65536, MapKind.LRU_HASH))
    assert sizes(found) == {NAT: 131_072 * 2 // 3}
    assert found.blockers == ()


def test_distributed_lru_maps_are_rounded_by_cpus_and_not_told() -> None:
    values = {**SMALL_CT, "bpf-distributed-lru": "true", "bpf-lb-map-max": "512"}
    found = start(values, usage(CT, 65_540, MapKind.LRU_HASH), usage(SERVICES, 1024))
    assert sizes(found) == {SERVICES: 512}


def test_rounded_maps_do_not_contradict_what_runs() -> None:
    rounded = (MapUsage(clean(CT), MapKind.LRU_HASH, 65_540, 10),)
    values = {"CTMapEntriesGlobalTCP": "65536", "CTMapEntriesGlobalAny": "65536"}
    cluster = facts_of({**SMALL_CT})
    assert CHECK.judge_node is not None
    for is_rounding, expected in (("true", []), ("false", ["ACTIVE"])):
        config = {**values, "BPFDistributedLRU": is_rounding}
        view = NodeView(node_facts(config=config, maps=rounded), ClusterView(cluster, 0.0))
        found = [one.severity.value for one in CHECK.judge_node(view)]
        assert [one for one in found if one == "ACTIVE"] == expected


def test_a_range_that_nothing_protects_is_an_open_question() -> None:
    found = start({"enable-auto-protect-node-port-range": "false"})
    assert "ephemeral ports" in found.unknown[0]
    assert start({"enable-auto-protect-node-port-range": "true"}).unknown == ()


def test_too_small_is_what_is_wanted_against_what_comes() -> None:
    found = start({"bpf-lb-map-max": "64"}, usage(SERVICES, 1024, wanted=127))
    assert found.maps[0].is_too_small
    assert found.breaks
    assert not start({"bpf-lb-map-max": "128"}, usage(SERVICES, 1024, wanted=127)).breaks


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({**SMALL_CT, "bpf-nat-global-max": "131073"}, "must not exceed maximum CT table size"),
        ({**SMALL_CT, "bpf-nat-global-max": "131072"}, ""),
        ({"bpf-nat-global-max": "1023"}, "outside its limits 1024"),
        ({"bpf-ct-global-tcp-max": "16777217"}, "outside its limits 1024 to 16777216"),
        ({"bpf-ct-global-tcp-max": "16777216"}, ""),
        ({"bpf-sock-rev-map-max": "100"}, "outside its limits"),
        ({"bpf-sock-rev-map-max": "0"}, ""),
        ({"bpf-fragments-map-max": "65537"}, "outside its limits 256 to 65536"),
        ({"bpf-lb-map-max": "0"}, "must be greater than 0"),
        ({"bpf-lb-map-max": "many"}, "not a whole number"),
        ({"bpf-lb-service-map-max": "-1"}, "must not be negative"),
        ({"node-port-range": "32767,30000"}, "the first port must be below"),
        ({"node-port-range": "30000,32767"}, ""),
        ({"enable-ipsec": "true", "enable-host-firewall": "true"}, "host firewall"),
    ],
)
def test_sizes_and_options_that_end_the_agent(values: dict[str, str], part: str) -> None:
    found = start(values)
    assert bool(found.blockers) is bool(part)
    assert all(part in reason for reason in found.blockers)


@pytest.mark.parametrize(
    ("release", "mode", "is_legal"),
    [
        ("1.11.7", "probe", True),
        ("1.12.19", "probe", True),
        ("1.13.0", "probe", False),
        ("1.13.18", "true", False),
        ("1.14.0", "true", True),
        ("1.15.9", "strict", True),
        ("1.16.0", "strict", False),
        ("1.16.0", "partial", False),
        ("1.19.4", "True", True),
        ("1.19.4", "disabled", False),
        ("1.17.5", "", True),
    ],
)
def test_the_words_of_kube_proxy_replacement_by_release(
    release: str, mode: str, is_legal: bool
) -> None:
    found = start({"kube-proxy-replacement": mode}, release=release)
    assert (found.blockers == ()) is is_legal


@pytest.mark.parametrize(
    ("release", "values", "stops"),
    [
        ("1.15.9", {"kube-proxy-replacement": "true"}, True),
        ("1.16.0", {"kube-proxy-replacement": "true"}, False),
        ("1.11.7", {"kube-proxy-replacement": "strict"}, True),
        ("1.11.7", {"kube-proxy-replacement": "probe"}, False),
        ("1.13.0", {"kube-proxy-replacement": "partial"}, False),
        ("1.13.0", {"kube-proxy-replacement": "partial", "enable-node-port": "true"}, True),
        ("1.14.0", {"kube-proxy-replacement": "false", "enable-node-port": "true"}, True),
        ("1.13.0", {"kube-proxy-replacement": "disabled", "enable-node-port": "true"}, False),
    ],
)
def test_ipsec_and_node_port_exclude_each_other_up_to_1_15(
    release: str, values: dict[str, str], stops: bool
) -> None:
    found = start({"enable-ipsec": "true", **values}, release=release)
    assert bool(found.blockers) is stops
    assert start({"enable-ipsec": "false", **values}, release=release).blockers == ()


@pytest.mark.parametrize(
    ("release", "extra", "stops"),
    [
        ("1.11.7", {"tunnel": "vxlan"}, False),
        ("1.12.0", {"tunnel": "vxlan"}, True),
        ("1.17.5", {"routing-mode": "tunnel"}, True),
        ("1.17.5", {"routing-mode": "native"}, False),
        ("1.17.5", {"routing-mode": "tunnel", "bpf-lb-dsr-dispatch": "geneve"}, False),
    ],
)
def test_dsr_needs_native_routing_or_geneve(
    release: str, extra: dict[str, str], stops: bool
) -> None:
    mode = "true" if release == "1.17.5" else "strict"
    values = {"kube-proxy-replacement": mode, "bpf-lb-mode": "dsr", **extra}
    assert bool(start(values, release=release).blockers) is stops


NEXT = "quay.io/cilium/cilium:v1.19.4"


@pytest.mark.parametrize(
    ("kubernetes", "kernel", "part"),
    [
        ("v1.20.2", "6.8.0-45-generic", "needs Kubernetes 1.21"),
        ("v1.21.0", "6.8.0-45-generic", ""),
        ("v1.31.4", "5.4.0-90-generic", "needs Linux 5.10"),
        ("v1.31.4", "4.18.0-553.el8_10.x86_64", ""),
    ],
)
def test_what_a_new_image_asks_of_the_cluster_and_the_kernel(
    kubernetes: str, kernel: str, part: str
) -> None:
    cluster = facts_of(
        {}, daemonset=agent_set(image=NEXT), kubernetes_version=known(clean(kubernetes))
    )
    found = start({}, cluster=cluster, kernel=kernel)
    assert found.changes_image
    assert bool(found.blockers) is bool(part)
    assert all(part in reason for reason in found.blockers)


def test_the_next_images_release_decides_what_is_legal() -> None:
    values = {"kube-proxy-replacement": "strict"}
    running = {"KubeProxyReplacement": "strict"}
    assert start(values, release="1.15.9", running=running).blockers == ()
    cluster = facts_of(values, daemonset=agent_set(image="cilium:v1.16.3"))
    found = start({}, release="1.15.9", running=running, cluster=cluster)
    assert "1.16.3 refuses this value" in found.blockers[0]


def test_strict_and_true_are_one_mode() -> None:
    running = {"KubeProxyReplacement": "strict"}
    assert (
        start({"kube-proxy-replacement": "true"}, release="1.14.0", running=running).pending == ()
    )


def test_what_runs_proves_that_it_can_start() -> None:
    values = {"kube-proxy-replacement": "partial"}
    running = {"KubeProxyReplacement": "partial"}
    assert start(values, release="1.16.0", running=running).blockers == ()


_KEYS = st.sampled_from(
    [
        "bpf-lb-map-max",
        "bpf-lb-service-map-max",
        "bpf-nat-global-max",
        "bpf-ct-global-tcp-max",
        "bpf-policy-map-max",
        "kube-proxy-replacement",
        "enable-ipsec",
        "node-port-range",
        "debug",
        "devices",
        "monitor-aggregation-interval",
    ]
)
_TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["true", "strict", "64", "-1", "1e9", "30s", "9" * 19, "a,b", "[]", "٣"]),
)
_VALUES = st.dictionaries(st.one_of(_KEYS, st.text(max_size=8)), _TEXTS, max_size=8)
_NAMES = st.sampled_from([SERVICES, BACKENDS, CT, NAT, "cilium_policy_*", "other", ""])
_MAPS = st.lists(
    st.builds(
        MapUsage,
        _NAMES.map(clean),
        st.sampled_from(MapKind),
        st.integers(-1, 2**40),
        st.one_of(st.none(), st.integers(0, 2**40)),
        wanted_entries=st.one_of(st.none(), st.integers(0, 2**40)),
    ),
    max_size=4,
)


@given(
    values=_VALUES,
    running=_VALUES,
    node_values=_VALUES,
    words=st.lists(st.text(max_size=20), max_size=4),
    builder=st.lists(st.text(max_size=20), max_size=3),
    maps=_MAPS,
    release=st.sampled_from(["1.11.7", "1.13.0", "1.17.5", "1.20.0", None]),
)
def test_no_input_makes_it_raise(
    values: dict[str, str],
    running: dict[str, str],
    node_values: dict[str, str],
    words: list[str],
    builder: list[str],
    maps: list[MapUsage],
    release: str | None,
) -> None:
    daemonset = agent_set(*words, builder=tuple(builder), image="a:b")
    cluster = facts_of(values, node_config("x", node_values), daemonset=daemonset)
    facts = node_facts(release, config=running, maps=tuple(maps))
    assert CHECK.judge_node is not None
    assert list(CHECK.judge_node(NodeView(facts, ClusterView(cluster, 0.0))))
    assert timeline(Snapshot(1.0, cluster=cluster, nodes={facts.node.uid: facts}))
