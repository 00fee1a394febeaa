"""The three kinds of patch: JSON (RFC 6902), merge (RFC 7386) and Kubernetes' strategic merge."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tui.simulator.objects import KubeObject
from tui.simulator.statuses import ApiFailure, bad_request

_DIRECTIVE = "$patch"
_ORDER = "$setElementOrder/"
_DELETE_VALUES = "$deleteFromPrimitiveList/"
_RETAIN = "$retainKeys"

MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
    "conditions": ("type",),
    "addresses": ("type",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port"),
    "secrets": ("name",),
}
"""List fields that are merged by a key of their elements; other lists are replaced.

Source: patchMergeKey in k8s.io/api core/v1, apps/v1 and meta/v1 types; tolerations have none.
"""
_PRIMITIVE_SETS = frozenset({"finalizers", "podCIDRs"})


def merge_patch(target: object, patch: object) -> Any:
    """Return the target with an RFC 7386 merge patch applied."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def merge_key(field: str, elements: list[Any]) -> str | None:
    """Return the key by which this list's elements are told apart, or None."""
    for key in MERGE_KEYS.get(field, ()):
        if elements and all(isinstance(item, dict) and key in item for item in elements):
            return key
    return None


def strategic_merge(target: object, patch: object) -> Any:
    """Return the target with a strategic merge patch applied.

    Raises:
        ApiFailure: the patch holds a directive that does not exist.
    """
    if not isinstance(patch, dict):
        return deepcopy(patch)
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        return deepcopy({key: value for key, value in patch.items() if key != _DIRECTIVE})
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise bad_request(f"Unknown patch type: {directive} in patch")
    merged = dict(target) if isinstance(target, dict) else {}
    for key in (patch.get(_RETAIN) and list(merged)) or []:
        if key not in patch[_RETAIN]:
            merged.pop(key)
    for key, value in patch.items():
        _merge_field(merged, key, value, patch)
    return merged


def _merge_field(merged: KubeObject, key: str, value: Any, patch: KubeObject) -> None:
    if key in {_DIRECTIVE, _RETAIN} or key.startswith(_ORDER):
        return
    if key.startswith(_DELETE_VALUES):
        field = key.removeprefix(_DELETE_VALUES)
        merged[field] = [item for item in merged.get(field) or [] if item not in value]
        return
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, list):
        merged[key] = _merge_list(key, merged.get(key) or [], value, patch.get(_ORDER + key))
    else:
        merged[key] = strategic_merge(merged.get(key), value)


def _merge_list(field: str, old: list[Any], new: list[Any], order: list[Any] | None) -> list[Any]:
    if field in _PRIMITIVE_SETS:
        return old + [item for item in new if item not in old]
    elements = [item for item in new if not _is_replace(item)]
    key = merge_key(field, elements)
    if key is None or len(elements) != len(new):
        return deepcopy(elements)
    merged = {item.get(key): item for item in old}
    for item in elements:
        if item.get(_DIRECTIVE) == "delete":
            merged.pop(item[key], None)
        else:
            merged[item[key]] = strategic_merge(merged.get(item[key]), item)
    if order:
        places = {item.get(key): place for place, item in enumerate(order)}
        return sorted(merged.values(), key=lambda item: places.get(item[key], len(places)))
    return list(merged.values())


def _is_replace(item: object) -> bool:
    return isinstance(item, dict) and item.get(_DIRECTIVE) == "replace" and len(item) == 1


def json_patch(target: KubeObject, operations: object) -> KubeObject:
    """Return the target with an RFC 6902 patch applied.

    Raises:
        ApiFailure: the patch is malformed, or a path or test fails.
    """
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    document: KubeObject = deepcopy(target)
    for operation in operations:
        _apply_operation(document, operation)
    return document


def _apply_operation(document: KubeObject, operation: KubeObject) -> None:
    name, path = operation.get("op"), str(operation.get("path", ""))
    if name in {"add", "replace", "test"}:
        value = deepcopy(operation.get("value"))
        if name == "test":
            if _read(document, path) != value:
                raise _unprocessable(f"testing value {path} failed: test failed")
        else:
            _write(document, path, value, must_exist=name == "replace")
    elif name == "remove":
        _remove(document, path)
    elif name in {"move", "copy"}:
        source = str(operation.get("from", ""))
        value = deepcopy(_read(document, source))
        if name == "move":
            _remove(document, source)
        _write(document, path, value, must_exist=False)
    else:
        raise _unprocessable(f"Unexpected kind: {name}")


def _unprocessable(message: str) -> ApiFailure:
    return ApiFailure(
        422, f"the server rejected our request due to an error in our request: {message}", "Invalid"
    )


def _parent(document: Any, path: str) -> tuple[Any, str]:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    if not parts:
        raise _unprocessable(f"invalid path: {path!r}")
    found = document
    for part in parts[:-1]:
        found = _child(found, part, path)
    return found, parts[-1]


def _child(container: Any, part: str, path: str) -> Any:
    try:
        return container[int(part)] if isinstance(container, list) else container[part]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise _unprocessable(f"doc is missing path: {path}: missing value") from error


def _read(document: KubeObject, path: str) -> Any:
    container, part = _parent(document, path)
    return _child(container, part, path)


def _write(document: KubeObject, path: str, value: object, *, must_exist: bool) -> None:
    container, part = _parent(document, path)
    if must_exist:
        _child(container, part, path)
    if isinstance(container, list):
        if must_exist:
            container[int(part)] = value
        else:
            container.insert(_place(container, part, path), value)
    elif isinstance(container, dict):
        container[part] = value
    else:
        raise _unprocessable(f"doc is missing path: {path}: missing value")


def _place(container: list[Any], part: str, path: str) -> int:
    if part == "-":
        return len(container)
    if not part.isdecimal() or int(part) > len(container):
        raise _unprocessable(f"add operation does not apply: doc is missing path: {path}")
    return int(part)


def _remove(document: KubeObject, path: str) -> None:
    container, part = _parent(document, path)
    _child(container, part, path)
    if isinstance(container, list):
        del container[int(part)]
    else:
        del container[part]
