"""A broker source without a broker: letters go straight into its inbox, in the test's own time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from tests.unit.store_facts import agent, node
from tui.bus.receiving.inbox import Inbox
from tui.bus.receiving.source import BrokerSource
from tui.bus.wire.encoding import encode_letter
from tui.bus.wire.messages import (
    AuditMessage,
    ClusterMessage,
    Envelope,
    FactsMessage,
    FindingsMessage,
    Letter,
    Message,
    PresenceMessage,
    RoomMessage,
    WarningsMessage,
)
from tui.bus.wire.post import Incoming, LinkCounts, LinkKind, LinkState, Outgoing
from tui.bus.wire.topics import Topic, TopicKind
from tui.model.cluster import ClusterFacts
from tui.model.names import NodeUid
from tui.model.operations import AuditEvent, AuditRecord
from tui.model.room import Presence
from tui.model.snapshot import Fact, NodeFacts, Snapshot, SourceState
from tui.safety import clean
from tui.store import Store

WALL = 1_760_000_000.0
PROTOCOL = clean("MQTT 5")
URL = clean("mqtt://broker")

_KINDS = {
    PresenceMessage: TopicKind.PRESENCE,
    FactsMessage: TopicKind.FACTS,
    ClusterMessage: TopicKind.CLUSTER,
    FindingsMessage: TopicKind.FINDINGS,
    WarningsMessage: TopicKind.WARNINGS,
    AuditMessage: TopicKind.AUDIT,
    RoomMessage: TopicKind.ROOM,
}


@dataclass
class HandLink:
    """A link whose state the test sets; it remembers what was asked for."""

    state: LinkState = field(
        default_factory=lambda: LinkState(LinkKind.UP, protocol=PROTOCOL, broker=URL)
    )
    counts: LinkCounts = field(default_factory=LinkCounts)
    filters: dict[str, int] = field(default_factory=dict)
    sent: list[Outgoing] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    is_closed: bool = False
    failure: Exception | None = None

    def subscribe(self, topic_filter: str, qos: int = 0) -> None:
        self.filters[topic_filter] = qos

    def unsubscribe(self, topic_filter: str) -> None:
        del self.filters[topic_filter]

    def send(self, outgoing: Outgoing) -> None:
        self.sent.append(outgoing)

    def will_replace(self, topic: str) -> bool:
        return False

    def expect_echo(self, topic: str) -> None:
        self.expected.append(topic)

    async def run(self) -> None:
        if self.failure is not None:
            raise self.failure
        await asyncio.Event().wait()

    async def close(self, last: Sequence[Outgoing] = ()) -> None:
        self.is_closed = True


@dataclass
class Sender:
    """A collector, or a responder, as it appears on the bus."""

    id: str = "collector-a"
    cluster: str = "fleet"
    run: str = "run-1"
    clock_skew: float = 0.0
    seq: dict[str, int] = field(default_factory=dict)

    def topic(self, message: Message, name: str = "") -> Topic:
        return Topic(_KINDS[type(message)], self.cluster, name)

    def letter(self, message: Message, name: str, at: float) -> Letter:
        topic = str(self.topic(message, name))
        self.seq[topic] = self.seq.get(topic, 0) + 1
        envelope = Envelope(
            clean(self.cluster), clean(self.id), self.run, self.seq[topic], at + self.clock_skew
        )
        return Letter(envelope, message)

    def presence(self, **parts: object) -> PresenceMessage:
        message = PresenceMessage(
            Presence.PRESENT, nodes=1, nodes_total=1, source=SourceState.LIVE, host=clean("host")
        )
        return replace(message, **parts)  # type: ignore[arg-type]  # the fields' own types

    def node(self, number: int, **parts: object) -> FactsMessage:
        uid = NodeUid(f"{self.cluster}-uid-{number}")
        facts = NodeFacts(node(uid), agent(uid=uid), swept_at=WALL + self.clock_skew)
        return FactsMessage(replace(facts, **parts))  # type: ignore[arg-type]  # the fields' own types

    def facts_of_cluster(self) -> ClusterMessage:
        return ClusterMessage(ClusterFacts(context=clean(self.cluster)))


class SourceRig:
    """The source, what the store made of its facts, and the clock."""

    def __init__(self, cluster: str | None = "fleet") -> None:
        self.now = 1_000.0
        self.wall_offset = WALL - self.now
        self.link = HandLink()
        self.inbox = Inbox()
        self.source = BrokerSource(
            self.link,
            self.inbox,
            cluster,
            wall=lambda: self.now + self.wall_offset,
            monotonic=lambda: self.now,
        )
        self.store = Store()
        self.facts: list[Fact] = []
        self._stream = cast("AsyncGenerator[Fact, None]", self.source.facts())
        self._next: asyncio.Task[Fact] | None = None

    @property
    def wall(self) -> float:
        return self.now + self.wall_offset

    @property
    def snapshot(self) -> Snapshot:
        return self.store.snapshot(self.wall)

    def put(
        self,
        sender: Sender,
        message: Message,
        name: str = "",
        *,
        is_retained: bool = False,
        held: float | None = None,
        age: float = 0.0,
    ) -> None:
        """Have a message arrive that was sent so long ago."""
        if isinstance(message, FactsMessage) and message.facts is not None and not name:
            name = message.facts.node.name
        if isinstance(message, PresenceMessage):
            name = sender.id
        letter = sender.letter(message, name, self.wall - age)
        self.raw(
            str(sender.topic(message, name)),
            encode_letter(letter),
            is_retained=is_retained,
            held=held,
        )

    def raw(
        self, topic: str, payload: bytes, *, is_retained: bool = False, held: float | None = None
    ) -> None:
        self.inbox.put(Incoming(topic, payload, is_retained, self.now, held))

    async def settle(self) -> list[Fact]:
        """Take in all facts that come without any more time passing; return them."""
        found: list[Fact] = []
        for _ in range(3):
            self.source.tick()
            found += await self._drained()
        return found

    async def _drained(self) -> list[Fact]:
        found: list[Fact] = []
        while True:
            if self._next is None:
                self._next = asyncio.ensure_future(anext(self._stream))
            for _ in range(5):
                await asyncio.sleep(0)
            if not self._next.done():
                if not len(self.inbox):
                    break
                continue
            fact = self._next.result()
            self._next = None
            self.store.apply(fact)
            found.append(fact)
        self.facts += found
        return found

    async def pass_time(self, seconds: float, step: float = 0.5) -> list[Fact]:
        """Let time pass, with ticks."""
        found: list[Fact] = []
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + step)
            found += await self.settle()
        return found

    async def close(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        await self._stream.aclose()


def record(
    at: float = WALL, text: str = "restart worker-1", operation: str = "7f3a"
) -> AuditRecord:
    return AuditRecord(
        at,
        AuditEvent.CONFIRMED,
        context=clean("fleet"),
        user=clean("alice"),
        host=clean("alice@desk"),
        operation_id=operation,
        text=clean(text),
    )
