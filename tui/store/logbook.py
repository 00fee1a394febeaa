"""Keep each node's log lines in memory: repeats folded, gaps visible, warnings outliving the rest.

The lines that explain an incident may be hours old and few, among thousands that do not.
"""

from __future__ import annotations

import functools
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from tui.cilium.logcatalogue import Meaning, explain, told_apart_by
from tui.model.logs import LogBatch, LogEntry, LogGap, LogLevel, LogLine
from tui.safety import CleanText
from tui.store.folding import Template, template

FOLD_WINDOW_SECONDS = 30.0
"""Repeats within this time are one fold, whatever stands between them."""

UNEXPLAINED_WINDOW_SECONDS = 600.0
"""The same for warnings and errors that the catalogue does not know: only their number tells."""

START_BURST_SECONDS = 60.0
"""Lines this soon after the agent's start belong to its start."""

CLOCK_SLACK_SECONDS = 2.0
"""`startedAt` has whole seconds, and the first line may be a little older than it."""

GAPS_KEPT = 20

TOTAL_ENTRIES = 60_000
"""Entries over all nodes, at about 850 bytes each with what finds them; a few more beyond 3,000
nodes, where each keeps the fewest that tell something."""


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How many entries of one node are kept."""

    problems: int = 400
    """Folds of warnings and errors."""
    others: int = 200


def limits_for(node_count: int) -> LogLimits:
    """Return each node's share of the memory for log entries."""
    share = TOTAL_ENTRIES // max(1, node_count)
    problems = max(12, min(400, share * 2 // 3))
    others = max(2, min(200, share // 3, share - problems))
    return LogLimits(problems, others)


class _Fold:
    """One entry that still counts its repeats."""

    __slots__ = ("entry", "key", "time")

    def __init__(self, key: Template, entry: LogEntry) -> None:
        self.key = key
        self.time = entry.line.time
        self.entry = entry

    def takes(self, batch: LogBatch, line: LogLine, is_newest: bool) -> bool:
        """Return whether that line is one more of these."""
        mine = self.entry
        if (
            mine.container_id != batch.container_id
            or mine.is_previous != batch.is_previous
            or line.time < self.time
            or mine.is_start_burst != _is_start_burst(batch, line)
        ):
            return False
        return is_newest or line.time - mine.last_time <= self._window

    @property
    def _window(self) -> float:
        is_problem = self.entry.line.level >= LogLevel.WARN
        is_unexplained = is_problem and not self.entry.meaning
        return UNEXPLAINED_WINDOW_SECONDS if is_unexplained else FOLD_WINDOW_SECONDS

    def add(self, line: LogLine) -> None:
        """Count one more."""
        mine = self.entry
        self.entry = replace(
            mine,
            count=mine.count + 1,
            last_time=max(mine.last_time, line.time),
            is_varied=mine.is_varied
            or line.message != mine.line.message
            or line.error != mine.line.error,
        )


def _fold_time(fold: _Fold) -> float:
    return fold.time


class _Words(NamedTuple):
    """What lines say that differ in their time only, and what follows from it."""

    key: Template
    meaning: str
    message: CleanText
    subsystem: CleanText
    fields: tuple[tuple[CleanText, CleanText], ...]
    is_raw: bool


@functools.lru_cache(maxsize=4096)
def _shared_key(key: Template) -> Template:
    """Return the first key that equals this one: nodes say much the same."""
    return key


_MEANINGS_KEPT = 4096
_meanings: dict[Template, Meaning | None] = {}


def _meaning(key: Template, line: LogLine) -> Meaning | None:
    """Return what lines of one template mean; nodes say much the same."""
    if key not in _meanings:
        if len(_meanings) >= _MEANINGS_KEPT:
            _meanings.clear()
        _meanings[key] = explain(line)
    return _meanings[key]


def _words_of(line: LogLine) -> _Words:
    """Return the words of a line; those of a line that said the same, where it is remembered."""
    return _words(line.level, line.message, line.subsystem, line.fields, line.is_raw)


@functools.lru_cache(maxsize=2048)
def _words(
    level: LogLevel,
    message: CleanText,
    subsystem: CleanText,
    fields: tuple[tuple[CleanText, CleanText], ...],
    is_raw: bool,
) -> _Words:
    line = LogLine(0.0, level, message, subsystem, fields, is_raw)
    key = template(line)
    meaning = _meaning(key, line)
    if meaning is not None and (apart := told_apart_by(line, meaning)):
        key = (*key[:4], apart)
    id_ = "" if meaning is None else meaning.id
    return _Words(_shared_key(key), id_, message, subsystem, fields, is_raw)


class _Ring:
    """Folds in the order of their first line, the oldest dropped when there are too many."""

    __slots__ = ("_by_key", "_folds")

    def __init__(self) -> None:
        self._folds: list[_Fold] = []
        self._by_key: dict[Template, _Fold] = {}

    def add(self, batch: LogBatch, line: LogLine, sequence: int) -> bool:
        """Take in a line and return whether it is an entry of its own, not a repeat."""
        words = _words_of(line)
        key = words.key
        fold = self._by_key.get(key)
        if fold is not None and fold.takes(batch, line, fold is self._folds[-1]):
            fold.add(line)
            return False
        # Thousands of nodes say the same: only the time is a line's own.
        line = LogLine(
            line.time, line.level, words.message, words.subsystem, words.fields, words.is_raw
        )
        fold = _Fold(key, _entry(batch, line, sequence, words.meaning))
        if self._folds and self._folds[-1].time > fold.time:
            insort(self._folds, fold, key=_fold_time)
        else:
            self._folds.append(fold)
        self._by_key[fold.key] = fold
        return True

    def trim(self, limit: int) -> None:
        """Drop the oldest folds beyond the limit."""
        surplus = max(0, len(self._folds) - limit)
        for fold in self._folds[:surplus]:
            if self._by_key.get(fold.key) is fold:
                del self._by_key[fold.key]
        del self._folds[:surplus]

    def __iter__(self) -> Iterator[LogEntry]:
        return (fold.entry for fold in self._folds)


class NodeLog:
    """The log of one node over all containers of its agent."""

    __slots__ = ("_gaps", "_others", "_problems", "_rows")

    def __init__(self) -> None:
        self._problems = _Ring()
        self._others = _Ring()
        self._gaps: tuple[LogGap, ...] = ()
        self._rows: tuple[LogEntry | LogGap, ...] | None = ()

    def add(self, batch: LogBatch, sequence: int, limits: LogLimits) -> int:
        """Take in a batch and return the next free sequence number."""
        if batch.gap is not None:
            self._gaps = (*self._gaps, replace(batch.gap, sequence=sequence))[-GAPS_KEPT:]
            sequence += 1
        for line in batch.lines:
            ring = self._problems if line.level >= LogLevel.WARN else self._others
            sequence += ring.add(batch, line, sequence)
        self._problems.trim(limits.problems)
        self._others.trim(limits.others)
        self._rows = None
        return sequence

    def rows(self) -> tuple[LogEntry | LogGap, ...]:
        """Return entries and gaps, oldest first; the same tuple until something changes."""
        if self._rows is None:
            rows: list[LogEntry | LogGap] = [*self._problems, *self._others, *self._gaps]
            rows.sort(key=_row_order)
            self._rows = tuple(rows)
        return self._rows


def _entry(batch: LogBatch, line: LogLine, sequence: int, meaning: str) -> LogEntry:
    return LogEntry(
        node_uid=batch.node_uid,
        container_id=batch.container_id,
        line=line,
        last_time=line.time,
        sequence=sequence,
        is_start_burst=_is_start_burst(batch, line),
        is_previous=batch.is_previous,
        meaning=meaning,
    )


def _is_start_burst(batch: LogBatch, line: LogLine) -> bool:
    if batch.agent_started_at is None:
        return False
    since_start = line.time - batch.agent_started_at
    return -CLOCK_SLACK_SECONDS <= since_start <= START_BURST_SECONDS


def _row_order(row: LogEntry | LogGap) -> tuple[float, int]:
    if isinstance(row, LogGap):
        return row.ended_at, -1
    return row.line.time, row.sequence
