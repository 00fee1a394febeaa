"""The rows of the Findings panel, worst first."""

from __future__ import annotations

from collections.abc import Sequence

from tui.screens import wording
from tui.screens.faults import Fault
from tui.screens.marks import SEVERITY_TONES, severity_mark
from tui.screens.severity import Severity
from widgets.grid_rows import GridColumn, GridRow
from widgets.symbols import symbols
from widgets.tones import CellText, Span, Tone

FINDING_COLUMNS = (
    GridColumn("severity", "", 1, 1),
    GridColumn("finding", "FINDING", 34, 66, is_flexible=True),
    GridColumn("detail", "DETAIL", 12, 60, priority=1, is_flexible=True),
    GridColumn("seen", "SEEN", 6, 8, align="right", priority=3),
    GridColumn("origin", "SEEN IN", 30, 44, priority=4),
)
"""The Findings panel's columns."""
HEALTHY = "healthy"
"""Key of the row that says that nothing is wrong."""
_WORDS = {
    Severity.HARM: "harm now",
    Severity.WARNING: "warning",
    Severity.UNKNOWN: "unknown",
    Severity.NOTE: "note",
}


def severity_word(severity: Severity) -> str:
    """Return the word of a severity."""
    return _WORDS[severity]


def finding_rows(faults: Sequence[Fault], now: float) -> list[GridRow]:
    """Return the faults of one node, in the order given."""
    return [
        _finding_row(key, fault, place, now)
        for place, (key, fault) in enumerate(keyed_faults(faults).items())
    ]


def healthy_row(swept_at: float, now: float) -> GridRow:
    """Return what stands there where nothing is wrong, with when that was read."""
    cells: tuple[CellText, ...] = (
        severity_mark(None),
        "nothing wrong is seen on this node",
        Span(f"read {wording.ago(now - swept_at)}", Tone.MUTED),
        Span(wording.coarse_age(now - swept_at), Tone.MUTED),
        "",
    )
    return GridRow(HEALTHY, cells)


def keyed_faults(faults: Sequence[Fault]) -> dict[str, Fault]:
    """Return the faults by identity; the numbers in a title may change under it."""
    keyed: dict[str, Fault] = {}
    for fault in faults:
        key = f"{fault.rank.value}|{fault.subject}|{fault.key or fault.title}"
        keyed[key if key not in keyed else f"{key}|{fault.title}"] = fault
    return keyed


def _finding_row(key: str, fault: Fault, place: int, now: float) -> GridRow:
    seen = "" if fault.at is None else wording.coarse_age(now - fault.at)
    tone = SEVERITY_TONES[fault.severity]
    is_loud = fault.severity in (Severity.HARM, Severity.WARNING)
    cells: tuple[CellText, ...] = (
        severity_mark(fault.severity),
        Span(fault.title, tone if is_loud else Tone.NORMAL),
        Span(fault.detail, Tone.MUTED),
        Span(seen or symbols().dash, Tone.MUTED),
        Span(fault.origin, Tone.MUTED),
    )
    return GridRow(
        key,
        cells,
        {"severity": place, "seen": None if fault.at is None else -fault.at},
        {"severity": _WORDS[fault.severity], "subject": fault.subject.value},
        is_fault=fault.severity is not Severity.NOTE,
    )
