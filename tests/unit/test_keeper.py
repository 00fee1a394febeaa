from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tui.demo.keeper import Program, complaints_of, ending_of, write_programs

LIMIT_SECONDS = 30.0
SLEEP = "import time; time.sleep(600)"


def python(name: str, code: str, *, restart_seconds: float = 0.0, needs_file: str = "") -> Program:
    return Program(name, (sys.executable, "-c", code), needs_file, restart_seconds=restart_seconds)


@contextmanager
def keeping(folder: Path, *programs: Program) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir()
    write_programs(folder, programs)
    process = subprocess.Popen(
        [sys.executable, "-m", "tui.demo.keeper", str(folder)], stdin=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def running(marker: Path) -> list[int]:
    listed = subprocess.run(["ps", "-ewwo", "pid,args"], capture_output=True, text=True, check=True)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if str(marker) in line]


def children(marker: Path) -> list[int]:
    return [pid for pid in running(marker) if "tui.demo.keeper" not in arguments_of(pid)]


def arguments_of(pid: int) -> str:
    done = subprocess.run(
        ["ps", "-wwo", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout


@pytest.mark.parametrize("way", ["stdin", signal.SIGTERM, signal.SIGHUP])
def test_when_it_ends_nothing_is_left(tmp_path: Path, way: str | signal.Signals) -> None:
    folder = tmp_path / "demo"
    stubborn = f"import signal; signal.signal(15, signal.SIG_IGN); {SLEEP}  # {folder}"
    programs = (python("one", f"{SLEEP}  # {folder}"), python("two", stubborn))
    with keeping(folder, *programs) as keeper:
        until(lambda: len(children(folder)) == 2)
        if isinstance(way, signal.Signals):
            keeper.send_signal(way)
        else:
            assert keeper.stdin is not None
            keeper.stdin.close()
        keeper.wait(LIMIT_SECONDS)
        assert not folder.exists()
        assert not running(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_keeper_that_is_killed_takes_its_programs_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with keeping(folder, python("one", f"{SLEEP}  # {folder}")) as keeper:
        until(lambda: len(children(folder)) == 1)
        keeper.kill()
        until(lambda: not running(folder))


def test_what_a_program_needs_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    seen = tmp_path / "seen"
    first = python("first", f"import pathlib; pathlib.Path({str(seen)!r}).touch(); {SLEEP}")
    second = python("second", "raise SystemExit('needed it')", needs_file=str(seen))
    with keeping(folder, second, first):
        until(ending_of(folder, "second").exists)
        assert seen.exists()
        assert complaints_of(folder, "second").read_text() == "needed it\n"
        assert ending_of(folder, "second").read_text() == "1\n"


def test_what_is_killed_comes_back_where_it_shall(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    lasting = python("lasting", f"{SLEEP}  # {folder}", restart_seconds=0.01)
    with keeping(folder, lasting):
        until(lambda: len(children(folder)) == 1)
        (before,) = children(folder)
        os.kill(before, signal.SIGKILL)
        ending = ending_of(folder, "lasting")
        until(lambda: ending.exists() and ending.read_text() == "-9\n")
        until(lambda: len(children(folder)) == 1 and children(folder) != [before])


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with keeping(folder, Program("none", ("/nowhere/at/all",))):
        until(ending_of(folder, "none").exists)
        assert "/nowhere/at/all: No such file" in complaints_of(folder, "none").read_text()
