"""What waits for the broker: bounded, the newest of each state, events in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from tui.bus.wire.keeping import kind_word
from tui.bus.wire.post import LinkCounts, Outgoing

_OVERHEAD_BYTES = 200
"""Of a message with its topic, so that many small ones are bounded too."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait, in all and of events alone."""

    states: int = 25_000
    state_bytes: int = 64 * 2**20
    events: int = 4_000
    event_bytes: int = 16 * 2**20


DEFAULT_BOUNDS = Bounds()


@dataclass(slots=True)
class _Lane:
    """Messages of one urgency."""

    states: dict[str, Outgoing] = field(default_factory=dict)
    events: deque[Outgoing] = field(default_factory=deque)


class Outbox:
    """Messages that wait, those with an acknowledgement before those without.

    A state (`Outgoing.replaces`) takes the place of the one for its topic that still waits, which
    is counted as replaced. What finds its bound reached is counted as dropped and given up.
    """

    def __init__(self, counts: LinkCounts, bounds: Bounds = DEFAULT_BOUNDS) -> None:
        self._counts = counts
        self._bounds = bounds
        self._first: deque[Outgoing] = deque()
        self._acknowledged = _Lane()
        self._plain = _Lane()
        self._state_bytes = 0
        self._event_bytes = 0
        self._is_event_next = False

    def __len__(self) -> int:
        lanes = (self._acknowledged, self._plain)
        return len(self._first) + sum(len(lane.states) + len(lane.events) for lane in lanes)

    @property
    def waiting_bytes(self) -> int:
        """Payloads that wait, with what holding them costs."""
        return self._state_bytes + self._event_bytes

    def has_unseen(self, topic: str) -> bool:
        """Whether a state for this topic waits that was never handed to the broker.

        Of those with an acknowledgement nobody can tell: one that came back may have arrived.
        """
        return topic in self._plain.states

    def put(self, outgoing: Outgoing) -> None:
        """Add a message, or count it as given up."""
        if outgoing.replaces:
            self._put_state(outgoing)
        else:
            self._put_event(outgoing)

    def put_first(self, outgoing: Outgoing) -> None:
        """Add a message before all others and past any bound: a last word."""
        self._forget(outgoing.topic)
        self._first.append(outgoing)

    def give_back(self, unacknowledged: Iterable[Outgoing]) -> None:
        """Take back what a broken connection did not deliver, unless something newer waits."""
        for outgoing in reversed(list(unacknowledged)):
            lane = self._lane(outgoing)
            if not outgoing.replaces:
                lane.events.appendleft(outgoing)
                self._event_bytes += _size(outgoing)
            elif outgoing.topic not in lane.states:
                lane.states[outgoing.topic] = outgoing
                self._state_bytes += _size(outgoing)

    def take(self, may_need_acknowledgement: bool) -> Outgoing | None:
        """Return the next message and forget it; None where none may go now."""
        if may_need_acknowledgement:
            if self._first:
                return self._first.popleft()
            lane = self._acknowledged
            if lane.states:
                return self._take_state(lane)
            if lane.events:
                return self._take_event(lane)
        lane = self._plain
        # In turns, so that neither a fleet's facts nor a flood of log lines holds up the other.
        if lane.events and (self._is_event_next or not lane.states):
            self._is_event_next = False
            return self._take_event(lane)
        if lane.states:
            self._is_event_next = True
            return self._take_state(lane)
        return None

    def drop(self, outgoing: Outgoing) -> None:
        """Count a message as given up."""
        word = kind_word(outgoing.topic)
        self._counts.dropped[word] = self._counts.dropped.get(word, 0) + 1

    def _lane(self, outgoing: Outgoing) -> _Lane:
        return self._acknowledged if outgoing.qos else self._plain

    def _put_state(self, outgoing: Outgoing) -> None:
        states = self._lane(outgoing).states
        before = states.get(outgoing.topic)
        grows = _size(outgoing) - (_size(before) if before else 0)
        is_full = before is None and len(states) >= self._bounds.states
        if is_full or (grows > 0 and self._state_bytes + grows > self._bounds.state_bytes):
            self.drop(outgoing)
            return
        if before is not None:
            self._counts.replaced += 1
        self._state_bytes += grows
        states[outgoing.topic] = outgoing

    def _put_event(self, outgoing: Outgoing) -> None:
        events = self._lane(outgoing).events
        is_full = len(events) >= self._bounds.events
        if is_full or self._event_bytes + _size(outgoing) > self._bounds.event_bytes:
            self.drop(outgoing)
            return
        # A state that goes out behind the end of its subject would bring it back.
        self._counts.replaced += self._forget(outgoing.topic)
        self._event_bytes += _size(outgoing)
        events.append(outgoing)

    def _take_state(self, lane: _Lane) -> Outgoing:
        topic = next(iter(lane.states))
        outgoing = lane.states.pop(topic)
        self._state_bytes -= _size(outgoing)
        return outgoing

    def _take_event(self, lane: _Lane) -> Outgoing:
        outgoing = lane.events.popleft()
        self._event_bytes -= _size(outgoing)
        return outgoing

    def _forget(self, topic: str) -> int:
        """Forget the states that wait for a topic; return how many there were."""
        found = 0
        for lane in (self._acknowledged, self._plain):
            before = lane.states.pop(topic, None)
            if before is not None:
                self._state_bytes -= _size(before)
                found += 1
        return found


def _size(outgoing: Outgoing) -> int:
    return len(outgoing.payload) + _OVERHEAD_BYTES
