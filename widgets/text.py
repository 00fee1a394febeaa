"""Plain text fitted into terminal cells; nothing here ever reads markup."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rich.cells import cell_len, set_cell_size, split_text
from rich.segment import Segment
from textual.content import Content
from textual.strip import Strip

from widgets.symbols import symbols
from widgets.tones import Ground, Palette, Span, Tone

Align = Literal["left", "right"]


def plain(text: str) -> Content:
    """Return the text as Content that shows every character as it is.

    Border titles, notifications and `Static` read markup from a bare str: `[/x]` ends the app.
    """
    return Content(text)


def fit(text: str, width: int, align: Align = "left") -> str:
    """Return the text in exactly `width` cells; what is cut off ends in an ellipsis."""
    if width <= 0:
        return ""
    used = cell_len(text)
    if used == width:
        return text
    if used < width:
        padding = " " * (width - used)
        return padding + text if align == "right" else text + padding
    return set_cell_size(text, width - 1) + symbols().ellipsis


def span_cells(spans: Iterable[Span]) -> int:
    """Return how many cells the spans take."""
    return sum(cell_len(span.text) for span in spans)


def fit_spans(spans: Iterable[Span], width: int, align: Align = "left") -> list[Span]:
    """Return spans of exactly `width` cells; what is cut off ends in an ellipsis."""
    if width <= 0:
        return []
    fitted: list[Span] = []
    left = width
    pieces = [span for span in spans if span.text]
    total = span_cells(pieces)
    for span in pieces:
        used = cell_len(span.text)
        if used > left or (used == left and total > width):
            fitted.append(Span(set_cell_size(span.text, left - 1) + symbols().ellipsis, span.tone))
            return fitted
        fitted.append(span)
        left -= used
    if left:
        padding = Span(" " * left)
        fitted = [padding, *fitted] if align == "right" else [*fitted, padding]
    return fitted


def segments(
    spans: Iterable[Span], palette: Palette, ground: Ground = Ground.PLAIN
) -> list[Segment]:
    """Return the spans in the colours of their tones."""
    return [Segment(span.text, palette.style(span.tone, ground)) for span in spans if span.text]


def strip_of(
    spans: Iterable[Span], width: int, palette: Palette, ground: Ground = Ground.PLAIN
) -> Strip:
    """Return one line of exactly `width` cells."""
    return Strip(segments(fit_spans(spans, width), palette, ground), width)


def blank(width: int, palette: Palette, ground: Ground = Ground.PLAIN) -> Strip:
    """Return an empty line."""
    return Strip.blank(width, palette.style(Tone.NORMAL, ground))


def wrap(text: str, width: int) -> list[str]:
    """Cut the text into lines of at most `width` cells; the empty text is one empty line.

    It cuts at cells and not at words: a log line must be copied as it was written.
    """
    if text.isascii() and width > 0:
        return [text[at : at + width] for at in range(0, len(text), width)] or [""]
    return ["".join(span.text for span in line) for line in wrap_spans((Span(text),), width)]


def wrap_spans(spans: Iterable[Span], width: int) -> list[list[Span]]:
    """Cut spans into lines of at most `width` cells, at cells and not at words."""
    width = max(1, width)
    lines: list[list[Span]] = [[]]
    left = width
    for span in spans:
        rest = span.text
        while rest:
            if cell_len(rest) <= left:
                lines[-1].append(Span(rest, span.tone))
                left -= cell_len(rest)
                break
            taken, rest = _take(rest, left, width)
            if taken:
                lines[-1].append(Span(taken, span.tone))
            lines.append([])
            left = width
    return lines


def _take(text: str, cells: int, width: int) -> tuple[str, str]:
    """Split a text that is too long, without tearing a wide character apart."""
    if cells <= 0:
        return "", text
    head, tail = split_text(text, cells)
    if head + tail == text:
        return head, tail
    # A wide character on the border comes back as a space on each side.
    kept = head[:-1]
    if not kept and cells == width:
        return " ", text[1:]
    return kept, text[len(kept) :]


def wrap_words(text: str, width: int) -> list[str]:
    """Cut the text at spaces into lines of at most `width` cells; a longer word is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if cell_len(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *full, line = wrap(word, width)
        lines.extend(full)
    lines.append(line)
    return lines
