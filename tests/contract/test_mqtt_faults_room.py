"""Responders over a broker: what one does all others see, and a broker's death stops no action."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.brokers import Mosquitto, MosquittoFactory
from tests.contract.mqtt_faults_rig import Board, looking, quick
from tests.contract.operations_rig import FAST, PACE
from tests.contract.test_operations_running import FOUR
from tui import launch
from tui.checks.timeline.entries import timeline
from tui.config import load_config
from tui.launch import feed_of
from tui.model.operations import (
    AuditEvent,
    Intent,
    OperationKind,
    OperationPlan,
    OperationProgress,
    OperationState,
)
from tui.model.snapshot import Snapshot, SourceState
from tui.operations.journal import Who
from tui.responding.launch import broker_parts
from tui.safety import CleanText
from tui.simulator.fleet import Fleet
from tui.simulator.server import SimulatorOptions, SimulatorServer

__all__ = ["quick"]
pytestmark = pytest.mark.usefixtures("quick")

PATIENCE_SECONDS = 45.0
CLUSTER = "fleet"
HERE = Who.here(CleanText(""), CleanText("")).host
DEEDS = [
    AuditEvent.ARMED,
    AuditEvent.CONFIRMED,
    AuditEvent.BEFORE_WRITE,
    AuditEvent.AFTER_WRITE,
    AuditEvent.VERIFIED,
    AuditEvent.ENDED,
]
DEEDS_ON_TWO = [*DEEDS[:2], *DEEDS[2:5], *DEEDS[2:5], DEEDS[5]]


class Responder:
    """A whole dashboard but for its screens, with a kubeconfig."""

    def __init__(self, broker: Mosquitto, kubeconfig: Path) -> None:
        flags: dict[str, str | bool] = {
            "mqtt": str(broker.address()),
            "cluster": CLUSTER,
            "kubeconfig": str(kubeconfig),
        }
        parts = broker_parts(load_config(Path("/nonexistent/config.toml"), flags, {}))
        self.mailbox, self.thread = feed_of(parts.open_source, parts.open_acting)

    @property
    def snapshot(self) -> Snapshot:
        return self.mailbox.latest

    async def until(self, is_true: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_true():
            assert time.monotonic() < deadline, f"never came: {what}; {self.told()}"
            await asyncio.sleep(0.05)

    def told(self) -> object:
        snapshot = self.snapshot
        return snapshot.health, snapshot.room.no_acting, snapshot.operations, snapshot.audit

    async def armed(self) -> None:
        await self.until(lambda: self.snapshot.health.state is SourceState.LIVE, "all nodes")
        await self.until(lambda: not self.snapshot.room.no_acting, "a session that fits")
        await self.until(lambda: bool(self.snapshot.cluster.context), "the context")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.wrap_future(self.thread.arm(str(self.snapshot.cluster.context)))

    async def begin(self, intent: Intent) -> OperationPlan:
        """Plan and confirm something; return once it has begun."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            plan = await asyncio.wrap_future(self.thread.plan(intent))
            await asyncio.wrap_future(self.thread.begin(plan, str(plan.confirmation)))
        return plan

    async def restart(self) -> OperationPlan:
        """Begin to restart the agent of a node."""
        return await self.begin(Intent(OperationKind.RESTART, (min(self.snapshot.nodes),)))

    def operation(self, plan: OperationPlan) -> OperationProgress | None:
        found = (one for one in self.snapshot.operations if one.plan.id == plan.id)
        return next(found, None)

    def is_covered(self) -> bool:
        """Whether the nodes in work are read here while nobody else tells of them."""
        health = self.snapshot.health
        return health.state is SourceState.DEGRADED and "read directly" in health.reason

    def waits(self, plan: OperationPlan) -> bool:
        """Tell whether no node is begun because the others are not read."""
        progress = self.operation(plan)
        return progress is not None and progress.text.startswith("waiting for the other nodes")

    def is_done(self, plan: OperationPlan) -> bool:
        progress = self.operation(plan)
        return progress is not None and progress.state is OperationState.DONE


@dataclass
class Incident:
    """A cluster, a collector that reads it, a broker, and who acts."""

    server: SimulatorServer
    broker: Mosquitto
    alice: Responder


