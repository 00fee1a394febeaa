"""The simulated cluster as a process of its own, beside the dashboard that looks at it.

A process and not a thread: the dashboard must be measured, and must feel, as it does on a real
cluster, and the simulation must not take its interpreter's time.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

from tui.errors import ConnectError

START_SECONDS = 30.0
STOP_SECONDS = 3.0


class SimulatorProcess:
    """Run `ciltop simulate` as a child, and stop it with us."""

    def __init__(self, scenario: str, nodes: int | None, seed: int) -> None:
        self._arguments = ["--scenario", scenario, "--seed", str(seed)]
        if nodes is not None:
            self._arguments += ["--nodes", str(nodes)]
        self._folder = tempfile.TemporaryDirectory(prefix="ciltop-demo-")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def kubeconfig(self) -> Path:
        """Where the child writes its kubeconfig once it answers."""
        return Path(self._folder.name) / "kubeconfig"

    @property
    def _complaints(self) -> Path:
        return Path(self._folder.name) / "stderr"

    def __enter__(self) -> SimulatorProcess:
        # The child ends when its standard input closes: also when this process is killed. What it
        # complains of goes to a file: nobody reads a pipe, and a full one would stop it.
        with self._complaints.open("wb") as complaints:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [
                    *(sys.executable, "-m", "tui", "simulate", "--exit-with-stdin"),
                    *("--write-kubeconfig", str(self.kubeconfig)),
                    *self._arguments,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
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
            process.terminate()
            try:
                process.communicate(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        self._folder.cleanup()

    def wait_ready(self, timeout_seconds: float = START_SECONDS) -> None:
        """Return when the simulated cluster answers; blocks, so not for the UI's thread.

        Raises:
            ConnectError: it ended, or does not answer in time.
        """
        process = self._process
        deadline = time.monotonic() + timeout_seconds
        while not self.kubeconfig.exists():
            if process is None or process.poll() is not None:
                said = self._last_words()
                raise ConnectError(f"the simulated cluster ended at its start: {said}")
            if time.monotonic() > deadline:
                raise ConnectError(
                    f"the simulated cluster did not answer within {timeout_seconds:g} s"
                )
            time.sleep(0.02)

    def _last_words(self) -> str:
        said = self._complaints.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return said[-1] if said else "it said nothing"
