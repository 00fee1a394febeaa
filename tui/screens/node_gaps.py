"""What could not be read of one node, and why, each reason once."""

from __future__ import annotations

from dataclasses import dataclass

from tui.model.node import AgentPhase
from tui.model.reading import ReadingState
from tui.model.snapshot import NodeFacts
from tui.screens.faults import readings

AGENT_DOWN = "agent down"
WAITING = "waiting"
DOWN_WORDS = {
    AgentPhase.MISSING: AGENT_DOWN,
    AgentPhase.CRASH_LOOP: "crash loop",
    AgentPhase.PENDING: AGENT_DOWN,
    AgentPhase.UNREACHABLE: "offline",
}
"""Phases in which nothing can be read; the words stand in the node table."""
DENIED = "denied"
EXEC_FAILED = "exec failed"


@dataclass(frozen=True, slots=True)
class NodeGap:
    """One thing that could not be read."""

    what: str
    """The sections, or what they all come through: the agent, the exec."""
    word: str
    """Such as `denied`, `exec failed`, `crash loop`."""
    reason: str = ""


def node_gaps(facts: NodeFacts, is_agent_expected: bool) -> tuple[NodeGap, ...]:
    """Return what could not be read of a node; nothing of one that was not asked yet."""
    agent = facts.agent
    if agent is None:
        missing = NodeGap("agent", AGENT_DOWN, "no agent pod on this node")
        return (missing,) if is_agent_expected else ()
    log = (NodeGap("log", "failed", facts.log_error),) if facts.log_error else ()
    word = DOWN_WORDS.get(agent.phase)
    if word is not None:
        return (NodeGap("agent", word, agent.reason), *log)
    return (*_section_gaps(facts), *log)


def _section_gaps(facts: NodeFacts) -> list[NodeGap]:
    by_reason: dict[tuple[ReadingState, str], list[str]] = {}
    for name, state, reason in readings(facts):
        if state is not ReadingState.KNOWN and (state is not ReadingState.UNKNOWN or reason):
            by_reason.setdefault((state, reason), []).append(name)
    gaps = [
        NodeGap(", ".join(names), state.value, reason)
        for (state, reason), names in by_reason.items()
    ]
    error = facts.sweep_error
    if error and not any(error in gap.reason for gap in gaps):
        gaps.insert(0, NodeGap("last sweep", EXEC_FAILED, error))
    return gaps


def unread_word(facts: NodeFacts, is_agent_expected: bool = True) -> str:
    """Return in one word or two why no map of a node was read."""
    agent = facts.agent
    if agent is None:
        return AGENT_DOWN if is_agent_expected else WAITING
    if agent.phase in DOWN_WORDS:
        return DOWN_WORDS[agent.phase]
    states = (facts.maps.state, facts.status.state)
    if ReadingState.DENIED in states:
        return DENIED
    if facts.sweep_error:
        return EXEC_FAILED
    if facts.swept_at is None:
        return WAITING if agent.phase is AgentPhase.RUNNING else AGENT_DOWN
    return "failed" if facts.maps.state is ReadingState.FAILED else "not counted"
