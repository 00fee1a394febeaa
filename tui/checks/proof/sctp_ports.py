"""SCTP ports of Services: what keeps them from working, on one node or on all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from tui.checks.phrases import counted, some_of
from tui.checks.proof.overrides import is_set_elsewhere
from tui.checks.view import ClusterView
from tui.cilium.config import find_flag, find_value
from tui.model.agent import EffectiveConfig
from tui.model.findings import AffectedObject, Evidence, ProofKind
from tui.model.services import Service, ServicePort
from tui.safety import CleanText, clean

OPTION = "enable-sctp"

_REPLACING = frozenset({"strict", "true"})
"""Values of kube-proxy-replacement with which NodePorts are Cilium's."""


@dataclass(frozen=True, slots=True)
class SctpPort:
    """One SCTP port of a Service, with what keeps it from working; empty where nothing does."""

    service: Service
    port: ServicePort
    faults: tuple[str, ...] = ()
    is_unresolved: bool = False
    """Whether its targetPort is a name that no endpoint resolves."""

    @property
    def key(self) -> tuple[str, int]:
        """What stays the same whatever is wrong with it."""
        return str(self.service.name), self.port.port

    @property
    def affected(self) -> AffectedObject:
        """The Service as an object of a finding."""
        namespace, _, name = self.service.name.partition("/")
        faults = f": {', '.join(self.faults)}" if self.faults else ""
        detail = clean(f"port {self.port.port}/SCTP{faults}", 300)
        return AffectedObject("Service", CleanText(name), CleanText(namespace), detail)


@dataclass(frozen=True, slots=True)
class ClusterSctp:
    """What can't work whichever node is asked."""

    is_off: bool
    """Whether `enable-sctp` is not true in the ConfigMap: then no port works."""
    ports: tuple[SctpPort, ...]

    @property
    def keys(self) -> frozenset[tuple[str, int]]:
        """The ports that the cluster's own finding tells of."""
        return frozenset(one.key for one in self.ports)


def sctp_ports(cluster: ClusterView) -> list[SctpPort]:
    """Return the SCTP ports that load balancing would have to serve."""
    return [
        SctpPort(service, port)
        for service in cluster.balanced_services.get("SCTP", ())
        if service.type != "ExternalName"
        for port in service.ports
        if port.protocol.upper() == "SCTP"
    ]


def cluster_sctp(cluster: ClusterView) -> ClusterSctp | None:
    """Return what the ConfigMap and the Services tell of all nodes.

    None where one of them is not known, or other layers of the configuration name the option.

    A port that needs rewriting works on no release: 1.13 and later never rewrite one, older ones
    don't know SCTP.
    """
    held = cluster.facts.config_map.value
    if held is None or cluster.facts.services.value is None or is_set_elsewhere(cluster, OPTION):
        return None
    config = EffectiveConfig(held.values)
    ports = sctp_ports(cluster)
    if find_flag(config, OPTION) is not True:
        return ClusterSctp(is_off=True, ports=tuple(ports))
    mode = (find_value(config, "kube-proxy-replacement") or "").strip().lower()
    serves = mode in _REPLACING or find_flag(config, "enable-node-port") is True
    found = (examined(one, serves_node_ports=serves) for one in ports)
    return ClusterSctp(is_off=False, ports=tuple(one for one in found if one.faults))


def examined(one: SctpPort, *, serves_node_ports: bool) -> SctpPort:
    """Find what an enabled SCTP still can't do: change a port (`configuration/sctp` of 1.18)."""
    port = one.port
    faults: list[str] = []
    targets: tuple[int, ...] = port.backend_ports
    is_unresolved = False
    if not targets and port.target_port and not port.target_port.isdecimal():
        is_unresolved = True
    elif not targets and port.target_port:
        targets = (int(port.target_port[:9]),)
    others = sorted({target for target in targets if target != port.port})
    if others:
        name = f" ({port.target_port})" if not port.target_port.isdecimal() else ""
        faults.append(f"targetPort {', '.join(map(str, others))}{name} differs")
    if serves_node_ports:
        if port.node_port is not None:
            faults.append(f"nodePort {port.node_port}")
        elif one.service.type == "LoadBalancer":
            faults.append("type LoadBalancer")
    return replace(one, faults=tuple(faults), is_unresolved=is_unresolved)


def used(ports: Iterable[SctpPort], host_ports: int = 0) -> str:
    """Return how many ports there are, and of which Services."""
    found = list(ports)
    parts = []
    if found:
        parts.append(f"{counted(len(found), 'SCTP port')} of Services ({names(found)})")
    if host_ports:
        parts.append(counted(host_ports, "SCTP hostPort"))
    return " and ".join(parts)


def names(ports: Iterable[SctpPort]) -> str:
    """Return the names of a few Services."""
    return some_of((str(one.service.name) for one in ports), 3)


def port_evidence(cluster: ClusterView, ports: Iterable[SctpPort]) -> Iterator[Evidence]:
    """Yield the first few ports as evidence."""
    for one in list(ports)[:5]:
        port = one.port
        targets = ", ".join(map(str, port.backend_ports)) or "none"
        node_port = f", nodePort {port.node_port}" if port.node_port is not None else ""
        text = (
            f"{one.service.name} {one.service.type}: port {port.port}/SCTP, targetPort"
            f" {port.target_port or port.port}, endpoints' ports: {targets}{node_port}"
        )
        key = str(one.service.name)
        yield cluster.evidence(cluster.facts.services, text, ProofKind.SERVICE, key)


def config_map_evidence(cluster: ClusterView) -> Evidence:
    """Return what the ConfigMap says of the option."""
    held = cluster.facts.config_map
    value = None if held.value is None else held.value.values.get(OPTION)
    said = (
        f"{OPTION}={value}" if value is not None else f"{OPTION} is not set: the default is false"
    )
    return cluster.evidence(held, f"{said} (ConfigMap)", ProofKind.CONFIG, OPTION)
