"""Keep the cycle collector from walking all facts again and again.

A large cluster's facts are millions of long-lived objects, and each exec makes a few thousand
short-lived ones: with the usual thresholds it took a quarter of a sweep's CPU (measured at
500 nodes). Facts hold no cycles, so that waiting longer costs little memory. Nor may one walk be
long: 20,000 new objects held the loop for 12 to 40 ms, and 400,000 for 200 to 400 ms.
"""

from __future__ import annotations

import gc

THRESHOLDS = (3_000, 1, 60_000)
"""The oldest generation, nearly all facts, is hardly ever walked: it took a second at 5,000."""


def relax() -> None:
    """Have cycles collected less often in this process."""
    gc.set_threshold(*THRESHOLDS)
