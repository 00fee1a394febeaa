"""Follow a resource for ever: list, watch from there, list again when the version is too old.

kopf's watch loop is the model. A 410 is normal after a quiet while: etcd compacts every five
minutes, and only bookmarks keep a quiet watch's version young. `kubernetes.aio` retries a 410
with the same version, and one event above 4 MiB ends its watch.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from tui.cluster.answers import Status, decoded, failure, status_error, undecodable
from tui.cluster.backoff import Backoff
from tui.cluster.kinds import Entity, KubeObject
from tui.cluster.lines import LineSplitter
from tui.cluster.lists import PAGE_SIZE, Params, decoder_for, list_pages, target_of
from tui.cluster.transport import Transport
from tui.errors import (
    ApiError,
    ClusterError,
    ConnectError,
    DeadlineError,
    ForbiddenError,
    GoneError,
    NotFoundError,
    ThrottledError,
)
from tui.safety import CleanText

if TYPE_CHECKING:
    from aiohttp import StreamReader

Item = TypeVar("Item", bound=KubeObject)

MAX_EVENT_BYTES = 64 << 20
BARREN_SECONDS = 5.0
"""A watch that ends sooner than this without any event was of no use."""
BARREN_LIMIT = 3
"""So many of those in a row are a failure: something on the way does not let watches pass."""


class WatchKind(StrEnum):
    """What happened."""

    LISTED = "listed"
    """`items` are all there are now: what is not among them has gone."""
    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"
    LIVE = "live"
    """Nothing changed, but the watch is proven to work: it was opened, or a bookmark came."""
    LOST = "lost"
    """Nothing can be seen now; what was seen grows old until LISTED or LIVE."""


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[Item]):
    """One step of a watch."""

    kind: WatchKind
    item: Item | None = None
    """For ADDED, MODIFIED and DELETED."""
    items: tuple[Item, ...] = ()
    """For LISTED."""
    skipped: int = 0
    """For LISTED: objects that could not be read."""
    reason: CleanText = CleanText("")
    """For LOST."""
    is_denied: bool = False
    """For LOST: the right is missing; the reason names verb and resource."""
    is_absent: bool = False
    """For LOST: this API server has no such resource."""
    retry_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of a watch, and the clock, chance and sleep it uses."""

    backoff_base_seconds: float = 0.5
    backoff_limit_seconds: float = 30.0
    denied_seconds: float = 60.0
    """Between attempts while the right is missing: somebody may grant it."""
    silence_seconds: float = 120.0
    """Bookmarks come about once a minute; twice that without any is a dead connection."""
    server_seconds: tuple[float, float] = (240.0, 300.0)
    """The server ends the watch after a time drawn from this range, to spread the load."""
    clock: Callable[[], float] = time.monotonic
    uniform: Callable[[float, float], float] = random.uniform
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class _Event(Entity, frozen=True):
    type: str = ""
    object: msgspec.Raw = msgspec.Raw(b"{}")


_EVENT = msgspec.json.Decoder(_Event)
_META = msgspec.json.Decoder(KubeObject)
_STATUS = msgspec.json.Decoder(Status)
_CHANGES = {
    "ADDED": WatchKind.ADDED,
    "MODIFIED": WatchKind.MODIFIED,
    "DELETED": WatchKind.DELETED,
}


