"""The header: which cluster, how it fares, how fresh it is, and the one line that matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual.strip import Strip
from textual.widget import Widget

from widgets.symbols import symbols
from widgets.text import fit_spans, segments, span_cells, strip_of
from widgets.tones import TONE_CLASSES, TONE_CSS, Ground, Palette, Span, Tone


@dataclass(frozen=True, slots=True)
class HeaderItem:
    """One part of the header's first line."""

    spans: tuple[Span, ...]
    short: tuple[Span, ...] = ()
    """What stands there when the line is too narrow; empty where there is no shorter form."""
    priority: int = 0
    """The highest is shortened first, and dropped first when that is not enough; 0 stays."""


@dataclass(frozen=True, slots=True)
class HeaderView:
    """What the header shows."""

    items: tuple[HeaderItem, ...] = ()
    clock: str = ""
    """Right-aligned, such as `14:02:11 UTC`."""
    short_clock: str = ""
    """Such as `14:02:11`, for a narrow line."""
    headline: tuple[Span, ...] = ()
    """The one line that matters; there is no second line while this is empty."""


def header_spans(view: HeaderView, width: int) -> list[Span]:
    """Return the first line in exactly `width` cells, degraded by priority until it fits."""
    items = list(view.items)
    clock = view.clock
    while _line_cells(items, clock) > width:
        if clock == view.clock and view.short_clock and view.short_clock != clock:
            clock = view.short_clock
        elif not _give_way(items):
            break
    right = f" {clock} " if clock else ""
    line = fit_spans(_joined(items), width - cell_len(right))
    return fit_spans([*line, Span(right, Tone.STRONG)], width)


def _give_way(items: list[HeaderItem]) -> bool:
    """Shorten the least important part that can be shortened, else drop the least important."""
    shortable = [index for index, item in enumerate(items) if item.short]
    if shortable:
        index = max(shortable, key=lambda index: items[index].priority)
        items[index] = HeaderItem(items[index].short, (), items[index].priority)
        return True
    droppable = [index for index, item in enumerate(items) if item.priority > 0]
    if not droppable:
        return False
    del items[max(droppable, key=lambda index: items[index].priority)]
    return True


def _joined(items: Sequence[HeaderItem]) -> list[Span]:
    spans = [Span(" ")]
    for position, item in enumerate(items):
        if position:
            spans.append(Span(f" {symbols().divider} ", Tone.MUTED))
        spans.extend(item.spans)
    return spans


def _line_cells(items: Sequence[HeaderItem], clock: str) -> int:
    return span_cells(_joined(items)) + (cell_len(clock) + 2 if clock else 0)


class HeaderBar(Widget):
    """Draws a `HeaderView` in one line, or two while there is a headline."""

    COMPONENT_CLASSES: ClassVar[set[str]] = TONE_CLASSES
    DEFAULT_CSS = (
        TONE_CSS
        + """
    HeaderBar { height: 1; background: $panel; }
    HeaderBar.-headline { height: 2; }
    """
    )

    def __init__(self, view: HeaderView | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._palette = Palette(self)
        self._view = HeaderView()
        self.show(view or HeaderView())

    @property
    def view(self) -> HeaderView:
        """What is shown."""
        return self._view

    def show(self, view: HeaderView) -> None:
        """Show another view."""
        if view == self._view:
            return
        self._view = view
        self.set_class(bool(view.headline), "-headline")
        self.refresh()

    def notify_style_update(self) -> None:
        """Forget the styles of the old theme."""
        self._palette.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """Return the first or the second line."""
        width = self.size.width
        if y == 0:
            line = header_spans(self._view, width)
            return Strip(segments(line, self._palette, Ground.HEADER), width)
        headline = (Span(" "), *self._view.headline) if self._view.headline else ()
        return strip_of(headline, width, self._palette)
