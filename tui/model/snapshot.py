"""`Snapshot`: everything known at one moment; `Source`: where its facts come from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from tui.model.agent import AgentMetrics, AgentStatus, AgentVersion, EffectiveConfig
from tui.model.cluster import ClusterFacts
from tui.model.features import Feature
from tui.model.findings import Finding, FindingChange, Verdict
from tui.model.host import HostFacts
from tui.model.logs import LogBatch, LogEntry, LogGap
from tui.model.maps import MapUsage
from tui.model.names import ContainerId, NodeUid
from tui.model.nextstart import NextStart
from tui.model.node import AgentPod, Node
from tui.model.operations import ArmingState, AuditRecord, OperationProgress
from tui.model.reading import Reading
from tui.model.room import Room
from tui.model.services import ServiceCoverage
from tui.safety import CleanText


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """All that is known of one node."""

    node: Node
    agent: AgentPod | None = None
    """None while no agent pod is known on this node."""
    version: Reading[AgentVersion] = Reading()
    status: Reading[AgentStatus] = Reading()
    metrics: Reading[AgentMetrics] = Reading()
    maps: Reading[tuple[MapUsage, ...]] = Reading()
    services: Reading[ServiceCoverage] = Reading()
    features: Reading[tuple[Feature, ...]] = Reading()
    config: Reading[EffectiveConfig] = Reading()
    host: Reading[HostFacts] = Reading()
    logs: tuple[LogEntry | LogGap, ...] = ()
    """Oldest first, bounded; warnings and errors outlive the rest."""
    log_error: CleanText = CleanText("")
    """Why the log can't be read now; empty while it can."""
    swept_at: float | None = None
    """When the last exec on this node was answered."""
    sweep_error: CleanText = CleanText("")
    """Why the last exec failed; empty when it was answered."""


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A node, or its agent pod, appeared or changed."""

    node: Node
    agent: AgentPod | None


@dataclass(frozen=True, slots=True)
class NodeGone:
    """A node left the cluster, or this collector's share of it."""

    node_uid: NodeUid
    has_moved: bool = False
    """Whether it is still in the cluster, for another collector to read."""


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What one exec on one node brought; None means "not asked this time"."""

    node_uid: NodeUid
    container_id: ContainerId
    answered_at: float | None
    """None when the exec as a whole failed."""
    error: CleanText = CleanText("")
    version: Reading[AgentVersion] | None = None
    status: Reading[AgentStatus] | None = None
    metrics: Reading[AgentMetrics] | None = None
    maps: Reading[tuple[MapUsage, ...]] | None = None
    services: Reading[ServiceCoverage] | None = None
    features: Reading[tuple[Feature, ...]] | None = None
    config: Reading[EffectiveConfig] | None = None
    host: Reading[HostFacts] | None = None


@dataclass(frozen=True, slots=True)
class LogTrouble:
    """The log of a node can't be read, or can again (empty reason)."""

    node_uid: NodeUid
    reason: CleanText


@dataclass(frozen=True, slots=True)
class ClusterSeen:
    """The cluster's own facts changed."""

    cluster: ClusterFacts


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that could not be read, and why."""

    what: CleanText
    """Such as `list services`."""
    reason: CleanText
    since: float
    is_denied: bool = False


@dataclass(frozen=True, slots=True)
class GapChanged:
    """A gap opened, or closed (`gap` is None)."""

    key: str
    gap: Gap | None


class SourceState(StrEnum):
    """How a source fares."""

    CONNECTING = "connecting"
    LIVE = "live"
    DEGRADED = "degraded"
    """Some of it fails; the rest goes on."""
    LOST = "lost"
    """Nothing answers; what is shown grows old."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How the source fares, with the numbers that prove it."""

    name: CleanText = CleanText("")
    state: SourceState = SourceState.CONNECTING
    reason: CleanText = CleanText("")
    last_good_at: float | None = None
    sweep_seconds: float | None = None
    """Wall time of the last full sweep over all nodes."""
    sweep_p95_seconds: float | None = None
    """95th percentile of one node's exec."""
    sweep_ended_at: float | None = None
    sweep_interval_seconds: float | None = None
    execs_in_flight: int = 0
    exec_failures: int = 0
    """Failed execs since the last full sweep began."""
    nodes_due: int = 0
    nodes_unread: int = 0
    """Nodes whose first reading is not done."""
    logs_unread: int = 0
    """Agents whose log was not read from its start yet."""
    is_partial: bool = False
    """Whether only the nodes of an operation under way are read: all else grows old."""
    nodes_total: int = 0
    """Nodes of the cluster as a live source sees it, those that others read included."""


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """The source's health changed."""

    health: SourceHealth


