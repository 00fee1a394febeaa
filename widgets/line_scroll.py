"""`LineScroll`: entries of one or more lines, of which only those on screen are drawn.

Textual's `DataTable` needs 65 to 93 ms for one changed cell because it draws every cell again;
here a key costs the lines that changed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Sequence
from itertools import accumulate
from typing import ClassVar

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBarRender
from textual.strip import Strip

from widgets.state_note import StateNote, note_spans, note_strips
from widgets.symbols import ASCII, symbols
from widgets.text import blank, strip_of
from widgets.tones import TONE_CLASSES, TONE_CSS, Ground, Palette

_MAX_CACHED_LINES = 4_096


class LineCache:
    """Drawn lines by entry; a line is drawn again when its entry is another object."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, tuple[object, Strip]] = {}

    def clear(self) -> None:
        """Forget every line: the width, the layout or the theme changed."""
        self._lines.clear()

    def line(self, key: Hashable, entry: object, draw: Callable[[], Strip]) -> Strip:
        """Return the line of an entry, drawn only if it was not drawn before."""
        held = self._lines.get(key)
        if held is not None and held[0] is entry:
            return held[1]
        if len(self._lines) >= _MAX_CACHED_LINES:
            self._lines.clear()
        strip = draw()
        self._lines[key] = (entry, strip)
        return strip


class AsciiScrollBar(ScrollBarRender):
    """A scroll bar of whole cells: Textual's ends are eighths of a block."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


class LineScroll(ScrollView):
    """Entries under a pinned head, or a state note while there are none.

    A subclass tells how many entries there are, how high they are and how their lines look, and
    calls `entries_changed` when that is no longer true.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = TONE_CLASSES
    DEFAULT_CSS = (
        TONE_CSS
        + """
    LineScroll { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    """
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._palette = Palette(self)
        self._drawn = LineCache()
        self._note: StateNote | None = None
        self._starts: Sequence[int] | None = None
        self._head: list[Strip] | None = None

    def entry_count(self) -> int:
        """Return how many entries are shown."""
        return 0

    def entry_heights(self) -> Sequence[int] | None:
        """Return the entries' heights at the current width, or None while all are one line."""
        return None

    def entry_strip(self, index: int, line: int, ground: Ground) -> Strip:
        """Return one line of an entry, as wide as `line_width`."""
        raise NotImplementedError

    def head_strips(self) -> list[Strip]:
        """Return the lines that stay at the top while the list scrolls."""
        return []

    def empty_note(self) -> StateNote | None:
        """Return what to say while no entry is shown."""
        return self._note

    def ground_of(self, index: int) -> Ground:
        """Return what an entry is drawn on."""
        return Ground.PLAIN

    @property
    def line_width(self) -> int:
        """Cells of a line, without the scroll bar."""
        return self.scrollable_content_region.width

    @property
    def body_height(self) -> int:
        """Lines of the scrolled part."""
        return max(0, self.scrollable_content_region.height - len(self._pinned()))

    def show_note(self, note: StateNote | None) -> None:
        """Show a state note: instead of entries while there are none, above them otherwise."""
        if note != self._note:
            self._note = note
            self.entries_changed()

    def entries_changed(self) -> None:
        """Take over changed entries: heights and the scrolled size."""
        heights = self.entry_heights()
        self._starts = None if heights is None else [0, *accumulate(heights)]
        self._head = None
        total = self._start(self.entry_count())
        self.virtual_size = Size(self.line_width, total + len(self._pinned()))
        self.refresh()

    def redraw(self) -> None:
        """Draw everything again: the layout or the theme changed."""
        self._drawn.clear()
        self._head = None
        self.refresh()

    def notify_style_update(self) -> None:
        """Forget the lines drawn in the old theme."""
        self._palette.clear()
        self.redraw()
        super().notify_style_update()

    def on_mount(self) -> None:
        """Draw the scroll bar with what the terminal can draw."""
        if symbols() is ASCII:
            bar = self.vertical_scrollbar
            bar.renderer = AsciiScrollBar  # type: ignore[misc]  # Textual's documented way

    def on_resize(self) -> None:
        """Fit the lines to the new size."""
        self.fit_size()

    def watch_show_vertical_scrollbar(self) -> None:
        """Fit the lines anew: the scroll bar takes a column without a resize."""
        self.fit_size()

    def fit_size(self) -> None:
        """Fit the lines to the size; Textual calls `on_resize` of every base, this only once."""
        self._drawn.clear()
        self.entries_changed()

    def render_line(self, y: int) -> Strip:
        """Return one line of the widget."""
        pinned = self._pinned()
        if y < len(pinned):
            return pinned[y]
        width = self.line_width
        if self.entry_count() == 0:
            return self._empty_line(y - len(pinned))
        line = y - len(pinned) + self.scroll_offset.y
        index = self._entry_at(line)
        if index is None:
            return blank(width, self._palette)
        return self.entry_strip(index, line - self._start(index), self.ground_of(index))

    def _empty_line(self, y: int) -> Strip:
        note = self.empty_note()
        width = self.line_width
        if note is None:
            return blank(width, self._palette)
        strips = note_strips(note, Size(width, self.body_height), self._palette)
        return strips[y] if 0 <= y < len(strips) else blank(width, self._palette)

    def _pinned(self) -> list[Strip]:
        if self._head is None:
            self._head = self.head_strips()
            if self._note is not None and self.entry_count():
                self._head.append(strip_of(note_spans(self._note), self.line_width, self._palette))
        return self._head

    def _start(self, index: int) -> int:
        if self._starts is None:
            return index
        return self._starts[max(0, min(index, len(self._starts) - 1))]

    def _entry_at(self, line: int) -> int | None:
        if line < 0 or line >= self._start(self.entry_count()):
            return None
        return line if self._starts is None else bisect_right(self._starts, line) - 1
