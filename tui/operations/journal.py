"""The audit file: one JSON line for each thing that was done, appended and never changed.

A line is on the disk before the write that it announces is sent: where it can't be written, nothing
else is.
"""

from __future__ import annotations

import getpass
import logging
import os
import secrets
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from tui.errors import CiltopError
from tui.model.operations import AuditEvent, AuditRecord
from tui.safety import CleanText, clean

LOG = logging.getLogger("tui.operations.journal")

ID_BYTES = 8

TAIL_BYTES = 64 << 20
"""So much of the file's end is read: more than restarting 5,000 agents takes, Leases included."""

_UPKEEP_MARKS = tuple(
    b'"event":' + msgspec.json.encode(event) for event in AuditEvent if event.is_upkeep
)


class JournalError(CiltopError):
    """The audit file can't be written: nothing may be changed then."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who does what is recorded, and where."""

    context: CleanText = CleanText("")
    user: CleanText = CleanText("")
    host: CleanText = CleanText("")

    @classmethod
    def here(cls, context: CleanText, user: CleanText) -> Who:
        """Return this login on this machine, acting as a kubeconfig's user."""
        try:
            login = getpass.getuser()
        except (KeyError, OSError, ImportError):
            login = str(os.getuid())
        return cls(context, user, clean(f"{login}@{socket.gethostname()}"))


class Journal:
    """Appends to the audit file and reads its end."""

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float],
        who: Who | None = None,
        *,
        on_written: Callable[[AuditRecord], None] = lambda _: None,
    ) -> None:
        """Name the file; `on_written` is told of every record that is on the disk."""
        self._path = path
        self._clock = clock
        self._on_written = on_written
        self.who = who or Who()

    def write(self, record: AuditRecord) -> AuditRecord:
        """Append a record, stamped with an id, the time and who it was, and wait for the disk.

        Raises:
            JournalError: the file can't be written.
        """
        who = self.who
        stamped = replace(
            record,
            at=self._clock(),
            context=who.context,
            user=who.user,
            host=who.host,
            id=secrets.token_hex(ID_BYTES),
        )
        line = msgspec.json.encode(stamped) + b"\n"
        try:
            self._append(line)
        except OSError as error:
            reason = error.strerror or str(error)
            raise JournalError(
                f"{self._path}: can't be written ({reason}); nothing is changed without its record"
            ) from error
        self._on_written(stamped)
        return stamped

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                # A full disk cut the last line off: it must not spoil this one.
                line = b"\n" + line
            # One call, so that the lines of two processes never mix.
            written = os.write(descriptor, line)
            if written != len(line):
                raise OSError(f"only {written} of {len(line)} bytes were written")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def tail(self, limit: int) -> tuple[AuditRecord, ...]:
        """Return the last records but those of upkeep, oldest first; a broken line is left out."""
        return self._last(limit, is_upkeep=False)

    def upkeep(self, limit: int) -> tuple[AuditRecord, ...]:
        """Return the last records of Leases and Events, oldest first."""
        return self._last(limit, is_upkeep=True)

    def _last(self, limit: int, *, is_upkeep: bool) -> tuple[AuditRecord, ...]:
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL_BYTES))
                if size > TAIL_BYTES:
                    file.readline()
                # Decoding only those that count: an hour of renewing a Lease is 480 lines.
                kept = (line for line in file if _tells_upkeep(line) is is_upkeep)
                lines = deque(kept, maxlen=limit)
        except FileNotFoundError:
            return ()
        except OSError as error:
            LOG.warning("%s: can't be read: %s", self._path, error.strerror)
            return ()
        found: list[AuditRecord] = []
        for line in lines:
            try:
                found.append(msgspec.json.decode(line, type=AuditRecord))
            except msgspec.MsgspecError:
                LOG.warning("%s: a line is no audit record", self._path)
        return tuple(found)


def _tells_upkeep(line: bytes) -> bool:
    # A quote within a JSON string is escaped: no text of a record looks like this.
    return any(mark in line for mark in _UPKEEP_MARKS)
