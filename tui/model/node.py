"""A Kubernetes node and the Cilium agent pod that serves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tui.model.names import ContainerId, NodeName, NodeUid, PodUid
from tui.safety import CleanText


@dataclass(frozen=True, slots=True)
class NodeCondition:
    """A condition of the Node object, such as Ready or MemoryPressure."""

    type: CleanText
    status: CleanText
    """`True`, `False` or `Unknown`."""
    reason: CleanText = CleanText("")
    since: float | None = None
    """`lastTransitionTime`."""


@dataclass(frozen=True, slots=True)
class Node:
    """What the Node object says."""

    uid: NodeUid
    name: NodeName
    is_ready: bool | None
    """The Ready condition; None when the kubelet stopped reporting (status Unknown)."""
    kernel_release: CleanText = CleanText("")
    os_image: CleanText = CleanText("")
    kubelet_version: CleanText = CleanText("")
    architecture: CleanText = CleanText("")
    boot_id: str = ""
    internal_ip: CleanText = CleanText("")
    addresses: tuple[CleanText, ...] = ()
    """InternalIP and ExternalIP addresses."""
    is_schedulable: bool = True
    created_at: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """All of them: CiliumNodeConfigs select by them."""
    config_overrides: Mapping[str, CleanText] = field(default_factory=dict)
    """Option -> value of the labels and annotations `config.cilium.io/<option>`, which agents read
    where their sources include the Node object."""
    conditions: tuple[NodeCondition, ...] = ()
    taints: tuple[CleanText, ...] = ()
    """The keys of all taints."""


class AgentPhase(StrEnum):
    """What keeps the agent from answering, worst first."""

    MISSING = "missing"
    CRASH_LOOP = "crash-loop"
    NOT_READY = "not-ready"
    PENDING = "pending"
    TERMINATING = "terminating"
    UNREACHABLE = "unreachable"
    """The pod says Running, but its node is NotReady: nothing it says is current."""
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class AgentPod:
    """What the agent's Pod object says."""

    uid: PodUid
    name: CleanText
    namespace: CleanText
    node_name: NodeName
    phase: AgentPhase
    container: CleanText = CleanText("cilium-agent")
    container_id: ContainerId = ContainerId("")
    image: CleanText = CleanText("")
    image_id: CleanText = CleanText("")
    daemonset: CleanText = CleanText("")
    revision: CleanText = CleanText("")
    """The `controller-revision-hash` label."""
    is_ready: bool = False
    restart_count: int = 0
    started_at: float | None = None
    """When the running container started, seconds since the epoch."""
    reason: CleanText = CleanText("")
    """Why it is not running, such as `CrashLoopBackOff` with the last exit code."""
    has_previous: bool = False
    """Whether a previous container's log can be read."""
