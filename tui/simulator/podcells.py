"""The cells of nodes and pods in Table answers.

Source: printNode and printPod in pkg/printers/internalversion/printers.go of Kubernetes; checked
against the answers of a real API server.
"""

from __future__ import annotations

from collections.abc import Iterable

from tui.simulator.objects import KubeObject
from tui.simulator.printing import NONE, Cell, age_of, name_of, since


def node(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a node."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    nodeinfo = status.get("nodeInfo") or {}
    conditions = {item["type"]: item["status"] for item in status.get("conditions") or []}
    ready = conditions.get("Ready")
    state = {"True": "Ready", None: "Unknown"}.get(ready, "NotReady")
    if spec.get("unschedulable"):
        state += ",SchedulingDisabled"
    addresses = {item["type"]: item["address"] for item in status.get("addresses") or []}
    prefix = "node-role.kubernetes.io/"
    labels = obj["metadata"].get("labels") or {}
    roles = sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))
    return [
        name_of(obj),
        state,
        ",".join(roles) or NONE,
        age_of(obj, now),
        nodeinfo.get("kubeletVersion", ""),
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        nodeinfo.get("osImage") or "<unknown>",
        nodeinfo.get("kernelVersion") or "<unknown>",
        nodeinfo.get("containerRuntimeVersion") or "<unknown>",
    ]


def _container_reason(state: KubeObject, previous: str) -> str:
    waiting, terminated = state.get("waiting"), state.get("terminated")
    if waiting and waiting.get("reason"):
        return str(waiting["reason"])
    if terminated:
        if terminated.get("reason"):
            return str(terminated["reason"])
        if terminated.get("signal"):
            return f"Signal:{terminated['signal']}"
        return f"ExitCode:{terminated.get('exitCode', 0)}"
    return previous


def _init_reason(status: KubeObject, total: int) -> str | None:
    """Return why a pod is still at its init containers, or None if it is past them."""
    for index, item in enumerate(status.get("initContainerStatuses") or []):
        state = item.get("state") or {}
        terminated = state.get("terminated")
        if terminated and terminated.get("exitCode") == 0:
            continue
        reason = _container_reason(state, "")
        if reason and reason != "PodInitializing":
            return f"Init:{reason}"
        return f"Init:{index}/{total}"
    return None


def pod_reason(obj: KubeObject) -> str:
    """Return the STATUS that kubectl prints for a pod."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    reason = str(status.get("reason") or status.get("phase") or "")
    inits = (obj.get("spec") or {}).get("initContainers") or []
    init_reason = _init_reason(status, len(inits))
    if init_reason is not None:
        reason = init_reason
    else:
        has_running = False
        for item in reversed(status.get("containerStatuses") or []):
            state = item.get("state") or {}
            has_running = has_running or bool(item.get("ready") and state.get("running"))
            reason = _container_reason(state, reason)
        if reason == "Completed" and has_running:
            reason = "Running"
    if metadata.get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return reason


def _restarts(statuses: Iterable[KubeObject], now: float) -> Cell:
    total, last = 0, ""
    for item in statuses:
        total += item.get("restartCount") or 0
        ended = ((item.get("lastState") or {}).get("terminated") or {}).get("finishedAt") or ""
        last = max(last, ended)
    return f"{total} ({since(last, now)} ago)" if total and last else total


def pod(obj: KubeObject, now: float) -> list[Cell]:
    """Return the cells of a pod."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    statuses = status.get("containerStatuses") or []
    ready = sum(
        1 for item in statuses if item.get("ready") and (item.get("state") or {}).get("running")
    )
    return [
        name_of(obj),
        f"{ready}/{len(spec.get('containers') or [])}",
        pod_reason(obj),
        _restarts(statuses, now),
        age_of(obj, now),
        status.get("podIP") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        NONE,
    ]
