"""Go's text/tabwriter, as far as the CLI uses it: blocks of contiguous cells share a width."""

from __future__ import annotations


def aligned(text: str, minimum: int = 5, padding: int = 3) -> str:
    """Align tab-terminated cells; the last cell of a line belongs to no column."""
    lines = [line.split("\t") for line in text.split("\n")]
    written: list[str] = []
    _format(lines, (0, len(lines)), [], written, (minimum, padding))
    return "\n".join(written)


def _format(
    lines: list[list[str]],
    span: tuple[int, int],
    widths: list[int],
    written: list[str],
    sizes: tuple[int, int],
) -> None:
    """Follow `Writer.format` of Go's text/tabwriter/tabwriter.go."""
    column = len(widths)
    first, end = span
    place = first
    while place < end:
        if column >= len(lines[place]) - 1:
            place += 1
            continue
        _write(lines[first:place], widths, written)
        first, width = place, sizes[0]
        while place < end and column < len(lines[place]) - 1:
            width = max(width, len(lines[place][column]) + sizes[1])
            place += 1
        _format(lines, (first, place), [*widths, width], written, sizes)
        first = place
        place += 1
    _write(lines[first:end], widths, written)


def _write(lines: list[list[str]], widths: list[int], written: list[str]) -> None:
    for cells in lines:
        padded = [
            cell.ljust(widths[index]) if index < len(widths) else cell
            for index, cell in enumerate(cells)
        ]
        written.append("".join(padded))
