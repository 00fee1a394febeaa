"""Tones: what a piece of text means, so that only the stylesheet knows colours.

A view-model never holds a colour nor markup: it holds plain text and a tone, and the tone names a
component class that the theme colours.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple
from zlib import crc32

from rich.style import Style
from textual.widget import Widget


class Tone(StrEnum):
    """What a text means; the value is the component class `tone--<value>`."""

    NORMAL = "normal"
    STRONG = "strong"
    MUTED = "muted"
    TITLE = "title"
    ACCENT = "accent"
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    LATENT = "latent"
    UNKNOWN = "unknown"
    STALE = "stale"
    ADDED = "added"
    """A line that a change brings."""
    REMOVED = "removed"
    """A line that a change takes away."""
    BADGE = "badge"
    """A word set off from the line, such as READ-ONLY."""
    ALERT = "alert"
    """A badge that must not be overlooked."""
    CONTEXT_1 = "context-1"
    CONTEXT_2 = "context-2"
    CONTEXT_3 = "context-3"
    CONTEXT_4 = "context-4"
    CONTEXT_5 = "context-5"
    CONTEXT_6 = "context-6"


class Ground(StrEnum):
    """What lies behind a line; the value is the component class `ground--<value>`."""

    PLAIN = "plain"
    CURSOR = "cursor"
    CURSOR_BLURRED = "cursor-blurred"
    HEADER = "header"


class Span(NamedTuple):
    """A piece of text in one tone."""

    text: str
    tone: Tone = Tone.NORMAL


CellText = str | Span | tuple[Span, ...]
"""What a cell may hold; a bare str takes the tone of what surrounds it."""

TONE_CLASSES = {f"tone--{tone}" for tone in Tone} | {f"ground--{ground}" for ground in Ground}
"""The component classes of every widget that draws tones."""

TONE_CSS = """
    .tone--normal { color: $foreground; }
    .tone--strong { color: $foreground; text-style: bold; }
    .tone--muted { color: $foreground-muted; }
    .tone--title { color: $foreground-muted; text-style: bold; }
    .tone--accent { color: $text-primary; }
    .tone--ok { color: $text-success; }
    .tone--warning { color: $text-warning; }
    .tone--error { color: $text-error; text-style: bold; }
    .tone--latent { color: $text-secondary; }
    .tone--unknown { color: $foreground-muted; }
    .tone--stale { color: $foreground-muted; text-style: italic; }
    .tone--added { color: $text-success; }
    .tone--removed { color: $text-error; }
    .tone--badge { color: $foreground; background: $primary-muted; text-style: bold; }
    .tone--alert { color: $text; background: $error; text-style: bold; }
    .tone--context-1 { color: #ffffff; background: #1d4ed8; text-style: bold; }
    .tone--context-2 { color: #ffffff; background: #6d28d9; text-style: bold; }
    .tone--context-3 { color: #ffffff; background: #0e7490; text-style: bold; }
    .tone--context-4 { color: #ffffff; background: #4338ca; text-style: bold; }
    .tone--context-5 { color: #ffffff; background: #0369a1; text-style: bold; }
    .tone--context-6 { color: #ffffff; background: #155e75; text-style: bold; }
    .ground--plain { color: $foreground; }
    .ground--cursor { background: $primary 35%; text-style: bold; }
    .ground--cursor-blurred { background: $primary 15%; }
    .ground--header { background: $panel; }
"""
"""Colours of tones and grounds; a widget puts it before its own `DEFAULT_CSS`.

The contexts' are blue, violet or teal in every theme: red, amber and green mean severity.
"""

_CONTEXT_TONES = (
    Tone.CONTEXT_1,
    Tone.CONTEXT_2,
    Tone.CONTEXT_3,
    Tone.CONTEXT_4,
    Tone.CONTEXT_5,
    Tone.CONTEXT_6,
)
_COLOURLESS = {
    Tone.ERROR: Style(bold=True, reverse=True),
    Tone.ALERT: Style(bold=True, reverse=True),
    Tone.WARNING: Style(bold=True, underline=True),
}
"""What tells harm where there are no colours."""
_FILLED = frozenset({Tone.BADGE, Tone.ALERT, *_CONTEXT_TONES})


def context_tone(name: str) -> Tone:
    """Return the tone that belongs to a context's name, the same in every session."""
    return _CONTEXT_TONES[crc32(name.encode("utf-8", "replace")) % len(_CONTEXT_TONES)]


def spans_of(cell: CellText, tone: Tone = Tone.NORMAL) -> tuple[Span, ...]:
    """Return the spans of a cell; a bare str takes the tone given."""
    if isinstance(cell, str):
        return (Span(cell, tone),)
    if isinstance(cell, Span):
        return (cell,)
    return cell


def text_of(cell: CellText) -> str:
    """Return the plain text of a cell."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Span):
        return cell.text
    return "".join(span.text for span in cell)


class Palette:
    """The styles of a widget's tones on its grounds, computed once per theme."""

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._styles: dict[tuple[Tone, Ground], Style] = {}

    def clear(self) -> None:
        """Forget the styles: the theme or a pseudo-class changed."""
        self._styles.clear()

    def style(self, tone: Tone, ground: Ground = Ground.PLAIN) -> Style:
        """Return the style of a tone on a ground."""
        key = (tone, ground)
        style = self._styles.get(key)
        if style is None:
            style = self._styles[key] = self._mix(tone, ground)
        return style

    def style_of(self, span: Span, ground: Ground = Ground.PLAIN) -> Style:
        """Return the style of a span; a bar stays as it is where harm is told by reversing."""
        is_reversed = span.tone is Tone.ERROR and self._widget.app.no_color
        if is_reversed and not any(map(str.isalnum, span.text)) and len(span.text.strip()) > 1:
            return self.style(Tone.STRONG, ground)
        return self.style(span.tone, ground)

    def _mix(self, tone: Tone, ground: Ground) -> Style:
        component = self._widget.get_component_rich_style
        tone_style = component(f"tone--{tone}")
        if self._widget.app.no_color and tone in _COLOURLESS:
            # Grey of a red is darker than grey of a green: harm would be the least of all.
            tone_style = component(f"tone--{Tone.STRONG}") + _COLOURLESS[tone]
        if ground is Ground.PLAIN or tone in _FILLED:
            return tone_style
        behind = component(f"ground--{ground}")
        return (
            tone_style
            + Style(bgcolor=behind.bgcolor)
            + Style(bold=behind.bold or None, italic=behind.italic or None)
        )
