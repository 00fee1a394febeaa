"""The source's health and the room, told whenever they changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tui.bus.receiving.broker_health import Standpoint, health_of
from tui.bus.receiving.clusters import ClusterRecord, Clusters
from tui.bus.receiving.inbox import Inbox
from tui.bus.receiving.reading import Reader
from tui.bus.wire.post import LinkCounts, LinkKind, LinkState
from tui.model.room import Presence, Room
from tui.model.snapshot import (
    Fact,
    Gap,
    GapChanged,
    HealthChanged,
    RoomChanged,
    SourceHealth,
)
from tui.safety import CleanText, clean

ROOM_SECONDS = 0.5
QUIET_SECONDS = 1.5
"""The retained facts are in when no new node came for so long: less than all is what there is."""

MISSING_SECONDS = 15.0
"""Nodes that a collector tells of may come so much later: it tells first."""

LOSING_SECONDS = 60.0
GOOD_SECONDS = 5.0
"""How often it is told that letters still come."""

ABSENT_SECONDS = 3.0
"""After the subscription, until retained presences must have come."""


DENIED = "mqtt-denied"


class Outlook:
    """Watches the link, the clusters and the losses."""

    def __init__(
        self,
        clusters: Clusters,
        reader: Reader,
        inbox: Inbox,
        *,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._clusters = clusters
        self._reader = reader
        self._inbox = inbox
        self._wall = wall
        self._monotonic = monotonic
        self.no_acting = CleanText("")
        """Why nothing can be written from here."""
        self._chosen = CleanText("")
        self._chosen_at = monotonic()
        self._is_filling = True
        self._short_since: float | None = None
        self._absent_since: float | None = None
        self._lost = 0
        self._lost_at = float("-inf")
        self._lost_before = 0
        """Of clusters that were shown before."""
        self._health: SourceHealth | None = None
        self._room: Room | None = None
        self._room_at = float("-inf")
        self._denied = CleanText("")

    @property
    def is_filling(self) -> bool:
        """Whether retained facts of the chosen cluster still come in."""
        return self._is_filling

    def choose(self, name: CleanText) -> None:
        """Begin anew with another cluster."""
        before = self._clusters.get(self._chosen)
        self._lost_before += 0 if before is None else before.intake.lost
        self._chosen, self._chosen_at = name, self._monotonic()
        self._is_filling, self._short_since, self._absent_since = True, None, None
        self._health = None
        self._denied = CleanText("")

    def news(self, name: str, link: LinkState, counts: LinkCounts) -> list[Fact]:
        """Return what changed of the health and the room."""
        now = self._monotonic()
        record = self._clusters.get(self._chosen)
        self._count_losses(now, record)
        return [
            *self._told_link(link),
            *self._told_health(name, link, record),
            *self._told_room(record, counts),
        ]

    def _told_link(self, link: LinkState) -> list[Fact]:
        """Tell what the broker denies us while it lets us in."""
        reason = link.reason if link.kind is LinkKind.UP else CleanText("")
        if reason == self._denied:
            return []
        self._denied = reason
        gap = Gap(CleanText("the broker"), reason, self._wall()) if reason else None
        return [GapChanged(DENIED, gap)]

    def _count_losses(self, now: float, record: ClusterRecord | None) -> None:
        lost = self._lost_before + self._inbox.lost
        lost += 0 if record is None else record.intake.lost
        if lost > self._lost:
            self._lost, self._lost_at = lost, now

    def _told_health(self, name: str, link: LinkState, record: ClusterRecord | None) -> list[Fact]:
        health = health_of(self._standpoint(name, link, record))
        told = self._health
        if told is not None and not _differs(health, told):
            return []
        self._health = health
        return [HealthChanged(health)]

    def _standpoint(self, name: str, link: LinkState, record: ClusterRecord | None) -> Standpoint:
        now, wall = self._monotonic(), self._wall()
        point = Standpoint(
            name=clean(name),
            link=link,
            cluster=self._chosen,
            collectors=() if record is None else record.collectors,
            presences=() if record is None else record.present,
            received_nodes=len(self._reader.nodes),
            lost=self._lost,
            rejected=self._reader.rejected,
            is_losing=now - self._lost_at < LOSING_SECONDS,
            last_good_at=None if record is None else record.intake.heard_at,
            link_since=wall - (now - link.since),
        )
        self._note_absence(now, point)
        self._note_filling(now, point)
        is_short = self._short_since is not None and now - self._short_since >= MISSING_SECONDS
        return replace(
            point,
            is_filling=self._is_filling,
            is_short=is_short,
            no_collector_since=self._absent_since,
        )

    def _note_absence(self, now: float, point: Standpoint) -> None:
        if any(one.presence is Presence.PRESENT for one in point.collectors):
            self._absent_since = None
        elif (
            point.link.kind is not LinkKind.UP
            or now - max(self._chosen_at, point.link.since) < ABSENT_SECONDS
        ):
            return
        elif self._absent_since is None:
            self._absent_since = self._wall()

    def _note_filling(self, now: float, point: Standpoint) -> None:
        if self._is_filling and point.presences and not self._inbox.has_facts:
            grew_at = self._reader.nodes.grew_at
            since = self._chosen_at if grew_at is None else grew_at
            is_quiet = now - since >= QUIET_SECONDS
            if point.is_read and (not point.missing_nodes or is_quiet):
                self._is_filling = False
                if point.missing_nodes:
                    self._short_since = now - MISSING_SECONDS
        if not point.missing_nodes:
            self._short_since = None
        elif self._short_since is None:
            self._short_since = now

    def _told_room(self, record: ClusterRecord | None, counts: LinkCounts) -> list[Fact]:
        now = self._monotonic()
        if now - self._room_at < ROOM_SECONDS:
            return []
        room = Room(
            collectors=() if record is None else record.collectors,
            clusters=self._clusters.summaries(self._chosen),
            chosen=self._chosen,
            rejected=self._reader.rejected,
            lost=self._lost,
            reconnects=counts.reconnects,
            no_acting=self.no_acting,
        )
        if room == self._room:
            return []
        self._room, self._room_at = room, now
        return [RoomChanged(room)]


def _differs(health: SourceHealth, told: SourceHealth) -> bool:
    moved = (health.last_good_at or 0.0) - (told.last_good_at or 0.0)
    return moved >= GOOD_SECONDS or replace(health, last_good_at=told.last_good_at) != told
