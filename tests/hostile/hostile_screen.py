"""An application that draws one text in every field of every widget.

Run as a program it draws the texts given as JSON on the command line, one after the other, on the
real terminal driver, and ends.
"""

from __future__ import annotations

import json
import sys

from textual.app import App, ComposeResult
from textual.widget import Widget

from tui.safety import CleanText, clean
from widgets.command_line import CommandLine
from widgets.detail import DetailView
from widgets.detail_lines import heading, raw, sentence, value
from widgets.footer import FooterBar, FooterItem
from widgets.grid import Grid
from widgets.grid_rows import GridColumn, GridRow
from widgets.header import HeaderBar, HeaderItem, HeaderView
from widgets.log_rows import LogGapRow, LogItem, LogRow
from widgets.log_view import LogView
from widgets.map_rows import MapRowView, MapSection
from widgets.maps_view import MapsView
from widgets.state_note import NoteKind, StateNote, StateNoteView
from widgets.tab_strip import TabItem, TabStrip, TabStripView
from widgets.text import plain
from widgets.tones import Span, Tone


class HostileScreen(App[None]):
    """Shows what it is given with `show`."""

    CSS = "Grid, MapsView, LogView, DetailView, StateNoteView { height: 1fr; border: solid red; }"

    def __init__(self, texts: list[CleanText] | None = None) -> None:
        super().__init__()
        self.texts = texts

    def compose(self) -> ComposeResult:
        yield HeaderBar()
        yield TabStrip()
        yield Grid([GridColumn("a", "A", 4, 30), GridColumn("b", "B", 4, 30, is_flexible=True)])
        yield MapsView()
        yield LogView()
        yield DetailView()
        yield StateNoteView(StateNote(NoteKind.LOADING))
        yield CommandLine()
        yield FooterBar()

    def on_mount(self) -> None:
        self.query_one(CommandLine).open("/")
        if self.texts is not None:
            self.draw_next()

    def draw_next(self) -> None:
        """Draw the next text once the last one is on the terminal; end after the last."""
        if not self.texts:
            self.exit()
            return
        self.show(self.texts.pop(0))
        self.call_after_refresh(self.draw_next)

    def show(self, text: CleanText) -> None:
        """Draw a text in every field of every widget."""
        for widget in self.query(Widget):
            widget.border_title = plain(text)
            widget.border_subtitle = plain(text)
        self.show_lists(text)
        self.show_bars(text)

    def show_lists(self, text: CleanText) -> None:
        span = (Span(text, Tone.ERROR), Span(text))
        note = StateNote(NoteKind.STALE, text, text)
        rows = [GridRow(f"{n}", (text, span), fields={"a": text}) for n in range(3)]
        self.query_one(Grid).set_rows(rows, note)
        maps = [
            MapRowView(f"{n}", text, Tone.OK, text, ratio, text, text, text, text, remark=span)
            for n, ratio in enumerate((None, 0.5, 1.0))
        ]
        self.query_one(MapsView).set_sections([MapSection(text, tuple(maps))], note)
        lines: list[LogItem] = [LogGapRow(0, text)]
        lines += [LogRow(n, text, text, text, 30, text, text, text, text) for n in range(1, 4)]
        log = self.query_one(LogView)
        log.set_rows(lines, note)
        log.action_toggle_wrap()
        details = [heading(text), value(text, text, text), sentence(span), raw(text)]
        self.query_one(DetailView).set_lines(details, note)
        self.query_one(StateNoteView).show(note)

    def show_bars(self, text: CleanText) -> None:
        span = (Span(text, Tone.ERROR), Span(text))
        self.query_one(HeaderBar).show(HeaderView((HeaderItem(span, span, 1),), text, text, span))
        tabs = TabStripView((TabItem("a", text, text, span),), "a", span, span)
        self.query_one(TabStrip).show(tabs)
        self.query_one(FooterBar).show([FooterItem(text, text)])
        self.query_one(CommandLine).show_error(text)


if __name__ == "__main__":
    HostileScreen([clean(text) for text in json.loads(sys.argv[1])]).run()
