"""Operations: what ciltop may change, as plans before and as progress after, and their audit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tui.model.names import NodeName, NodeUid
from tui.safety import CleanText

_EMPTY = CleanText("")


class OperationKind(StrEnum):
    """What is done; the words are public interface."""

    RESTART = "restart"
    HOSTNS_ONLY = "hostns-only"
    RESIZE = "resize"
    UNDO = "undo"


class Scope(StrEnum):
    """Where a configuration value is written."""

    NODES = "nodes"
    """A CiliumNodeConfig of ciltop's own that selects the nodes by their hostname label."""
    CLUSTER = "cluster"
    """The ConfigMap `cilium-config`."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody wants done; a plan says what that means here."""

    kind: OperationKind
    nodes: tuple[NodeUid, ...] = ()
    """Whose agents are restarted; never a row under a cursor, always UIDs."""
    scope: Scope = Scope.NODES
    is_on: bool | None = None
    """For hostns-only: the value to give it."""
    size: int | None = None
    """For resize: max entries; None has it computed."""
    wave_size: int = 1
    """Nodes at once after the first one, at most the DaemonSet's maxUnavailable."""
    undo_id: str = ""
    """For undo: the id of the operation whose previous value is put back."""
    accepts_data_loss: bool = False
    """Headless only: go on where the next start would shrink or wipe maps."""


class GuardKind(StrEnum):
    """What a guard rail does."""

    BLOCKED = "blocked"
    """The operation must not start."""
    WARNED = "warned"
    NOTED = "noted"


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard rail that spoke up."""

    kind: GuardKind
    id: str
    """Stable, such as `map-too-small`, `would-not-start`, `bpffs-not-mounted`, `pending-keys`."""
    text: CleanText
    node_uid: NodeUid | None = None
    is_data_loss: bool = False
    """Whether `--accept-data-loss` may override it, headless only."""


class Permission(StrEnum):
    """What the access review says of one write."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"
    """It could not be asked."""


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """One write of a plan, as it will be sent."""

    id: str
    """Unique in its plan; progress and audit name it."""
    verb: str
    """create, patch or delete."""
    resource: str
    """Plural, such as `pods`, `configmaps`, `ciliumnodeconfigs`."""
    group: str
    """API group; empty for the core group."""
    namespace: CleanText
    name: CleanText
    uid: str = ""
    """Of the object as it was when planned; empty for a create."""
    resource_version: str = ""
    version: str = ""
    """API version, such as `v1` or `v2alpha1`."""
    body: str = ""
    """The JSON that is sent: the object of a create, the patch of a patch; empty for a delete."""
    patch_type: str = ""
    """merge, strategic or json; empty where nothing is patched."""
    undo_body: str = ""
    """The JSON merge patch that puts back what was there; empty where nothing is patched."""
    diff: CleanText = _EMPTY
    """Unified diff of the object's YAML, without managedFields and status."""
    permission: Permission = Permission.UNKNOWN
    dry_run: CleanText = _EMPTY
    """What the server-side dry run said: `passed`, or why it was refused; empty: not made."""
    is_dry_run_passed: bool | None = None
    node_uid: NodeUid | None = None
    """The node whose agent restarts by it."""


@dataclass(frozen=True, slots=True)
class OperationPlan:
    """Everything a person must see before they say yes."""

    id: str
    """Short and unique, such as `7f3a`; names the CiliumNodeConfig `zz-ciltop-<id>` too."""
    intent: Intent
    title: CleanText
    made_at: float
    waves: tuple[tuple[NodeUid, ...], ...] = ()
    """The first holds one node; each is verified before the next."""
    node_names: tuple[NodeName, ...] = ()
    """Of all waves, in their order."""
    now: tuple[CleanText, ...] = ()
    """How it is now: coverage, sizes, ConfigMap, CiliumNodeConfigs, sources."""
    writes: tuple[PlannedWrite, ...] = ()
    guards: tuple[Guard, ...] = ()
    interrupts: tuple[CleanText, ...] = ()
    """What it interrupts, and for how long."""
    after: tuple[CleanText, ...] = ()
    """What will be different: pending keys that become active, sizes, traffic."""
    undo: CleanText = _EMPTY
    """How it is undone, or that there is no way back."""
    can_undo: bool = False
    commands: tuple[CleanText, ...] = ()
    """What a person could type instead; only printed."""
    confirmation: CleanText = _EMPTY
    """What must be typed to confirm: the cluster's name; empty where a focused button is enough."""

    @property
    def blockers(self) -> tuple[Guard, ...]:
        """The guards that forbid it."""
        return tuple(guard for guard in self.guards if guard.kind is GuardKind.BLOCKED)

    @property
    def is_blocked(self) -> bool:
        """Whether it must not start as it is asked for."""
        accepts = self.intent.accepts_data_loss
        return any(not (accepts and guard.is_data_loss) for guard in self.blockers)


