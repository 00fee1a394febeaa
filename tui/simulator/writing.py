"""Answers create, update, patch and delete: validation, optimistic concurrency, dry run."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tui.simulator.answers import decode_object
from tui.simulator.listing import Listing, wanted_predicate
from tui.simulator.managedfields import Writer, with_writer
from tui.simulator.objects import KubeObject, ObjectStore, timestamp
from tui.simulator.patching import json_patch, merge_patch, strategic_merge
from tui.simulator.paths import Target
from tui.simulator.podlife import PodLife
from tui.simulator.preconditions import check_delete, check_update
from tui.simulator.resources import Resource
from tui.simulator.shapes import shaped, stored_shape
from tui.simulator.statuses import ApiFailure, already_exists, bad_request, not_found
from tui.simulator.validation import validate

_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Source: k8s.io/apimachinery/pkg/util/rand: no vowels, no digits that look like letters."""

_WITHOUT_GENERATION = frozenset(
    {"ConfigMap", "Endpoints", "Event", "Namespace", "Node", "PersistentVolume", "Pod", "Secret",
     "PersistentVolumeClaim", "Service", "ServiceAccount", "Lease", "ControllerRevision"}
)  # fmt: skip
_PATCH_TYPES = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
}


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """What a write request carries besides its path."""

    body: bytes
    media_type: str
    query: Mapping[str, str]
    user_agent: str = ""

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing may be kept."""
        return "All" in self.query.get("dryRun", "")

    @property
    def manager(self) -> str:
        """The name the fields are managed under."""
        return self.query.get("fieldManager") or self.user_agent.partition("/")[0] or "unknown"

    def decoded(self) -> KubeObject:
        """Return the object in the body."""
        return decode_object(self.body, self.media_type)


def random_suffix(length: int = 5) -> str:
    """Return a suffix as the API server makes one for `generateName`."""
    return "".join(secrets.choice(_NAME_ALPHABET) for _ in range(length))


class Writing:
    """Changes objects for clients; the controllers see it through the store."""

    def __init__(
        self,
        store: ObjectStore,
        listing: Listing,
        pods: PodLife,
        admit: Callable[[Target, bool], None],
    ) -> None:
        """Write to this store; `admit` raises what webhooks deny: (target, is it a dry run)."""
        self._store = store
        self._listing = listing
        self._pods = pods
        self._admit = admit

    def create(self, target: Target, request: WriteRequest) -> KubeObject:
        """Create the object in the request's body."""
        resource = target.resource
        obj = stored_shape(_checked(request.decoded(), target), resource)
        metadata = _new_metadata(obj, target)
        self._check_namespace(metadata.get("namespace"))
        obj = {**obj, "metadata": metadata}
        if self._store.get(resource.shelf_name, metadata.get("namespace"), metadata["name"]):
            raise already_exists(resource.plural, metadata["name"], resource.group)
        if resource.kind not in _WITHOUT_GENERATION:
            metadata["generation"] = 1
        if resource.kind == "Namespace":
            obj = {**obj, "status": {"phase": "Active"}}
        validate(obj, resource)
        self._admit(target, request.is_dry_run)
        obj = with_writer(None, obj, resource.group_version, self._writer(request, target))
        if request.is_dry_run:
            made = {"uid": str(uuid.uuid4()), "creationTimestamp": self._now()}
            return shaped({**obj, "metadata": {**obj["metadata"], **made}}, resource)
        return shaped(self._store.apply(resource.shelf_name, obj), resource)

    def update(self, target: Target, request: WriteRequest) -> KubeObject:
        """Replace the object by the one in the request's body."""
        obj = stored_shape(_checked(request.decoded(), target), target.resource)
        obj = {**obj, "metadata": dict(obj["metadata"])}
        return self._replace(target, request, self._current(target), obj)

    def patch(self, target: Target, request: WriteRequest) -> KubeObject:
        """Apply the patch in the request's body."""
        kind = _patch_type(request.media_type, target.resource)
        current = self._current(target)
        shown = shaped(current, target.resource)
        try:
            patch = msgspec.json.decode(request.body)
        except msgspec.DecodeError as error:
            raise bad_request(f"error decoding patch: {error}") from error
        if kind == "json":
            patched: Any = json_patch(shown, patch)
        elif kind == "merge":
            patched = merge_patch(shown, patch)
        else:
            patched = strategic_merge(shown, patch)
        if not isinstance(patched, dict) or not isinstance(patched.get("metadata"), dict):
            raise bad_request("the patched object has no metadata")
        return self._replace(target, request, current, stored_shape(patched, target.resource))

    def delete(self, target: Target, request: WriteRequest) -> KubeObject:
        """Delete one object; a pod gets its time to end, everything else is gone at once."""
        current = self._current(target)
        options = request.decoded() if request.body else {}
        check_delete(options.get("preconditions") or {}, current, target)
        is_dry_run = request.is_dry_run or "All" in (options.get("dryRun") or [])
        self._admit(target, is_dry_run)
        resource = target.resource
        if resource.kind == "Pod":
            grace = _grace_seconds(options, request.query)
            return (
                self._pods.ending(current, grace)
                if is_dry_run
                else self._pods.terminate(current, grace)
            )
        if not is_dry_run:
            self._store.delete(resource.shelf_name, target.namespace, target.name)
        details = {
            "name": target.name,
            **({"group": resource.group} if resource.group else {}),
            "kind": resource.plural,
            "uid": current["metadata"]["uid"],
        }
        head = {"kind": "Status", "apiVersion": "v1", "metadata": {}}
        return {**head, "status": "Success", "details": details}

    def delete_collection(self, target: Target, request: WriteRequest) -> KubeObject:
        """Delete what the selectors match."""
        predicate = wanted_predicate(target, request.query)
        resource = target.resource
        found = [
            obj
            for obj in self._store.list(resource.shelf_name, target.namespace)
            if predicate is None or predicate(obj)
        ]
        for obj in found:
            metadata = obj["metadata"]
            one = Target(resource, "delete", metadata.get("namespace"), metadata["name"])
            self.delete(one, request)
        return {
            "kind": f"{resource.kind}List",
            "apiVersion": resource.group_version,
            "metadata": {"resourceVersion": str(self._store.current_version)},
            "items": [shaped(obj, resource) for obj in found],
        }

    def evict(self, target: Target, request: WriteRequest) -> KubeObject:
        """Delete a pod as `kubectl drain` asks for it."""
        pod = self._current(target)
        options = (request.decoded().get("deleteOptions") or {}) if request.body else {}
        check_delete(options.get("preconditions") or {}, pod, target)
        self._admit(target, request.is_dry_run)
        if not request.is_dry_run:
            self._pods.terminate(pod, _grace_seconds(options, request.query))
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    def _replace(
        self, target: Target, request: WriteRequest, current: KubeObject, obj: KubeObject
    ) -> KubeObject:
        resource = target.resource
        obj = _with_kept_parts(current, obj, target)
        check_update(current, obj, target)
        validate(obj, resource)
        self._admit(target, request.is_dry_run)
        obj["metadata"] = _kept_metadata(current, obj, resource)
        obj = with_writer(current, obj, resource.group_version, self._writer(request, target))
        if request.is_dry_run or obj == current:
            return shaped(obj, resource)
        return shaped(self._store.apply(resource.shelf_name, obj), resource)

    def _current(self, target: Target) -> KubeObject:
        return self._listing.find(target).obj

    def _check_namespace(self, namespace: str | None) -> None:
        if namespace and self._store.get("namespaces", None, namespace) is None:
            raise not_found("namespaces", namespace)

    def _writer(self, request: WriteRequest, target: Target) -> Writer:
        return Writer(request.manager, self._now(), subresource=target.subresource)

    def _now(self) -> str:
        return timestamp(self._store.clock())


