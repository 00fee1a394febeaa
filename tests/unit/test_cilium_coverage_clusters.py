"""Clusters that must raise no alarm; each sample follows the source of the release it names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.cilium_fixtures import backend_row, service_row
from tests.unit.test_cilium_coverage import (
    BOTH,
    NEW,
    NODE,
    NODE_PORT,
    OLD,
    ONE,
    ROUTABLE,
    SLICES,
    TCP,
    cluster_ip,
    faults_of,
    held,
    kinds_of,
    slice_of,
)
from tui.cilium.config import parse_config
from tui.cilium.coverage import compare
from tui.cilium.dumps import MapDump
from tui.cilium.lbmaps import HeldServices, held_services
from tui.cilium.releases import Release
from tui.cilium.servicespec import (
    EndpointPortSpec,
    EndpointSliceSpec,
    EndpointSpec,
    ServicePortSpec,
)
from tui.cilium.status import parse_status
from tui.cilium.wants import wanted_services
from tui.model.services import FaultKind

UDP = 17
SCOPE_INTERNAL = 1


def maps(services: list[tuple[bytes, bytes]], backends: list[tuple[bytes, bytes]]) -> HeldServices:
    return held_services(
        [MapDump("cilium_lb4_services_v2", services)], [MapDump("cilium_lb4_backends_v3", backends)]
    )


@pytest.mark.parametrize("is_held", [True, False])
def test_a_ready_pod_that_ends_may_be_held_or_not(is_held: bool) -> None:
    """With publishNotReadyAddresses: active from 1.18 on, terminating before (conversions.go)."""
    ending = EndpointSpec(("10.0.0.9",), is_ready=True, is_serving=True, is_terminating=True)
    slices = [replace(SLICES[0], endpoints=(*SLICES[0].endpoints, ending))]
    have = held(("10.96.0.1", 80, (*BOTH, "10.0.0.9") if is_held else BOTH))
    assert faults_of(ONE, slices, have) == ()


def test_slices_that_cilium_makes_for_other_clusters_are_not_wanted() -> None:
    """1.15+, clustermesh.enableEndpointSliceSynchronization: agents filter them out."""
    labels = {
        "endpointslice.kubernetes.io/managed-by": "endpointslice-mesh-controller.cilium.io",
        "multicluster.kubernetes.io/source-cluster": "west",
    }
    remote = replace(slice_of(1, "10.9.0.1"), labels=labels)
    services = [
        cluster_ip(
            1,
            annotations={"service.cilium.io/global": "true", "service.cilium.io/affinity": "local"},
        )
    ]
    have = held(("10.96.0.1", 80, BOTH))
    assert faults_of(services, [*SLICES, remote], have) == ()
    both_clusters = held(("10.96.0.1", 80, (*BOTH, "10.9.0.1")))
    assert faults_of(services, [*SLICES, remote], both_clusters) == ()


def test_an_agent_for_one_proxy_name_is_not_asked_for_the_other_services() -> None:
    config = parse_config(b'{"K8sServiceProxyName": "cilium-lb"}')
    assert faults_of(ONE, SLICES, HeldServices(), config=config) == ()
    common = parse_config(b'{"K8sServiceProxyName": ""}')
    assert kinds_of(faults_of(ONE, SLICES, HeldServices(), config=common)) == [FaultKind.MISSING]


def test_backends_that_failed_a_frontends_health_check_are_out_of_rotation() -> None:
    """1.18+: only the slot says quarantined, behind the active ones (bpf_reconciler.go)."""
    quarantined = 1 << 14
    have = maps(
        [
            service_row(("10.96.0.1", 80, TCP), count=1),
            service_row(("10.96.0.1", 80, TCP), 1, number=1),
            service_row(("10.96.0.1", 80, TCP), 2, number=2, flags=quarantined),
        ],
        [backend_row(1, ("10.0.0.1", 8080, TCP)), backend_row(2, ("10.0.0.2", 8080, TCP))],
    )
    assert faults_of(ONE, SLICES, have) == ()


def test_denied_source_ranges_are_no_quarantine() -> None:
    """1.17+: on slot 0 the same bit denies source ranges; until 1.19 the slots copy it."""
    deny = 1 << 14
    have = maps(
        [
            service_row(("10.96.0.1", 80, TCP), count=2, flags=ROUTABLE | deny),
            service_row(("10.96.0.1", 80, TCP), 1, number=1, flags=deny),
            service_row(("10.96.0.1", 80, TCP), 2, number=2, flags=deny),
        ],
        [backend_row(1, ("10.0.0.1", 8080, TCP)), backend_row(2, ("10.7.7.7", 8080, TCP))],
    )
    (fault,) = faults_of(ONE, SLICES, have)
    assert fault.fault is FaultKind.WRONG_BACKENDS
    assert [str(one) for one in fault.missing_backends] == ["10.0.0.2:8080/TCP"]
    assert have.frontends[0].quarantined_ids == frozenset()


def test_a_nat46_frontend_is_not_judged_by_its_own_family() -> None:
    """enable-nat46x64-gateway, 1.12+: an IPv4 frontend with IPv6 backends."""
    have = held(("10.96.0.1", 80, ()), flags=ROUTABLE | 1 << 9)
    assert faults_of(ONE, SLICES, have) == ()


def test_an_ingress_has_no_backends_of_its_own() -> None:
    """1.13+: the Service `cilium-ingress` has the dummy endpoint 192.192.192.192:9999."""
    slices = [replace(slice_of(1, "192.192.192.192"), ports=(EndpointPortSpec(9999),))]
    have = held(("10.96.0.1", 80, ()), flags=ROUTABLE | 1 << 10)
    found = compare(wanted_services(ONE, slices), have, NODE, release=NEW)
    assert (found.faults, found.wanted_backends, found.held_backends) == ((), 0, 0)


DNS = [cluster_ip(1, ports=(ServicePortSpec(53, "dns", "UDP"), ServicePortSpec(53, "tcp", "TCP")))]
DNS_SLICES = [
    EndpointSliceSpec(
        "ns",
        "s1",
        ports=(EndpointPortSpec(5353, "dns", "UDP"), EndpointPortSpec(8053, "tcp", "TCP")),
        endpoints=(EndpointSpec(("10.0.0.1",)),),
    )
]


def test_protocols_that_are_not_told_apart_share_their_backends() -> None:
    """1.17+ with `bpf-lb-proto-diff: false`: one entry, and the last port written wins."""
    have = maps(
        [
            service_row(("10.96.0.1", 53, 0), count=1),
            service_row(("10.96.0.1", 53, 0), 1, number=1),
        ],
        [backend_row(1, ("10.0.0.1", 8053, 0))],
    )
    assert faults_of(DNS, DNS_SLICES, have) == ()


def test_an_old_entry_beside_those_of_each_protocol_is_not_judged() -> None:
    """Upgraded from 1.16: the datapath finds the protocol's own entry first."""
    rows = [
        service_row(("10.96.0.1", 53, protocol), slot, number=slot and number, count=1 - slot)
        for protocol, number in ((UDP, 1), (TCP, 2), (0, 3))
        for slot in (0, 1)
    ]
    backends = [
        backend_row(1, ("10.0.0.1", 5353, UDP)),
        backend_row(2, ("10.0.0.1", 8053, TCP)),
        backend_row(3, ("10.7.7.7", 53, 0)),
    ]
    assert faults_of(DNS, DNS_SLICES, maps(rows, backends)) == ()