class Watch(Generic[Item]):
    """One resource, followed until the task is cancelled."""

    def __init__(
        self,
        transport: Transport,
        path: str,
        item_type: type[Item],
        *,
        params: Params | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._transport = transport
        self._path = path
        self._type = item_type
        self._params = dict(params or {})
        self._pace = pace or Pace()
        self._version = ""
        self._is_lost = False
        self._barren = 0
        self._backoff = Backoff(
            self._pace.backoff_base_seconds,
            self._pace.backoff_limit_seconds,
            self._pace.uniform,
        )

    async def events(self) -> AsyncGenerator[WatchEvent[Item], None]:
        """Yield events for ever; failures are LOST events, never exceptions."""
        while True:
            try:
                if not self._version:
                    yield await self._list()
                async with aclosing(self._watch()) as events:
                    async for event in events:
                        yield event
            except GoneError:
                self._version = ""
                # The first 410 lists again at once; a server that says it for ever is backed off.
                if self._backoff.failures:
                    await self._pace.sleep(self._backoff.next_seconds())
                else:
                    self._backoff.next_seconds()
            except ClusterError as error:
                lost = self._lost(error)
                yield lost
                await self._pace.sleep(lost.retry_seconds)

    async def _list(self) -> WatchEvent[Item]:
        listing = await list_pages(
            self._transport, self._path, self._type, params=self._params, page_size=PAGE_SIZE
        )
        if not listing.resource_version:
            raise ApiError(f"GET {self._path}: the list has no resourceVersion to watch from")
        self._version = listing.resource_version
        self._is_lost = False
        return WatchEvent(WatchKind.LISTED, items=listing.items, skipped=listing.skipped)

    async def _watch(self) -> AsyncGenerator[WatchEvent[Item], None]:
        """Yield one connection's events; its normal end, and a break after some use, are silent."""
        opened_at = self._pace.clock()
        is_fruitful = False
        try:
            async with aclosing(self._lines()) as lines:
                async for line in lines:
                    if line is None:
                        is_proven = self._pace.clock() - opened_at >= BARREN_SECONDS
                        if is_proven:
                            self._barren = 0
                        if self._is_lost and self._barren < BARREN_LIMIT:
                            self._is_lost = False
                            yield WatchEvent(WatchKind.LIVE)
                        continue
                    event = self._decode(line)
                    is_fruitful = True
                    self._barren = 0
                    self._is_lost = False
                    self._backoff.reset()
                    if event is not None:
                        yield event
        except (ConnectError, DeadlineError):
            # A dead connection, or silence where bookmarks are due. The version is still good.
            if not is_fruitful and self._pace.clock() - opened_at < BARREN_SECONDS:
                raise
            await self._pace.sleep(self._backoff.next_seconds())
            return
        if not is_fruitful and self._pace.clock() - opened_at < BARREN_SECONDS:
            self._barren += 1
            if self._barren >= BARREN_LIMIT:
                raise ConnectError(f"watch of {self._path}: the server ends it again and again")
            await self._pace.sleep(self._backoff.next_seconds())

    async def _lines(self) -> AsyncGenerator[bytes | None, None]:
        """Yield None once the server accepts the watch, then each event's line.

        After watches that ended at once, None comes again when this one holds: with nothing to
        tell, a server is silent for a minute.
        """
        pace = self._pace
        query = {
            **self._params,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": int(pace.uniform(*pace.server_seconds)),
        }
        splitter = LineSplitter(MAX_EVENT_BYTES)
        async with self._transport.get(
            target_of(self._path, query),
            silence_seconds=pace.silence_seconds,
            is_compressed=False,
        ) as response:
            yield None
            content = response.content
            chunk = await _first_chunk(content, BARREN_SECONDS) if self._barren else None
            if self._barren and chunk is None:
                yield None
            while chunk := await content.readany() if chunk is None else chunk:
                for line in splitter.feed(chunk):
                    if line.strip():
                        yield line
                if splitter.held_bytes > MAX_EVENT_BYTES:
                    raise ApiError(f"GET {self._path}: an event above {MAX_EVENT_BYTES} bytes")
                chunk = None

    def _decode(self, line: bytes) -> WatchEvent[Item] | None:
        try:
            event = decoded(_EVENT, line)
            if event.type == "ERROR":
                raise self._refusal(event.object)
            meta = decoded(_META, event.object).metadata
        except msgspec.DecodeError as error:
            self._version = ""
            raise undecodable(
                line, error, path=self._path, server=self._transport.access.server
            ) from error
        if meta.resource_version:
            self._version = meta.resource_version
        if event.type == "BOOKMARK":
            return WatchEvent(WatchKind.LIVE)
        kind = _CHANGES.get(event.type)
        if kind is None:
            return None
        try:
            return WatchEvent(kind, item=decoded(decoder_for(self._type), event.object))
        except msgspec.DecodeError:
            # One object of a wrong shape; the list counts it as skipped, the watch goes on.
            return None

    def _refusal(self, raw: msgspec.Raw) -> ApiError:
        server = self._transport.access.server
        try:
            status = decoded(_STATUS, raw)
        except msgspec.DecodeError:
            return failure(500, bytes(raw), method="GET", path=self._path, server=server)
        if status.code not in {401, 403, 429}:
            # After any other error event the version is not to be trusted.
            self._version = ""
        return status_error(status, path=f"{self._path}?watch=true", server=server)

    def _lost(self, error: ClusterError) -> WatchEvent[Item]:
        self._is_lost = True
        is_denied = isinstance(error, ForbiddenError)
        is_absent = isinstance(error, NotFoundError)
        wait = self._backoff.next_seconds()
        if is_denied or is_absent:
            wait = self._pace.uniform(0.8, 1.2) * self._pace.denied_seconds
        elif isinstance(error, ThrottledError) and error.retry_after_seconds is not None:
            wait = max(wait, error.retry_after_seconds)
        return WatchEvent(
            WatchKind.LOST,
            reason=error.message,
            is_denied=is_denied,
            is_absent=is_absent,
            retry_seconds=wait,
        )


async def _first_chunk(content: StreamReader, seconds: float) -> bytes | None:
    """Return the first bytes, empty at the end; None where nothing comes for so long."""
    patience = asyncio.timeout(seconds)
    try:
        async with patience:
            return await content.readany()
    except TimeoutError:
        if patience.expired():
            return None
        raise
