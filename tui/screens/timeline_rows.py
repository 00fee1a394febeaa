"""The rows of the time line: what changed when, the newest first."""

from __future__ import annotations

from collections.abc import Iterable

from tui.model.findings import ProofKind
from tui.model.timeline import ChangeKind, TimelineEntry
from tui.screens import wording
from tui.screens.links import AUDIT, FINDING, NODE, Link
from widgets.grid_rows import GridColumn, GridRow
from widgets.symbols import symbols
from widgets.tones import CellText, Span, Tone

TIMELINE_COLUMNS = (
    GridColumn("mark", "", 1, 1, is_sortable=False),
    GridColumn("time", "TIME", 11, 11),
    GridColumn("age", "AGE", 6, 8, align="right", priority=3),
    GridColumn("kind", "KIND", 7, 8, priority=1),
    GridColumn("node", "NODE", 7, 24),
    GridColumn("text", "CHANGE", 36, 42, is_flexible=True),
    GridColumn("who", "WHO", 8, 28, priority=2),
    GridColumn("source", "SEEN IN", 20, 40, priority=4),
)
"""The time line's columns."""
_TONES = {
    ChangeKind.CONFIG: Tone.ACCENT,
    ChangeKind.ROLLOUT: Tone.ACCENT,
    ChangeKind.AGENT: Tone.NORMAL,
    ChangeKind.NODE: Tone.WARNING,
    ChangeKind.LOG: Tone.WARNING,
    ChangeKind.FINDING: Tone.ERROR,
    ChangeKind.ACTION: Tone.STRONG,
}


def timeline_rows(entries: Iterable[TimelineEntry], now: float) -> dict[str, GridRow]:
    """Return one row for each change by key, in the order given."""
    rows: dict[str, GridRow] = {}
    today = wording.utc_day(now)
    for entry in entries:
        key = base = f"{entry.kind}|{entry.node_uid or ''}|{entry.at:.3f}|{entry.text}"
        number = 1
        while key in rows:
            number += 1
            key = f"{base}|{number}"
        rows[key] = _row(key, entry, now, today)
    return rows


def _row(key: str, entry: TimelineEntry, now: float, today: str) -> GridRow:
    is_today = wording.utc_day(entry.at) == today
    clock = wording.utc_clock(entry.at) if is_today else wording.utc_minute(entry.at)
    where = wording.cut(entry.node_name, 60) if entry.node_name else "cluster"
    mark = Span(symbols().active, Tone.ERROR) if entry.is_decisive else Span("")
    text_tone = Tone.STRONG if entry.is_decisive else Tone.NORMAL
    cells: tuple[CellText, ...] = (
        mark,
        clock,
        Span(wording.coarse_age(now - entry.at), Tone.MUTED),
        Span(entry.kind.value, _TONES[entry.kind]),
        Span(where, Tone.NORMAL if entry.node_name else Tone.MUTED),
        (Span(wording.cut(entry.text), text_tone), Span(fold_words(entry), Tone.MUTED)),
        Span(wording.cut(entry.who, 60), Tone.MUTED),
        Span(wording.cut(entry.source), Tone.MUTED),
    )
    return GridRow(
        key,
        cells,
        {"time": -entry.at, "age": -entry.at},
        {
            "kind": entry.kind.value,
            "node": entry.node_name,
            "who": entry.who,
            "operation": entry.operation_id,
        },
        is_fault=entry.is_decisive or entry.kind in (ChangeKind.LOG, ChangeKind.FINDING),
    )


def fold_words(entry: TimelineEntry) -> str:
    """Return how many equal changes an entry stands for, and in what span."""
    if entry.count <= 1:
        return ""
    times = f"  {symbols().times}{wording.count(entry.count)}"
    if entry.last_at is None or entry.last_at <= entry.at:
        return times
    return f"{times} in {wording.age(max(1.0, entry.last_at - entry.at))}"


def entry_link(entry: TimelineEntry) -> Link:
    """Return where a change is proved."""
    if entry.kind is ChangeKind.FINDING:
        return Link(FINDING)
    if entry.kind is ChangeKind.ACTION:
        return Link(AUDIT, entry.node_uid, entry.operation_id)
    if entry.kind in (ChangeKind.CONFIG, ChangeKind.ROLLOUT):
        return Link(ProofKind.CONFIG.value, entry.node_uid)
    if entry.kind is ChangeKind.LOG:
        return Link(ProofKind.LOG.value, entry.node_uid)
    return Link(NODE, entry.node_uid)
