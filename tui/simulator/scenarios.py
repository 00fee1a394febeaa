"""Scenarios as data: which nodes there are, what is wrong with them, and what happens when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

DAY = 86_400.0
HOUR = 3_600.0
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes of one kind; `count` at the scenario's own size, scaled with it."""

    name: str
    count: int
    release: str
    kernel: str
    daemonset: str = "cilium"
    config: Mapping[str, str] = field(default_factory=dict)
    """Arguments of this DaemonSet's container, which win over the ConfigMap."""
    agent_age_seconds: float = 41 * DAY
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceLoad:
    """The Services of the cluster."""

    services: int
    backends: int = 3
    """Endpoints of each."""
    node_ports: int = 0
    """How many of them are NodePorts."""
    load_balancers: int = 0
    with_affinity: int = 0
    udp: int = 0
    """How many serve UDP besides TCP on the same port, as DNS does."""
    namespace: str = "shop"
    prefix: str = "web"
    echo_backends: int = 0
    """Backends of `default/echo`; without it when 0."""


class QuirkKind(StrEnum):
    """What is wrong with a node."""

    LEAK = "leak"
    SHRUNK = "shrunk"
    CRASH_LOOP = "crash-loop"
    NODE_NOT_READY = "node-not-ready"
    AGENT_DOWN = "agent-down"
    EXEC_BROKEN = "exec-broken"
    NO_SHELL = "no-shell"
    CT_HIGH = "ct-high"
    CONTROLLER_FAILING = "controller-failing"
    DROPS = "drops"
    STALE_SERVICES = "stale-services"
    NEVER_READY = "never-ready"
    """Agents that start from now on hang; `starts` of them, or all."""
    CRASH_ON = "crash-on"
    """Agents that read the `key=value` of the text at their start crash, again and again."""
    BPFFS_UNMOUNTED = "bpffs-unmounted"
    """The host has no bpffs mounted: each start warns of it and finds no maps.

    The agent's own is at the path of the text, or over the host's folder."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """One thing that is wrong with one node, or with every n-th node of a big cluster."""

    kind: QuirkKind
    group: str
    offset: int = 0
    """Which node of the group."""
    every: int = 0
    """At scaled sizes: also on each further node at this distance; 0 for once only."""
    values: Mapping[str, float] = field(default_factory=dict)
    text: str = ""


class SceneKind(StrEnum):
    """Something in the cluster that one of Cilium's limitations hurts."""

    HOST_PORT = "host-port"
    """A DaemonSet's pod with a hostPort; `port`, and the hostIP as text."""
    SCTP_SERVICE = "sctp-service"
    NFS_VOLUME = "nfs-volume"
    """A pod that mounts an NFS server behind a Service; `moved` where the server's pod changed."""
    CEPH_VOLUME = "ceph-volume"
    """A pod that mounts an RBD image whose monitors are behind Services."""
    UNMIRRORED_SERVICE = "unmirrored-service"
    """A Service without a selector whose Endpoints no EndpointSlice mirrors."""
    FAST_OPEN = "fast-open"
    """A node that accepts TCP Fast Open, and so does a pod there behind the Service of the text."""
    LATE_DEVICE = "late-device"
    """A network device that appeared after the agent's start."""
    STALE_SOCKET = "stale-socket"
    """A pod whose UDP socket is connected to a DNS backend that is gone."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One such thing, on one node of a group where it needs a node."""

    kind: SceneKind
    group: str = ""
    offset: int = 0
    values: Mapping[str, float] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True)
class NodeConfigSeed:
    """A CiliumNodeConfig; it selects the group by its labels, or one node of it by its name."""

    name: str
    group: str
    values: Mapping[str, str]
    age_seconds: float
    offset: int | None = None
    is_read: bool = True
    """Whether the agents were started after it was written."""


@dataclass(frozen=True, slots=True)
class DaemonSetEdit:
    """A change of a DaemonSet's arguments that no running agent has read (OnDelete)."""

    daemonset: str
    args: Mapping[str, str]
    age_seconds: float
    manager: str = "helm"


class EventKind(StrEnum):
    """What happens in the cluster as time goes on."""

    ADD_SERVICE = "add-service"
    REMOVE_OLDEST = "remove-oldest"
    ROLL_BACKENDS = "roll-backends"
    RESTART_AGENT = "restart-agent"
    WARNING_EVENT = "warning-event"


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """Something that happens at a time after the start, once or again and again."""

    kind: EventKind
    at_seconds: float
    every_seconds: float = 0.0
    times: int = 1
    group: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ConfigWrite:
    """An entry of the ConfigMap's managedFields."""

    manager: str
    age_seconds: float
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One simulated cluster."""

    name: str
    summary: str
    kubernetes_version: str
    groups: tuple[NodeGroup, ...]
    services: ServiceLoad
    config: Mapping[str, str]
    """The data of the ConfigMap `cilium-config` as it stands now."""
    config_writes: tuple[ConfigWrite, ...] = ()
    """Oldest first."""
    earlier_config: Mapping[str, str] = field(default_factory=dict)
    """What differed when the agents that are up for long read it."""
    quirks: tuple[Quirk, ...] = ()
    events: tuple[TimedEvent, ...] = ()
    scenes: tuple[Scene, ...] = ()
    pre_stop: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The command of the container's preStop hook, by DaemonSet."""
    node_configs: tuple[NodeConfigSeed, ...] = ()
    daemonset_edits: tuple[DaemonSetEdit, ...] = ()
    noise_lines_per_hour: float = 20.0
    """Log lines of one agent, besides those that have a cause."""
    storm_lines_per_second: float = 0.0
    """Of the agents with a storm: every fourth node."""
    fill_order: tuple[str, ...] = ()
    """Services that agents program first; the rest follows in the order of the objects."""
    node_name: str = "node-{number}"
    context: str = "demo"
    faults: Mapping[str, Any] = field(default_factory=dict)
    """For the API server: latency, status codes, slow nodes and the like, as plain values."""

    @property
    def node_count(self) -> int:
        """The scenario's own size."""
        return sum(group.count for group in self.groups)


def scaled(groups: tuple[NodeGroup, ...], nodes: int) -> list[tuple[NodeGroup, int]]:
    """Spread that many nodes over the groups in proportion to their counts, none left empty."""
    total = sum(group.count for group in groups)
    if nodes < len(groups):
        return [(group, 1) for group in groups[: max(nodes, 1)]]
    counts = [max(1, group.count * nodes // total) for group in groups]
    order = sorted(range(len(groups)), key=lambda index: -groups[index].count)
    position = 0
    while sum(counts) != nodes:
        index = order[position % len(order)]
        step = 1 if sum(counts) < nodes else -1
        if counts[index] + step >= 1:
            counts[index] += step
        position += 1
    return list(zip(groups, counts, strict=True))
