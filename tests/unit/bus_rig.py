"""A publisher with time and links in the hand of the test; its letters come back decoded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.unit.store_facts import agent, batch, line, node, origin, usage
from tui.bus.publishing.publisher import Publisher
from tui.bus.publishing.tee import LogTee
from tui.bus.sharing.membership import Membership
from tui.bus.sharing.presence import Identity
from tui.bus.sharing.rendezvous import owner
from tui.bus.wire.encoding import Decoder, encode_letter
from tui.bus.wire.messages import (
    Envelope,
    FactsMessage,
    FindingsMessage,
    Letter,
    Message,
    PresenceMessage,
    WarningsMessage,
)
from tui.bus.wire.post import Incoming, LinkCounts, LinkKind, LinkState, Outgoing
from tui.bus.wire.topics import Topic, TopicKind, parse_topic
from tui.model.logs import LogBatch
from tui.model.maps import MapUsage
from tui.model.names import NodeUid
from tui.model.reading import Reading
from tui.model.room import Presence
from tui.model.snapshot import NodeFacts, Snapshot, SourceHealth, SourceState
from tui.safety import CleanText, clean

CLUSTER = "prod"
OWN = "alpha"
OTHER = "beta"
INTERVAL = 5.0
FAR = float("inf")


class Hands:
    """Two clocks that move together when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now


@dataclass
class Wire:
    """Keeps what is sent."""

    state: LinkState = field(default_factory=lambda: LinkState(LinkKind.UP))
    counts: LinkCounts = field(default_factory=LinkCounts)
    sent: list[Outgoing] = field(default_factory=list)

    def send(self, outgoing: Outgoing) -> None:
        self.sent.append(outgoing)

    def will_replace(self, topic: str) -> bool:
        return False

    def take(self) -> list[Outgoing]:
        sent, self.sent = self.sent, []
        return sent


class Rig:
    """One collector's publisher; `snapshot` is what it sees."""

    def __init__(self, *, is_up: bool = True) -> None:
        self.clock = Hands()
        self.wire = Wire()
        if not is_up:
            self.wire.state = LinkState(LinkKind.DOWN)
        self.snapshot = Snapshot(is_complete=True, health=SourceHealth(state=SourceState.LIVE))
        self.tee = LogTee()
        self.membership = Membership(
            OWN, self.clock.monotonic, INTERVAL, run="own-run", started_at=1.0
        )
        self.decoder = Decoder()
        identity = Identity(OWN, "own-run", clean("host"), clean("0.1"), 1.0, INTERVAL)
        self.publisher = Publisher(
            self.wire,
            CLUSTER,
            identity,
            self.membership,
            lambda: self.snapshot,
            self.tee,
            self.clock,
        )
        if is_up:
            self.membership.link_changed(is_up=True)
        self.pass_time(1.1)

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.membership.tick()

    def tick(self, seconds: float = 1.0) -> list[Outgoing]:
        """Let a second pass, and return what was sent for it."""
        self.pass_time(seconds)
        self.publisher.tell_presence()
        self.publisher.tick()
        while self.publisher.work(FAR):
            pass
        self.publisher.tell_the_rest()
        return self.wire.take()

    def letters(self, sent: Iterable[Outgoing], kind: TopicKind) -> list[Letter]:
        """Return the letters of a kind, decoded as a receiver would."""
        return [
            self.decoder.decode(Incoming(one.topic, one.payload, False, 0.0))
            for one in sent
            if parse_topic(one.topic).kind is kind and one.payload
        ]

    def facts(self, sent: Iterable[Outgoing]) -> dict[str, FactsMessage]:
        found = {}
        for one in sent:
            topic = parse_topic(one.topic)
            if topic.kind is TopicKind.FACTS and one.payload:
                message = self.decoder.decode(Incoming(one.topic, one.payload, False, 0.0)).message
                assert isinstance(message, FactsMessage)
                found[topic.name] = message
        return found

    def warnings(self, sent: Iterable[Outgoing]) -> list[WarningsMessage]:
        letters = self.letters(sent, TopicKind.WARNINGS)
        return [one.message for one in letters if isinstance(one.message, WarningsMessage)]

    def findings(self, sent: Iterable[Outgoing], kind: TopicKind) -> list[FindingsMessage]:
        letters = self.letters(sent, kind)
        return [one.message for one in letters if isinstance(one.message, FindingsMessage)]

    def see(self, *facts: NodeFacts, **parts: object) -> None:
        """Have the collector see these nodes and no others."""
        nodes = {one.node.uid: one for one in facts}
        health = replace(self.snapshot.health, nodes_total=len(nodes))
        self.snapshot = replace(
            self.snapshot,
            nodes=nodes,
            health=health,
            version=self.snapshot.version + 1,
            **parts,  # type: ignore[arg-type]  # fields of a snapshot
        )

    def hear(
        self, message: Message, topic: Topic, sender: str, *, is_retained: bool = False
    ) -> None:
        """Have a message of somebody else come in."""
        envelope = Envelope(clean(CLUSTER), clean(sender), f"run-{sender}", 1, self.clock.time())
        payload = encode_letter(Letter(envelope, message))
        self.publisher.heard(Incoming(str(topic), payload, is_retained, self.clock.now))

    def hear_collector(self, name: str = OTHER, state: Presence = Presence.PRESENT) -> None:
        """Have another collector come or go."""
        message = PresenceMessage(
            state, interval_seconds=INTERVAL, nodes_total=10, source=SourceState.LIVE
        )
        self.hear(message, Topic(TopicKind.PRESENCE, CLUSTER, name), name)
        self.membership.tick()


def uid_of(number: int) -> NodeUid:
    return NodeUid(f"uid-{number}")


def facts(uid: NodeUid | str = "uid-1", swept_at: float | None = 5.0, **parts: object) -> NodeFacts:
    """Return a node that was read."""
    uid = NodeUid(str(uid))
    usages: tuple[MapUsage, ...] = (usage(10, 5.0),)
    maps = Reading.known(usages, origin(5.0))
    cannot: Reading[Any] = Reading.unknown(clean("this release can't tell"))
    known = NodeFacts(
        node(uid), agent(uid=uid), cannot, cannot, cannot, maps, cannot, cannot, cannot, cannot,
        swept_at=swept_at,
    )  # fmt: skip
    return replace(known, **parts)  # type: ignore[arg-type]  # fields of the facts


def uid_owned_by(collector: str, among: tuple[str, ...] = (OWN, OTHER)) -> NodeUid:
    """Return a node that this collector owns while these are present."""
    for number in range(1_000):
        if owner(f"node-uid-{number}", among) == collector:
            return uid_of(number)
    raise AssertionError("no such node")


def log_batch(uid: NodeUid | str, *messages: str, first_at: float = 100.0) -> LogBatch:
    lines = [line(first_at + number, message) for number, message in enumerate(messages)]
    return replace(batch(*lines), node_uid=NodeUid(str(uid)))


EMPTY = CleanText("")
