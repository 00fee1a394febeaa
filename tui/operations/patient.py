"""A node after the restart of its agent: what it is compared to, and what a mark of health is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tui.model.names import PodUid
from tui.model.operations import HealthMark
from tui.model.reading import Reading, ReadingState
from tui.model.snapshot import NodeFacts
from tui.safety import CleanText, clean

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Baseline:
    """How a node was just before its agent was restarted."""

    at: float
    """Seconds since the epoch: what was observed before tells nothing of the new agent."""
    pod_uid: PodUid | None = None
    is_node_ready: bool | None = None
    missing_frontends: int | None = None
    drops_per_second: float | None = None
    errors: frozenset[str] = frozenset()
    """Messages of the ERROR lines that there were already."""
    unready_endpoints: int | None = None
    is_tainted: bool = False
    """Whether the node had the taint of an agent that is not ready."""
    has_monitor: bool = False
    """Whether the agent read the datapath's events."""
    is_health_failing: bool | None = None
    full_maps: frozenset[str] | None = None
    """Names of the maps that were nearly full."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a node's agent should run with afterwards."""

    values: Mapping[str, str] = field(default_factory=dict)
    """Option as the ConfigMap spells it -> value."""
    is_complete: bool = False
    """Whether no frontend may be missing: the point of a resize."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A mark, and whether the node counts as healthy without it."""

    mark: HealthMark
    is_needed: bool = True
    """False where it can't be known here, such as logs that may not be read."""
    proof: CleanText = CleanText("")
    """What was asked and what came, with the whole command; the mark says it in a few words."""

    @property
    def is_satisfied(self) -> bool:
        """Whether nothing waits for it."""
        return self.mark.is_met is True or (not self.is_needed and self.mark.is_met is None)


@dataclass(frozen=True, slots=True)
class Patient:
    """One node after its restart, with what it is compared to."""

    facts: NodeFacts
    baseline: Baseline
    wanted: Wanted
    now: float
    quiet_seconds: float
    unready_endpoints: int | None = None
    endpoints_reason: CleanText = CleanText("")
    """Why the endpoints are not known."""

    @property
    def has_new_pod(self) -> bool:
        """Whether the agent's pod is another one than before."""
        agent = self.facts.agent
        return agent is not None and agent.uid != self.baseline.pod_uid

    def fresh(self, reading: Reading[T]) -> T | None:
        """Return a value that the new agent gave, or None."""
        origin, agent = reading.origin, self.facts.agent
        if not reading.is_known or origin is None or agent is None or not self.has_new_pod:
            return None
        if origin.observed_at <= self.baseline.at:
            return None
        if origin.container_id and origin.container_id != agent.container_id:
            return None
        return reading.value


def asking(
    condition_id: str, reading: Reading[T], wanted: str, *, is_needed: bool = True
) -> Condition:
    """Return a condition that is not known yet, with why it is not where that is known."""
    if reading.state not in (ReadingState.DENIED, ReadingState.FAILED) or not reading.reason:
        return condition(condition_id, wanted, is_met=None, is_needed=is_needed)
    # The reason begins with the command, which can be longer than all that is said with it.
    source = reading.origin.source if reading.origin is not None else ""
    text = f"{wanted}: not known: {reading.reason.removeprefix(f'{source}: ')}"
    found = condition(condition_id, text, is_met=None, is_needed=is_needed)
    return replace(found, proof=reading.reason)


def condition(
    condition_id: str, text: str, *, is_met: bool | None, is_needed: bool = True
) -> Condition:
    """Return a condition whose words are made safe to show."""
    return Condition(HealthMark(condition_id, clean(text), is_met), is_needed)
