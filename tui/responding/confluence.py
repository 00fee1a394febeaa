"""One order for the facts of two sources."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from tui.model.snapshot import Fact

MOST_AHEAD = 16
"""Facts of the broker that wait to be taken."""


class Confluence:
    """A broker's facts and those that were read directly, in the order they came."""

    def __init__(self) -> None:
        self._received: deque[Fact] = deque()
        self._direct: deque[Fact] = deque()
        self._has_come = asyncio.Event()
        self._is_taken = asyncio.Event()

    def tell(self, fact: Fact) -> None:
        """Add a fact that was read directly."""
        self._direct.append(fact)
        self._has_come.set()

    def forget(self) -> None:
        """Drop what was read directly and not taken yet."""
        self._direct.clear()

    async def facts(self, broker: AsyncIterator[Fact]) -> AsyncGenerator[tuple[Fact, bool], None]:
        """Yield each fact with whether the broker told it."""
        receiving = asyncio.create_task(self._receive(broker), name="receive facts")
        receiving.add_done_callback(lambda _: self._has_come.set())
        try:
            while True:
                self._has_come.clear()
                while self._direct:
                    yield self._direct.popleft(), False
                if self._received:
                    fact = self._received.popleft()
                    self._is_taken.set()
                    self._has_come.set()
                    yield fact, True
                elif receiving.done():
                    await receiving
                    return
                else:
                    await self._has_come.wait()
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    async def _receive(self, broker: AsyncIterator[Fact]) -> None:
        async with aclosing(broker) as facts:  # type: ignore[type-var]  # sources are async generators
            async for fact in facts:
                self._received.append(fact)
                self._has_come.set()
                if len(self._received) >= MOST_AHEAD:
                    self._is_taken.clear()
                    await self._is_taken.wait()
