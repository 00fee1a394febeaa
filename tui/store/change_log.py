"""Finding changes of our own checks and those that others tell of, without doubles.

Several judges see the same facts: the collectors', and the one of every dashboard. What they say of
one occurrence of a finding is one change: the collectors' word stands, with their time and name,
for a dashboard that began to look only now saw everything appear now. What we see alone waits for
their word first; what was back before that, such as around an agent's restart, was nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tui.model.findings import FindingChange

SAME_SECONDS = 60.0
"""Two judges see the same change at most so far apart: a sweep, and the way through the broker.
Our own changes wait so long for the others' word."""

CHANGES_KEPT = 500

_Subject = tuple[str, str]
"""A check's id and the group."""


class ChangeLog:
    """What changed, oldest first and bounded."""

    def __init__(self) -> None:
        self._own: Sequence[FindingChange] = ()
        self._shared: list[FindingChange] = []
        self._is_stale = False
        self._due_at = float("inf")
        """When the next of our own changes has waited long enough."""
        self._changes: tuple[FindingChange, ...] = ()

    def take_own(self, own: Sequence[FindingChange], now: float) -> tuple[FindingChange, ...]:
        """Take in what our own checks saw until now, and return everything."""
        if own is not self._own or now >= self._due_at or self._is_stale:
            self._own = own
            self._tell(now)
        return self._changes

    def take_shared(self, shared: Iterable[FindingChange]) -> bool:
        """Take in what others saw, for `take_own` to return; return whether any of it is new."""
        known = len(self._shared)
        for change in shared:
            if not _is_told(change, self._shared):
                self._shared.append(change)
        if len(self._shared) == known:
            return False
        self._shared.sort(key=_time)
        del self._shared[:-CHANGES_KEPT]
        self._is_stale = True
        return True

    def _tell(self, now: float) -> None:
        self._is_stale, self._due_at = False, float("inf")
        if not self._shared:
            self._changes = tuple(self._own[-CHANGES_KEPT:])
            return
        told = list(self._shared)
        for change in self._untold():
            due_at = change.at + SAME_SECONDS
            if now < due_at:
                self._due_at = min(self._due_at, due_at)
            else:
                told.append(change)
        told.sort(key=_time)
        self._changes = tuple(told[-CHANGES_KEPT:])

    def _untold(self) -> Iterator[FindingChange]:
        """Yield our own changes that no other tells."""
        shared, own = _by_subject(self._shared), _by_subject(self._own)
        for subject, ours in own.items():
            yield from _alone(ours, shared.get(subject, ()))


def _alone(own: Sequence[FindingChange], shared: Sequence[FindingChange]) -> list[FindingChange]:
    """Return our own changes of one subject that others do not tell, both oldest first."""
    alone: list[FindingChange] = []
    for place, change in enumerate(own):
        until = own[place + 1].at if place + 1 < len(own) else float("inf")
        # What we alone saw end has begun anew.
        since = alone[-1].at if alone else float("-inf")
        if not (
            any(
                _is_same(one, change) and _is_close(one, change) and one.at > since
                for one in shared
            )
            or _is_known(change, shared, since)
            or _comes_later(change, shared, until)
        ):
            alone.append(change)
            if len(alone) > 1 and _is_undone(*alone[-2:]):
                del alone[-2:]
    return alone


def _is_undone(change: FindingChange, next_: FindingChange) -> bool:
    """Tell whether a change was taken back before anybody else took it for one."""
    return _is_close(change, next_) and (change.before, change.after) == (next_.after, next_.before)


def _is_known(change: FindingChange, shared: Sequence[FindingChange], since: float) -> bool:
    """Tell whether others had told of the state before: nothing changed but that we look now."""
    earlier = [one for one in shared if one.at <= change.at + SAME_SECONDS]
    return bool(earlier) and earlier[-1].after is change.after and earlier[-1].at > since


def _comes_later(change: FindingChange, shared: Sequence[FindingChange], until: float) -> bool:
    """Tell whether the next that others tell is the same, before we saw anything else."""
    later = next((one for one in shared if one.at > change.at + SAME_SECONDS), None)
    return later is not None and later.at < until and _is_same(later, change)


def _is_told(change: FindingChange, shared: Sequence[FindingChange]) -> bool:
    """Tell whether another collector, or the same one, told it before."""
    others = [one for one in shared if _subject(one) == _subject(change)]
    if change in others:
        return True
    for known in others:
        if _is_same(known, change) and _is_close(known, change):
            first, last = sorted((known.at, change.at))
            if not any(first < one.at < last and not _is_same(one, change) for one in others):
                return True
    return False


def _by_subject(changes: Iterable[FindingChange]) -> dict[_Subject, list[FindingChange]]:
    found: dict[_Subject, list[FindingChange]] = {}
    for change in changes:
        found.setdefault(_subject(change), []).append(change)
    return found


def _subject(change: FindingChange) -> _Subject:
    return change.id, change.group


def _is_same(one: FindingChange, other: FindingChange) -> bool:
    return (one.before, one.after) == (other.before, other.after)


def _is_close(one: FindingChange, other: FindingChange) -> bool:
    return abs(one.at - other.at) <= SAME_SECONDS


def _time(change: FindingChange) -> float:
    return change.at
