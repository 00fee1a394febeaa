"""A collector's id that stays the same over restarts and differs between two at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
from pathlib import Path

from tui.config import state_folder

MOST_SLOTS = 16
"""Collectors of one user on one machine."""

_SUFFIX_CHARACTERS = 4
_MACHINE_ID = Path("/etc/machine-id")


class CollectorSlot:
    """One of the numbers that collectors of this machine and user have; held until closed.

    A pod has a name of its own, and often no folder that can be written to: then every collector
    has number 1.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._descriptor: int | None = None
        self.number = self._take(state_folder() / "collectors" if folder is None else folder)

    def _take(self, folder: Path) -> int:
        for number in range(1, MOST_SLOTS + 1):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                descriptor = os.open(
                    folder / f"{number}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600
                )
            except OSError:
                return 1
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                continue
            self._descriptor = descriptor
            return number
        return os.getpid()

    def close(self) -> None:
        """Let another collector have the number."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def collector_id(slot: int, host: str | None = None, machine: str | None = None) -> str:
    """Return the id of a collector that was given none.

    Args:
        slot: its number on this machine.
        host: the machine's name; None for this one's.
        machine: what tells machines with the same name apart; None for `/etc/machine-id`.
    """
    host = host or socket.gethostname() or "localhost"
    seed = f"{_machine() if machine is None else machine}\0{os.getuid()}"
    suffix = hashlib.blake2b(seed.encode()).hexdigest()[:_SUFFIX_CHARACTERS]
    return f"{host}-{suffix}" if slot == 1 else f"{host}-{suffix}-{slot}"


def _machine() -> str:
    try:
        return _MACHINE_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
