"""The program as its user starts it: on a terminal of its own, and as a simulated cluster."""

from __future__ import annotations

import os
import pty
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tui.demo.cluster import SimulatorProcess
from tui.errors import ConnectError

LIMIT_SECONDS = 60.0


class Terminal:
    """A program on a pseudo terminal."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.seen = b""
        self._file, inner = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tui", *arguments],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            env={
                **os.environ,
                **{"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
                **environment,
            },
        )
        os.close(inner)

    @property
    def pid(self) -> int:
        """The program's process."""
        return self._process.pid

    def read_until(self, text: str) -> None:
        deadline = time.monotonic() + LIMIT_SECONDS
        while text.encode() not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.seen[-2000:]!r}"
            self._read()

    def press(self, keys: str) -> None:
        os.write(self._file, keys.encode())

    def kill(self, number: int) -> None:
        """End it without letting it tidy up."""
        self._process.send_signal(number)
        self._process.wait(LIMIT_SECONDS)
        os.close(self._file)

    def hang_up(self) -> int:
        """Close the terminal, and return how the program ended; no signal is sent from here."""
        os.close(self._file)
        return self._process.wait(LIMIT_SECONDS)

    def exit_code(self) -> int:
        """Read what still comes, and return how the program ended."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            code = self._process.poll()
            self._read()
            if code is not None:
                os.close(self._file)
                return code
        self._process.kill()
        self._process.wait()
        raise AssertionError("the program did not end")

    def _read(self) -> None:
        if select.select([self._file], [], [], 0.05)[0]:
            try:
                self.seen += os.read(self._file, 65536)
            except OSError:
                return  # Linux's way to say that the other end was closed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--kubeconfig", "/nowhere/kubeconfig"), "/nowhere/kubeconfig"),
        (("--context", "prod"), "no kubeconfig"),
        ((), "no kubeconfig"),
    ],
)
def test_without_a_kubeconfig_it_says_where_it_looked(
    arguments: Sequence[str], words: str, tmp_path: Path
) -> None:
    terminal = Terminal(*arguments, KUBECONFIG=str(tmp_path / "none"), HOME=str(tmp_path))
    assert terminal.exit_code() == 3
    assert words in terminal.seen.decode()


def test_a_dumb_terminal_is_refused() -> None:
    terminal = Terminal("demo", TERM="dumb")
    assert terminal.exit_code() == 2
    assert b"TERM=dumb" in terminal.seen


def test_an_unreachable_server_is_said_on_screen_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
        "users: [{name: u, user: {token: t}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\n",
        encoding="utf-8",
    )
    terminal = Terminal("--kubeconfig", str(path))
    terminal.read_until("can't connect")
    terminal.press("q")
    assert terminal.exit_code() == 3


def test_a_dashboard_whose_terminal_is_gone_ends(tmp_path: Path) -> None:
    # It leads no session here, as under make: the kernel itself sends it nothing.
    terminal = Terminal("demo", "--scenario", "shrunk", TMPDIR=str(tmp_path))
    terminal.read_until("16 of 32")
    assert terminal.hang_up() == -signal.SIGHUP


def test_the_demo_shows_the_incident_and_leaves_nothing_behind(tmp_path: Path) -> None:
    terminal = Terminal("demo", "--scenario", "shrunk", TMPDIR=str(tmp_path))
    terminal.read_until("16 of 32")
    terminal.press("q")
    assert terminal.exit_code() == 0
    assert not list(tmp_path.glob("ciltop-demo-*"))
    assert not _processes_of(tmp_path)


def test_the_simulated_clusters_kubeconfig_is_private() -> None:
    with SimulatorProcess("healthy", None, 1) as simulator:
        simulator.wait_ready()
        assert stat.S_IMODE(simulator.kubeconfig.stat().st_mode) == 0o600
        folder = simulator.kubeconfig.parent
    assert not folder.exists()


def test_a_simulated_cluster_that_ends_at_its_start_says_why() -> None:
    with (
        SimulatorProcess("no-such-scenario", None, 1) as simulator,
        pytest.raises(ConnectError, match="no-such-scenario"),
    ):
        simulator.wait_ready()


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "tui", "simulate", "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_SECONDS,
            cwd=tmp_path,
        )
    assert done.returncode == 2
    assert f"--port {port}: can't listen" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_killed_leaves_nothing_behind(number: int, tmp_path: Path) -> None:
    terminal = Terminal("demo", "--scenario", "healthy", TMPDIR=str(tmp_path))
    terminal.read_until("node-1")
    folders = list(tmp_path.glob("ciltop-demo-*"))
    assert folders
    terminal.kill(number)
    deadline = time.monotonic() + LIMIT_SECONDS
    while any(folder.exists() for folder in folders) or _processes_of(tmp_path):
        assert time.monotonic() < deadline, _processes_of(tmp_path)
        time.sleep(0.05)


def _processes_of(folder: Path) -> list[str]:
    listed = subprocess.run(["ps", "-ewwo", "pid,args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(folder) in line]
