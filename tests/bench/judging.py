"""What the checks cost on a large cluster: facts of simulated nodes, judged 5,000 times."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.bench.measure import heading, ratio, say
from tui.checks.judging.judge import Judge
from tui.collect.live import LiveSource
from tui.collect.settings import CollectSettings
from tui.commands.check import Progress, collect_once
from tui.demo.cluster import SimulatorProcess
from tui.model.cluster import ClusterFacts
from tui.model.names import NodeName, NodeUid
from tui.model.snapshot import NodeFacts, Snapshot

NODES = 5_000
MEMORY_NODES = 1_000
CHANGES = 200
SLICE_SECONDS = 0.003
LONGEST_MS = 5.0


def measure() -> None:
    """Print what a judgement costs: of all nodes, of one changed node, and in memory."""
    heading(f"checks, {NODES:,} nodes of the mixed cluster", "no call holds the loop > 5 ms")
    with SimulatorProcess("mixed", None, 1) as simulator:
        simulator.wait_ready()
        snapshot = asyncio.run(_collected(simulator.kubeconfig))
    facts = list(snapshot.nodes.values())
    memory = _memory(_copies(facts, MEMORY_NODES), snapshot.cluster) / MEMORY_NODES / 1024
    nodes = _copies(facts, NODES)
    gc.collect()
    gc.freeze()
    judge = Judge()
    judge.note(nodes, snapshot.cluster)
    seconds, slices = _worked(judge)
    say(f"  {'CPU of a node, all checks':<60} {seconds / NODES * 1e3:10.2f} ms")
    say(f"  {'kept of a node: verdicts and next start':<60} {memory:10.1f} KiB")
    changed = _changed(judge, nodes, snapshot.cluster)
    say(f"  {'CPU of one changed node, findings made anew':<60} {changed * 1e3:10.2f} ms")
    say(f"  {'findings':<60} {len(judge.findings):10,}")
    # The slice's budget is 3 ms; a node that was begun is judged to its end.
    p99 = slices[int(len(slices) * 0.99)] * 1e3
    say(f"  {'slices of work':<60} {len(slices):10,}, p99 {p99:.1f} ms")
    ratio("p99 of a slice / 5 ms", p99 / LONGEST_MS, "<= 1", p99 <= LONGEST_MS)


async def _collected(kubeconfig: Path) -> Snapshot:
    from tui.cluster.access import ConnectionSettings

    source = LiveSource(
        ConnectionSettings(kubeconfig=str(kubeconfig)), CollectSettings(is_once=True)
    )
    snapshot, _ = await collect_once(source, 60.0, Progress(is_shown=False))
    return snapshot


def _copies(facts: list[NodeFacts], count: int) -> dict[NodeUid, NodeFacts]:
    found = {}
    for number in range(count):
        one = facts[number % len(facts)]
        uid, name = NodeUid(f"uid-{number}"), NodeName(f"node-{number}")
        found[uid] = replace(one, node=replace(one.node, uid=uid, name=name))
    return found


def _worked(judge: Judge) -> tuple[float, list[float]]:
    slices = []
    began_at = time.process_time()
    is_left = True
    while is_left:
        started_at = time.thread_time()
        is_left = judge.work(time.time(), SLICE_SECONDS)
        slices.append(time.thread_time() - started_at)
    return time.process_time() - began_at, sorted(slices)


def _changed(judge: Judge, nodes: Mapping[NodeUid, NodeFacts], cluster: ClusterFacts) -> float:
    changing = dict(nodes)
    uids = list(changing)[:CHANGES]
    started_at = time.process_time()
    for number, uid in enumerate(uids):
        changing[uid] = replace(changing[uid])
        judge.note(changing, cluster)
        judge.work(time.time() + number)
    return (time.process_time() - started_at) / len(uids)


def _memory(nodes: Mapping[NodeUid, NodeFacts], cluster: ClusterFacts) -> float:
    tracemalloc.start()
    judge = Judge()
    judge.note(nodes, cluster)
    judge.work(time.time())
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return used
