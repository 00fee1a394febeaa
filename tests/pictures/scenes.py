"""What is in each picture: a scenario, a terminal's size, the keys, and what to wait for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tui.model.snapshot import Snapshot, SourceState

Condition = Callable[[Snapshot], bool]


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture, taken after some keys."""

    name: str
    keys: tuple[str, ...] = ()
    until: Condition = field(default=lambda snapshot: True)
    """The picture waits for this to be true of what is shown."""


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

SCENES = (
    Scene("shrunk", 160, 50, INCIDENT),
    Scene("shrunk", 80, 24, INCIDENT),
    Scene("mixed", 160, 50, (Shot("leak", until=is_leaking), Shot("leak-log", ("5", "f")))),
    Scene("mixed", 120, 30, MIXED),
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
