"""What a request asks for: the API's path grammar and the verb that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tui.simulator.resources import ApiSurface, Resource

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_TRUE = frozenset({"1", "true", "t", "True", "TRUE"})


@dataclass(frozen=True, slots=True)
class Target:
    """The resource, object or subresource a path names, and what is to be done with it."""

    resource: Resource
    verb: str
    namespace: str | None = None
    """None for cluster-wide resources and for all namespaces."""
    name: str = ""
    subresource: str = ""

    @property
    def right(self) -> str:
        """The resource as a right names it: pods, or pods/exec."""
        if self.subresource:
            return f"{self.resource.plural}/{self.subresource}"
        return self.resource.plural


@dataclass(frozen=True, slots=True)
class _Place:
    group: str
    version: str
    namespace: str | None
    rest: tuple[str, ...]


def is_true(text: str | None) -> bool:
    """Return whether a query parameter says yes; an empty one does, as in `?watch`."""
    return text is not None and (text == "" or text in _TRUE)


def split_group_version(path: str) -> tuple[str, str, list[str]] | None:
    """Return (group, version, rest) of a path below /api or /apis, or None."""
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 2 and parts[0] == "api":
        return "", parts[1], parts[2:]
    if len(parts) >= 3 and parts[0] == "apis":
        return parts[1], parts[2], parts[3:]
    return None


def find_target(
    surface: ApiSurface, method: str, path: str, query: Mapping[str, str]
) -> Target | None:
    """Return what the request asks for, or None if the path names nothing that exists."""
    place = _place(path)
    if place is None:
        return None
    resource = surface.find(place.group, place.version, place.rest[0])
    if resource is None or (place.namespace is not None and not resource.is_namespaced):
        return None
    name = place.rest[1] if len(place.rest) > 1 else ""
    subresource = place.rest[2] if len(place.rest) > 2 else ""
    if subresource and subresource not in {item.name for item in resource.subresources}:
        return None
    verb = _verb(method, name, query)
    return Target(resource, verb, place.namespace, name, subresource)


def _place(path: str) -> _Place | None:
    found = split_group_version(path)
    if found is None:
        return None
    group, version, rest = found
    namespace = None
    if len(rest) >= 3 and rest[0] == "namespaces" and rest[2] not in {"status", "finalize"}:
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 3:
        return None
    return _Place(group, version, namespace, tuple(rest))


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    if method in {"GET", "HEAD"}:
        if is_true(query.get("watch")):
            return "watch"
        return "get" if name else "list"
    if method == "DELETE" and not name:
        return "deletecollection"
    return _VERBS.get(method, method.lower())
