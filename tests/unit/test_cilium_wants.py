from __future__ import annotations

from dataclasses import replace

import pytest

from tui.cilium.servicespec import (
    EndpointPortSpec,
    EndpointSliceSpec,
    EndpointSpec,
    ServicePortSpec,
    ServiceSpec,
)
from tui.cilium.wants import WantedFrontend, wanted_service, wanted_services
from tui.model.services import Address, FrontendKind

PORT = ServicePortSpec(80, "http")
SERVICE = ServiceSpec("default", "echo", cluster_ips=("10.96.0.7",), ports=(PORT,))
ENDPOINTS = (EndpointSpec(("10.0.0.1",), node_name="n1"), EndpointSpec(("10.0.0.2",)))
SLICE = EndpointSliceSpec(
    "default", "echo", ports=(EndpointPortSpec(8080, "http"),), endpoints=ENDPOINTS
)


def frontends(service: ServiceSpec, *slices: EndpointSliceSpec) -> tuple[WantedFrontend, ...]:
    return wanted_service(service, slices or (SLICE,)).frontends


def active(service: ServiceSpec, *endpoints: EndpointSpec) -> set[str]:
    (one,) = frontends(service, replace(SLICE, endpoints=endpoints))
    return {ip for ip, _ in one.backends.active}


def test_a_cluster_ip_wants_its_ready_endpoints() -> None:
    wanted = wanted_service(SERVICE, [SLICE])
    (one,) = wanted.frontends
    assert one.address == Address("10.96.0.7", 80, "TCP")
    assert one.backends.active == {("10.0.0.1", 8080), ("10.0.0.2", 8080)}
    assert not one.is_optional
    assert wanted.service.name == "default/echo"
    assert wanted.service.frontends == (Address("10.96.0.7", 80, "TCP"),)
    assert wanted.service.backends == (
        Address("10.0.0.1", 8080, "TCP"),
        Address("10.0.0.2", 8080, "TCP"),
    )


def test_readiness_as_the_api_means_it() -> None:
    none = EndpointSpec(("10.0.0.1",))
    assert active(SERVICE, none) == {"10.0.0.1"}
    assert active(SERVICE, replace(none, is_ready=False)) == set()
    published = replace(none, is_ready=True, is_terminating=True)
    (one,) = frontends(SERVICE, replace(SLICE, endpoints=(published,)))
    assert not one.backends.active
    assert one.backends.fallback == {("10.0.0.1", 8080)}
    ending = replace(none, is_ready=False, is_serving=True, is_terminating=True)
    (one,) = frontends(SERVICE, replace(SLICE, endpoints=(ending,)))
    assert one.backends.active == set()
    assert one.backends.fallback == {("10.0.0.1", 8080)}


def test_ports_are_matched_by_name_and_protocol() -> None:
    service = replace(
        SERVICE,
        ports=(ServicePortSpec(53, "dns", "UDP"), ServicePortSpec(53, "dns-tcp", "TCP")),
    )
    slices = replace(
        SLICE,
        ports=(
            EndpointPortSpec(5353, "dns", "UDP"),
            EndpointPortSpec(5354, "dns-tcp", "TCP"),
            EndpointPortSpec(None, "dns"),
            EndpointPortSpec(9153, "metrics"),
        ),
    )
    ports = {
        one.protocol: {port for _, port in one.backends.active}
        for one in frontends(service, slices)
    }
    assert ports == {"UDP": {5353}, "TCP": {5354}}


def test_several_slices_add_up_and_families_stay_apart() -> None:
    service = replace(SERVICE, cluster_ips=("10.96.0.7", "FD00:10:0::7"))
    other = replace(SLICE, endpoints=(EndpointSpec(("fd00::1",)),))
    four, six = frontends(service, SLICE, other)
    assert len(four.backends.active) == 2
    assert six.ip == "fd00:10::7"
    assert six.backends.active == {("fd00::1", 8080)}


@pytest.mark.parametrize(
    "service",
    [
        replace(SERVICE, type="ExternalName", cluster_ips=()),
        replace(SERVICE, cluster_ips=("None",)),
        replace(SERVICE, labels={"service.kubernetes.io/headless": ""}),
        replace(SERVICE, cluster_ips=("not an ip", "")),
        replace(SERVICE, ports=()),
    ],
)
def test_what_is_never_programmed_wants_nothing(service: ServiceSpec) -> None:
    assert frontends(service) == ()


