"""The lines of one agent's log on their way to the facts: none twice, none for free.

Lines wait as bytes in a bounded buffer and are parsed a few at a time: a log storm costs the lines
it loses, each loss counted, and not the collector.
"""

from __future__ import annotations

import functools
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from tui.cilium.loglines import LogParser
from tui.cluster.logs import split_timestamp
from tui.model.logs import LogBatch, LogGap, LogLevel, LogLine
from tui.model.names import ContainerId, NodeUid
from tui.safety import CleanText, clean

MOST_WAITING = 4_000
"""Lines of one node that wait at most."""

MOST_WAITING_BYTES = 4 * 1024 * 1024
"""The same in bytes: one line may have 64 KiB."""

PROBLEMS_KEPT = 60
"""Warnings and errors since the agent's start that tell of missing features."""

TEXTS_SHARED = 4_096
"""Messages, and as many fields, that were said last on any node."""

_KLOG_INFO = re.compile(rb"I\d{4} ")


def is_quiet(text: bytes) -> bool:
    """Tell whether a line says of itself that it is information only, without parsing it."""
    at = text.find(b"level=")
    if at >= 0:
        return text[at + 6 : at + 7] in (b"i", b"d", b"I", b"D", b"t")
    at = text.find(b'"level":"')
    if at >= 0:
        return text[at + 9 : at + 10] in (b"i", b"d", b"I", b"D", b"t")
    return _KLOG_INFO.match(text) is not None


Stamped = tuple[float | None, bytes]
"""The API's time of a line, and the line."""


class LogCursor:
    """How far a pod's log was read, by the API's timestamps, over all its containers."""

    __slots__ = ("_at_last", "last")

    def __init__(self) -> None:
        self.last = 0.0
        self._at_last: set[int] = set()

    def fresh(self, lines: Iterable[bytes]) -> list[Stamped]:
        """Return the lines that were not read before, and move on.

        A poll begins at a whole second, so that it brings the lines of that second again.
        """
        known_until, known = self.last, frozenset(self._at_last)
        found: list[Stamped] = []
        for line in lines:
            at, text = split_timestamp(line)
            if at is None:
                if text:
                    found.append((None, text))
                continue
            if at < known_until or (at == known_until and hash(text) in known):
                continue
            found.append((at, text))
            self._note(at, text)
        return found

    def _note(self, at: float, text: bytes) -> None:
        if at > self.last:
            self.last = at
            self._at_last = {hash(text)}
        elif at == self.last:
            self._at_last.add(hash(text))


@dataclass(slots=True)
class _Loss:
    """Lines that were dropped, until their gap is told."""

    started_at: float
    ended_at: float
    lines: int | None
    reason: CleanText

    def merge(self, other: _Loss) -> None:
        """Make one loss of two that follow each other."""
        self.started_at = min(self.started_at, other.started_at)
        self.ended_at = max(self.ended_at, other.ended_at)
        both = self.lines is not None and other.lines is not None
        self.lines = (self.lines or 0) + (other.lines or 0) if both else None


STORM = CleanText("more lines than can be taken in: a log storm")


