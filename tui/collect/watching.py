"""Follow one resource and hand each change to whoever keeps it; a denied one is a gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from tui.cluster.kinds import KubeObject
from tui.cluster.watch import WatchEvent, WatchKind
from tui.collect.shared import Shared
from tui.safety import CleanText, clean

Item = TypeVar("Item", bound=KubeObject)
Kept_contra = TypeVar("Kept_contra", bound=KubeObject, contravariant=True)

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
    async for event in watches.watch(resource.path, resource.item_type, params=resource.params):
        if event.kind is WatchKind.LOST:
            is_refusal = event.is_denied or event.is_absent
            if is_refusal:
                # The server answers; it is only this resource that can't be read.
                contact.hear()
                contact.lost.pop(resource.key, None)
            else:
                contact.lose(resource.key, event.reason)
            await gaps.open(resource.key, resource.what, event.reason, is_denied=event.is_denied)
            await keeper.lose(event.reason, is_denied=event.is_denied)
            if is_refusal:
                contact.listed.add(resource.key)
            continue
        contact.hear()
        contact.lost.pop(resource.key, None)
        await _take(event, keeper)
        if event.kind is WatchKind.LISTED:
            contact.listed.add(resource.key)
        await gaps.close(resource.key)


async def _take(event: WatchEvent[Item], keeper: Keeper[Item]) -> None:
    if event.kind is WatchKind.LISTED:
        for number, item in enumerate(event.items):
            await keeper.put(item)
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        await keeper.keep(event.items)
    elif event.item is not None and event.kind is WatchKind.DELETED:
        await keeper.drop(event.item)
    elif event.item is not None:
        await keeper.put(event.item)
