"""The fields of Services and EndpointSlices that decide what a kernel should hold.

Plain values, so that whatever reads the Kubernetes API can fill them in: nothing here knows how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class ServicePortSpec:
    """One entry of a Service's `spec.ports`."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    node_port: int = 0
    """0 where none is allocated."""
    target_port: str = ""
    """`targetPort` as written: a number or a name; empty where it is the port itself."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """The fields of a Service that decide what the kernel should hold."""

    namespace: str
    name: str
    type: str = "ClusterIP"
    cluster_ips: tuple[str, ...] = ()
    """`spec.clusterIPs`, else `spec.clusterIP`; `None` stands for headless."""
    ports: tuple[ServicePortSpec, ...] = ()
    external_ips: tuple[str, ...] = ()
    ingress_ips: tuple[str, ...] = ()
    """`status.loadBalancer.ingress[].ip` whose ipMode is not `Proxy`."""
    has_session_affinity: bool = False
    """`spec.sessionAffinity` is ClientIP."""
    is_external_local: bool = False
    """`spec.externalTrafficPolicy` is Local."""
    is_internal_local: bool = False
    """`spec.internalTrafficPolicy` is Local."""
    has_traffic_distribution: bool = False
    """`spec.trafficDistribution` is set: a node may use the near backends only."""
    health_check_node_port: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    created_at: float | None = None
    has_selector: bool = True
    selector: tuple[tuple[str, str], ...] = ()
    """`spec.selector`, sorted."""

    @property
    def is_headless(self) -> bool:
        """Whether `clusterIP` is `None`: nothing balances it."""
        return any(ip.lower() == "none" for ip in self.cluster_ips)


@dataclass(frozen=True, slots=True)
class EndpointPortSpec:
    """One entry of an EndpointSlice's `ports`."""

    port: int | None
    name: str = ""
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """One entry of an EndpointSlice's `endpoints`."""

    addresses: tuple[str, ...]
    is_ready: bool | None = None
    """None counts as ready, as the API says."""
    is_serving: bool | None = None
    is_terminating: bool | None = None
    node_name: str = ""
    """`nodeName`, in v1beta1 `topology["kubernetes.io/hostname"]`."""
    has_zone_hints: bool = False


@dataclass(frozen=True, slots=True)
class EndpointSliceSpec:
    """An EndpointSlice, v1 or v1beta1."""

    namespace: str
    service_name: str
    """The label `kubernetes.io/service-name`."""
    ports: tuple[EndpointPortSpec, ...] = ()
    endpoints: tuple[EndpointSpec, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
