"""Find by the sequence numbers which messages never came."""

from __future__ import annotations

from dataclasses import dataclass

from tui.bus.wire.messages import Envelope

MOST_TOPICS = 50_000
"""Twice what the largest cluster has."""

MOST_SENDERS = 1_000

MOST_LOST = 1_000_000
"""A jump by more is no loss that anybody counts: one message can claim any number."""


@dataclass(frozen=True, slots=True)
class Step:
    """How a message follows the one before on its topic."""

    is_old: bool = False
    """It is the same one again, or one that was kept from before it."""
    lost: int = 0
    """Messages between the two that never came."""
    is_handover: bool = False
    """Another sender, or another run of it, sent the one before."""


class Losses:
    """The last number of each topic, those forgotten first that came first; and what was lost."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, str, int]] = {}
        self.by_sender: dict[str, int] = {}
        self.total = 0

    def step(self, topic: str, envelope: Envelope, *, is_retained: bool) -> Step:
        """Take note of a message's number.

        A retained message is the latest by its nature: those before it are not lost, and what is
        not newer than what came live is old.
        """
        now = (envelope.sender, envelope.run, envelope.seq)
        before = self._last.get(topic)
        if before is None and len(self._last) >= MOST_TOPICS:
            del self._last[next(iter(self._last))]
        if before is None or before[:2] != now[:2]:
            self._last[topic] = now
            return Step(is_handover=before is not None)
        jump = envelope.seq - before[2]
        if jump == 0 or (is_retained and jump < 0):
            return Step(is_old=True)
        self._last[topic] = now
        return Step() if is_retained else Step(lost=min(MOST_LOST, max(0, jump - 1)))

    def count(self, sender: str, lost: int) -> None:
        """Count messages of a sender as lost."""
        self.total += lost
        if sender in self.by_sender or len(self.by_sender) < MOST_SENDERS:
            self.by_sender[sender] = self.by_sender.get(sender, 0) + lost
