"""Finding changes of our own checks and those that others tell of, without doubles.

Several judges see the same facts: the collectors', and the one of every dashboard. What two of them
say of one finding at about the same time is one change, told with the name of who shared it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tui.model.findings import FindingChange

SAME_SECONDS = 60.0
"""Two judges see the same change at most so far apart: a sweep, and the way through the broker."""

CHANGES_KEPT = 500


class ChangeLog:
    """What changed, in the order in which it was heard, bounded."""

    def __init__(self) -> None:
        self._changes: list[FindingChange] = []
        self._own: Sequence[FindingChange] = ()
        self._has_shared = False
        self.changes: tuple[FindingChange, ...] = ()

    def take_own(self, own: Sequence[FindingChange]) -> tuple[FindingChange, ...]:
        """Take in what our own checks saw so far, and return everything."""
        if own is self._own:
            return self.changes
        new, self._own = _after(own, self._own), own
        if not self._has_shared:
            self._changes = list(own)
        for change in new if self._has_shared else ():
            if self._place(change) is None and not self._is_late(change):
                self._changes.append(change)
        return self._told()

    def take_shared(self, shared: Iterable[FindingChange]) -> bool:
        """Take in what others saw; return whether any of it is new."""
        before = self.changes
        for change in shared:
            self._has_shared = True
            place = self._place(change)
            if place is None:
                self._changes.append(change)
            elif not self._changes[place].by:
                self._changes[place] = replace(self._changes[place], by=change.by)
        self._changes = [one for one in self._changes if one.by or not self._is_late(one)]
        return self._told() != before

    def _told(self) -> tuple[FindingChange, ...]:
        del self._changes[:-CHANGES_KEPT]
        self.changes = tuple(self._changes)
        return self.changes

    def _place(self, change: FindingChange) -> int | None:
        """Return where the same change is, told by somebody else or once more."""
        for place in range(len(self._changes) - 1, -1, -1):
            known = self._changes[place]
            if _is_same(known, change) and abs(known.at - change.at) <= SAME_SECONDS:
                return place
        return None

    def _is_late(self, change: FindingChange) -> bool:
        """Tell whether others know this of old, and we have only just begun to look."""
        if change.before is not None:
            return False
        earlier = [
            one
            for one in self._changes
            if one.by and _subject(one) == _subject(change) and one.at <= change.at + SAME_SECONDS
        ]
        latest = max(earlier, key=lambda one: one.at, default=None)
        return latest is not None and latest.after is change.after


def _after(own: Sequence[FindingChange], known: Sequence[FindingChange]) -> Sequence[FindingChange]:
    """Return what was added behind the last known one; all where that was pushed out."""
    last = known[-1] if known else None
    for place in range(len(own) - 1, -1, -1):
        if own[place] is last:
            return own[place + 1 :]
    return own


def _subject(change: FindingChange) -> tuple[str, str]:
    return change.id, change.group


def _is_same(one: FindingChange, other: FindingChange) -> bool:
    return _subject(one) == _subject(other) and (one.before, one.after) == (
        other.before,
        other.after,
    )
