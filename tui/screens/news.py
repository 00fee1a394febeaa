"""What to say of findings that appeared or are gone since the person looked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from tui.model.findings import FindingChange, FindingSeverity
from tui.model.snapshot import Snapshot
from tui.screens import wording
from tui.screens.verdicts import LOUD
from widgets.symbols import symbols

SAID_AT_ONCE = 2
"""More changes than these in one snapshot are told by their number."""


class FindingNews:
    """Tell the changes since the checks had first judged every node."""

    def __init__(self) -> None:
        self._seen: tuple[FindingChange, ...] = ()
        self._has_begun = False
        self._begun_at = 0.0
        self._cluster = ""

    def take(self, snapshot: Snapshot, muted: Collection[str]) -> list[tuple[str, bool]]:
        """Return what is new, as sentences, and whether each is bad news."""
        changes = snapshot.finding_changes
        if snapshot.room.chosen != self._cluster:
            self._cluster, self._has_begun = snapshot.room.chosen, False
        if not self._has_begun:
            # What stands there at the start is no news.
            self._has_begun = (
                snapshot.is_complete and bool(snapshot.findings) and not (snapshot.unjudged_nodes)
            )
            self._seen = changes
            self._begun_at = snapshot.taken_at if snapshot.room.chosen else 0.0
            return []
        seen, self._seen = self._seen, changes
        if seen is changes:
            return []
        # Over a broker, changes from before the beginning can come after it: they are no news.
        news = [
            change
            for change in _new(changes, seen)
            if change.at > self._begun_at and not _is_muted(change, muted)
        ]
        if len(news) > SAID_AT_ONCE:
            return [_summed(news)]
        return [(_sentence(change), _is_bad(change)) for change in news]


def _new(
    changes: Sequence[FindingChange], seen: Sequence[FindingChange]
) -> Iterator[FindingChange]:
    """Yield the changes that were not seen, wherever they stand.

    Those of a broker stand by their time, and what a collector tells takes the place of what our
    own checks saw: the same change with another time, in place of one that is there no more.
    """
    known = {_identity(change) for change in seen}
    now = {_identity(change) for change in changes}
    oldest = min((change.at for change in changes), default=0.0)
    # What was older than all that is there was pushed out, and nothing stands for it.
    replaced = Counter(
        _identity(change)[1:]
        for change in seen
        if not change.by and _identity(change) not in now and change.at >= oldest
    )
    for change in changes:
        identity = _identity(change)
        if identity in known:
            continue
        if change.by and replaced[identity[1:]]:
            replaced[identity[1:]] -= 1
        else:
            yield change


def _identity(change: FindingChange) -> tuple[object, ...]:
    """Return what tells a change apart, whoever tells it; the time comes first."""
    return change.at, change.id, change.group, change.before, change.after


def _is_muted(change: FindingChange, muted: Collection[str]) -> bool:
    severity = change.after or change.before
    return severity is not None and f"{change.id}/{change.group}/{severity.value}" in muted


def _is_bad(change: FindingChange) -> bool:
    return change.after in LOUD and not (
        change.before is FindingSeverity.ACTIVE and change.after is FindingSeverity.ARMED
    )


def _sentence(change: FindingChange) -> str:
    about = f" {wording.short_map(change.group)}" if change.group else ""
    name = f"{change.id}{wording.cut(about, 40)}"
    where = ""
    if change.node_names:
        first = wording.cut(change.node_names[0], 40)
        more = f" +{change.nodes_total - 1}" if change.nodes_total > 1 else ""
        where = f" on {first}{more}"
    table = symbols()
    if change.after not in LOUD:
        return f"{table.ok} gone: {name}"
    symbol = table.active if change.after is FindingSeverity.ACTIVE else table.armed
    before = f", was {change.before.value}" if change.before is not None else ""
    return f"{symbol} {change.after.value}{before}: {name}{where} (F)"


def _summed(news: Sequence[FindingChange]) -> tuple[str, bool]:
    bad = [change for change in news if _is_bad(change)]
    names = wording.listed(list(dict.fromkeys(change.id for change in bad or news)), 3)
    other = f", {len(news) - len(bad)} gone or better" if len(news) > len(bad) else ""
    head = wording.counted(len(bad), "new finding") if bad else "no new finding"
    return f"{head}{other}: {names} (F)", bool(bad)
