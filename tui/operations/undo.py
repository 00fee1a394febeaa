"""What undoing needs, on disk: the plan that was confirmed and the values that were there before.

One file an operation, `undo/<id>.json` in ciltop's state folder, readable by its owner only. It is
written before the first write of the operation, so that a ciltop that is killed leaves it behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from tui.errors import CiltopError
from tui.model.names import NodeUid
from tui.model.operations import OperationPlan
from tui.safety import CleanText

LOG = logging.getLogger("tui.operations.undo")

MOST_RECORDS = 200
"""Older ones are not read: their objects have long changed."""

_ID = re.compile(r"[0-9a-z][0-9a-z-]{0,62}")


class UndoError(CiltopError):
    """The record of an operation can't be written or read."""


@dataclass(frozen=True, slots=True)
class Reversal:
    """What one configuration write of an operation changed."""

    write_id: str
    verb: str
    """Of the write: `create` is undone by a delete, `patch` by a patch with the previous values."""
    group: str
    version: str
    resource: str
    namespace: str
    name: str
    uid: str = ""
    """Of the object; of a created one it is known only after the write."""
    previous: Mapping[str, str | None] = field(default_factory=dict)
    """Option -> value before; None: the object did not have it. Empty for a create."""
    wanted: Mapping[str, str | None] = field(default_factory=dict)
    """Option -> value that was written."""
    is_written: bool = False
    """Whether the write is known to have happened."""


@dataclass(frozen=True, slots=True)
class UndoRecord:
    """One operation as it was confirmed, and what was there before."""

    plan: OperationPlan
    context: CleanText
    server: CleanText
    made_at: float
    reversals: tuple[Reversal, ...] = ()
    effective: Mapping[NodeUid, Mapping[str, str]] = field(default_factory=dict)
    """What each node's agent ran with before, of the options that were written."""
    holder: str = ""
    """As whom it held the Lease: a run that was killed left it behind."""
    is_ended: bool = False
    """Whether it is known how it ended; the audit file may be rotated away."""

    @property
    def id(self) -> str:
        """The operation's id: what `undo` takes."""
        return self.plan.id

    @property
    def can_undo(self) -> bool:
        """Whether there is a value to put back."""
        return self.plan.can_undo and any(one.is_written for one in self.reversals)


class UndoFolder:
    """The folder of all records."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, record: UndoRecord) -> None:
        """Write a record, whole or not at all, and wait until the disk has it.

        Raises:
            UndoError: the folder can't be written.
        """
        target = self._file(record.id)
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            # mkstemp makes the file 0600 and follows no link that somebody else put there.
            descriptor, partial = tempfile.mkstemp(dir=self._path, prefix=".undo-")
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(record))
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, target)
            _sync_folder(self._path)
        except OSError as error:
            raise UndoError(f"{target}: can't be written: {error.strerror}") from error

    def read(self, operation_id: str) -> UndoRecord:
        """Return the record of one operation.

        Raises:
            UndoError: there is none, or it can't be read.
        """
        target = self._file(operation_id)
        try:
            return msgspec.json.decode(target.read_bytes(), type=UndoRecord)
        except FileNotFoundError as error:
            raise UndoError(f"no operation {operation_id} is known here ({target})") from error
        except OSError as error:
            raise UndoError(f"{target}: can't be read: {error.strerror}") from error
        except msgspec.MsgspecError as error:
            raise UndoError(f"{target}: is no record of an operation: {error}") from error

    def records(self) -> tuple[UndoRecord, ...]:
        """Return the latest records, oldest first; one that can't be read is left out."""
        try:
            files = sorted(self._path.glob("*.json"), key=lambda file: file.stat().st_mtime)
        except OSError:
            return ()
        found = []
        for file in files[-MOST_RECORDS:]:
            try:
                found.append(self.read(file.stem))
            except UndoError as error:
                LOG.warning("%s", error.message)
        return tuple(sorted(found, key=lambda record: record.made_at))

    def end(self, operation_id: str) -> None:
        """Remember that an operation has ended; the audit file says so as well, while it lasts."""
        try:
            self.write(replace(self.read(operation_id), is_ended=True))
        except UndoError as error:
            LOG.warning("%s", error.message)

    def dead_holders(self) -> frozenset[str]:
        """Return who held the Lease in operations of this machine that run no more."""
        records = self.records()
        held = {one.holder for one in records if self.is_held(one.id)}
        return frozenset(one.holder for one in records if one.holder) - held

    @contextlib.contextmanager
    def hold(self, operation_id: str) -> Iterator[None]:
        """Mark an operation as running, for every other ciltop on this machine.

        Raises:
            UndoError: the folder can't be written.
        """
        lock = self._lock_file(operation_id)
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            opened = lock.open("a")
        except OSError as error:
            raise UndoError(f"{lock}: can't be written: {error.strerror}") from error
        with opened as file:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)

    def is_held(self, operation_id: str) -> bool:
        """Whether a ciltop on this machine runs the operation now; its end frees it always."""
        try:
            with self._lock_file(operation_id).open("r") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def _lock_file(self, operation_id: str) -> Path:
        return self._file(operation_id).with_suffix(".running")

    def _file(self, operation_id: str) -> Path:
        if not _ID.fullmatch(operation_id):
            raise UndoError(f"{operation_id!r} is no operation's id")
        return self._path / f"{operation_id}.json"


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
