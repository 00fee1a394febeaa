"""Typed GETs and paged lists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec

from tui.cluster.answers import decoded, undecodable
from tui.cluster.kinds import Entity, KubeObject
from tui.cluster.transport import MAX_BODY_BYTES, Transport, deadline, read_body
from tui.errors import GoneError, ThrottledError

T = TypeVar("T")
Item = TypeVar("Item", bound=KubeObject)
_DECODERS: dict[object, msgspec.json.Decoder[Any]] = {}
Params = Mapping[str, str | int | None]

PAGE_SIZE = 500
PAGE_BYTES = 2 << 20
"""A page above this makes the next ones smaller: 2 MiB of pods decode in about 4 ms."""
SMALLEST_PAGE = 50
LIST_SECONDS = 30.0
MAX_WAITS = 5
"""Times a 429 is waited out before it becomes an error."""


class ListMeta(Entity, frozen=True):
    """Metadata of a list."""

    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class Page(Entity, Generic[T], frozen=True):
    """One page of a list."""

    kind: str = ""
    metadata: ListMeta = ListMeta()
    items: list[T] | None = None


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A whole list with the version to watch from."""

    items: tuple[T, ...]
    resource_version: str
    skipped: int = 0
    """Objects that did not fit their type: shown as a gap, never silently."""


def target_of(path: str, params: Params | None = None) -> str:
    """Return path and query; parameters that are None are left out."""
    given = {key: value for key, value in (params or {}).items() if value is not None}
    if not given:
        return path
    return f"{path}{'&' if '?' in path else '?'}{urlencode(given)}"


async def get_bytes(
    transport: Transport,
    target: str,
    *,
    deadline_seconds: float = LIST_SECONDS,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> bytes:
    """GET a body, waiting out what the server asks to wait (429) within the deadline."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + deadline_seconds
    async with deadline(deadline_seconds, f"GET {target.partition('?')[0]}"):
        waits = 0
        while True:
            try:
                async with transport.get(target) as response:
                    return await read_body(response, MAX_BODY_BYTES)
            except ThrottledError as error:
                said = error.retry_after_seconds
                wait = 1.0 if said is None else said
                waits += 1
                if waits > MAX_WAITS or loop.time() + wait > ends_at:
                    raise
                await sleep(wait)


async def get_json(
    transport: Transport,
    target: str,
    decoder_type: type[T],
    *,
    deadline_seconds: float = LIST_SECONDS,
) -> T:
    """GET and decode one JSON document.

    Raises:
        ApiError: what came is not that document: HTML, cut off, or another type.
    """
    body = await get_bytes(transport, target, deadline_seconds=deadline_seconds)
    try:
        return decoded(decoder_for(decoder_type), body)
    except msgspec.DecodeError as error:
        path = target.partition("?")[0]
        raise undecodable(body, error, path=path, server=transport.access.server) from error


async def get_page(
    transport: Transport,
    target: str,
    item_type: type[Item],
    *,
    deadline_seconds: float = LIST_SECONDS,
) -> tuple[Listing[Item], str, int]:
    """Return one page, the token of the next (empty at the end), and the page's size in bytes."""
    body = await get_bytes(transport, target, deadline_seconds=deadline_seconds)
    page, skipped = _decode_page(body, item_type, target.partition("?")[0], transport)
    items = tuple(page.items or ())
    listing = Listing(items, page.metadata.resource_version, skipped)
    return listing, page.metadata.continue_, len(body)


async def pages(  # noqa: PLR0913 - what to list, and the bounds of a page
    transport: Transport,
    path: str,
    item_type: type[Item],
    *,
    params: Params | None = None,
    page_size: int = PAGE_SIZE,
    first_size: int | None = None,
    deadline_seconds: float = LIST_SECONDS,
) -> AsyncGenerator[Listing[Item], None]:
    """Yield a list page by page; the deadline is each page's.

    Args:
        transport: The way to the cluster.
        path: The list's path.
        item_type: What each item is decoded into.
        params: Further query parameters.
        page_size: Objects of a page, 0 for all at once; fewer once pages prove large.
        first_size: Objects of the first page, from which the size of one is learnt.
        deadline_seconds: For each page.

    Raises:
        GoneError: the list changed too much while it was paged (410): begin again.
    """
    token: str | None = None
    size = first_size or page_size
    while True:
        query = {**(params or {}), "limit": size or None, "continue": token}
        listing, token, size_bytes = await get_page(
            transport, target_of(path, query), item_type, deadline_seconds=deadline_seconds
        )
        yield listing
        if not token:
            return
        if size_bytes > PAGE_BYTES or first_size is not None:
            fitting = size * PAGE_BYTES // max(1, size_bytes)
            size = max(SMALLEST_PAGE, min(page_size, fitting))


async def list_pages(
    transport: Transport,
    path: str,
    item_type: type[Item],
    *,
    params: Params | None = None,
    page_size: int = PAGE_SIZE,
    deadline_seconds: float = LIST_SECONDS,
) -> Listing[Item]:
    """Return a whole list, paged.

    A continue token lives five minutes (etcd's compaction); when it has gone the list begins
    again, the second time in one piece, as client-go's pager does.
    """
    for size in (page_size, page_size, 0):
        items: list[Item] = []
        version, skipped = "", 0
        try:
            async for page in pages(
                transport,
                path,
                item_type,
                params=params,
                page_size=size,
                deadline_seconds=deadline_seconds,
            ):
                items.extend(page.items)
                version = page.resource_version or version
                skipped += page.skipped
            return Listing(tuple(items), version, skipped)
        except GoneError:
            if not size:
                raise
    raise AssertionError("the last attempt returns or raises")


def decoder_for(kind: type[T]) -> msgspec.json.Decoder[T]:
    """Return the decoder of a type; making one costs more than using it."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    return decoder


def _decode_page(
    body: bytes, item_type: type[Item], path: str, transport: Transport
) -> tuple[Page[Item], int]:
    try:
        page = decoded(decoder_for(Page[item_type]), body)  # type: ignore[valid-type]  # at run time
    except msgspec.ValidationError:
        return _decode_one_by_one(body, item_type, path, transport)
    except msgspec.DecodeError as error:
        raise undecodable(body, error, path=path, server=transport.access.server) from error
    if page.items is None and not page.kind.endswith("List"):
        # An empty list would say that the cluster has none.
        problem = ValueError("a JSON document, but no list")
        raise undecodable(body, problem, path=path, server=transport.access.server)
    return page, 0


def _decode_one_by_one(
    body: bytes, item_type: type[Item], path: str, transport: Transport
) -> tuple[Page[Item], int]:
    """Decode what fits: one object of a wrong shape must not hide the others."""
    try:
        raw = decoded(decoder_for(Page[msgspec.Raw]), body)
    except msgspec.DecodeError as error:
        raise undecodable(body, error, path=path, server=transport.access.server) from error
    decoder = decoder_for(item_type)
    items: list[Item] = []
    skipped = 0
    for one in raw.items or ():
        try:
            items.append(decoded(decoder, one))
        except msgspec.DecodeError:
            skipped += 1
    return Page(metadata=raw.metadata, items=items), skipped
