"""The queue between the tasks that find facts and the iterator that yields them."""

from __future__ import annotations

import asyncio

from tui.model.snapshot import Fact

LIMIT = 1_000
"""Facts that wait at most; then those who find more wait too."""


class Outbox:
    """Facts on their way out."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._queue: asyncio.Queue[Fact | None] = asyncio.Queue()
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def put(self, fact: Fact) -> None:
        """Hand over a fact; waits while too many are waiting."""
        if self._queue.qsize() >= self._limit:
            self._has_room.clear()
            await self._has_room.wait()
        self._queue.put_nowait(fact)

    def close(self) -> None:
        """Say that no more facts will come; never waits."""
        self._queue.put_nowait(None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._queue.empty()

    def get_nowait(self) -> Fact | None:
        """Return the next fact that waits; None at the end."""
        return self._queue.get_nowait()

    async def get(self) -> Fact | None:
        """Return the next fact; None at the end."""
        fact = await self._queue.get()
        if self._queue.qsize() < self._limit:
            self._has_room.set()
        return fact
