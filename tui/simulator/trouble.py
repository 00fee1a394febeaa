"""Keep a scenario's faults going on the server: the ones that are data, and those that recur."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from tui.simulator.faults import Fault, FaultKind, Faults
from tui.simulator.fleet import Fleet

TICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a scenario wants the API server to do wrong."""

    latency_seconds: float = 0.0
    slow_nodes: Mapping[str, float] = field(default_factory=dict)
    denied_exec_nodes: tuple[str, ...] = ()
    error_rate: float = 0.0
    """Share of seconds in which one request is answered with 503."""
    watch_drop_seconds: float = 0.0
    """All watches end this often; 0 for never."""

    @classmethod
    def of(cls, fleet: Fleet) -> Trouble:
        """Read a scenario's faults, with nodes by their names."""
        faults = fleet.faults
        slow = faults.get("slow_nodes", {})
        denied = faults.get("denied_exec_nodes", [])
        return cls(
            latency_seconds=_number(faults.get("latency_seconds")),
            slow_nodes=dict(slow) if isinstance(slow, dict) else {},
            denied_exec_nodes=tuple(denied) if isinstance(denied, list) else (),
            error_rate=_number(faults.get("error_rate")),
            watch_drop_seconds=_number(faults.get("watch_drop_seconds")),
        )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


async def make_trouble(fleet: Fleet, faults: Faults, seed: int) -> None:
    """Keep the scenario's faults going until cancelled; returns at once where there are none."""
    trouble = Trouble.of(fleet)
    if trouble == Trouble():
        return
    chance = random.Random(seed)  # noqa: S311 - a simulation, the same for the same seed
    if trouble.latency_seconds:
        faults.add(Fault(FaultKind.LATENCY, seconds=trouble.latency_seconds))
    faults.slow_nodes.update(trouble.slow_nodes)
    refused: dict[str, Fault] = {}
    second = 0
    while True:
        _refuse_exec(fleet, faults, trouble.denied_exec_nodes, refused)
        if chance.random() < trouble.error_rate:
            faults.add(Fault(FaultKind.STATUS, status=503, message="etcd leader changed", count=1))
        if trouble.watch_drop_seconds and second and second % trouble.watch_drop_seconds < 1:
            faults.drop_watches()
        await asyncio.sleep(TICK_SECONDS)
        second += 1


def _refuse_exec(
    fleet: Fleet, faults: Faults, nodes: tuple[str, ...], refused: dict[str, Fault]
) -> None:
    """Refuse exec on these nodes, also after their agent came back under another name."""
    for name in nodes:
        pod = fleet.node(name).pod_name
        if refused.get(name) is None or f"/{pod}/" not in refused[name].path:
            message = (
                f'pods "{pod}" is forbidden: User "responder" cannot get resource "pods/exec" '
                'in API group "" in the namespace "kube-system"'
            )
            refused[name] = faults.add(
                Fault(FaultKind.STATUS, f"/pods/{pod}/exec", status=403, message=message)
            )
