"""What a panel says instead of rows: loading, empty, denied, failed and stale are distinct."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from widgets.symbols import symbols
from widgets.text import blank, span_cells, strip_of, wrap_words
from widgets.tones import TONE_CLASSES, TONE_CSS, Palette, Span, Tone


class NoteKind(StrEnum):
    """Why a panel has no rows, or old ones."""

    LOADING = "loading"
    EMPTY = "empty"
    """Read, and there is nothing."""
    DENIED = "denied"
    """The text names the missing verb and resource."""
    FAILED = "failed"
    STALE = "stale"
    """The rows shown are old; the text says how old."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StateNote:
    """A state, as a word, with the sentence that explains it."""

    kind: NoteKind
    text: str = ""
    remedy: str = ""
    """What to do about it, on a line of its own."""


_TONES = {
    NoteKind.LOADING: Tone.MUTED,
    NoteKind.EMPTY: Tone.MUTED,
    NoteKind.DENIED: Tone.WARNING,
    NoteKind.FAILED: Tone.ERROR,
    NoteKind.STALE: Tone.STALE,
    NoteKind.UNKNOWN: Tone.UNKNOWN,
}


def note_symbol(kind: NoteKind) -> str:
    """Return the symbol of a state."""
    table = symbols()
    return {
        NoteKind.LOADING: table.loading,
        NoteKind.EMPTY: table.dash,
        NoteKind.DENIED: table.unknown,
        NoteKind.FAILED: table.active,
        NoteKind.STALE: table.stale,
        NoteKind.UNKNOWN: table.unknown,
    }[kind]


def no_match(hidden_by: Iterable[str], total: int) -> StateNote:
    """Return the note of a panel whose rows are all hidden: `no row matches /x: 0 of 16`."""
    what = " and ".join(filter(None, hidden_by)) or "what is asked for"
    return StateNote(NoteKind.EMPTY, f"no row matches {what}: 0 of {total:,}")


def note_spans(note: StateNote) -> tuple[Span, ...]:
    """Return the note as one line: symbol, word, text."""
    tone = _TONES[note.kind]
    words = f"{note_symbol(note.kind)} {note.kind}"
    return (
        (Span(words, tone), Span(f": {note.text}", Tone.NORMAL))
        if note.text
        else (Span(words, tone),)
    )


def note_lines(note: StateNote, size: Size) -> list[tuple[Span, ...]]:
    """Return the note's lines for an area, to be drawn in its middle."""
    width = max(1, size.width - 4)
    head = note_spans(note)
    lines: list[tuple[Span, ...]]
    if span_cells(head) <= width:
        lines = [head]
    else:
        lines = [(head[0],), *((Span(line),) for line in wrap_words(note.text, width))]
    if note.remedy:
        lines += [(Span(line, Tone.MUTED),) for line in wrap_words(note.remedy, width)]
    return lines[: max(1, size.height)]


def note_strips(note: StateNote, size: Size, palette: Palette) -> list[Strip]:
    """Return the area filled with the note in its middle."""
    lines = note_lines(note, size)
    top = max(0, (size.height - len(lines)) // 2)
    strips = [blank(size.width, palette)] * top
    for line in lines:
        left = max(0, (size.width - span_cells(line)) // 2)
        strips.append(strip_of((Span(" " * left), *line), size.width, palette))
    strips += [blank(size.width, palette)] * (size.height - len(strips))
    return strips


class StateNoteView(Widget):
    """Fills its area with one state note."""

    COMPONENT_CLASSES: ClassVar[set[str]] = TONE_CLASSES
    DEFAULT_CSS = TONE_CSS + "StateNoteView { height: 1fr; }"

    def __init__(self, note: StateNote, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._note = note
        self._palette = Palette(self)

    @property
    def note(self) -> StateNote:
        """The note shown."""
        return self._note

    def show(self, note: StateNote) -> None:
        """Show another note."""
        if note != self._note:
            self._note = note
            self.refresh()

    def notify_style_update(self) -> None:
        """Forget the styles of the old theme."""
        self._palette.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """Return one line of the note."""
        strips = note_strips(self._note, self.size, self._palette)
        return strips[y] if y < len(strips) else blank(self.size.width, self._palette)
