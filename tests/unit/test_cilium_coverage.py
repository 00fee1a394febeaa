from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.cilium_fixtures import backend_row, read, service_row
from tui.cilium.config import parse_config
from tui.cilium.coverage import MAX_FAULTS, compare, confirmed
from tui.cilium.dumps import MapDump
from tui.cilium.lbmaps import HeldServices, held_services
from tui.cilium.releases import Release
from tui.cilium.servicespec import (
    EndpointPortSpec,
    EndpointSliceSpec,
    EndpointSpec,
    ServicePortSpec,
    ServiceSpec,
)
from tui.cilium.status import parse_status
from tui.cilium.wants import wanted_services
from tui.model.names import NodeName, NodeUid
from tui.model.node import Node
from tui.model.services import Address, FaultKind, FrontendFault, ServiceCoverage
from tui.safety import CleanText

NODE = Node(NodeUid("u"), NodeName("n1"), True, internal_ip=CleanText("10.200.0.2"))
NEW = Release(1, 19, 4)
OLD = Release(1, 11, 7)
AFFINITY, ROUTABLE, NODE_PORT, HOST_PORT = 1 << 4, 1 << 6, 1 << 1, 1 << 3
TCP = 6


def test_needs_of_the_incident() -> None:
    """32 Services with 95 backends between them need 127 slots (design §0)."""
    counts = [3] * 31 + [2]
    services = [cluster_ip(number) for number in range(32)]
    slices = [
        slice_of(number, *(f"10.1.{number}.{k}" for k in range(count)))
        for number, count in enumerate(counts)
    ]
    found = compare(wanted_services(services, slices), HeldServices(), NODE, release=OLD)
    assert (found.wanted_backends, found.wanted_service_entries) == (95, 127)
    assert found.missing_frontends == 32


def cluster_ip(number: int, **changes: Any) -> ServiceSpec:
    service = ServiceSpec(
        "ns", f"s{number}", cluster_ips=(f"10.96.0.{number}",), ports=(ServicePortSpec(80),)
    )
    return replace(service, **changes)


def slice_of(number: int, *ips: str, **changes: Any) -> EndpointSliceSpec:
    endpoints = tuple(EndpointSpec((ip,), **changes) for ip in ips)
    return EndpointSliceSpec(
        "ns", f"s{number}", ports=(EndpointPortSpec(8080),), endpoints=endpoints
    )


def held(*frontends: tuple[str, int, Iterable[str]], flags: int = ROUTABLE) -> HeldServices:
    """A kernel with these frontends (IP, port, backend IPs), all TCP."""
    ids: dict[str, int] = {}
    rows = []
    for ip, port, backends in frontends:
        numbers = [ids.setdefault(backend, len(ids) + 1) for backend in backends]
        rows.append(service_row((ip, port, TCP), count=len(numbers), flags=flags))
        rows.extend(
            service_row((ip, port, TCP), slot, number=number)
            for slot, number in enumerate(numbers, 1)
        )
    backends_rows = [backend_row(number, (ip, 8080, TCP)) for ip, number in ids.items()]
    return held_services(
        [MapDump("cilium_lb4_services_v2", rows)],
        [MapDump("cilium_lb4_backends_v3", backends_rows)],
    )


def faults_of(
    services: Iterable[ServiceSpec],
    slices: Iterable[EndpointSliceSpec],
    have: HeldServices,
    **known: Any,
) -> tuple[FrontendFault, ...]:
    return compare(wanted_services(services, slices), have, NODE, release=NEW, **known).faults


def kinds_of(faults: Iterable[FrontendFault]) -> list[FaultKind]:
    return [fault.fault for fault in faults]


ONE = [cluster_ip(1)]
SLICES = [slice_of(1, "10.0.0.1", "10.0.0.2")]
BOTH = ("10.0.0.1", "10.0.0.2")


def test_a_right_frontend_is_no_fault() -> None:
    assert faults_of(ONE, SLICES, held(("10.96.0.1", 80, BOTH))) == ()


def test_a_frontend_without_backends_and_one_with_the_wrong_ones() -> None:
    (fault,) = faults_of(ONE, SLICES, held(("10.96.0.1", 80, ())))
    assert fault.fault is FaultKind.NO_BACKENDS
    (fault,) = faults_of(ONE, SLICES, held(("10.96.0.1", 80, ("10.0.0.1", "10.0.0.9"))))
    assert fault.fault is FaultKind.WRONG_BACKENDS
    assert fault.missing_backends == (Address("10.0.0.2", 8080, "TCP"),)
    assert fault.surplus_backends == (Address("10.0.0.9", 8080, "TCP"),)
    assert fault.service == "ns/s1"


