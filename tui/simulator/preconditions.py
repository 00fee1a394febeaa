"""Optimistic concurrency: what a write says of the object it means, held against the object."""

from __future__ import annotations

from tui.simulator.objects import KubeObject
from tui.simulator.paths import Target
from tui.simulator.statuses import ApiFailure, conflict

_MODIFIED = "The object might have been modified"
_RECREATED = "The object might have been deleted and then recreated"


def check_delete(wanted: KubeObject, current: KubeObject, target: Target) -> None:
    """Hold a DeleteOptions' preconditions against the object.

    Source: BeforeDelete in k8s.io/apiserver/pkg/registry/rest/delete.go; its conflict names the
    kind where others name the plural.

    Raises:
        ApiFailure: the object is another one, or was changed since.
    """
    metadata = current["metadata"]
    uid, version = wanted.get("uid"), wanted.get("resourceVersion")
    if uid and uid != metadata["uid"]:
        raise _delete_conflict(target, "UID", (uid, metadata["uid"]), _RECREATED)
    if version and version != metadata["resourceVersion"]:
        versions = (version, metadata["resourceVersion"])
        raise _delete_conflict(target, "ResourceVersion", versions, _MODIFIED)


def check_update(current: KubeObject, obj: KubeObject, target: Target) -> None:
    """Hold the uid and resourceVersion that an update or a patched object carries against it.

    A uid in a PUT is a precondition and fails as one in storage; in a patch it is a field that
    nobody may change (k8s.io/apiserver/pkg/registry/rest/update.go).

    Raises:
        ApiFailure: the object is another one, or was changed since.
    """
    old, new = current["metadata"], obj["metadata"]
    uid, version = new.get("uid"), new.get("resourceVersion")
    has_other_uid = bool(uid) and uid != old["uid"]
    if has_other_uid and target.verb == "update":
        raise _storage_conflict(target, uid, old["uid"])
    if version and version != old["resourceVersion"]:
        raise conflict(target.resource.plural, target.name, target.resource.group)
    if has_other_uid:
        raise _immutable_uid(target, uid)


def _delete_conflict(
    target: Target, field: str, values: tuple[str, str], reason: str
) -> ApiFailure:
    wanted, actual = values
    failure = conflict(target.resource.kind, target.name, target.resource.group)
    failure.message = (
        f"{_subject(failure)}: the {field} in the precondition ({wanted}) does not match the"
        f" {field} in record ({actual}). {reason}"
    )
    return failure


def _storage_conflict(target: Target, wanted: str, actual: str) -> ApiFailure:
    """Return what a precondition that fails in etcd3's store says (storage/errors.go)."""
    resource = target.resource
    place = "/".join(part for part in (resource.plural, target.namespace, target.name) if part)
    failure = conflict(resource.plural, target.name, resource.group)
    failure.message = (
        f"{_subject(failure)}: StorageError: invalid object, Code: 4, Key: /registry/{place},"
        f" ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition:"
        f" {wanted}, UID in object meta: {actual}"
    )
    return failure


def _immutable_uid(target: Target, wanted: str) -> ApiFailure:
    resource = target.resource
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    reason = f'Invalid value: "{wanted}": field is immutable'
    details: KubeObject = {"name": target.name}
    if resource.group:
        details["group"] = resource.group
    details["kind"] = resource.kind
    details["causes"] = [
        {"reason": "FieldValueInvalid", "message": reason, "field": "metadata.uid"}
    ]
    text = f'{kind} "{target.name}" is invalid: metadata.uid: {reason}'
    return ApiFailure(422, text, details=details)


def _subject(failure: ApiFailure) -> str:
    return failure.message.partition(": ")[0]
