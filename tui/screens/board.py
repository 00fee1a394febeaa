"""What every screen shows: the newest snapshot, or the one the person froze."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tui.model.names import NodeUid
from tui.model.snapshot import Snapshot
from tui.screens.acting.acts import Acts
from tui.screens.finding_book import FindingBook
from tui.screens.fleet import Fleet, FleetSummary, NodeSummary, stale_seconds
from tui.screens.mutes import Mutes


class SnapshotBox(Protocol):
    """Where the newest snapshot waits; the store's mailbox is one."""

    def take(self) -> Snapshot | None:
        """Return the newest snapshot once, or None when it was taken already."""
        ...


class Controls(Acts, Protocol):
    """What the screens ask of the collector's thread; every call returns at once."""

    def start(self) -> None:
        """Begin to collect."""
        ...

    def focus(self, chosen: NodeUid | None, marked: frozenset[NodeUid]) -> None:
        """Tell which nodes the person looks at."""
        ...

    def refresh(self) -> None:
        """Ask for everything to be read now."""
        ...

    def request_count(self, node: NodeUid, map_name: str) -> None:
        """Ask for one map to be counted in place now."""
        ...

    def choose_cluster(self, name: str) -> None:
        """Ask for another cluster of those that a broker tells of; where there are several."""
        ...


class Board:
    """Hold what is shown, with its summaries; frozen while the person paused it."""

    def __init__(self, clock: Callable[[], float], mutes: Mutes | None = None) -> None:
        self._clock = clock
        self._fleet = Fleet()
        self.mutes = mutes or Mutes()
        self.findings = FindingBook()
        self._waiting: Snapshot | None = None
        self.snapshot = Snapshot()
        self.paused_at: float | None = None

    @property
    def wall_now(self) -> float:
        """The moment by the clock, paused or not."""
        return self._clock()

    @property
    def now(self) -> float:
        """The moment that ages are measured at: it stands still while paused."""
        return self._clock() if self.paused_at is None else self.paused_at

    @property
    def newest(self) -> Snapshot:
        """The newest snapshot, paused or not: arming and operations are never shown frozen."""
        return self._waiting or self.snapshot

    @property
    def summary(self) -> FleetSummary:
        """The cluster's summary."""
        return self._fleet.summary

    @property
    def stale_seconds(self) -> float:
        """The age at which a node's facts are called stale."""
        return stale_seconds(self.snapshot)

    def node(self, uid: NodeUid | None) -> NodeSummary | None:
        """Return one node's summary, or None when it is gone."""
        return self._fleet.get(uid)

    def take(self, snapshot: Snapshot) -> bool:
        """Take in a snapshot and return whether it is shown; while paused it waits."""
        if self.paused_at is not None:
            self._waiting = snapshot
            return False
        self.snapshot = snapshot
        self._arrange()
        return True

    def _arrange(self) -> None:
        muted = self.mutes.of(self.snapshot.cluster.context)
        self.findings.take(self.snapshot.findings, muted)
        self._fleet.update(self.snapshot, muted.keys())

    def mute(self, key: str, reason: str) -> str:
        """Mute a finding, and return why that could not be kept or the empty text."""
        return self._remuted(
            self.mutes.mute(self.snapshot.cluster.context, key, reason, self.wall_now)
        )

    def unmute(self, key: str) -> str:
        """Let a muted finding count again; return why that could not be kept or the empty text."""
        return self._remuted(self.mutes.unmute(self.snapshot.cluster.context, key))

    def _remuted(self, problem: str) -> str:
        self._arrange()
        return problem

    def toggle_pause(self) -> bool:
        """Freeze what is shown, or show the newest again; return whether it is frozen now."""
        if self.paused_at is None:
            self.paused_at = self._clock()
            return True
        self.paused_at = None
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self.take(waiting)
        return False
