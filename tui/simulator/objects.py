"""The objects of the simulated cluster, with resource versions and a history to watch.

Objects are plain dicts in the shape the API sends. They are replaced, never changed in place:
what `get` and `list` return is shared with every reader. Each object is encoded to JSON once, when
somebody first asks for it, so that a cluster of thousands of nodes starts and lists fast.
"""

from __future__ import annotations

import asyncio
import bisect
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from time import time
from typing import Any, Protocol, TypeAlias

import msgspec

KubeObject: TypeAlias = dict[str, Any]
"""A Kubernetes object as the API sends it; its fields differ by kind."""

MAX_HISTORY = 2_048
"""Changes kept per resource for watches that start in the past; older versions are gone (410)."""

FIRST_VERSION = 1_000


class ObjectReaderWriter(Protocol):
    """What the simulated agents see of the API server; `resource` is the plural, such as pods."""

    def get(self, resource: str, namespace: str | None, name: str) -> KubeObject | None:
        """Return the object, or None; never change it: copy, change, `apply`."""
        ...

    def list(self, resource: str, namespace: str | None = None) -> list[KubeObject]:
        """Return the objects of one namespace, or of all, ordered by namespace and name."""
        ...

    def apply(self, resource: str, obj: KubeObject) -> KubeObject:
        """Create or replace the object; give it a new version and tell those who watch."""
        ...

    def delete(self, resource: str, namespace: str | None, name: str) -> KubeObject | None:
        """Remove the object and return it, or None if there was none."""
        ...

    def version(self, resource: str) -> int:
        """Return the version of the last change to this resource; grows with every change."""
        ...


class ChangeType(StrEnum):
    """What happened to an object, in the words of a watch."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(slots=True)
class Stored:
    """One version of one object, with its encodings once they were asked for."""

    key: str
    version: int
    obj: KubeObject
    encoded: dict[str, bytes] = field(default_factory=dict)

    def encode(self, form: str, make: Callable[[KubeObject], KubeObject]) -> bytes:
        """Return the JSON of `make(obj)`, kept under the name `form`."""
        found = self.encoded.get(form)
        if found is None:
            found = self.encoded[form] = msgspec.json.encode(make(self.obj))
        return found


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a resource's history."""

    type: ChangeType
    current: Stored
    """What is there now; for DELETED the last state, with the version of the deletion."""
    previous: Stored | None


class VersionGoneError(Exception):
    """The history no longer reaches back to the version asked for."""

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {asked} ({oldest})")


