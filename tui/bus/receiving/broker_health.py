"""How a source stands that has its facts from a broker, and the sentence that says why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tui.bus.wire.messages import PresenceMessage
from tui.bus.wire.post import LinkKind, LinkState
from tui.model.room import CollectorSeen, Presence
from tui.model.snapshot import SourceHealth, SourceState
from tui.safety import CleanText, clean

NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Standpoint:
    """What the source knows of itself at one moment."""

    name: CleanText
    link: LinkState
    cluster: CleanText = CleanText("")
    """The chosen one; empty while none is."""
    collectors: tuple[CollectorSeen, ...] = ()
    """Of the chosen cluster."""
    presences: tuple[PresenceMessage, ...] = ()
    """The last words of those that are present."""
    received_nodes: int = 0
    is_filling: bool = True
    """Whether retained facts still come in, or nothing was heard of the cluster yet."""
    is_short: bool = False
    """Whether nodes were read but did not arrive here, for longer than they take."""
    is_losing: bool = False
    """Whether messages were lost within the last minute."""
    lost: int = 0
    rejected: int = 0
    """Messages that were not what they have to be."""
    last_good_at: float | None = None
    no_collector_since: float | None = None
    """By the wall clock; None while there is one."""
    link_since: float = 0.0
    """By the wall clock."""

    @property
    def told_nodes(self) -> int:
        """Nodes of the cluster, as those collectors say that see the most."""
        return max((one.nodes_total for one in self.presences), default=0)

    @property
    def is_read(self) -> bool:
        """Whether the collectors know their cluster: before, they tell of no nodes."""
        known = (SourceState.LIVE, SourceState.DEGRADED)
        return bool(self.told_nodes) or any(one.source in known for one in self.presences)

    @property
    def unread_nodes(self) -> int:
        """Nodes that no collector has read yet: nothing is published of them."""
        return sum(one.nodes_unread for one in self.presences)

    @property
    def unread_share(self) -> int:
        """Nodes that belong to no collector that is present."""
        return max(0, self.told_nodes - sum(one.nodes for one in self.presences))

    @property
    def missing_nodes(self) -> int:
        """Nodes that were read but whose facts did not arrive here."""
        owned = self.told_nodes - self.unread_share - self.unread_nodes
        return max(0, owned - self.received_nodes)


def health_of(point: Standpoint) -> SourceHealth:
    """Return the health with the numbers of the collector that fares worst."""
    state, reason = _judged(point)
    presences = point.presences
    return SourceHealth(
        name=point.name,
        state=state,
        reason=reason,
        last_good_at=point.last_good_at,
        sweep_seconds=_most(one.sweep_seconds for one in presences),
        sweep_p95_seconds=_most(one.sweep_p95_seconds for one in presences),
        sweep_interval_seconds=_most(one.sweep_interval_seconds for one in presences),
        exec_failures=sum(one.exec_failures for one in presences),
        nodes_unread=max(0, point.told_nodes - point.received_nodes),
    )


def _judged(point: Standpoint) -> tuple[SourceState, CleanText]:
    lost = _lost_link(point)
    if lost is not None:
        return lost
    if not point.cluster:
        return SourceState.CONNECTING, CleanText("no cluster was heard of yet")
    if point.no_collector_since is not None:
        since = _clock(point.no_collector_since)
        text = f"no collector reads {point.cluster}: none was heard since {since}"
        return SourceState.LOST, clean("; ".join(filter(None, (text, point.link.reason))))
    if point.is_filling:
        return SourceState.CONNECTING, clean(_progress(point))
    complaints = _complaints(point)
    if complaints:
        return SourceState.DEGRADED, clean("; ".join(complaints))
    return SourceState.LIVE, CleanText("")


def _lost_link(point: Standpoint) -> tuple[SourceState, CleanText] | None:
    link = point.link
    match link.kind:
        case LinkKind.UP:
            return None
        case LinkKind.CONNECTING:
            return SourceState.CONNECTING, clean(link.reason or f"connecting to {link.broker}")
        case LinkKind.REFUSED:
            text = link.reason or f"{link.broker} refuses this dashboard"
        case LinkKind.DOWN:
            text = link.reason or f"{link.broker}: not connected"
            text = clean(f"{text} (since {_clock(point.link_since)})")
    return SourceState.LOST, clean(text)


def _progress(point: Standpoint) -> str:
    if not point.told_nodes:
        return f"waiting for what is known of {point.cluster}"
    return f"{point.received_nodes:,} of {point.told_nodes:,} nodes received"


def _complaints(point: Standpoint) -> list[str]:
    found: list[str] = []
    away = [one for one in point.collectors if one.presence is not Presence.PRESENT]
    if away and point.unread_share:
        nodes = _counted(point.unread_share, "node")
        found.append(f"{_names(away)}; {nodes} not read by others yet")
    if point.is_short:
        why = "the broker drops retained messages: max_queued_messages"
        if not point.received_nodes:
            why = "does the broker let collectors write node/+/facts, and this dashboard read it?"
        if point.rejected:
            why = f"{_counted(point.rejected, 'message')} thrown away as unreadable: see --log-file"
        found.append(f"{point.received_nodes:,} of {point.told_nodes:,} nodes received; {why}")
    if point.is_losing:
        found.append(f"messages are lost on the way, {point.lost:,} so far")
    troubled = [one for one in point.collectors if one.presence is Presence.PRESENT and one.reason]
    found += [f"{one.id}: {one.reason}" for one in troubled[:NAMES_SHOWN]]
    return found


def _names(collectors: Sequence[CollectorSeen]) -> str:
    shown = ", ".join(f"{one.id} is {one.presence.value}" for one in collectors[:NAMES_SHOWN])
    more = len(collectors) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"
