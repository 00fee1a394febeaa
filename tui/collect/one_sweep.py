"""One sweep by itself, without schedule and watches: for measuring what reading a node costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.cluster import kinds
from tui.cluster.objects import agent_pod, node
from tui.collect.clock import SystemClock
from tui.collect.garbage import relax
from tui.collect.roster import Roster, Target
from tui.collect.schedule import Schedule
from tui.collect.settings import CollectSettings
from tui.collect.shared import Shared
from tui.collect.sweep import Execs, Sweeper
from tui.collect.visits import CHEAP, Turn
from tui.collect.wants import WantKeeper
from tui.model.snapshot import NodeReport

if TYPE_CHECKING:
    from tui.cluster.session import Session


@dataclass(frozen=True, slots=True)
class SweepFigures:
    """What one sweep took and brought."""

    seconds: float
    cpu_seconds: float
    """Of this process, so that nothing else should run in it meanwhile."""
    reports: tuple[NodeReport, ...]

    @property
    def failures(self) -> int:
        """Nodes whose exec failed as a whole."""
        return sum(report.answered_at is None for report in self.reports)


async def list_targets(
    session: Session, namespace: str = "kube-system", selector: str = "k8s-app=cilium"
) -> list[Target]:
    """Return the nodes with an agent that can be asked."""
    roster = Roster()
    for item in (await session.list_pages("/api/v1/nodes", kinds.Node)).items:
        roster.put_node(node(item))
    path = f"/api/v1/namespaces/{namespace}/pods"
    params = {"labelSelector": selector}
    for pod in (await session.list_pages(path, kinds.Pod, params=params)).items:
        roster.put_pod(agent_pod(pod))
    return [target for target in roster.targets if target.answering is not None]


class OneSweep:
    """Visits the same nodes again and again, each time once."""

    def __init__(self, execs: Execs, targets: Sequence[Target], exec_slots: int = 20) -> None:
        clock = SystemClock()
        self._shared = Shared.begin(clock, CollectSettings(max_execs=exec_slots))
        self._slots = self._shared.settings.exec_slots
        roster = Roster()
        for target in targets:
            roster.put_node(target.node)
            if target.agent is not None:
                roster.put_pod(target.agent)
        self._agents = [found for target in targets if (found := target.answering) is not None]
        schedule = Schedule(clock, None, self._slots)
        self._sweeper = Sweeper(execs, roster, schedule, WantKeeper(clock), self._shared)

    async def run(self, probes: tuple[str, ...] = CHEAP) -> SweepFigures:
        """Ask all nodes these probes and return what it took."""
        relax()
        turns = iter([Turn(agent, probes) for agent in self._agents])
        began_at, cpu_began_at = time.perf_counter(), time.process_time()
        reports: list[NodeReport] = []
        async with asyncio.TaskGroup() as group:
            for number in range(self._slots):
                group.create_task(self._work(turns, reports), name=f"exec slot {number}")
        return SweepFigures(
            time.perf_counter() - began_at, time.process_time() - cpu_began_at, tuple(reports)
        )

    async def _work(self, turns: Iterator[Turn], reports: list[NodeReport]) -> None:
        for turn in turns:
            await self._sweeper.visit(turn)
            while not self._shared.outbox.is_empty:
                fact = self._shared.outbox.get_nowait()
                if isinstance(fact, NodeReport):
                    reports.append(fact)
