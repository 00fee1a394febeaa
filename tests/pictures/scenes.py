"""What is in each picture: a scenario, a terminal's size, the keys, and what to wait for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from tui.model.operations import ArmingMode, AuditEvent, NodeState, OperationState
from tui.model.room import Presence
from tui.model.snapshot import Snapshot, SourceState

Condition = Callable[[Snapshot], bool]


class Event(Enum):
    """What happens to a broker's clusters."""

    NOTHING = auto()
    OTHER_ACTS = auto()
    """Another responder, on another machine."""
    COLLECTOR_KILLED = auto()
    BROKER_KILLED = auto()


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture, taken after some keys."""

    name: str
    """Of the file; without one the keys are typed and nothing is kept."""
    keys: tuple[str, ...] = ()
    until: Condition = field(default=lambda snapshot: True)
    """The picture waits for this to be true of what is shown."""
    rest_seconds: float = 2.0
    """What the screen gets to answer the keys; a preview asks the cluster first."""
    event: Event = Event.NOTHING
    """What happens first; only a broker's scene has any."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One run of the dashboard with the pictures taken in it."""

    scenario: str
    columns: int
    lines: int
    shots: tuple[Shot, ...]
    nodes: int | None = None
    theme: str = "textual-dark"
    fault: dict[str, object] | None = None
    """A fault of the simulated API server, set before the first request."""
    is_brokered: bool = False
    """Whether a broker tells of it, with another cluster beside it."""


def typed(text: str) -> tuple[str, ...]:
    """Return the keys that type a text."""
    names = {" ": "space", "/": "slash", ":": "colon", "!": "exclamation_mark", "-": "minus"}
    return tuple(names.get(character, character) for character in text)


def is_read(snapshot: Snapshot) -> bool:
    """Whether every node that answers was read whole, logs included."""
    answering = [facts for facts in snapshot.nodes.values() if facts.swept_at is not None]
    return len(answering) >= min(3, len(snapshot.nodes)) > 0 and all(
        facts.services.value is not None and facts.features.value is not None for facts in answering
    )


def is_judged(snapshot: Snapshot) -> bool:
    """Whether the checks have seen all that was read."""
    return is_read(snapshot) and bool(snapshot.findings) and not snapshot.unjudged_nodes


def is_leaking(snapshot: Snapshot) -> bool:
    """Whether a map filled up before our eyes, with its history and log lines."""
    return any(
        usage.is_full and sum(ratio is not None for ratio in usage.trend.ratios) >= 3
        for facts in snapshot.nodes.values()
        for usage in facts.maps.value or ()
    ) and any(
        facts.services.value and facts.services.value.missing_frontends
        for facts in snapshot.nodes.values()
    )


def is_denied(snapshot: Snapshot) -> bool:
    """Whether a refusal has arrived."""
    return any(gap.is_denied for gap in snapshot.gaps.values())


def is_lost(snapshot: Snapshot) -> bool:
    """Whether the API server stopped answering."""
    return snapshot.health.state is SourceState.LOST


def is_shared(snapshot: Snapshot) -> bool:
    """Whether two collectors share the nodes, and all collectors' findings are known."""
    return (
        is_judged(snapshot)
        and len(snapshot.room.collectors) > 1
        and all(one.nodes and one.presence is Presence.PRESENT for one in snapshot.room.collectors)
        and len(snapshot.room.clusters) > 1
        and all(cluster.findings for cluster in snapshot.room.clusters)
        and not snapshot.room.no_acting
    )


def is_told(snapshot: Snapshot) -> bool:
    """Whether two responders have acted, and collectors told of findings."""
    hosts = {one.host for one in snapshot.audit if one.event is AuditEvent.VERIFIED}
    return len(hosts) > 1 and any(change.by for change in snapshot.finding_changes)


def has_moved(snapshot: Snapshot) -> bool:
    """Whether a collector is gone, and another one reads its nodes."""
    collectors = snapshot.room.collectors
    there = [one for one in collectors if one.presence is Presence.PRESENT]
    return len(there) < len(collectors) and sum(one.nodes for one in there) == len(snapshot.nodes)


def is_armed(snapshot: Snapshot) -> bool:
    """Whether writes pass."""
    return snapshot.arming.mode is ArmingMode.ARMED


