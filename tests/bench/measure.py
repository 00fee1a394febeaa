"""Whole-process figures of a command, and the table they are printed in."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run took: the process and the children it waited for."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    exit_code: int = 0
    output: bytes = b""


def run(argv: Sequence[str], stdin: bytes = b"", *, is_quiet: bool = False) -> Figures:
    """Run a command to its end and return its figures, its children's CPU time included."""
    started = time.perf_counter()
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if is_quiet else sys.stderr,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(stdin)
    process.stdin.close()
    output = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Figures(
        wall_seconds=time.perf_counter() - started,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / 1024,
        exit_code=process.returncode,
        output=output,
    )


def median(runs: Sequence[Figures]) -> Figures:
    """Return the median of each figure."""
    return Figures(
        wall_seconds=statistics.median(one.wall_seconds for one in runs),
        cpu_seconds=statistics.median(one.cpu_seconds for one in runs),
        peak_mib=statistics.median(one.peak_mib for one in runs),
        exit_code=max(one.exit_code for one in runs),
        output=runs[-1].output,
    )


def say(text: str = "") -> None:
    """Print one line of the report at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def heading(title: str, budget: str) -> None:
    """Print a section's title with the budget of the design."""
    say()
    say(f"{title}   (budget: {budget})")


def row(name: str, figures: Figures, note: str = "") -> None:
    """Print one command's figures."""
    say(
        f"  {name:<44} wall {figures.wall_seconds:8.3f} s   cpu {figures.cpu_seconds:8.3f} s   "
        f"peak {figures.peak_mib:7.1f} MiB   {note}".rstrip()
    )


def ratio(name: str, value: float, budget: str, is_met: bool) -> None:
    """Print one ratio and whether it meets its budget."""
    say(f"  {'=> ' + name:<44} {value:10.2f} x   {'met' if is_met else 'MISSED'}: {budget}")
