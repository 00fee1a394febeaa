"""What the cluster's Services want in every kernel: frontends and the backends behind each.

The rules are those of pkg/k8s/service.go and service_cache.go (to 1.17) and of
pkg/loadbalancer/reflectors (from 1.18). Where releases or settings differ, a frontend is marked
optional: it may be there, and nobody is alarmed either way.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from socket import AF_INET, inet_pton

from tui.cilium.servicespec import (
    EndpointPortSpec,
    EndpointSliceSpec,
    EndpointSpec,
    ServicePortSpec,
    ServiceSpec,
)
from tui.model.services import Address, FrontendKind, Service, ServicePort
from tui.safety import CleanText, clean

PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
_MESH_SLICES = "endpointslice-mesh-controller.cilium.io"
"""Slices that Cilium itself makes of other clusters' backends: agents don't watch them (1.15)."""
_TYPE_ANNOTATION = "service.cilium.io/type"
_NODE_ANNOTATIONS = ("service.cilium.io/node", "service.cilium.io/node-selector")
_GLOBAL_ANNOTATIONS = ("service.cilium.io/global", "io.cilium/global-service")
_AFFINITY_ANNOTATIONS = ("service.cilium.io/affinity", "io.cilium/service-affinity")
_TOPOLOGY_ANNOTATIONS = (
    "service.kubernetes.io/topology-mode",
    "service.kubernetes.io/topology-aware-hints",
)
_L7_ANNOTATION = "service.cilium.io/lb-l7"
_FORWARDING_ANNOTATION = "service.cilium.io/forwarding-mode"
_PROGRAMMED_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")

IpPort = tuple[str, int]


@dataclass(frozen=True, slots=True)
class PortBackends:
    """The backends behind one port of a Service, of one IP family."""

    active: frozenset[IpPort] = frozenset()
    fallback: frozenset[IpPort] = frozenset()
    """Terminating but serving: used where no active one is left, by releases that can; or ready
    although it terminates (publishNotReadyAddresses), which is active from 1.18 on only."""
    by_node: Mapping[str, frozenset[IpPort]] = field(default_factory=dict)
    """The active ones by node, where a traffic policy is Local."""
    is_partial: bool = False
    """A node may hold some of them only: zone hints, or another cluster's are preferred."""
    is_open: bool = False
    """A node may hold more: backends of other clusters, which this cluster's API does not know."""


@dataclass(frozen=True, slots=True)
class WantedFrontend:
    """One frontend that every node should hold; a NodePort's IP is empty, for each node's own."""

    service: CleanText
    ip: str
    port: int
    protocol: str
    kind: FrontendKind
    backends: PortBackends
    family: int
    has_session_affinity: bool = False
    is_external_local: bool = False
    is_internal_local: bool = False
    is_optional: bool = False
    """Whether it is fine if a node does not hold it."""

    @property
    def address(self) -> Address:
        """Return the frontend as the screen names it."""
        return Address(self.ip, self.port, self.protocol)


@dataclass(frozen=True, slots=True)
class WantedService:
    """One Service with all its frontends."""

    service: Service
    frontends: tuple[WantedFrontend, ...] = ()
    health_check_node_port: int = 0


@dataclass(frozen=True, slots=True)
class WantedServices:
    """All Services, indexed for the comparison with a node."""

    services: tuple[Service, ...] = ()
    frontends: Mapping[IpPort, tuple[WantedFrontend, ...]] = field(default_factory=dict)
    """By IP and port, without the NodePort ones; several where protocols share a port."""
    node_ports: Mapping[tuple[int, int], tuple[WantedFrontend, ...]] = field(default_factory=dict)
    """By family and port."""
    tolerated_ports: frozenset[int] = frozenset()
    """Health-check node ports, for which some releases add frontends."""
    resource_version: str = ""


def wanted_services(
    services: Iterable[ServiceSpec],
    slices: Iterable[EndpointSliceSpec],
    resource_version: str = "",
) -> WantedServices:
    """Work out what all Services want."""
    by_service: dict[tuple[str, str], list[EndpointSliceSpec]] = {}
    for one in slices:
        by_service.setdefault((one.namespace, one.service_name), []).append(one)
    return index_services(
        (
            wanted_service(service, by_service.get((service.namespace, service.name), ()))
            for service in services
        ),
        resource_version,
    )


