"""Plain text fitted into terminal cells; nothing here ever reads markup."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Literal

from rich.cells import cell_len, get_character_cell_size, set_cell_size
from rich.segment import Segment
from textual.content import Content
from textual.strip import Strip

from widgets.symbols import symbols
from widgets.tones import Ground, Palette, Span, Tone

Align = Literal["left", "right"]

_Cut = tuple[int, int]
"""Where a line begins and ends in a text, in characters."""

_WIDENING = "\ufe0f"
"""The variation selector that makes the symbol before it two cells wide."""

_MIN_ELIDED_CELLS = 8
"""Below this nothing can be read of two ends."""


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
    return [Segment(span.text, palette.style_of(span, ground)) for span in spans if span.text]


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

    It cuts at cells and not at words: a command must be copied as it was written.
    """
    return [text[start:end] for start, end in _cuts(text, width)]


def wrap_words(text: str, width: int) -> list[str]:
    """Cut the text at spaces into lines of at most `width` cells; a longer word is cut."""
    return [text[start:end] for start, end in _word_cuts(text, width)]


def wrap_spans(spans: Iterable[Span], width: int) -> list[list[Span]]:
    """Cut spans into lines of at most `width` cells, at cells and not at words."""
    spans = tuple(spans)
    return _sliced(spans, _cuts("".join(span.text for span in spans), width))


def wrap_spans_words(spans: Iterable[Span], width: int) -> list[list[Span]]:
    """Cut spans at spaces into lines of at most `width` cells; a longer word is cut."""
    spans = tuple(spans)
    return _sliced(spans, _word_cuts("".join(span.text for span in spans), width))


def count_word_lines(text: str, width: int) -> int:
    """Return how many lines `wrap_words` makes."""
    return len(_word_cuts(text, width))


def elide_middle(text: str, width: int) -> str:
    """Return the text in at most `width` cells with both ends kept, most of it from the end.

    A log line ends with its cause.
    """
    if cell_len(text) <= width:
        return text
    if width < _MIN_ELIDED_CELLS:
        return fit(text, width)
    tail_cells = (width - 1) * 7 // 10
    ends = _cell_ends(text)
    tail = next(at for at, end in enumerate(ends, 1) if ends[-1] - end <= tail_cells)
    head = bisect_right(ends, width - 1 - (ends[-1] - ends[tail - 1]))
    return fit(f"{text[:head]}{symbols().ellipsis}{text[tail:]}", width).rstrip(" ")


def _cuts(text: str, width: int) -> list[_Cut]:
    """Return where lines begin and end that are as full as they can be."""
    width = max(1, width)
    if text.isascii():
        starts = range(0, len(text), width)
        return [(start, min(start + width, len(text))) for start in starts] or [(0, 0)]
    ends = _cell_ends(text)
    cuts: list[_Cut] = []
    start = 0
    while start < len(text):
        end = _full_line(ends, start, width)
        cuts.append((start, end))
        start = end
    return cuts


def _word_cuts(text: str, width: int) -> list[_Cut]:
    """Return where lines begin and end that break at spaces where there are any."""
    width = max(1, width)
    ends = None if text.isascii() else _cell_ends(text)
    length = len(text)
    cuts: list[_Cut] = []
    start = 0
    while True:
        end = min(start + width, length) if ends is None else _full_line(ends, start, width)
        if end >= length:
            return [*cuts, (start, length)]
        space = text.rfind(" ", start, end + 1)
        if space > start and not text[start:space].isspace():
            cuts.append((start, space))
            start = space + 1
        else:
            cuts.append((start, end))
            start = end
        while start < length and text[start] == " ":
            start += 1
        if start >= length:
            return cuts


def _full_line(ends: Sequence[int], start: int, width: int) -> int:
    """Return where a line ends that takes all it can, a character at least."""
    used = ends[start - 1] if start else 0
    return max(start + 1, bisect_right(ends, used + width))


def _cell_ends(text: str) -> list[int]:
    """Return at which cell each character ends, never less than it takes in its cluster."""
    cells = map(get_character_cell_size, text)
    if _WIDENING in text:
        cells = map(int.__add__, cells, (character == _WIDENING for character in text))
    return list(accumulate(cells))


def _sliced(spans: Sequence[Span], cuts: Iterable[_Cut]) -> list[list[Span]]:
    """Return the spans of each line."""
    lines: list[list[Span]] = []
    index, span_start = 0, 0
    for start, end in cuts:
        line: list[Span] = []
        while index < len(spans):
            span = spans[index]
            piece = span.text[max(0, start - span_start) : end - span_start]
            if piece and end > span_start:
                line.append(Span(piece, span.tone))
            if span_start + len(span.text) > end:
                break
            span_start += len(span.text)
            index += 1
        lines.append(line)
    return lines
