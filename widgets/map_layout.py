"""Which columns of a map's line are shown at a width, and how wide each is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from widgets.map_rows import MapRowView

HISTORY_CELLS = 8
_BAR_CELLS = 10
_MAX_BAR_CELLS = 20
_MAX_NAME_CELLS = 26
_NARROW_NAME_CELLS = 18
_LEAST_NAME_CELLS = 4
_ORIGIN_CELLS = 10
"""The longest word for a count's origin: the columns stand still when the origin changes."""
_SHORT_ORIGIN_CELLS = 4


@dataclass(frozen=True, slots=True)
class MapColumns:
    """Cells of each column; 0 where there is no room for it."""

    name: int = 0
    bar: int = _BAR_CELLS
    percent: int = 4
    count: int = 0
    origin: int = _ORIGIN_CELLS
    history: int = 0
    forecast: int = 0
    short_forecast: int = 0
    """Cells of the forecast's shorter words; not a column."""
    is_short: bool = False
    """Whether the origin is abbreviated."""

    @property
    def cells(self) -> int:
        """Cells of the whole line: gutter, symbol and columns with the gaps between them."""
        columns = (self.name, self.bar, self.percent, self.count)
        more = (self.origin, self.history, self.forecast)
        return 3 + sum(cells + 1 for cells in (*columns, *more) if cells)


def seen_columns(seen: MapColumns, rows: Sequence[MapRowView]) -> MapColumns:
    """Return the widths that these texts and those seen before need."""
    known = [row for row in rows if row.ratio is not None]
    history = HISTORY_CELLS if any(row.history for row in rows) else 0
    return replace(
        seen,
        name=min(_MAX_NAME_CELLS, _widest(seen.name, (row.name for row in rows))),
        percent=_widest(seen.percent, (row.percent for row in rows)),
        count=_widest(seen.count, (row.count for row in rows)),
        origin=_widest(seen.origin, (row.origin for row in known)),
        history=max(seen.history, history),
        forecast=_widest(seen.forecast, (row.forecast for row in rows)),
        short_forecast=_widest(
            seen.short_forecast, (row.short_forecast or row.forecast for row in rows)
        ),
    )


def _widest(held: int, texts: Iterable[str]) -> int:
    return max(held, *map(cell_len, texts), 0)


def columns_for(seen: MapColumns, width: int) -> MapColumns:
    """Return the columns that fit: sparkline, bar and words give way before the numbers."""
    steps = _steps(seen)
    for columns in steps:
        spare = width - columns.cells
        if spare >= 0:
            bar = min(_MAX_BAR_CELLS, columns.bar + spare)
            return replace(columns, bar=bar) if columns.bar else columns
    last = steps[-1]
    left = last.name - (last.cells - width)
    return replace(last, name=max(min(last.name, _LEAST_NAME_CELLS), left))


def _steps(seen: MapColumns) -> list[MapColumns]:
    """Return the ways to draw a line, each narrower than the one before."""
    short_origin = min(seen.origin, _SHORT_ORIGIN_CELLS)
    short_forecast = min(seen.forecast, seen.short_forecast)
    less_history = replace(seen, history=seen.history // 2)
    no_history = replace(seen, history=0)
    short_bar = replace(no_history, bar=6)
    abbreviated = replace(short_bar, origin=short_origin, is_short=True)
    no_bar = replace(abbreviated, bar=0)
    shortened = replace(no_bar, forecast=short_forecast)
    short_name = replace(shortened, name=min(seen.name, _NARROW_NAME_CELLS))
    no_forecast = replace(short_name, forecast=0)
    no_origin = replace(no_forecast, origin=0)
    return [
        seen,
        less_history,
        no_history,
        short_bar,
        abbreviated,
        no_bar,
        shortened,
        short_name,
        no_forecast,
        no_origin,
    ]
