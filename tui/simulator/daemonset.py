"""The DaemonSet controller: revisions of the template, rolling updates, the status counts."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from tui.simulator.managedfields import Writer, with_writer
from tui.simulator.objects import Change, KubeObject, ObjectStore, timestamp

HASH_LABEL = "controller-revision-hash"
GENERATION_LABEL = "pod-template-generation"
_GENERATION_ANNOTATION = "deprecated.daemonset.template.generation"
_HASH_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_MANAGER = "kube-controller-manager"


@dataclass(slots=True)
class _Template:
    """The template of one DaemonSet that the controller last saw."""

    encoded: bytes
    hash: str
    is_rolling: bool = False


class DaemonSetController:
    """Keeps DaemonSets' revisions, pods and status in step, as the store changes."""

    def __init__(
        self, store: ObjectStore, terminate_pod: Callable[[KubeObject], KubeObject]
    ) -> None:
        self._store = store
        self._terminate_pod = terminate_pod
        self._templates: dict[str, _Template] = {}
        self._dirty: set[tuple[str, str]] = set()
        for daemon_set in store.list("daemonsets"):
            self._adopt(daemon_set)
            self._dirty.add((daemon_set["metadata"]["namespace"], daemon_set["metadata"]["name"]))
        store.shelf("daemonsets").listeners.append(self._on_daemon_set)
        store.shelf("pods").listeners.append(self._on_pod)

    @property
    def is_due(self) -> bool:
        """Whether something changed since the last step."""
        return bool(self._dirty)

    def step(self) -> None:
        """Bring every changed DaemonSet up to date."""
        dirty, self._dirty = self._dirty, set()
        for namespace, name in sorted(dirty):
            daemon_set = self._store.get("daemonsets", namespace, name)
            if daemon_set is not None:
                self._sync(daemon_set)

    def decorate(self, pod: KubeObject, daemon_set: KubeObject) -> KubeObject:
        """Return a new pod with the labels and annotations of the current template."""
        template = daemon_set["spec"]["template"].get("metadata") or {}
        metadata = pod["metadata"]
        labels = {
            **(metadata.get("labels") or {}),
            **(template.get("labels") or {}),
            HASH_LABEL: self._known(daemon_set).hash,
            GENERATION_LABEL: str(daemon_set["metadata"].get("generation", 1)),
        }
        annotations = {
            **(metadata.get("annotations") or {}),
            **(template.get("annotations") or {}),
        }
        changed = {**metadata, "labels": labels}
        if annotations:
            changed["annotations"] = annotations
        return {**pod, "metadata": changed}

    def _on_daemon_set(self, change: Change) -> None:
        metadata = change.current.obj["metadata"]
        self._dirty.add((metadata["namespace"], metadata["name"]))

    def _on_pod(self, change: Change) -> None:
        metadata = change.current.obj["metadata"]
        for reference in metadata.get("ownerReferences") or []:
            if reference.get("kind") == "DaemonSet":
                self._dirty.add((metadata["namespace"], reference["name"]))

    def _adopt(self, daemon_set: KubeObject) -> _Template:
        """Take the template as it is for current: what runs on an older one stays on it."""
        encoded = _encoded_template(daemon_set)
        revision = self._revision_of(daemon_set, encoded)
        if revision is not None:
            found = revision["metadata"]["labels"][HASH_LABEL]
        else:
            hashes = Counter(_hash_of(pod) for pod in self._pods(daemon_set))
            found = hashes.most_common(1)[0][0] if hashes else _template_hash(encoded)
        template = _Template(encoded, found)
        self._templates[daemon_set["metadata"]["uid"]] = template
        return template

    def _known(self, daemon_set: KubeObject) -> _Template:
        found = self._templates.get(daemon_set["metadata"]["uid"])
        return found or self._adopt(daemon_set)

    def _sync(self, daemon_set: KubeObject) -> None:
        known = self._known(daemon_set)
        encoded = _encoded_template(daemon_set)
        if encoded != known.encoded:
            known.encoded = encoded
            known.hash = self._new_revision(daemon_set, encoded)
            known.is_rolling = True
        pods = self._pods(daemon_set)
        if known.is_rolling:
            known.is_rolling = self._roll(daemon_set, known, pods)
        self._write_status(daemon_set, known, self._pods(daemon_set))

    def _pods(self, daemon_set: KubeObject) -> list[KubeObject]:
        uid = daemon_set["metadata"]["uid"]
        return [
            pod
            for pod in self._store.list("pods", daemon_set["metadata"]["namespace"])
            if any(item["uid"] == uid for item in pod["metadata"].get("ownerReferences") or [])
        ]

    def _revision_of(self, daemon_set: KubeObject, encoded: bytes) -> KubeObject | None:
        uid = daemon_set["metadata"]["uid"]
        for revision in self._store.list(
            "controllerrevisions", daemon_set["metadata"]["namespace"]
        ):
            owners = revision["metadata"].get("ownerReferences") or []
            template = ((revision.get("data") or {}).get("spec") or {}).get("template") or {}
            kept = {key: value for key, value in template.items() if key != "$patch"}
            if any(item["uid"] == uid for item in owners) and _canonical(kept) == encoded:
                return revision
        return None

    def _new_revision(self, daemon_set: KubeObject, encoded: bytes) -> str:
        """Write the template's ControllerRevision, or make an older equal one the newest."""
        metadata = daemon_set["metadata"]
        revisions = self._store.list("controllerrevisions", metadata["namespace"])
        newest = max((int(item.get("revision") or 0) for item in revisions), default=0)
        found = self._revision_of(daemon_set, encoded)
        if found is not None:
            self._store.apply("controllerrevisions", {**found, "revision": newest + 1})
            return str(found["metadata"]["labels"][HASH_LABEL])
        made = _template_hash(encoded)
        template = {"$patch": "replace", **daemon_set["spec"]["template"]}
        self._store.apply(
            "controllerrevisions",
            {
                "kind": "ControllerRevision",
                "apiVersion": "apps/v1",
                "metadata": {
                    "name": f"{metadata['name']}-{made}",
                    "namespace": metadata["namespace"],
                    "labels": {
                        **(template.get("metadata", {}).get("labels") or {}),
                        HASH_LABEL: made,
                    },
                    "annotations": {
                        **(metadata.get("annotations") or {}),
                        _GENERATION_ANNOTATION: str(metadata.get("generation", 1)),
                    },
                    "ownerReferences": [_owner_reference(daemon_set)],
                },
                "data": {"spec": {"template": template}},
                "revision": newest + 1,
            },
        )
        return made

    def _roll(self, daemon_set: KubeObject, known: _Template, pods: list[KubeObject]) -> bool:
        """Delete old pods as far as maxUnavailable allows; return whether any is left."""
        strategy = daemon_set["spec"].get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return False
        old = [pod for pod in pods if _hash_of(pod) != known.hash]
        desired = _desired(daemon_set, pods)
        limit = _max_unavailable(strategy, desired)
        available = sum(1 for pod in pods if _is_available(pod))
        budget = limit - (desired - available)
        for pod in sorted(old, key=_is_available):
            if _is_ending(pod):
                continue
            if _is_available(pod):
                if budget <= 0:
                    break
                budget -= 1
            self._terminate_pod(pod)
        return bool(old) or len(pods) < desired

    def _write_status(
        self, daemon_set: KubeObject, known: _Template, pods: list[KubeObject]
    ) -> None:
        desired = _desired(daemon_set, pods)
        available = sum(1 for pod in pods if _is_available(pod))
        status: KubeObject = {
            "currentNumberScheduled": len(pods),
            "numberMisscheduled": 0,
            "desiredNumberScheduled": desired,
            "numberReady": available,
            "observedGeneration": daemon_set["metadata"].get("generation", 1),
            "updatedNumberScheduled": sum(1 for pod in pods if _hash_of(pod) == known.hash),
            "numberAvailable": available,
        }
        if desired > available:
            status["numberUnavailable"] = desired - available
        if status == daemon_set.get("status"):
            return
        current = self._store.get(
            "daemonsets", daemon_set["metadata"]["namespace"], daemon_set["metadata"]["name"]
        )
        if current is not None:
            writer = Writer(_MANAGER, timestamp(self._store.clock()), subresource="status")
            changed = with_writer(current, {**current, "status": status}, "apps/v1", writer)
            self._store.apply("daemonsets", changed)