class Shelf:
    """The objects of one resource, ordered, and the history of their changes."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.entries: dict[str, Stored] = {}
        self.listeners: list[Callable[[Change], None]] = []
        self.wakers: set[asyncio.Event] = set()
        self._ordered: list[Stored] | None = []
        self._history: list[Change] = []
        self._floor = version

    def ordered(self) -> list[Stored]:
        """Return the entries by key; the list is never changed afterwards."""
        if self._ordered is None:
            self._ordered = [self.entries[key] for key in sorted(self.entries)]
        return self._ordered

    def record(self, change: Change) -> None:
        """Store the change, remember it, and wake those who wait for it."""
        key = change.current.key
        if change.type is ChangeType.DELETED:
            del self.entries[key]
        else:
            self.entries[key] = change.current
        self.version = change.current.version
        self._ordered = None
        self._history.append(change)
        if len(self._history) > 2 * MAX_HISTORY:
            self._floor = self._history[-MAX_HISTORY - 1].current.version
            del self._history[:-MAX_HISTORY]
        for listener in self.listeners:
            listener(change)
        for waker in self.wakers:
            waker.set()

    def fill(self, entries: Iterable[Stored]) -> None:
        """Put the first objects in, without a history: nobody can have watched before."""
        for entry in entries:
            self.entries[entry.key] = entry
            self.version = max(self.version, entry.version)
        self._ordered = None
        self._floor = self.version

    def forget_history(self) -> None:
        """Drop the history, as etcd does when it compacts: older versions are gone."""
        self._history.clear()
        self._floor = self.version

    def since(self, version: int) -> list[Change]:
        """Return the changes after this version.

        Raises:
            VersionGoneError: the history starts later.
        """
        if version < self._floor:
            raise VersionGoneError(version, self._floor)
        start = bisect.bisect_right(
            self._history, version, key=lambda change: change.current.version
        )
        return self._history[start:]


def object_key(namespace: str | None, name: str) -> str:
    """Return the key objects are ordered by."""
    return f"{namespace or ''}/{name}"


def timestamp(seconds: float) -> str:
    """Return a moment as Kubernetes writes it in metadata."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text: str | None) -> float | None:
    """Return a Kubernetes timestamp as seconds since the epoch, or None if it is none."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


class ObjectStore:
    """All objects of the cluster: the `ObjectReaderWriter` behind the API server."""

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self.clock = clock
        self._version = FIRST_VERSION
        self._shelves: dict[str, Shelf] = {}

    @property
    def current_version(self) -> int:
        """The version of the last change anywhere."""
        return self._version

    def shelf(self, resource: str) -> Shelf:
        """Return the shelf of a resource, made at its first use."""
        found = self._shelves.get(resource)
        if found is None:
            found = self._shelves[resource] = Shelf(FIRST_VERSION)
        return found

    def get(self, resource: str, namespace: str | None, name: str) -> KubeObject | None:
        """Return the object, or None."""
        stored = self.shelf(resource).entries.get(object_key(namespace, name))
        return stored.obj if stored else None

    def list(self, resource: str, namespace: str | None = None) -> list[KubeObject]:
        """Return the objects of one namespace, or of all."""
        entries = self.shelf(resource).ordered()
        if namespace is None:
            return [stored.obj for stored in entries]
        prefix = f"{namespace}/"
        return [stored.obj for stored in entries if stored.key.startswith(prefix)]

    def version(self, resource: str) -> int:
        """Return the version of the last change to this resource."""
        return self.shelf(resource).version

    def seed(self, objects: Iterable[tuple[str, KubeObject]]) -> None:
        """Put the first objects in, by resource; cheaper than `apply` and without a history."""
        by_resource: dict[str, list[Stored]] = {}
        for resource, obj in objects:
            by_resource.setdefault(resource, []).append(self._stored(obj))
        for resource, entries in by_resource.items():
            self.shelf(resource).fill(entries)

    def apply(self, resource: str, obj: KubeObject) -> KubeObject:
        """Create or replace the object; `uid` and `creationTimestamp` stay if it was there."""
        shelf = self.shelf(resource)
        metadata = obj["metadata"]
        previous = shelf.entries.get(object_key(metadata.get("namespace"), metadata["name"]))
        stored = self._stored(obj, previous.obj["metadata"] if previous else None)
        kind = ChangeType.MODIFIED if previous else ChangeType.ADDED
        shelf.record(Change(kind, stored, previous))
        return stored.obj

    def delete(self, resource: str, namespace: str | None, name: str) -> KubeObject | None:
        """Remove the object and return its last state, or None if there was none."""
        shelf = self.shelf(resource)
        previous = shelf.entries.get(object_key(namespace, name))
        if previous is None:
            return None
        stored = self._stored(previous.obj)
        shelf.record(Change(ChangeType.DELETED, stored, previous))
        return stored.obj

    def recreate(self, resource: str, namespace: str | None, name: str) -> KubeObject | None:
        """Replace the object as if somebody had deleted it and created it again.

        Returns:
            The new object, with the same name and content and a new UID; None if there was none.
        """
        previous = self.delete(resource, namespace, name)
        if previous is None:
            return None
        metadata = {
            key: value
            for key, value in previous["metadata"].items()
            if key not in {"uid", "resourceVersion", "creationTimestamp"}
        }
        return self.apply(resource, {**previous, "metadata": metadata})

    def forget_history(self) -> None:
        """Drop every history, so that the next watch from an old version is answered with 410."""
        for shelf in self._shelves.values():
            shelf.forget_history()

    def _stored(self, obj: KubeObject, before: KubeObject | None = None) -> Stored:
        self._version += 1
        metadata = dict(obj["metadata"])
        known = before or {}
        metadata["uid"] = known.get("uid") or metadata.get("uid") or str(uuid.uuid4())
        metadata["resourceVersion"] = str(self._version)
        metadata["creationTimestamp"] = (
            known.get("creationTimestamp")
            or metadata.get("creationTimestamp")
            or timestamp(self.clock())
        )
        key = object_key(metadata.get("namespace"), metadata["name"])
        return Stored(key, self._version, {**obj, "metadata": metadata})
