"""Number, encode and hand over one sender's messages, each kind as it has to be delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

from tui.bus.wire.encoding import encode_letter
from tui.bus.wire.keeping import KEPT_SECONDS
from tui.bus.wire.messages import Envelope, Letter, Message
from tui.bus.wire.post import Outgoing, Sends
from tui.bus.wire.topics import Topic, TopicKind
from tui.safety import CleanText, clean


class Clock(Protocol):
    """The two clocks of one machine."""

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        ...

    def time(self) -> float:
        """Return seconds since the epoch."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the broker is to treat a kind of message."""

    qos: int
    is_retained: bool = False
    expiry_seconds: int | None = None


_DELIVERIES: Mapping[TopicKind, tuple[int, bool]] = {
    TopicKind.PRESENCE: (1, True),
    TopicKind.FACTS: (0, True),
    TopicKind.CLUSTER: (1, True),
    TopicKind.FINDINGS: (1, True),
    TopicKind.PART: (1, True),
    TopicKind.WARNINGS: (0, False),
    TopicKind.AUDIT: (1, False),
    TopicKind.ROOM: (1, True),
}
"""QoS, and whether it is retained."""

DELIVERIES: Mapping[TopicKind, Delivery] = MappingProxyType(
    {
        kind: Delivery(qos, is_retained, KEPT_SECONDS.get(kind))
        for kind, (qos, is_retained) in _DELIVERIES.items()
    }
)


class Postbox:
    """One run of one sender, in one cluster."""

    def __init__(self, sends: Sends, cluster: str, own_id: str, run: str, clock: Clock) -> None:
        self._sends = sends
        self._cluster = cluster
        self._clean_cluster = clean(cluster)
        self._sender = clean(own_id)
        self._run = run
        self._clock = clock
        self._numbers: dict[str, int] = {}

    @property
    def sender(self) -> CleanText:
        """Whose messages these are."""
        return self._sender

    @property
    def run(self) -> str:
        """Which of the sender's runs this is."""
        return self._run

    def topic(self, kind: TopicKind, name: str = "") -> Topic:
        """Return a topic of this cluster."""
        return Topic(kind, self._cluster, name)

    def made(self, message: Message, kind: TopicKind, name: str = "") -> Outgoing:
        """Return a message as it goes to the broker; its number is used up.

        Where it takes the place of one that was never sent it has that one's number: the jump
        would be a loss to those who listen.
        """
        topic = str(self.topic(kind, name))
        number = self._numbers.get(topic, 0)
        if not number or not self._sends.will_replace(topic):
            number += 1
        envelope = Envelope(
            self._clean_cluster, self._sender, self._run, number, self._clock.time()
        )
        payload = encode_letter(Letter(envelope, message))
        self._numbers[topic] = number
        delivery = DELIVERIES[kind]
        return Outgoing(
            topic,
            payload,
            delivery.qos,
            delivery.is_retained,
            delivery.expiry_seconds,
            replaces=delivery.is_retained,
        )

    def post(self, message: Message, kind: TopicKind, name: str = "") -> int:
        """Send a message; return the length of its payload."""
        outgoing = self.made(message, kind, name)
        self._sends.send(outgoing)
        return len(outgoing.payload)

    def tell_gone(self, message: Message, kind: TopicKind, name: str) -> None:
        """Tell those who listen of an end, then make the broker forget the topic; in this order."""
        outgoing = self.made(message, kind, name)
        self._sends.send(
            replace(outgoing, qos=1, is_retained=False, expiry_seconds=None, replaces=False)
        )
        self._sends.send(self.cleared(kind, name))

    def cleared(self, kind: TopicKind, name: str = "", qos: int = 1) -> Outgoing:
        """Return what makes the broker forget what it keeps on a topic."""
        return Outgoing(str(self.topic(kind, name)), b"", qos, is_retained=True)
