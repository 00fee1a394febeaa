"""Finds the container that an exec or a log request means, and why it can't be reached."""

from __future__ import annotations

from tui.simulator.objects import KubeObject, ObjectStore
from tui.simulator.statuses import ApiFailure, bad_request, internal_error

_KUBELET_PORT = 10_250
_NOT_STARTED = frozenset({"ContainerCreating", "PodInitializing"})


def container_names(pod: KubeObject) -> tuple[list[str], list[str]]:
    """Return the names of the pod's containers and of its init containers."""
    spec = pod.get("spec") or {}
    return (
        [item["name"] for item in spec.get("containers") or []],
        [item["name"] for item in spec.get("initContainers") or []],
    )


def chosen_container(pod: KubeObject, wanted: str) -> str:
    """Return the container's name, or the only one if none was named.

    Raises:
        ApiFailure: it is not in the pod, or must be named.
    """
    names, init_names = container_names(pod)
    pod_name = pod["metadata"]["name"]
    if wanted:
        if wanted not in names + init_names:
            raise bad_request(f"container {wanted} is not valid for pod {pod_name}")
        return wanted
    if len(names) == 1:
        return names[0]
    text = f"a container name must be specified for pod {pod_name}, choose one of: "
    text += f"[{' '.join(names)}]"
    if init_names:
        text += f" or one of the init containers: [{' '.join(init_names)}]"
    raise bad_request(text)


def container_status(pod: KubeObject, container: str) -> KubeObject:
    """Return the status of a container; empty while kubelet has not written one."""
    status = pod.get("status") or {}
    known: list[KubeObject] = [
        *(status.get("containerStatuses") or []),
        *(status.get("initContainerStatuses") or []),
    ]
    return next((item for item in known if item.get("name") == container), {})


def check_kubelet(store: ObjectStore, pod: KubeObject) -> str:
    """Return the name of the pod's node.

    Raises:
        ApiFailure: the pod has no node, or the API server can't reach its kubelet.
    """
    pod_name = pod["metadata"]["name"]
    node_name = str((pod.get("spec") or {}).get("nodeName") or "")
    if not node_name:
        raise bad_request(f"pod {pod_name} does not have a host assigned")
    node = store.get("nodes", None, node_name)
    if node is None:
        raise ApiFailure(404, f'nodes "{node_name}" not found')
    if is_lost(node):
        status = node.get("status") or {}
        addresses = {item["type"]: item["address"] for item in status.get("addresses") or []}
        address = f"{addresses.get('InternalIP', node_name)}:{_KUBELET_PORT}"
        raise internal_error(f"error dialing backend: dial tcp {address}: i/o timeout")
    return node_name


def is_lost(node: KubeObject) -> bool:
    """Return whether the node's kubelet no longer reports."""
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(item["type"] == "Ready" and item["status"] == "Unknown" for item in conditions)


def check_running(pod: KubeObject, container: str) -> None:
    """Refuse an exec in a container that does not run.

    Raises:
        ApiFailure: in kubelet's words.
    """
    if not (container_status(pod, container).get("state") or {}).get("running"):
        message = f'unable to upgrade connection: container not found ("{container}")'
        raise internal_error(message)


def check_started(pod: KubeObject, container: str) -> None:
    """Refuse the log of a container that has never started.

    Raises:
        ApiFailure: in kubelet's words.
    """
    state = container_status(pod, container).get("state") or {}
    reason = (state.get("waiting") or {}).get("reason", "")
    if reason in _NOT_STARTED:
        name = pod["metadata"]["name"]
        raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason}')