@pytest.mark.parametrize(
    "service",
    [
        replace(SERVICE, labels={"service.kubernetes.io/service-proxy-name": "x"}),
        replace(SERVICE, annotations={"service.cilium.io/node": "beefy"}),
        replace(SERVICE, annotations={"service.cilium.io/type": "LoadBalancer"}),
        replace(SERVICE, ports=(replace(PORT, protocol="SCTP"),)),
    ],
)
def test_what_settings_may_leave_out_is_optional(service: ServiceSpec) -> None:
    (one,) = frontends(service)
    assert one.is_optional


def test_a_service_without_any_slice_is_optional() -> None:
    (one,) = wanted_service(SERVICE, ()).frontends
    assert one.is_optional
    (other,) = frontends(SERVICE, replace(SLICE, endpoints=()))
    assert not other.is_optional
    headless = replace(SLICE, labels={"service.kubernetes.io/headless": ""})
    assert wanted_service(SERVICE, (headless,)).frontends[0].is_optional


def test_a_load_balancer_wants_every_kind() -> None:
    service = replace(
        SERVICE,
        type="LoadBalancer",
        ports=(replace(PORT, node_port=30080),),
        external_ips=("192.0.2.1",),
        ingress_ips=("172.16.0.1", ""),
    )
    assert [(one.kind, one.ip, one.port) for one in frontends(service)] == [
        (FrontendKind.CLUSTER_IP, "10.96.0.7", 80),
        (FrontendKind.NODE_PORT, "", 30080),
        (FrontendKind.LOAD_BALANCER, "172.16.0.1", 80),
        (FrontendKind.EXTERNAL_IP, "192.0.2.1", 80),
    ]
    assert len(wanted_service(service, [SLICE]).service.frontends) == 3
    unallocated = replace(service, ports=(PORT,))
    assert FrontendKind.NODE_PORT not in {one.kind for one in frontends(unallocated)}


def test_only_the_named_type_is_wanted() -> None:
    service = replace(
        SERVICE,
        type="LoadBalancer",
        ports=(replace(PORT, node_port=30080),),
        ingress_ips=("172.16.0.1",),
        annotations={"service.cilium.io/type": "ClusterIP"},
    )
    assert [one.is_optional for one in frontends(service)] == [False, True, True]


def test_other_clusters_and_zones_change_what_a_node_may_hold() -> None:
    (one,) = frontends(replace(SERVICE, annotations={"service.cilium.io/global": "true"}))
    assert (one.backends.is_open, one.backends.is_partial) == (True, False)
    remote = {"io.cilium/global-service": "true", "io.cilium/service-affinity": "remote"}
    (one,) = frontends(replace(SERVICE, annotations=remote))
    assert (one.backends.is_open, one.backends.is_partial) == (True, True)
    hinted = replace(SLICE, endpoints=(EndpointSpec(("10.0.0.1",), has_zone_hints=True),))
    assert frontends(SERVICE, hinted)[0].backends.is_partial
    assert frontends(replace(SERVICE, has_traffic_distribution=True))[0].backends.is_partial
    auto = {"service.kubernetes.io/topology-mode": "Auto"}
    assert frontends(replace(SERVICE, annotations=auto))[0].backends.is_partial
    off = {"service.kubernetes.io/topology-mode": "Disabled"}
    assert not frontends(replace(SERVICE, annotations=off))[0].backends.is_partial


def test_what_checks_ask_of_a_service_is_kept() -> None:
    plain = wanted_service(ServiceSpec("shop", "web", cluster_ips=("10.96.0.1",)), ()).service
    assert not plain.is_external_local
    local = ServiceSpec("shop", "web", cluster_ips=("10.96.0.1",), is_external_local=True)
    assert wanted_service(local, ()).service.is_external_local


def test_names_are_cleaned() -> None:
    wanted = wanted_service(replace(SERVICE, name="a\x1b[31mb"), [SLICE])
    assert wanted.service.name == "default/ab"


def test_services_are_indexed() -> None:
    second = replace(SERVICE, name="aaa", cluster_ips=("10.96.0.8",), health_check_node_port=31000)
    found = wanted_services([SERVICE, second], [SLICE], "42")
    assert [one.name for one in found.services] == ["default/aaa", "default/echo"]
    assert set(found.frontends) == {("10.96.0.7", 80), ("10.96.0.8", 80)}
    assert found.tolerated_ports == {31000}
    assert found.resource_version == "42"
