"""From a key to the paint, with 5,000 nodes on screen."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import replace

from textual.pilot import Pilot

from tests.bench.measure import heading, ratio, say
from tests.ui import app_samples as samples
from tests.ui import finding_samples as findings
from tests.ui.app_pilot import HandApp, opened
from tui.collect.garbage import relax
from tui.model.names import NodeName, NodeUid
from tui.model.snapshot import NodeFacts, Snapshot

NODES = 5_000
KEYS = ("j", "k", "pagedown", "pageup")
PRESSES = 30


def measure() -> None:
    """Print the cost of a key."""
    heading(f"key to paint, {NODES:,} nodes", "<= 16 ms CPU, p95 <= 50 ms")
    pressed, idle = asyncio.run(_pressed())
    harness = statistics.median(idle)
    taken = sorted(cost - harness for cost in pressed)
    median = statistics.median(taken)
    p95 = taken[int(len(taken) * 0.95)]
    say(f"  {'CPU of a key that does nothing (harness)':<44} median {harness:6.1f} ms")
    say(
        f"  {'CPU of a cursor key, less the harness':<44} median {median:6.1f} ms, p95 {p95:.1f} ms"
    )
    ratio("median / 16 ms", median / 16, "<= 1", median <= 16)
    ratio("p95 / 50 ms", p95 / 50, "<= 1", p95 <= 50)


def _snapshot() -> Snapshot:
    nodes = [_renamed(samples.healthy(1), number) for number in range(NODES)]
    snapshot = replace(samples.incident(), nodes={facts.node.uid: facts for facts in nodes})
    verdicts = {
        facts.node.uid: tuple(
            replace(one, node_uid=facts.node.uid, node_name=facts.node.name)
            for one in findings.others(1)
        )
        for facts in nodes
    }
    starts = {facts.node.uid: findings.shrinking() for facts in nodes}
    return replace(findings.with_verdicts(snapshot, verdicts), next_starts=starts)


def _renamed(facts: NodeFacts, number: int) -> NodeFacts:
    uid, name = NodeUid(f"uid-{number}"), NodeName(f"node-{number}")
    return replace(facts, node=replace(facts.node, uid=uid, name=name))


async def _pressed() -> tuple[list[float], list[float]]:
    """Return the milliseconds of cursor keys, and of a key that does nothing."""
    app = HandApp(_snapshot())
    # As the collector's thread does at its start.
    relax()
    pressed, idle = [], []
    async with app.run_test(size=(160, 50)) as pilot:
        await opened(pilot)
        for number in range(PRESSES):
            pressed.append(await _cost(pilot, KEYS[number % len(KEYS)]))
            idle.append(await _cost(pilot, "f12"))
    return pressed, idle


async def _cost(pilot: Pilot[None], key: str) -> float:
    started = time.process_time()
    await pilot.press(key)
    await pilot.pause()
    return (time.process_time() - started) * 1e3
