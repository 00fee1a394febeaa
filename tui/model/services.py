"""Services: what a node should hold against what its kernel holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tui.safety import CleanText


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An IP, a port and a protocol; `ANY` where the release does not tell protocols apart."""

    ip: str
    port: int
    protocol: str = "ANY"

    def __str__(self) -> str:
        host = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{host}:{self.port}/{self.protocol}"


class FrontendKind(StrEnum):
    """Why a frontend exists."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    EXTERNAL_IP = "ExternalIP"
    HOST_PORT = "HostPort"
    LOCAL_REDIRECT = "LocalRedirect"
    OTHER = "other"


class FaultKind(StrEnum):
    """How a frontend differs from what the cluster wants, worst first."""

    MISSING = "missing"
    NO_BACKENDS = "no backends"
    WRONG_BACKENDS = "wrong backends"
    WRONG_AFFINITY = "wrong affinity"
    SURPLUS = "surplus"
    """In the kernel, but no Service wants it."""


@dataclass(frozen=True, slots=True)
class FrontendFault:
    """One frontend of one node that is not as the cluster wants it."""

    service: CleanText
    """`namespace/name`; for a surplus frontend the empty text."""
    frontend: Address
    kind: FrontendKind
    fault: FaultKind
    missing_backends: tuple[Address, ...] = ()
    surplus_backends: tuple[Address, ...] = ()
    detail: CleanText = CleanText("")


@dataclass(frozen=True, slots=True)
class ServiceCoverage:
    """Want against have on one node."""

    wanted_frontends: int
    held_frontends: int
    """Wanted frontends that the kernel holds, right or wrong."""
    wanted_backends: int
    held_backends: int
    faults: tuple[FrontendFault, ...] = ()
    """Worst first; bounded, see `faults_total`."""
    faults_total: int = 0
    wanted_service_entries: int | None = None
    """Slots the services map needs for all of it: one a frontend and one a backend of it."""
    want_resource_version: str = ""

    @property
    def missing_frontends(self) -> int:
        """How many wanted frontends are not in the kernel."""
        return self.wanted_frontends - self.held_frontends


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service as the cluster wants it."""

    name: CleanText
    port: int
    protocol: str
    node_port: int | None = None
    target_port: CleanText = CleanText("")
    """`targetPort` as written: a number, a name, or empty where it is the port itself."""
    backend_ports: tuple[int, ...] = ()
    """The ports that its EndpointSlices really have for it."""


@dataclass(frozen=True, slots=True)
class Service:
    """One Service with the frontends and backends that every node should hold."""

    name: CleanText
    """`namespace/name`."""
    type: CleanText
    cluster_ips: tuple[str, ...]
    ports: tuple[ServicePort, ...]
    frontends: tuple[Address, ...]
    """Without the NodePort ones: those differ per node."""
    backends: tuple[Address, ...]
    has_session_affinity: bool = False
    created_at: float | None = None
    has_selector: bool = True
    is_headless: bool = False
    forwarding_mode: CleanText = CleanText("")
    """The annotation `service.cilium.io/forwarding-mode` (1.17 and later): `dsr` or `snat`."""
    external_ips: tuple[str, ...] = ()
    is_external_local: bool = False
    """`spec.externalTrafficPolicy` is Local: a node passes nothing on to another one's pods."""
    selector: tuple[tuple[str, str], ...] = ()
    """Labels of the pods that back it, sorted; empty where it has none."""
    endpoint_nodes: tuple[str, ...] = ()
    """Names of the nodes with a ready endpoint, sorted; the empty name is an endpoint whose node is
    not known."""
