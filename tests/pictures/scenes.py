"""What is in each picture: a scenario, a terminal's size, the keys, and what to wait for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tui.model.operations import ArmingMode, NodeState, OperationState
from tui.model.snapshot import Snapshot, SourceState

Condition = Callable[[Snapshot], bool]


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

SCENES = (
    Scene("shrunk", 160, 50, INCIDENT),
    Scene("shrunk", 80, 24, INCIDENT),
    Scene("mixed", 160, 50, (Shot("leak", until=is_leaking), Shot("leak-log", ("5", "f")))),
    Scene("mixed", 120, 30, MIXED),
    Scene("mixed", 80, 24, FLIP),
    Scene("mixed", 120, 30, FLIP),
    Scene("mixed", 120, 30, FAILURE, fault=NEVER_READY),
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