def test_a_service_without_ready_endpoints_needs_none() -> None:
    assert faults_of(ONE, [slice_of(1)], held(("10.96.0.1", 80, ()))) == ()


def test_a_slot_that_points_to_no_backend_is_missing() -> None:
    have = held(("10.96.0.1", 80, BOTH))
    broken = replace(have, backends={1: have.backends[1]})
    (fault,) = faults_of(ONE, SLICES, broken)
    assert fault.detail == "1 slots point to no backend"
    assert fault.missing_backends == (Address("10.0.0.2", 8080, "TCP"),)


@pytest.mark.parametrize(("wants", "has"), [(True, False), (False, True)])
def test_affinity_must_be_as_the_service_says(wants: bool, has: bool) -> None:
    services = [cluster_ip(1, has_session_affinity=wants)]
    have = held(("10.96.0.1", 80, BOTH), flags=ROUTABLE | (AFFINITY if has else 0))
    status = parse_status(read("1.19.4", "status.json"))
    assert kinds_of(faults_of(services, SLICES, have, status=status)) == [FaultKind.WRONG_AFFINITY]
    proxy = status.kube_proxy_replacement
    assert proxy is not None
    off = replace(status, kube_proxy_replacement=replace(proxy, session_affinity=False))
    assert faults_of(services, SLICES, have, status=off) == ()


def test_terminating_backends_may_stay_and_may_go() -> None:
    slices = [
        slice_of(1, "10.0.0.1", is_ready=False, is_serving=True, is_terminating=True),
    ]
    assert faults_of(ONE, slices, held(("10.96.0.1", 80, ("10.0.0.1",)))) == ()
    assert faults_of(ONE, slices, held(("10.96.0.1", 80, ()))) == ()


def test_backends_out_of_rotation_are_not_missing() -> None:
    have = held(("10.96.0.1", 80, ("10.0.0.1",)), ("10.96.0.2", 80, ("10.0.0.2",)))
    resting = {
        number: one._replace(state=2) if one.ip == "10.0.0.2" else one
        for number, one in have.backends.items()
    }
    services = [*ONE, cluster_ip(2)]
    slices = [*SLICES, slice_of(2, "10.0.0.2")]
    assert faults_of(services, slices, replace(have, backends=resting)) == ()


def test_a_surplus_frontend_is_told_once() -> None:
    faults = faults_of(ONE, SLICES, held(("10.96.0.1", 80, BOTH), ("10.96.0.99", 80, BOTH)))
    assert [(one.fault, str(one.frontend), one.service) for one in faults] == [
        (FaultKind.SURPLUS, "10.96.0.99:80/TCP", "")
    ]


@pytest.mark.parametrize("flags", [HOST_PORT, 1 << 8])
def test_what_others_put_there_is_no_surplus(flags: int) -> None:
    have = held(("10.200.0.2", 8443, BOTH), flags=flags | ROUTABLE)
    assert kinds_of(faults_of([], [], have)) == []


def test_a_local_redirect_is_held_with_other_backends() -> None:
    have = held(("10.96.0.1", 80, ("10.0.0.77",)), flags=1 << 8)
    assert faults_of(ONE, SLICES, have) == ()


def test_an_envoy_redirect_is_held_without_its_backends() -> None:
    have = held(("10.96.0.1", 80, ()), flags=1 << 10)
    assert faults_of(ONE, SLICES, have) == ()


NODE_PORTS = [cluster_ip(1, type="NodePort", ports=(ServicePortSpec(80, node_port=30080),))]


def test_node_ports_are_wanted_on_the_surrogate_and_the_nodes_used_ips() -> None:
    have = held(("10.96.0.1", 80, BOTH))
    node_port = held(
        ("0.0.0.0", 30080, BOTH),  # noqa: S104  # no address to bind: NodePort's surrogate
        ("10.200.0.2", 30080, BOTH),
        ("10.9.9.9", 30080, BOTH),
        flags=NODE_PORT | ROUTABLE,
    )
    all_of_it = replace(
        node_port, frontends=(*have.frontends, *node_port.frontends), service_entries=12
    )
    assert faults_of(NODE_PORTS, SLICES, all_of_it) == ()
    wanted = wanted_services(NODE_PORTS, SLICES)
    assert compare(wanted, all_of_it, NODE, release=NEW).wanted_frontends == 3
    services = [
        *NODE_PORTS,
        cluster_ip(2, type="NodePort", ports=(ServicePortSpec(80, node_port=30081),)),
    ]
    slices = [*SLICES, slice_of(2, *BOTH)]
    faults = faults_of(services, slices, all_of_it)
    assert [str(fault.frontend) for fault in faults] == [
        "0.0.0.0:30081/TCP",
        "10.200.0.2:30081/TCP",
        "10.96.0.2:80/TCP",
    ]


