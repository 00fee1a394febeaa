"""The view-model of a `DetailView`: headings, labelled values with origins, and plain text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from widgets.tones import CellText, Tone, text_of


class DetailKind(StrEnum):
    """What a line of a detail view is."""

    HEADING = "heading"
    VALUE = "value"
    """A label, a value and where it came from."""
    TEXT = "text"
    """A sentence, wrapped at words."""
    RAW = "raw"
    """Output or a command, wrapped at cells so that it is copied as it was."""
    BLANK = "blank"


@dataclass(frozen=True, slots=True)
class DetailLine:
    """One line, which takes as many rows as its text needs."""

    kind: DetailKind
    value: CellText = ""
    label: str = ""
    origin: str = ""
    """Where the value came from, drawn muted behind it."""
    tone: Tone = Tone.NORMAL
    """The tone of a value that is a bare str."""
    key: str = ""
    """Identity for the cursor and for `DetailView.LineChosen`; the position where it is empty."""

    @property
    def text(self) -> str:
        """What `y` copies: the value alone."""
        return text_of(self.value)


def heading(title: CellText) -> DetailLine:
    """Return a heading; a bare str is drawn muted."""
    return DetailLine(DetailKind.HEADING, title)


def value(
    label: str, text: CellText, origin: str = "", tone: Tone = Tone.NORMAL, key: str = ""
) -> DetailLine:
    """Return a labelled value."""
    return DetailLine(DetailKind.VALUE, text, label, origin, tone, key)


def sentence(text: CellText, tone: Tone = Tone.NORMAL, key: str = "") -> DetailLine:
    """Return a text that is wrapped at words."""
    return DetailLine(DetailKind.TEXT, text, tone=tone, key=key)


def raw(text: str, tone: Tone = Tone.NORMAL, key: str = "") -> DetailLine:
    """Return output or a command, kept as it is."""
    return DetailLine(DetailKind.RAW, text, tone=tone, key=key)


def empty_line() -> DetailLine:
    """Return an empty line."""
    return DetailLine(DetailKind.BLANK)
