"""The messages of the schema `ciltop/1`, one class for each kind of topic.

On the wire each is a JSON object with the fields of its `Envelope` beside its own; longer ones are
gzip'd. docs/mqtt.md shows an example of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from tui.model.cluster import ClusterFacts
from tui.model.findings import Finding, FindingChange
from tui.model.logs import LogBatch, LogEntry
from tui.model.operations import AuditRecord
from tui.model.reading import Reading
from tui.model.room import Presence
from tui.model.snapshot import Gap, NodeFacts, SourceState
from tui.safety import CleanText

_EMPTY = CleanText("")

NODE_READINGS = tuple(one.name for one in fields(NodeFacts) if isinstance(one.default, Reading))
"""Fields of `NodeFacts` that are readings, in their order."""

CLUSTER_READINGS = tuple(
    one.name for one in fields(ClusterFacts) if isinstance(one.default, Reading)
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every message says of itself."""

    cluster: CleanText
    sender: CleanText
    """Id of the collector or responder."""
    run: str
    """Of one run of the sender: its sequence numbers begin anew with it."""
    seq: int
    """Grows by one with each message of this sender and run on this topic."""
    at: float
    """When it was sent, seconds since the epoch by the sender's clock."""


@dataclass(frozen=True, slots=True)
class PresenceMessage:
    """A collector is there (retained), or is gone (its last will, or its last word)."""

    state: Presence
    host: CleanText = _EMPTY
    version: CleanText = _EMPTY
    interval_seconds: float = 5.0
    started_at: float = 0.0
    nodes: int = 0
    """Nodes of its share."""
    nodes_total: int = 0
    """Nodes of the cluster, as it sees them."""
    nodes_unread: int = 0
    source: SourceState = SourceState.CONNECTING
    reason: CleanText = _EMPTY
    sweep_seconds: float | None = None
    sweep_p95_seconds: float | None = None
    sweep_interval_seconds: float | None = None
    exec_failures: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    """What it gave up sending since it started, by kind of topic."""
    rejected: int = 0
    reconnects: int = 0
    gaps: Mapping[str, Gap] = field(default_factory=dict)
    """What it can't read and why, by key; bounded."""


@dataclass(frozen=True, slots=True)
class FactsMessage:
    """All that is known of one node; each message is whole."""

    facts: NodeFacts | None
    """Without its log and without trends. None: the node left the cluster."""
    logged: tuple[LogEntry, ...] = ()
    """Entries that the log catalogue knows, a few of each: the checks' evidence, not the log."""
    truncated: Mapping[str, str] = field(default_factory=dict)
    """Parts that were left out for the message's size, and why."""


@dataclass(frozen=True, slots=True)
class ClusterMessage:
    """The cluster's own facts."""

    facts: ClusterFacts
    uid: str = ""
    """Same for every collector of one cluster, whatever its name; empty where it can't be read."""
    truncated: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FindingsMessage:
    """What the checks say, worst first; of one collector's share, or of the whole cluster."""

    findings: tuple[Finding, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    """Findings of each severity, those that were left out included."""
    nodes: int = 0
    """Nodes that were judged."""
    nodes_total: int = 0
    collectors: tuple[CleanText, ...] = ()
    """Whose shares are in it."""
    truncated: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WarningsMessage:
    """Log lines of one node: warnings, errors, and what the log catalogue knows."""

    batches: tuple[LogBatch, ...] = ()
    """In the order they were read; a batch's `gap` tells of lines that were given up."""


@dataclass(frozen=True, slots=True)
class RoomChange:
    """A finding changed, and whose checks saw it."""

    change: FindingChange
    by: CleanText
    id: str = ""
    """Random, of this one change, whichever leader tells it again."""


@dataclass(frozen=True, slots=True)
class AuditMessage:
    """What a responder did; nobody acts on it."""

    records: tuple[AuditRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class RoomMessage:
    """The latest of what responders did and of what changed, for whoever comes late."""

    changes: tuple[RoomChange, ...] = ()
    records: tuple[AuditRecord, ...] = ()


Message = (
    PresenceMessage
    | FactsMessage
    | ClusterMessage
    | FindingsMessage
    | WarningsMessage
    | AuditMessage
    | RoomMessage
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message with its envelope."""

    envelope: Envelope
    message: Message
