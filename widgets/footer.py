"""The footer: the keys that work here, as the registry names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from widgets.text import strip_of
from widgets.tones import TONE_CLASSES, TONE_CSS, Ground, Palette, Span, Tone

_GAP = 2


@dataclass(frozen=True, slots=True)
class FooterItem:
    """One key and what it does."""

    key: str
    """As shown, such as `ctrl+s`."""
    label: str
    action: str = ""
    """What a click asks for; given back in `FooterBar.ItemChosen`."""
    priority: int = 1
    """The highest is left out first when the line is too narrow; 0 stays."""
    is_at_right: bool = False

    @property
    def cells(self) -> int:
        """How many cells the item takes."""
        return cell_len(self.key) + 1 + cell_len(self.label)


def fitting_items(items: Sequence[FooterItem], width: int) -> list[FooterItem]:
    """Return the items that fit, in their order; of equal priority the last goes first."""
    kept = list(items)
    while kept and 1 + sum(item.cells + _GAP for item in kept) - _GAP + 1 > width:
        droppable = [index for index, item in enumerate(kept) if item.priority > 0]
        if not droppable:
            break
        del kept[max(droppable, key=lambda index: (kept[index].priority, index))]
    return kept


class FooterBar(Widget):
    """Draws keys and labels in one line; a click asks for the item's action."""

    COMPONENT_CLASSES: ClassVar[set[str]] = TONE_CLASSES
    DEFAULT_CSS = TONE_CSS + "FooterBar { height: 1; background: $panel; }"
    ALLOW_SELECT = False

    class ItemChosen(Message):
        """An item was clicked."""

        def __init__(self, footer: FooterBar, item: FooterItem) -> None:
            super().__init__()
            self.footer = footer
            self.item = item

        @property
        def control(self) -> FooterBar:
            """The footer."""
            return self.footer

    def __init__(self, items: Sequence[FooterItem] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._palette = Palette(self)
        self._items = tuple(items)

    @property
    def items(self) -> tuple[FooterItem, ...]:
        """All items, those that do not fit too."""
        return self._items

    def show(self, items: Sequence[FooterItem]) -> None:
        """Show other items."""
        if tuple(items) != self._items:
            self._items = tuple(items)
            self.refresh()

    def notify_style_update(self) -> None:
        """Forget the styles of the old theme."""
        self._palette.clear()
        super().notify_style_update()

    def _placed(self) -> list[tuple[int, FooterItem]]:
        """Return the items that fit with the column each starts at."""
        width = self.size.width
        kept = fitting_items(self._items, width)
        left = [item for item in kept if not item.is_at_right]
        right = [item for item in kept if item.is_at_right]
        placed: list[tuple[int, FooterItem]] = []
        column = 1
        for item in left:
            placed.append((column, item))
            column += item.cells + _GAP
        column = width - 1 - sum(item.cells + _GAP for item in right) + _GAP
        for item in right:
            placed.append((column, item))
            column += item.cells + _GAP
        return placed

    def render_line(self, y: int) -> Strip:
        """Return the line."""
        spans: list[Span] = []
        used = 0
        for column, item in self._placed() if y == 0 else ():
            spans.append(Span(" " * (column - used)))
            spans.append(Span(item.key, Tone.ACCENT))
            spans.append(Span(f" {item.label}", Tone.MUTED))
            used = column + item.cells
        return strip_of(spans, self.size.width, self._palette, Ground.HEADER)

    def on_click(self, event: events.Click) -> None:
        """Ask for the action of the item under the pointer."""
        at = event.get_content_offset(self)
        if at is None:
            return
        for column, item in self._placed():
            if column <= at.x < column + item.cells:
                self.post_message(self.ItemChosen(self, item))
