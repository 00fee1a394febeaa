"""The view-model of a `Grid`: columns, rows, and how a row is ordered and searched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from widgets.text import Align
from widgets.tones import CellText, Tone, text_of

SortKey = float | int | str | tuple[float | int | str, ...] | None
"""What a column sorts by; None is unknown and always stands last."""


@dataclass(frozen=True, slots=True)
class GridColumn:
    """One column and how it behaves in a narrow terminal."""

    key: str
    title: str
    min_width: int = 4
    """Cells it needs to be shown at all."""
    max_width: int = 40
    """Cells it grows to when its texts are longer and there is room."""
    align: Align = "left"
    priority: int = 0
    """The highest is dropped first when the terminal is narrow; 0 is never dropped."""
    is_flexible: bool = False
    """Whether it takes the cells that are left over."""
    is_sortable: bool = True
    sorts_descending: bool = False
    """Whether the first sort by this column puts the largest value on top."""


@dataclass(frozen=True, slots=True)
class GridRow:
    """One row. An unchanged row should be the same object: it keeps its drawn line."""

    key: str
    """Identity (a UID, never a position): the cursor and the marks stay with it."""
    cells: tuple[CellText, ...]
    """One for each column, in the columns' order."""
    sort_keys: Mapping[str, SortKey] = field(default_factory=dict)
    """By column key; a column without one sorts by its text, numbers in it as numbers."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """What `/field:value` looks at, beside the columns' own texts by column key."""
    is_fault: bool = False
    """Whether the row stays when only faults are shown."""
    tone: Tone = Tone.NORMAL
    """The tone of cells that are a bare str."""

    @property
    def text(self) -> str:
        """All the row shows, as one text to search and to copy."""
        return "  ".join(filter(None, (text_of(cell) for cell in self.cells)))


_DIGITS = re.compile(r"0*(\d+)", re.ASCII)


@lru_cache(maxsize=32_768)
def natural_key(text: str) -> str:
    """Return a text that orders `node-2` before `node-10`.

    A number is preceded by how many digits it has; one text compares faster than many parts.
    """
    return _DIGITS.sub(_with_length, text.casefold())


def _with_length(number: re.Match[str]) -> str:
    digits = number[1]
    return f"{min(len(digits), 999):03}{digits}"
