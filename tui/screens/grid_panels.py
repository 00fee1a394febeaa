"""The panels that are tables: Services and Features of the chosen node."""

from __future__ import annotations

from tui.model.services import Service, ServiceCoverage
from tui.safety import clean
from tui.screens import details, wording
from tui.screens.board import Board
from tui.screens.details import Detail
from tui.screens.feature_rows import FEATURE_COLUMNS, feature_rows
from tui.screens.fleet import NodeSummary
from tui.screens.marks import counts_badge
from tui.screens.notes import NO_NODE, section_note
from tui.screens.panel import GridPanel
from tui.screens.service_rows import (
    FAULT_SEVERITIES,
    SERVICE_COLUMNS,
    fault_key,
    service_rows,
    totals_line,
)
from tui.screens.severity import Severity
from widgets.grid_rows import GridRow
from widgets.state_note import NoteKind, StateNote
from widgets.tones import Span


class ServicesPanel(GridPanel):
    """Want against have, missing first."""

    key = "services"
    number = "2"
    title = "Services"
    columns = SERVICE_COLUMNS
    extra_fields = ("kind",)

    def __init__(self) -> None:
        super().__init__()
        self._built_from: ServiceCoverage | None = None
        self._services: tuple[Service, ...] = ()
        self._rows: list[GridRow] = []

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show the node's faulty frontends, then the healthy Services."""
        if node is None:
            self.give_rows((), NO_NODE)
            return
        reading = node.facts.services
        services = board.snapshot.cluster.services.value or ()
        if self._built_from is not reading.value or self._services is not services:
            self._built_from, self._services = reading.value, services
            self._rows = service_rows(reading.value, services)
        note = section_note(node, reading, board.now, board.stale_seconds)
        if note is None and not self._rows:
            note = StateNote(NoteKind.EMPTY, "the cluster has no Service")
        self.give_rows(self._rows if reading.value is not None else (), note)

    def select(self, key: str) -> bool:
        """Put the cursor on a Service's first row; its faulty frontends stand first."""
        found = (row.key for row in self.grid.shown if row.key.partition("|")[0] == key)
        return self.grid.select(next(found, key))

    def badge(self, node: NodeSummary) -> tuple[Span, ...]:
        """Return how many frontends are wrong."""
        coverage = node.facts.services.value
        faults = () if coverage is None else coverage.faults
        return counts_badge([FAULT_SEVERITIES[fault.fault] for fault in faults])

    def summary(self, node: NodeSummary) -> tuple[str, bool]:
        """Return want against have of the whole node."""
        coverage = node.facts.services.value
        return ("", False) if coverage is None else (totals_line(coverage), bool(coverage.faults))

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return one faulty frontend."""
        coverage = node.facts.services.value
        by_name = {service.name: service for service in self._services}
        for fault in () if coverage is None else coverage.faults:
            if fault_key(fault) == key:
                return details.fault_detail(node, fault, by_name.get(fault.service), now)
        service = by_name.get(clean(key))
        return None if service is None else details.service_detail(node, service, now)

    def age(self, node: NodeSummary, now: float) -> str:
        """Return when the kernel's frontends were read."""
        return wording.ago(node.facts.services.age_seconds(now))


class FeaturesPanel(GridPanel):
    """Kernel features and kube-proxy-replacement flags, concerns first."""

    key = "features"
    number = "3"
    title = "Features"
    columns = FEATURE_COLUMNS
    extra_fields = ("key",)

    def __init__(self) -> None:
        super().__init__()
        self._built_from: object = None
        self._rows: list[GridRow] = []

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show the node's features."""
        if node is None:
            self.give_rows((), NO_NODE)
            return
        reading = node.facts.features
        if self._built_from is not reading.value:
            self._built_from = reading.value
            self._rows = feature_rows(reading.value or ())
        note = section_note(node, reading, board.now, board.stale_seconds)
        self.give_rows(self._rows, note)

    def badge(self, node: NodeSummary) -> tuple[Span, ...]:
        """Return how many features hurt something."""
        return counts_badge(
            [Severity.WARNING for feature in node.facts.features.value or () if feature.is_concern]
        )

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return one feature with its evidence."""
        for feature in node.facts.features.value or ():
            if feature.key == key:
                return details.feature_detail(node, feature, now)
        return None

    def age(self, node: NodeSummary, now: float) -> str:
        """Return when the features were read."""
        return wording.ago(node.facts.features.age_seconds(now))
