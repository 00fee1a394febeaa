"""Which columns of a grid are shown at a width, and how wide each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from widgets.grid_rows import GridColumn
from widgets.text import fit
from widgets.tones import Span, Tone

GAP = 1
"""Cells between two columns."""


@dataclass(frozen=True, slots=True)
class PlacedColumn:
    """A column as it is drawn."""

    index: int
    """Its position among all columns, which is the position of its cell in a row."""
    column: GridColumn
    start: int
    """The cell it starts at."""
    width: int


def place_columns(
    columns: Sequence[GridColumn], content_widths: Sequence[int], width: int
) -> tuple[PlacedColumn, ...]:
    """Return the columns that fit into `width` cells.

    Columns are dropped by priority until the minimum widths fit; then each grows to its content,
    and the flexible ones share what is left.
    """
    kept = _kept(columns, width)
    widths = {index: min(columns[index].min_width, width) for index in kept}
    free = width - sum(widths.values()) - GAP * max(0, len(kept) - 1)
    for index in sorted(kept, key=lambda index: columns[index].priority):
        wanted = min(content_widths[index], columns[index].max_width)
        grown = max(0, min(wanted - widths[index], free))
        widths[index] += grown
        free -= grown
    flexible = [index for index in kept if columns[index].is_flexible]
    for position, index in enumerate(flexible):
        share = free // (len(flexible) - position)
        widths[index] += max(0, share)
        free -= share
    placed: list[PlacedColumn] = []
    start = 0
    for index in kept:
        placed.append(PlacedColumn(index, columns[index], start, widths[index]))
        start += widths[index] + GAP
    return tuple(placed)


def title_spans(placed: Sequence[PlacedColumn], sort_column: str, arrow: str) -> list[Span]:
    """Return the titles; the sort's arrow takes a gap where its column is too narrow for it."""
    spans: list[Span] = []
    lent = 0
    for position, column in enumerate(placed):
        title, tone, width = column.column.title, Tone.TITLE, column.width
        gap = GAP - lent if position else 0
        lent = 0
        if column.column.key == sort_column:
            title, tone = f"{title}{arrow}", Tone.ACCENT
            if cell_len(title) > width and position + 1 < len(placed):
                lent, width = GAP, width + GAP
            elif cell_len(title) > width and gap:
                gap, width = gap - GAP, width + GAP
        spans += [Span(" " * gap), Span(fit(title, width, column.column.align), tone)]
    return spans


def _kept(columns: Sequence[GridColumn], width: int) -> list[int]:
    kept = list(range(len(columns)))
    while sum(columns[i].min_width for i in kept) + GAP * (len(kept) - 1) > width:
        droppable = [index for index in kept if columns[index].priority > 0]
        if not droppable:
            break
        kept.remove(max(droppable, key=lambda index: (columns[index].priority, index)))
    return kept
