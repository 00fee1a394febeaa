"""The rows of the Audit screen: every arming, write and verification, the newest first."""

from __future__ import annotations

from collections.abc import Iterable

from tui.model.operations import AuditEvent, AuditRecord
from tui.screens import wording
from tui.screens.acting.preview_lines import diff_cells
from tui.screens.details import Detail
from widgets.detail_lines import empty_line, heading, value
from widgets.grid_rows import GridColumn, GridRow
from widgets.tones import CellText, Span, Tone

AUDIT_COLUMNS = (
    GridColumn("time", "TIME", 8, 11),
    GridColumn("age", "AGE", 6, 8, align="right", priority=5),
    GridColumn("event", "EVENT", 8, 12),
    GridColumn("operation", "OP", 8, 8, priority=3),
    GridColumn("node", "NODE", 7, 24, priority=1),
    GridColumn("text", "WHAT", 24, 200, is_flexible=True),
    GridColumn("result", "RESULT", 8, 40, priority=2),
    GridColumn("who", "WHO", 8, 28, priority=4),
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


def audit_rows(records: Iterable[AuditRecord], now: float) -> dict[str, GridRow]:
    """Return a row a record by key, the newest first."""
    rows: list[tuple[str, GridRow]] = []
    seen: dict[str, int] = {}
    today = wording.utc_day(now)
    for record in records:
        base = f"{record.at:.3f}|{record.event}|{record.operation_id}|{record.target_uid}"
        seen[base] = seen.get(base, 0) + 1
        key = f"{base}|{seen[base]}"
        rows.append((key, _row(key, record, now, today)))
    return dict(reversed(rows))


def _row(key: str, record: AuditRecord, now: float, today: str) -> GridRow:
    is_today = wording.utc_day(record.at) == today
    clock = wording.utc_clock(record.at) if is_today else wording.utc_minute(record.at)
    is_failed = record.event is AuditEvent.FAILED
    what = record.target or record.text
    cells: tuple[CellText, ...] = (
        clock,
        Span(wording.coarse_age(now - record.at), Tone.MUTED),
        Span(record.event.value, _TONES.get(record.event, Tone.NORMAL)),
        Span(wording.cut(record.operation_id, 12), Tone.MUTED),
        wording.cut(record.node_name, 60),
        Span(wording.cut(what), Tone.ERROR if is_failed else Tone.NORMAL),
        Span(wording.cut(record.result), Tone.ERROR if is_failed else Tone.MUTED),
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
            "kind": record.kind,
        },
        is_fault=is_failed,
    )


def audit_detail(record: AuditRecord, now: float) -> Detail:
    """Return one record with everything in it."""
    when = f"{wording.utc_stamp(record.at)}, {wording.ago(now - record.at)}"
    fields = (
        ("event", record.event.value),
        ("operation", f"{record.operation_id} {record.kind}".strip()),
        ("node", record.node_name),
        ("what", record.text),
        ("target", record.target),
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