@dataclass(frozen=True, slots=True)
class OperationChanged:
    """An operation began, went on or ended."""

    progress: OperationProgress


@dataclass(frozen=True, slots=True)
class AuditWritten:
    """A record was written to the audit file."""

    record: AuditRecord
    is_elsewhere: bool = False
    """Whether it is known to be of another cluster than the one shown."""


@dataclass(frozen=True, slots=True)
class ArmingChanged:
    """This session was armed or disarmed."""

    arming: ArmingState


@dataclass(frozen=True, slots=True)
class RoomChanged:
    """What the broker tells of collectors and clusters changed."""

    room: Room


@dataclass(frozen=True, slots=True)
class ChangesShared:
    """Finding changes that other judges saw, oldest first; known ones may be among them."""

    changes: tuple[FindingChange, ...]


@dataclass(frozen=True, slots=True)
class SourceReset:
    """Another cluster is read from here on: everything known is of the one before."""


Fact = (
    NodeSeen
    | NodeGone
    | NodeReport
    | LogBatch
    | LogTrouble
    | ClusterSeen
    | GapChanged
    | HealthChanged
    | OperationChanged
    | AuditWritten
    | ArmingChanged
    | RoomChanged
    | ChangesShared
    | SourceReset
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything known at one moment; never changed once made."""

    taken_at: float = 0.0
    version: int = 0
    """Grows with every published snapshot."""
    cluster: ClusterFacts = ClusterFacts()
    nodes: Mapping[NodeUid, NodeFacts] = field(default_factory=dict)
    """A node that did not change is the same object as in the snapshot before."""
    gaps: Mapping[str, Gap] = field(default_factory=dict)
    health: SourceHealth = SourceHealth()
    is_complete: bool = False
    """Whether the first list of nodes and pods has arrived: before it, empty is loading."""
    findings: tuple[Finding, ...] = ()
    """Worst first, CLEAR ones included."""
    verdicts: Mapping[NodeUid, tuple[Verdict, ...]] = field(default_factory=dict)
    """What every check says of each node, worst first."""
    next_starts: Mapping[NodeUid, NextStart] = field(default_factory=dict)
    finding_changes: tuple[FindingChange, ...] = ()
    """Oldest first, bounded."""
    operations: tuple[OperationProgress, ...] = ()
    """Those of this session and unfinished ones of earlier ones, newest last."""
    audit: tuple[AuditRecord, ...] = ()
    """The end of the audit file and what a broker told, oldest first, bounded; without upkeep."""
    audit_elsewhere: frozenset[AuditRecord] = frozenset()
    """Those of `audit` that a broker's dashboard knows to be of other clusters."""
    upkeep: tuple[AuditRecord, ...] = ()
    """The audit file's latest records of Leases and Events, oldest first, bounded."""
    arming: ArmingState = ArmingState()
    room: Room = Room()
    """What only a broker tells."""
    unjudged_nodes: int = 0
    """Nodes whose latest facts the checks have not seen yet."""

    def is_of_cluster(self, record: AuditRecord) -> bool:
        """Tell whether a record of `audit` is of this cluster.

        The audit file of a machine holds all contexts. What a broker brings is of one cluster,
        which every responder may call by another name.
        """
        if self.room.chosen:
            return record not in self.audit_elsewhere
        return record.context == self.cluster.context


class Source(Protocol):
    """Where facts come from: live, broker, recording, ticket or sysdump."""

    @property
    def name(self) -> str:
        """What to call it on screen."""
        ...

    def facts(self) -> AsyncIterator[Fact]:
        """Yield facts until the source ends or the task is cancelled."""
        ...

    def focus(self, chosen: NodeUid | None, marked: frozenset[NodeUid]) -> None:
        """Tell which nodes the person looks at: they are read first and followed live."""
        ...

    def request_count(self, node: NodeUid, map_name: str) -> None:
        """Ask for one map to be counted in place now."""
        ...
