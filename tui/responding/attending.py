"""Nodes in work, read directly beside a broker: an operation's end must not hang on the broker.

Two readers of a node are acceptable for that time: it is the person's own operation on few nodes.
What a node is known by is its UID, so another cluster's node is never taken for one in work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from tui.errors import CiltopError
from tui.model.logs import LogBatch
from tui.model.names import ContainerId, NodeName, NodeUid
from tui.model.node import AgentPod
from tui.model.reading import Reading
from tui.model.snapshot import (
    Fact,
    HealthChanged,
    LogTrouble,
    NodeGone,
    NodeReport,
    NodeSeen,
    SourceHealth,
    SourceState,
)
from tui.safety import CleanText, clean

LOG = logging.getLogger("tui.responding.attending")

READ = (SourceState.LIVE, SourceState.DEGRADED)

_READINGS = ("version", "status", "metrics", "maps", "services", "features", "config", "host")
_NOTHING = CleanText("")


class ReadsNodes(Protocol):
    """A source that reads a share of the nodes of a cluster."""

    def facts(self) -> AsyncIterator[Fact]:
        """Yield facts."""
        ...

    def revisit(self, uids: Collection[NodeUid]) -> None:
        """Read these nodes now."""
        ...

    def set_share(self, owns: Callable[[NodeName], bool] | None) -> None:
        """Read only the nodes that this function names."""
        ...


OpensReader = Callable[[], Awaitable[ReadsNodes]]


@dataclass(slots=True)
class _Direct:
    """What was read of one node directly."""

    seen: NodeSeen | None = None
    is_seen: bool = False
    """Since it was chosen the last time; so is `is_answered`."""
    is_answered: bool = False
    answered_at: float | None = None
    error: CleanText = _NOTHING
    observed_at: dict[str, float] = field(default_factory=dict)
    log: tuple[ContainerId, float] | None = None
    """The newest line's container and time."""
    has_trouble_told: bool = False
    withheld: NodeSeen | None = None
    """What the broker told of it since it was seen directly."""

    @property
    def is_known(self) -> bool:
        """Whether it is known how the node is: an agent that restarts answers nobody."""
        agent = None if self.seen is None else self.seen.agent
        return self.is_seen and (self.is_answered or agent is None or not agent.is_ready)

    def note(self, report: NodeReport) -> None:
        """Remember how new its readings are."""
        if report.answered_at is None:
            return
        self.is_answered = True
        self.answered_at, self.error = report.answered_at, report.error
        for name in _READINGS:
            reading: Reading[Any] | None = getattr(report, name)
            if reading is not None and reading.is_known and reading.origin is not None:
                self.observed_at[name] = reading.origin.observed_at

    def newer(self, report: NodeReport, *, is_held: bool) -> NodeReport | None:
        """Return what a broker's report tells that is newer than what was read directly.

        That an exec failed since is news, unless the node is read directly now.
        """
        if self.answered_at is None:
            return report
        is_older = report.answered_at is None or report.answered_at < self.answered_at
        dropped: dict[str, Any] = {}
        is_left = False
        for name in _READINGS:
            reading: Reading[Any] | None = getattr(report, name)
            known_at = self.observed_at.get(name)
            if reading is None:
                continue
            told_at = report.answered_at if reading.origin is None else reading.origin.observed_at
            if known_at is not None and (told_at is None or told_at < known_at):
                dropped[name] = None
            else:
                is_left = True
        if is_older:
            is_failed = bool(report.error) and not is_held
            if not is_left and not is_failed:
                return None
            error = report.error if is_failed else self.error
            dropped |= {"answered_at": self.answered_at, "error": error}
        return replace(report, **dropped) if dropped else report


