"""Waiting times between attempts."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Grow the wait with every failure in a row, with full jitter.

    Full jitter spreads many clients that lost the same server over the whole interval; see
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """

    def __init__(
        self,
        base_seconds: float = 0.5,
        limit_seconds: float = 30.0,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._base = base_seconds
        self._limit = limit_seconds
        self._uniform = uniform
        self.failures = 0

    def next_seconds(self) -> float:
        """Count a failure and return how long to wait after it."""
        # 2**10 is past any limit that makes sense; without a bound the power would overflow.
        ceiling = min(self._limit, self._base * 2 ** min(self.failures + 1, 10))
        self.failures += 1
        return self._uniform(self._base, ceiling)

    def reset(self) -> None:
        """Forget the failures: something worked."""
        self.failures = 0
