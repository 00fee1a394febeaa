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


class Alarm:
    """A wait that ends when its time is up, or when somebody rings."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """End the wait now, or the next one at once."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Wait until then, or until somebody rings."""
        if not self._rung.is_set():
            ringing = asyncio.create_task(self._rung.wait(), name="alarm bell")
            sleeping = asyncio.create_task(_slept(self._clock, seconds), name="alarm clock")
            try:
                await asyncio.wait({ringing, sleeping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                ringing.cancel()
                sleeping.cancel()
        self._rung.clear()


async def _slept(clock: Clock, seconds: float) -> bool:
    await clock.sleep(seconds)
    return True