class Attending:
    """Reads the nodes in work, and has the newer word of the broker's and its own win.

    Args:
        tell: takes a fact that was read directly, or that follows from it.
    """

    def __init__(self, tell: Callable[[Fact], None]) -> None:
        self._tell = tell
        self._uids: frozenset[NodeUid] = frozenset()
        self._share: frozenset[NodeName] = frozenset()
        self._names: dict[NodeUid, NodeName] = {}
        self._direct: dict[NodeUid, _Direct] = {}
        self._logged: dict[NodeUid, tuple[ContainerId, float]] = {}
        self._troubles: dict[NodeUid, CleanText] = {}
        self._health = SourceHealth()
        self._is_reading_well = False
        self._is_told_covered = False
        self._reader: ReadsNodes | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    def revisit(self, uids: Collection[NodeUid], opens: OpensReader) -> None:
        """Read these nodes now, and go on until others are named, or none."""
        chosen = frozenset(uids)
        if chosen != self._uids:
            self._choose(chosen)
        if not chosen:
            self._stop()
        elif self._reading is None:
            self._reading = asyncio.create_task(self._read(opens), name="read the nodes in work")
        elif self._reader is not None:
            self._reader.revisit(chosen)
        self._tell_cover()

    async def close(self) -> None:
        """Stop, and forget the cluster."""
        self._uids = frozenset()
        self._stop()
        await asyncio.gather(*self._ending, return_exceptions=True)
        for known in (self._names, self._direct, self._logged, self._troubles):
            known.clear()
        self._health, self._is_told_covered = SourceHealth(), False

    def admitted(self, fact: Fact) -> Fact | None:
        """Return what the broker's fact tells that is not known better; None for nothing."""
        match fact:
            case HealthChanged():
                self._health = fact.health
                self._is_told_covered = self._is_covered()
                return HealthChanged(self._judged())
            case NodeSeen():
                return self._admitted_node(fact)
            case NodeGone():
                for known in (self._names, self._direct, self._logged, self._troubles):
                    known.pop(fact.node_uid, None)
            case NodeReport() if fact.node_uid in self._direct:
                uid = fact.node_uid
                return self._direct[uid].newer(fact, is_held=self._holds(uid))
            case LogBatch():
                direct = self._direct.get(fact.node_uid)
                batch = _after(fact, None if direct is None else direct.log)
                _advance(self._logged, fact)
                return batch
            case LogTrouble():
                self._troubles[fact.node_uid] = fact.reason
                if self._holds(fact.node_uid) and self._direct[fact.node_uid].log is not None:
                    return None
        return fact

    def _admitted_node(self, seen: NodeSeen) -> NodeSeen | None:
        uid = seen.node.uid
        self._names[uid] = seen.node.name
        direct = self._direct.get(uid)
        if direct is None or direct.seen is None:
            return seen
        if self._holds(uid):
            direct.withheld = seen
            return None
        return None if _is_older(seen.agent, direct.seen.agent) else seen

    def _holds(self, uid: NodeUid) -> bool:
        """Whether what is read directly is as good as it gets."""
        direct = self._direct.get(uid)
        is_read = self._is_reading_well and uid in self._uids
        return is_read and direct is not None and direct.is_known

    def _is_covered(self) -> bool:
        return bool(self._uids) and all(map(self._holds, self._uids))

    def _judged(self) -> SourceHealth:
        health = self._health
        if health.state is not SourceState.LOST or not self._is_covered():
            return health
        reason = clean(f"the nodes in work are read directly: {health.reason}")
        return replace(health, state=SourceState.DEGRADED, reason=reason, is_partial=True)

    def _tell_cover(self) -> None:
        """Tell of the health where it is another one by what is read directly."""
        is_covered = self._is_covered()
        if is_covered != self._is_told_covered:
            self._is_told_covered = is_covered
            if self._health.state is SourceState.LOST:
                self._tell(HealthChanged(self._judged()))

    def _choose(self, uids: frozenset[NodeUid]) -> None:
        for uid in self._uids - uids:
            self._hand_back(uid)
        for uid in uids - self._uids:
            direct = self._direct.setdefault(uid, _Direct())
            direct.is_seen = direct.is_answered = False
        self._uids = uids
        self._share = frozenset(self._names[uid] for uid in uids if uid in self._names)
        if self._reader is not None:
            self._reader.set_share(self._owns)

    def _owns(self, name: NodeName) -> bool:
        return name in self._share

    def _hand_back(self, uid: NodeUid) -> None:
        """Believe the broker again: it tells nothing twice."""
        direct = self._direct.get(uid)
        if direct is None:
            return
        if direct.has_trouble_told:
            direct.has_trouble_told = False
            self._tell(LogTrouble(uid, self._troubles.get(uid, _NOTHING)))
        seen, direct.withheld = direct.withheld, None
        if seen is None or direct.seen is None or self._health.state not in READ:
            return
        if not _is_older(seen.agent, direct.seen.agent):
            self._tell(seen)

    def _stop(self) -> None:
        reading, self._reading, self._reader = self._reading, None, None
        self._is_reading_well = False
        if reading is not None:
            reading.cancel()
            self._ending.add(reading)
            reading.add_done_callback(self._ending.discard)

    async def _read(self, opens: OpensReader) -> None:
        try:
            reader = await opens()
            reader.set_share(self._owns)
            reader.revisit(self._uids)
            self._reader = reader
            async with aclosing(reader.facts()) as facts:  # type: ignore[type-var]  # sources are async generators
                async for fact in facts:
                    self._take(fact)
        except CiltopError as error:
            LOG.warning("the nodes in work can't be read directly: %s", error.message)
        except Exception:
            LOG.exception("the nodes in work are not read directly any more")
        # Not reached when cancelled: another reader may be at work by then.
        self._reader, self._is_reading_well = None, False
        self._tell_cover()

    def _take(self, fact: Fact) -> None:
        """Hand on what was read directly of the nodes in work, and nothing else."""
        match fact:
            case HealthChanged():
                self._is_reading_well = fact.health.state in READ
            case NodeSeen() if fact.node.uid in self._uids:
                direct = self._direct[fact.node.uid]
                direct.seen, direct.is_seen, direct.withheld = fact, True, None
                self._tell(fact)
            case NodeGone() if fact.node_uid in self._uids and not fact.has_moved:
                self._tell(fact)
            case NodeReport() if fact.node_uid in self._uids:
                self._take_report(fact)
            case LogBatch() if fact.node_uid in self._uids:
                batch = _after(fact, self._logged.get(fact.node_uid))
                self._note_log(fact)
                if batch is not None:
                    self._tell(batch)
            case LogTrouble() if fact.node_uid in self._uids:
                if not fact.reason or self._health.state is SourceState.LOST:
                    self._direct[fact.node_uid].has_trouble_told = True
                    self._tell(fact)
        self._tell_cover()

    def _take_report(self, report: NodeReport) -> None:
        """Hand on a report; what may not be read from here the collectors may still read."""
        self._direct[report.node_uid].note(report)
        if self._health.state is not SourceState.LOST:
            if report.answered_at is None:
                return
            failed = {
                name: None
                for name in _READINGS
                if (reading := getattr(report, name)) is not None and not reading.is_known
            }
            report = replace(report, **failed) if failed else report  # type: ignore[arg-type]  # names of readings
        self._tell(report)

    def _note_log(self, batch: LogBatch) -> None:
        direct = self._direct[batch.node_uid]
        known = {} if direct.log is None else {batch.node_uid: direct.log}
        _advance(known, batch)
        direct.log = known.get(batch.node_uid)


def _is_older(one: AgentPod | None, other: AgentPod | None) -> bool:
    """Whether one agent is the one before the other."""
    if one is None or other is None or one.started_at is None or other.started_at is None:
        return False
    return one.started_at < other.started_at


def _after(batch: LogBatch, newest: tuple[ContainerId, float] | None) -> LogBatch | None:
    """Return the lines that the other reader did not bring; None where there are none."""
    if newest is None or batch.container_id != newest[0] or batch.is_previous:
        return batch
    lines = tuple(line for line in batch.lines if line.time > newest[1])
    if not lines and batch.gap is None:
        return None
    return batch if len(lines) == len(batch.lines) else replace(batch, lines=lines)


def _advance(newest: dict[NodeUid, tuple[ContainerId, float]], batch: LogBatch) -> None:
    """Remember the newest line of the newest container."""
    if batch.is_previous or not batch.lines:
        return
    last = max(line.time for line in batch.lines)
    known = newest.get(batch.node_uid)
    if known is None or last > known[1]:
        newest[batch.node_uid] = (batch.container_id, last)