def status(mode: str, features: str) -> bytes:
    text = '{"cilium":{"state":"Ok"},"kube-proxy-replacement":{"mode":"%s","features":%s}}'
    return (text % (mode, features)).encode()


NO_FEATURES = '{"nodePort":{},"hostPort":{},"externalIPs":{},"sessionAffinity":{},"socketLB":{}}'
BALANCED = [
    cluster_ip(
        1,
        type="LoadBalancer",
        ports=(ServicePortSpec(80, node_port=30_080),),
        ingress_ips=("192.0.2.1",),
        external_ips=("192.0.2.9",),
        has_session_affinity=True,
    )
]


@pytest.mark.parametrize(
    ("release", "mode"),
    [
        (OLD, "Disabled"),
        (OLD, "Partial"),
        (Release(1, 13, 4), "Partial"),
        (Release(1, 16, 9), "False"),
        (Release(1, 20, 0), "False"),
    ],
)
@pytest.mark.parametrize("extra", [(), ("192.0.2.9",), ("192.0.2.9", "192.0.2.1")])
def test_without_node_port_only_cluster_ips_are_wanted(
    release: Release, mode: str, extra: tuple[str, ...]
) -> None:
    """1.20-dev holds external IPs with it off, and LoadBalancers when it tunnels."""
    have = held(*((ip, 80, BOTH) for ip in ("10.96.0.1", *extra)))
    found = compare(
        wanted_services(BALANCED, SLICES),
        have,
        NODE,
        release=release,
        status=parse_status(status(mode, NO_FEATURES)),
    )
    assert (found.wanted_frontends, found.faults) == (1, ())


def test_one_local_policy_makes_two_scopes() -> None:
    services = [
        cluster_ip(
            1,
            type="NodePort",
            ports=(ServicePortSpec(80, node_port=30_080),),
            is_external_local=True,
        )
    ]
    endpoints = (
        EndpointSpec(("10.0.0.1",), node_name="n1"),
        EndpointSpec(("10.0.0.2",), node_name="n2"),
    )
    slices = [replace(SLICES[0], endpoints=endpoints)]
    rows = [
        service_row(("10.96.0.1", 80, TCP), count=2),
        service_row(("10.96.0.1", 80, TCP), 1, number=1),
        service_row(("10.96.0.1", 80, TCP), 2, number=2),
    ]
    for ip in ("0.0.0.0", "10.200.0.2"):  # noqa: S104  # a frontend, no address to bind
        address = (ip, 30_080, TCP)
        flags = NODE_PORT | 1 << 2 | 1 << 13
        rows += [
            service_row(address, count=1, flags=flags),
            service_row(address, 1, number=1),
            service_row(address, count=2, flags=flags, scope=SCOPE_INTERNAL),
            service_row(address, 1, number=1, scope=SCOPE_INTERNAL),
            service_row(address, 2, number=2, scope=SCOPE_INTERNAL),
        ]
    backends = [backend_row(1, ("10.0.0.1", 8080, TCP)), backend_row(2, ("10.0.0.2", 8080, TCP))]
    assert faults_of(services, slices, maps(rows, backends)) == ()
