"""What a collector says of itself: that it is there, how it fares, and that it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from tui.bus.wire.messages import PresenceMessage
from tui.bus.wire.post import LinkCounts
from tui.model.room import Presence
from tui.model.snapshot import Gap, Snapshot
from tui.safety import CleanText

MOST_GAPS = 50


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this collector is."""

    id: str
    run: str
    """Random: of this one process."""
    host: CleanText
    version: CleanText
    started_at: float
    interval_seconds: float


def presence_of(
    identity: Identity,
    snapshot: Snapshot,
    nodes: int,
    counts: LinkCounts,
    dropped: Mapping[str, int],
    rejected: int,
) -> PresenceMessage:
    """Return the message of a collector that is there.

    Args:
        identity: the collector's.
        snapshot: what it knows now.
        nodes: how many nodes its share has.
        counts: what went through its link.
        dropped: what it gave up, by kind.
        rejected: how many messages it threw away that were not what they have to be.
    """
    health = snapshot.health
    return PresenceMessage(
        state=Presence.PRESENT,
        host=identity.host,
        version=identity.version,
        interval_seconds=identity.interval_seconds,
        started_at=identity.started_at,
        nodes=nodes,
        nodes_total=max(health.nodes_total, len(snapshot.nodes)),
        nodes_unread=health.nodes_unread,
        source=health.state,
        reason=health.reason,
        sweep_seconds=health.sweep_seconds,
        sweep_p95_seconds=health.sweep_p95_seconds,
        sweep_interval_seconds=health.sweep_interval_seconds,
        exec_failures=health.exec_failures,
        dropped=dict(dropped),
        rejected=rejected,
        reconnects=counts.reconnects,
        gaps=bounded_gaps(snapshot.gaps),
    )


def farewell_of(identity: Identity) -> PresenceMessage:
    """Return the last word of a collector, which is its will, too."""
    return PresenceMessage(
        state=Presence.GONE,
        host=identity.host,
        version=identity.version,
        interval_seconds=identity.interval_seconds,
        started_at=identity.started_at,
    )


def bounded_gaps(gaps: Mapping[str, Gap]) -> dict[str, Gap]:
    """Return the gaps that tell most: what is denied first, then the oldest."""
    if len(gaps) <= MOST_GAPS:
        return dict(gaps)
    ordered = sorted(gaps.items(), key=lambda item: (not item[1].is_denied, item[1].since))
    return dict(islice(ordered, MOST_GAPS))
