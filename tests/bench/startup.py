"""Start-up: `--help`, and the time to the first paint against a trivial Textual app."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Figures, heading, median, ratio, row, run

RUNS = 5
TRIVIAL = """
from textual.app import App, ComposeResult
from textual.widgets import Static

class Trivial(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("first-paint-of-a-trivial-app")

Trivial().run()
"""


def measure() -> None:
    """Print both budgets."""
    _help()
    _first_paint()


def _help() -> None:
    heading("ciltop --help", "<= 0.150 s CPU, imports neither textual nor kubernetes")
    bare = median([run([sys.executable, "-c", "pass"]) for _ in range(RUNS)])
    ours = median([run([sys.executable, "-m", "tui", "--help"]) for _ in range(RUNS)])
    row("python -c pass", bare)
    row("ciltop --help", ours)
    ratio("CPU, --help / 0.150 s", ours.cpu_seconds / 0.150, "<= 1", ours.cpu_seconds <= 0.150)


def _first_paint() -> None:
    heading("first paint", "<= 1.3 x a trivial Textual app")
    trivial = [sys.executable, "-c", TRIVIAL]
    ours = [sys.executable, "-m", "tui", "demo", "--scenario", "healthy"]
    pairs = [
        (until_painted(trivial, b"first-paint-of-a-trivial-app"), until_painted(ours, b"ciltop"))
        for _ in range(RUNS)
    ]
    trivial_figures = median([pair[0] for pair in pairs])
    our_figures = median([pair[1] for pair in pairs])
    row("trivial Textual app", trivial_figures)
    row("ciltop demo", our_figures)
    cpu = our_figures.cpu_seconds / trivial_figures.cpu_seconds
    ratio("CPU to first paint, ours / trivial", cpu, "<= 1.3", cpu <= 1.3)


def until_painted(argv: Sequence[str], marker: bytes, timeout_seconds: float = 30) -> Figures:
    """Start a program on a terminal of its own; stop it when the marker is on the screen.

    Only the program's own CPU time counts, not that of a process it starts beside itself.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="120", LINES="40")
        os.execvp(argv[0], list(argv))
    started = time.perf_counter()
    seen = b""
    while marker not in seen and time.perf_counter() - started < timeout_seconds:
        if select.select([terminal], [], [], 0.05)[0]:
            seen += os.read(terminal, 65536)
    wall = time.perf_counter() - started
    cpu, peak = _usage(pid)
    os.kill(pid, signal.SIGTERM)
    os.close(terminal)
    os.waitpid(pid, 0)
    if marker not in seen:
        raise RuntimeError(f"{argv} painted no {marker!r} within {timeout_seconds} s")
    return Figures(wall, cpu, peak)


def _usage(pid: int) -> tuple[float, float]:
    """Return a live process's CPU seconds and peak resident MiB."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    status = Path(f"/proc/{pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return ticks / os.sysconf("SC_CLK_TCK"), peak / 1024
