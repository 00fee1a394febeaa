"""The life of pods: they end when deleted, and a DaemonSet's come back and start again."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from tui.simulator.containers import is_lost
from tui.simulator.eventlog import record_event
from tui.simulator.fleetlike import FleetLike
from tui.simulator.objects import KubeObject, ObjectStore, timestamp

DEFAULT_GRACE_SECONDS = 30.0
LOST_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class PodTiming:
    """How long the steps of a pod's life take in the simulation."""

    terminate_seconds: float = 1.0
    """Longest time a pod takes to end, whatever its grace period allows."""
    create_seconds: float = 0.3
    """From the old pod's end to the new one's creation."""
    start_seconds: float = 0.7
    """From creation to the container's start."""
    ready_seconds: float = 2.0
    """From the container's start to Ready."""


class PodLife:
    """Ends deleted pods and starts their successors, step by step as time passes."""

    def __init__(self, store: ObjectStore, fleet: FleetLike, timing: PodTiming) -> None:
        self._store = store
        self._fleet = fleet
        self._timing = timing
        self.decorate: Callable[[KubeObject, KubeObject], KubeObject] = _as_it_is
        """Puts the DaemonSet's labels and annotations on a new pod: (pod, owner)."""
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def next_due(self) -> float | None:
        """Return when the next step is due, or None while nothing happens."""
        return self._due[0][0] if self._due else None

    def step(self, now: float) -> None:
        """Do every step that is due by now."""
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()

    def terminate(self, pod: KubeObject, grace_seconds: float | None = None) -> KubeObject:
        """Ask a pod to end; return it as it is from now on."""
        ending = self.ending(pod, grace_seconds)
        if ending is pod:
            return pod
        grace = float(ending["metadata"]["deletionGracePeriodSeconds"])
        if grace <= 0:
            self._remove(ending)
            return ending
        if not self._is_lost(pod):
            record_event(self._store, pod, "kubelet", "Killing", "Stopping container")
        stored = self._store.apply("pods", ending)
        self._after(min(grace, self._timing.terminate_seconds), lambda: self._remove(stored))
        return stored

    def ending(self, pod: KubeObject, grace_seconds: float | None = None) -> KubeObject:
        """Return the pod as it would be when asked to end; itself if it was asked before."""
        spec_grace = (pod.get("spec") or {}).get("terminationGracePeriodSeconds")
        default = DEFAULT_GRACE_SECONDS if spec_grace is None else float(spec_grace)
        grace = default if grace_seconds is None else grace_seconds
        if pod["metadata"].get("deletionTimestamp") and grace > 0:
            return pod
        ending = {
            "deletionTimestamp": timestamp(self._store.clock() + grace),
            "deletionGracePeriodSeconds": int(grace),
        }
        return {**pod, "metadata": {**pod["metadata"], **ending}}

    def _after(self, seconds: float, step: Callable[[], None]) -> None:
        due = self._store.clock() + seconds
        heapq.heappush(self._due, (due, next(self._order), step))

    def _remove(self, pod: KubeObject) -> None:
        metadata = pod["metadata"]
        present = self._store.get("pods", metadata.get("namespace"), metadata["name"])
        if present is None or present["metadata"]["uid"] != metadata["uid"]:
            return
        if metadata["deletionGracePeriodSeconds"] and self._is_lost(pod):
            # Nobody ends its containers: it stays Terminating until the kubelet is back.
            self._after(LOST_RETRY_SECONDS, lambda: self._remove(pod))
            return
        self._store.delete("pods", metadata.get("namespace"), metadata["name"])
        if self._owner(pod) is not None:
            self._after(self._timing.create_seconds, lambda: self._create(pod))

    def _is_lost(self, pod: KubeObject) -> bool:
        node = self._store.get("nodes", None, (pod.get("spec") or {}).get("nodeName") or "")
        return node is not None and is_lost(node)

    def _owner(self, pod: KubeObject) -> KubeObject | None:
        """Return the DaemonSet that brings the pod back, while it and the node are there."""
        metadata = pod["metadata"]
        for reference in metadata.get("ownerReferences") or []:
            if reference.get("kind") != "DaemonSet":
                continue
            owner = self._store.get("daemonsets", metadata.get("namespace"), reference["name"])
            node = self._store.get("nodes", None, (pod.get("spec") or {}).get("nodeName") or "")
            if owner is not None and node is not None:
                return owner
        return None

    def _create(self, old: KubeObject) -> None:
        owner = self._owner(old)
        if owner is None:
            return
        settled = self.decorate(self._fleet.replace_pod(old), owner)
        created = self._store.apply("pods", {**settled, "status": _pending(settled)})
        name = created["metadata"]["name"]
        component = "daemonset-controller"
        record_event(self._store, owner, component, "SuccessfulCreate", f"Created pod: {name}")
        self._after(self._timing.start_seconds, lambda: self._start(created, settled))

    def _start(self, created: KubeObject, settled: KubeObject) -> None:
        if not self._is_present(created):
            return
        status = settled.get("status") or {}
        record_event(self._store, created, "kubelet", "Started", "Started container")
        if not _is_ready(status):
            self._store.apply("pods", {**created, "status": status})
            return
        started = self._store.apply("pods", {**created, "status": _unready(status)})
        self._after(self._timing.ready_seconds, lambda: self._settle(started, status))

    def _settle(self, started: KubeObject, status: KubeObject) -> None:
        if self._is_present(started):
            self._store.apply("pods", {**started, "status": status})

    def _is_present(self, pod: KubeObject) -> bool:
        """Return whether the pod is still as it was left: not deleted, not changed since."""
        metadata = pod["metadata"]
        found = self._store.get("pods", metadata.get("namespace"), metadata["name"])
        return found is pod


def _as_it_is(pod: KubeObject, owner: KubeObject) -> KubeObject:
    return pod


def _is_ready(status: KubeObject) -> bool:
    return any(
        item.get("type") == "Ready" and item.get("status") == "True"
        for item in status.get("conditions") or []
    )


def _not_ready_conditions(status: KubeObject) -> list[KubeObject]:
    reason = {
        "status": "False",
        "reason": "ContainersNotReady",
        "message": "containers with unready status: [cilium-agent]",
    }
    return [
        {**item, **reason} if item.get("type") in {"Ready", "ContainersReady"} else item
        for item in status.get("conditions") or []
    ]


def _pending(pod: KubeObject) -> KubeObject:
    """Return the status between creation and the container's start."""
    status = pod.get("status") or {}
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    containers = [
        {
            "name": item["name"],
            "state": waiting,
            "lastState": {},
            "ready": False,
            "restartCount": 0,
            "image": item.get("image", ""),
            "imageID": "",
            "started": False,
        }
        for item in (pod.get("spec") or {}).get("containers") or []
    ]
    kept = {key: value for key, value in status.items() if key in {"hostIP", "qosClass"}}
    return {
        "phase": "Pending",
        "conditions": _not_ready_conditions(status),
        **kept,
        "startTime": status.get("startTime") or pod["metadata"].get("creationTimestamp"),
        "containerStatuses": containers,
    }


def _unready(status: KubeObject) -> KubeObject:
    """Return the status of a running container that has not passed its readiness probe."""
    containers = [
        {**item, "ready": False, "started": False} for item in status.get("containerStatuses") or []
    ]
    return {
        **status,
        "conditions": _not_ready_conditions(status),
        "containerStatuses": containers,
    }
