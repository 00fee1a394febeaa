"""Time and chance as parameters, so that schedules are tested in virtual time."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Protocol


class Clock(Protocol):
    """What the live source knows of time and chance."""

    def time(self) -> float:
        """Return seconds since the epoch, for showing."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow, for waiting."""
        ...

    def random(self) -> float:
        """Return a number from 0 up to, not including, 1."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's own clock."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def time(self) -> float:
        """Return seconds since the epoch, for showing."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that only grow, for waiting."""
        return time.monotonic()

    def random(self) -> float:
        """Return a number from 0 up to, not including, 1."""
        return self._random.random()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def full_jitter(clock: Clock, attempt: int, base_seconds: float, most_seconds: float) -> float:
    """Return a wait for the n-th failure in a row: anything up to a bound that doubles.

    Spreading over the whole span keeps many nodes that failed together from coming back together.
    """
    bound = min(most_seconds, base_seconds * 2.0 ** min(attempt, 16))
    return clock.random() * bound
