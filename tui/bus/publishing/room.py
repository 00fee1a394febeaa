"""The incident room: what responders did and what changed, kept for whoever comes late.

Every collector listens, so that any of them can go on when the one that publishes the room dies.
All times in it are by the clock of the collector that keeps it: what comes from others is shifted
when it is heard, and told apart by its ids.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from tui.bus.receiving.retold import AuditBook
from tui.bus.wire.messages import FindingsMessage, RoomChange, RoomMessage
from tui.model.findings import Finding, FindingChange, FindingSeverity
from tui.model.operations import AuditRecord
from tui.safety import CleanText

ID_BYTES = 8

MOST_CHANGES = 200
MOST_RECORDS = 200

END_SECONDS = 30.0
"""A finding must be gone for so long before its end is told: nodes that move to another collector
are not judged for a while."""

CHANGE_NODES = 5
"""Nodes that a change names."""

_HARM = frozenset({FindingSeverity.ACTIVE, FindingSeverity.ARMED})

T = TypeVar("T")

Subject = tuple[str, str]
"""A check's id and the group."""


@dataclass(frozen=True, slots=True)
class _Worst:
    """How bad a subject is, and who says so."""

    severity: FindingSeverity
    title: CleanText
    by: CleanText


class RoomBook:
    """The latest finding changes and audit records; none twice."""

    def __init__(self) -> None:
        self._changes: list[RoomChange] = []
        self._told: dict[object, None] = {}
        """What tells the changes apart, the latest of them."""
        self._records: list[AuditRecord] = []
        self._audit = AuditBook()
        self._worst: dict[Subject, _Worst] = {}
        """Of each subject that harms."""
        self._absent_since: dict[Subject, float] = {}
        self.version = 0
        """Grows with whatever is new in it."""

    def message(self) -> RoomMessage:
        """Return all of it, oldest first."""
        return RoomMessage(tuple(self._changes), tuple(self._records))

    def heard(self, room: RoomMessage, shift: float = 0.0) -> None:
        """Take in a room that another collector, or this one before, has published.

        Args:
            room: its message.
            shift: what to add to its times to have them by our clock.
        """
        changes = [_moved_change(one, shift) for one in room.changes]
        self._add_changes(changes)
        self.add_records(room.records, shift)
        for known in sorted(changes, key=_change_time):
            self._recall(known)

    def add_records(self, records: Iterable[AuditRecord], shift: float = 0.0) -> None:
        """Take in what responders did.

        Args:
            records: as they came.
            shift: what to add to their times to have them by our clock.
        """
        moved = (replace(one, at=max(0.0, one.at + shift)) for one in records)
        fresh = [one for one in moved if self._audit.is_new(one)]
        self.version += _put_in_order(self._records, fresh, _record_time, MOST_RECORDS)

    def compare(self, parts: Mapping[str, FindingsMessage], now: float) -> None:
        """Note how the worst severity of each subject changed since the last call.

        Args:
            parts: the findings of each collector, by its id.
            now: seconds since the epoch.
        """
        worst = _worst_of(parts)
        found = []
        for subject, (finding, by) in worst.items():
            before = self._worst.get(subject)
            if before is None or before.severity is not finding.severity:
                found.append(_change(finding, None if before is None else before.severity, by, now))
            self._worst[subject] = _Worst(finding.severity, finding.title, by)
            self._absent_since.pop(subject, None)
        for subject in self._worst.keys() - worst.keys():
            since = self._absent_since.setdefault(subject, now)
            if not 0.0 <= now - since < END_SECONDS:
                del self._absent_since[subject]
                found.append(_end(subject, self._worst.pop(subject), since))
        self._add_changes(sorted(found, key=_change_time))

    def _add_changes(self, changes: Iterable[RoomChange]) -> None:
        by_identity = {one.id or one: one for one in changes}
        fresh = [one for identity, one in by_identity.items() if identity not in self._told]
        self._told.update(dict.fromkeys(by_identity))
        for identity in list(self._told)[: -2 * MOST_CHANGES]:
            del self._told[identity]
        self.version += _put_in_order(self._changes, fresh, _change_time, MOST_CHANGES)

    def _recall(self, known: RoomChange) -> None:
        """Take a change for granted, so that it is not told once more as new."""
        change = known.change
        subject = (change.id, change.group)
        if change.after is None:
            self._worst.pop(subject, None)
        elif change.after in _HARM:
            self._worst[subject] = _Worst(change.after, change.title, known.by)


def _worst_of(parts: Mapping[str, FindingsMessage]) -> dict[Subject, tuple[Finding, CleanText]]:
    """Return the worst finding of each subject that harms, and the collector that has it."""
    worst: dict[Subject, tuple[Finding, CleanText]] = {}
    for collector in sorted(parts):
        for finding in parts[collector].findings:
            if finding.severity not in _HARM:
                continue
            subject = (finding.id, finding.group)
            known = worst.get(subject)
            if known is None or _badness(finding) < _badness(known[0]):
                worst[subject] = (finding, CleanText(collector))
    return worst


def _badness(finding: Finding) -> tuple[int, int]:
    return (finding.severity.rank, -finding.harm)


def _change(
    finding: Finding, before: FindingSeverity | None, by: CleanText, now: float
) -> RoomChange:
    is_new = before is None and finding.first_seen is not None
    return RoomChange(
        FindingChange(
            at=(finding.first_seen or now) if is_new else now,
            id=finding.id,
            group=finding.group,
            title=finding.title,
            before=before,
            after=finding.severity,
            node_names=finding.node_names[:CHANGE_NODES],
            nodes_total=finding.nodes_total or len(finding.nodes),
        ),
        by,
        _fresh_id(),
    )


def _end(subject: Subject, before: _Worst, now: float) -> RoomChange:
    change = FindingChange(now, *subject, before.title, before.severity, None)
    return RoomChange(change, before.by, _fresh_id())


def _fresh_id() -> str:
    return secrets.token_hex(ID_BYTES)


def _moved_change(told: RoomChange, shift: float) -> RoomChange:
    return replace(told, change=replace(told.change, at=max(0.0, told.change.at + shift)))


def _change_time(room_change: RoomChange) -> float:
    return room_change.change.at


def _record_time(record: AuditRecord) -> float:
    return record.at


def _put_in_order(kept: list[T], fresh: list[T], time_of: Callable[[T], float], most: int) -> bool:
    """Add what is new, in the order of time, and drop the oldest; return whether any was new."""
    kept += fresh
    kept.sort(key=time_of)
    del kept[:-most]
    return bool(fresh)
