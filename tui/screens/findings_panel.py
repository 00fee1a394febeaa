"""The Findings panel: what the checks say of the chosen node, then the plain faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tui.model.findings import Verdict
from tui.report.finding_markdown import finding_markdown
from tui.screens import details, wording
from tui.screens.board import Board
from tui.screens.details import Detail
from tui.screens.fault_rows import HEALTHY, fault_rows, healthy_row, keyed_faults
from tui.screens.finding_lines import unknown_detail, verdict_detail
from tui.screens.finding_rows import (
    PANEL_COLUMNS,
    UNKNOWN_FOLD,
    verdict_row_key,
    verdict_rows,
)
from tui.screens.fleet import NodeSummary
from tui.screens.marks import counts_badge
from tui.screens.node_detail import node_detail
from tui.screens.notes import NO_NODE
from tui.screens.panel import GridPanel
from tui.screens.severity import Severity
from tui.screens.verdicts import Sight, finding_of, in_sight, uncovered, verdict_key
from widgets.grid_rows import GridColumn, GridRow
from widgets.state_note import NoteKind, StateNote
from widgets.tones import Span


class FindingsPanel(GridPanel):
    """What is wrong on the node: verdicts worst first, then faults that none of them tells."""

    key = "findings"
    number = "4"
    title = "Findings"
    columns: ClassVar[tuple[GridColumn, ...]] = PANEL_COLUMNS
    extra_fields = ("subject",)

    def __init__(self) -> None:
        super().__init__()
        self._board: Board | None = None
        self._is_all = False
        self._sight: Sight[Verdict] = Sight()
        self._drawn: tuple[object, ...] = ()
        self._node: NodeSummary | None = None

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show the node's verdicts and faults."""
        self._board, self._node = board, node
        if node is None:
            self._sight = Sight()
            self.give_rows((), NO_NODE)
            return
        said = board.snapshot.verdicts.get(node.uid, ())
        muted = board.findings.muted
        # Ages are worded in steps: within ten seconds the rows stay as drawn.
        drawn = (node, said, dict(muted), self._is_all, int(board.now / 10))
        if self._drawn and self._drawn[1] is said and self._drawn == drawn:
            return
        self._drawn = drawn
        self._sight = in_sight(
            said, lambda one: (verdict_key(one), one.severity), muted, is_all=self._is_all
        )
        rows = verdict_rows(self._sight, board.findings, board.now, is_all=self._is_all)
        faults = uncovered(node.faults, said)
        rows += fault_rows(faults, board.now, len(rows))
        self._give(rows, node, said, board)

    def _give(
        self, rows: list[GridRow], node: NodeSummary, said: Sequence[Verdict], board: Board
    ) -> None:
        swept_at = node.facts.swept_at
        if rows:
            self.give_rows(rows)
        elif swept_at is None:
            name = wording.cut(node.name, 60)
            self.give_rows((), StateNote(NoteKind.LOADING, f"reading {name}"))
        elif not said and board.snapshot.unjudged_nodes:
            words = wording.counted(board.snapshot.unjudged_nodes, "node")
            self.give_rows((), StateNote(NoteKind.LOADING, f"judging {words}"))
        else:
            self.give_rows([healthy_row(swept_at, board.now)])

    def badge(self, node: NodeSummary) -> tuple[Span, ...]:
        """Return how many findings and faults there are."""
        issues = node.issues
        return counts_badge([Severity.HARM] * issues.active or [Severity.WARNING] * issues.armed)

    def summary(self, node: NodeSummary) -> tuple[str, bool]:
        """Return what is out of sight."""
        return self._sight.line(is_all=self._is_all), False

    def toggle_all(self) -> bool:
        """Show LATENT, CLEAR and muted ones too, or no more."""
        self._is_all = not self._is_all
        return True

    @property
    def row_text(self) -> str:
        """The verdict under the cursor as Markdown, or the fault as it stands."""
        verdict = self.verdict(self.row_key, self._node)
        if verdict is None or self._board is None:
            return super().row_text
        whole = self._board.findings.get(verdict_key(verdict))
        context = self._board.snapshot.cluster.context
        return finding_markdown(finding_of(verdict, whole), context)

    def verdict(self, key: str | None, node: NodeSummary | None) -> Verdict | None:
        """Return the verdict behind a row."""
        if node is None or self._board is None:
            return None
        said = self._board.snapshot.verdicts.get(node.uid, ())
        return next((one for one in said if verdict_row_key(one) == key), None)

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return one verdict or fault with its proof."""
        if key == HEALTHY:
            return node_detail(node, now)
        verdict = self.verdict(key, node)
        if verdict is not None and self._board is not None:
            return verdict_detail(verdict, self._board)
        if key == UNKNOWN_FOLD and self._board is not None:
            return unknown_detail(node.name, self._board.snapshot.verdicts.get(node.uid, ()))
        fault = keyed_faults(node.faults).get(key)
        return None if fault is None else details.node_fault_detail(node, fault, now)
