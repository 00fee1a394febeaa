"""The processes of the bench over a broker, and what they use, as the kernel counts it."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.brokers import PROGRAM, free_port

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SCREEN = (50, 160)
START_SECONDS = 60.0
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a process."""

    at: float
    cpu_seconds: float
    main_cpu_seconds: float
    """Of its first thread alone: where a collector publishes, and a dashboard draws."""
    resident_mib: float
    figures: dict[str, Any] = field(default_factory=dict)
    """What its own meter says, of at most two seconds before."""


class Member:
    """One process of the bench."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], path: Path) -> None:
        self.name = name
        self.process = process
        self._path = path
        self.looks: list[Look] = []

    def figures(self) -> dict[str, Any]:
        """Return what its meter wrote last; nothing where it has none."""
        try:
            told: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return told

    def look(self) -> Look:
        """Look at it now, and remember it.

        Raises:
            RuntimeError: it has ended.
        """
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}")
        pid = self.process.pid
        tasks = {int(path.name): _nanoseconds(path) for path in Path(f"/proc/{pid}/task").iterdir()}
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
        # Threads that ended are in the sum of the whole process only.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        whole = max(sum(tasks.values()), ticks / os.sysconf("SC_CLK_TCK"))
        told = Look(time.monotonic(), whole, tasks.get(pid, 0.0), resident / 2**20, self.figures())
        self.looks.append(told)
        return told


def _nanoseconds(task: Path) -> float:
    try:
        return int((task / "schedstat").read_text().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def machine_cpu_seconds() -> float:
    """Return what all processes of this machine used since its start."""
    first = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _, _, irq, softirq, steal = map(int, first[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Fleet:
    """Starts the processes, and stops all that it started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.members: list[Member] = []
        self._terminals: list[_Terminal] = []
        self.port = 0

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for member in reversed(self.members):
            self.stop(member)
        for terminal in self._terminals:
            terminal.close()

    @property
    def url(self) -> str:
        """The broker's."""
        return f"mqtt://127.0.0.1:{self.port}"

    def stop(self, member: Member) -> None:
        """Stop one process; kill it where it takes too long."""
        if member.process.poll() is None:
            if member.process.stdin is not None:
                member.process.stdin.close()
            member.process.terminate()
            try:
                member.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()

    def begin(self, name: str, argv: Sequence[str], **keywords: Any) -> Member:
        """Start a process; what it complains of is in a file of its name."""
        path = self._folder / f"{name}.json"
        with (self._folder / f"{name}.stderr").open("wb") as complaints:
            process = subprocess.Popen(
                argv, **{"stdout": complaints, "stderr": complaints, **keywords}
            )
        member = Member(name, process, path)
        self.members.append(member)
        return member

    def member(self, name: str, *arguments: str, **keywords: Any) -> Member:
        """Start one of ours, with a meter in it."""
        own = (sys.executable, "-m", "tests.bench.mqtt_member", str(self._folder / f"{name}.json"))
        here = {"XDG_STATE_HOME": str(self._folder), "XDG_CONFIG_HOME": str(self._folder)}
        state = {**os.environ, **here, "TERM": "xterm-256color"}
        return self.begin(name, [*own, *arguments], env=state, **keywords)

    def broker(self, *lines: str) -> Member:
        """Start mosquitto, with more lines of configuration, and wait until it listens."""
        if PROGRAM is None:
            raise RuntimeError("mosquitto is not installed: apt-get install mosquitto")
        self.port = free_port()
        text = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", *lines]
        path = self._folder / f"mosquitto-{self.port}.conf"
        path.write_text("\n".join(text) + "\n", encoding="utf-8")
        member = self.begin(f"mosquitto-{self.port}", [PROGRAM, "-c", str(path), "-v"])
        log = self._folder / f"{member.name}.stderr"
        wait_until(lambda: b" running" in log.read_bytes(), "mosquitto did not start")
        return member

    def cluster(self, nodes: int) -> Path:
        """Start the simulated cluster; return its kubeconfig."""
        kubeconfig = self._folder / "kubeconfig"
        arguments = ["--nodes", str(nodes), "--write-kubeconfig", str(kubeconfig)]
        self.begin(
            "simulator",
            [sys.executable, "-m", "tests.bench.server", *arguments],
            stdin=subprocess.PIPE,
        )
        wait_until(kubeconfig.exists, "the simulated cluster did not start")
        return kubeconfig

    def screens(self, name: str, *arguments: str) -> Member:
        """Start a dashboard on a terminal of its own."""
        terminal = _Terminal()
        self._terminals.append(terminal)
        member = self.member(
            name,
            *("screens", *arguments),
            stdin=terminal.inner,
            stdout=terminal.inner,
            # Textual writes to the standard error.
            stderr=terminal.inner,
            start_new_session=True,
        )
        terminal.begin()
        return member

    def press(self, key: bytes, timeout_seconds: float) -> float | None:
        """Press a key at the first terminal; return the seconds until something was painted."""
        return self._terminals[0].press(key, timeout_seconds)


class _Terminal:
    """A pseudo terminal that is read all the time, as a real one is."""

    def __init__(self) -> None:
        import fcntl
        import struct
        import termios

        self._outer, self.inner = pty.openpty()
        fcntl.ioctl(self.inner, termios.TIOCSWINSZ, struct.pack("HHHH", *SCREEN, 0, 0))
        self.painted_at = 0.0
        self._is_open = True
        self._thread = threading.Thread(target=self._read, daemon=True)

    def begin(self) -> None:
        """Read from now on; the other end is the child's."""
        os.close(self.inner)
        self._thread.start()

    def _read(self) -> None:
        while self._is_open:
            if not select.select([self._outer], [], [], 0.2)[0]:
                continue
            try:
                os.read(self._outer, 65536)
            except OSError:
                return
            self.painted_at = time.perf_counter()

    def press(self, key: bytes, timeout_seconds: float) -> float | None:
        """Press a key; return the seconds until something was painted, or None."""
        pressed_at = time.perf_counter()
        os.write(self._outer, key)
        while time.perf_counter() - pressed_at < timeout_seconds:
            if self.painted_at > pressed_at:
                return self.painted_at - pressed_at
            time.sleep(0.001)
        return None

    def close(self) -> None:
        """Close it."""
        self._is_open = False
        self._thread.join(2)
        os.close(self._outer)


def wait_until(claim: Callable[[], bool], complaint: str, seconds: float = START_SECONDS) -> None:
    """Wait until something is so.

    Raises:
        RuntimeError: it does not become so in time.
    """
    until = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > until:
            raise RuntimeError(complaint)
        time.sleep(0.05)
