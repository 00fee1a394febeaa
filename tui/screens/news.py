"""What to say of findings that appeared or are gone since the person looked."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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
        self._seen: FindingChange | None = None
        self._has_begun = False
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
            self._seen = changes[-1] if changes else None
            return []
        last, self._seen = self._seen, changes[-1] if changes else None
        if self._seen is last:
            return []
        news = [change for change in _after(changes, last) if not _is_muted(change, muted)]
        if len(news) > SAID_AT_ONCE:
            return [_summed(news)]
        return [(_sentence(change), _is_bad(change)) for change in news]


def _after(changes: Sequence[FindingChange], last: FindingChange | None) -> Sequence[FindingChange]:
    """Return the changes behind the last one seen; all of them where that is forgotten."""
    for place in range(len(changes) - 1, -1, -1):
        if changes[place] is last:
            return changes[place + 1 :]
    return changes


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
