"""What to say of a broker's collectors and clusters that changed since the person looked."""

from __future__ import annotations

from tui.model.room import CollectorSeen, Presence
from tui.model.snapshot import Snapshot, SourceState
from tui.screens import wording
from tui.screens.room.words import present_count
from widgets.text import elide_middle

SAID_AT_ONCE = 2
"""More changes than these are told by their number."""

_ID_CELLS = 40
_UNHEARD = frozenset({SourceState.CONNECTING, SourceState.LOST})
"""Nothing can be told of collectors then: nobody is heard."""


class CollectorNews:
    """Tell which collectors of the chosen cluster came, went and came back, once each."""

    def __init__(self) -> None:
        self._cluster = ""
        self._known: dict[str, Presence] | None = None
        """None until a cluster's collectors were seen once: those are no news."""

    def take(self, snapshot: Snapshot) -> list[tuple[str, bool]]:
        """Return what is new, as sentences, and whether each is bad news."""
        room = snapshot.room
        if room.chosen != self._cluster:
            self._cluster, self._known = room.chosen, None
        if not room.chosen or snapshot.health.state in _UNHEARD:
            return []
        known, self._known = self._known, {one.id: one.presence for one in room.collectors}
        if known is None:
            return []
        changed = [one for one in room.collectors if known.get(one.id) is not one.presence]
        if len(changed) > SAID_AT_ONCE:
            there = f"{present_count(room.collectors)} of {len(room.collectors)}"
            text = f"{wording.counted(len(changed), 'collector')} changed: {there} are there"
            return [(text, any(one.presence is not Presence.PRESENT for one in changed))]
        return [_sentence(one, is_new=one.id not in known) for one in changed]


def _sentence(one: CollectorSeen, *, is_new: bool) -> tuple[str, bool]:
    name = f"collector {elide_middle(one.id, _ID_CELLS)}"
    if one.presence is Presence.PRESENT:
        return f"{name} {'came' if is_new else 'is back'}", False
    return f"{name} is {one.presence.value}", True


class ClusterNews:
    """Tell how many clusters there are beside the one that is shown, when there are more."""

    def __init__(self) -> None:
        self._told = 0
        self.is_first = True
        """Whether no cluster was chosen yet."""

    def take(self, snapshot: Snapshot) -> int:
        """Return how many more clusters there are, where that is new; else 0."""
        room = snapshot.room
        if not room.chosen:
            return 0
        self.is_first = False
        more = len(room.clusters) - 1
        if more <= self._told:
            return 0
        self._told = more
        return more
