"""Who wrote which field when: the `managedFields` that the API server keeps on each object.

A write moves the changed fields to its manager and gives that manager's entry the time of the
write; a write that changes nothing leaves every entry as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from tui.simulator.objects import KubeObject
from tui.simulator.patching import merge_key

FieldPath: TypeAlias = tuple[str, ...]

_NOT_OWNED = frozenset(
    {
        ("f:kind",),
        ("f:apiVersion",),
        ("f:metadata", "f:name"),
        ("f:metadata", "f:namespace"),
        ("f:metadata", "f:uid"),
        ("f:metadata", "f:resourceVersion"),
        ("f:metadata", "f:generation"),
        ("f:metadata", "f:creationTimestamp"),
        ("f:metadata", "f:selfLink"),
    }
)
"""Fields nobody owns. Source: stripFields in k8s.io/apiserver, fieldmanager/stripmeta.go."""
_TOP_LEVEL_MAPS = frozenset({"data", "binaryData"})
"""Fields of an object's top level that are owned themselves (`.`); spec and status are not."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and when."""

    manager: str
    time: str
    operation: str = "Update"
    subresource: str = ""


def leaves(value: object) -> dict[FieldPath, object]:
    """Return the leaf fields of an object by their path in the FieldsV1 notation."""
    found: dict[FieldPath, object] = {}
    _collect(value, (), "", found)
    return {path: leaf for path, leaf in found.items() if path[:2] not in _NOT_OWNED}


def _collect(value: object, path: FieldPath, field: str, found: dict[FieldPath, object]) -> None:
    if isinstance(value, dict) and value:
        if len(path) > 1 or field in _TOP_LEVEL_MAPS:
            found[(*path, ".")] = None
        for key, child in value.items():
            if path or key not in {"kind", "apiVersion"}:
                if path == ("f:metadata",) and key == "managedFields":
                    continue
                _collect(child, (*path, f"f:{key}"), key, found)
        return
    key_name = merge_key(field, value) if isinstance(value, list) else None
    if isinstance(value, list) and key_name is not None:
        for item in value:
            key = f"k:{msgspec.json.encode({key_name: item[key_name]}).decode()}"
            _collect(item, (*path, key), "", found)
        return
    if path:
        found[path] = value


def tree(paths: set[FieldPath]) -> KubeObject:
    """Return the FieldsV1 tree of these paths."""
    root: KubeObject = {}
    for path in sorted(paths):
        branch = root
        for part in path:
            branch = branch.setdefault(part, {})
    return root


def paths_of(fields: KubeObject | None) -> set[FieldPath]:
    """Return the leaf paths of a FieldsV1 tree."""
    found: set[FieldPath] = set()

    def walk(branch: KubeObject, path: FieldPath) -> None:
        for part, child in branch.items():
            if child:
                walk(child, (*path, part))
            else:
                found.add((*path, part))

    walk(fields or {}, ())
    return found


def with_writer(
    old: KubeObject | None, new: KubeObject, api_version: str, writer: Writer
) -> KubeObject:
    """Return the new object with the entries that follow from what the writer changed."""
    before = leaves(old) if old else {}
    after = leaves(new)
    changed = {path for path, leaf in after.items() if path not in before or before[path] != leaf}
    removed = before.keys() - after.keys()
    entries = (old or new)["metadata"].get("managedFields") or []
    if old is not None and not changed and not removed:
        return _with_entries(new, entries)
    kept: list[KubeObject] = []
    own: set[FieldPath] = set(changed)
    for entry in entries:
        fields = paths_of(entry.get("fieldsV1"))
        if _is_same(entry, api_version, writer):
            own |= fields - removed
            continue
        left = fields - changed - removed
        if left == fields:
            kept.append(entry)
        elif left:
            kept.append({**entry, "fieldsV1": tree(left)})
    return _with_entries(new, [*kept, _entry(api_version, writer, own)])


def _is_same(entry: KubeObject, api_version: str, writer: Writer) -> bool:
    return (
        entry.get("manager") == writer.manager
        and entry.get("operation") == writer.operation
        and entry.get("apiVersion") == api_version
        and entry.get("subresource", "") == writer.subresource
    )


def _entry(api_version: str, writer: Writer, fields: set[FieldPath]) -> KubeObject:
    entry: dict[str, Any] = {
        "manager": writer.manager,
        "operation": writer.operation,
        "apiVersion": api_version,
        "time": writer.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": tree(fields),
    }
    if writer.subresource:
        entry["subresource"] = writer.subresource
    return entry


def _with_entries(obj: KubeObject, entries: list[KubeObject]) -> KubeObject:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    if entries:
        metadata["managedFields"] = entries
    return {**obj, "metadata": metadata}
