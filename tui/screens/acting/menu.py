"""`a`: the actions for what is under the cursor or marked; those that can't be done say why."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import on
from textual.widget import Widget

from tui.screens.acting.dialog import Dialog
from tui.screens.acting.menu_items import MenuItem
from tui.screens.acting.targets import Targets
from tui.screens.board import Board
from widgets.detail import DetailView
from widgets.detail_lines import DetailLine, empty_line, sentence, value
from widgets.symbols import symbols
from widgets.tones import Span, Tone

ItemsOf = Callable[[Targets], Sequence[MenuItem]]
"""Gives the items from the newest facts."""


class ActionMenu(Dialog[MenuItem]):
    """Lists the actions; gives the one that was chosen, or None."""

    def __init__(self, board: Board, targets: Targets, items_of: ItemsOf) -> None:
        super().__init__(board)
        self._targets = targets
        self._items_of = items_of
        self._items: dict[str, MenuItem] = {}
        self.body.can_focus = True

    @property
    def heading(self) -> str:
        """Whom the actions are for, by name."""
        return f"Actions {symbols().divider} {self._targets.title}"

    def lines(self) -> Sequence[DetailLine]:
        """Return a line an action; the preview comes before anything is written."""
        items = self._items_of(self._targets)
        self._items = {item.key: item for item in items}
        lines = [_line(item) for item in items]
        if self._targets.warning:
            lines += [empty_line(), sentence(self._targets.warning, Tone.WARNING)]
        return lines

    def status(self) -> Span:
        """Return what choosing does."""
        return Span("enter shows the preview; nothing is written by it", Tone.MUTED)

    def first_focus(self) -> Widget:
        """Return the list."""
        return self.body

    @on(DetailView.LineChosen)
    def _choose(self, event: DetailView.LineChosen) -> None:
        item = self._items.get(event.line.key)
        if item is None:
            return
        if item.why_not and not (item.is_arming or item.is_shown_anyway):
            self.app.notify(f"{item.title}: {item.why_not}", severity="warning", markup=False)
            return
        self.dismiss(item)


def _line(item: MenuItem) -> DetailLine:
    table = symbols()
    if not item.why_not:
        note = f" ({item.note})" if item.note else ""
        return value(item.label, f"{table.arrow} {item.title}{note}", key=item.key)
    return value(item.label, Span(f"{table.dash} {item.why_not}", Tone.MUTED), key=item.key)