def test_node_ports_are_not_missed_where_kube_proxy_serves_them() -> None:
    status = parse_status(read("1.19.4", "status.json"))
    proxy = status.kube_proxy_replacement
    assert proxy is not None
    assert proxy.node_port is not None
    off = replace(
        status,
        kube_proxy_replacement=replace(
            proxy, is_enabled=False, node_port=replace(proxy.node_port, is_enabled=False)
        ),
    )
    have = held(("10.96.0.1", 80, BOTH))
    assert faults_of(NODE_PORTS, SLICES, have, status=off) == ()
    assert faults_of(NODE_PORTS, SLICES, have) == ()
    assert len(faults_of(NODE_PORTS, SLICES, have, status=status)) == 1
    assert faults_of(NODE_PORTS, SLICES, HeldServices(), status=off) == ()


def scoped(local: Iterable[str], everywhere: Iterable[str]) -> HeldServices:
    """A LoadBalancer frontend with an entry for each scope."""
    flags = (1 << 5) | ROUTABLE | (1 << 2)
    address = ("172.16.0.1", 80, TCP)
    ids: dict[str, int] = {}
    rows = []
    for scope, ips in ((0, list(local)), (1, list(everywhere))):
        rows.append(service_row(address, count=len(ips), flags=flags, scope=scope))
        for slot, ip in enumerate(ips, 1):
            number = ids.setdefault(ip, len(ids) + 1)
            rows.append(service_row(address, slot, number=number, flags=flags, scope=scope))
    return held_services(
        [MapDump("cilium_lb4_services_v2", rows)],
        [
            MapDump(
                "cilium_lb4_backends_v3",
                [backend_row(number, (ip, 8080, TCP)) for ip, number in ids.items()],
            )
        ],
    )


def test_a_local_policy_keeps_the_outside_to_the_nodes_own_backends() -> None:
    service = cluster_ip(
        1, type="LoadBalancer", ingress_ips=("172.16.0.1",), is_external_local=True, cluster_ips=()
    )
    slices = [
        EndpointSliceSpec(
            "ns",
            "s1",
            ports=(EndpointPortSpec(8080),),
            endpoints=(
                EndpointSpec(("10.0.0.1",), node_name="n1"),
                EndpointSpec(("10.0.0.2",), node_name="n2"),
            ),
        )
    ]
    status = parse_status(read("1.19.4", "status.json"))
    good = scoped(["10.0.0.1"], BOTH)
    assert faults_of([service], slices, good, status=status) == ()
    bad = scoped(["10.0.0.2"], BOTH)
    (fault,) = faults_of([service], slices, bad, status=status)
    assert fault.missing_backends == (Address("10.0.0.1", 8080, "TCP"),)
    (fault,) = faults_of([service], slices, scoped(["10.0.0.1"], ["10.0.0.1"]), status=status)
    assert fault.missing_backends == (Address("10.0.0.2", 8080, "TCP"),)
    elsewhere = [replace(slices[0], endpoints=slices[0].endpoints[1:])]
    assert faults_of([service], elsewhere, scoped([], ["10.0.0.2"]), status=status) == ()
    wanted = wanted_services([service], slices)
    found = compare(wanted, good, NODE, release=NEW, status=status)
    assert found.wanted_service_entries == 2 + 3 == good.service_entries


def test_zone_hints_and_other_clusters_do_not_alarm() -> None:
    hinted = [slice_of(1, *BOTH, has_zone_hints=True)]
    assert faults_of(ONE, hinted, held(("10.96.0.1", 80, ("10.0.0.1",)))) == ()
    assert kinds_of(faults_of(ONE, hinted, held(("10.96.0.1", 80, ())))) == [FaultKind.NO_BACKENDS]
    shared = [cluster_ip(1, annotations={"service.cilium.io/global": "true"})]
    assert faults_of(shared, SLICES, held(("10.96.0.1", 80, (*BOTH, "10.44.0.9")))) == ()


