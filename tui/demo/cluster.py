"""What a demo needs beside the dashboard: the simulated cluster, a broker, collectors.

Processes of their own and not threads: the dashboard must be measured, and must feel, as it does
on a real cluster, and the simulation must not take its interpreter's time.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tui.demo.keeper import Program, complaints_of, ending_of, write_programs
from tui.errors import ConnectError

START_SECONDS = 30.0
STOP_SECONDS = 8.0
_PAUSE_SECONDS = 0.02
_SIMULATOR = "simulator"


class SimulatorProcess:
    """Run `ciltop simulate` beside us, and whatever a demo needs more, and stop all with us."""

    def __init__(self, scenario: str, nodes: int | None, seed: int) -> None:
        self._arguments = ["--scenario", scenario, "--seed", str(seed)]
        if nodes is not None:
            self._arguments += ["--nodes", str(nodes)]
        self.folder = Path(tempfile.mkdtemp(prefix="ciltop-demo-"))
        """Only we can read it, and it goes when we end, however that happens."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def kubeconfig(self) -> Path:
        """Where the simulated cluster's kubeconfig is written once it answers."""
        return self.folder / "kubeconfig"

    def programs(self) -> Sequence[Program]:
        """Return what shall run."""
        simulate = (
            *(sys.executable, "-m", "tui", "simulate", "--exit-with-stdin"),
            *("--write-kubeconfig", str(self.kubeconfig)),
            *self._arguments,
        )
        return [Program(_SIMULATOR, simulate)]

    def __enter__(self) -> Self:
        write_programs(self.folder, self.programs())
        # A session of its own: neither ctrl+c nor the terminal's end reaches it before the pipe's.
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "tui.demo.keeper", str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process is not None:
            try:
                process.communicate(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait_ready(self, timeout_seconds: float = START_SECONDS) -> None:
        """Return when the simulated cluster answers; blocks, so not for the UI's thread.

        Raises:
            ConnectError: it ended, or does not answer in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while not self.kubeconfig.exists():
            self.fail_if_ended(_SIMULATOR, "the simulated cluster")
            if time.monotonic() > deadline:
                raise ConnectError(
                    f"the simulated cluster did not answer within {timeout_seconds:g} s"
                )
            time.sleep(_PAUSE_SECONDS)

    def fail_if_ended(self, name: str, what: str) -> None:
        """Do nothing while a program runs.

        Raises:
            ConnectError: it ended; the message has its last words.
        """
        is_kept = self._process is not None and self._process.poll() is None
        if not is_kept or ending_of(self.folder, name).exists():
            raise ConnectError(f"{what} ended at its start: {self._last_words(name)}")

    def _last_words(self, name: str) -> str:
        path = complaints_of(self.folder, name)
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        said = text.strip().splitlines()
        return said[-1] if said else "it said nothing"
