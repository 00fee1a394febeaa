"""Take the log lines that matter off a source's facts, on their way to the store.

The collector's thread fills the tee, the bus empties it; neither waits. What is given up becomes a
gap in the node's log, so that it is seen.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from tui.cilium.logcatalogue import explain
from tui.model.logs import LogBatch, LogGap, LogLevel, LogLine
from tui.model.names import ContainerId, NodeName, NodeUid
from tui.model.snapshot import Fact, Source
from tui.safety import CleanText

MOST_LINES_EACH = 400
"""Lines of one node that wait at most."""

MOST_LINES = 20_000
"""The same over all nodes."""

MOST_TOLD = 50_000
"""Nodes of which a line was told; a cluster whose nodes come and go would fill the memory."""

GIVEN_UP = CleanText("more lines than can be sent to the broker")


def is_worth_sending(line: LogLine) -> bool:
    """Tell whether a line is a warning or worse, or one that the log catalogue knows."""
    return line.level >= LogLevel.WARN or explain(line) is not None


def merged_gap(older: LogGap | None, newer: LogGap | None) -> LogGap | None:
    """Return one gap for two: from the begin of the first to the end of the last."""
    if older is None or newer is None:
        return older or newer
    is_counted = older.lost_lines is not None and newer.lost_lines is not None
    return replace(
        newer,
        started_at=min(older.started_at, newer.started_at),
        ended_at=max(older.ended_at, newer.ended_at),
        lost_lines=(older.lost_lines or 0) + (newer.lost_lines or 0) if is_counted else None,
    )


def lost_gap(node_uid: NodeUid, lines: Sequence[LogLine]) -> LogGap | None:
    """Return the gap that some lines of a node leave; None where there are none."""
    if not lines:
        return None
    times = [line.time for line in lines]
    return LogGap(node_uid, min(times), max(times), len(lines), GIVEN_UP)


@dataclass(slots=True)
class _Waiting:
    batches: deque[LogBatch] = field(default_factory=deque)
    lines: int = 0


class LogTee:
    """Batches on their way from the collector's thread to the bus; bounded."""

    def __init__(self, most_each: int = MOST_LINES_EACH, most: int = MOST_LINES) -> None:
        self._most_each = most_each
        self._most = most
        self._lock = threading.Lock()
        self._nodes: dict[NodeUid, _Waiting] = {}
        self._lines = 0
        self._dropped = 0
        self._told: dict[NodeUid, ContainerId] = {}
        """The container of which anything was told last."""

    @property
    def dropped_lines(self) -> int:
        """Lines that were given up since the start."""
        return self._dropped

    def offer(self, batch: LogBatch) -> None:
        """Keep what is worth sending of a batch, and of each container's log at least one line.

        Without it nobody could tell a calm log from one that is not read.
        """
        lines = tuple(line for line in batch.lines if is_worth_sending(line))
        if batch.lines and not batch.is_previous:
            if not lines and self._told.get(batch.node_uid) != batch.container_id:
                lines = batch.lines[:1]
            if lines:
                if len(self._told) >= MOST_TOLD:
                    self._told.clear()
                self._told[batch.node_uid] = batch.container_id
        if not lines and batch.gap is None:
            return
        with self._lock:
            waiting = self._nodes.setdefault(batch.node_uid, _Waiting())
            waiting.batches.append(replace(batch, lines=lines))
            waiting.lines += len(lines)
            self._lines += len(lines)
            self._shorten(waiting)

    def take(self) -> list[LogBatch]:
        """Return everything that waits, each node's batches in the order they were read."""
        with self._lock:
            taken, self._nodes, self._lines = self._nodes, {}, 0
        return [batch for waiting in taken.values() for batch in waiting.batches]

    def _shorten(self, waiting: _Waiting) -> None:
        """Give up a node's oldest lines while there are too many, and leave a gap for them."""
        gap: LogGap | None = None
        while self._is_too_full(waiting):
            first = waiting.batches.popleft()
            excess = max(waiting.lines - self._most_each, self._lines - self._most)
            # Too many batches of few lines each go as a whole.
            count = min(excess, len(first.lines)) if excess > 0 else len(first.lines)
            lost, rest = first.lines[:count], first.lines[count:]
            gap = merged_gap(merged_gap(gap, first.gap), lost_gap(first.node_uid, lost))
            waiting.lines -= count
            self._lines -= count
            self._dropped += count
            if rest or not waiting.batches:
                waiting.batches.appendleft(replace(first, lines=rest, gap=None))
        if gap is not None:
            first = waiting.batches[0]
            waiting.batches[0] = replace(first, gap=merged_gap(gap, first.gap))

    def _is_too_full(self, waiting: _Waiting) -> bool:
        return (
            waiting.lines > self._most_each
            or len(waiting.batches) > self._most_each
            or (self._lines > self._most and waiting.lines > 0)
        )


@runtime_checkable
class TakesShare(Protocol):
    """A source that can be told which nodes, by name, are its own to read."""

    def set_share(self, owns: Callable[[NodeName], bool] | None) -> None:
        """Read these nodes only; None for all."""
        ...


class TeeSource:
    """A source whose log batches are shown to somebody else too."""

    def __init__(self, source: Source, offer: Callable[[LogBatch], None]) -> None:
        self._source = source
        self._offer = offer

    @property
    def name(self) -> str:
        """What to call it on screen."""
        return self._source.name

    async def facts(self) -> AsyncIterator[Fact]:
        """Yield the source's facts, every one of them."""
        facts = self._source.facts()
        async with aclosing(facts) as following:  # type: ignore[type-var]  # sources are async generators
            async for fact in following:
                if isinstance(fact, LogBatch):
                    self._offer(fact)
                yield fact

    def focus(self, chosen: NodeUid | None, marked: frozenset[NodeUid]) -> None:
        """Read these nodes first."""
        self._source.focus(chosen, marked)

    def request_count(self, node: NodeUid, map_name: str) -> None:
        """Ask for one map to be counted in place now."""
        self._source.request_count(node, map_name)

    def set_share(self, owns: Callable[[NodeName], bool] | None) -> None:
        """Read these nodes only; None for all."""
        if isinstance(self._source, TakesShare):
            self._source.set_share(owns)
