"""Time as operations know it: the clock they are given, and how long each thing may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """What operations know of time and chance."""

    def time(self) -> float:
        """Return seconds since the epoch, for showing and for what outlives the process."""
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


@dataclass(frozen=True, slots=True)
class Timing:
    """How long everything takes at most or at least, in seconds."""

    poll: float = 0.5
    """How often the snapshot is looked at while nodes are verified."""
    revisit: float = 5.0
    """How often the nodes in work are read anew, beside the collector's own pace."""
    verify: float = 420.0
    """How long a restarted node may take to be healthy again; not counted while the API is lost.
    An agent's own start-up probe allows 105 periods of 2 s (install/kubernetes/cilium 1.12)."""
    quiet: float = 30.0
    """How long no new ERROR line may have come."""
    soak: float = 60.0
    """How long a verified wave is watched before the next one begins."""
    spacing: float = 600.0
    """From one restart outside a wave to the next."""
    lease: float = 60.0
    """How long the Lease holds after its last renewal."""
    renew: float = 15.0
    read_back: float = 2.0
    """Between two looks at whether a write of unknown outcome happened."""
    read_back_looks: int = 3
    """So many looks must find nothing before the write counts as not done."""
    announce: float = 10.0
    """What an Event may take; it is a courtesy and holds up nothing."""
