"""The chosen node's panels behind their tabs, one shown at a time."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import ContentSwitcher, Static

from tui.screens import wording
from tui.screens.board import Board
from tui.screens.fleet import NodeSummary
from tui.screens.marks import joined
from tui.screens.panel import Panel
from widgets.state_note import NoteKind, StateNote
from widgets.tab_strip import TabItem, TabStrip, TabStripView, tab_spans
from widgets.text import span_cells
from widgets.tones import Span, Tone

log = logging.getLogger(__name__)


def show_guarded(panel: Panel, node: NodeSummary | None, board: Board) -> None:
    """Draw a panel; a failure of its own becomes its visible state and never ends the program."""
    try:
        panel.show(node, board)
    except Exception as error:
        log.exception("panel %s failed", panel.key)
        kind = type(error).__name__
        panel.show_failure(
            StateNote(NoteKind.FAILED, f"this panel failed: {kind}", "--log-file has the traceback")
        )


class PanelStack(Vertical):
    """Tabs over the panels; the log's own place is elsewhere where there is room."""

    def __init__(self, panels: Sequence[Panel], tabs: Sequence[Panel], *, id: str) -> None:
        super().__init__(id=id)
        self._panels = {panel.key: panel for panel in panels}
        self._tabs = tuple(tabs)
        self._node: NodeSummary | None = None
        self._active = panels[0].key
        self._in_front: str = panels[0].key
        self._strip = TabStrip(id="tabs")
        self._summary = Static(id="panel-summary", markup=False)
        self._summarised: str | None = None
        self.is_ruled = False

    def compose(self) -> ComposeResult:
        """Lay out the tabs, the summary line and the panels."""
        yield self._strip
        yield self._summary
        with ContentSwitcher(initial=self._panels[self._in_front].widget.id, id="panel-body"):
            for panel in self._panels.values():
                yield panel.widget

    @property
    def active(self) -> str:
        """Key of the open tab; the log's may be open without a panel here."""
        return self._active

    @property
    def panel_in_front(self) -> Panel:
        """The panel that is shown here."""
        return self._panels[self._in_front]

    def activate(self, key: str) -> None:
        """Open a tab."""
        self._active = key
        if key in self._panels:
            self._in_front = key
            self.query_one(ContentSwitcher).current = self._panels[key].widget.id

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show a node in the panel in front, and what is wrong in the others on their tabs."""
        self._node = node
        panel = self.panel_in_front
        show_guarded(panel, node, board)
        summary, is_bad = ("", False) if node is None else panel.summary(node)
        if summary != self._summarised:
            # A Static that is given a text lays out the whole screen anew.
            self._summarised = summary
            self._summary.update(Content(summary))
        self._summary.set_class(is_bad, "-bad")
        self._summary.display = bool(summary) and self._active == self._in_front
        self.show_tabs(board)

    def show_tabs(self, board: Board) -> None:
        """Draw the tabs with their badges, and the open panel's description and age."""
        node = self._node
        items = tuple(
            TabItem(tab.key, tab.number, tab.title, () if node is None else tab.badge(node))
            for tab in self._tabs
        )
        in_front = self.panel_in_front
        shown = next((tab for tab in self._tabs if tab.key == self._active), in_front)
        if not self.is_ruled:
            view = TabStripView(items, self._active)
            self.border_subtitle = Content(self._state_of(in_front, board))
        else:
            left = () if node is None else (Span(f" {wording.cut(node.name, 30)} ", Tone.STRONG),)
            right = (Span(self._state_of(shown, board), Tone.MUTED),)
            if shown.is_arranged:
                right = (Span(shown.description, Tone.ACCENT),)
                left = left if self._has_room(items, left, right) else ()
            view = TabStripView(items, self._active, left, right, shown.is_arranged, is_ruled=True)
        self._strip.show(view)

    def _has_room(
        self, items: Sequence[TabItem], left: Sequence[Span], right: Sequence[Span]
    ) -> bool:
        """Return whether node, short tabs and the right text stand side by side."""
        short = [
            span
            for item in items
            for span in tab_spans(item, is_active=item.key == self._active, is_short=True)
        ]
        return span_cells([*left, *short, *right]) + 4 <= self.size.width

    def _state_of(self, panel: Panel, board: Board) -> str:
        if self._node is None:
            return ""
        return joined(panel.description, panel.age(self._node, board.now))


def node_title(node: NodeSummary | None, now: float) -> str:
    """Return whose panels these are, for the border: name, address, release, agent's age."""
    if node is None:
        return ""
    facts = node.facts
    version = facts.version.value
    up = ""
    if facts.agent is not None and facts.agent.started_at is not None:
        up = f"agent up {wording.age(now - facts.agent.started_at)}"
    release = "" if version is None else str(version.release)
    return joined(wording.cut(node.name, 60), str(facts.node.internal_ip), release, up)
