"""Collectors that know each other through a broker whose faults a test chooses, in its own time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tui.bus.sharing.membership import INTERVAL_SECONDS, Membership
from tui.bus.wire.messages import Envelope, Letter, PresenceMessage
from tui.model.room import Presence
from tui.model.snapshot import SourceState
from tui.safety import clean

STEP_SECONDS = 0.25
CLUSTER = clean("cluster")
NODES = [f"node-{number}" for number in range(12)]


def presence(
    collector: str = "b",
    run: str = "run",
    *,
    state: Presence = Presence.PRESENT,
    interval: float = INTERVAL_SECONDS,
    started_at: float = 0.0,
    source: SourceState = SourceState.LIVE,
    nodes_total: int = 12,
    at: float = 0.0,
) -> Letter:
    """Return what a collector says of itself."""
    message = PresenceMessage(
        state,
        host=clean("host-1"),
        interval_seconds=interval,
        started_at=started_at,
        source=source,
        nodes_total=nodes_total,
    )
    return Letter(Envelope(CLUSTER, clean(collector), run, 0, at), message)


@dataclass
class Collector:
    """One run of a collector."""

    id: str
    run: str
    started_at: float
    membership: Membership
    is_up: bool = False
    connection: int = 0
    """Which connection of the broker it has: what was sent to another one never arrives."""
    next_presence_at: float = 0.0
    frozen: frozenset[str] | None = None
    """Its nodes when the link went down."""

    @property
    def nodes(self) -> frozenset[str]:
        """Return the nodes it reads."""
        return frozenset(name for name in NODES if self.membership.owns(name))

    def letter(self, state: Presence = Presence.PRESENT) -> Letter:
        """Return its presence, or its will."""
        return presence(self.id, self.run, state=state, started_at=self.started_at)


@dataclass
class _Delivery:
    at: float
    to: Collector
    connection: int
    collector: str
    letter: Letter
    is_retained: bool


@dataclass
class Bus:
    """A broker with its collectors."""

    now: float = 100.0
    latency: float = 0.0
    loses: int = 0
    """So many of the next presences are lost."""
    lost_at: float = 0.0
    """When one was lost."""
    is_up: bool = True
    collectors: list[Collector] = field(default_factory=list)
    retained: dict[str, Letter] = field(default_factory=dict)
    wills: list[tuple[float, Collector, int]] = field(default_factory=list)
    _deliveries: list[_Delivery] = field(default_factory=list)
    _connections: int = 0

    def start(self, collector: str, run: str, started_at: float = 0.0) -> Collector:
        """Start a collector; its link is down at first."""
        membership = Membership(collector, lambda: self.now, run=run, started_at=started_at)
        one = Collector(collector, run, started_at, membership)
        self.collectors.append(one)
        return one

    def connect(self, one: Collector) -> None:
        """Bring its link up: what is retained comes first."""
        if one.is_up or not self.is_up:
            return
        self._connections += 1
        one.is_up, one.connection, one.frozen = True, self._connections, None
        self.wills = [will for will in self.wills if will[1] is not one]
        one.membership.link_changed(True)
        for name, letter in self.retained.items():
            self._send(one, name, letter, is_retained=True, latency=min(self.latency, 0.75))
        one.next_presence_at = self.now

    def cut(self, one: Collector) -> None:
        """Take its link away; the broker sends its will in an interval, unless it is back."""
        if one.is_up:
            one.is_up, one.frozen = False, one.nodes
            self.wills.append((self.now + INTERVAL_SECONDS, one, one.connection))
            one.membership.link_changed(False)

    def kill(self, one: Collector, *, is_noticed: bool = True) -> None:
        """End it without a word; its will comes where the broker sees its connection end."""
        self.collectors.remove(one)
        if one.is_up and is_noticed:
            self.wills.append((self.now + INTERVAL_SECONDS, one, one.connection))

    def stop(self, one: Collector) -> None:
        """End it with its last word."""
        self.collectors.remove(one)
        if one.is_up and not one.membership.standby_reason:
            self.publish(one.id, one.letter(Presence.GONE))

    def crash(self, *, keeps_retained: bool) -> None:
        """Kill the broker: all links go down, wills and what was under way are lost."""
        for one in self.collectors:
            self.cut(one)
        self.is_up = False
        self.wills.clear()
        self._deliveries.clear()
        if not keeps_retained:
            self.retained.clear()

    def publish(self, collector: str, letter: Letter) -> None:
        """Retain a presence and send it to everybody."""
        self.retained[collector] = letter
        for one in self.collectors:
            if one.is_up:
                self._send(one, collector, letter, is_retained=False, latency=self.latency)

    def run(self, seconds: float) -> Iterator[float]:
        """Let time pass; yields after each step."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now += STEP_SECONDS
            self._step()
            yield self.now

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        for _ in self.run(seconds):
            pass

    def _step(self) -> None:
        due = [will for will in self.wills if will[0] <= self.now]
        self.wills = [will for will in self.wills if will[0] > self.now]
        for _, one, _ in due:
            self.publish(one.id, one.letter(Presence.GONE))
        for one in list(self.collectors):
            self._announce(one)
        arrived = [sent for sent in self._deliveries if sent.at <= self.now]
        self._deliveries = [sent for sent in self._deliveries if sent.at > self.now]
        for sent in arrived:
            if sent.to.connection == sent.connection and sent.to.is_up:
                member = sent.to.membership
                member.heard(sent.collector, sent.letter, is_retained=sent.is_retained)
        for one in self.collectors:
            one.membership.tick()

    def _announce(self, one: Collector) -> None:
        member = one.membership
        is_due = one.next_presence_at <= self.now or member.owes_presence
        if not one.is_up or member.standby_reason or not is_due:
            return
        one.next_presence_at = self.now + INTERVAL_SECONDS
        letter = one.letter()
        assert isinstance(letter.message, PresenceMessage)
        member.announced(letter.message)
        if self.loses:
            self.loses -= 1
            self.lost_at = self.now
        else:
            self.publish(one.id, letter)

    def _send(
        self, to: Collector, name: str, letter: Letter, *, is_retained: bool, latency: float
    ) -> None:
        before = [one.at for one in self._deliveries if one.to is to]
        at = max([self.now + latency, *before])
        self._deliveries.append(_Delivery(at, to, to.connection, name, letter, is_retained))

    # What is true

    def readers(self, name: str) -> list[Collector]:
        """Return the collectors that read a node now."""
        return [one for one in self.collectors if one.membership.owns(name)]
