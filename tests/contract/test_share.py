"""Two live sources share one simulated cluster: each node is read by exactly one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import pytest
from aiohttp import web

from tests.contract.live_rig import LiveRig
from tui.bus.sharing.rendezvous import owner
from tui.cluster.access import ConnectionSettings
from tui.cluster.session import Session
from tui.collect.live import LiveSource, connect_session
from tui.collect.settings import CollectSettings
from tui.model.names import NodeName
from tui.model.snapshot import SourceState
from tui.simulator import api, execstream
from tui.simulator.fleet import SCENARIOS, Fleet
from tui.simulator.server import SimulatorServer

NODES = 8
QUICK = CollectSettings(interval_seconds=0.3)
IDS = ("a", "b")


@dataclass
class Visit:
    """One exec as the API server sees it."""

    pod: str
    began_at: float
    ended_at: float | None = None


@dataclass
class Reader:
    """One source and what it asks for."""

    rig: LiveRig
    name: str
    execs: list[str] = field(default_factory=list)
    """Pods it asked, in order."""
    logs: list[str] = field(default_factory=list)
    """Pods whose log it asked for."""

    def names(self) -> set[str]:
        """Return the nodes it knows."""
        return {facts.node.name for facts in self.rig.nodes}

    def read(self) -> set[str]:
        """Return the nodes it has an answer from."""
        return {facts.node.name for facts in self.rig.nodes if facts.swept_at is not None}


@dataclass
class Shared:
    """A cluster and its two readers."""

    server: SimulatorServer
    readers: list[Reader]
    visits: list[Visit]

    @property
    def a(self) -> Reader:
        return self.readers[0]

    @property
    def b(self) -> Reader:
        return self.readers[1]

    @property
    def nodes(self) -> set[str]:
        return {item["metadata"]["name"] for item in self.server.parts.store.list("nodes")}

    def pods_on(self, nodes: set[str]) -> set[str]:
        """Return the names of the agent pods there."""
        pods = self.server.parts.store.list("pods")
        return {
            pod["metadata"]["name"]
            for pod in pods
            if pod["metadata"].get("labels", {}).get("k8s-app") == "cilium"
            and pod["spec"].get("nodeName") in nodes
        }

    async def until(self, is_true: Callable[[], bool], what: str) -> None:
        await self.a.rig.until(is_true, what)


def owned(one: str, *ids: str) -> Callable[[NodeName], bool]:
    return lambda name: owner(name, ids) == one


@contextmanager
def watched_execs(visits: list[Visit]) -> Iterator[None]:
    """Note each exec at the API server."""

    async def noted(request: web.BaseRequest, *arguments: object) -> web.StreamResponse:
        visit = Visit(request.path.split("/")[-2], monotonic())
        visits.append(visit)
        try:
            return await execstream.serve_exec(request, *arguments)  # type: ignore[arg-type]  # handed on
        finally:
            visit.ended_at = monotonic()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "serve_exec", noted)
        yield


def reader(server: SimulatorServer, kubeconfig: Path, name: str) -> Reader:
    """Return a source that reads nothing yet, whose questions are noted."""

    async def connect(settings: ConnectionSettings) -> Session:
        session = await connect_session(settings)
        for asked, method in ((made.execs, "exec"), (made.logs, "read_log")):
            note(session, asked, method)
        return session

    def note(session: Session, asked: list[str], method: str) -> None:
        original = getattr(session, method)

        def noting(*arguments: object, **options: object) -> object:
            first = arguments[1] if method == "exec" else arguments[0].pod  # type: ignore[attr-defined]  # a LogTarget
            asked.append(str(first))
            return original(*arguments, **options)

        setattr(session, method, noting)

    source = LiveSource(ConnectionSettings(kubeconfig=str(kubeconfig)), QUICK, connect=connect)
    made = Reader(LiveRig(server, source), name)
    source.set_share(lambda _: False)
    return made


@asynccontextmanager
async def sharing(tmp_path: Path) -> AsyncIterator[Shared]:
    visits: list[Visit] = []
    with watched_execs(visits):
        server = SimulatorServer(Fleet(SCENARIOS["healthy"], NODES))
        server.faults.clear()
        async with server:
            kubeconfig = tmp_path / "kubeconfig"
            kubeconfig.write_text(server.kubeconfig())
            readers = [reader(server, kubeconfig, name) for name in IDS]
            tasks = [asyncio.create_task(one.rig.consume(), name="consume") for one in readers]
            try:
                yield Shared(server, readers, visits)
                assert not any(task.done() for task in tasks), "a source ended"
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def assert_one_at_a_time(visits: list[Visit]) -> None:
    """No node is asked twice at once."""
    busy_until: dict[str, float] = {}
    for visit in visits:
        assert visit.began_at >= busy_until.get(visit.pod, 0.0), visit.pod
        busy_until[visit.pod] = visit.ended_at or float("inf")


async def test_each_node_is_read_by_the_one_that_owns_it(tmp_path: Path) -> None:
    async with sharing(tmp_path) as both:
        live = SourceState.LIVE
        await both.until(
            lambda: all(one.rig.snapshot.health.state is live for one in both.readers), "live"
        )
        assert not both.a.names()
        assert not both.visits
        for one in both.readers:
            one.rig.source.set_share(owned(one.name, *IDS))
        await both.until(lambda: both.a.read() | both.b.read() == both.nodes, "all nodes read")
        for one in both.readers:
            await one.rig.until_read()
            mine = {name for name in both.nodes if owner(name, IDS) == one.name}
            assert one.names() == mine
            assert set(one.execs) == both.pods_on(mine)
            assert set(one.logs) <= both.pods_on(mine)
        assert_one_at_a_time(both.visits)
        snapshots = [one.rig.snapshot for one in both.readers]
        assert [one.health.nodes_total for one in snapshots] == [NODES, NODES]


async def test_nodes_move_when_one_leaves_and_when_it_is_back(tmp_path: Path) -> None:
    async with sharing(tmp_path) as both:
        for one in both.readers:
            one.rig.source.set_share(owned(one.name, *IDS))
        await both.until(lambda: both.a.read() | both.b.read() == both.nodes, "all nodes read")
        both.b.rig.source.set_share(lambda _: False)
        both.a.rig.source.set_share(owned("a", "a"))
        await both.until(lambda: both.a.read() == both.nodes and not both.b.names(), "moved")
        both.a.rig.source.set_share(owned("a", *IDS))
        both.b.rig.source.set_share(owned("b", *IDS))
        shares = {name: {node for node in both.nodes if owner(node, IDS) == name} for name in IDS}
        await both.until(
            lambda: all(one.read() == shares[one.name] for one in both.readers), "back"
        )
        # One exec may have been under way on a node that left.
        begun = list(both.visits)
        await both.until(lambda: all(visit.ended_at is not None for visit in begun), "all ended")
        for one in both.readers:
            one.execs.clear()
        count = len(both.visits)
        await both.until(lambda: len(both.visits) > count + 3 * NODES, "further sweeps")
        for one in both.readers:
            assert set(one.execs) <= both.pods_on(shares[one.name])


async def test_who_has_no_share_set_reads_all_nodes(tmp_path: Path) -> None:
    async with sharing(tmp_path) as both:
        both.a.rig.source.set_share(None)
        await both.until(lambda: both.a.read() == both.nodes, "all nodes")
        assert not both.b.names()


async def test_who_reads_no_node_knows_the_cluster_all_the_same(tmp_path: Path) -> None:
    async with sharing(tmp_path) as both:
        both.a.rig.source.set_share(None)
        await both.until(lambda: both.b.rig.snapshot.health.nodes_total == NODES, "nodes counted")
        await both.until(
            lambda: all(one.rig.snapshot.cluster.services.is_known for one in both.readers),
            "Services known",
        )
        first, second = (one.rig.snapshot.cluster for one in both.readers)
        assert first.services.value
        assert first.services.value == second.services.value
        assert not both.b.execs
