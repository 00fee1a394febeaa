"""Takes apart what reaches a terminal, and runs a program on a real one."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from time import monotonic

SEQUENCE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # DCS and the other control strings
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[ -/]*[0-~]"
)
COLOUR_OR_MOVE = re.compile(r"\x1b\[[0-9;]*[mH]")


def shape(sequence: str) -> str:
    """Return a sequence without its numbers: what kind of command it is."""
    if sequence.startswith(("\x1b]", "\x1bP", "\x1bX", "\x1b^", "\x1b_")):
        return sequence
    return re.sub(r"[0-9;]+", "", sequence)


def shapes(output: str) -> set[str]:
    """Return all kinds of commands in an output."""
    return {shape(found[0]) for found in SEQUENCE.finditer(output)}


def text_only(output: str) -> str:
    """Return an output without its commands."""
    return SEQUENCE.sub("", output)


def controls(output: str) -> set[str]:
    """Return the control characters that belong to no command."""
    return {c for c in text_only(output) if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0}


def run_on_terminal(
    argv: Sequence[str], environment: Mapping[str, str], *, seconds: float = 60.0
) -> str:
    """Run a program on a pty of 100x40 and return all it wrote there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    written = bytearray()
    with subprocess.Popen(
        argv, stdin=slave, stdout=slave, stderr=slave, env=dict(environment), close_fds=True
    ) as process:
        os.close(slave)
        deadline = monotonic() + seconds
        try:
            while monotonic() < deadline and (chunk := _read(master, deadline)):
                written += chunk
        finally:
            process.kill()
            os.close(master)
    return written.decode("utf-8")


def _read(descriptor: int, deadline: float) -> bytes:
    """Return what the program wrote next, or nothing once it ended or the time is over."""
    ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - monotonic()))
    if not ready:
        return b""
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # Linux answers EIO when the last writer has closed the terminal.
        return b""
