"""What the tests of a live source under faults share: quick watches and sweeps, a wrong clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.contract.live_rig import THREE_NODES, LiveRig
from tui.cluster import watch
from tui.cluster.access import ConnectionSettings
from tui.collect import live
from tui.collect.clock import SystemClock
from tui.collect.live import LiveSource
from tui.collect.settings import CollectSettings
from tui.model.snapshot import SourceState
from tui.simulator.fleet import Fleet
from tui.simulator.objects import KubeObject
from tui.simulator.scenarios import Scenario
from tui.simulator.server import SimulatorServer

QUICK = CollectSettings(interval_seconds=0.5)
NAMESPACE = "kube-system"
PACE = watch.Pace


class SkewedClock(SystemClock):
    """This machine's clock, wrong by so many seconds."""

    def __init__(self, ahead_seconds: float) -> None:
        super().__init__()
        self._ahead_seconds = ahead_seconds

    def time(self) -> float:
        return super().time() + self._ahead_seconds


def hurry(
    monkeypatch: pytest.MonkeyPatch,
    *,
    silence_seconds: float = 120.0,
    denied_seconds: float = 0.3,
) -> None:
    """Have watches try again at once, so that a test need not wait for a backoff."""
    pace = partial(
        PACE,
        backoff_base_seconds=0.05,
        backoff_limit_seconds=0.2,
        denied_seconds=denied_seconds,
        silence_seconds=silence_seconds,
    )
    monkeypatch.setattr(watch, "Pace", pace)
    monkeypatch.setattr(watch, "BARREN_SECONDS", 0.5)
    monkeypatch.setattr(live, "RETRY_BASE_SECONDS", 0.1)


@asynccontextmanager
async def broken(
    tmp_path: Path,
    scenario: Scenario = THREE_NODES,
    *,
    prepare: Callable[[SimulatorServer], None] | None = None,
    ahead_seconds: float = 0.0,
    nodes: int = 0,
) -> AsyncIterator[LiveRig]:
    """Serve a scenario, prepare it, and only then read it live."""
    server = SimulatorServer(Fleet(scenario, nodes))
    server.faults.clear()
    async with server:
        if prepare is not None:
            prepare(server)
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(server.kubeconfig())
        source = LiveSource(
            ConnectionSettings(kubeconfig=str(kubeconfig)), QUICK, clock=SkewedClock(ahead_seconds)
        )
        rig = LiveRig(server, source)
        task = asyncio.create_task(rig.consume(), name="consume facts")
        try:
            yield rig
            assert not task.done(), "the source ended"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until_live(rig: LiveRig) -> None:
    """Wait until all is well and no gap is left."""
    await rig.until(
        lambda: rig.snapshot.health.state is SourceState.LIVE and not rig.snapshot.gaps, "live"
    )


async def until_swept_again(rig: LiveRig, *numbers: int) -> None:
    """Wait until these nodes answered an exec that began after this."""
    before = {number: rig.node(number).swept_at or 0.0 for number in numbers}
    await rig.until(
        lambda: all((rig.node(n).swept_at or 0.0) > at + 0.6 for n, at in before.items()),
        "further sweeps",
    )


def pod_of(rig: LiveRig, number: int) -> KubeObject:
    """Return the agent pod of a node as the API server has it."""
    agent = rig.node(number).agent
    assert agent is not None
    found = rig.server.parts.store.get("pods", NAMESPACE, agent.name)
    assert found is not None
    return found


def with_container(pod: KubeObject, **changes: object) -> KubeObject:
    """Return the pod with another status of its agent container."""
    status = pod["status"]
    containers = [
        {**one, **changes} if one["name"] == "cilium-agent" else one
        for one in status["containerStatuses"]
    ]
    return {**pod, "status": {**status, "containerStatuses": containers}}


def only(scenario: Scenario, count: int) -> Scenario:
    """Return the scenario with its first groups of nodes only."""
    return replace(scenario, groups=scenario.groups[:count])
