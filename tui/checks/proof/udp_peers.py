"""Connected UDP sockets whose remote address is a Service's backend no more.

socket-LB writes the backend's address into the socket at connect(), so /proc/net/udp shows a pod's
address for a socket to a Service, exactly as for one that was connected to the pod itself. The
snapshot has no past either. So what it takes to call such a socket stale:

* Proof: the node's load-balancing map still lists the remote address as a backend that the
  EndpointSlices of that Service do not have, or the agent's log says that it could not end the
  sockets to it (S2).
* Suspicion: no Service has the address, its port is a backend port of a Service with UDP, and it
  lies in a network that holds nothing but pods. It may be a direct connection to a pod, so it is
  shown and never ACTIVE by itself.
* Neither: addresses of Services, of their backends on any port (the pod is there), of the node,
  and all outside pod networks, such as the resolver that the cluster's DNS itself asks on port 53.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from tui.checks.proof.sources import of_running_agent
from tui.checks.view import ClusterView, NodeView
from tui.model.host import UdpPeer
from tui.model.logs import LogEntry
from tui.model.services import FaultKind, Service

_POD_RANGES = ("cluster-pool-ipv4-cidr", "cluster-pool-ipv6-cidr")
_DEDICATED_IPAM = frozenset({"kubernetes", "cluster-pool", "multi-pool", "cluster-pool-v2beta"})
"""IPAM modes whose pod networks hold no other machines; clouds' (`eni`, `azure`) do."""
_NODE_PREFIX = {4: 24, 6: 64}
"""How much of the address a node's pods share where the ranges are not known."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class StalePeer:
    """Sockets with one remote address that is no backend any more."""

    peer: UdpPeer
    service: str
    """`namespace/name` of the Service it belonged to, as far as that is known."""
    why: str
    is_proved: bool

    @property
    def remote(self) -> str:
        """The remote address with its port."""
        host = f"[{self.peer.address}]" if ":" in self.peer.address else self.peer.address
        return f"{host}:{self.peer.port}"


def stale_peers(view: NodeView) -> tuple[StalePeer, ...]:
    """Return the sockets that outlived their backend, proved ones first."""
    sockets = view.host.sockets
    if sockets is None or not sockets.peers:
        return ()
    surplus = dict(_surplus(view))
    ports = _udp_ports(view.cluster)
    failed = of_running_agent(view, "S2")
    networks: tuple[Network, ...] | None = None
    found = []
    for peer in sockets.peers:
        proof = surplus.get((peer.address, peer.port))
        if proof is not None:
            found.append(StalePeer(peer, proof, "the node's map still lists it", is_proved=True))
            continue
        if _is_known(view, peer.address):
            continue
        service = ports.get(peer.port, "")
        if failed and _is_logged(failed, peer):
            why = "the agent's log says that sockets to it could not be ended"
            found.append(StalePeer(peer, service, why, is_proved=True))
            continue
        if not service:
            continue
        networks = _pod_networks(view) if networks is None else networks
        if _is_inside(peer.address, networks):
            why = f"no Service has it, and port {peer.port} is one of {service}'s backends"
            found.append(StalePeer(peer, service, why, is_proved=False))
    return tuple(sorted(found, key=lambda one: (not one.is_proved, -one.peer.count)))


def _surplus(view: NodeView) -> Iterator[tuple[tuple[str, int], str]]:
    """Yield the backends that the node's map has for a Service and its EndpointSlices don't."""
    coverage = view.facts.services.value
    for fault in coverage.faults if coverage is not None else ():
        if fault.fault in (FaultKind.WRONG_BACKENDS, FaultKind.NO_BACKENDS):
            for address in fault.surplus_backends:
                if address.protocol in ("UDP", "ANY") and _has_udp(view, str(fault.service)):
                    yield (address.ip, address.port), str(fault.service)


def _has_udp(view: NodeView, service: str) -> bool:
    found = view.cluster.services.get(service)
    return found is not None and any(port.protocol.upper() == "UDP" for port in found.ports)


def _is_known(view: NodeView, address: str) -> bool:
    """Tell whether the address is one of today: a Service's, a backend's, or the node's own."""
    cluster = view.cluster
    return (
        address in cluster.service_of_backend
        or cluster.service_of_host(address) is not None
        or address in view.facts.node.addresses
        or address == view.facts.node.internal_ip
    )


def _is_logged(failed: Iterable[LogEntry], peer: UdpPeer) -> bool:
    """Tell whether a line on sockets that could not be ended names this address."""
    host = f"[{peer.address}]" if ":" in peer.address else peer.address
    wanted = f"{host}:{peer.port}"
    for entry in failed:
        line = entry.line
        values = [str(value) for _, value in line.fields]
        if any(_names(text, wanted) for text in (line.message, *values)):
            return True
        if peer.address in values:
            return True
    return False


def _names(text: str, wanted: str) -> bool:
    """Tell whether a text has an address with its port, and not a longer one."""
    at = text.find(wanted)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(wanted) : at + len(wanted) + 1]
        if not (before.isalnum() or before == ".") and not after.isdigit():
            return True
        at = text.find(wanted, at + 1)
    return False


_PORTS: WeakKeyDictionary[ClusterView, Mapping[int, str]] = WeakKeyDictionary()
_NEAR: WeakKeyDictionary[ClusterView, frozenset[Network]] = WeakKeyDictionary()
"""Worked out once for all nodes of a cluster's facts."""


def _udp_ports(cluster: ClusterView) -> Mapping[int, str]:
    """Return UDP backend ports with a Service that has them."""
    found = _PORTS.get(cluster)
    if found is None:
        found = _PORTS[cluster] = _ports_of(cluster.udp_services)
    return found


def _ports_of(services: Iterable[Service]) -> Mapping[int, str]:
    """Take the EndpointSlices' own ports where they are known, else targetPort, else the port."""
    found: dict[int, str] = {}
    for service in services:
        for port in service.ports:
            if port.protocol.upper() != "UDP":
                continue
            target = str(port.target_port)
            if port.backend_ports:
                numbers: tuple[int, ...] = port.backend_ports
            elif target.isascii() and target.isdecimal() and len(target) < 6:
                numbers = (int(target),)
            else:
                numbers = () if target else (port.port,)
            for number in numbers:
                found.setdefault(number, str(service.name))
    return found


def _pod_networks(view: NodeView) -> tuple[Network, ...]:
    """Return networks that hold nothing but pods, as far as configuration and backends tell."""
    found = [
        network
        for option in _POD_RANGES
        if (setting := view.setting(option)) is not None
        for text in str(setting.value).replace(",", " ").split()
        if (network := _network(text)) is not None
    ]
    ipam = view.setting("ipam")
    if found or ipam is None or ipam.value not in _DEDICATED_IPAM:
        return tuple(found)
    own = _node_network(str(view.facts.node.internal_ip))
    return tuple(network for network in _near(view.cluster) if network != own)


def _near(cluster: ClusterView) -> frozenset[Network]:
    """Return the networks of the UDP Services' backends, as large as one node's pods have."""
    found = _NEAR.get(cluster)
    if found is None:
        backends = {one.ip for service in cluster.udp_services for one in service.backends}
        networks = (_node_network(ip) for ip in backends)
        found = _NEAR[cluster] = frozenset(one for one in networks if one is not None)
    return found


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _node_network(ip: str) -> Network | None:
    return _network(f"{ip}/{_NODE_PREFIX[6 if ':' in ip else 4]}") if ip else None


def _is_inside(address: str, networks: Iterable[Network]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in networks)
