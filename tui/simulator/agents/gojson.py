"""JSON and tables as Go programs print them."""

from __future__ import annotations

import json
from collections.abc import Sequence


def indented(value: object) -> bytes:
    """Return JSON as `-o json` prints it: two spaces, then an empty line."""
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n\n"


def go_number(value: float) -> str:
    """Return a number as Go's encoding/json writes a float64."""
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    if "e" not in text or abs(value) < 1e-6:
        return text
    return f"{value:.25f}".rstrip("0")


def tabled(rows: Sequence[Sequence[str]], padding: int = 3) -> str:
    """Return rows aligned as Go's tabwriter does when every cell ends with a tab.

    The last column is padded too, as the CLI writes a tab behind it when `trailing` cells exist.
    """
    widths: list[int] = []
    for row in rows:
        for index, cell in enumerate(row):
            if index == len(widths):
                widths.append(0)
            widths[index] = max(widths[index], len(cell))
    lines = []
    for row in rows:
        cells = [cell.ljust(widths[index] + padding) for index, cell in enumerate(row[:-1])]
        lines.append("".join(cells) + (row[-1] if row else ""))
    return "".join(line + "\n" for line in lines)
