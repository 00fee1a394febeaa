"""Writes the Events that kubelet and the DaemonSet controller write about pods."""

from __future__ import annotations

from tui.simulator.objects import KubeObject, ObjectStore, seconds_of, timestamp

EVENT_TTL_SECONDS = 3_600.0
"""--event-ttl of kube-apiserver."""
_SWEEP_SECONDS = 60.0


class EventExpiry:
    """Deletes Events an hour after they were written; those the cluster started with stay."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._started_at = self._next_at = store.clock()

    def step(self, now: float) -> None:
        """Delete what has expired, once a minute."""
        if now < self._next_at:
            return
        self._next_at = now + _SWEEP_SECONDS
        for event in self._store.list("events"):
            metadata = event["metadata"]
            written_at = seconds_of(metadata["creationTimestamp"]) or 0.0
            if self._started_at <= written_at < now - EVENT_TTL_SECONDS:
                self._store.delete("events", metadata.get("namespace"), metadata["name"])


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
