"""A whole dashboard over a broker but for its screens: thread, store, operator; the broker is ours.

The link is replaced: a test puts messages into it and sees all that the dashboard would publish.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.contract.live_rig import THREE_NODES
from tests.unit.bus_source_rig import HandLink, Sender
from tui.bus.wire.encoding import encode_letter
from tui.bus.wire.messages import FactsMessage, Message, PresenceMessage
from tui.bus.wire.post import Incoming, LinkState
from tui.cluster.connection import ConnectionSettings, connect
from tui.cluster.kinds import Node as KubeNode
from tui.config import load_config
from tui.launch import feed_of
from tui.model.names import NodeName, NodeUid
from tui.model.node import Node
from tui.model.snapshot import NodeFacts, Snapshot
from tui.responding.launch import broker_parts
from tui.simulator.faults import RequestFaults
from tui.simulator.fleet import Fleet
from tui.simulator.server import SimulatorServer

PATIENCE_SECONDS = 30.0


class ThreadLink(HandLink):
    """A link on the collector's thread, fed from the test's."""

    def __init__(self) -> None:
        super().__init__()
        self.on_message: Callable[[Incoming], None] = lambda _: None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.is_running = threading.Event()

    def opened(
        self,
        address: object,
        *,
        client_id: str,
        on_message: Callable[[Incoming], None],
        on_state: Callable[[LinkState], None],
    ) -> ThreadLink:
        self.on_message = on_message
        return self

    async def run(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_running.set()
        await asyncio.Event().wait()

    def come(self, topic: str, payload: bytes, *, is_retained: bool = False) -> None:
        """Have a message arrive."""
        assert self.loop is not None
        incoming = Incoming(topic, payload, is_retained, time.monotonic())
        self.loop.call_soon_threadsafe(self.on_message, incoming)


class Dashboard:
    """The thread with everything in it."""

    def __init__(self, config_flags: dict[str, str | bool], patch: pytest.MonkeyPatch) -> None:
        self.link = ThreadLink()
        patch.setattr("tui.bus.receiving.source.Link", self.link.opened)
        flags = {"mqtt": "mqtt://127.0.0.1:1883", **config_flags}
        parts = broker_parts(load_config(Path("/nonexistent/config.toml"), flags))
        self.mailbox, self.thread = feed_of(parts.open_source, parts.open_acting)

    @property
    def snapshot(self) -> Snapshot:
        return self.mailbox.latest

    def say(self, sender: Sender, message: Message, name: str = "") -> None:
        """Have a collector or a responder say something."""
        if isinstance(message, PresenceMessage):
            name = sender.id
        letter = sender.letter(message, name, time.time())
        self.link.come(str(sender.topic(message, name)), encode_letter(letter))

    async def until(self, is_true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_true():
            assert time.monotonic() < deadline, f"never came: {what}; {self.snapshot}"
            await asyncio.sleep(0.02)


@asynccontextmanager
async def dashboard(patch: pytest.MonkeyPatch, **flags: str | bool) -> AsyncIterator[Dashboard]:
    """Run a dashboard."""
    # Where there is no kubeconfig, looking for one runs a loop of its own.
    running = await asyncio.to_thread(Dashboard, flags, patch)
    running.thread.start()
    assert await asyncio.to_thread(running.link.is_running.wait, PATIENCE_SECONDS)
    try:
        yield running
    finally:
        assert await asyncio.to_thread(running.thread.stop, 10.0)


class Received:
    """The requests that a simulated API server received."""

    def __init__(self, patch: pytest.MonkeyPatch, server: SimulatorServer) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        answer = server._answer

        async def watch(request: web.BaseRequest, faults: RequestFaults) -> web.StreamResponse:
            self.requests[request.method, request.path] += 1
            return await answer(request, faults)

        patch.setattr(server, "_answer", watch)

    def taken(self) -> Counter[tuple[str, str]]:
        """Return them, and begin anew."""
        taken, self.requests = self.requests, Counter()
        return taken


class Simulated:
    """A simulated cluster with its kubeconfig, and its nodes as collectors tell of them."""

    def __init__(self, server: SimulatorServer, kubeconfig: Path, nodes: list[KubeNode]) -> None:
        self.server = server
        self.kubeconfig = str(kubeconfig)
        self.nodes = [
            Node(NodeUid(node.metadata.uid), NodeName(node.metadata.name), is_ready=True)
            for node in nodes
        ]

    def facts(self, number: int) -> FactsMessage:
        return FactsMessage(NodeFacts(self.nodes[number], swept_at=time.time()))

    def tell(self, board: Dashboard, sender: Sender) -> None:
        """Have a collector tell of the whole cluster."""
        count = len(self.nodes)
        board.say(sender, sender.presence(nodes=count, nodes_total=count))
        for number, node in enumerate(self.nodes):
            board.say(sender, self.facts(number), node.name)
        board.say(sender, sender.facts_of_cluster())


@asynccontextmanager
async def simulated(folder: Path) -> AsyncIterator[Simulated]:
    """Serve a simulated cluster."""
    server = SimulatorServer(Fleet(THREE_NODES))
    server.faults.clear()
    async with server:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(server.kubeconfig())
        async with await connect(ConnectionSettings(str(kubeconfig))) as session:
            nodes = (await session.list_pages("/api/v1/nodes", KubeNode)).items
        yield Simulated(server, kubeconfig, list(nodes))
