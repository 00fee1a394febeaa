"""Bars and sparklines as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from widgets.symbols import Symbols, symbols


def bar(ratio: float | None, width: int, using: Symbols | None = None) -> str:
    """Return a bar of the given width in cells; unknown is a question mark, never an empty bar.

    What is not zero shows at least the thinnest part, and what is not full never fills the bar.
    """
    table = using or symbols()
    if width <= 0:
        return ""
    if ratio is None or isnan(ratio):
        return table.unknown.ljust(width)
    parts = table.bar_parts
    steps = len(parts)
    filled = round(min(max(ratio, 0.0), 1.0) * width * steps)
    if ratio > 0:
        filled = max(filled, 1)
    if ratio < 1:
        filled = min(filled, max(1, width * steps - 1))
    whole, rest = divmod(filled, steps)
    return (parts[-1] * whole + (parts[rest - 1] if rest else "")).ljust(width)


def sparkline(
    ratios: Sequence[float | None], width: int, using: Symbols | None = None, ceiling: float = 1.0
) -> str:
    """Return the newest values as a line of blocks, right-aligned; a gap where nothing was read.

    More values than cells are gathered by their highest, so that a short peak stays visible.
    """
    table = using or symbols()
    if width <= 0:
        return ""
    parts = table.spark_parts
    cells: list[str] = []
    for value in _gather(ratios, width):
        if value is None:
            cells.append(" ")
            continue
        level = int(min(max(value / ceiling if ceiling > 0 else 0.0, 0.0), 1.0) * len(parts))
        cells.append(parts[min(level, len(parts) - 1)])
    return "".join(cells).rjust(width)


def _gather(ratios: Sequence[float | None], width: int) -> list[float | None]:
    """Reduce the values to at most `width` groups of the same size, newest aligned."""
    if len(ratios) <= width:
        return list(ratios)
    group = -(-len(ratios) // width)
    first = len(ratios) % group
    starts = ([0] if first else []) + list(range(first, len(ratios), group))
    gathered: list[float | None] = []
    for start in starts:
        end = first if first and start == 0 else start + group
        known = [value for value in ratios[start:end] if value is not None]
        gathered.append(max(known) if known else None)
    return gathered
