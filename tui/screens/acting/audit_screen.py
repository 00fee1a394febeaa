"""`:audit`: what was armed, confirmed, written and verified, from the audit file's end."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget

from tui.keymap import Scope
from tui.model.operations import AuditRecord
from tui.screens.acting.audit_rows import (
    AUDIT_COLUMNS,
    Entry,
    audit_detail,
    audit_entries,
    audit_rows,
)
from tui.screens.acting.operation_screen import find_operation
from tui.screens.acting.upkeep import Upkeep, folded, upkeep_detail
from tui.screens.bindings import bindings_of
from tui.screens.board import Board
from tui.screens.detail_screen import DetailScreen
from tui.screens.details import Detail
from tui.screens.fleet import NodeSummary
from tui.screens.live_screen import Desk, LiveScreen
from tui.screens.marks import joined
from tui.screens.panel import GridPanel, Panel
from tui.screens.panel_stack import show_guarded
from widgets.grid import Grid
from widgets.grid_rows import GridColumn, GridRow
from widgets.state_note import NoteKind, StateNote

AGING_SECONDS = 10.0
_NOTHING = StateNote(NoteKind.EMPTY, "nothing was armed or written yet")


class AuditPanel(GridPanel):
    """One row a record."""

    key = "audit"
    number = ""
    title = "Audit"
    columns: ClassVar[tuple[GridColumn, ...]] = AUDIT_COLUMNS
    extra_fields = ("kind", "context")

    def __init__(self) -> None:
        super().__init__()
        self._made_of: tuple[object, ...] = ()
        self._entries: dict[str, Entry] = {}
        self._rows: list[GridRow] = []

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show the newest records; the same ones are not drawn again."""
        records, upkeep = board.newest.audit, board.newest.upkeep
        elsewhere = frozenset(one for one in records if not board.newest.is_of_cluster(one))
        made_of = (records, upkeep, elsewhere, int(board.wall_now / AGING_SECONDS))
        if made_of != self._made_of:
            self._made_of = made_of
            self._entries = audit_entries(records, folded(upkeep))
            self._rows = audit_rows(self._entries, board.wall_now, elsewhere)
        self.give_rows(self._rows, None if self._rows else _NOTHING)

    def entry(self, key: str | None) -> Entry | None:
        """Return what is behind a row."""
        return None if key is None else self._entries.get(key)

    def record(self, key: str | None) -> AuditRecord | None:
        """Return the record behind a row; of upkeep the first one."""
        entry = self.entry(key)
        return entry.first if isinstance(entry, Upkeep) else entry

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return one record, or one operation's upkeep."""
        entry = self.entry(key)
        return None if entry is None else _detail(entry, now)


class AuditScreen(LiveScreen):
    """The audit's records, the newest first."""

    SCOPES = (Scope.EVERYWHERE, Scope.TABLE, Scope.ACTED)
    HERE = "audit"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Scope.ACTED)

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._audit = AuditPanel()
        self._box = Container(self._audit.widget, id="audit-box")

    @property
    def panel(self) -> Panel:
        """The table of records."""
        return self._audit

    def compose_body(self) -> Iterable[Widget]:
        """Yield the table."""
        yield self._box

    def on_mount(self) -> None:
        """Put the focus on the table."""
        super().on_mount()
        self.set_focus(self._audit.widget)

    def show_board(self) -> None:
        """Draw the newest records."""
        show_guarded(self._audit, None, self.board)
        self.show_titles()

    def show_titles(self) -> None:
        """Draw the title: filter and sort."""
        order = "" if self._audit.grid.order.sort_column else "newest first"
        title = joined(self._audit.title, self._audit.description, order)
        self._box.border_title = Content(title)

    @on(Grid.ViewChanged)
    def follow_view(self) -> None:
        """Show counts, filter and sort in the title."""
        self.show_titles()

    @on(Grid.RowChosen)
    def open_row(self, event: Grid.RowChosen) -> None:
        """Open the record with its diff, or the operation's upkeep write by write."""
        entry = self._audit.entry(event.row.key)
        if entry is not None:
            source = partial(_detail_of, entry)
            self.app.push_screen(DetailScreen(self.desk, source))

    def action_undo(self) -> None:
        """Preview what puts back what the record's operation changed."""
        record = self._audit.record(self._audit.row_key)
        if self.desk.acting is None or record is None or not record.operation_id:
            self.app.notify("move to a record of an operation first", markup=False)
            return
        progress = find_operation(self.board, record.operation_id)
        self.desk.acting.undo(progress, record.operation_id)


def _detail_of(entry: Entry, board: Board) -> Detail | None:
    if isinstance(entry, Upkeep):
        newest = folded(board.newest.upkeep)
        own = (one for one in newest if one.first.operation_id == entry.first.operation_id)
        entry = next(own, entry)
    return _detail(entry, board.wall_now)


def _detail(entry: Entry, now: float) -> Detail:
    return upkeep_detail(entry, now) if isinstance(entry, Upkeep) else audit_detail(entry, now)
