"""Answers watch: changes from a version on, bookmarks, and the ERROR event of a version too old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass

import msgspec

from tui.simulator.answers import positive_number
from tui.simulator.listing import table_format, wanted_predicate
from tui.simulator.objects import (
    Change,
    ChangeType,
    KubeObject,
    ObjectStore,
    Shelf,
    Stored,
    VersionGoneError,
)
from tui.simulator.paths import Target, is_true
from tui.simulator.shapes import object_bytes
from tui.simulator.statuses import expired
from tui.simulator.tables import TableFormat

DEFAULT_TIMEOUT_SECONDS = 1_800.0
"""--min-request-timeout of kube-apiserver: a watch without a timeout lives 30 to 60 minutes."""

_INITIAL_END = {"k8s.io/initial-events-end": "true"}


@dataclass(frozen=True, slots=True)
class WatchTiming:
    """How often a quiet watch says something."""

    bookmark_seconds: float = 60.0
    """Source: bookmarkFrequency in k8s.io/apiserver/pkg/storage/cacher."""


class Watch:
    """One watch request: yields its events, already encoded."""

    def __init__(
        self,
        store: ObjectStore,
        target: Target,
        accept: str,
        query: Mapping[str, str],
        timing: WatchTiming,
    ) -> None:
        self._store = store
        self._shelf: Shelf = store.shelf(target.resource.shelf_name)
        self._target = target
        self._query = query
        self._timing = timing
        self._prefix = f"{target.namespace}/" if target.namespace else ""
        self._predicate = wanted_predicate(target, query)
        self._table = table_format(target, accept, query)
        self._has_sent_columns = False
        self._has_bookmarks = is_true(query.get("allowWatchBookmarks"))
        self._seconds = float(positive_number(query, "timeoutSeconds") or DEFAULT_TIMEOUT_SECONDS)
        self._version = 0

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield the events until the watch's time is over."""
        deadline = asyncio.get_running_loop().time() + self._seconds
        waker = asyncio.Event()
        self._shelf.wakers.add(waker)
        try:
            async for event in self._all_events(deadline, waker):
                yield event
        except VersionGoneError as error:
            yield _event_bytes("ERROR", msgspec.json.encode(expired(str(error)).status()))
        finally:
            self._shelf.wakers.discard(waker)

    async def _all_events(self, deadline: float, waker: asyncio.Event) -> AsyncIterator[bytes]:
        wanted = positive_number(self._query, "resourceVersion")
        if wanted is None or is_true(self._query.get("sendInitialEvents", "false")):
            for event in self._initial_events():
                yield event
        else:
            self._version = wanted
        while True:
            waker.clear()
            for change in self._shelf.since(self._version):
                self._version = change.current.version
                changed = self._event_of(change)
                if changed is not None:
                    yield changed
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            if not await _is_set(waker, min(left, self._timing.bookmark_seconds)):
                self._version = max(self._version, self._store.current_version)
                if self._has_bookmarks:
                    yield self._bookmark({})

    def _initial_events(self) -> list[bytes]:
        self._version = self._store.current_version
        found = [
            self._encode(ChangeType.ADDED, stored)
            for stored in self._shelf.ordered()
            if self._is_wanted(stored)
        ]
        if is_true(self._query.get("sendInitialEvents", "false")) and self._has_bookmarks:
            found.append(self._bookmark({"annotations": _INITIAL_END}))
        return found

    def _is_wanted(self, stored: Stored) -> bool:
        if not stored.key.startswith(self._prefix):
            return False
        return self._predicate is None or self._predicate(stored.obj)

    def _event_of(self, change: Change) -> bytes | None:
        """Return the event as this watch sees it: leaving its selector is a deletion."""
        is_wanted = self._is_wanted(change.current)
        was_wanted = change.previous is not None and self._is_wanted(change.previous)
        if change.type is ChangeType.DELETED:
            return self._encode(ChangeType.DELETED, change.current) if was_wanted else None
        if is_wanted:
            kind = ChangeType.MODIFIED if was_wanted else ChangeType.ADDED
            return self._encode(kind, change.current)
        return self._encode(ChangeType.DELETED, change.current) if was_wanted else None

    def _encode(self, kind: str, stored: Stored) -> bytes:
        if self._table is None:
            return _event_bytes(kind, object_bytes(stored, self._target.resource))
        version = {"resourceVersion": str(stored.version)}
        return _event_bytes(kind, self._rows(self._table, [stored.obj], version))

    def _bookmark(self, metadata: KubeObject) -> bytes:
        resource = self._target.resource
        full = {"resourceVersion": str(self._version), "creationTimestamp": None, **metadata}
        if self._table is not None:
            return _event_bytes("BOOKMARK", self._rows(self._table, [], full))
        body = {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": full}
        return _event_bytes("BOOKMARK", msgspec.json.encode(body))

    def _rows(self, table: TableFormat, rows: list[KubeObject], metadata: KubeObject) -> bytes:
        is_first, self._has_sent_columns = not self._has_sent_columns, True
        return msgspec.json.encode(table.table(rows, metadata, self._store.clock(), is_first))


def _event_bytes(kind: str, body: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), body)


async def _is_set(waker: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(waker.wait(), seconds)
    except TimeoutError:
        return False
    return True
