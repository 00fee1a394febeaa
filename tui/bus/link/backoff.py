"""Waiting times between attempts to reach the broker."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Grow the wait with every failure in a row, with full jitter.

    Full jitter spreads many clients that lost the same broker over the whole interval; see
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """

    def __init__(
        self,
        first_seconds: float,
        limit_seconds: float,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first = first_seconds
        self._limit = limit_seconds
        self._uniform = uniform
        self._failures = 0

    def next_seconds(self) -> float:
        """Count a failure and return how long to wait after it."""
        # 2**10 is past any limit that makes sense; without a bound the power would overflow.
        ceiling = min(self._limit, self._first * 2 ** min(self._failures + 1, 10))
        self._failures += 1
        return self._uniform(min(self._first, ceiling), ceiling)

    def reset(self) -> None:
        """Forget the failures: something worked."""
        self._failures = 0
