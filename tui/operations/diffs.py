"""What a write changes, as a unified diff of the object's YAML."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeGuard

import yaml

from tui.safety import CleanText, clean

_SERVERS_OWN = (
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "selfLink",
)
"""Fields of the metadata that the API server fills in: every write changes them."""
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LINE_LIMIT = 2_000

Json = Mapping[str, object]


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether a decoded JSON value is an object."""
    return isinstance(value, Mapping)


def part(value: object, *path: str) -> Json:
    """Return the object at a path inside a decoded JSON document, or an empty one."""
    for name in path:
        value = value.get(name) if is_object(value) else None
    return value if is_object(value) else {}


def diff_of(before: Json | None, after: Json | None) -> CleanText:
    """Return the unified diff of two versions of an object; None is an object that is not there.

    Each line is clean text; they are joined by line feeds.
    """
    old, new = _lines(before), _lines(after)
    lines = difflib.unified_diff(old, new, "now", "then", lineterm="", n=2)
    return joined(lines)


def joined(lines: Iterable[str]) -> CleanText:
    """Return lines as one text, each of them clean."""
    return CleanText("\n".join(clean(line, _LINE_LIMIT) for line in lines))


def yaml_of(item: Json) -> CleanText:
    """Return an object as YAML, without its status and what the server keeps for itself."""
    return joined(_lines(item))


def merged(item: Json, patch: Json) -> dict[str, object]:
    """Return an object after a JSON merge patch (RFC 7386)."""
    result = dict(item)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif is_object(value):
            inner = result.get(key)
            result[key] = merged(inner if is_object(inner) else {}, value)
        else:
            result[key] = value
    return result


def _lines(item: Json | None) -> list[str]:
    if item is None:
        return []
    kept = {key: value for key, value in item.items() if key != "status"}
    meta = {key: value for key, value in part(item, "metadata").items() if key not in _SERVERS_OWN}
    annotations = {
        key: value for key, value in part(meta, "annotations").items() if key != _LAST_APPLIED
    }
    meta.pop("annotations", None)
    if annotations:
        meta["annotations"] = annotations
    if meta:
        kept["metadata"] = meta
    text = yaml.safe_dump(kept, allow_unicode=True, width=10_000, default_flow_style=False)
    return text.splitlines()
