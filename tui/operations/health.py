"""When a restarted agent is healthy again: marks that turn true, against the baseline before.

The list is the upgrade guide's and the daemon's own: pod Ready (`/healthz`), state Ok, no failing
controllers, endpoints ready; compared with before: frontends, drops, node Ready, ERROR lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from tui.model.logs import LogEntry, LogLevel
from tui.model.node import AgentPhase
from tui.model.operations import HealthMark
from tui.model.snapshot import NodeFacts
from tui.operations.patient import Baseline, Condition, Patient, asking, condition
from tui.operations.vitals import (
    full_maps,
    health_mark,
    is_failing,
    is_tainted,
    maps_mark,
    taint_mark,
)
from tui.operations.wanted import wanted_marks
from tui.safety import CleanText, clean

T = TypeVar("T")

DROP_ALLOWANCE = 0.1
"""Drops may be a tenth above those before: the rate of a few seconds is never the same twice."""
LEAST_DROP_ALLOWANCE = 1.0
LEAST_EXCESS_PACKETS = 25.0
"""Fewer packets more than before, between two readings, are chance."""
CRASHES_TO_BELIEVE = 3


def baseline_of(facts: NodeFacts, at: float, unready_endpoints: int | None = None) -> Baseline:
    """Return how the node is now; what is not known stays unknown."""
    services, status = facts.services.value, facts.status.value
    return Baseline(
        at,
        facts.agent.uid if facts.agent is not None else None,
        facts.node.is_ready,
        services.missing_frontends if services is not None else None,
        drops_per_second(facts),
        frozenset(entry.line.message for entry in _errors(facts)),
        unready_endpoints,
        is_tainted(facts),
        status is not None and status.has_monitor,
        None if status is None else is_failing(status.health),
        None if facts.maps.value is None else full_maps(facts.maps.value),
    )


def drops_per_second(facts: NodeFacts) -> float | None:
    """Return packets dropped a second, of all reasons; None where no rate is known."""
    metrics = facts.metrics.value
    if metrics is None or metrics.interval_seconds is None:
        return None
    return sum(drop.per_second for drop in metrics.drops)


def crash_reason(baseline: Baseline, facts: NodeFacts) -> CleanText | None:
    """Tell why waiting is no use: the new agent starts and crashes again and again."""
    agent = facts.agent
    if agent is None or agent.uid == baseline.pod_uid:
        return None
    if agent.phase is AgentPhase.CRASH_LOOP or agent.restart_count >= CRASHES_TO_BELIEVE:
        why = agent.reason or clean(f"{agent.restart_count} restarts")
        return clean(f"the new agent {agent.name} starts and crashes: {why}{_last_words(facts)}")
    return None


def _last_words(facts: NodeFacts) -> str:
    fatal = [
        entry
        for entry in facts.logs
        if isinstance(entry, LogEntry) and entry.line.level >= LogLevel.FATAL
    ]
    if not fatal:
        return ""
    line = fatal[-1].line
    return f" - {line.message}{f': {line.error}' if line.error else ''}"


def conditions(patient: Patient) -> tuple[Condition, ...]:
    """Return every condition of being healthy again, in the order they usually turn true."""
    wanted = wanted_marks(
        patient.wanted.values,
        patient.fresh(patient.facts.status),
        patient.fresh(patient.facts.config),
        patient.fresh(patient.facts.maps),
    )
    found = [make(patient) for make in _CONDITIONS]
    return (*found, *(Condition(mark) for mark in wanted))


def merged(
    before: Iterable[HealthMark], now: Iterable[Condition], at: float
) -> Iterator[HealthMark]:
    """Yield the marks with the moment since which each is as it is."""
    known = {mark.id: mark for mark in before}
    for one in now:
        mark = one.mark
        old = known.get(mark.id)
        is_same = old is not None and old.is_met == mark.is_met
        since = old.at if is_same and old is not None else at
        yield replace(mark, at=None if mark.is_met is None else since)


def _pod_ready(patient: Patient) -> Condition:
    agent = patient.facts.agent
    if agent is None or not patient.has_new_pod:
        return condition("pod-ready", "a new agent pod", is_met=False)
    is_met = agent.is_ready and agent.phase is AgentPhase.RUNNING
    word = "is Ready" if is_met else f"is {agent.phase.value}"
    return condition("pod-ready", f"pod {agent.name} {word}", is_met=is_met)


def _node_ready(patient: Patient) -> Condition:
    if patient.facts.node.is_ready:
        return condition("node-ready", "the node is Ready", is_met=True)
    if patient.baseline.is_node_ready:
        return condition("node-ready", "the node is not Ready; it was before", is_met=False)
    if patient.baseline.is_node_ready is None:
        return condition("node-ready", "the node is not Ready; not known before", is_met=False)
    return condition("node-ready", "the node is not Ready, as before", is_met=True)


def _agent_ok(patient: Patient) -> Condition:
    status = patient.fresh(patient.facts.status)
    if status is None:
        return asking("agent-ok", patient.facts.status, "state Ok")
    parts = [("agent", status.cilium)]
    if status.kubernetes is not None:
        parts.append(("Kubernetes", status.kubernetes))
    bad = [f"{name} {part.state} {part.message}" for name, part in parts if part.state != "Ok"]
    bad += [f"no fresh result of {', '.join(status.stale)}"] if status.stale else []
    text = "; ".join(bad) if bad else "the agent says Ok"
    return condition("agent-ok", text, is_met=not bad)


def _controllers(patient: Patient) -> Condition:
    status = patient.fresh(patient.facts.status)
    if status is None:
        return condition("controllers", "no failing controllers", is_met=None)
    failing = status.failing_controllers
    if not failing:
        return condition("controllers", "no controller fails", is_met=True)
    text = f"{len(failing)} controllers fail: {failing[0].name}: {failing[0].message}"
    return condition("controllers", text, is_met=False)


def _endpoints(patient: Patient) -> Condition:
    unready, before = patient.unready_endpoints, patient.baseline.unready_endpoints
    if unready is None:
        why = patient.endpoints_reason
        text = f"endpoints are not known: {why}" if why else "all endpoints ready"
        # An agent that told them before its restart and does not now is no healthy one.
        is_needed = not why or before is not None
        return condition("endpoints", text, is_met=None, is_needed=is_needed)
    if not unready:
        return condition("endpoints", "all endpoints are ready", is_met=True)
    text = f"{unready} endpoints are not ready"
    is_met = before is not None and unready <= before
    return condition("endpoints", f"{text}, as before" if is_met else text, is_met=is_met)


def _frontends(patient: Patient) -> Condition:
    before = patient.baseline.missing_frontends
    limit = 0 if patient.wanted.is_complete else before
    coverage = patient.fresh(patient.facts.services)
    compared = "no frontend missing" if not limit else f"at most {limit} frontends missing"
    if coverage is None:
        # Services that can't be listed were no part of the baseline either.
        is_needed = before is not None or patient.wanted.is_complete
        return asking("frontends", patient.facts.services, compared, is_needed=is_needed)
    missing = coverage.missing_frontends
    if limit is None:
        text = f"{missing} frontends missing; not known before"
        return condition("frontends", text, is_met=missing == 0)
    was = "" if before is None else f" (before: {before})"
    return condition("frontends", f"{missing} frontends missing{was}", is_met=missing <= limit)


def _drops(patient: Patient) -> Condition:
    before = patient.baseline.drops_per_second
    if before is None:
        text = "drops: not known before, nothing to compare"
        return condition("drops", text, is_met=None, is_needed=False)
    metrics = patient.fresh(patient.facts.metrics)
    if metrics is None or metrics.interval_seconds is None:
        wanted = f"drops at most {before:.1f}/s, as before"
        return asking("drops", patient.facts.metrics, wanted)
    now = sum(drop.per_second for drop in metrics.drops)
    allowed = before + max(LEAST_DROP_ALLOWANCE, DROP_ALLOWANCE * before)
    is_met = (now - allowed) * metrics.interval_seconds <= LEAST_EXCESS_PACKETS
    return condition("drops", f"drops {now:.1f}/s (before: {before:.1f}/s)", is_met=is_met)


def _log(patient: Patient) -> Condition:
    facts, agent = patient.facts, patient.facts.agent
    if facts.log_error:
        text = f"the log can't be read: {facts.log_error}"
        return condition("log", text, is_met=None, is_needed=False)
    if agent is None or not patient.has_new_pod or agent.started_at is None:
        return condition("log", "no new ERROR lines", is_met=None)
    if not any(
        isinstance(entry, LogEntry) and entry.container_id == agent.container_id
        for entry in facts.logs
    ):
        # An agent logs hundreds of lines at its start: none at all means that nobody looked.
        return condition("log", "no new ERROR lines: its log was not read yet", is_met=None)
    new = [
        entry
        for entry in _errors(facts)
        if entry.container_id == agent.container_id
        and not entry.is_previous
        and entry.line.message not in patient.baseline.errors
    ]
    last = max((entry.last_time or entry.line.time for entry in new), default=None)
    # The node's clock may be behind ours: a pod of this moment is no older than its deletion.
    quiet = patient.now - max(last or 0.0, agent.started_at, patient.baseline.at)
    if last is not None and quiet < patient.quiet_seconds:
        text = f"ERROR {quiet:.0f} s ago: {new[-1].line.message}"
        return condition("log", text, is_met=False)
    if quiet < patient.quiet_seconds:
        text = f"no new ERROR lines for {patient.quiet_seconds:.0f} s"
        return condition("log", text, is_met=None)
    text = f"no new ERROR line for {patient.quiet_seconds:.0f} s"
    return condition("log", text, is_met=True)


_CONDITIONS: tuple[Callable[[Patient], Condition], ...] = (
    _pod_ready,
    _node_ready,
    taint_mark,
    _agent_ok,
    _controllers,
    health_mark,
    _endpoints,
    _frontends,
    maps_mark,
    _drops,
    _log,
)


def _errors(facts: NodeFacts) -> list[LogEntry]:
    return [
        entry
        for entry in facts.logs
        if isinstance(entry, LogEntry) and entry.line.level >= LogLevel.ERROR
    ]