@asynccontextmanager
async def incident(
    broker: Mosquitto, folder: Path, patch: pytest.MonkeyPatch
) -> AsyncIterator[Incident]:
    patch.setenv("XDG_STATE_HOME", str(folder / "state"))
    patch.setenv("KUBECONFIG", str(folder / "none"))
    patch.setattr(launch, "operator_opener", partial(launch.operator_opener, timing=FAST))
    server = SimulatorServer(Fleet(FOUR), options=SimulatorOptions(context="lab", pace=PACE))
    server.faults.clear()
    async with server:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(server.kubeconfig(), encoding="utf-8")
        collector = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tui", "collect", "--quiet", "--mqtt", str(broker.address())),
            *("--kubeconfig", str(kubeconfig), "--cluster", CLUSTER, "--collector-id", "alpha"),
            *("--interval", "1", "--presence-interval", "1"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        alice = await asyncio.to_thread(Responder, broker, kubeconfig)
        alice.thread.start()
        try:
            yield Incident(server, broker, alice)
        finally:
            assert await asyncio.to_thread(alice.thread.stop, 20.0)
            if collector.returncode is None:
                collector.kill()
            await collector.wait()


def deeds(snapshot: Snapshot) -> list[AuditEvent]:
    return [one.event for one in snapshot.audit if not one.event.is_upkeep]


def is_in_time_line(board: Board, node: str) -> bool:
    entries = timeline(board.snapshot)
    return any(HERE in one.who and one.node_name == node for one in entries)


async def until_told(board: Board, events: list[AuditEvent]) -> None:
    await board.until(lambda: len(deeds(board.snapshot)) >= len(events), "what was done")
    assert deeds(board.snapshot) == events


async def test_what_one_responder_does_all_others_see_with_who_and_where(
    mosquitto: MosquittoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = mosquitto()
    async with (
        incident(broker, tmp_path, monkeypatch) as rig,
        looking(broker.address(), CLUSTER) as bob,
    ):
        alice = rig.alice
        await bob.until(lambda: bob.state is SourceState.LIVE, "all nodes")
        await alice.armed()
        plan = await alice.restart()
        await alice.until(lambda: alice.is_done(plan), "the verified restart")
        await until_told(bob, DEEDS)
        async with looking(broker.address(), None) as carol:
            await until_told(carol, DEEDS)
            node = alice.snapshot.nodes[plan.intent.nodes[0]].node.name
            for board in (bob, carol):
                told = [one for one in board.snapshot.audit if one.operation_id == plan.id]
                assert {one.host for one in told} == {HERE}
                assert node in {one.node_name for one in told}
                await board.until(partial(is_in_time_line, board, node), "who and where")
                own = {one.id: one.at for one in alice.snapshot.audit}
                assert all(abs(one.at - own[one.id]) < 1.0 for one in board.snapshot.audit)
        ids = [one.id for one in alice.snapshot.audit]
        assert len(ids) == len(set(ids)), "nobody's own records come back"


async def test_a_broker_that_dies_loses_no_operation_that_runs(
    mosquitto: MosquittoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = mosquitto()
    async with (
        incident(broker, tmp_path, monkeypatch) as rig,
        looking(broker.address(), CLUSTER) as bob,
    ):
        alice = rig.alice
        await bob.until(lambda: bob.state is SourceState.LIVE, "all nodes")
        await alice.armed()
        nodes = tuple(sorted(alice.snapshot.nodes)[:2])
        plan = await alice.begin(Intent(OperationKind.RESTART, nodes))
        broker.kill()
        await alice.until(lambda: AuditEvent.AFTER_WRITE in deeds(alice.snapshot), "the write")
        await alice.until(alice.is_covered, "that the node in work is read directly")
        await alice.until(lambda: AuditEvent.VERIFIED in deeds(alice.snapshot), "the restart's end")
        await alice.until(lambda: alice.waits(plan), "the next wave to wait for the other nodes")
        assert deeds(alice.snapshot).count(AuditEvent.BEFORE_WRITE) == 1
        broker.start()
        await alice.until(lambda: alice.is_done(plan), "the second verified restart")
        assert deeds(alice.snapshot) == DEEDS_ON_TWO
        await alice.until(lambda: alice.snapshot.health.state is SourceState.LIVE, "the way back")
        await until_told(bob, DEEDS_ON_TWO)