def _canonical(value: object) -> bytes:
    """Encode a value so that equal ones are equal bytes, whatever the order of their keys."""
    return msgspec.json.encode(value, order="sorted")


def _encoded_template(daemon_set: KubeObject) -> bytes:
    return _canonical(daemon_set["spec"]["template"])


def _template_hash(encoded: bytes) -> str:
    digest = hashlib.sha256(encoded).digest()[:9]
    return "".join(_HASH_ALPHABET[byte % len(_HASH_ALPHABET)] for byte in digest)


def _hash_of(pod: KubeObject) -> str:
    return str((pod["metadata"].get("labels") or {}).get(HASH_LABEL, ""))


def _is_ending(pod: KubeObject) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _is_available(pod: KubeObject) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return not _is_ending(pod) and any(
        item.get("type") == "Ready" and item.get("status") == "True" for item in conditions
    )


def _desired(daemon_set: KubeObject, pods: list[KubeObject]) -> int:
    return int((daemon_set.get("status") or {}).get("desiredNumberScheduled") or len(pods))


def _max_unavailable(strategy: KubeObject, desired: int) -> int:
    """Return how many pods may be away at once; a percentage is rounded up."""
    wanted = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
    if isinstance(wanted, str) and wanted.endswith("%"):
        return max(1, math.ceil(desired * int(wanted[:-1]) / 100))
    return max(1, int(wanted))


def _owner_reference(daemon_set: KubeObject) -> KubeObject:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "name": daemon_set["metadata"]["name"],
        "uid": daemon_set["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
