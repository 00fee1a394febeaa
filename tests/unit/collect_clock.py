"""Virtual time for the collector's tests: nothing waits, sleepers wake in order."""

from __future__ import annotations

import asyncio
import heapq


class VirtualClock:
    """A clock that moves only when told."""

    def __init__(self, start: float = 1_000.0, chance: float = 0.5) -> None:
        self.now = start
        self.chance = chance
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def time(self) -> float:
        return 1_700_000_000.0 + self.now

    def monotonic(self) -> float:
        return self.now

    def random(self) -> float:
        return self.chance

    async def sleep(self, seconds: float) -> None:
        waking = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self.now + seconds, self._count, waking))
        await waking

    async def advance(self, seconds: float) -> None:
        """Move on, waking each sleeper at its moment and letting it run."""
        end = self.now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, waking = heapq.heappop(self._sleepers)
            self.now = max(self.now, at)
            if not waking.done():
                waking.set_result(None)
            await settle()
        self.now = end
        await settle()


async def settle(rounds: int = 30) -> None:
    """Let everything that can run now run."""
    for _ in range(rounds):
        await asyncio.sleep(0)
