"""The plain faults seen on one node, worst first, each with its origin.

They are what the facts say without knowing any limitation of a release; the checks' findings stand
beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from tui.model.logs import LogEntry, LogLevel
from tui.model.maps import MapUsage
from tui.model.node import AgentPhase, AgentPod
from tui.model.reading import Origin, Reading, ReadingState
from tui.model.services import FaultKind, FrontendFault, ServiceCoverage
from tui.model.snapshot import NodeFacts
from tui.safety import CleanText
from tui.screens import wording
from tui.screens.map_pressure import map_pressure
from tui.screens.map_words import map_remarks
from tui.screens.severity import Rank, Severity
from widgets.symbols import symbols

T = TypeVar("T")

RECENT_SECONDS = 600.0
BURST_LINES = 5


class Subject(StrEnum):
    """Which panel shows the proof of a fault."""

    MAPS = "maps"
    SERVICES = "services"
    FEATURES = "features"
    LOG = "log"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong on one node, in words, with what proves it."""

    severity: Severity
    rank: Rank
    title: str
    subject: Subject
    key: str = ""
    """The row of the subject's panel that proves it: a map's or Service's name."""
    detail: str = ""
    origin: str = ""
    """The command or API path whose answer says so."""
    at: float | None = None
    """When that was observed."""
    short: str = ""
    """The title in fewer words, for a narrow line; the empty text where it is short already."""
    frontends: FaultKind | None = None
    """Which faulty frontends of the node's coverage this one stands for."""

    @property
    def order(self) -> tuple[int, int, str]:
        """Sort worst first."""
        return (self.severity, self.rank, self.title)


def node_faults(facts: NodeFacts, now: float, is_agent_expected: bool = True) -> tuple[Fault, ...]:
    """Return everything wrong on a node, worst first.

    Args:
        facts: What is known of the node.
        now: Tells a fresh burst of log lines from an old one.
        is_agent_expected: False before the first list of pods, when none proves nothing.
    """
    found = [
        *_service_faults(facts.services),
        *_map_faults(facts.maps),
        *_agent_faults(facts, is_agent_expected),
        *_controller_faults(facts),
        *_state_faults(facts),
        *_log_faults(facts, now),
        *_unreadable(facts),
    ]
    return tuple(sorted(found, key=lambda fault: fault.order))


def _source(reading: Reading[T]) -> tuple[str, float | None]:
    return (
        ("", None)
        if reading.origin is None
        else (reading.origin.source, reading.origin.observed_at)
    )


def service_names(coverage: ServiceCoverage, kind: FaultKind) -> list[str]:
    """Return the Services that a kind of fault hits, each once, in the coverage's order."""
    names = dict.fromkeys(
        fault.service or str(fault.frontend) for fault in coverage.faults if fault.fault is kind
    )
    return list(names)


def _service_faults(reading: Reading[ServiceCoverage]) -> Iterator[Fault]:
    coverage = reading.value
    if coverage is None:
        return
    origin, at = _source(reading)
    if coverage.missing_frontends > 0:
        names = service_names(coverage, FaultKind.MISSING)
        yield Fault(
            Severity.HARM,
            Rank.MISSING_SERVICE,
            f"{wording.count(coverage.missing_frontends)} of "
            f"{wording.count(coverage.wanted_frontends)} Service frontends missing",
            Subject.SERVICES,
            names[0] if names else "",
            wording.listed(names, 3),
            origin,
            at,
            f"{wording.count(coverage.missing_frontends)} of "
            f"{wording.count(coverage.wanted_frontends)} frontends missing",
            FaultKind.MISSING,
        )
    for kind, severity, rank in (
        (FaultKind.NO_BACKENDS, Severity.HARM, Rank.BROKEN_SERVICE),
        (FaultKind.WRONG_BACKENDS, Severity.HARM, Rank.BROKEN_SERVICE),
        (FaultKind.WRONG_AFFINITY, Severity.WARNING, Rank.ODD_SERVICE),
        (FaultKind.SURPLUS, Severity.NOTE, Rank.ODD_SERVICE),
    ):
        hit = [fault for fault in coverage.faults if fault.fault is kind]
        if hit:
            yield Fault(
                severity,
                rank,
                f"{wording.counted(len(hit), 'frontend')} with {_kind_words(kind)}",
                Subject.SERVICES,
                hit[0].service,
                wording.listed(_frontends(hit), 3),
                origin,
                at,
                frontends=kind,
            )


