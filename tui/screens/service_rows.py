"""The rows of the Services panel: want against have, missing first."""

from __future__ import annotations

from collections.abc import Sequence

from tui.model.services import FaultKind, FrontendFault, Service, ServiceCoverage
from tui.screens import wording
from tui.screens.faults import service_names
from tui.screens.marks import severity_mark
from tui.screens.severity import Severity
from widgets.grid_rows import GridColumn, GridRow
from widgets.symbols import symbols
from widgets.tones import CellText, Span, Tone

SERVICE_COLUMNS = (
    GridColumn("state", "", 1, 1),
    GridColumn("service", "SERVICE", 20, 44),
    GridColumn("frontend", "FRONTEND", 19, 44, priority=2),
    GridColumn("type", "TYPE", 9, 12, priority=6),
    GridColumn("fault", "FAULT", 7, 14),
    GridColumn("backends", "BACKENDS", 8, 10, align="right", priority=1),
    GridColumn("detail", "DETAIL", 10, 60, priority=5, is_flexible=True),
)
"""The Services panel's columns; `backends` is have of want."""

FAULT_SEVERITIES = {
    FaultKind.MISSING: Severity.HARM,
    FaultKind.NO_BACKENDS: Severity.HARM,
    FaultKind.WRONG_BACKENDS: Severity.HARM,
    FaultKind.WRONG_AFFINITY: Severity.WARNING,
    FaultKind.SURPLUS: Severity.NOTE,
}
_FAULT_PLACES = {kind: place for place, kind in enumerate(FaultKind)}


def totals_line(coverage: ServiceCoverage) -> str:
    """Return want against have of the whole node in one line, with the first names missing."""
    missing = coverage.missing_frontends
    if missing > 0:
        names = wording.listed(service_names(coverage, FaultKind.MISSING), 3)
        head = f"{missing} of {wording.count(coverage.wanted_frontends)} frontends missing"
        head = f"{head}: {names}" if names else head
    else:
        head = f"all {wording.count(coverage.wanted_frontends)} frontends held"
    backends = (
        f"backends {wording.count(coverage.held_backends)}"
        f" of {wording.count(coverage.wanted_backends)}"
    )
    parts = [head, backends]
    hidden = coverage.faults_total - len(coverage.faults)
    if hidden > 0:
        parts.append(f"{wording.count(hidden)} more faults not listed")
    return f" {symbols().divider} ".join(parts)


def service_rows(
    coverage: ServiceCoverage | None, services: Sequence[Service] | None
) -> list[GridRow]:
    """Return the faulty frontends, worst first, then the healthy Services.

    A healthy Service is only called so where every fault of the node is listed.
    """
    faults = () if coverage is None else coverage.faults
    by_name = {service.name: service for service in services or ()}
    rows = [_fault_row(fault, by_name.get(fault.service)) for fault in faults]
    hit = {fault.service for fault in faults}
    is_whole = coverage is not None and coverage.faults_total <= len(coverage.faults)
    rows.extend(
        _service_row(service, is_whole) for service in services or () if service.name not in hit
    )
    return rows


def fault_key(fault: FrontendFault) -> str:
    """Return the identity of a faulty frontend's row."""
    return f"{fault.service}|{fault.frontend}|{fault.fault}"


def _fault_row(fault: FrontendFault, service: Service | None) -> GridRow:
    severity = FAULT_SEVERITIES[fault.fault]
    mark = severity_mark(severity)
    cells: tuple[CellText, ...] = (
        mark,
        Span(fault.service or "(no Service)", Tone.STRONG),
        str(fault.frontend),
        Span(fault.kind.value, Tone.MUTED),
        Span(fault.fault.value, mark.tone),
        _backends(fault, service),
        Span(fault_detail(fault), Tone.MUTED),
    )
    return GridRow(
        fault_key(fault),
        cells,
        {
            "state": (_FAULT_PLACES[fault.fault], fault.service),
            "fault": (_FAULT_PLACES[fault.fault], fault.service),
        },
        {"kind": fault.kind.value, "state": fault.fault.value},
        is_fault=True,
    )


def _backends(fault: FrontendFault, service: Service | None) -> str:
    """Return held of wanted backends, as far as the fault and the Service tell."""
    if service is None:
        return ""
    if fault.fault is FaultKind.MISSING:
        return f"0/{len(service.backends)}"
    wanted = len(service.backends)
    return f"{max(0, wanted - len(fault.missing_backends))}/{wanted}"


def fault_detail(fault: FrontendFault) -> str:
    """Return what is missing and what is too much, in words."""
    parts = [str(fault.detail)] if fault.detail else []
    if fault.missing_backends and fault.fault is not FaultKind.MISSING:
        parts.append(f"missing {wording.listed([str(a) for a in fault.missing_backends], 1)}")
    if fault.surplus_backends:
        parts.append(f"surplus {wording.listed([str(a) for a in fault.surplus_backends], 1)}")
    return ", ".join(parts)


def _service_row(service: Service, is_known: bool) -> GridRow:
    frontends = [str(address) for address in service.frontends]
    mark = Span(symbols().check, Tone.OK) if is_known else Span(symbols().unknown, Tone.UNKNOWN)
    wanted = len(service.backends)
    cells: tuple[CellText, ...] = (
        mark,
        str(service.name),
        wording.listed(frontends, 1),
        Span(service.type, Tone.MUTED),
        Span("" if is_known else "unknown", Tone.MUTED),
        Span(f"{wanted}/{wanted}" if is_known else f"?/{wanted}", Tone.MUTED),
        "",
    )
    place = len(_FAULT_PLACES) + (1 if is_known else 0)
    return GridRow(
        service.name,
        cells,
        {"state": (place, service.name), "fault": (place, service.name)},
        {"kind": service.type, "state": "ok" if is_known else "unknown"},
    )
