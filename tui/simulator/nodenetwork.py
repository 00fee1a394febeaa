"""What a preStop hook that removes the CNI configuration does to its node: NotReady for a while.

The chart of 1.11 runs /cni-uninstall.sh before an agent stops; without a network plugin the kubelet
reports its node NotReady until the next agent has put the configuration back.
"""

from __future__ import annotations

from tui.simulator.objects import Change, ChangeType, KubeObject, ObjectStore, timestamp

UNINSTALLER = "cni-uninstall"
_REASON = "KubeletNotReady"
_MESSAGE = (
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady"
    " message:Network plugin returns error: cni plugin not initialized"
)
_READY = {"status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}


class NodeNetwork:
    """Keeps nodes' Ready condition in step with the pods whose hook takes the network away."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lost: set[str] = set()
        store.shelf("pods").listeners.append(self._on_pod)

    def _on_pod(self, change: Change) -> None:
        pod = change.current.obj
        node = (pod.get("spec") or {}).get("nodeName") or ""
        is_ending = bool(pod["metadata"].get("deletionTimestamp"))
        if is_ending and has_uninstaller(pod) and change.type is not ChangeType.DELETED:
            if self._is_ready(node):
                self._lost.add(node)
                self._write(node, {"status": "False", "reason": _REASON, "message": _MESSAGE})
        elif node in self._lost and not is_ending and _is_agent_ready(pod):
            self._lost.discard(node)
            self._write(node, _READY)

    def _is_ready(self, name: str) -> bool:
        node = self._store.get("nodes", None, name)
        return node is not None and any(
            item["type"] == "Ready" and item["status"] == "True"
            for item in (node.get("status") or {}).get("conditions") or []
        )

    def _write(self, name: str, ready: KubeObject) -> None:
        node = self._store.get("nodes", None, name)
        if node is None:
            return
        status = node.get("status") or {}
        since = timestamp(self._store.clock())
        conditions = [
            {**item, **ready, "lastTransitionTime": since} if item["type"] == "Ready" else item
            for item in status.get("conditions") or []
        ]
        self._store.apply("nodes", {**node, "status": {**status, "conditions": conditions}})


def has_uninstaller(pod: KubeObject) -> bool:
    """Return whether a hook of the pod removes the CNI configuration before it stops."""
    for container in (pod.get("spec") or {}).get("containers") or []:
        hook = (container.get("lifecycle") or {}).get("preStop") or {}
        if any(UNINSTALLER in word for word in (hook.get("exec") or {}).get("command") or []):
            return True
    return False


def _is_agent_ready(pod: KubeObject) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return has_uninstaller(pod) and any(
        item["type"] == "Ready" and item["status"] == "True" for item in conditions
    )
