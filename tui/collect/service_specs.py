"""Hand Kubernetes' Services and endpoints to the comparison as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tui.cilium.servicespec import (
    SERVICE_NAME_LABEL,
    EndpointPortSpec,
    EndpointSliceSpec,
    EndpointSpec,
    ServicePortSpec,
    ServiceSpec,
)
from tui.cluster import kinds
from tui.cluster.objects import epoch, shared_labels


class IngressObject(kinds.LoadBalancerIngress, frozen=True):
    """One address of a load balancer; `Proxy` ones are not programmed (Kubernetes 1.29)."""

    ip_mode: str | None = None


class _Balancer(kinds.LoadBalancerStatus, frozen=True):
    ingress: list[IngressObject] | None = None  # type: ignore[assignment]  # narrowed: it is frozen


class _ServiceStatus(kinds.ServiceStatus, frozen=True):
    load_balancer: _Balancer | None = None


class _ServiceSpec(kinds.ServiceSpec, frozen=True):
    traffic_distribution: str | None = None


class ServiceObject(kinds.Service, frozen=True):
    """A Service with what decides whether a node may hold less than all of it."""

    spec: _ServiceSpec | None = None
    status: _ServiceStatus | None = None


class _Hints(kinds.Entity, frozen=True):
    for_zones: list[kinds.TargetRef] | None = None


class _Endpoint(kinds.Endpoint, frozen=True):
    hints: _Hints | None = None


class SliceObject(kinds.EndpointSlice, frozen=True):
    """An EndpointSlice with its zone hints."""

    endpoints: list[_Endpoint] | None = None  # type: ignore[assignment]  # narrowed: it is frozen


def service_spec(item: ServiceObject) -> ServiceSpec:
    """Return what the kernel's frontends follow from."""
    spec = item.spec or _ServiceSpec()
    single = [spec.cluster_ip] if spec.cluster_ip else []
    balancer = item.status.load_balancer if item.status is not None else None
    ingress = (balancer.ingress if balancer is not None else None) or []
    return ServiceSpec(
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        type=spec.type,
        cluster_ips=tuple(spec.cluster_ips or single),
        ports=tuple(_port(port) for port in spec.ports or ()),
        external_ips=tuple(spec.external_ips or ()),
        ingress_ips=tuple(entry.ip for entry in ingress if entry.ip and entry.ip_mode != "Proxy"),
        has_session_affinity=spec.session_affinity == "ClientIP",
        is_external_local=spec.external_traffic_policy == "Local",
        is_internal_local=spec.internal_traffic_policy == "Local",
        has_traffic_distribution=bool(spec.traffic_distribution),
        health_check_node_port=spec.health_check_node_port or 0,
        labels=item.metadata.labels or {},
        annotations=item.metadata.annotations or {},
        created_at=epoch(item.metadata.creation_timestamp),
        has_selector=bool(spec.selector),
        selector=tuple(sorted(shared_labels(spec.selector).items())),
    )


def _port(port: kinds.ServicePort) -> ServicePortSpec:
    target = "" if port.target_port in {None, 0} else str(port.target_port)
    return ServicePortSpec(port.port, port.name or "", port.protocol, port.node_port or 0, target)


def slice_spec(item: SliceObject) -> EndpointSliceSpec:
    """Return the backends of an EndpointSlice, v1 or v1beta1."""
    return EndpointSliceSpec(
        namespace=item.metadata.namespace,
        service_name=item.service_name,
        ports=tuple(_endpoint_port(port) for port in item.ports or ()),
        endpoints=tuple(_endpoint(endpoint) for endpoint in item.endpoints or ()),
        labels=item.metadata.labels or {},
    )


def _endpoint_port(port: kinds.EndpointPort) -> EndpointPortSpec:
    return EndpointPortSpec(port.port, port.name or "", port.protocol or "TCP")


def _endpoint(endpoint: _Endpoint) -> EndpointSpec:
    conditions = endpoint.conditions or kinds.EndpointConditions()
    return EndpointSpec(
        addresses=tuple(endpoint.addresses or ()),
        is_ready=conditions.ready,
        is_serving=conditions.serving,
        is_terminating=conditions.terminating,
        node_name=endpoint.node,
        has_zone_hints=endpoint.hints is not None and bool(endpoint.hints.for_zones),
    )


def endpoints_specs(item: kinds.Endpoints) -> EndpointSliceSpec:
    """Return the backends of an Endpoints object, for API servers without EndpointSlices.

    A slice has one list of ports for all its endpoints, Endpoints have one for each subset: the
    subsets of one object share their ports in all but hand-written ones.
    """
    subsets = item.subsets or []
    ports = {
        (port.name, port.protocol, port.port): port
        for subset in subsets
        for port in subset.ports or ()
    }
    return EndpointSliceSpec(
        namespace=item.metadata.namespace,
        service_name=item.metadata.name,
        ports=tuple(_endpoint_port(port) for port in ports.values()),
        endpoints=tuple(_addresses(subsets)),
        labels={**(item.metadata.labels or {}), SERVICE_NAME_LABEL: item.metadata.name},
    )


def _addresses(subsets: Iterable[kinds.EndpointSubset]) -> Iterator[EndpointSpec]:
    for subset in subsets:
        for address in subset.addresses or ():
            yield EndpointSpec((address.ip,), is_ready=True, node_name=address.node_name or "")
