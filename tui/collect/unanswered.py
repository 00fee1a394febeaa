"""Say in every section why a node could not be asked, so that none looks empty or current."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tui.collect.visits import Answering, Turn
from tui.model.node import AgentPhase, AgentPod
from tui.model.reading import Reading
from tui.model.snapshot import NodeReport
from tui.safety import CleanText, clean

T = TypeVar("T")

SECTIONS = {
    "version": "version",
    "status": "status",
    "metrics": "metrics",
    "maps": "maps",
    "services4": "services",
    "helpers": "features",
    "config": "config",
    "clients": "host",
}
"""Which section each probe brings."""

_PHASES = {
    AgentPhase.MISSING: "there is no agent pod on this node",
    AgentPhase.CRASH_LOOP: "the agent is crash-looping",
    AgentPhase.NOT_READY: "the agent's container is not running",
    AgentPhase.PENDING: "the agent has not started",
    AgentPhase.TERMINATING: "the agent is being deleted",
    AgentPhase.UNREACHABLE: "the node's kubelet does not answer",
    AgentPhase.RUNNING: "the agent's container is not running",
}


def unanswered(turn: Turn, reason: CleanText) -> NodeReport:
    """Return the report of an exec that failed as a whole: each section asked for failed."""
    sections = {SECTIONS[probe] for probe in turn.probes if probe in SECTIONS}
    return _report(turn.agent, reason, sections, Reading.failed(reason))


def denied(agent: Answering, reason: CleanText) -> NodeReport:
    """Return the report of a node on which exec is not allowed."""
    return _report(agent, reason, SECTIONS.values(), Reading.denied(reason))


def unaskable(agent: Answering, reason: CleanText) -> NodeReport:
    """Return the report of a node whose agent can't be asked."""
    return _report(agent, reason, SECTIONS.values(), Reading.unknown(reason))


def why_unaskable(agent: AgentPod | None) -> CleanText:
    """Say why an agent can't be asked."""
    if agent is None:
        return clean("no agent pod is known on this node yet")
    said = _PHASES[agent.phase]
    return clean(f"{said}: {agent.reason}" if agent.reason else said)


def _report(
    agent: Answering, error: CleanText, sections: Iterable[str], reading: Reading[T]
) -> NodeReport:
    given = {name: reading for name in sections}
    return NodeReport(agent.uid, agent.container_id, None, error, **given)  # type: ignore[arg-type]  # a reading without a value fits every section
