"""Measure from within a process: how long its event loops are held, and how late what comes is."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

STEPS_PER_OCTAVE = 16
"""Of a histogram: 4 % between two of its steps."""

LONG_SECONDS = 0.005
LONG_KEPT = 400
WRITE_SECONDS = 2.0

Steps = dict[str, int]
"""Histogram as JSON has it: how often each step of microseconds came."""


class Histogram:
    """Durations in steps of 4 %, in memory that does not grow with their number."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self._counts[round(STEPS_PER_OCTAVE * math.log2(max(1.0, seconds * 1e6)))] += 1

    def steps(self) -> Steps:
        """Return it for JSON."""
        return {str(step): count for step, count in list(self._counts.items())}


def since(now: Steps, before: Steps | None) -> Steps:
    """Return what came into a histogram after an earlier look at it."""
    return {step: count - (before or {}).get(step, 0) for step, count in now.items()}


def quantile(steps: Steps, share: float) -> float | None:
    """Return the seconds that this share of the durations does not exceed; None without any."""
    total = sum(steps.values())
    left = share * total
    for step in sorted(map(int, steps)):
        left -= steps[str(step)]
        if left <= 0 and total:
            return float(2 ** (step / STEPS_PER_OCTAVE) / 1e6)
    return None


class _Loop:
    """What was measured on one thread's event loop."""

    def __init__(self) -> None:
        self.tid = threading.get_native_id()
        self.cpu = Histogram()
        self.long: deque[tuple[float, float, float, str]] = deque(maxlen=LONG_KEPT)


class Meter:
    """Times each callback of each event loop in this process, by the CPU of its thread.

    By the wall a callback also takes what other processes and the other thread take from it.
    """

    def __init__(self) -> None:
        self._loops: dict[str, _Loop] = {}

    def install(self) -> None:
        """Time every callback from now on."""
        plain = asyncio.events.Handle._run
        local = threading.local()
        loops = self._loops

        def run(handle: asyncio.Handle) -> None:
            cpu, wall = time.thread_time(), time.perf_counter()
            plain(handle)
            cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
            try:
                loop: _Loop = local.loop
            except AttributeError:
                loop = local.loop = loops[threading.current_thread().name] = _Loop()
            loop.cpu.add(cpu)
            if cpu > LONG_SECONDS:
                loop.long.append((time.monotonic(), cpu, wall, _name(handle)))

        patch.object(asyncio.events.Handle, "_run", run).start()

    def figures(self) -> dict[str, Any]:
        """Return what was measured, by thread."""
        return {
            name: {"tid": loop.tid, "cpu": loop.cpu.steps(), "long": list(loop.long)}
            for name, loop in list(self._loops.items())
        }


def _name(handle: asyncio.Handle) -> str:
    callback: Any = getattr(handle, "_callback", None)
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return str(owner.get_name()).partition(" ")[0]
    return str(getattr(callback, "__qualname__", callback))


def write_regularly(path: Path, figures: Callable[[], Mapping[str, Any]]) -> None:
    """Write figures into a file every two seconds, from a thread that nobody waits for."""

    def write() -> None:
        partial = path.with_suffix(".partial")
        while True:
            partial.write_text(json.dumps({"at": time.monotonic(), **figures()}), encoding="utf-8")
            partial.replace(path)
            time.sleep(WRITE_SECONDS)

    threading.Thread(target=write, name="figures", daemon=True).start()
