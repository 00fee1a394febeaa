"""What an earlier ciltop left half done: read from its audit file and its undo records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from tui.errors import NotFoundError
from tui.model.cluster import ClusterFacts
from tui.model.names import NodeUid
from tui.model.operations import (
    AuditEvent,
    AuditRecord,
    Intent,
    NodeProgress,
    NodeState,
    OperationKind,
    OperationProgress,
    OperationState,
)
from tui.operations.beginning import written
from tui.operations.changes import is_restart, values_of
from tui.operations.progress import Scribe, waiting_nodes
from tui.operations.undo import UndoFolder, UndoRecord
from tui.operations.writer import Outcome, Reads, outcome_of, sent_as
from tui.safety import clean


def unfinished(
    folder: UndoFolder, records: Sequence[AuditRecord], cluster: ClusterFacts
) -> tuple[UndoRecord, ...]:
    """Return the operations on this cluster that began and never ended, oldest first.

    Args:
        folder: the records of operations; one that another ciltop runs now is left out.
        records: the end of the audit file.
        cluster: which one this is.
    """
    ended = {one.operation_id for one in records if one.event is AuditEvent.ENDED}
    return tuple(
        record
        for record in folder.records()
        if is_of(record, cluster)
        and not record.is_ended
        and record.id not in ended
        and not folder.is_held(record.id)
    )


def is_of(record: UndoRecord, cluster: ClusterFacts) -> bool:
    """Tell whether an operation was done on this cluster; two may have one context's name."""
    return (record.context, record.server) == (cluster.context, cluster.server)


async def settled(record: UndoRecord, session: Reads) -> UndoRecord:
    """Return the record with what the cluster itself shows of writes that were under way.

    Raises:
        ClusterError: it can't be asked.
    """
    for write in record.plan.writes:
        reversal = next((one for one in record.reversals if one.write_id == write.id), None)
        if reversal is None or reversal.is_written:
            continue
        request = sent_as(write)
        try:
            found = await session.get_json(request.object_path, dict[str, Any])
        except NotFoundError:
            found = None
        if outcome_of(request, found) is Outcome.DONE:
            uid = str(((found or {}).get("metadata") or {}).get("uid", ""))
            record = written(record, write, uid)
    return record


def progress_of(record: UndoRecord, records: Iterable[AuditRecord]) -> OperationProgress:
    """Return how far an unfinished operation came."""
    own = [one for one in records if one.operation_id == record.id]
    nodes = tuple(_node(node, own) for node in waiting_nodes(record.plan))
    done = sum(node.state is NodeState.DONE for node in nodes)
    begun = sum(node.state is NodeState.UNKNOWN for node in nodes)
    config = [_config_text(one.is_written) for one in record.reversals]
    parts = [*config[:1], f"{done} of {len(nodes)} nodes verified"]
    if begun:
        parts.append(f"{begun} begun and not verified")
    text = clean(f"ciltop ended in the middle: {', '.join(parts)}; finish or undo it")
    undo_id = record.id if record.can_undo else ""
    return OperationProgress(
        record.plan,
        OperationState.UNFINISHED,
        nodes,
        text,
        started_at=record.made_at,
        ended_at=max((one.at for one in own), default=record.made_at),
        undo_id=undo_id,
    )


def _config_text(is_written: bool) -> str:
    return "the configuration was written" if is_written else "the configuration was not written"


def _node(node: NodeProgress, records: Iterable[AuditRecord]) -> NodeProgress:
    state, text = NodeState.SKIPPED, "not begun"
    for one in records:
        if one.node_name != node.node_name:
            continue
        if one.event is AuditEvent.BEFORE_WRITE:
            state, text = NodeState.UNKNOWN, "the restart was sent; whether it was done is unknown"
        elif one.event is AuditEvent.AFTER_WRITE:
            is_done = one.result.startswith("done")
            state = NodeState.UNKNOWN if is_done else NodeState.FAILED
            text = "restarted, not verified" if is_done else str(one.result)
        elif one.event is AuditEvent.VERIFIED:
            state, text = NodeState.DONE, str(one.result or one.text)
        elif one.event is AuditEvent.FAILED:
            state, text = NodeState.FAILED, str(one.text)
    return replace(node, state=state, text=clean(text))


def finishing_intent(record: UndoRecord, progress: OperationProgress) -> Intent:
    """Return what finishes an operation: the same, or the restart of the nodes that are left.

    Where the configuration is written already, only the agents that did not read it are left.
    """
    intent = record.plan.intent
    left: tuple[NodeUid, ...] = tuple(
        node.node_uid for node in progress.nodes if node.state is not NodeState.DONE
    )
    is_written = all(one.is_written for one in record.reversals)
    if record.reversals and not is_written:
        return intent
    if intent.kind is OperationKind.UNDO and not record.reversals:
        return intent
    return Intent(OperationKind.RESTART, left, wave_size=intent.wave_size)


async def record_end(
    scribe: Scribe, folder: UndoFolder, operation_id: str, text: str, result: str = ""
) -> None:
    """Record how an operation ended, so that no later run takes it for half done.

    Raises:
        JournalError: the audit file can't be written.
    """
    await scribe.record(AuditEvent.ENDED, text, result=result)
    folder.end(operation_id)


def wanted_by(record: UndoRecord) -> dict[str, str]:
    """Return the options that an operation gave its nodes."""
    config = [write for write in record.plan.writes if not is_restart(write)]
    return {key: value for key, value in values_of(config).items() if value is not None}
