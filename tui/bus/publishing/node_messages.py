"""What is sent of one node: its facts without trends and without its log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from tui.bus.wire.messages import NODE_READINGS, FactsMessage
from tui.model.findings import FindingSeverity, Verdict
from tui.model.logs import LogEntry, LogGap
from tui.model.maps import NO_TREND, MapUsage
from tui.model.node import AgentPhase, AgentPod
from tui.model.reading import Reading, ReadingState
from tui.model.snapshot import NodeFacts

MOST_LOGGED = 64

ANSWERING = frozenset({AgentPhase.RUNNING, AgentPhase.NOT_READY})
"""Phases in which an agent's container may answer an exec."""

_readings = attrgetter(*NODE_READINGS)

Trouble = tuple[FindingSeverity | None, AgentPhase | None, bool | None, bool, int]
"""Worst harm that the checks see, the agent's phase, the node's readiness, whether execs fail, and
how much was not read yet."""


def facts_message(facts: NodeFacts) -> FactsMessage:
    """Return what is sent of a node."""
    return FactsMessage(
        replace(facts, maps=_without_trends(facts.maps), logs=()), logged(facts.logs, facts.agent)
    )


def _without_trends(maps: Reading[tuple[MapUsage, ...]]) -> Reading[tuple[MapUsage, ...]]:
    if maps.value is None or all(usage.trend is NO_TREND for usage in maps.value):
        return maps
    stripped = tuple(
        usage if usage.trend is NO_TREND else replace(usage, trend=NO_TREND) for usage in maps.value
    )
    return replace(maps, value=stripped)


def logged(rows: Sequence[LogEntry | LogGap], agent: AgentPod | None) -> tuple[LogEntry, ...]:
    """Return what the checks need of a log: of each meaning the first, newest and most repeated.

    Where that is nothing of the agent's own container, its first entry proves that its log is read.
    """
    by_meaning: dict[str, list[LogEntry]] = {}
    for row in rows:
        if isinstance(row, LogEntry) and row.meaning:
            by_meaning.setdefault(row.meaning, []).append(row)
    chosen: dict[int, LogEntry] = {}
    for entries in by_meaning.values():
        newest = max(entries, key=lambda entry: entry.last_time or entry.line.time)
        loudest = max(entries, key=lambda entry: entry.count)
        chosen |= {id(entry): entry for entry in (entries[0], newest, loudest)}
    own = "" if agent is None else agent.container_id
    if own and not any(_is_of(own, entry) for entry in chosen.values()):
        proof = next((one for one in rows if isinstance(one, LogEntry) and _is_of(own, one)), None)
        chosen |= {} if proof is None else {id(proof): proof}
    if not chosen:
        return ()
    kept = sorted(chosen.values(), key=lambda entry: entry.last_time or entry.line.time)
    return tuple(sorted(kept[-MOST_LOGGED:], key=lambda entry: (entry.line.time, entry.sequence)))


def _is_of(container: str, entry: LogEntry) -> bool:
    return entry.container_id == container and not entry.is_previous


def trouble(facts: NodeFacts, verdicts: Sequence[Verdict]) -> Trouble:
    """Return what makes a node's message urgent where it changes."""
    # Verdicts are worst first.
    worst = verdicts[0].severity if verdicts else None
    harm = worst if worst in (FindingSeverity.ACTIVE, FindingSeverity.ARMED) else None
    phase = None if facts.agent is None else facts.agent.phase
    return (harm, phase, facts.node.is_ready, bool(facts.sweep_error), unread_parts(facts))


def unread_parts(facts: NodeFacts) -> int:
    """Return how many parts of a node were not asked for yet."""
    readings: tuple[Reading[Any], ...] = _readings(facts)
    return sum(one.state is ReadingState.UNKNOWN and not one.reason for one in readings)


def has_answer(facts: NodeFacts, since: float | None, *, is_last: bool) -> bool:
    """Whether something is known of a node that is worth overwriting what others told of it.

    Args:
        facts: the node's.
        since: when it became this collector's, seconds since the epoch; None for always.
        is_last: whether parts that were not read yet were waited for long enough.
    """
    if facts.sweep_error or facts.agent is None or facts.agent.phase not in ANSWERING:
        return True
    if facts.swept_at is None or (since is not None and facts.swept_at < since):
        return False
    return is_last or not unread_parts(facts)