def is_verifying(snapshot: Snapshot) -> bool:
    """Whether some of what makes a restarted node healthy is true again, and some is not yet."""
    return any(
        node.state is NodeState.VERIFYING and sum(mark.is_met is True for mark in node.marks) >= 3
        for operation in snapshot.operations
        for node in operation.nodes
    )


def has_ended(snapshot: Snapshot) -> bool:
    """Whether an operation is done and verified."""
    return any(each.state is OperationState.DONE for each in snapshot.operations)


def has_failed(snapshot: Snapshot) -> bool:
    """Whether an operation stopped at its first failure."""
    return any(each.state is OperationState.FAILED for each in snapshot.operations)


INCIDENT = (
    Shot("home", until=is_judged),
    Shot("services", ("2",)),
    Shot("features", ("3",)),
    Shot("findings", ("4",)),
    Shot("log", ("5",)),
    Shot("service", (*typed(":svc echo"), "enter")),
    Shot("map-detail", ("escape", "1", "enter")),
    Shot("help", ("escape", "question_mark")),
    Shot("palette", ("escape", "ctrl+p")),
    Shot("findings-screen", ("escape", "F"), until=is_judged),
    Shot("findings-detail", ("j", "enter")),
    Shot("timeline", ("T",)),
)

MIXED = (
    Shot("mixed", until=is_judged),
    Shot("maps-full", ("1", "f")),
    Shot("mixed-findings", ("escape", "F"), until=is_judged),
)

ARM = Shot("", (*typed(":arm prod-eu-1"), "enter"), until=is_judged)
FLIP = (
    ARM,
    Shot("actions", (*typed(":node node-10"), "enter", "a"), until=is_armed),
    Shot("preview", ("j", "enter"), rest_seconds=6.0),
    Shot("", ("tab", "enter")),
    Shot("progress", until=is_verifying),
    Shot("audit", (*typed(":audit"), "enter"), until=has_ended),
)
FAILURE = (
    ARM,
    Shot(
        "preview-waves",
        (
            *(*typed(":node node-5"), "enter", "space"),
            *(*typed(":node node-7"), "enter", "space", "a", "enter"),
        ),
        until=is_armed,
        rest_seconds=6.0,
    ),
    Shot("", ("tab", *typed("prod-eu-1"), "enter")),
    Shot("failure", until=has_failed),
    Shot("failure-audit", (*typed(":audit"), "enter")),
)
NEVER_READY: dict[str, object] = {"quirk": {"node": "node-7", "kind": "never-ready", "values": {}}}

BROKER = (
    Shot("mqtt-home", until=is_shared),
    ARM,
    Shot("", (*typed(":node node-10"), "enter", "a", "enter"), until=is_armed, rest_seconds=6.0),
    Shot("", ("tab", "enter")),
    Shot("mqtt-timeline", ("escape", "T"), until=is_told, event=Event.OTHER_ACTS),
    Shot("mqtt-clusters", ("escape", "C"), until=has_moved, event=Event.COLLECTOR_KILLED),
    Shot(
        "mqtt-broker-down", ("escape",), until=is_lost, event=Event.BROKER_KILLED, rest_seconds=9.0
    ),
)

SCENES = (
    Scene("shrunk", 160, 50, INCIDENT),
    Scene("shrunk", 80, 24, INCIDENT),
    Scene("mixed", 160, 50, (Shot("leak", until=is_leaking), Shot("leak-log", ("5", "f")))),
    Scene("mixed", 120, 30, MIXED),
    Scene("mixed", 80, 24, FLIP),
    Scene("mixed", 120, 30, FLIP),
    Scene("mixed", 120, 30, FAILURE, fault=NEVER_READY),
    Scene("mixed", 160, 50, BROKER, is_brokered=True),
    Scene("mixed", 80, 24, BROKER, is_brokered=True),
    Scene("degraded", 120, 30, (Shot("degraded", until=is_read),)),
    Scene("storm", 120, 30, (Shot("storm-log", ("5", "f"), until=is_read),)),
    Scene("healthy", 120, 30, (Shot("fleet", until=is_read),), nodes=500),
    Scene("shrunk", 120, 30, (Shot("light", until=is_read),), theme="textual-light"),
    Scene("healthy", 80, 24, (Shot("loading"),), fault={"kind": "half-open"}),
    Scene(
        "healthy",
        80,
        24,
        (Shot("denied", until=is_denied),),
        fault={"deny": [["get", "pods/exec"], ["create", "pods/exec"], ["list", "services"]]},
    ),
)