def index_services(wanted: Iterable[WantedService], resource_version: str = "") -> WantedServices:
    """Put single Services together, so that a changed one alone is worked out anew."""
    services: list[Service] = []
    frontends: dict[IpPort, tuple[WantedFrontend, ...]] = {}
    node_ports: dict[tuple[int, int], tuple[WantedFrontend, ...]] = {}
    tolerated: set[int] = set()
    for one in wanted:
        services.append(one.service)
        if one.health_check_node_port:
            tolerated.add(one.health_check_node_port)
        for frontend in one.frontends:
            if frontend.kind is FrontendKind.NODE_PORT:
                key = (frontend.family, frontend.port)
                node_ports[key] = (*node_ports.get(key, ()), frontend)
            else:
                ip_port = (frontend.ip, frontend.port)
                frontends[ip_port] = (*frontends.get(ip_port, ()), frontend)
    services.sort(key=lambda service: service.name)
    return WantedServices(
        tuple(services), frontends, node_ports, frozenset(tolerated), resource_version
    )


def wanted_service(service: ServiceSpec, slices: Sequence[EndpointSliceSpec]) -> WantedService:
    """Work out what one Service wants, from its own EndpointSlices."""
    written = slices
    slices = [one for one in slices if _is_watched(one)]
    backends = {
        (port.name, family): _port_backends(service, port, family, slices)
        for port in service.ports
        for family in (4, 6)
    }
    frontends = tuple(_frontends(service, backends, has_slices=bool(slices)))
    return WantedService(
        service=_fact(service, frontends, backends.values(), written),
        frontends=frontends,
        health_check_node_port=service.health_check_node_port,
    )


def _is_watched(one: EndpointSliceSpec) -> bool:
    """Tell whether agents watch the slice (`GetEndpointSliceListOptionsModifier`)."""
    return HEADLESS_LABEL not in one.labels and one.labels.get(MANAGED_BY_LABEL) != _MESH_SLICES


def _fact(
    service: ServiceSpec,
    frontends: Sequence[WantedFrontend],
    backends: Iterable[PortBackends],
    slices: Sequence[EndpointSliceSpec],
) -> Service:
    protocols = {
        ip_port: frontend.protocol for frontend in frontends for ip_port in frontend.backends.active
    }
    active = {ip_port for one in backends for ip_port in one.active}
    return Service(
        name=clean(f"{service.namespace}/{service.name}"),
        type=clean(service.type),
        cluster_ips=tuple(ip for ip, _ in _addresses(service.cluster_ips)),
        ports=tuple(_port_fact(port, slices) for port in service.ports),
        frontends=tuple(
            frontend.address
            for frontend in frontends
            if frontend.kind is not FrontendKind.NODE_PORT
        ),
        backends=tuple(
            sorted(Address(ip, port, protocols.get((ip, port), "TCP")) for ip, port in active)
        ),
        has_session_affinity=service.has_session_affinity,
        created_at=service.created_at,
        has_selector=service.has_selector,
        is_external_local=service.is_external_local,
        selector=service.selector,
        is_headless=service.is_headless,
        forwarding_mode=clean(service.annotations.get(_FORWARDING_ANNOTATION, "")),
        external_ips=tuple(ip for ip, _ in _addresses(service.external_ips)),
        endpoint_nodes=_endpoint_nodes(slices),
    )


def _endpoint_nodes(slices: Iterable[EndpointSliceSpec]) -> tuple[str, ...]:
    names = {
        endpoint.node_name
        for one in slices
        for endpoint in one.endpoints
        if endpoint.is_ready is not False and not endpoint.is_terminating
    }
    return tuple(sys.intern(str(clean(name))) for name in sorted(names))


def _port_fact(port: ServicePortSpec, slices: Iterable[EndpointSliceSpec]) -> ServicePort:
    numbers = {
        candidate.port for one in slices for candidate in one.ports if _is_same(port, candidate)
    }
    return ServicePort(
        clean(port.name),
        port.port,
        str(clean(port.protocol)),
        port.node_port or None,
        clean(port.target_port),
        tuple(sorted(number for number in numbers if number is not None)),
    )


def family_of(ip: str) -> int:
    """Tell the IP version of an address that is known to be one."""
    return 6 if ":" in ip else 4


