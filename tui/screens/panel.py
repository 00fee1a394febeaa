"""What every panel of the chosen node can do, whatever widget draws it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from tui.screens.board import Board
from tui.screens.details import Detail
from tui.screens.fleet import NodeSummary
from widgets.filters import Filter
from widgets.grid import Grid
from widgets.grid_rows import GridColumn, GridRow
from widgets.line_list import LineList
from widgets.state_note import StateNote
from widgets.symbols import symbols
from widgets.tones import Span


class Panel(ABC):
    """One panel of the chosen node: facts in, rows of its widget out."""

    key: ClassVar[str]
    number: ClassVar[str]
    title: ClassVar[str]

    @property
    @abstractmethod
    def widget(self) -> LineList:
        """The widget that draws the panel."""

    @property
    @abstractmethod
    def filter_fields(self) -> tuple[str, ...]:
        """What `/field:value` may name."""

    @property
    @abstractmethod
    def description(self) -> str:
        """Counts, filter and sort, for the panel's title."""

    @property
    def is_arranged(self) -> bool:
        """Whether the person hid rows or sorted them, which must be on screen.

        Every widget's description says then `/filter`, `sorted by COLUMN` or `faults only`.
        """
        parts = self.description.split(f" {symbols().divider} ")
        return any(part.startswith(("/", "sorted by", "faults only")) for part in parts)

    @property
    @abstractmethod
    def row_text(self) -> str:
        """The row under the cursor as text to copy; empty where there is none."""

    @property
    @abstractmethod
    def row_key(self) -> str | None:
        """The identity of the row under the cursor."""

    @abstractmethod
    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show a node's section."""

    @abstractmethod
    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return everything known of one row, or None when the row is gone."""

    @abstractmethod
    def set_filter(self, wanted: Filter) -> None:
        """Show only the rows that match."""

    @abstractmethod
    def show_failure(self, note: StateNote) -> None:
        """Say that the panel itself failed."""

    @abstractmethod
    def toggle_faults_only(self) -> None:
        """Show only the rows with a fault, or all again."""

    @abstractmethod
    def sort(self, column: str) -> bool:
        """Sort by a column, and return whether there is such a column."""

    @abstractmethod
    def sort_next(self) -> None:
        """Sort by the next column."""

    @abstractmethod
    def reverse(self) -> None:
        """Sort the other way round."""

    def toggle_all(self) -> bool:
        """Show what is out of sight as harmless, or hide it; return whether there is any such."""
        return False

    def select(self, key: str) -> bool:
        """Put the cursor on the row that proves something, and return whether it is shown.

        Args:
            key: As evidence names it: a map's, Service's or feature's, or a log line's number.
        """
        return False

    def badge(self, node: NodeSummary) -> tuple[Span, ...]:
        """Return what is wrong in the panel, for its tab."""
        return ()

    def summary(self, node: NodeSummary) -> tuple[str, bool]:
        """Return a line to stand above the rows, and whether it is bad news."""
        return "", False

    def age(self, node: NodeSummary, now: float) -> str:
        """Return how fresh the section is, in words."""
        return ""


def sort_grid(grid: Grid, name: str) -> bool:
    """Sort a grid by the column whose title or key starts with a name; the same again reverses.

    The empty name keeps the order in which the rows come: worst first.
    """
    wanted = name.strip().casefold()
    if not wanted:
        grid.set_sort("")
        return True
    for column in grid.columns:
        if column.title.casefold().startswith(wanted) or column.key.startswith(wanted):
            is_again = grid.order.sort_column == column.key
            turned = not grid.order.is_descending if is_again else column.sorts_descending
            grid.set_sort(column.key, is_descending=turned)
            return True
    return False


class GridPanel(Panel):
    """A panel drawn by a grid."""

    columns: ClassVar[Sequence[GridColumn]]
    extra_fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.grid = Grid(self.columns, id=f"panel-{self.key}")
        self._given: tuple[Sequence[GridRow], StateNote | None] | None = None

    @property
    def widget(self) -> Grid:
        """The grid."""
        return self.grid

    @property
    def filter_fields(self) -> tuple[str, ...]:
        """The columns and the rows' own fields."""
        return (*(column.key for column in self.columns), *self.extra_fields)

    @property
    def description(self) -> str:
        """The grid's own."""
        return self.grid.description

    @property
    def row_text(self) -> str:
        """The row under the cursor."""
        row = self.grid.highlighted
        return "" if row is None else row.text

    @property
    def row_key(self) -> str | None:
        """The row under the cursor."""
        row = self.grid.highlighted
        return None if row is None else row.key

    def select(self, key: str) -> bool:
        """Put the cursor on a row, and return whether it is shown."""
        return self.grid.select(key)

    def give_rows(self, rows: Sequence[GridRow], note: StateNote | None = None) -> None:
        """Show rows; the same list with the same note costs nothing."""
        if self._given is None or self._given[0] is not rows or self._given[1] != note:
            self._given = (rows, note)
            self.grid.set_rows(rows, note)

    def set_filter(self, wanted: Filter) -> None:
        """Show only the rows that match."""
        self.grid.set_filter(wanted)

    def toggle_faults_only(self) -> None:
        """Show only the rows with a fault, or all again."""
        self.grid.set_faults_only(not self.grid.order.is_faults_only)

    def sort(self, column: str) -> bool:
        """Sort by a column, named by its title or key; the empty name sorts worst first."""
        return sort_grid(self.grid, column)

    def sort_next(self) -> None:
        """Sort by the next column."""
        self.grid.action_sort_next()

    def reverse(self) -> None:
        """Sort the other way round."""
        self.grid.action_reverse()

    def show_failure(self, note: StateNote) -> None:
        """Say that the panel itself failed."""
        self.give_rows((), note)
