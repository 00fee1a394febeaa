"""The rows of plain faults in the Findings panel, in the columns of its verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from tui.screens import wording
from tui.screens.faults import Fault
from tui.screens.marks import SEVERITY_TONES, severity_mark
from tui.screens.severity import Severity
from widgets.grid_rows import GridRow
from widgets.symbols import symbols
from widgets.tones import CellText, Span, Tone

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


def fault_rows(faults: Sequence[Fault], now: float, first: int = 0) -> list[GridRow]:
    """Return the faults of one node, in the order given.

    Args:
        faults: Worst first.
        now: What ages are measured at.
        first: The place of the first one among the panel's rows.
    """
    return [
        _fault_row(key, fault, place, now)
        for place, (key, fault) in enumerate(keyed_faults(faults).items(), first)
    ]


def healthy_row(swept_at: float, now: float) -> GridRow:
    """Return what stands there where nothing is wrong, with when that was read."""
    cells: tuple[CellText, ...] = (
        severity_mark(None),
        Span("ok", Tone.OK),
        "",
        (
            Span("nothing wrong is seen on this node"),
            Span(f"  read {wording.ago(now - swept_at)}", Tone.MUTED),
        ),
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


def _fault_row(key: str, fault: Fault, place: int, now: float) -> GridRow:
    seen = "" if fault.at is None else wording.coarse_age(now - fault.at)
    tone = SEVERITY_TONES[fault.severity]
    is_loud = fault.severity in (Severity.HARM, Severity.WARNING)
    text = Span(fault.title, tone if is_loud else Tone.NORMAL)
    cells: tuple[CellText, ...] = (
        severity_mark(fault.severity),
        Span(_WORDS[fault.severity], tone),
        Span(fault.subject.value, Tone.MUTED),
        (text, Span(f"  {fault.detail}", Tone.MUTED)) if fault.detail else text,
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
