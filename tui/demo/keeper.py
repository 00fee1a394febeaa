"""The process that owns a demo's programs and its folder: it ends them when its own parent ends.

The dashboard may be killed at any time, with its terminal or without a chance to tidy up. The
kernel closes the pipe that this process reads from, whatever happened; then nothing of the demo is
left: no process, no port, no folder with a kubeconfig. Standard library only: it starts at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

PROGRAMS = "programs.json"
WAIT_SECONDS = 0.02
REST_SECONDS = 0.5
"""Between two looks at whether a program ended; the end of standard input is seen at once."""

STOP_SECONDS = 2.0
_SET_PDEATHSIG = 1
"""PR_SET_PDEATHSIG of linux/prctl.h."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program, and what must be there before it is started."""

    name: str
    arguments: tuple[str, ...]
    needs_file: str = ""
    needs_port: int = 0
    """A TCP port of 127.0.0.1 that somebody listens on; 0 for none."""
    restart_seconds: float = 0.0
    """Started again so long after it ended, as what is killed on purpose; 0 for never."""

    @property
    def is_dependent(self) -> bool:
        """Whether it talks to others, and so is ended before them."""
        return bool(self.needs_file or self.needs_port)

    def is_ready(self) -> bool:
        """Tell whether what it needs is there."""
        if self.needs_file and not Path(self.needs_file).exists():
            return False
        return not self.needs_port or _listens(self.needs_port)


def write_programs(folder: Path, programs: Sequence[Program]) -> None:
    """Tell the keeper of a folder what to run."""
    text = json.dumps([asdict(program) for program in programs])
    (folder / PROGRAMS).write_text(text, encoding="utf-8")


def complaints_of(folder: Path, name: str) -> Path:
    """Return the file with what a program says on standard error."""
    return folder / f"{name}.stderr"


def ending_of(folder: Path, name: str) -> Path:
    """Return the file that is there once a program has ended; it holds the exit code."""
    return folder / f"{name}.ended"


class Keeper:
    """Starts the programs of a folder, and ends them all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        listed = json.loads((folder / PROGRAMS).read_text(encoding="utf-8"))
        self._waiting = [Program(**{**one, "arguments": tuple(one["arguments"])}) for one in listed]
        self._running: dict[Program, subprocess.Popen[bytes]] = {}
        self._not_before: dict[Program, float] = {}
        self._is_over = False

    def keep(self) -> None:
        """Run them until standard input ends or a signal comes, then end them."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        try:
            while not self._is_over:
                self._start_ready()
                self._note_ended()
                is_starting = any(one not in self._not_before for one in self._waiting)
                pause = WAIT_SECONDS if is_starting else REST_SECONDS
                readable, _, _ = select.select([0], [], [], pause)
                if readable and not os.read(0, 4096):
                    self._is_over = True
        finally:
            self._end([program for program in self._running if program.is_dependent])
            self._end(list(self._running))
            shutil.rmtree(self._folder, ignore_errors=True)

    def _stop(self, _: int, __: object) -> None:
        self._is_over = True

    def _start_ready(self) -> None:
        now = time.monotonic()
        due = [one for one in self._waiting if now >= self._not_before.get(one, now)]
        for program in [one for one in due if one.is_ready()]:
            self._waiting.remove(program)
            # Nobody reads a pipe, and a full one would stop the program: hence a file.
            with complaints_of(self._folder, program.name).open("ab") as complaints:
                try:
                    self._running[program] = subprocess.Popen(  # noqa: S603 - the demo's own list
                        program.arguments,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.DEVNULL,
                        stderr=complaints,
                        preexec_fn=_end_with_parent,  # noqa: PLW1509 - there is one thread here
                    )
                except OSError as error:
                    complaints.write(f"{program.arguments[0]}: {error.strerror}\n".encode())
                    self._note(program, 127)

    def _note_ended(self) -> None:
        for program, process in list(self._running.items()):
            if process.poll() is not None:
                del self._running[program]
                _close_pipe(process)
                self._note(program, process.returncode)

    def _note(self, program: Program, code: int) -> None:
        ending_of(self._folder, program.name).write_text(f"{code}\n", encoding="utf-8")
        if program.restart_seconds:
            self._not_before[program] = time.monotonic() + program.restart_seconds
            self._waiting.append(program)

    def _end(self, programs: Sequence[Program]) -> None:
        ending = [self._running.pop(program) for program in programs]
        for process in ending:
            process.terminate()
            _close_pipe(process)
        deadline = time.monotonic() + STOP_SECONDS
        for process in ending:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _close_pipe(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


def _end_with_parent() -> None:
    """Ask the kernel for SIGTERM when the keeper itself is killed; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGTERM)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False


if __name__ == "__main__":
    Keeper(Path(sys.argv[1])).keep()
