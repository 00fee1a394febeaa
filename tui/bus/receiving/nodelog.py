"""Put a node's log together from what several messages tell of it, with no line twice.

The facts carry a few telling entries for whoever comes late, `warnings` the lines as they come; and
a collector that takes a node over reads its log from the start again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tui.model.logs import LogBatch, LogEntry, LogGap, LogLine
from tui.model.names import ContainerId, NodeUid
from tui.model.node import AgentPod
from tui.safety import CleanText, clean

REMEMBERED_SECONDS = 300.0
"""How long lines of the facts are known again: those on their way come within seconds."""

_CONTAINERS = 4
"""Of one node, with the previous ones."""

_Key = tuple[ContainerId, bool]


class _End:
    """Where a container's log ends, as far as it came."""

    __slots__ = ("lines", "time")

    def __init__(self, time: float, lines: frozenset[int]) -> None:
        self.time = time
        self.lines = lines

    def has(self, line: LogLine) -> bool:
        """Whether a line that is told again was told before."""
        return line.time < self.time or (line.time == self.time and _mark(line) in self.lines)


class NodeLog:
    """What came of one node's log."""

    __slots__ = ("_ends", "_marks", "_marks_until", "_replayed", "_uid")

    def __init__(self, uid: NodeUid) -> None:
        self._uid = uid
        self._ends: dict[_Key, _End] = {}
        self._replayed: dict[_Key, _End] = {}
        """Where a log ended as another collector took over, until it is past that."""
        self._marks: set[int] = set()
        """Lines that the facts told, which `warnings` may tell too."""
        self._marks_until = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing of the log has come yet."""
        return not self._ends

    def entries(
        self, entries: Sequence[LogEntry], agent: AgentPod | None, now_mono: float
    ) -> list[LogBatch]:
        """Return the lines of the facts' entries, while no others have come.

        Of a fold its first and its last line: what lay between them was not sent.
        """
        if not self.is_empty or not entries:
            return []
        groups: dict[_Key, list[LogLine]] = {}
        for entry in entries:
            lines = groups.setdefault((entry.container_id, entry.is_previous), [])
            lines.append(entry.line)
            if entry.count > 1 and entry.last_time > entry.line.time:
                lines.append(replace(entry.line, time=entry.last_time))
        batches: list[LogBatch] = []
        for (container, is_previous), lines in groups.items():
            lines.sort(key=_time)
            self._marks.update(map(_mark, lines))
            is_current = agent is not None and agent.container_id == container and not is_previous
            started_at = agent.started_at if agent is not None and is_current else None
            batch = LogBatch(
                self._uid, container, tuple(lines), None, is_previous, agent_started_at=started_at
            )
            batches.append(batch)
            self._note(batch)
        batches.sort(key=lambda batch: batch.lines[0].time)
        self._marks_until = now_mono + REMEMBERED_SECONDS
        return batches

    def batches(
        self, batches: Iterable[LogBatch], *, is_handover: bool, lost: CleanText
    ) -> list[LogBatch]:
        """Return the batches without the lines that came before.

        Args:
            batches: what one message tells.
            is_handover: whether another collector, or another run of it, told the rest.
            lost: what was lost just before them; empty where nothing was.
        """
        if is_handover:
            self._replayed = dict(self._ends)
        before = max((end.time for end in self._ends.values()), default=None)
        kept: list[LogBatch] = []
        for batch in batches:
            if batch.node_uid != self._uid:
                continue
            fresh = self._fresh(batch)
            if fresh.lines or fresh.gap is not None:
                kept.append(fresh)
                self._note(batch)
        return _with_gap(kept, before, lost) if lost and kept else kept

    def tick(self, now_mono: float) -> None:
        """Forget what nobody will tell again."""
        if self._marks and now_mono > self._marks_until:
            self._marks = set()

    def _fresh(self, batch: LogBatch) -> LogBatch:
        key = (batch.container_id, batch.is_previous)
        end = self._replayed.get(key)
        lines = batch.lines
        if end is not None:
            lines = tuple(line for line in lines if not end.has(line))
            if lines:
                del self._replayed[key]
        if self._marks:
            lines = tuple(line for line in lines if _mark(line) not in self._marks)
        gap = batch.gap if end is None or lines else None
        return batch if len(lines) == len(batch.lines) else replace(batch, lines=lines, gap=gap)

    def _note(self, batch: LogBatch) -> None:
        if not batch.lines:
            return
        key = (batch.container_id, batch.is_previous)
        time = max(map(_time, batch.lines))
        before = self._ends.pop(key, None)
        if before is not None and before.time > time:
            self._ends[key] = before
            return
        marks = {_mark(line) for line in batch.lines if line.time == time}
        if before is not None and before.time == time:
            marks |= before.lines
        self._ends[key] = _End(time, frozenset(marks))
        if len(self._ends) > _CONTAINERS:
            del self._ends[next(iter(self._ends))]


def _with_gap(batches: list[LogBatch], before: float | None, lost: CleanText) -> list[LogBatch]:
    """Return the batches with a gap before the first: from the last line of before to its first."""
    first, own = batches[0], batches[0].gap
    first_time = first.lines[0].time if first.lines else before or 0.0
    since = first_time if own is None else own.started_at
    until = first_time if own is None else own.ended_at
    reason = lost if own is None else clean(f"{own.reason}; {lost}")
    if before is not None:
        since = min(since, before)
    return [replace(first, gap=LogGap(first.node_uid, since, until, None, reason)), *batches[1:]]


def _time(line: LogLine) -> float:
    return line.time


def _mark(line: LogLine) -> int:
    return hash((line.time, line.message))
