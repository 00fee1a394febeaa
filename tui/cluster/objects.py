"""Convert Kubernetes objects into the model's facts, cleaning every text on the way."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tui.cluster import kinds
from tui.model.names import ContainerId, NodeName, NodeUid, PodUid
from tui.model.node import AgentPhase, AgentPod, Node, NodeCondition
from tui.safety import CleanText, clean

AGENT_CONTAINER = "cilium-agent"
CONFIG_PREFIX = "config.cilium.io/"
"""Labels and annotations of a Node that set an option (pkg/option/resolver, 1.13)."""
_EMPTY = CleanText("")
_IMAGE_REASONS = {"ContainerCreating", "PodInitializing", ""}


def epoch(text: str | None) -> float | None:
    """Read an RFC 3339 time as seconds since the epoch; None where there is none."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def shared_text(text: str) -> CleanText:
    """Clean a text that thousands of objects repeat, and keep it in memory once."""
    return CleanText(sys.intern(str(clean(text))))


def shared_labels(labels: Mapping[str, str] | None) -> dict[str, str]:
    """Clean labels, each key and value kept in memory once."""
    return {shared_text(key): shared_text(value) for key, value in (labels or {}).items()}


def node(item: kinds.Node) -> Node:
    """Return the facts of a Node object.

    What a heartbeat changes each minute is not among them, or every node would change all the time.
    """
    spec, status = item.spec or kinds.NodeSpec(), item.status or kinds.NodeStatus()
    system = status.node_info or kinds.NodeSystem()
    ready = next((c.status for c in status.conditions or () if c.type == "Ready"), "Unknown")
    by_type = [(address.type, clean(address.address)) for address in status.addresses or ()]
    return Node(
        uid=NodeUid(clean(item.metadata.uid)),
        name=NodeName(shared_text(item.metadata.name)),
        is_ready={"True": True, "False": False}.get(ready),
        kernel_release=shared_text(system.kernel_version),
        os_image=shared_text(system.os_image),
        kubelet_version=shared_text(system.kubelet_version),
        architecture=shared_text(system.architecture),
        boot_id=clean(system.boot_id),
        internal_ip=next((text for kind, text in by_type if kind == "InternalIP"), _EMPTY),
        addresses=tuple(text for kind, text in by_type if kind in {"InternalIP", "ExternalIP"}),
        is_schedulable=not spec.unschedulable,
        created_at=epoch(item.metadata.creation_timestamp),
        labels=shared_labels(item.metadata.labels),
        config_overrides=_config_overrides(item.metadata),
        conditions=tuple(_condition(one) for one in status.conditions or ()),
        taints=tuple(shared_text(one.get("key") or "") for one in spec.taints or ()),
    )


def _condition(item: kinds.Condition) -> NodeCondition:
    return NodeCondition(
        shared_text(item.type),
        shared_text(item.status),
        shared_text(item.reason or ""),
        epoch(item.last_transition_time),
    )


def _config_overrides(meta: kinds.AnnotatedMeta) -> dict[str, CleanText]:
    """Return the options that the Node object sets; an annotation wins over a label."""
    return {
        str(shared_text(key.removeprefix(CONFIG_PREFIX))): clean(value)
        for source in (meta.labels, meta.annotations)
        for key, value in (source or {}).items()
        if key.startswith(CONFIG_PREFIX)
    }


def agent_pod(pod: kinds.Pod, container: str = AGENT_CONTAINER) -> AgentPod:
    """Return the facts of an agent's Pod; `on_node` adds what its node says."""
    status = pod.status or kinds.PodStatus()
    specified = _specified_container(pod, container)
    reported = _reported_container(status, specified.name)
    state = reported.state or kinds.ContainerState()
    phase, reason = _phase(pod, status, reported)
    labels = pod.metadata.labels or {}
    owner = next(
        (o for o in pod.metadata.owner_references or () if o.kind == "DaemonSet"), kinds.Owner()
    )
    ended = state.terminated or (reported.last_state or kinds.ContainerState()).terminated
    return AgentPod(
        uid=PodUid(clean(pod.metadata.uid)),
        name=clean(pod.metadata.name),
        namespace=clean(pod.metadata.namespace),
        node_name=NodeName(clean((pod.spec and pod.spec.node_name) or "")),
        phase=phase,
        container=clean(specified.name),
        container_id=ContainerId(clean(reported.container_id or "")),
        image=clean(specified.image or reported.image),
        image_id=clean(reported.image_id),
        daemonset=clean(owner.name),
        revision=clean(labels.get("controller-revision-hash", "")),
        is_ready=reported.ready and phase is AgentPhase.RUNNING,
        restart_count=reported.restart_count,
        started_at=epoch(state.running.started_at) if state.running is not None else None,
        reason=reason,
        has_previous=reported.restart_count > 0 and ended is not None,
    )


def on_node(agent: AgentPod, its_node: Node) -> AgentPod:
    """Return the agent as far as its node lets it be believed.

    A kubelet that stopped reporting leaves the Pod as it was, "Running" included.
    """
    if its_node.is_ready:
        return agent
    if its_node.is_ready is None:
        doubtful = agent.phase not in {AgentPhase.MISSING, AgentPhase.PENDING}
        reason = clean("the kubelet stopped reporting (node Ready is Unknown)")
    else:
        doubtful = agent.phase is AgentPhase.RUNNING
        reason = clean("its node is NotReady")
    if not doubtful:
        return agent
    if agent.reason:
        reason = clean(f"{reason}; last known: {agent.reason}")
    return replace(agent, phase=AgentPhase.UNREACHABLE, is_ready=False, reason=reason)


