"""Keep back what a receiver would refuse, so that the rest of a message still gets through.

A receiver throws the whole message away for one number that can't be; what an agent or a hostile
log line printed must not take a node off everybody's screen.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

from tui.bus.wire.bounds import Check, OutOfBoundsError, check_of
from tui.bus.wire.messages import (
    CLUSTER_READINGS,
    NODE_READINGS,
    ClusterMessage,
    FactsMessage,
    Message,
    WarningsMessage,
)
from tui.model.cluster import ClusterFacts
from tui.model.logs import LogBatch, LogEntry, LogLine
from tui.model.reading import Reading
from tui.model.snapshot import NodeFacts
from tui.safety import clean

F = TypeVar("F", NodeFacts, ClusterFacts)


def _reading_checks(kind: Any, names: Iterable[str]) -> dict[str, Check]:
    hints = typing.get_type_hints(kind)
    checks = {name: check_of(hints[name]) for name in names}
    return {name: check for name, check in checks.items() if check is not None}


_NODE_CHECKS = _reading_checks(NodeFacts, NODE_READINGS)
_CLUSTER_CHECKS = _reading_checks(ClusterFacts, CLUSTER_READINGS)
_LINE_CHECK = check_of(LogLine)
_ENTRY_CHECK = check_of(LogEntry)


def sendable(message: Message) -> Message:
    """Return the message, without the readings and log lines that nobody would take."""
    match message:
        case FactsMessage(facts=NodeFacts() as facts):
            kept = _without(facts, _NODE_CHECKS)
            logged = tuple(entry for entry in message.logged if _passes(_ENTRY_CHECK, entry))
            if kept is facts and len(logged) == len(message.logged):
                return message
            return replace(message, facts=kept, logged=logged)
        case ClusterMessage():
            kept_cluster = _without(message.facts, _CLUSTER_CHECKS)
            return (
                message if kept_cluster is message.facts else replace(message, facts=kept_cluster)
            )
        case WarningsMessage():
            return WarningsMessage(tuple(map(_batch, message.batches)))
        case _:
            return message


def _without(facts: F, checks: dict[str, Check]) -> F:
    refused: dict[str, Any] = {}
    for name, check in checks.items():
        reading: Reading[Any] = getattr(facts, name)
        try:
            check(reading)
        except OutOfBoundsError as error:
            reason = clean(f"not sent, as nobody would take it: {error}")
            refused[name] = Reading.failed(reason)
    return replace(facts, **refused) if refused else facts


def _batch(batch: LogBatch) -> LogBatch:
    if all(_passes(_LINE_CHECK, line) for line in batch.lines):
        return batch
    return replace(batch, lines=tuple(one for one in batch.lines if _passes(_LINE_CHECK, one)))


def _passes(check: Check | None, value: object) -> bool:
    if check is None:
        return True
    try:
        check(value)
    except OutOfBoundsError:
        return False
    return True
