"""What responders did, as entries of the time line: who, where from, which operation, what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tui.model.names import NodeName, NodeUid
from tui.model.operations import AuditEvent, AuditRecord
from tui.model.snapshot import Snapshot
from tui.model.timeline import ChangeKind, TimelineEntry
from tui.safety import CleanText, clean

_SOURCE = CleanText("audit")
_NO_ANSWER = "begun, no answer is recorded"
_WORDS: Mapping[AuditEvent, str] = {
    AuditEvent.ARMED: "armed a session",
    AuditEvent.DISARMED: "disarmed the session",
}
"""What reads better than the event's own word."""


def action_entries(snapshot: Snapshot, node: NodeUid | None = None) -> Iterator[TimelineEntry]:
    """Yield what responders did to this cluster, in the audit's order.

    Args:
        snapshot: whose audit it is; records of other contexts and upkeep are left out.
        node: only what concerns this node, with what names none.
    """
    records = [
        one for one in snapshot.audit if not one.event.is_upkeep and snapshot.is_of_cluster(one)
    ]
    if not records:
        return
    facts = None if node is None else snapshot.nodes.get(node)
    wanted = "" if facts is None else facts.node.name
    uids = _uids_of({one.node_name for one in records if one.node_name}, snapshot)
    ended = {_write_of(one) for one in records if one.event is AuditEvent.AFTER_WRITE}
    for record in records:
        if node is not None and record.node_name not in ("", wanted):
            continue
        # The end of a write tells of its beginning too; one that was cut off has no end.
        if record.event is AuditEvent.BEFORE_WRITE and _write_of(record) in ended:
            continue
        yield _entry(record, uids.get(record.node_name), snapshot)


def _uids_of(names: set[NodeName], snapshot: Snapshot) -> dict[NodeName, NodeUid]:
    if not names:
        return {}
    return {
        facts.node.name: uid for uid, facts in snapshot.nodes.items() if facts.node.name in names
    }


def _write_of(record: AuditRecord) -> tuple[str, str, str]:
    """Return what a write's beginning and end share; a create has its UID only at the end."""
    return record.host, record.operation_id, record.target


def _entry(record: AuditRecord, uid: NodeUid | None, snapshot: Snapshot) -> TimelineEntry:
    return TimelineEntry(
        record.at,
        ChangeKind.ACTION,
        clean(_text(record, snapshot), 400),
        who=_who(record),
        node_uid=uid,
        node_name=record.node_name,
        source=_SOURCE,
        operation_id=record.operation_id,
    )


def _text(record: AuditRecord, snapshot: Snapshot) -> str:
    name = " ".join(filter(None, (record.operation_id, record.kind)))
    parts: tuple[str, ...] = (_WORDS.get(record.event, record.event.value), record.text)
    if record.event is AuditEvent.BEFORE_WRITE:
        parts = (record.target or record.text, _NO_ANSWER)
    elif record.event is AuditEvent.AFTER_WRITE:
        parts = (record.target or record.text,)
    text = ": ".join(filter(None, (name, *parts, record.result)))
    if record.context and record.context not in (snapshot.cluster.context, snapshot.room.chosen):
        text += f" (context {record.context})"
    return text


def _who(record: AuditRecord) -> CleanText:
    """Return login, machine and the kubeconfig's user: two responders may share any of them."""
    if not record.host:
        return record.user
    return clean(f"{record.host} as {record.user}", 200) if record.user else record.host