def missing_agent(its_node: Node, namespace: str) -> AgentPod:
    """Return the agent of a node that has no agent pod."""
    return AgentPod(
        uid=PodUid(""),
        name=_EMPTY,
        namespace=clean(namespace),
        node_name=its_node.name,
        phase=AgentPhase.MISSING,
        reason=clean("no agent pod on this node"),
    )


def _specified_container(pod: kinds.Pod, wanted: str) -> kinds.Container:
    containers = (pod.spec.containers if pod.spec is not None else None) or []
    named = next((c for c in containers if c.name == wanted), None)
    if named is not None:
        return named
    return containers[0] if containers else kinds.Container(name=wanted)


def _reported_container(status: kinds.PodStatus, name: str) -> kinds.ContainerStatus:
    return next(
        (c for c in status.container_statuses or () if c.name == name), kinds.ContainerStatus()
    )


def _phase(
    pod: kinds.Pod, status: kinds.PodStatus, reported: kinds.ContainerStatus
) -> tuple[AgentPhase, CleanText]:
    if status.phase == "Unknown" or status.reason == "NodeLost":
        return AgentPhase.UNREACHABLE, _said(status.reason, status.message)
    if pod.metadata.deletion_timestamp:
        return AgentPhase.TERMINATING, clean("being deleted")
    if status.phase == "Failed":
        return AgentPhase.NOT_READY, _said(status.reason or "Failed", status.message)
    return _init_phase(status) or _container_phase(status, reported)


def _container_phase(
    status: kinds.PodStatus, reported: kinds.ContainerStatus
) -> tuple[AgentPhase, CleanText]:
    state = reported.state or kinds.ContainerState()
    if state.terminated is not None:
        return AgentPhase.CRASH_LOOP, _ended(state.terminated)
    if state.running is None:
        return _waiting_phase(status, reported, state.waiting)
    if reported.ready:
        return AgentPhase.RUNNING, _EMPTY
    last = _last_end(reported)
    reason = f"running, not ready; restarted after {last}" if last else "running, not ready"
    return AgentPhase.NOT_READY, clean(reason)


def _waiting_phase(
    status: kinds.PodStatus, reported: kinds.ContainerStatus, waiting: kinds.WaitingState | None
) -> tuple[AgentPhase, CleanText]:
    reason = (waiting.reason if waiting is not None else None) or ""
    last = _last_end(reported)
    if reason == "CrashLoopBackOff":
        return AgentPhase.CRASH_LOOP, clean(f"{reason}: {last}" if last else reason)
    if reason in _IMAGE_REASONS:
        unscheduled = next(
            (
                c
                for c in status.conditions or ()
                if c.type == "PodScheduled" and c.status == "False"
            ),
            None,
        )
        if unscheduled is not None:
            return AgentPhase.PENDING, _said(unscheduled.reason, unscheduled.message)
        return AgentPhase.PENDING, clean(reason or status.phase or "Pending")
    return AgentPhase.PENDING, _said(reason, waiting.message if waiting is not None else None)


def _init_phase(status: kinds.PodStatus) -> tuple[AgentPhase, CleanText] | None:
    """Judge the first init container that is not done, as kubectl's status column does."""
    statuses = status.init_container_statuses or []
    number, init = next(
        ((n, one) for n, one in enumerate(statuses) if not _is_done(one, status.phase)),
        (0, None),
    )
    if init is None:
        return None
    name = clean(init.name)
    state = init.state or kinds.ContainerState()
    if state.terminated is not None:
        return AgentPhase.CRASH_LOOP, clean(f"Init:Error ({name}): {_ended(state.terminated)}")
    waiting = state.waiting or kinds.WaitingState()
    if waiting.reason == "CrashLoopBackOff":
        return AgentPhase.CRASH_LOOP, clean(f"Init:{waiting.reason} ({name}): {_last_end(init)}")
    if (waiting.reason or "") not in _IMAGE_REASONS:
        return AgentPhase.PENDING, _said(f"Init:{waiting.reason} ({name})", waiting.message)
    return AgentPhase.PENDING, clean(f"Init:{number}/{len(statuses)} ({name})")


def _is_done(init: kinds.ContainerStatus, pod_phase: str) -> bool:
    """Tell whether an init container no longer holds the others back."""
    state = init.state or kinds.ContainerState()
    if state.terminated is not None:
        return state.terminated.exit_code == 0
    # A sidecar (restartPolicy Always) runs on beside the containers.
    return state.running is not None and (init.ready or pod_phase == "Running")


def _last_end(reported: kinds.ContainerStatus) -> str:
    last = reported.last_state or kinds.ContainerState()
    return _ended(last.terminated) if last.terminated is not None else ""


def _ended(terminated: kinds.TerminatedState) -> CleanText:
    reason = terminated.reason or "Error"
    killed = f", signal {terminated.signal}" if terminated.signal else ""
    return clean(f"{reason}, exit code {terminated.exit_code}{killed}")


def _said(reason: str | None, message: str | None) -> CleanText:
    return clean(": ".join(part for part in (reason, message) if part), 300)
