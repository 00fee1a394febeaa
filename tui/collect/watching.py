"""Follow one resource and hand each change to whoever keeps it; a denied one is a gap."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from tui.cluster.kinds import KubeObject
from tui.cluster.watch import WatchEvent, WatchKind
from tui.collect.shared import Shared
from tui.safety import CleanText, clean

Item = TypeVar("Item", bound=KubeObject)
Kept_contra = TypeVar("Kept_contra", bound=KubeObject, contravariant=True)

LOG = logging.getLogger("tui.collect.watching")

SLICE = 50
"""Objects of a list taken in at once; then other tasks get their turn."""


class Watches(Protocol):
    """The part of a session that follows resources."""

    def watch(
        self,
        path: str,
        item_type: type[Item],
        *,
        params: Mapping[str, str | int | None] | None = None,
    ) -> AsyncIterator[WatchEvent[Item]]:
        """Follow a resource until cancelled; failures are LOST events."""
        ...


class Keeper(Protocol[Kept_contra]):
    """Whoever keeps the objects of one resource."""

    async def put(self, item: Kept_contra) -> None:
        """Take in an object that is new or changed."""
        ...

    async def drop(self, item: Kept_contra) -> None:
        """Forget an object that was deleted."""
        ...

    async def keep(self, items: Sequence[Kept_contra]) -> None:
        """Forget all but these, which were all put before: a list is complete."""
        ...

    async def lose(self, reason: CleanText, *, is_denied: bool) -> None:
        """Note that nothing can be seen now."""
        ...

    async def regain(self) -> None:
        """Note that what was seen last is up to date again."""
        ...


@dataclass(frozen=True, slots=True)
class Resource(Generic[Item]):
    """What to follow."""

    key: str
    """Names the gap and the task."""
    path: str
    item_type: type[Item]
    params: Mapping[str, str | int | None] = field(default_factory=dict)

    @property
    def what(self) -> CleanText:
        """The gap's title."""
        return clean(f"list and watch {self.key}")


async def follow(
    watches: Watches, resource: Resource[Item], keeper: Keeper[Item], shared: Shared
) -> None:
    """Keep a resource up to date for ever."""
    contact, gaps = shared.contact, shared.gaps
    is_lost, unread = False, 0
    async for event in watches.watch(resource.path, resource.item_type, params=resource.params):
        if event.kind is WatchKind.LOST:
            is_lost = True
            await _lose(event, resource, keeper, shared)
            continue
        contact.hear()
        contact.lost.pop(resource.key, None)
        contact.refused.discard(resource.key)
        if event.kind is WatchKind.LISTED:
            unread = event.skipped + await _take_all(event.items, keeper)
            contact.listed.add(resource.key)
        else:
            await _take(event, keeper)
        if is_lost:
            is_lost = False
            await keeper.regain()
        if unread:
            await gaps.open(resource.key, resource.what, _unreadable(unread))
        else:
            await gaps.close(resource.key)


async def _lose(
    event: WatchEvent[Item], resource: Resource[Item], keeper: Keeper[Item], shared: Shared
) -> None:
    contact, key = shared.contact, resource.key
    is_refusal = event.is_denied or event.is_absent
    if is_refusal:
        # The server answers; it is only this resource that can't be read.
        contact.hear()
        contact.lost.pop(key, None)
        contact.refused.add(key)
    else:
        contact.refused.discard(key)
        contact.lose(key, event.reason)
    await shared.gaps.open(key, resource.what, event.reason, is_denied=event.is_denied)
    await keeper.lose(event.reason, is_denied=event.is_denied)
    if is_refusal:
        contact.listed.add(key)


async def _take(event: WatchEvent[Item], keeper: Keeper[Item]) -> None:
    if event.item is not None and event.kind is WatchKind.DELETED:
        await keeper.drop(event.item)
    elif event.item is not None:
        await _put(event.item, keeper)


def _unreadable(count: int) -> CleanText:
    objects = "object is" if count == 1 else "objects are"
    return clean(f"{count} {objects} of a shape that can't be read, and left out")


async def _take_all(items: Sequence[Item], keeper: Keeper[Item]) -> int:
    """Take in a whole list; return how many objects could not be."""
    failed = 0
    for number, item in enumerate(items):
        failed += not await _put(item, keeper)
        if number % SLICE == SLICE - 1:
            await asyncio.sleep(0)
    await keeper.keep(items)
    return failed


async def _put(item: Item, keeper: Keeper[Item]) -> bool:
    """Take in one object; whatever is odd about it must not end the watch of all others."""
    try:
        await keeper.put(item)
    except Exception:
        LOG.exception("%s/%s was left out", item.metadata.namespace, item.metadata.name)
        return False
    return True