def _addresses(texts: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield the IPs in the form the maps' decoder prints, leaving out what is none."""
    for text in texts:
        try:
            if ":" in text:
                yield str(IPv6Address(text)), 6
            else:
                inet_pton(AF_INET, text)
                yield text, 4
        except (ValueError, OSError):
            continue


def _is_programmed(service: ServiceSpec) -> bool:
    return (
        service.type in _PROGRAMMED_TYPES
        and not service.is_headless
        and HEADLESS_LABEL not in service.labels
    )


def _is_optional(service: ServiceSpec, *, has_slices: bool) -> bool:
    """Tell whether Cilium may leave the whole Service out.

    A proxy name gives it to another proxy; a node annotation (1.18) to some nodes; without any
    EndpointSlice it is not programmed until 1.17 and is from 1.18.
    """
    return (
        not has_slices
        or PROXY_NAME_LABEL in service.labels
        or any(key in service.annotations for key in _NODE_ANNOTATIONS)
    )


def _frontends(
    service: ServiceSpec,
    backends: Mapping[tuple[str, int], PortBackends],
    *,
    has_slices: bool,
) -> Iterator[WantedFrontend]:
    if not _is_programmed(service):
        return
    is_optional = _is_optional(service, has_slices=has_slices)
    exposed = service.annotations.get(_TYPE_ANNOTATION, "")
    for kind, ip, family in _frontend_ips(service):
        for port in service.ports:
            number = port.node_port if kind is FrontendKind.NODE_PORT else port.port
            if not 0 < number < 65_536:
                continue
            yield WantedFrontend(
                service=clean(f"{service.namespace}/{service.name}"),
                ip=ip,
                port=number,
                protocol=str(clean(port.protocol)),
                kind=kind,
                backends=backends[(port.name, family)],
                family=family,
                has_session_affinity=service.has_session_affinity,
                is_external_local=service.is_external_local,
                is_internal_local=service.is_internal_local,
                # SCTP needs enable-sctp (1.13), which no status tells.
                is_optional=is_optional
                or port.protocol not in {"TCP", "UDP"}
                or bool(exposed and kind.value.lower() not in exposed.lower()),
            )


def _frontend_ips(service: ServiceSpec) -> Iterator[tuple[FrontendKind, str, int]]:
    cluster_ips = list(_addresses(service.cluster_ips))
    for ip, family in cluster_ips:
        yield FrontendKind.CLUSTER_IP, ip, family
    if service.type in {"NodePort", "LoadBalancer"}:
        for family in sorted({family for _, family in cluster_ips}):
            yield FrontendKind.NODE_PORT, "", family
    if service.type == "LoadBalancer":
        for ip, family in _addresses(service.ingress_ips):
            yield FrontendKind.LOAD_BALANCER, ip, family
    for ip, family in _addresses(service.external_ips):
        yield FrontendKind.EXTERNAL_IP, ip, family


def _port_backends(
    service: ServiceSpec, port: ServicePortSpec, family: int, slices: Iterable[EndpointSliceSpec]
) -> PortBackends:
    active: set[IpPort] = set()
    fallback: set[IpPort] = set()
    by_node: dict[str, set[IpPort]] = {}
    has_hints = False
    for endpoint, number in _endpoints_of(port, slices):
        found = {
            (ip, number) for ip, version in _addresses(endpoint.addresses) if version == family
        }
        has_hints = has_hints or endpoint.has_zone_hints
        is_ready = endpoint.is_ready is None or endpoint.is_ready
        if is_ready and not endpoint.is_terminating:
            active |= found
            by_node.setdefault(endpoint.node_name, set()).update(found)
        elif endpoint.is_terminating and (is_ready or endpoint.is_serving):
            fallback |= found
    is_global = _annotation(service, _GLOBAL_ANNOTATIONS) == "true"
    prefers_others = is_global and _annotation(service, _AFFINITY_ANNOTATIONS) == "remote"
    topology = _annotation(service, _TOPOLOGY_ANNOTATIONS) not in {"", "disabled"}
    needs_nodes = service.is_external_local or service.is_internal_local
    return PortBackends(
        active=frozenset(active),
        fallback=frozenset(fallback - active),
        by_node={node: frozenset(ips) for node, ips in by_node.items()} if needs_nodes else {},
        is_partial=has_hints or topology or service.has_traffic_distribution or prefers_others,
        # An Envoy in front of a Service gets its backends from elsewhere.
        is_open=is_global or _L7_ANNOTATION in service.annotations,
    )


def _annotation(service: ServiceSpec, names: Iterable[str]) -> str:
    return next(
        (service.annotations[name].lower() for name in names if name in service.annotations), ""
    )


def _endpoints_of(
    port: ServicePortSpec, slices: Iterable[EndpointSliceSpec]
) -> Iterator[tuple[EndpointSpec, int]]:
    """Yield endpoints with the number of the port that has the Service port's name."""
    for one in slices:
        for candidate in one.ports:
            number = candidate.port
            if number is not None and _is_same(port, candidate) and 0 < number < 65_536:
                for endpoint in one.endpoints:
                    yield endpoint, number


def _is_same(port: ServicePortSpec, candidate: EndpointPortSpec) -> bool:
    return candidate.name == port.name and candidate.protocol == port.protocol
