"""One line of numbered tabs, with what belongs to all of them at the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from widgets.symbols import symbols
from widgets.text import fit_spans, segments, span_cells
from widgets.tones import TONE_CLASSES, TONE_CSS, Palette, Span, Tone


@dataclass(frozen=True, slots=True)
class TabItem:
    """One tab."""

    key: str
    """Identity; given back in `TabStrip.TabChosen`."""
    number: str
    """The key that opens it, such as `1`."""
    title: str
    badge: tuple[Span, ...] = ()
    """What is wrong in it, such as `✖2`."""


@dataclass(frozen=True, slots=True)
class TabStripView:
    """What the strip shows."""

    tabs: tuple[TabItem, ...] = ()
    active: str = ""
    """Key of the open tab."""
    left: tuple[Span, ...] = ()
    """In front of the tabs, such as the node's name."""
    right: tuple[Span, ...] = ()
    """Right-aligned, such as `counted 2 s ago`; dropped first when the line is narrow."""
    is_right_kept: bool = False
    """Whether titles of tabs give way to the right text, which then says what is hidden."""
    is_ruled: bool = False
    """Whether the empty cells are a ruled line, which separates panels without a border."""


def tab_spans(tab: TabItem, *, is_active: bool, is_short: bool) -> tuple[Span, ...]:
    """Return a tab's spans; a short one is its number and badge only."""
    tone = Tone.BADGE if is_active else Tone.MUTED
    title = f" {tab.number} " if is_short and not is_active else f" {tab.number} {tab.title} "
    if not tab.badge:
        return (Span(title, tone),)
    return (Span(title, tone), *tab.badge, Span(" "))


class TabStrip(Widget):
    """Draws a `TabStripView`; a click asks for a tab."""

    COMPONENT_CLASSES: ClassVar[set[str]] = TONE_CLASSES
    DEFAULT_CSS = TONE_CSS + "TabStrip { height: 1; }"
    ALLOW_SELECT = False

    class TabChosen(Message):
        """A tab was clicked."""

        def __init__(self, strip: TabStrip, key: str) -> None:
            super().__init__()
            self.strip = strip
            self.key = key

        @property
        def control(self) -> TabStrip:
            """The strip."""
            return self.strip

    def __init__(self, view: TabStripView | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._palette = Palette(self)
        self._view = view or TabStripView()

    @property
    def view(self) -> TabStripView:
        """What is shown."""
        return self._view

    def show(self, view: TabStripView) -> None:
        """Show another view."""
        if view != self._view:
            self._view = view
            self.refresh()

    def notify_style_update(self) -> None:
        """Forget the styles of the old theme."""
        self._palette.clear()
        super().notify_style_update()

    def _tabs(self) -> tuple[list[tuple[TabItem, tuple[Span, ...]]], bool]:
        """Return each tab's spans as they fit, and whether the right text fits too."""
        width = self.size.width
        left = span_cells(self._view.left) + 1
        right = span_cells(self._view.right) + 2 if self._view.right else 0
        steps = [(False, True), (False, False), (True, True), (True, False)]
        if self._view.is_right_kept:
            steps = [(False, True), (True, True), (True, False)]
        for is_short, with_right in steps:
            tabs = self._spans(is_short=is_short)
            used = left + sum(span_cells(spans) for _, spans in tabs)
            if used + (right if with_right else 0) <= width:
                return tabs, with_right
        return self._spans(is_short=True), False

    def _spans(self, *, is_short: bool) -> list[tuple[TabItem, tuple[Span, ...]]]:
        active = self._view.active
        return [
            (tab, tab_spans(tab, is_active=tab.key == active, is_short=is_short))
            for tab in self._view.tabs
        ]

    def render_line(self, y: int) -> Strip:
        """Return the line."""
        width = self.size.width
        tabs, with_right = self._tabs()
        filler = symbols().rule if self._view.is_ruled else " "
        spans: list[Span] = [Span(filler, Tone.MUTED), *self._view.left]
        for _, tab in tabs:
            spans.extend(tab)
        tail = (Span(" "), *self._view.right, Span(" ")) if with_right and self._view.right else ()
        free = width - span_cells(spans) - span_cells(tail)
        spans += [Span(filler * max(0, free), Tone.MUTED), *tail]
        return Strip(segments(fit_spans(spans, width), self._palette), width)

    def on_click(self, event: events.Click) -> None:
        """Ask for the tab under the pointer."""
        at = event.get_content_offset(self)
        if at is None:
            return
        column = 1 + span_cells(self._view.left)
        for tab, spans in self._tabs()[0]:
            end = column + span_cells(spans)
            if column <= at.x < end:
                self.post_message(self.TabChosen(self, tab.key))
            column = end
