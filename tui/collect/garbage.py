"""Keep the cycle collector from walking all facts again and again.

A large cluster's facts are millions of long-lived objects, and each exec makes a few thousand
short-lived ones: with the usual thresholds it took a quarter of a sweep's CPU (measured at
500 nodes). Facts hold no cycles, so that waiting longer costs little memory.
"""

from __future__ import annotations

import gc

THRESHOLDS = (20_000, 20, 1_000)
"""The oldest generation, nearly all facts, is hardly ever walked: it took a second at 5,000."""


def relax() -> None:
    """Have cycles collected less often in this process."""
    gc.set_threshold(*THRESHOLDS)
