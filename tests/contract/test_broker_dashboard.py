"""A dashboard's source at a real Mosquitto."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from tests.brokers import Mosquitto, MosquittoFactory
from tests.unit.bus_source_rig import Sender
from tui.bus.link.address import BrokerAddress
from tui.bus.link.link import Link
from tui.bus.receiving.source import broker_source
from tui.bus.wire.encoding import encode_letter
from tui.bus.wire.messages import AuditMessage, Message, PresenceMessage, RoomMessage
from tui.bus.wire.post import LinkKind, Outgoing
from tui.model.operations import AuditEvent, AuditRecord
from tui.model.snapshot import Snapshot, SourceState
from tui.safety import clean
from tui.store import Store

PATIENCE_SECONDS = 30.0
NODES = 300


class Board:
    """A source at a broker, with its store."""

    def __init__(self, address: BrokerAddress, cluster: str | None) -> None:
        self.source, self.responder = broker_source(address, cluster, who=clean("alice@desk"))
        self.store = Store()

    async def run(self) -> None:
        async for fact in self.source.facts():
            self.store.apply(fact)

    @property
    def snapshot(self) -> Snapshot:
        return self.store.snapshot(time.time())

    @property
    def state(self) -> SourceState:
        return self.snapshot.health.state

    async def until(self, is_true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_true():
            assert time.monotonic() < deadline, f"never came: {what}; {self.snapshot.health}"
            await asyncio.sleep(0.02)


class Teller:
    """A collector's link, and what it says."""

    def __init__(self, address: BrokerAddress, sender: Sender) -> None:
        self.link = Link(address, on_message=lambda _: None, on_state=lambda _: None)
        self.sender = sender

    def say(self, message: Message, name: str = "", *, is_retained: bool = True) -> None:
        name = self.sender.id if isinstance(message, PresenceMessage) else name
        topic = str(self.sender.topic(message, name))
        payload = encode_letter(self.sender.letter(message, name, time.time()))
        self.link.send(Outgoing(topic, payload, qos=1, is_retained=is_retained))

    def say_all(self, nodes: int = NODES) -> None:
        self.say(self.sender.presence(nodes=nodes, nodes_total=nodes))
        self.say(self.sender.facts_of_cluster())
        for number in range(nodes):
            message = self.sender.node(number)
            assert message.facts is not None
            self.say(message, message.facts.node.name)

    async def done(self) -> None:
        """Wait until the broker has all of it."""
        while self.link.waiting or self.link.state.kind is not LinkKind.UP:  # noqa: ASYNC110 - the link has nothing to wait on
            await asyncio.sleep(0.01)


@asynccontextmanager
async def telling(broker: Mosquitto, sender: Sender) -> AsyncIterator[Teller]:
    teller = Teller(broker.address(), sender)
    task = asyncio.create_task(teller.link.run())
    try:
        yield teller
    finally:
        await teller.link.close()
        await task


@asynccontextmanager
async def looking(address: BrokerAddress, cluster: str | None = "fleet") -> AsyncIterator[Board]:
    board = Board(address, cluster)
    task = asyncio.create_task(board.run())
    try:
        yield board
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_late_dashboard_gets_all_nodes_and_chooses_the_only_cluster(
    mosquitto: MosquittoFactory,
) -> None:
    broker = mosquitto(lines=("max_queued_messages 0",))
    async with telling(broker, Sender()) as teller:
        teller.say_all()
        await teller.done()
        async with looking(broker.address(), None) as board:
            await board.until(lambda: board.state is SourceState.LIVE, "all nodes")
            snapshot = board.snapshot
            assert len(snapshot.nodes) == NODES
            assert (snapshot.room.chosen, snapshot.cluster.context) == ("fleet", "fleet")
            assert (snapshot.room.rejected, snapshot.room.lost) == (0, 0)


async def test_a_broker_that_drops_retained_messages_is_told_of(
    mosquitto: MosquittoFactory,
) -> None:
    broker = mosquitto(lines=("max_queued_messages 50", "max_inflight_messages 1"))
    async with telling(broker, Sender()) as teller:
        teller.say_all()
        await teller.done()
        async with looking(broker.address()) as board:
            teller.say(teller.sender.presence(nodes=NODES + 1, nodes_total=NODES + 1))
            await board.until(lambda: board.state is SourceState.DEGRADED, "the complaint")
            reason = board.snapshot.health.reason
            assert f"of {NODES + 1} nodes received; the broker drops" in reason


async def test_a_killed_broker_is_told_of_and_comes_back(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto(lines=("max_queued_messages 0",))
    async with telling(broker, Sender()) as teller, looking(broker.address()) as board:
        teller.say_all(20)
        await board.until(lambda: board.state is SourceState.LIVE, "all nodes")
        broker.kill()
        await board.until(lambda: board.state is SourceState.LOST, "the loss")
        assert "since" in board.snapshot.health.reason
        assert len(board.snapshot.nodes) == 20
        broker.start()
        teller.say_all(20)
        await board.until(lambda: board.state is SourceState.LIVE, "the return")
        await board.until(lambda: board.snapshot.room.reconnects == 1, "the count")


async def test_refused_credentials_are_told_of(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto(users={"alice": "secret"})
    async with looking(broker.address(user="alice", password="wrong")) as board:
        await board.until(lambda: board.state is SourceState.LOST, "the refusal")
        assert "alice" in board.snapshot.health.reason
        assert not board.snapshot.is_complete


async def test_what_a_responder_did_reaches_other_dashboards_and_its_own_once(
    mosquitto: MosquittoFactory,
) -> None:
    broker = mosquitto()
    own = AuditRecord(time.time(), AuditEvent.ARMED, host=clean("alice@desk"))
    async with (
        telling(broker, Sender()) as teller,
        looking(broker.address()) as alice,
        looking(broker.address()) as bob,
    ):
        teller.say_all(1)
        for board in (alice, bob):
            await board.until(partial(_is_live, board), "the node")
        alice.source.note_own(own)
        alice.responder.record(clean("fleet"), own)
        await bob.until(lambda: bool(bob.snapshot.audit), "the record")
        teller.say(RoomMessage(records=(own,)))
        teller.say(AuditMessage((AuditRecord(own.at + 60.0, AuditEvent.DISARMED),)))
        await alice.until(lambda: bool(alice.snapshot.audit), "a later record")
        assert [one.event for one in alice.snapshot.audit] == [AuditEvent.DISARMED]
        await bob.until(lambda: len(bob.snapshot.audit) > 1, "a later record")
        assert [one.event for one in bob.snapshot.audit] == [AuditEvent.ARMED, AuditEvent.DISARMED]


async def test_another_cluster_of_the_same_broker(mosquitto: MosquittoFactory) -> None:
    broker = mosquitto()
    async with (
        telling(broker, Sender()) as fleet,
        telling(broker, Sender(cluster="other")) as other,
        looking(broker.address()) as board,
    ):
        fleet.say_all(5)
        other.say_all(7)
        await board.until(lambda: board.state is SourceState.LIVE, "all nodes")
        assert len(board.snapshot.nodes) == 5
        await board.until(lambda: len(board.snapshot.room.clusters) == 2, "both clusters")
        board.source.choose_cluster("other")
        await board.until(lambda: len(board.snapshot.nodes) == 7, "the other's nodes")
        board.source.choose_cluster("fleet")
        await board.until(lambda: len(board.snapshot.nodes) == 5, "the first one's nodes")
        await board.until(lambda: board.state is SourceState.LIVE, "all nodes again")


def _is_live(board: Board) -> bool:
    return board.state is SourceState.LIVE
