"""A live source on a simulated cluster, with its store, for tests end to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from time import time

from tui.cluster.access import ConnectionSettings
from tui.collect.live import LiveSource
from tui.collect.settings import CollectSettings
from tui.model.names import NodeUid
from tui.model.snapshot import NodeFacts, Snapshot
from tui.simulator.fleet import SCENARIOS, Fleet
from tui.simulator.scenarios import NodeGroup, Scenario
from tui.simulator.server import SimulatorServer
from tui.store import Store

PATIENCE_SECONDS = 30.0

_STRICT = {"kube-proxy-replacement": "strict", "tunnel": "vxlan"}

THREE_NODES = replace(
    SCENARIOS["healthy"],
    groups=(
        NodeGroup("old", 1, "1.11.7", "6.18.44", "cilium-old", _STRICT),
        NodeGroup("old-kernel", 1, "1.11.7", "5.4.0-90-generic", "cilium-old", _STRICT),
        NodeGroup("next", 1, "1.19.4", "6.18.44", config={"preallocate-bpf-maps": "true"}),
    ),
    events=(),
)
"""Without preallocation on 6.x and on 5.4, and with it."""


class LiveRig:
    """The source, what the store made of its facts, and the cluster behind it."""

    def __init__(self, server: SimulatorServer, source: LiveSource) -> None:
        self.server = server
        self.source = source
        self.store = Store()
        self.error: BaseException | None = None

    async def consume(self) -> None:
        async for fact in self.source.facts():
            self.store.apply(fact)

    @property
    def snapshot(self) -> Snapshot:
        return self.store.snapshot(time())

    @property
    def nodes(self) -> list[NodeFacts]:
        return sorted(self.snapshot.nodes.values(), key=lambda facts: facts.node.name)

    def node(self, number: int = 0) -> NodeFacts:
        return self.nodes[number]

    def uid(self, number: int = 0) -> NodeUid:
        return self.node(number).node.uid

    async def until(self, is_true: Callable[[], bool], what: str = "") -> None:
        """Wait until the snapshot says so."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not is_true():  # noqa: ASYNC110 - the snapshot has nothing to wait on
                    await asyncio.sleep(0.05)
        except TimeoutError:
            snapshot = self.snapshot
            told = [
                f"{facts.node.name}: {facts.sweep_error or facts.swept_at}"
                for facts in snapshot.nodes.values()
            ]
            raise AssertionError(
                f"never came: {what}; health {snapshot.health}; gaps {snapshot.gaps}; {told}"
            ) from None

    async def until_read(self) -> None:
        """Wait until every node was read in full."""

        def is_read() -> bool:
            return len(self.nodes) > 0 and all(
                facts.services.is_known and facts.features.is_known and facts.config.is_known
                for facts in self.nodes
            )

        await self.until(is_read, "all sections of all nodes")


@asynccontextmanager
async def running(
    tmp_path: Path,
    scenario: Scenario = THREE_NODES,
    *,
    nodes: int = 0,
    settings: CollectSettings | None = None,
    prepare: Callable[[Fleet], None] | None = None,
    before: Callable[[SimulatorServer], None] = lambda server: None,
) -> AsyncIterator[LiveRig]:
    """Serve a scenario, changed by `prepare` before anybody looks, and read it live.

    Objects and rights can be changed `before` the first request, once the server has them.
    """
    fleet = Fleet(scenario, nodes)
    if prepare is not None:
        prepare(fleet)
    server = SimulatorServer(fleet)
    server.faults.clear()
    async with server:
        before(server)
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(server.kubeconfig())
        source = LiveSource(
            ConnectionSettings(kubeconfig=str(kubeconfig)),
            settings or CollectSettings(interval_seconds=1.0),
        )
        rig = LiveRig(server, source)
        task = asyncio.create_task(rig.consume(), name="consume facts")
        try:
            yield rig
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
