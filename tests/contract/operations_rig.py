"""An operator on a simulated cluster that is read live, in one loop, for tests end to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import time
from typing import Any

from tests.contract.live_rig import LiveRig
from tui.cluster.access import ConnectionSettings
from tui.cluster.arming import Arming
from tui.cluster.session import Session
from tui.collect.clock import SystemClock
from tui.collect.live import LiveSource
from tui.collect.settings import CollectSettings
from tui.model.names import NodeUid
from tui.model.operations import (
    Intent,
    NodeState,
    OperationPlan,
    OperationProgress,
    OperationState,
)
from tui.model.snapshot import Fact, NodeFacts, Snapshot
from tui.operations.journal import Journal, Who
from tui.operations.operator import Operator
from tui.operations.planning import cluster_planner
from tui.operations.timing import Timing
from tui.operations.undo import UndoFolder
from tui.safety import clean
from tui.simulator.fleet import Fleet
from tui.simulator.parts import Pace
from tui.simulator.podlife import PodTiming
from tui.simulator.scenarios import Scenario
from tui.simulator.server import SimulatorOptions, SimulatorServer

FAST = Timing(
    poll=0.05,
    revisit=0.5,
    verify=45.0,
    quiet=0.5,
    soak=0.5,
    lease=30.0,
    renew=5.0,
    read_back=0.05,
    announce=5.0,
)
PACE = Pace(advance_seconds=0.05, exec_scale=0.0, pods=PodTiming(0.1, 0.05, 0.05, 0.1))


@dataclass
class Rig:
    """The operator, what is read of the cluster, and the cluster."""

    live: LiveRig
    fleet: Fleet
    operator: Operator
    session: Session
    state: Path
    facts: list[Fact]

    @property
    def server(self) -> SimulatorServer:
        return self.live.server

    @property
    def snapshot(self) -> Snapshot:
        return self.live.snapshot

    def node(self, name: str) -> NodeFacts:
        return next(one for one in self.live.nodes if one.node.name == name)

    def uid(self, name: str) -> NodeUid:
        return self.node(name).node.uid

    def operation(self, plan: OperationPlan) -> OperationProgress:
        return next(one for one in self.snapshot.operations if one.plan.id == plan.id)

    def states(self, plan: OperationPlan) -> list[NodeState]:
        return [node.state for node in self.operation(plan).nodes]

    async def done(self, intent: Intent) -> tuple[OperationPlan, OperationProgress]:
        """Plan, begin and wait for the end."""
        plan = await self.operator.plan(intent)
        await self.operator.start(plan, plan.confirmation)
        await self.operator.wait()
        return plan, self.operation(plan)

    async def until(self, is_true: Callable[[], bool], what: str = "") -> None:
        await self.live.until(is_true, what)

    async def api(self, path: str) -> dict[str, Any]:
        return await self.session.get_json(path, dict[str, Any])


def make_operator(
    session: Session,
    live: LiveRig,
    state: Path,
    facts: list[Fact] | None = None,
    timing: Timing = FAST,
    host: str = "alice@desk",
) -> Operator:
    """Return an armed operator, as a person who typed the context's name has it."""
    arming = Arming(False, "", session.context)
    arming.arm(session.context)
    gate, folder, clock = session.gate(arming), UndoFolder(state / "undo"), SystemClock()

    async def tell(fact: Fact) -> None:
        live.store.apply(fact)
        if facts is not None:
            facts.append(fact)

    return Operator(
        session,
        gate,
        lambda: live.snapshot,
        tell,
        journal=Journal(
            state / "audit.jsonl", time, Who(session.context, session.user, clean(host))
        ),
        clock=clock,
        revisit=live.source.revisit,
        folder=folder,
        planner=cluster_planner(session, gate, folder, time),
        timing=timing,
    )


@asynccontextmanager
async def operating(
    tmp_path: Path,
    scenario: Scenario,
    *,
    nodes: int = 0,
    timing: Timing = FAST,
    prepare: Callable[[Fleet], None] | None = None,
    before: Callable[[SimulatorServer], None] = lambda server: None,
) -> AsyncIterator[Rig]:
    """Serve a scenario, read it live, and open an armed operator on the same session."""
    fleet = Fleet(replace(scenario, events=()), nodes)
    if prepare is not None:
        prepare(fleet)
    server = SimulatorServer(fleet, options=SimulatorOptions(context=scenario.context, pace=PACE))
    server.faults.clear()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(server)
        before(server)
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(server.kubeconfig())
        source = LiveSource(
            ConnectionSettings(kubeconfig=str(kubeconfig)), CollectSettings(interval_seconds=1.0)
        )
        session: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        source.on_session = session.set_result
        live = LiveRig(server, source)
        task = asyncio.create_task(live.consume(), name="consume facts")
        stack.push_async_callback(_ended, task)
        async with asyncio.timeout(30.0):
            opened = await session
        facts: list[Fact] = []
        operator = make_operator(opened, live, tmp_path / "state", facts, timing)
        stack.push_async_callback(operator.close)
        await live.until(lambda: live.snapshot.is_complete and bool(live.nodes), "the lists")
        await live.until(lambda: _is_read(live.snapshot), "all nodes")
        yield Rig(live, fleet, operator, opened, tmp_path / "state", facts)


def _is_read(snapshot: Snapshot) -> bool:
    return all(
        facts.config.is_known and facts.services.is_known and facts.metrics.value is not None
        for facts in snapshot.nodes.values()
        if facts.agent is not None and facts.agent.is_ready and not facts.sweep_error
    )


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def over(progress: OperationProgress) -> str:
    """Return how an operation ended, with all its words: what a failing test shows."""
    nodes = "; ".join(f"{node.node_name} {node.state}: {node.text}" for node in progress.nodes)
    return f"{progress.state}: {progress.text} [{nodes}]"


DONE = OperationState.DONE
