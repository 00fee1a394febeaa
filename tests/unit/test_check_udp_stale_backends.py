"""`udp-stale-backends`: sockets that outlived their backend, and what would let them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.check_maps import an_lru
from tests.unit.checks_facts import (
    NOW,
    cluster_facts,
    entry,
    feature,
    judged,
    known,
    kpr,
    node_facts,
    severity,
    status,
)
from tui.checks.udp_stale_backends import ABOUT, CHECK
from tui.model.cluster import ClusterFacts
from tui.model.features import Feature, FeatureState
from tui.model.findings import FindingSeverity, Verdict
from tui.model.host import UdpPeer, UdpSockets
from tui.model.names import ContainerId
from tui.model.reading import Reading
from tui.model.services import (
    Address,
    FaultKind,
    FrontendFault,
    FrontendKind,
    Service,
    ServiceCoverage,
    ServicePort,
)
from tui.safety import clean

ACTIVE, ARMED, UNKNOWN, LATENT, CLEAR = FindingSeverity
YES, NO = FeatureState.YES, FeatureState.NO
KEYS = ("inet-diag", "inet-udp-diag", "inet-diag-destroy")
ABLE = tuple(feature(key, YES) for key in KEYS)
UNABLE = (*ABLE[:2], feature("inet-diag-destroy", NO))
POOL = {"cluster-pool-ipv4-cidr": "10.0.0.0/16"}
S1 = entry(
    "Forcefully terminating sockets connected to deleted service backends not supported by"
    " underlying kernel",
    meaning="S1",
)
S2 = entry(
    "error while forcefully terminating sockets connected todeleted service backend 10.0.7.9:1053",
    meaning="S2",
)


def a_service(protocol: str = "UDP", target: int = 1053) -> Service:
    port = ServicePort(clean("dns"), 53, protocol, None, clean(str(target)), (target,))
    backend = Address("10.0.1.7", target, protocol)
    vip = Address("10.96.0.10", 53, protocol)
    name, kind = clean("kube-system/kube-dns"), clean("ClusterIP")
    return Service(name, kind, ("10.96.0.10",), (port,), (vip,), (backend,))


def a_cluster(*services: Service, **config: str) -> ClusterFacts:
    held = {key.replace("_", "-"): value for key, value in config.items()}
    return cluster_facts({**POOL, **held}, services=known(services, "GET /api/v1/services"))


DNS = a_cluster(a_service())


def of(release: str | None = "1.17.5", cluster: ClusterFacts = DNS, **parts: Any) -> Verdict:
    parts.setdefault("features", ABLE)
    (verdict,) = judged(CHECK, node_facts(release, **parts), cluster)
    return verdict


def sockets(*peers: UdpPeer, read: int | None = 4, **parts: Any) -> UdpSockets:
    return UdpSockets(peers, read, **parts)


def to(address: str, port: int = 1053, namespace: str = "cni-1", count: int = 1) -> UdpPeer:
    return UdpPeer(address, port, count, clean(namespace))


def a_stale_map(service: str = "kube-system/kube-dns", protocol: str = "UDP") -> ServiceCoverage:
    fault = FrontendFault(
        clean(service),
        Address("10.96.0.10", 53, protocol),
        FrontendKind.CLUSTER_IP,
        FaultKind.WRONG_BACKENDS,
        surplus_backends=(Address("10.0.7.9", 1053, protocol),),
    )
    return ServiceCoverage(4, 4, 4, 4, (fault,), 1)


@pytest.mark.parametrize(
    ("release", "features", "wanted"),
    [
        ("1.11.7", ABLE, ARMED),
        ("1.14.16", ABLE, ARMED),
        ("1.15.0", ABLE, ARMED),
        ("1.16.0", ABLE, CLEAR),
        ("1.16.0", UNABLE, ARMED),
        ("1.17.5", (), UNKNOWN),
        ("1.18.0", UNABLE, ARMED),
        ("1.19.0", UNABLE, UNKNOWN),
        ("1.19.0", (*UNABLE, feature("bpf-sock-destroy", YES)), CLEAR),
        ("1.19.0", (*UNABLE, feature("bpf-sock-destroy", NO)), ARMED),
        ("1.20.0", (*UNABLE, feature("bpf-sock-destroy", YES)), ARMED),
        ("1.17.5", (feature("inet-udp-diag", YES), feature("inet-diag-destroy", YES)), CLEAR),
        (None, ABLE, UNKNOWN),
    ],
)
def test_release_and_kernel(
    release: str | None, features: tuple[Feature, ...], wanted: FindingSeverity
) -> None:
    assert of(release, features=features).severity is wanted


def test_without_socket_lb_nothing_is_pinned() -> None:
    off = status(kube_proxy_replacement=kpr(socket_lb=False))
    assert of("1.11.7", state=off, sockets=sockets(to("10.0.7.9"))).severity is CLEAR
    disabled = status(kube_proxy_replacement=kpr(is_enabled=False, socket_lb=None))
    assert of("1.11.7", state=disabled).severity is CLEAR
    unknown = status(kube_proxy_replacement=None)
    verdict = of("1.11.7", state=unknown)
    assert verdict.severity is UNKNOWN
    assert "status -o json" in verdict.missing[0].how


def test_the_s1_line_outweighs_what_the_kernel_seems_to_have() -> None:
    verdict = of(logs=(S1,))
    assert verdict.severity is ARMED
    assert "no longer tries" in verdict.summary
    assert verdict.evidence[0].text.startswith("log Forcefully terminating")


def test_a_line_of_an_earlier_container_proves_nothing() -> None:
    assert of(logs=(replace(S1, is_previous=True),)).severity is CLEAR
    assert of(logs=(replace(S1, container_id=ContainerId("c0")),)).severity is CLEAR


def test_the_switch_for_pods() -> None:
    verdict = of(config={"bpf-lb-sock-terminate-pod-connections": "false"})
    assert verdict.severity is ARMED
    assert verdict.remedy.settings[0].key == "bpf-lb-sock-terminate-pod-connections"


@pytest.mark.parametrize(
    ("release", "features", "wanted"),
    [
        ("1.17.5", ABLE, CLEAR),
        ("1.14.16", ABLE, LATENT),
        ("1.15.0", ABLE, CLEAR),
        ("1.17.5", UNABLE, LATENT),
    ],
)
def test_hostns_only_spares_pods(
    release: str, features: tuple[Feature, ...], wanted: FindingSeverity
) -> None:
    state = status(kube_proxy_replacement=kpr(socket_lb_coverage=clean("Hostns-only")))
    assert of(release, state=state, features=features).severity is wanted
    config = {"bpf-lb-sock-hostns-only": "true"}
    assert of(release, config=config, features=features).severity is wanted
    in_pods = sockets(to("10.0.7.9"))
    coverage = a_stale_map()
    found = of(release, state=state, features=features, sockets=in_pods, coverage=coverage)
    assert found.severity is wanted


@pytest.mark.parametrize(("entries", "wanted"), [(89, CLEAR), (90, ARMED), (None, CLEAR)])
def test_a_full_reverse_sk_map_forgets_sockets(
    entries: int | None, wanted: FindingSeverity
) -> None:
    verdict = of(maps=(an_lru("cilium_lb4_reverse_sk", entries),))
    assert verdict.severity is wanted
    if entries is None:
        assert "cilium_lb4_reverse_sk" in verdict.missing[0].what
    if wanted is ARMED:
        assert verdict.remedy.settings[0].key == "bpf-sock-rev-map-max"


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        (a_cluster(a_service("TCP")), "no Service has a UDP port"),
        (a_cluster(), "no Service has a UDP port"),
        (cluster_facts(services=Reading.denied(clean("may not list"))), "is not known"),
    ],
)
def test_without_a_udp_service_it_is_latent(cluster: ClusterFacts, words: str) -> None:
    verdict = of("1.11.7", cluster)
    assert verdict.severity is LATENT
    assert words in verdict.summary


def test_a_socket_to_what_only_the_map_still_lists_is_proof() -> None:
    verdict = of(sockets=sockets(to("10.0.7.9", count=3)), coverage=a_stale_map())
    assert verdict.severity is ACTIVE
    assert verdict.harm == 3
    assert "10.0.7.9:1053" in verdict.summary
    assert [str(one) for one in verdict.objects] == ["Service kube-system/kube-dns"]
    assert "the node's map still lists it" in verdict.evidence[0].text


def test_a_stale_backend_of_a_tcp_service_is_no_proof() -> None:
    cluster = a_cluster(a_service(), replace(a_service("TCP"), name=clean("shop/web")))
    coverage = a_stale_map("shop/web", "ANY")
    assert of(
        cluster=cluster, sockets=sockets(to("10.0.7.9", 5000)), coverage=coverage
    ).severity is (CLEAR)


def test_a_socket_that_the_log_names_is_proof() -> None:
    assert of(sockets=sockets(to("10.0.7.9")), logs=(S2,)).severity is ACTIVE
    assert of(sockets=sockets(to("10.0.7.90", 105)), logs=(S2,)).severity is CLEAR
    assert of(sockets=sockets(to("0.0.7.9")), logs=(S2,)).severity is CLEAR


def test_the_agents_own_failure_counts_until_sockets_were_read() -> None:
    verdict = of(logs=(S2,))
    assert verdict.severity is ACTIVE
    assert "/proc/net/udp" in verdict.missing[0].how
    assert of(logs=(S2,), sockets=sockets(read=None)).severity is ACTIVE
    assert of(logs=(S2,), sockets=sockets()).severity is CLEAR
    old = replace(S2, last_time=NOW - 90_000.0)
    assert of(logs=(old,)).severity is CLEAR


@pytest.mark.parametrize(
    ("peer", "is_suspect"),
    [
        (to("10.0.7.9"), True),
        (to("10.0.7.9", 5353), False),
        (to("10.0.1.7"), False),
        (to("10.96.0.10", 53), False),
        (to("192.0.2.53"), False),
        (to("172.31.0.2"), False),
        (to("not an address"), False),
    ],
)
def test_a_suspicion_is_shown_and_never_active(peer: UdpPeer, is_suspect: bool) -> None:
    verdict = of(sockets=sockets(peer))
    assert verdict.severity is (LATENT if is_suspect else CLEAR)
    armed = of("1.15.0", sockets=sockets(peer))
    assert armed.severity is ARMED
    assert ("may be pinned already" in armed.summary) is is_suspect
    assert armed.harm == int(is_suspect)


@pytest.mark.parametrize(
    ("ipam", "address", "is_suspect"),
    [
        ("kubernetes", "10.0.1.99", True),
        ("kubernetes", "10.0.7.9", False),
        ("eni", "10.0.1.2", False),
        ("azure", "10.0.1.2", False),
    ],
)
def test_pod_networks_where_no_range_is_configured(
    ipam: str, address: str, is_suspect: bool
) -> None:
    services = known((a_service(),))
    cluster = cluster_facts({"ipam": ipam}, services=services)
    verdict = of(cluster=cluster, sockets=sockets(to(address)))
    assert verdict.severity is (LATENT if is_suspect else CLEAR)


def test_backends_in_the_nodes_own_network_are_no_pod_network() -> None:
    cluster = cluster_facts({"ipam": "kubernetes"}, services=known((a_service(),)))
    facts = node_facts(features=ABLE, sockets=sockets(to("10.0.1.2")))
    facts = replace(facts, node=replace(facts.node, internal_ip=clean("10.0.1.200")))
    assert severity(CHECK, facts, cluster) is CLEAR


def test_the_finding_says_all_that_a_person_needs() -> None:
    verdict = of("1.14.16")
    assert verdict.summary.startswith("1.14.16 ends no sockets to deleted backends")
    assert "kube-system/kube-dns" in verdict.summary
    assert verdict.objects[0].detail == "UDP port 53"
    assert {one.source for one in verdict.evidence} == {"a command", "GET /api/v1/services"}
    remedy = verdict.remedy
    assert "restart the pods" in remedy.now[0]
    assert "1.16" in remedy.lasting[0]
    assert remedy.settings[0].helm == "socketLB.hostNamespaceOnly=true"
    assert remedy.needs_restart
    assert "pinned already stay so" in remedy.interrupts
    assert remedy.test.endswith("cat /proc/net/udp /proc/net/udp6")
    assert ABOUT.references


def test_what_1_19_may_do_without_the_options_is_asked_for() -> None:
    lacking = node_facts("1.19.4", features=(feature("inet-diag-destroy", FeatureState.NO),))
    (verdict,) = judged(CHECK, lacking)
    assert verdict.severity is FindingSeverity.UNKNOWN
    assert "bpf_sock_destroy" in verdict.missing[0].what
    assert "bpf_sock_destroy" in verdict.missing[0].how