def _kind_words(kind: FaultKind) -> str:
    return "no Service that wants them" if kind is FaultKind.SURPLUS else kind.value


def _frontends(faults: list[FrontendFault]) -> list[str]:
    return list(dict.fromkeys(fault.service or str(fault.frontend) for fault in faults))


def _map_faults(reading: Reading[tuple[MapUsage, ...]]) -> Iterator[Fault]:
    origin, at = _source(reading)
    for usage in reading.value or ():
        pressure = map_pressure(usage)
        if pressure is None:
            continue
        yield Fault(
            pressure.severity,
            pressure.rank,
            pressure.title,
            Subject.MAPS,
            usage.name,
            _news(map_remarks(usage), pressure.title),
            origin,
            usage.counted_at or at,
            pressure.short,
        )


def _news(remarks: str, title: str) -> str:
    """Return the remarks that the title does not hold already."""
    divider = f" {symbols().divider} "
    return divider.join(part for part in remarks.split(divider) if part not in title)


_PHASE_FAULTS = {
    AgentPhase.CRASH_LOOP: (Rank.AGENT_DOWN, "agent crash-loops"),
    AgentPhase.MISSING: (Rank.AGENT_DOWN, "no agent pod on this node"),
    AgentPhase.NOT_READY: (Rank.AGENT_STATE, "agent not ready"),
    AgentPhase.PENDING: (Rank.AGENT_DOWN, "agent pending"),
    AgentPhase.TERMINATING: (Rank.AGENT_STATE, "agent terminating"),
    AgentPhase.UNREACHABLE: (Rank.NODE_DOWN, "agent unreachable: its node is not ready"),
}


def _agent_faults(facts: NodeFacts, is_agent_expected: bool) -> Iterator[Fault]:
    agent = facts.agent
    if agent is None and not is_agent_expected:
        return
    phase = AgentPhase.MISSING if agent is None else agent.phase
    if phase in _PHASE_FAULTS:
        rank, words = _PHASE_FAULTS[phase]
        yield Fault(
            Severity.WARNING,
            rank,
            f"{words}{_restarts(agent)}",
            Subject.AGENT,
            detail="" if agent is None else agent.reason,
            origin="pods in the Kubernetes API",
        )
    if facts.node.is_ready is not True and phase is not AgentPhase.UNREACHABLE:
        words = "node not ready" if facts.node.is_ready is False else "kubelet does not report"
        yield Fault(
            Severity.WARNING, Rank.NODE_DOWN, words, Subject.AGENT, origin="the Node object"
        )


def _restarts(agent: AgentPod | None) -> str:
    if agent is None or agent.phase is not AgentPhase.CRASH_LOOP or not agent.restart_count:
        return ""
    return f" ×{agent.restart_count}"


def broken_maps(facts: NodeFacts) -> frozenset[str]:
    """Return the maps that are said to be broken already: what follows from it is no news."""
    usages = facts.maps.value or ()
    return frozenset(usage.name for usage in usages if usage.sync_failure or usage.is_full)


def _controller_faults(facts: NodeFacts) -> Iterator[Fault]:
    status = facts.status.value
    if status is None:
        return
    origin, at = _source(facts.status)
    shown = broken_maps(facts)
    for controller in status.failing_controllers:
        synced = controller.synced_map
        if synced in shown:
            continue
        yield Fault(
            Severity.HARM if synced else Severity.WARNING,
            Rank.MAP_SYNC if synced else Rank.CONTROLLER,
            f"controller {controller.name} fails, "
            f"{wording.count(controller.consecutive_failures)} in a row",
            Subject.MAPS if synced else Subject.AGENT,
            synced or controller.name,
            controller.message,
            origin,
            controller.last_failure_at or at,
        )


