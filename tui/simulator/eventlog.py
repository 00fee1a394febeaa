"""Writes the Events that kubelet and the DaemonSet controller write about pods."""

from __future__ import annotations

from tui.simulator.objects import KubeObject, ObjectStore, timestamp


def record_event(
    store: ObjectStore, about: KubeObject, component: str, reason: str, message: str
) -> None:
    """Write a Normal event about an object, with the node as host when kubelet writes it."""
    metadata = about["metadata"]
    namespace = metadata.get("namespace") or "default"
    now = store.clock()
    moment = timestamp(now)
    host = (about.get("spec") or {}).get("nodeName") if component == "kubelet" else None
    store.apply(
        "events",
        {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {
                "name": f"{metadata['name']}.{store.current_version:x}{int(now * 1e6):x}",
                "namespace": namespace,
            },
            "involvedObject": {
                "kind": about.get("kind", ""),
                "namespace": namespace,
                "name": metadata["name"],
                "uid": metadata.get("uid", ""),
                "apiVersion": about.get("apiVersion", "v1"),
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
            "reason": reason,
            "message": message,
            "source": {"component": component, **({"host": host} if host else {})},
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
            "type": "Normal",
            "eventTime": None,
            "reportingComponent": "",
            "reportingInstance": "",
        },
    )
