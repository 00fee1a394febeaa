"""What one agent says of itself: release, health, kube-proxy replacement, configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tui.safety import CleanText


@dataclass(frozen=True, slots=True)
class AgentVersion:
    """The release that answers, from `version -o json`."""

    release: CleanText
    """Such as `1.17.5`; the daemon's where it answers, else the client's."""
    revision: CleanText = CleanText("")
    is_daemon_up: bool = True
    binary: CleanText = CleanText("cilium-dbg")


@dataclass(frozen=True, slots=True)
class FailingController:
    """A controller of the agent that fails again and again."""

    name: CleanText
    consecutive_failures: int
    message: CleanText
    last_failure_at: float | None = None

    @property
    def synced_map(self) -> str | None:
        """The BPF map whose sync fails, for the `bpf-map-sync-<map>` controllers."""
        prefix = "bpf-map-sync-"
        return self.name.removeprefix(prefix) if self.name.startswith(prefix) else None


@dataclass(frozen=True, slots=True)
class ComponentState:
    """A state word and its message, such as `.cilium` or `.kvstore` of the status."""

    state: CleanText
    message: CleanText = CleanText("")


@dataclass(frozen=True, slots=True)
class NodePort:
    """How NodePort services are handled (`features.nodePort`)."""

    is_enabled: bool
    mode: CleanText = CleanText("")
    """SNAT, DSR or Hybrid."""
    dsr_mode: CleanText = CleanText("")
    algorithm: CleanText = CleanText("")
    acceleration: CleanText = CleanText("")
    port_min: int | None = None
    port_max: int | None = None


@dataclass(frozen=True, slots=True)
class KubeProxyReplacement:
    """The `kube-proxy-replacement` object of the status, old and new spellings as one."""

    mode: CleanText
    """As the agent spells it: Strict, Partial, Probe, Disabled, True or False."""
    is_enabled: bool | None
    socket_lb: bool | None = None
    socket_lb_coverage: CleanText = CleanText("")
    """`Full`, `Hostns-only`, or empty where this release does not say."""
    socket_lb_tracing: bool | None = None
    devices: tuple[CleanText, ...] = ()
    device_addresses: tuple[CleanText, ...] = ()
    """The devices' IPs (`deviceList[].ip[]`), on which NodePort frontends exist."""
    direct_routing_device: CleanText = CleanText("")
    node_port: NodePort | None = None
    host_port: bool | None = None
    external_ips: bool | None = None
    session_affinity: bool | None = None
    graceful_termination: bool | None = None


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """The typed part of `status -o json`."""

    cilium: ComponentState
    kubernetes: ComponentState | None = None
    kvstore: ComponentState | None = None
    failing_controllers: tuple[FailingController, ...] = ()
    controllers_total: int = 0
    kube_proxy_replacement: KubeProxyReplacement | None = None
    """None where the status has no such object: unknown, not off."""
    encryption_mode: CleanText = CleanText("")
    masquerading: CleanText = CleanText("")
    """`BPF`, `iptables`, `Disabled`, or empty where the status does not say."""
    host_routing: CleanText = CleanText("")
    attach_mode: CleanText = CleanText("")
    routing: CleanText = CleanText("")
    """Such as `Tunnel vxlan` or `Native`; empty before 1.16, where the config tells."""
    map_sizes: Mapping[str, int] = field(default_factory=dict)
    """Configured max entries by the kernel's map name (`cilium_lb4_services_v2`)."""
    dynamic_size_ratio: float | None = None
    stale: tuple[CleanText, ...] = ()
    """The agent's own checks whose last result is old, such as `check-locks`."""
    health: ComponentState | None = None
    """Of cilium-health on this node; None where it is switched off."""
    has_monitor: bool = False
    """Whether it reads the datapath's events (`nodeMonitor`)."""


@dataclass(frozen=True, slots=True)
class DropRate:
    """Packets dropped for one reason since the last sweep."""

    reason: CleanText
    direction: CleanText
    packets: int
    """Since the last sweep."""
    per_second: float
    total: int


@dataclass(frozen=True, slots=True)
class LoggedProblems:
    """The agent's own counter of its error and warning lines, by subsystem."""

    level: CleanText
    subsystem: CleanText
    total: int
    since_last: int = 0


@dataclass(frozen=True, slots=True)
class AgentMetrics:
    """What the cheap metrics say, as changes since the last sweep."""

    drops: tuple[DropRate, ...] = ()
    problems: tuple[LoggedProblems, ...] = ()
    failed_map_operations: Mapping[str, int] = field(default_factory=dict)
    """Failed updates per map name since the last sweep."""
    interval_seconds: float | None = None
    """Time between the two samples; None at the first one, when no rate is known."""


@dataclass(frozen=True, slots=True)
class EffectiveConfig:
    """What the agent runs with: `config -a -o json`, keys as that release spells them."""

    values: Mapping[str, CleanText]