def _state_faults(facts: NodeFacts) -> Iterator[Fault]:
    status = facts.status.value
    if status is not None:
        origin, at = _source(facts.status)
        for what, component in (
            ("agent", status.cilium),
            ("Kubernetes connection", status.kubernetes),
            ("kvstore", status.kvstore),
        ):
            if component is None or component.state.lower() in ("ok", "disabled", ""):
                continue
            yield Fault(
                Severity.WARNING,
                Rank.AGENT_STATE,
                f"{what} says {component.state}",
                Subject.AGENT,
                detail=component.message,
                origin=origin,
                at=at,
            )
    metrics = facts.metrics.value
    failed = {} if metrics is None else metrics.failed_map_operations
    broken = broken_maps(facts)
    origin, at = _source(facts.metrics)
    for name, number in sorted(failed.items()):
        if number > 0 and name not in broken:
            yield Fault(
                Severity.WARNING,
                Rank.FILLING_MAP,
                f"{wording.counted(number, 'write')} to {wording.short_map(name)} failed",
                Subject.MAPS,
                name,
                "since the sweep before",
                origin,
                at,
            )


def _log_faults(facts: NodeFacts, now: float) -> Iterator[Fault]:
    bursts = [
        entry
        for entry in facts.logs
        if isinstance(entry, LogEntry)
        and entry.line.level >= LogLevel.ERROR
        and (entry.count >= BURST_LINES or entry.is_start_burst)
    ]
    bursts.sort(key=lambda entry: (-entry.line.level, -entry.count, -entry.last_time))
    for entry in bursts[:3]:
        is_fresh = now - max(entry.last_time, entry.line.time) <= RECENT_SECONDS
        where = " at agent start" if entry.is_start_burst else ""
        yield Fault(
            Severity.WARNING if is_fresh else Severity.NOTE,
            Rank.LOG_BURST,
            f"{wording.counted(entry.count, 'error')}{where}: {entry.line.message}",
            Subject.LOG,
            str(entry.sequence),
            entry.line.error,
            "the agent's log",
            entry.line.time,
        )


def _unreadable(facts: NodeFacts) -> Iterator[Fault]:
    by_reason: dict[tuple[ReadingState, str], list[str]] = {}
    for name, state, reason in readings(facts):
        if state in (ReadingState.DENIED, ReadingState.FAILED):
            by_reason.setdefault((state, reason), []).append(name)
    if facts.log_error:
        by_reason.setdefault((ReadingState.FAILED, facts.log_error), []).append("log")
    is_running = facts.agent is not None and facts.agent.phase is AgentPhase.RUNNING
    if (
        is_running
        and facts.sweep_error
        and not any(facts.sweep_error in reason for _, reason in by_reason)
    ):
        by_reason[ReadingState.FAILED, facts.sweep_error] = ["last sweep"]
    for (state, why), names in by_reason.items():
        verb = "denied" if state is ReadingState.DENIED else "unreadable"
        yield Fault(
            Severity.UNKNOWN,
            Rank.UNREADABLE,
            f"{', '.join(names)} {verb}",
            Subject.AGENT,
            detail=why,
            at=facts.swept_at,
        )


def readings(facts: NodeFacts) -> tuple[tuple[str, ReadingState, CleanText], ...]:
    """Return a node's sections: the name on screen, how it was read, and why not."""
    return (
        ("status", facts.status.state, facts.status.reason),
        ("maps", facts.maps.state, facts.maps.reason),
        ("services", facts.services.state, facts.services.reason),
        ("features", facts.features.state, facts.features.reason),
        ("config", facts.config.state, facts.config.reason),
        ("version", facts.version.state, facts.version.reason),
        ("metrics", facts.metrics.state, facts.metrics.reason),
    )


def origins(facts: NodeFacts) -> Iterator[Origin]:
    """Yield where a node's sections were read."""
    for origin in (
        facts.version.origin,
        facts.status.origin,
        facts.metrics.origin,
        facts.maps.origin,
        facts.services.origin,
        facts.features.origin,
        facts.config.origin,
        facts.host.origin,
    ):
        if origin is not None:
            yield origin
