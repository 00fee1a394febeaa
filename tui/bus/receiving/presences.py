"""Which collectors there are, and what each complains of, as their presence messages tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tui.bus.receiving.clocks import SenderClocks
from tui.bus.wire import keeping
from tui.bus.wire.messages import Envelope, PresenceMessage
from tui.bus.wire.topics import TopicKind
from tui.model.room import CollectorSeen, Presence
from tui.model.snapshot import Fact, Gap, GapChanged
from tui.safety import CleanText, clean

LATE_INTERVALS = 1.75
"""A presence is late when none came for so many of its intervals."""

SHORTEST_INTERVAL_SECONDS = 0.2
LONGEST_INTERVAL_SECONDS = 3_600.0

FORGOTTEN_SECONDS = 900.0
"""A collector that is gone is shown for so long."""

LEFT_SECONDS = 30.0
"""One that cleared its presence left on purpose, as each pod does in a rollout."""

KEPT_SECONDS = float(keeping.KEPT_SECONDS[TopicKind.PRESENCE])
"""One that is late for so long: its broker died with it, and nobody sends its last will."""

MOST_COLLECTORS = 256
MOST_GAPS = 32
"""Of one collector."""


@dataclass(slots=True)
class _Collector:
    """What is known of one collector."""

    message: PresenceMessage
    run: str
    presence: Presence
    came_at: float
    """When its latest message came, by the monotonic clock."""
    heard_at: float | None = None
    """By the wall clock; None until one came live."""
    has_left: bool = False
    """Whether it cleared its presence itself."""
    gaps: dict[str, Gap] = field(default_factory=dict)

    @property
    def kept_seconds(self) -> float:
        if self.has_left:
            return LEFT_SECONDS
        return FORGOTTEN_SECONDS if self.presence is Presence.GONE else KEPT_SECONDS

    @property
    def late_after_seconds(self) -> float:
        interval = max(SHORTEST_INTERVAL_SECONDS, self.message.interval_seconds)
        return LATE_INTERVALS * min(interval, LONGEST_INTERVAL_SECONDS)


class Presences:
    """The collectors of one cluster."""

    def __init__(self) -> None:
        self._collectors: dict[CleanText, _Collector] = {}

    @property
    def is_full(self) -> bool:
        """Whether no other collector is taken in."""
        return len(self._collectors) >= MOST_COLLECTORS

    def __contains__(self, sender: object) -> bool:
        return sender in self._collectors

    def heard(
        self,
        envelope: Envelope,
        message: PresenceMessage,
        shift: float,
        came_at: float,
        heard_at: float | None,
    ) -> list[Fact]:
        """Take in a presence; return what changed of the collector's gaps.

        Args:
            envelope: of the message.
            message: what the collector says.
            shift: from its clock to ours.
            came_at: by our monotonic clock.
            heard_at: by our wall clock; None for a retained one.
        """
        sender = envelope.sender
        before = self._collectors.get(sender)
        if message.state is Presence.GONE:
            is_of_before = before is not None and before.run != envelope.run
            if before is None or (is_of_before and before.presence is Presence.PRESENT):
                # The last will of a run that another one took the place of.
                return []
            return self._leave(sender, before, came_at)
        if before is not None and heard_at is None and before.run == envelope.run:
            heard_at = before.heard_at
        seen = _Collector(message, envelope.run, Presence.PRESENT, came_at, heard_at)
        seen.gaps = _gaps_of(sender, message, shift)
        self._collectors[sender] = seen
        return _changes({} if before is None else before.gaps, seen.gaps)

    def gone(self, sender: CleanText, now_mono: float) -> list[Fact]:
        """Take a collector out whose presence was cleared."""
        found = self._collectors.get(sender)
        if found is None:
            return []
        found.has_left = True
        return self._leave(sender, found, now_mono)

    def tick(self, now_mono: float) -> list[Fact]:
        """See who is late, and forget who is gone for long."""
        changed: list[Fact] = []
        for sender, found in list(self._collectors.items()):
            silent_seconds = now_mono - found.came_at
            if silent_seconds > found.kept_seconds:
                changed += _changes(found.gaps, {})
                del self._collectors[sender]
            elif found.presence is Presence.PRESENT and silent_seconds > found.late_after_seconds:
                found.presence = Presence.LATE
            elif found.presence is Presence.LATE and silent_seconds > FORGOTTEN_SECONDS:
                # What it could not read then says nothing of now.
                changed += _changes(found.gaps, {})
                found.gaps = {}
        return changed

    def seen(
        self, clocks: SenderClocks, lost: Mapping[str, int], now_wall: float, now_mono: float
    ) -> tuple[CollectorSeen, ...]:
        """Return the collectors by id."""
        return tuple(
            _seen(sender, found, lost.get(sender, 0), clocks.skew(sender, now_wall, now_mono))
            for sender, found in sorted(self._collectors.items())
        )

    def _leave(self, sender: CleanText, found: _Collector, now_mono: float) -> list[Fact]:
        closed = _changes(found.gaps, {})
        if found.presence is not Presence.GONE:
            found.came_at = now_mono
        found.presence, found.gaps = Presence.GONE, {}
        return closed


def _gaps_of(sender: CleanText, message: PresenceMessage, shift: float) -> dict[str, Gap]:
    """Return a collector's gaps by keys that name it, and with it in their text."""
    gaps: dict[str, Gap] = {}
    for key, gap in list(message.gaps.items())[:MOST_GAPS]:
        what = clean(f"{gap.what} ({sender})")
        since = max(0.0, gap.since + shift)
        gaps[f"{sender}/{key}"] = replace(gap, what=what, since=since)
    return gaps


def _changes(before: Mapping[str, Gap], now: Mapping[str, Gap]) -> list[Fact]:
    closed: list[Fact] = [GapChanged(key, None) for key in before if key not in now]
    opened = [GapChanged(key, gap) for key, gap in now.items() if before.get(key) != gap]
    return [*closed, *opened]


def _seen(sender: CleanText, found: _Collector, lost: int, skew: float | None) -> CollectorSeen:
    message = found.message
    return CollectorSeen(
        sender,
        found.presence,
        host=message.host,
        version=message.version,
        nodes=0 if found.presence is Presence.GONE else message.nodes,
        heard_at=found.heard_at,
        interval_seconds=message.interval_seconds,
        sweep_seconds=message.sweep_seconds,
        sweep_interval_seconds=message.sweep_interval_seconds,
        exec_failures=message.exec_failures,
        dropped=sum(message.dropped.values()),
        lost=lost,
        skew_seconds=None if skew is None else round(skew, 1),
        reason=message.reason,
    )
