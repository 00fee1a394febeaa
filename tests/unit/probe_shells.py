"""Runs the probe script under a real shell, with stub commands and nothing else on PATH."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tui.cilium.frames import Frame, parse_frames
from tui.cilium.probes import SCRIPT, exec_argv, new_nonce, probe_of
from tui.cilium.script import build_script

FIXTURES = Path(__file__).parent.parent / "fixtures" / "cilium-outputs"
TOOLS = (
    "awk", "cat", "grep", "gzip", "head", "sed", "setsid", "sleep", "tail", "tr", "uname", "wc",
)  # fmt: skip
SHELLS = ("dash", "bash", "busybox")


@dataclass
class Container:
    """A PATH of its own with one shell as `sh`, and a root of its own for files."""

    shell: str
    path: Path
    root: Path

    def stub(self, name: str, text: str) -> None:
        """Put an executable shell script on PATH, interpreted by the machine's own sh."""
        script = self.path / "bin" / name
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)

    def remove(self, *names: str) -> None:
        for name in names:
            (self.path / "bin" / name).unlink()

    def file(self, path: str, content: bytes = b"") -> Path:
        """Make a file under the container's root."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return target

    def pin(self, *names: str) -> None:
        for name in names:
            self.file(f"/sys/fs/bpf/tc/globals/{name}")

    def unpin(self) -> None:
        """Leave the usual bpffs without any map."""
        shutil.rmtree(self.root / "sys/fs/bpf/tc")

    @property
    def api_socket(self) -> Path:
        return self.path / "api.sock"

    def start_agent(self) -> None:
        """Leave a socket file as a running agent does; its address is short enough to bind."""
        listener = socket.socket(socket.AF_UNIX)
        here = Path.cwd()
        os.chdir(self.path)
        try:
            listener.bind("api.sock")
        finally:
            os.chdir(here)
            listener.close()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": str(self.path / "bin"),
            "CILIUM_SOCK": str(self.api_socket),
            "CILTOP_ROOT": str(self.root),
            "CILTOP_TEST": str(self.path),
        }

    def run(self, *probes: str, limits: dict[str, int] | None = None) -> dict[str, Frame]:
        nonce = new_nonce()
        known = [probe for probe in probes if probe_of(probe) is not None]
        argv = exec_argv(nonce, known)
        if limits is not None:
            argv[2] = build_script(limits)
        elif len(known) < len(probes):
            argv[2] = SCRIPT
        argv[5:] = probes
        done = self.execute(argv)
        assert done.returncode == 0, done.stderr
        frames = parse_frames(nonce, done.stdout, done.stderr)
        assert list(frames) == list(probes)
        assert not any(frame.is_truncated for frame in frames.values())
        return frames

    def execute(
        self, argv: Sequence[str], prefix: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*prefix, str(self.path / "bin" / "sh"), *argv[1:]],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=30,
        )

    def processes(self) -> list[int]:
        """Return the processes that carry this container's environment."""
        token = f"CILTOP_TEST={self.path}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if token in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def wait_until_empty(self, deadline_seconds: float = 5.0) -> None:
        """Fail when a process of this container is still there at the deadline."""
        end = time.monotonic() + deadline_seconds
        while left := self.processes():
            assert time.monotonic() < end, f"left behind: {left}"
            time.sleep(0.02)


def make_container(shell: str, path: Path, tools: Iterable[str] = TOOLS) -> Container:
    """Lay out a container; busybox brings all of its tools along."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    (path / "bin").mkdir(parents=True)
    (path / "root").mkdir()
    (path / "bin" / "sh").symlink_to(program)
    for tool in tools:
        source = program if shell == "busybox" else shutil.which(tool)
        assert source is not None, tool
        (path / "bin" / tool).symlink_to(source)
    return Container(shell, path, path / "root")


def dump_json(entries: Iterable[tuple[bytes, bytes]], *, is_formatted: bool = False) -> bytes:
    """Print entries as `bpftool -j map dump` does; with BTF it adds `formatted` objects."""
    formatted = ',"formatted":{"key":{"a":1,"b":{"c":"}"}},"value":{"key":["x"]}}'
    rows = [
        '{"key":['
        + ",".join(f'"0x{byte:02x}"' for byte in key)
        + '],"value":['
        + ",".join(f'"0x{byte:02x}"' for byte in value)
        + "]"
        + (formatted if is_formatted else "")
        + "}"
        for key, value in entries
    ]
    return ("[" + ",".join(rows) + "]").encode()
