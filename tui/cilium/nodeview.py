"""What the comparison of Services has to know of a node and its agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tui.cilium.config import find_flag, find_value
from tui.cilium.lbmaps import ANY, BackendState, HeldServices
from tui.cilium.releases import Release, tells_protocols_apart
from tui.cilium.wants import IpPort, family_of
from tui.model.agent import AgentStatus, EffectiveConfig
from tui.model.node import Node
from tui.model.services import FrontendKind

_ZERO = {4: "0.0.0.0", 6: "::"}  # noqa: S104  # no address to bind: NodePort's surrogate frontend
_OUT_OF_ROTATION = (BackendState.QUARANTINED, BackendState.MAINTENANCE)


@dataclass(frozen=True, slots=True)
class NodeView:
    """What is known of the node's agent, in the words of the comparison."""

    name: str
    families: frozenset[int]
    node_port_ips: Mapping[int, tuple[str, ...]]
    tells_protocols_apart: bool
    is_replacing: bool
    """False where kube-proxy is said to do the work."""
    is_selective: bool
    """Whether the agent takes care of one `service-proxy-name` only: then nothing is expected."""
    has_node_port: bool
    has_external_ips: bool
    has_session_affinity: bool
    resting: frozenset[IpPort]
    """Backends that are held but out of rotation: no slot is right for them."""


def node_view(
    held: HeldServices,
    node: Node,
    release: Release | None,
    status: AgentStatus | None,
    config: EffectiveConfig | None,
) -> NodeView:
    """Put together what the agent said of itself; what it did not say is read off its maps."""
    proxy = status.kube_proxy_replacement if status else None
    holds_node_ports = any(one.kind is FrontendKind.NODE_PORT for one in held.frontends)
    has_node_port = holds_node_ports
    if proxy is not None and proxy.node_port is not None:
        has_node_port = proxy.node_port.is_enabled
    families = {
        family
        for family in held.families
        if config is None or find_flag(config, f"enable-ipv{family}") is not False
    }
    known_ips = {str(ip) for ip in (*node.addresses, node.internal_ip) if ip}
    known_ips.update(str(ip) for ip in (proxy.device_addresses if proxy else ()))
    return NodeView(
        name=node.name,
        families=frozenset(families),
        node_port_ips=_node_port_ips(held, known_ips),
        tells_protocols_apart=(
            tells_protocols_apart(release)
            if release
            else any(one.address.protocol != ANY for one in held.frontends)
        ),
        is_replacing=not (proxy and proxy.is_enabled is False),
        is_selective=bool(config and find_value(config, "k8s-service-proxy-name")),
        has_node_port=has_node_port,
        has_external_ips=has_node_port and not (proxy and proxy.external_ips is False),
        has_session_affinity=not (proxy and proxy.session_affinity is False)
        and (proxy is not None or any(one.has_session_affinity for one in held.frontends)),
        resting=frozenset(
            (one.ip, one.port) for one in held.backends.values() if one.state in _OUT_OF_ROTATION
        ),
    )


def _node_port_ips(held: HeldServices, known_ips: set[str]) -> dict[int, tuple[str, ...]]:
    """Name the IPs each NodePort should be on: the surrogate, and the node's that any is on.

    Which devices serve NodePorts is a setting; one NodePort on an IP of this node proves that IP.
    """
    used = {one.address.ip for one in held.frontends if one.kind is FrontendKind.NODE_PORT}
    return {
        family: (zero, *sorted(ip for ip in used & known_ips if family_of(ip) == family))
        for family, zero in _ZERO.items()
    }
