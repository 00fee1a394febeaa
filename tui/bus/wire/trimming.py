"""Leave out what makes a message too long, and say so in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from tui.bus.wire.messages import (
    CLUSTER_READINGS,
    NODE_READINGS,
    AuditMessage,
    ClusterMessage,
    FactsMessage,
    FindingsMessage,
    Message,
    PresenceMessage,
    RoomMessage,
    WarningsMessage,
)
from tui.model.findings import Finding, FindingSeverity
from tui.model.logs import LogBatch, LogGap
from tui.model.operations import AuditRecord
from tui.model.reading import Reading, ReadingState
from tui.model.schema import encode
from tui.model.snapshot import NodeFacts
from tui.safety import CleanText, clean

M = TypeVar("M", FactsMessage, ClusterMessage)

_LEFT_OUT = "too long for a message"
_NOT_SENT = CleanText("left out: too long for a message")

_FAULTS = 100

_LISTS = ((8, 200), (8, 40), (2, 10), (0, 0))
"""Objects and pieces of evidence, and nodes, that are kept of each finding, step by step."""


def trimmed(message: Message) -> Iterator[Message]:
    """Yield the message ever shorter; the first is as it was."""
    yield message
    match message:
        case FactsMessage():
            yield from _facts(message)
        case ClusterMessage():
            yield from _cluster(message)
        case FindingsMessage():
            yield from _findings(message)
        case WarningsMessage():
            yield from _warnings(message)
        case AuditMessage():
            for records in _later(message.records):
                yield AuditMessage(records)
        case RoomMessage():
            yield from _room(message)
        case PresenceMessage():
            yield replace(message, gaps={})


def _facts(message: FactsMessage) -> Iterator[FactsMessage]:
    """Shorten the lists, then leave out whole readings, the longest first."""
    if message.logged:
        kept = message.logged[:8]
        text = f"{len(kept)} of {len(message.logged)} entries"
        message = replace(message, logged=kept, truncated=_noted(message, "logged", text))
        yield message
    facts = message.facts
    if facts is None:
        return
    coverage = facts.services.value
    if coverage is not None and len(coverage.faults) > _FAULTS:
        text = f"the worst {_FAULTS} of {len(coverage.faults)} faults"
        shorter = replace(coverage, faults=coverage.faults[:_FAULTS])
        facts = replace(facts, services=replace(facts.services, value=shorter))
        message = replace(message, facts=facts, truncated=_noted(message, "services", text))
        yield message
    for name in _longest_first(facts, NODE_READINGS):
        left_out: dict[str, Any] = {name: _left_out(getattr(facts, name))}
        facts = replace(facts, **left_out)
        message = replace(message, facts=facts, truncated=_noted(message, name, _LEFT_OUT))
        yield message
    node = replace(facts.node, labels={}, config_overrides={}, conditions=(), addresses=())
    noted = _noted(message, "node", "labels and conditions left out: too long for a message")
    yield replace(message, facts=NodeFacts(node), logged=(), truncated=noted)


def _cluster(message: ClusterMessage) -> Iterator[ClusterMessage]:
    """Leave out the Services' endpoints, then whole readings, the longest first."""
    facts = message.facts
    if facts.services.value:
        bare = tuple(replace(one, backends=(), endpoint_nodes=()) for one in facts.services.value)
        facts = replace(facts, services=replace(facts.services, value=bare))
        noted = _noted(message, "services", "their backends are left out")
        message = replace(message, facts=facts, truncated=noted)
        yield message
    for name in _longest_first(facts, CLUSTER_READINGS):
        left_out: dict[str, Any] = {name: _left_out(getattr(facts, name))}
        facts = replace(facts, **left_out)
        message = replace(message, facts=facts, truncated=_noted(message, name, _LEFT_OUT))
        yield message
    yield replace(message, facts=replace(facts, labels={}))


def _longest_first(facts: object, names: tuple[str, ...]) -> list[str]:
    return sorted(names, key=lambda name: -len(encode(getattr(facts, name))))


def _left_out(reading: Reading[Any]) -> Reading[Any]:
    return Reading(ReadingState.UNKNOWN, None, _NOT_SENT, reading.origin)


def _noted(message: M, part: str, text: str) -> Mapping[str, str]:
    return {**message.truncated, part: text}


def _findings(message: FindingsMessage) -> Iterator[FindingsMessage]:
    """Leave out what is CLEAR, then long lists, then the least of them; the counts stay whole."""
    told = tuple(one for one in message.findings if one.severity is not FindingSeverity.CLEAR)
    noted = {**message.truncated, "findings": "those that are CLEAR are left out"}
    yield replace(message, findings=told, truncated=noted)
    for most, nodes in _LISTS:
        told = tuple(_brief(one, most, nodes) for one in told)
        lists = f"at most {most} objects and pieces of evidence, and {nodes} nodes, of each"
        noted = {**noted, "lists": lists}
        yield replace(message, findings=told, truncated=noted)
    while told:
        told = told[: len(told) // 2]
        noted = {**noted, "findings": f"the worst {len(told)} of {len(message.findings)}"}
        yield replace(message, findings=told, truncated=noted)


def _brief(finding: Finding, most: int, nodes: int) -> Finding:
    is_cut = len(finding.nodes) > nodes
    return replace(
        finding,
        nodes=finding.nodes[:nodes],
        node_names=finding.node_names[:nodes],
        nodes_total=finding.nodes_total or len(finding.nodes) if is_cut else finding.nodes_total,
        objects=finding.objects[:most],
        objects_total=max(finding.objects_total, len(finding.objects)),
        evidence=finding.evidence[:most],
        missing=finding.missing[:most],
    )


def _warnings(message: WarningsMessage) -> Iterator[WarningsMessage]:
    """Keep the later half of the lines, and half of these, with a gap in the others' place."""
    batches = message.batches
    while any(batch.lines for batch in batches):
        keep = sum(len(batch.lines) for batch in batches) // 2
        batches = _last_lines(batches, keep)
        yield WarningsMessage(batches)
    yield WarningsMessage(batches[-1:])


def _last_lines(batches: tuple[LogBatch, ...], keep: int) -> tuple[LogBatch, ...]:
    """Return the batches with so many lines in all, the last ones."""
    kept: list[LogBatch] = []
    for batch in reversed(batches):
        surplus = max(0, len(batch.lines) - keep)
        keep -= len(batch.lines) - surplus
        kept.append(_without_first(batch, surplus) if surplus else batch)
    return tuple(reversed(kept))


def _without_first(batch: LogBatch, surplus: int) -> LogBatch:
    lost, before = batch.lines[:surplus], batch.gap
    number: int | None = surplus
    if before is not None:
        number = None if before.lost_lines is None else before.lost_lines + surplus
    gap = LogGap(
        batch.node_uid,
        lost[0].time if before is None else min(before.started_at, lost[0].time),
        lost[-1].time,
        number,
        clean(f"{before.reason}; {_LEFT_OUT}" if before is not None else _LEFT_OUT),
    )
    if before is not None and before.reason.endswith(_LEFT_OUT):
        gap = replace(gap, reason=before.reason)
    return replace(batch, lines=batch.lines[surplus:], gap=gap)


def _room(message: RoomMessage) -> Iterator[RoomMessage]:
    while message.changes or message.records:
        message = RoomMessage(
            message.changes[(len(message.changes) + 1) // 2 :],
            message.records[(len(message.records) + 1) // 2 :],
        )
        yield message


def _later(records: tuple[AuditRecord, ...]) -> Iterator[tuple[AuditRecord, ...]]:
    while records:
        records = records[(len(records) + 1) // 2 :]
        yield records
