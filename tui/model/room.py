"""Who collects, who looks, and which clusters there are: what only a broker can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tui.model.findings import FindingSeverity
from tui.safety import CleanText

_EMPTY = CleanText("")


class Presence(StrEnum):
    """How a collector stands."""

    PRESENT = "present"
    LATE = "late"
    """Nothing was heard of it for longer than it promised."""
    GONE = "gone"
    """It said so, or its last will did."""


@dataclass(frozen=True, slots=True)
class CollectorSeen:
    """A collector as its presence messages tell; all times by the receiver's clock."""

    id: CleanText
    presence: Presence
    host: CleanText = _EMPTY
    version: CleanText = _EMPTY
    nodes: int = 0
    """Nodes of its share."""
    heard_at: float | None = None
    """None where only a retained message is known, whose age nobody can tell."""
    interval_seconds: float = 0.0
    """How often it promises to be heard."""
    sweep_seconds: float | None = None
    sweep_interval_seconds: float | None = None
    exec_failures: int = 0
    dropped: int = 0
    """Messages that it could not send and gave up, since it started."""
    lost: int = 0
    """Messages of it that did not arrive here, since this dashboard started."""
    skew_seconds: float | None = None
    """Its clock minus ours, at most the network's delay too much; None until it was heard live."""
    reason: CleanText = _EMPTY
    """What its source complains of."""


@dataclass(frozen=True, slots=True)
class ClusterSummary:
    """One of several clusters on a broker."""

    name: CleanText
    nodes: int = 0
    collectors: tuple[CollectorSeen, ...] = ()
    findings: Mapping[FindingSeverity, int] = field(default_factory=dict)
    """How many findings of each severity its collectors have."""
    worst: tuple[CleanText, ...] = ()
    """Titles of its worst findings that are ACTIVE or ARMED, with their nodes; a few."""
    heard_at: float | None = None
    """When anything of it was heard last."""
    is_chosen: bool = False
    """Whether this is the cluster whose nodes are on screen."""


@dataclass(frozen=True, slots=True)
class Room:
    """What comes only from a broker; empty for every other source."""

    collectors: tuple[CollectorSeen, ...] = ()
    """Of the chosen cluster, by id."""
    clusters: tuple[ClusterSummary, ...] = ()
    """All of them, by name; the chosen one included."""
    chosen: CleanText = _EMPTY
    """Name of the chosen cluster; empty until one was heard of."""
    rejected: int = 0
    """Messages that were not what they have to be, and were thrown away."""
    lost: int = 0
    """Messages that never arrived, as gaps in the sequence numbers prove."""
    reconnects: int = 0
    no_acting: CleanText = _EMPTY
    """Why nothing can be written from here; empty where a kubeconfig fits the chosen cluster."""
