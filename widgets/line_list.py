"""`LineList`: a fast scrolling list with a cursor, the base of every list of the program."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region

from widgets.line_scroll import LineScroll
from widgets.tones import Ground


def list_binding(keys: str, action: str, description: str, tooltip: str) -> Binding:
    """Return a binding of every list; its id lets the program's key registry change the keys."""
    name = action.replace("_", "-")
    return Binding(keys, action, description, show=False, id=f"list.{name}", tooltip=tooltip)


class LineList(LineScroll, can_focus=True):
    """Entries with a cursor that keys and the mouse move.

    Until it is moved, the cursor stays on the first entry, the worst one, while entries are
    re-ordered; once moved, it follows its entry.
    """

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
        self._cursor = 0
        self._follows_top = True

    def is_selectable(self, index: int) -> bool:
        """Return whether the cursor may stand on an entry."""
        return 0 <= index < self.entry_count()

    def cursor_moved(self) -> None:
        """Take notice that another entry is under the cursor."""

    def entry_chosen(self, index: int) -> None:
        """Take notice that an entry was chosen."""

    def head_clicked(self, x: int, y: int) -> None:
        """Take notice of a click on the pinned head."""

    @property
    def cursor(self) -> int:
        """Position of the cursor among the shown entries."""
        return self._cursor

    @property
    def follows_top(self) -> bool:
        """Whether the cursor was not moved yet and so stays on the first entry."""
        return self._follows_top

    def hold_cursor(self) -> None:
        """Let the cursor follow its entry from now on, as if it had been moved there."""
        self._follows_top = False

    def reset_cursor(self) -> None:
        """Put the cursor on the first entry and let it stay there: something else is shown."""
        self._follows_top = True
        before = self._cursor
        self._cursor = self._nearest(0, 1)
        if before != self._cursor:
            self._refresh_entry(before)
            self._refresh_entry(self._cursor)
            self.cursor_moved()
        self.reveal_cursor()

    @property
    def is_cursor_in_sight(self) -> bool:
        """Whether the entry under the cursor is on screen, in part at least."""
        top = self.scroll_offset.y
        first, end = self._start(self._cursor), self._start(self._cursor + 1)
        return first < top + self.body_height and end > top

    def ground_of(self, index: int) -> Ground:
        """Return the cursor's ground for the entry under it, brighter while keys move it."""
        if index != self._cursor or not self.is_selectable(index):
            return Ground.PLAIN
        return Ground.CURSOR if self.has_focus else Ground.CURSOR_BLURRED

    def entries_changed(self) -> None:
        """Take over changed entries, with the cursor on one of them."""
        self._cursor = min(self._cursor, max(0, self.entry_count() - 1))
        super().entries_changed()

    def fit_size(self) -> None:
        """Fit the lines to the size and keep the cursor in sight."""
        super().fit_size()
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
            self._follows_top = False
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
            self.hold_cursor()
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
        self.hold_cursor()
        self.move_cursor(index)
        if event.chain == 2:
            self.entry_chosen(index)

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
