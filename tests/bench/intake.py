"""What comes in: log lines, and the list of 5,000 agent pods."""

from __future__ import annotations

import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.bench.measure import heading, ratio, say
from tui.cilium.logcatalogue import catalogue, explain
from tui.cilium.loglines import parse_log_line
from tui.cluster import kinds
from tui.cluster.objects import agent_pod
from tui.model.logs import LogBatch, LogLine
from tui.model.names import ContainerId, NodeUid
from tui.store.logbook import LogLimits, NodeLog

FIXTURES = Path(__file__).parents[1] / "fixtures"
LINES = 100_000
BATCH_LINES = 500
PODS = 5_000
RUNS = 5


class _PodList(msgspec.Struct):
    items: list[kinds.Pod]


def measure() -> None:
    """Print both budgets."""
    _logs()
    _pods()


def _logs() -> None:
    heading("log intake: parse, fold and classify, one core", ">= 20,000 lines/s")
    sample = [
        line
        for path in sorted((FIXTURES / "cilium-outputs").glob("*/agent*.log"))
        for line in path.read_bytes().splitlines()
    ]
    lines = (sample * (LINES // len(sample) + 1))[:LINES]
    catalogue()
    _rate("parse", lines, lambda line: parse_log_line(line, 1.0))
    _rate("parse and classify every line", lines, lambda line: explain(parse_log_line(line, 1.0)))
    _rate("parse, fold and classify", lines, _Folder())
    hardest = [_worst_line(entry.texts[0]) for entry in catalogue()]
    worst = (hardest * (LINES // len(hardest) + 1))[:LINES]
    _rate("the same, every line in the catalogue", worst, _Folder())


class _Folder:
    """Takes lines as the store does, in batches."""

    def __init__(self) -> None:
        self._log = NodeLog()
        self._limits = LogLimits()
        self._lines: list[LogLine] = []

    def __call__(self, text: bytes) -> None:
        self._lines.append(parse_log_line(text, 1.0))
        if len(self._lines) >= BATCH_LINES:
            batch = LogBatch(NodeUid("n"), ContainerId("c"), tuple(self._lines))
            self._log.add(batch, 1, self._limits)
            self._lines.clear()


def _worst_line(text: str) -> bytes:
    return f'level=warning msg="{text}" error="upsert: {text}" key=a path=/x subsys=x'.encode()


def _rate(what: str, lines: list[bytes], work: Callable[[bytes], object]) -> None:
    def all_lines() -> None:
        for line in lines:
            work(line)

    rate = len(lines) / _cpu_seconds(all_lines)
    say(f"  {what + ', lines a second':<60} {rate:14,.0f}")
    ratio("lines/s / 20,000", rate / 20_000, ">= 1", rate >= 20_000)


def _pods() -> None:
    heading(f"list of {PODS:,} agent pods", "<= 1.5 x msgspec typed decode, <= 30 MB more memory")
    text = (FIXTURES / "kubernetes-objects" / "pods-agents.json").read_text(encoding="utf-8")
    items = json.loads(text)["items"]
    body = json.dumps({"items": (items * (PODS // len(items) + 1))[:PODS]}).encode()
    decode = msgspec.json.Decoder(_PodList).decode
    typed = _cpu_seconds(lambda: decode(body))
    ours = _cpu_seconds(lambda: [agent_pod(pod) for pod in decode(body).items])
    tracemalloc.start()
    pods = [agent_pod(pod) for pod in decode(body).items]
    memory = tracemalloc.get_traced_memory()[0] / 2**20
    tracemalloc.stop()
    say(f"  {'msgspec typed decode':<44} cpu {typed:8.3f} s   {len(body) / 2**20:6.1f} MiB")
    say(f"  {f'{len(pods):,} agent pods as facts':<44} cpu {ours:8.3f} s   {memory:6.1f} MiB kept")
    ratio("CPU, ours / typed decode", ours / typed, "<= 1.5", ours <= 1.5 * typed)


def _cpu_seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return statistics.median(times)
