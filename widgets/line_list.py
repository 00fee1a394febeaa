"""`LineList`: a fast scrolling list drawn line by line, the base of every list of the program.

Textual's `DataTable` needs 65 to 93 ms for one changed cell because it draws every cell again;
here a key costs the lines that changed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Sequence
from itertools import accumulate
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from widgets.state_note import StateNote, note_spans, note_strips
from widgets.text import blank, strip_of
from widgets.tones import TONE_CLASSES, TONE_CSS, Ground, Palette

_MAX_CACHED_LINES = 4_096


def list_binding(keys: str, action: str, description: str, tooltip: str) -> Binding:
    """Return a binding of every list; its id lets the program's key registry change the keys."""
    name = action.replace("_", "-")
    return Binding(keys, action, description, show=False, id=f"list.{name}", tooltip=tooltip)


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


class LineList(ScrollView, can_focus=True):
    """Entries of one or more lines with a cursor, a pinned head and a state note.

    A subclass tells how many entries there are, how high they are and how their lines look, and
    calls `entries_changed` when that is no longer true.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = TONE_CLASSES
    DEFAULT_CSS = (
        TONE_CSS
        + """
    LineList { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    """
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        list_binding("up,k", "cursor_up", "Up", "Move the cursor up"),
        list_binding("down,j", "cursor_down", "Down", "Move the cursor down"),
        list_binding("pageup,ctrl+b", "page_up", "Page up", "Move the cursor up by a page"),
        list_binding("pagedown,ctrl+f", "page_down", "Page down", "Move the cursor down by a page"),
        list_binding("home,g", "first", "First", "Move the cursor to the first line"),
        list_binding("end,G", "last", "Last", "Move the cursor to the last line"),
        list_binding("enter", "choose", "Open", "Open what is under the cursor"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._palette = Palette(self)
        self._drawn = LineCache()
        self._note: StateNote | None = None
        self._cursor = 0
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

    def is_selectable(self, index: int) -> bool:
        """Return whether the cursor may stand on an entry."""
        return 0 <= index < self.entry_count()

    def head_strips(self) -> list[Strip]:
        """Return the lines that stay at the top while the list scrolls."""
        return []

    def empty_note(self) -> StateNote | None:
        """Return what to say while no entry is shown."""
        return self._note

    def cursor_moved(self) -> None:
        """Take notice that another entry is under the cursor."""

    def entry_chosen(self, index: int) -> None:
        """Take notice that an entry was chosen."""

    def head_clicked(self, x: int, y: int) -> None:
        """Take notice of a click on the pinned head."""

    @property
    def line_width(self) -> int:
        """Cells of a line, without the scroll bar."""
        return self.scrollable_content_region.width

    @property
    def body_height(self) -> int:
        """Lines of the scrolled part."""
        return max(0, self.scrollable_content_region.height - len(self._pinned()))

    @property
    def cursor(self) -> int:
        """Position of the cursor among the shown entries."""
        return self._cursor

    @property
    def is_cursor_in_sight(self) -> bool:
        """Whether the entry under the cursor is on screen, in part at least."""
        top = self.scroll_offset.y
        first, end = self._start(self._cursor), self._start(self._cursor + 1)
        return first < top + self.body_height and end > top

    def show_note(self, note: StateNote | None) -> None:
        """Show a state note: instead of entries while there are none, above them otherwise."""
        if note != self._note:
            self._note = note
            self.entries_changed()

    def entries_changed(self) -> None:
        """Take over changed entries: heights, cursor and the scrolled size."""
        heights = self.entry_heights()
        self._starts = None if heights is None else [0, *accumulate(heights)]
        self._head = None
        self._cursor = min(self._cursor, max(0, self.entry_count() - 1))
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

    def on_resize(self) -> None:
        """Fit the lines to the new width and keep the cursor in sight."""
        self._drawn.clear()
        self.entries_changed()
        self.reveal_cursor()

    def on_focus(self) -> None:
        """Draw the cursor as the one that keys move."""
        self._refresh_entry(self._cursor)

    def on_blur(self) -> None:
        """Draw the cursor as one that rests."""
        self._refresh_entry(self._cursor)

    def move_cursor(self, index: int, *, reveal: bool = True) -> None:
        """Put the cursor on an entry."""
        if self.is_selectable(index) and index != self._cursor:
            before, self._cursor = self._cursor, index
            self._refresh_entry(before)
            self._refresh_entry(index)
            self.cursor_moved()
        if reveal:
            self.reveal_cursor()

    def reveal_cursor(self) -> None:
        """Scroll as little as needed to show the entry under the cursor whole."""
        first, end = self._start(self._cursor), self._start(self._cursor + 1)
        body = self.body_height
        if body <= 0:
            return
        if self._is_first_selectable(self._cursor):
            first = 0
        if first < self.scroll_offset.y:
            self.scroll_to(y=first, animate=False, force=True)
        elif end > self.scroll_offset.y + body:
            self.scroll_to(y=end - body, animate=False, force=True)

    def action_cursor_up(self) -> None:
        """Move the cursor to the entry above."""
        self.move_cursor(self._nearest(self._cursor - 1, -1))

    def action_cursor_down(self) -> None:
        """Move the cursor to the entry below."""
        self.move_cursor(self._nearest(self._cursor + 1, 1))

    def action_page_up(self) -> None:
        """Move the cursor up by the lines on screen."""
        self._move_lines(-max(1, self.body_height - 1))

    def action_page_down(self) -> None:
        """Move the cursor down by the lines on screen."""
        self._move_lines(max(1, self.body_height - 1))

    def action_first(self) -> None:
        """Move the cursor to the first entry."""
        self.move_cursor(self._nearest(0, 1))

    def action_last(self) -> None:
        """Move the cursor to the last entry."""
        self.move_cursor(self._nearest(self.entry_count() - 1, -1))

    def action_choose(self) -> None:
        """Choose the entry under the cursor."""
        if self.is_selectable(self._cursor):
            self.entry_chosen(self._cursor)

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the entry under the pointer; a double click chooses it."""
        at = event.get_content_offset(self)
        if at is None:
            return
        pinned = len(self._pinned())
        if at.y < pinned:
            self.head_clicked(at.x, at.y)
            return
        index = self._entry_at(at.y - pinned + self.scroll_offset.y)
        if index is None or not self.is_selectable(index):
            return
        self.move_cursor(index)
        if event.chain == 2:
            self.entry_chosen(index)

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
        return self.entry_strip(index, line - self._start(index), self._ground(index))

    def _ground(self, index: int) -> Ground:
        if index != self._cursor or not self.is_selectable(index):
            return Ground.PLAIN
        return Ground.CURSOR if self.has_focus else Ground.CURSOR_BLURRED

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

    def _refresh_entry(self, index: int) -> None:
        first, end = self._start(index), self._start(index + 1)
        top = first - self.scroll_offset.y + len(self._pinned())
        self.refresh(Region(0, top, self.size.width, max(1, end - first)))

    def _nearest(self, index: int, step: int) -> int:
        """Return the first selectable entry from an index on, or the cursor where there is none."""
        while 0 <= index < self.entry_count():
            if self.is_selectable(index):
                return index
            index += step
        return self._cursor

    def _is_first_selectable(self, index: int) -> bool:
        return not any(self.is_selectable(above) for above in range(min(index, 8)))

    def _move_lines(self, lines: int) -> None:
        last = self._start(self.entry_count()) - 1
        if last < 0:
            return
        target = self._entry_at(max(0, min(last, self._start(self._cursor) + lines)))
        step = 1 if lines > 0 else -1
        if target is not None:
            found = self._nearest(target, step)
            self.move_cursor(found if self.is_selectable(found) else self._nearest(target, -step))