class OperationState(StrEnum):
    """How an operation stands."""

    RUNNING = "running"
    PAUSED = "paused"
    """Nothing more is begun until it is resumed; what was begun is verified."""
    DONE = "done"
    """Written and verified."""
    FAILED = "failed"
    """Stopped at the first failure."""
    ABORTED = "aborted"
    UNFINISHED = "unfinished"
    """ciltop ended in the middle: what was done is in the audit file."""


class NodeState(StrEnum):
    """How far one node is."""

    WAITING = "waiting"
    WRITING = "writing"
    RESTARTING = "restarting"
    VERIFYING = "verifying"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not begun, because the operation ended before."""
    UNKNOWN = "unknown"
    """The API can't be asked; what is known is shown."""


@dataclass(frozen=True, slots=True)
class HealthMark:
    """One condition of being healthy again, shown as it turns true."""

    id: str
    text: CleanText
    is_met: bool | None = None
    """None: not known yet."""
    at: float | None = None


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """One node of a running operation."""

    node_uid: NodeUid
    node_name: NodeName
    wave: int
    """From 0."""
    state: NodeState = NodeState.WAITING
    text: CleanText = _EMPTY
    """What is going on, or why it failed."""
    marks: tuple[HealthMark, ...] = ()
    started_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class OperationProgress:
    """An operation that was confirmed."""

    plan: OperationPlan
    state: OperationState
    nodes: tuple[NodeProgress, ...] = ()
    text: CleanText = _EMPTY
    """What it waits for, or how it ended."""
    started_at: float = 0.0
    ended_at: float | None = None
    undo_id: str = ""
    """What `undo` takes; empty where there is nothing to undo."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state not in (OperationState.RUNNING, OperationState.PAUSED)


class AuditEvent(StrEnum):
    """What an audit record tells."""

    ARMED = "armed"
    DISARMED = "disarmed"
    CONFIRMED = "confirmed"
    BEFORE_WRITE = "before-write"
    """A write of the plan is about to be sent."""
    AFTER_WRITE = "after-write"
    BEFORE_UPKEEP = "before-upkeep"
    """A write that no plan names is about to be sent: the operation's Lease, a Kubernetes Event."""
    AFTER_UPKEEP = "after-upkeep"
    VERIFIED = "verified"
    FAILED = "failed"
    PAUSED = "paused"
    RESUMED = "resumed"
    ABORTED = "aborted"
    ENDED = "ended"

    @property
    def is_upkeep(self) -> bool:
        """Whether it tells of the Lease or an Event, and nothing of how far an operation came."""
        return self in (AuditEvent.BEFORE_UPKEEP, AuditEvent.AFTER_UPKEEP)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One line of the audit file."""

    at: float
    event: AuditEvent
    context: CleanText = _EMPTY
    user: CleanText = _EMPTY
    """The kubeconfig's user."""
    host: CleanText = _EMPTY
    """This machine's name and the person's login there."""
    operation_id: str = ""
    kind: str = ""
    text: CleanText = _EMPTY
    target: CleanText = _EMPTY
    """Such as `delete pods kube-system/cilium-abcde`."""
    path: CleanText = _EMPTY
    """What it is sent to; the object's collection for a create."""
    target_uid: str = ""
    diff: CleanText = _EMPTY
    result: CleanText = _EMPTY
    node_name: NodeName = NodeName("")
    id: str = ""
    """Random, of this one record, wherever it is told again; empty in files of older releases."""


class ArmingMode(StrEnum):
    """Whether this session may write."""

    READ_ONLY = "read-only"
    """By flag or setting: it can't be armed."""
    UNARMED = "unarmed"
    ARMED = "armed"


@dataclass(frozen=True, slots=True)
class ArmingState:
    """Whether this session may write, and until when."""

    mode: ArmingMode = ArmingMode.UNARMED
    disarms_at: float | None = None
    """When it disarms itself unless something is done; seconds since the epoch."""
    reason: CleanText = _EMPTY
    """Why it can't be armed: which flag or setting says so."""
