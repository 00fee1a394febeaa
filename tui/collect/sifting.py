"""Read long lists page by page for the few objects that matter; a refusal is a gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tui.cluster.kinds import KubeObject
from tui.cluster.lists import Listing
from tui.collect.shared import Shared
from tui.errors import ClusterError, ForbiddenError, GoneError
from tui.model.reading import Reading
from tui.safety import CleanText, clean

T = TypeVar("T")
Kept = TypeVar("Kept")
Item = TypeVar("Item", bound=KubeObject)
Params = Mapping[str, str | int | None]

SLICE = 50
"""Objects taken in at once; then other tasks get their turn."""


class Lists(Protocol):
    """The part of a session that reads objects."""

    def pages(
        self, path: str, item_type: type[Item], *, params: Params | None = None
    ) -> AsyncGenerator[Listing[Item], None]:
        """Yield a list page by page."""
        ...

    async def get_json(
        self, path: str, decoder_type: type[T], *, params: Params | None = None
    ) -> T:
        """GET and decode one document."""
        ...


@dataclass(frozen=True, slots=True)
class LongList:
    """A list to read, with the key and title of the gap where it can't be."""

    key: str
    what: CleanText
    path: str
    params: Params | None = None


class Sifter:
    """Reads lists for what matters, and tells of those that can't be read."""

    def __init__(self, session: Lists, shared: Shared) -> None:
        self._session = session
        self._shared = shared
        self.has_failed = False
        """Whether something failed that is no refusal, since this was set to false."""

    async def sift(
        self,
        listed: LongList,
        item_type: type[Item],
        start: Callable[[], Kept],
        take: Callable[[Kept, Item], None],
    ) -> Kept | ClusterError:
        """Return what is kept of a list, or why it can't be read.

        Args:
            listed: The list.
            item_type: What its objects are decoded into.
            start: Makes the empty collection of what is kept.
            take: Puts an object in, if it matters.
        """

        async def sifted() -> tuple[Kept, int]:
            try:
                return await self._sifted(listed, item_type, start(), take)
            except GoneError:
                # It changed too much while it was paged: begin again, once.
                return await self._sifted(listed, item_type, start(), take)

        found = await self.attempt(listed.key, listed.what, sifted())
        if isinstance(found, ClusterError):
            return found
        kept, skipped = found
        if skipped:
            reason = clean(f"{skipped} objects are of a shape that can't be read, and left out")
            await self._shared.gaps.open(listed.key, listed.what, reason)
        return kept

    async def attempt(self, key: str, what: CleanText, work: Awaitable[T]) -> T | ClusterError:
        """Return what the work brings, or why it failed, which is a gap as long as it does."""
        shared = self._shared
        try:
            result = await work
        except ClusterError as error:
            is_denied = isinstance(error, ForbiddenError)
            self.has_failed = self.has_failed or not is_denied
            await shared.gaps.open(key, what, error.message, is_denied=is_denied)
            return error
        await shared.gaps.close(key)
        return result

    async def _sifted(
        self,
        listed: LongList,
        item_type: type[Item],
        kept: Kept,
        take: Callable[[Kept, Item], None],
    ) -> tuple[Kept, int]:
        skipped = 0
        pages = self._session.pages(listed.path, item_type, params=listed.params)
        async with aclosing(pages):
            async for page in pages:
                skipped += page.skipped
                async for item in in_turns(page.items):
                    take(kept, item)
        return kept, skipped


async def in_turns(items: Iterable[T]) -> AsyncGenerator[T, None]:
    """Yield the items, and let other tasks run after every few of them."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % SLICE == 0:
            await asyncio.sleep(0)


def unread(error: ClusterError, previous: Reading[T]) -> Reading[T]:
    """Return the reading of something that failed or was refused, with its last good value."""
    make = Reading[T].denied if isinstance(error, ForbiddenError) else Reading[T].failed
    return make(error.message).keeping(previous)
