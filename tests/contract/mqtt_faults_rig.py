"""Collectors and dashboards at a real broker in one loop, with a cluster in the test's hand.

Everything from a snapshot to the broker is real, and everything from the broker to a snapshot;
only the reading of the cluster is not. Links come back within a second.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from tests.contract.test_broker_dashboard import Board, looking
from tests.unit.bus_rig import facts
from tui.bus.link.address import BrokerAddress
from tui.bus.link.link import Link, Pace
from tui.bus.publishing.tee import LogTee
from tui.bus.sharing.membership import Share
from tui.bus.sharing.presence import Identity
from tui.bus.wire.post import LinkKind
from tui.collector.bus import CollectorBus
from tui.collector.notices import Notices
from tui.model.findings import Finding
from tui.model.names import NodeName
from tui.model.snapshot import NodeFacts, Snapshot, SourceHealth, SourceState
from tui.safety import clean

__all__ = ["CLUSTER", "NODES", "Board", "Collector", "collecting", "eventually", "looking", "quick"]

CLUSTER = "fleet"
NODES = 12
INTERVAL_SECONDS = 0.5
SWEEP_SECONDS = 0.2
PATIENCE_SECONDS = 30.0

QUICK = Pace(keepalive=1, retry=(0.05, 0.2), retry_refused=(15.0, 60.0), stable=0.0, echo=1.0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every link of collectors and dashboards come back within a second."""
    monkeypatch.setattr("tui.collector.bus.Link", partial(Link, pace=QUICK))
    monkeypatch.setattr("tui.bus.receiving.source.Link", partial(Link, pace=QUICK))


async def eventually(
    is_true: Callable[[], object], what: str, told: Callable[[], object] = str
) -> None:
    """Wait until something is so; `told` says what is so instead."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, f"never came: {what}; {told()}"
        await asyncio.sleep(0.02)


class SkewedClock:
    """This machine's clocks, the wall clock some time ahead."""

    def __init__(self, ahead_seconds: float = 0.0) -> None:
        self.ahead_seconds = ahead_seconds

    def monotonic(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time() + self.ahead_seconds


class HandReader:
    """What a collector reads: nodes that answer whenever they are swept."""

    def __init__(self, nodes: int, clock: SkewedClock) -> None:
        self.tee = LogTee()
        self.cluster_uid = "uid-of-kube-system"
        self.shares: list[Share] = []
        self.sweeps = 0
        self.findings: tuple[Finding, ...] = ()
        self.snapshot = Snapshot()
        self._nodes = [facts(f"uid-{number}") for number in range(nodes)]
        self._clock = clock

    def share(self, owns: Callable[[NodeName], bool]) -> None:
        assert isinstance(owns, Share)
        self.shares.append(owns)
        self.sweep()

    def sweep(self) -> None:
        """Have all nodes of the share answer now."""
        owns = self.shares[-1]
        swept_at = self._clock.time()
        own: list[NodeFacts] = [
            replace(one, swept_at=swept_at) for one in self._nodes if owns(one.node.name)
        ]
        self.snapshot = Snapshot(
            nodes={one.node.uid: one for one in own},
            findings=self.findings,
            is_complete=True,
            version=self.snapshot.version + 1,
            health=SourceHealth(
                clean("live lab"),
                SourceState.LIVE,
                nodes_total=len(self._nodes),
                sweep_interval_seconds=SWEEP_SECONDS,
            ),
        )
        self.sweeps += 1


class Collector:
    """The publishing half of a collector, and what it reads."""

    def __init__(
        self, address: BrokerAddress, own_id: str, *, nodes: int = NODES, ahead: float = 0.0
    ) -> None:
        clock = SkewedClock(ahead)
        self.reader = HandReader(nodes, clock)
        self.said: list[str] = []
        identity = Identity(
            own_id,
            secrets.token_hex(8),
            clean(f"host-of-{own_id}"),
            clean("0.1"),
            clock.time(),
            INTERVAL_SECONDS,
        )
        self.bus = CollectorBus(
            address,
            CLUSTER,
            identity,
            self.reader,  # type: ignore[arg-type]  # stands in for what reads a cluster
            clock,
            Notices(False, self.said.append),
        )
        self.is_sweeping = True

    @property
    def present(self) -> frozenset[str]:
        return self.bus.membership.present

    @property
    def is_up(self) -> bool:
        return self.bus.link.state.kind is LinkKind.UP

    @property
    def share(self) -> Share | None:
        return self.reader.shares[-1] if self.reader.shares else None

    def says(self, *words: str) -> bool:
        return any(all(word in line for word in words) for line in self.said)

    async def run(self) -> None:
        publishing = asyncio.create_task(self.bus.run())
        try:
            while not publishing.done():
                if self.is_sweeping and self.reader.shares:
                    self.reader.sweep()
                await asyncio.wait({publishing}, timeout=SWEEP_SECONDS)
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
        await publishing


@asynccontextmanager
async def collecting(*collectors: Collector) -> AsyncIterator[Sequence[Collector]]:
    """Run collectors; each takes leave at the end."""
    tasks = [asyncio.create_task(one.run()) for one in collectors]
    try:
        yield collectors
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def is_whole(board: Board, nodes: int = NODES, since: float = 0.0) -> bool:
    """Whether a dashboard has all nodes, each answered since then, and nothing to complain of.

    What a dead connection had taken is lost, and said so for a minute: no matter here.
    """
    snapshot = board.snapshot
    known = snapshot.nodes.values()
    health = snapshot.health
    return (
        (health.state is SourceState.LIVE or "messages are lost" in health.reason)
        and len(known) == nodes
        and all((one.swept_at or 0.0) > since for one in known)
    )
