"""Tell the age of what others sent, without ever comparing two machines' wall clocks."""

from __future__ import annotations

from dataclasses import dataclass

from tui.bus.messages import Envelope
from tui.bus.post import Incoming


@dataclass(frozen=True, slots=True)
class Held:
    """How long ago a letter was sent."""

    seconds: float
    is_known: bool
    """False where nobody can tell: the letter is at least this old."""


class SenderClocks:
    """For each run of each sender, how its clock stands against our monotonic one."""

    def note(self, envelope: Envelope, incoming: Incoming) -> None:
        """Learn from a letter; retained ones teach nothing."""
        raise NotImplementedError

    def held(self, envelope: Envelope, incoming: Incoming, now_mono: float) -> Held:
        """Return how long ago it was sent, by our monotonic clock."""
        raise NotImplementedError

    def shift(
        self, envelope: Envelope, incoming: Incoming, now_wall: float, now_mono: float
    ) -> float:
        """Return what to add to the sender's times to have them by our wall clock."""
        raise NotImplementedError

    def skew(self, sender: str, now_wall: float, now_mono: float) -> float | None:
        """Return the sender's clock minus ours; None until one of its letters came live."""
        raise NotImplementedError
