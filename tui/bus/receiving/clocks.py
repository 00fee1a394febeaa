"""Tell the age of what others sent, without ever taking two machines' wall clocks for one.

A letter says when it was sent by its sender's clock. How that clock stands against our monotonic
one follows from the letters that came live: the one that was on its way for the shortest time tells
it best.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from tui.bus.wire.messages import Envelope
from tui.bus.wire.post import Incoming

STEADY_SECONDS = 0.25
"""A shift that differs by less is noise: what did not change must stay equal."""

WINDOW_SECONDS = 300.0
"""The quickest letter counts for one to two of these: a clock that was set back shows then."""

EXPIRY_STEP_SECONDS = 1.25
"""The expiry that is left has whole seconds: a smaller shift says nothing of the clocks."""

MOST_RUNS = 2_000


@dataclass(frozen=True, slots=True)
class Held:
    """How long ago a letter was sent."""

    seconds: float
    is_known: bool
    """False where nobody can tell: the letter is at least this old."""


class _RunClock:
    """The clock of one run of a sender: our monotonic time minus its time."""

    __slots__ = ("_before", "_latest", "_since", "shift")

    def __init__(self, offset: float, received_at: float) -> None:
        self._before = self._latest = offset
        self._since = received_at
        self.shift = 0.0

    def note(self, offset: float, received_at: float) -> None:
        if received_at - self._since > WINDOW_SECONDS:
            self._before, self._latest, self._since = self._latest, offset, received_at
        self._latest = min(self._latest, offset)

    @property
    def offset(self) -> float:
        return min(self._before, self._latest)


class SenderClocks:
    """For each run of each sender, how its clock stands against our monotonic one."""

    def __init__(self) -> None:
        self._runs: OrderedDict[tuple[str, str], _RunClock] = OrderedDict()
        self._latest_runs: dict[str, str] = {}

    def note(self, envelope: Envelope, incoming: Incoming) -> None:
        """Learn from a letter; retained ones teach nothing."""
        if incoming.is_retained:
            return
        key = (envelope.sender, envelope.run)
        offset = incoming.received_at - envelope.at
        clock = self._runs.get(key)
        if clock is None:
            self._runs[key] = _RunClock(offset, incoming.received_at)
            if len(self._runs) > MOST_RUNS:
                (sender, run), _ = self._runs.popitem(last=False)
                if self._latest_runs.get(sender) == run:
                    del self._latest_runs[sender]
        else:
            clock.note(offset, incoming.received_at)
            self._runs.move_to_end(key)
        self._latest_runs[envelope.sender] = envelope.run

    def held(self, envelope: Envelope, incoming: Incoming, now_mono: float) -> Held:
        """Return how long ago it was sent, by our monotonic clock."""
        clock = self._runs.get((envelope.sender, envelope.run))
        waited = max(0.0, now_mono - incoming.received_at)
        if clock is not None:
            return Held(max(0.0, now_mono - envelope.at - clock.offset), is_known=True)
        if incoming.held_seconds is not None:
            return Held(max(0.0, incoming.held_seconds) + waited, is_known=True)
        return Held(waited, is_known=not incoming.is_retained)

    def shift(
        self, envelope: Envelope, incoming: Incoming, now_wall: float, now_mono: float
    ) -> float:
        """Return what to add to the sender's times to have them by our wall clock."""
        clock = self._runs.get((envelope.sender, envelope.run))
        if clock is None:
            held = self.held(envelope, incoming, now_mono)
            shift = now_wall - held.seconds - envelope.at
            return shift if abs(shift) > EXPIRY_STEP_SECONDS else 0.0
        shift = now_wall - now_mono + clock.offset
        if abs(shift - clock.shift) > STEADY_SECONDS:
            clock.shift = shift
        return clock.shift

    def told_shift(
        self, envelope: Envelope, incoming: Incoming, now_wall: float, now_mono: float
    ) -> float:
        """Return the same for what others did or saw, some of it long ago.

        Where nobody can tell how long the letter was held, the clocks are taken for equal: what
        happened an hour ago must not seem to happen now.
        """
        if not self.held(envelope, incoming, now_mono).is_known:
            return 0.0
        return self.shift(envelope, incoming, now_wall, now_mono)

    def skew(self, sender: str, now_wall: float, now_mono: float) -> float | None:
        """Return the sender's clock minus ours; None until one of its letters came live."""
        clock = self._runs.get((sender, self._latest_runs.get(sender, "")))
        return None if clock is None else now_mono - now_wall - clock.offset
