"""The rows of the Audit screen: every arming, write and verification, the newest first.

What an operation wrote for itself is one row, below the one with which the operation begins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tui.model.operations import AuditEvent, AuditRecord
from tui.screens import wording
from tui.screens.acting.preview_lines import diff_cells
from tui.screens.acting.upkeep import Upkeep
from tui.screens.details import Detail
from widgets.detail_lines import empty_line, heading, value
from widgets.grid_rows import GridColumn, GridRow
from widgets.tones import CellText, Span, Tone

AUDIT_COLUMNS = (
    GridColumn("time", "TIME", 8, 11),
    GridColumn("age", "AGE", 6, 8, align="right", priority=6),
    GridColumn("event", "EVENT", 8, 12),
    GridColumn("operation", "OP", 8, 8, priority=4),
    GridColumn("node", "NODE", 7, 24, priority=1),
    GridColumn("text", "WHAT", 24, 40, is_flexible=True),
    GridColumn("result", "RESULT", 8, 24, priority=3),
    GridColumn("from", "FROM", 8, 28, priority=2),
    GridColumn("who", "WHO", 8, 28, priority=5),
)
"""The audit's columns."""
_TONES = {
    AuditEvent.ARMED: Tone.WARNING,
    AuditEvent.CONFIRMED: Tone.STRONG,
    AuditEvent.BEFORE_WRITE: Tone.ACCENT,
    AuditEvent.AFTER_WRITE: Tone.ACCENT,
    AuditEvent.VERIFIED: Tone.OK,
    AuditEvent.FAILED: Tone.ERROR,
    AuditEvent.ABORTED: Tone.WARNING,
}
_UPKEEP = "upkeep"


Entry = AuditRecord | Upkeep
"""What is behind a row."""


def audit_entries(records: Sequence[AuditRecord], upkeep: Sequence[Upkeep]) -> dict[str, Entry]:
    """Return what each row stands for by key, the newest first.

    Args:
        records: Oldest first, without upkeep.
        upkeep: What operations wrote for themselves; it stands at its operation's begin.
    """
    before: dict[int, list[Upkeep]] = {}
    for one in upkeep:
        before.setdefault(_place(one, records), []).append(one)
    found: list[tuple[str, Entry]] = []
    seen: dict[str, int] = {}
    for number in range(len(records) + 1):
        found += [(f"upkeep|{one.first.operation_id}", one) for one in before.get(number, ())]
        if number < len(records):
            record = records[number]
            base = f"{record.at:.3f}|{record.event}|{record.operation_id}|{record.target_uid}"
            seen[base] = seen.get(base, 0) + 1
            found.append((f"{base}|{seen[base]}", record))
    return dict(reversed(found))


def _place(upkeep: Upkeep, records: Sequence[AuditRecord]) -> int:
    first = upkeep.first
    for number, record in enumerate(records):
        if record.operation_id == first.operation_id or record.at > first.at:
            return number
    return len(records)


def audit_rows(
    entries: Mapping[str, Entry], now: float, elsewhere: Collection[AuditRecord] = ()
) -> list[GridRow]:
    """Return a row an entry.

    Args:
        entries: As `audit_entries` returns them.
        now: Seconds since the epoch.
        elsewhere: Records of other clusters: their rows name the context.
    """
    today = wording.utc_day(now)
    return [
        _upkeep_row(key, entry, now, today)
        if isinstance(entry, Upkeep)
        else _row(key, entry, now, today, is_elsewhere=entry in elsewhere)
        for key, entry in entries.items()
    ]


def _row(key: str, record: AuditRecord, now: float, today: str, *, is_elsewhere: bool) -> GridRow:
    is_failed = record.event is AuditEvent.FAILED
    what = wording.cut(record.target or record.text)
    tone = Tone.MUTED if is_elsewhere else Tone.ERROR if is_failed else Tone.NORMAL
    context = wording.cut(record.context, 60) if is_elsewhere else ""
    where = Span(f"[{context}] " if context else "", Tone.MUTED)
    cells: tuple[CellText, ...] = (
        _clock(record, today),
        Span(wording.coarse_age(now - record.at), Tone.MUTED),
        Span(record.event.value, _TONES.get(record.event, Tone.NORMAL)),
        Span(wording.cut(record.operation_id, 12), Tone.MUTED),
        wording.cut(record.node_name, 60),
        (where, Span(what, tone)),
        Span(wording.cut(record.result), Tone.ERROR if is_failed else Tone.MUTED),
        Span(wording.cut(record.host, 60), Tone.MUTED),
        Span(wording.cut(record.user, 60), Tone.MUTED),
    )
    return GridRow(
        key,
        cells,
        {"time": -record.at, "age": -record.at},
        {
            "event": record.event.value,
            "operation": record.operation_id,
            "node": record.node_name,
            "who": record.user,
            "from": record.host,
            "context": record.context,
            "kind": record.kind,
        },
        is_fault=is_failed,
    )


def _upkeep_row(key: str, upkeep: Upkeep, now: float, today: str) -> GridRow:
    first = upkeep.first
    cells: tuple[CellText, ...] = (
        _clock(first, today),
        Span(wording.coarse_age(now - first.at), Tone.MUTED),
        Span(_UPKEEP, Tone.MUTED),
        Span(wording.cut(first.operation_id, 12), Tone.MUTED),
        "",
        Span(upkeep.words, Tone.MUTED),
        Span(upkeep.result, Tone.WARNING if upkeep.failures else Tone.MUTED),
        Span(wording.cut(first.host, 60), Tone.MUTED),
        Span(wording.cut(first.user, 60), Tone.MUTED),
    )
    return GridRow(
        key,
        cells,
        {"time": -first.at, "age": -first.at},
        {
            "event": _UPKEEP,
            "operation": first.operation_id,
            "node": "",
            "who": first.user,
            "from": first.host,
            "context": first.context,
            "kind": first.kind,
        },
    )


def _clock(record: AuditRecord, today: str) -> str:
    is_today = wording.utc_day(record.at) == today
    return wording.utc_clock(record.at) if is_today else wording.utc_minute(record.at)


def audit_detail(record: AuditRecord, now: float) -> Detail:
    """Return one record with everything in it."""
    when = f"{wording.utc_stamp(record.at)}, {wording.ago(now - record.at)}"
    fields = (
        ("event", record.event.value),
        ("operation", f"{record.operation_id} {record.kind}".strip()),
        ("node", record.node_name),
        ("what", record.text),
        ("target", record.target),
        ("path", record.path),
        ("uid", record.target_uid),
        ("result", record.result),
        ("user", record.user),
        ("from", record.host),
        ("context", record.context),
    )
    lines = [value("time", when), *(value(label, text) for label, text in fields if text)]
    if record.diff:
        lines += [empty_line(), heading("Diff")]
        lines += [value("", cell) for cell in diff_cells(record.diff)]
    return Detail(f"Audit: {record.event.value}", tuple(lines))
