"""A collector that reads nothing: it tells of changed nodes at a rate, by the real publisher.

The facts are those that another collector told of simulated nodes, each changed as an answer of
the cheap probes changes it. On a machine that simulates the cluster too, only this shows what
publishing costs, and how much of it the rest of the way can take.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import cycle, islice
from typing import Any, cast

from tests.bench.mqtt_member import _bus_figures
from tui.bus.link.address import BrokerAddress
from tui.bus.link.link import Link
from tui.bus.publishing.tee import LogTee
from tui.bus.sharing.presence import Identity
from tui.bus.wire.encoding import Decoder
from tui.bus.wire.messages import FactsMessage
from tui.bus.wire.post import Incoming
from tui.bus.wire.topics import TopicKind, filter_of
from tui.collect.clock import SystemClock
from tui.collect.garbage import relax
from tui.collector.bus import CollectorBus
from tui.collector.notices import Notices
from tui.collector.reader import ClusterReader
from tui.model.names import NodeName, NodeUid
from tui.model.reading import Reading
from tui.model.snapshot import NodeFacts, Snapshot, SourceHealth, SourceState
from tui.safety import clean

QUIET_SECONDS = 1.0
STEP_SECONDS = 0.5
CHANGING = ("status", "maps", "metrics")


class ReplayedReader:
    """Stands where a collector's reader does: snapshots, a tee, a share."""

    def __init__(self, nodes: Mapping[NodeUid, NodeFacts]) -> None:
        self.tee = LogTee()
        self.cluster_uid = ""
        self._nodes = dict(nodes)
        self._turn = cycle(nodes)
        health = SourceHealth(
            clean("replay"), SourceState.LIVE, nodes_total=len(nodes), sweep_interval_seconds=10.0
        )
        self.snapshot = Snapshot(nodes=dict(nodes), health=health, is_complete=True)

    def share(self, owns: Callable[[NodeName], bool]) -> None:
        """Do nothing: all nodes are ours."""

    def change(self, count: int) -> None:
        """Let so many nodes have answered just now."""
        now = time.time()
        for uid in islice(self._turn, count):
            self._nodes[uid] = _answered(self._nodes[uid], now)
        self.snapshot = replace(
            self.snapshot,
            nodes=dict(self._nodes),
            version=self.snapshot.version + 1,
            taken_at=now,
        )


def _answered(facts: NodeFacts, now: float) -> NodeFacts:
    changed: dict[str, Any] = {"swept_at": now}
    for name in CHANGING:
        reading: Reading[Any] = getattr(facts, name)
        if reading.origin is not None:
            changed[name] = replace(reading, origin=replace(reading.origin, observed_at=now))
    return replace(facts, **changed)


def replay(
    address: BrokerAddress,
    cluster: str,
    nodes: int,
    rate: float,
    report: Callable[[Callable[[], Mapping[str, Any]]], None],
) -> None:
    """Tell of so many nodes, and of `rate` changes a second, until stopped."""
    asyncio.run(_replay(address, cluster, nodes, rate, report))


async def _replay(
    address: BrokerAddress,
    cluster: str,
    nodes: int,
    rate: float,
    report: Callable[[Callable[[], Mapping[str, Any]]], None],
) -> None:
    relax()
    reader = ReplayedReader(_copies(await recorded(address, cluster), nodes))
    own = Identity("replay", secrets.token_hex(8), clean("here"), clean("0"), time.time(), 5.0)
    bus = CollectorBus(
        address,
        f"{cluster}-replay",
        own,
        cast("ClusterReader", reader),
        SystemClock(),
        Notices(is_quiet=True),
    )
    report(lambda: _bus_figures(bus))
    running = asyncio.create_task(bus.run(), name="publish")
    owed = 0.0
    while not running.done():
        owed += rate * STEP_SECONDS
        reader.change(int(owed))
        owed -= int(owed)
        await asyncio.wait([running], timeout=STEP_SECONDS)


async def recorded(address: BrokerAddress, cluster: str) -> list[NodeFacts]:
    """Return the facts that the broker keeps of a cluster's nodes."""
    decoder, found = Decoder(), dict[str, NodeFacts]()
    came_at = time.monotonic()

    def take(incoming: Incoming) -> None:
        nonlocal came_at
        came_at = time.monotonic()
        if not incoming.payload:
            return
        message = decoder.decode(incoming).message
        if isinstance(message, FactsMessage) and message.facts is not None:
            found[incoming.topic] = message.facts

    link = Link(address, on_message=take, on_state=lambda _: None)
    link.subscribe(filter_of(TopicKind.FACTS, cluster))
    running = asyncio.create_task(link.run(), name="record")
    while not found or time.monotonic() - came_at < QUIET_SECONDS:
        await asyncio.sleep(0.1)
        if time.monotonic() - came_at > 10 * QUIET_SECONDS:
            raise RuntimeError(f"the broker keeps no facts of {cluster}")
    await link.close()
    await running
    return list(found.values())


def _copies(facts: list[NodeFacts], count: int) -> dict[NodeUid, NodeFacts]:
    """Return so many nodes, by new names where there are more of them than facts."""
    found = {}
    for number in range(count):
        one = facts[number % len(facts)]
        if number >= len(facts):
            uid = NodeUid(f"{one.node.uid}-{number}")
            one = _renamed(one, uid, NodeName(f"{one.node.name}-{number}"))
        found[one.node.uid] = one
    return found


def _renamed(facts: NodeFacts, uid: NodeUid, name: NodeName) -> NodeFacts:
    changed: dict[str, Any] = {"node": replace(facts.node, uid=uid, name=name)}
    if facts.agent is not None:
        changed["agent"] = replace(facts.agent, node_name=name)
    for one in ("version", "status", "metrics", "maps", "services", "features", "config", "host"):
        reading: Reading[Any] = getattr(facts, one)
        if reading.origin is not None:
            changed[one] = replace(reading, origin=replace(reading.origin, node_uid=uid))
    return replace(facts, **changed)