DNS = [
    ServiceSpec(
        "ns",
        "s1",
        cluster_ips=("10.96.0.10",),
        ports=(ServicePortSpec(53, "dns", "UDP"), ServicePortSpec(53, "dns-tcp", "TCP")),
    )
]
DNS_SLICES = [
    EndpointSliceSpec(
        "ns",
        "s1",
        ports=(EndpointPortSpec(53, "dns", "UDP"), EndpointPortSpec(53, "dns-tcp", "TCP")),
        endpoints=(EndpointSpec(("10.0.0.1",)),),
    )
]


def test_protocols_share_an_entry_before_1_17() -> None:
    rows = [
        service_row(("10.96.0.10", 53, 0), count=1),
        service_row(("10.96.0.10", 53, 0), 1, number=1),
    ]
    have = held_services(
        [MapDump("cilium_lb4_services_v2", rows)],
        [MapDump("cilium_lb4_backends_v2", [backend_row(1, ("10.0.0.1", 53, 0), is_v3=False)])],
    )
    wanted = wanted_services(DNS, DNS_SLICES)
    old = compare(wanted, have, NODE, release=OLD)
    assert (old.wanted_frontends, old.held_frontends, old.faults) == (1, 1, ())
    assert (old.wanted_backends, old.held_backends, old.wanted_service_entries) == (1, 1, 2)
    assert compare(wanted, have, NODE).wanted_frontends == 1
    # From 1.17 on: `bpf-lb-proto-diff` is off, or the entry was written before the upgrade.
    migrating = compare(wanted, have, NODE, release=NEW)
    assert (migrating.wanted_frontends, migrating.held_frontends) == (1, 1)
    assert migrating.faults == ()


def test_from_1_17_each_protocol_has_its_entry() -> None:
    rows = [
        service_row(("10.96.0.10", 53, 17), count=1),
        service_row(("10.96.0.10", 53, 17), 1, number=1),
    ]
    have = held_services(
        [MapDump("cilium_lb4_services_v2", rows)],
        [MapDump("cilium_lb4_backends_v3", [backend_row(1, ("10.0.0.1", 53, 17))])],
    )
    found = compare(wanted_services(DNS, DNS_SLICES), have, NODE, release=NEW)
    assert [str(one.frontend) for one in found.faults] == ["10.96.0.10:53/TCP"]
    assert (found.wanted_backends, found.held_backends) == (2, 1)


def test_nothing_is_said_of_a_family_that_was_not_read() -> None:
    service = cluster_ip(1, cluster_ips=("10.96.0.1", "fd00::1"))
    have = held(("10.96.0.1", 80, BOTH))
    assert faults_of([service], SLICES, have) == ()
    both = replace(have, families=frozenset({4, 6}))
    assert [one.frontend.ip for one in faults_of([service], SLICES, both)] == ["fd00::1"]
    config = parse_config(b'{"EnableIPv6": false}')
    assert faults_of([service], SLICES, both, config=config) == ()


def test_faults_are_bounded_and_worst_first() -> None:
    services = [
        cluster_ip(1),
        *(
            cluster_ip(2, name=f"m{n}", cluster_ips=(f"10.97.{n // 250}.{n % 250 + 1}",))
            for n in range(600)
        ),
    ]
    slices = [*SLICES, *(replace(SLICES[0], service_name=f"m{n}") for n in range(600))]
    have = held(("10.96.0.1", 80, ()), ("10.96.0.99", 80, ()))
    found = compare(wanted_services(services, slices), have, NODE, release=NEW)
    assert len(found.faults) == MAX_FAULTS
    assert found.faults_total == 602
    assert found.faults[0].fault is FaultKind.MISSING


def test_an_unconfirmed_difference_is_a_race_but_a_missing_frontend_is_not() -> None:
    services, slices = [cluster_ip(1), cluster_ip(2)], [*SLICES, slice_of(2, *BOTH)]
    wanted = wanted_services(services, slices)
    have = held(("10.96.0.1", 80, ("10.0.0.1",)))
    current = compare(wanted, have, NODE, release=NEW)
    assert kinds_of(current.faults) == [FaultKind.MISSING, FaultKind.WRONG_BACKENDS]
    settled = confirmed(ServiceCoverage(0, 0, 0, 0), current)
    assert kinds_of(settled.faults) == [FaultKind.MISSING]
    assert settled.faults_total == 1
    assert confirmed(current, current) == current