class LogBuffer:
    """Lines of one container that wait to be parsed."""

    __slots__ = (
        "_last_at",
        "_loss",
        "_parser",
        "_waiting",
        "_waiting_bytes",
        "agent_started_at",
        "container_id",
        "is_previous",
        "last_problem_at",
        "node_uid",
        "problems",
    )

    def __init__(self, node_uid: NodeUid, container_id: ContainerId) -> None:
        self.node_uid = node_uid
        self.container_id = container_id
        self.agent_started_at: float | None = None
        self.is_previous = False
        self.problems: list[LogLine] = []
        self.last_problem_at = 0.0
        self._parser = LogParser()
        self._waiting: deque[Stamped] | tuple[Stamped, ...] = ()
        """A deque only while lines wait: an empty one takes 600 bytes, and most wait for none."""
        self._waiting_bytes = 0
        self._loss: _Loss | None = None
        self._last_at = 0.0

    def __len__(self) -> int:
        return len(self._waiting) + (self._loss is not None)

    def add(self, lines: Iterable[Stamped]) -> None:
        """Have lines wait; when too many do, the quiet ones go first, then the oldest."""
        waiting = deque(self._waiting) if isinstance(self._waiting, tuple) else self._waiting
        for line in lines:
            waiting.append(line)
            self._waiting_bytes += len(line[1])
        self._waiting = waiting or ()
        if len(self._waiting) > MOST_WAITING or self._waiting_bytes > MOST_WAITING_BYTES:
            self._shed()

    def lose(self, started_at: float, ended_at: float, reason: CleanText) -> None:
        """Note a stretch whose lines nobody read."""
        self._note_loss(_Loss(started_at, ended_at, None, reason))

    def _shed(self) -> None:
        times: list[float] = []
        kept: deque[Stamped] = deque()
        dropped, lines = 0, len(self._waiting)

        def drop(line: Stamped) -> None:
            nonlocal dropped
            dropped += 1
            self._waiting_bytes -= len(line[1])
            if line[0] is not None:
                times.append(line[0])

        def is_too_much() -> bool:
            return (
                lines - dropped > MOST_WAITING // 2 or self._waiting_bytes > MOST_WAITING_BYTES // 2
            )

        for line in self._waiting:
            if is_too_much() and is_quiet(line[1]):
                drop(line)
            else:
                kept.append(line)
        while is_too_much():
            drop(kept.popleft())
        self._waiting = kept
        started_at = min(times, default=self._last_at)
        self._note_loss(_Loss(started_at, max(times, default=started_at), dropped, STORM))

    def _note_loss(self, loss: _Loss) -> None:
        if self._loss is None:
            self._loss = loss
        else:
            self._loss.merge(loss)

    def take(self, most: int) -> LogBatch | None:
        """Parse up to so many lines; None when nothing waits."""
        if not len(self):
            return None
        loss, self._loss = self._loss, None
        waiting = deque(self._waiting) if isinstance(self._waiting, tuple) else self._waiting
        taken = [waiting.popleft() for _ in range(min(most, len(waiting)))]
        self._waiting = waiting or ()
        self._waiting_bytes -= sum(len(text) for _, text in taken)
        lines = [self._parse(at, text) for at, text in taken]
        return LogBatch(
            self.node_uid,
            self.container_id,
            tuple(line for line in lines if line is not None),
            gap=self._gap(loss) if loss is not None else None,
            is_previous=self.is_previous,
            agent_started_at=self.agent_started_at,
        )

    def _gap(self, loss: _Loss) -> LogGap:
        return LogGap(self.node_uid, loss.started_at, loss.ended_at, loss.lines, loss.reason)

    def _parse(self, at: float | None, text: bytes) -> LogLine | None:
        if not text.strip():
            return None
        line = _shared(self._parser.parse(text, at if at is not None else self._last_at))
        self._last_at = line.time or self._last_at
        if line.level >= LogLevel.WARN:
            self.last_problem_at = max(self.last_problem_at, line.time)
            if len(self.problems) < PROBLEMS_KEPT and not self.is_previous:
                self.problems.append(line)
        return line


def _shared(line: LogLine) -> LogLine:
    """Return the line with the texts shared that agents of all nodes say."""
    return LogLine(
        line.time,
        line.level,
        _shared_text(line.message),
        _shared_text(line.subsystem),
        tuple(map(_shared_field, line.fields)),
        line.is_raw,
    )


@functools.lru_cache(maxsize=TEXTS_SHARED)
def _shared_text(text: CleanText) -> CleanText:
    return text


@functools.lru_cache(maxsize=TEXTS_SHARED)
def _shared_field(field: tuple[CleanText, CleanText]) -> tuple[CleanText, CleanText]:
    return _shared_text(field[0]), field[1]


def split_lines(piece: bytes) -> list[bytes]:
    """Return the whole lines of a bounded piece of log; a cut last one is left out."""
    lines = piece.split(b"\n")
    lines.pop()
    return lines


def bounded_reason(limit_bytes: int) -> CleanText:
    """Say why the middle of a log was not read."""
    return clean(f"only {limit_bytes // 1024} KiB of the log are read at once")
