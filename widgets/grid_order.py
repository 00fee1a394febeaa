"""Which rows of a grid are shown, and in which order: filter, faults only, sort."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from widgets.filters import Filter
from widgets.grid_rows import GridColumn, GridRow, SortKey, natural_key
from widgets.symbols import symbols
from widgets.tones import text_of

FAULTS_ONLY = "faults only"
_Rank = tuple[int, object]


@dataclass(frozen=True, slots=True)
class GridOrder:
    """What decides which rows are shown and how they stand."""

    sort_column: str = ""
    """Column key; empty keeps the order the rows come in."""
    is_descending: bool = False
    filter: Filter = field(default_factory=Filter)
    is_faults_only: bool = False

    def sorted_by(self, column: GridColumn) -> GridOrder:
        """Return the order after a click on a column: a second click turns it, a third ends it."""
        if self.sort_column != column.key:
            return replace(self, sort_column=column.key, is_descending=column.sorts_descending)
        if self.is_descending == column.sorts_descending:
            return replace(self, is_descending=not self.is_descending)
        return replace(self, sort_column="", is_descending=False)

    @property
    def hidden_by(self) -> tuple[str, ...]:
        """What keeps rows out of sight, in words."""
        return tuple(filter(None, (self.filter.title, FAULTS_ONLY if self.is_faults_only else "")))

    @property
    def hides_rows(self) -> bool:
        """Whether rows may be out of sight."""
        return self.is_faults_only or not self.filter.is_empty


def row_fields(row: GridRow, columns: Sequence[GridColumn]) -> Mapping[str, str]:
    """Return what `/field:value` looks at: the cells' texts and the row's own fields."""
    texts = {column.key: text_of(cell) for column, cell in zip(columns, row.cells, strict=False)}
    return texts | dict(row.fields)


class RowFilter:
    """Remembers which rows pass a filter, so that a refresh looks at changed rows only."""

    def __init__(self) -> None:
        self._filter = Filter()
        self._verdicts: dict[str, tuple[GridRow, bool]] = {}

    def passing(
        self, rows: Sequence[GridRow], columns: Sequence[GridColumn], wanted: Filter
    ) -> list[GridRow]:
        """Return the rows that match."""
        if wanted.is_empty:
            return list(rows)
        if wanted != self._filter:
            self._filter, self._verdicts = wanted, {}
        held, self._verdicts = self._verdicts, {}
        passing: list[GridRow] = []
        for row in rows:
            verdict = held.get(row.key)
            if verdict is None or verdict[0] is not row:
                verdict = (row, wanted.matches(row.text, row_fields(row, columns)))
            self._verdicts[row.key] = verdict
            if verdict[1]:
                passing.append(row)
        return passing


def shown_rows(
    rows: Sequence[GridRow],
    columns: Sequence[GridColumn],
    order: GridOrder,
    row_filter: RowFilter | None = None,
) -> list[GridRow]:
    """Return the rows that are shown, as they stand."""
    shown = (row_filter or RowFilter()).passing(rows, columns, order.filter)
    if order.is_faults_only:
        shown = [row for row in shown if row.is_fault]
    position = next((i for i, column in enumerate(columns) if column.key == order.sort_column), -1)
    if position >= 0:
        shown = _sorted(shown, columns[position].key, position, is_descending=order.is_descending)
    return shown


def _sorted(
    rows: Collection[GridRow], key: str, position: int, *, is_descending: bool
) -> list[GridRow]:
    """Sort by one column, rows without a value last in both directions."""
    known: list[tuple[_Rank, GridRow]] = []
    unknown: list[GridRow] = []
    for row in rows:
        value = row.sort_keys[key] if key in row.sort_keys else _cell_key(row, position)
        if value is None:
            unknown.append(row)
        else:
            known.append((_rank(value), row))
    known.sort(key=lambda pair: pair[0], reverse=is_descending)
    return [row for _, row in known] + unknown


def _cell_key(row: GridRow, position: int) -> SortKey:
    return text_of(row.cells[position]) or None if position < len(row.cells) else None


def _rank(value: float | int | str | tuple[float | int | str, ...]) -> _Rank:
    """Return a key that compares with every other: numbers before texts."""
    if isinstance(value, str):
        return (1, natural_key(value))
    if isinstance(value, tuple):
        return (2, tuple(_rank(part) for part in value))
    return (0, value)


def describe(
    order: GridOrder, columns: Sequence[GridColumn], counts: tuple[int, int], marked: int
) -> str:
    """Return the state for a panel's title: `12 of 5,000 ▏ /kernel:5.4 ▏ sorted by AGE ↓`."""
    table = symbols()
    shown, total = counts
    parts = [f"{shown:,} of {total:,}" if order.hides_rows else f"{total:,}"]
    parts.extend(order.hidden_by)
    title = next((column.title for column in columns if column.key == order.sort_column), "")
    if title:
        arrow = table.descending if order.is_descending else table.ascending
        parts.append(f"sorted by {title} {arrow}")
    if marked:
        parts.append(f"{marked:,} marked")
    return f" {table.divider} ".join(parts)
