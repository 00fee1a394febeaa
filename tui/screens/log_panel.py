"""The Log panel: the agents' warnings and errors since their start, then live."""

from __future__ import annotations

from tui.model.names import NodeUid
from tui.screens import wording
from tui.screens.board import Board
from tui.screens.details import Detail, log_detail
from tui.screens.fleet import NodeSummary
from tui.screens.log_rows import ALL_LEVELS, WARNINGS_AND_ERRORS, LogRows
from tui.screens.marks import joined
from tui.screens.notes import log_note
from tui.screens.panel import Panel
from widgets.filters import Filter
from widgets.log_view import LogView
from widgets.state_note import StateNote
from widgets.symbols import symbols
from widgets.tones import Span, Tone

_LINE_PARTS = (
    "time", "node", "level", "message", "subsystem", "error", "meaning", "check", "map", "tag",
)  # fmt: skip


class LogPanel(Panel):
    """The chosen node's log, merged with the marked nodes'."""

    key = "log"
    number = "5"
    title = "Log"

    def __init__(self) -> None:
        self.view = LogView(id=f"panel-{self.key}")
        self.level = WARNINGS_AND_ERRORS
        self.view.set_min_severity(int(self.level))
        self._rows = LogRows()
        self._logs: tuple[object, ...] = ()
        self._shown: dict[NodeUid, NodeSummary] = {}
        self.marked: frozenset[NodeUid] = frozenset()

    @property
    def widget(self) -> LogView:
        """The log view."""
        return self.view

    @property
    def filter_fields(self) -> tuple[str, ...]:
        """The parts of a line, and every key seen in one."""
        return (*_LINE_PARTS, *sorted(self._rows.field_names))

    @property
    def description(self) -> str:
        """Levels, then the view's own: counts, filter, wrap, following."""
        levels = "warnings, errors" if self.level is WARNINGS_AND_ERRORS else "all levels"
        return joined(levels, self.view.description)

    @property
    def row_text(self) -> str:
        """The line under the cursor."""
        row = self.view.highlighted
        return "" if row is None else row.text

    @property
    def row_key(self) -> str | None:
        """The line under the cursor."""
        row = self.view.highlighted
        return None if row is None else str(row.sequence)

    def show(self, node: NodeSummary | None, board: Board) -> None:
        """Show the lines of the node and of the marked ones."""
        nodes = self._nodes(node, board)
        before, self._shown = self._shown, {each.uid: each for each in nodes}
        if self._shown.keys() != before.keys():
            self._logs = ()
            self.view.clear()
            self.view.set_node_shown(is_shown=len(nodes) > 1)
        self.view.show_note(log_note(node, board.now))
        logs = tuple(each.facts.logs for each in nodes)
        if len(logs) != len(self._logs) or any(
            new is not old for new, old in zip(logs, self._logs, strict=True)
        ):
            self._logs = logs
            self.view.set_rows(self._rows.items(nodes, board.now))

    def _nodes(self, node: NodeSummary | None, board: Board) -> list[NodeSummary]:
        others = [board.node(uid) for uid in sorted(self.marked)]
        chosen = [] if node is None else [node]
        return [*chosen, *(each for each in others if each is not None and each is not node)]

    def who(self, node: NodeSummary | None) -> str:
        """Return whose log it is, for the title."""
        if node is None:
            return ""
        others = len(self._shown) - 1
        name = wording.cut(node.name, 60)
        return f"{name} + {others} marked" if others > 0 else name

    def select(self, key: str) -> bool:
        """Put the cursor on a line by its number, whatever its level; return whether it is kept."""
        if self._moved_to(key):
            return True
        if self.level is ALL_LEVELS:
            return False
        self.toggle_levels()
        return self._moved_to(key)

    def _moved_to(self, key: str) -> bool:
        for index, row in enumerate(self.view.shown):
            if str(row.sequence) == key:
                self.view.move_cursor(index)
                return True
        return False

    def badge(self, node: NodeSummary) -> tuple[Span, ...]:
        """Return whether the log can't be read."""
        if not node.facts.log_error:
            return ()
        return (Span(symbols().unknown, Tone.WARNING),)

    def detail(self, key: str, node: NodeSummary, now: float) -> Detail | None:
        """Return one line in full, or a gap."""
        entry = self._rows.entry(int(key)) if key.isdecimal() else None
        if entry is None:
            return None
        return log_detail(self._shown.get(entry.node_uid, node), entry)

    def set_filter(self, wanted: Filter) -> None:
        """Show only the lines that match; gaps stay."""
        self.view.set_filter(wanted)

    def toggle_faults_only(self) -> None:
        """Show warnings and errors only, or all levels."""
        self.toggle_levels()

    def sort(self, column: str) -> bool:
        """Refuse: a log stands in the order of time."""
        return False

    def sort_next(self) -> None:
        """Keep the order of time; the newest lines come into sight."""
        self.view.action_last()

    def reverse(self) -> None:
        """Keep the order of time; the oldest lines come into sight."""
        self.view.action_first()

    def toggle_levels(self) -> None:
        """Show warnings and errors only, or all levels."""
        is_short = self.level is WARNINGS_AND_ERRORS
        self.level = ALL_LEVELS if is_short else WARNINGS_AND_ERRORS
        self.view.set_min_severity(int(self.level))

    def show_failure(self, note: StateNote) -> None:
        """Say that the panel itself failed."""
        self._logs = ()
        self.view.clear()
        self.view.show_note(note)