def _checked(obj: KubeObject, target: Target) -> KubeObject:
    """Return the written object with its kind and metadata, or refuse it."""
    resource = target.resource
    version = obj.get("apiVersion") or resource.group_version
    kind = obj.get("kind") or resource.kind
    if version != resource.group_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({resource.group_version})"
        )
    if kind != resource.kind:
        raise bad_request(f"the kind in the data ({kind}) does not match the expected kind")
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    name = metadata.get("name")
    if target.name and name and name != target.name:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({target.name})"
        )
    metadata = metadata | ({"name": target.name} if target.name else {})
    return {**obj, "apiVersion": version, "kind": kind, "metadata": metadata}


def _new_metadata(obj: KubeObject, target: Target) -> KubeObject:
    metadata = {
        key: value
        for key, value in obj["metadata"].items()
        if value is not None and key not in {"uid", "resourceVersion", "managedFields"}
    }
    if not metadata.get("name"):
        if not metadata.get("generateName"):
            kind = target.resource.kind
            raise ApiFailure(
                422, f'{kind} "" is invalid: metadata.name: Required value: name is required'
            )
        metadata["name"] = metadata["generateName"] + random_suffix()
    if target.resource.is_namespaced:
        namespace = target.namespace or metadata.get("namespace") or "default"
        if metadata.get("namespace") not in {None, namespace}:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        metadata["namespace"] = namespace
    return metadata


def _patch_type(media_type: str, resource: Resource) -> str:
    kind = _PATCH_TYPES.get(media_type.partition(";")[0].strip())
    if kind is None or (kind == "strategic" and resource.is_custom):
        accepted = [name for name, word in _PATCH_TYPES.items() if word != "strategic"]
        if not resource.is_custom:
            accepted = list(_PATCH_TYPES)
        raise ApiFailure(
            415,
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(accepted),
        )
    return kind


def _with_kept_parts(current: KubeObject, obj: KubeObject, target: Target) -> KubeObject:
    """Return the object with what this path may not write taken from the current one."""
    if target.subresource == "status":
        return {**current, "status": obj.get("status"), "metadata": dict(obj["metadata"])}
    has_status = any(item.name == "status" for item in target.resource.subresources)
    if has_status and "status" in current:
        return {**obj, "status": current["status"]}
    return dict(obj)


def _kept_metadata(current: KubeObject, obj: KubeObject, resource: Resource) -> KubeObject:
    """Return the metadata with what only the server may write taken from the current object."""
    old = current["metadata"]
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SERVER_FIELDS}
    kept = {key: old[key] for key in _SERVER_FIELDS if key in old}
    if (
        "generation" in kept
        and resource.kind not in _WITHOUT_GENERATION
        and _has_new_spec(current, obj)
    ):
        kept["generation"] = int(kept["generation"]) + 1
    return {**metadata, **kept}


_SERVER_FIELDS = (
    "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields",
)  # fmt: skip


def _has_new_spec(current: KubeObject, obj: KubeObject) -> bool:
    aside = {"metadata", "status", "apiVersion", "kind"}
    return any(current.get(key) != obj.get(key) for key in (current.keys() | obj.keys()) - aside)


def _grace_seconds(options: KubeObject, query: Mapping[str, str]) -> float | None:
    found = options.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    return None if found is None else float(found)
