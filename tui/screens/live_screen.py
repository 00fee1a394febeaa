"""What all full screens share: header, command line, footer, and being fed with snapshots."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static

from tui.keymap import FOCUS_MOVERS, KEYS, Scope
from tui.screens.acting.targets import Targets
from tui.screens.bindings import bindings_of
from tui.screens.board import Board, Controls
from tui.screens.commands import ParsedCommand
from tui.screens.fleet import NodeSummary
from tui.screens.header_badges import session_badges
from tui.screens.header_view import header_view
from tui.screens.links import Follow, Link
from tui.screens.panel import Panel
from tui.screens.settings import AppSettings
from tui.screens.typing_line import TypingLine
from widgets.command_line import CommandLine
from widgets.footer import FooterBar, FooterItem
from widgets.header import HeaderBar
from widgets.symbols import symbols

if TYPE_CHECKING:
    from tui.screens.acting.desk import ActionDesk

log = logging.getLogger(__name__)

MIN_COLUMNS = 60
MIN_ROWS = 15


def footer_items(scopes: Iterable[Scope], here: str = "") -> list[FooterItem]:
    """Return the footer for some scopes.

    Args:
        scopes: Whose keys work.
        here: Id of the key that leads to where one is already.
    """
    wanted = frozenset(scopes)
    is_home = Scope.HOME in wanted
    return [
        FooterItem(
            entry.shown,
            entry.label,
            entry.target,
            priority=entry.footer_priority,
            is_at_right=entry.id == "pause",
        )
        for entry in KEYS
        if entry.is_in_footer
        and entry.scope in wanted
        and entry.id != here
        and (entry.id != "back" or not is_home)
    ]


@dataclass(frozen=True, slots=True)
class Desk:
    """What every screen works with."""

    board: Board
    controls: Controls
    settings: AppSettings
    run_command: Callable[[ParsedCommand], str]
    """Runs a command; returns what is wrong with it, or the empty text."""
    complete: Callable[[str], Sequence[str]]
    """Gives the lines that a typed command could become."""
    follow: Follow
    """Goes where a line of a detail leads."""
    acting: ActionDesk | None = None
    """Opens what leads to actions."""


class DrawingGuard:
    """Call what draws; a failure is said once and logged, and what stood there stays."""

    def __init__(self, screen: Screen[Any]) -> None:
        self._screen = screen
        self._said: set[str] = set()

    def __call__(self, draw: Callable[[], None]) -> None:
        """Draw."""
        try:
            draw()
        except Exception as error:
            log.exception("%s of %s failed", draw.__name__, type(self._screen).__name__)
            kind = type(error).__name__
            if kind not in self._said:
                self._said.add(kind)
                text = f"a part of the screen could not be drawn: {kind}; see --log-file"
                self._screen.app.notify(text, severity="error", markup=False)


class LiveScreen(Screen[None]):
    """A full screen that shows the board and is told when it changed."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.EVERYWHERE, Scope.TABLE)
    HERE: ClassVar[str] = ""
    """Id of the key that opens this screen."""
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Scope.TABLE)

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self._header = HeaderBar(id="header")
        self.is_laid_out = False
        self._typing_for: Panel | None = None
        self.guard = DrawingGuard(self)
        self.typing_line = TypingLine(CommandLine(id="command"), desk.run_command, desk.complete)

    @property
    def board(self) -> Board:
        """What is shown."""
        return self.desk.board

    @property
    def chosen(self) -> NodeSummary | None:
        """The node that is looked at, where there is one."""
        return None

    @property
    def targets(self) -> Targets:
        """The nodes that the `a` menu is for."""
        return Targets(() if self.chosen is None else (self.chosen,))

    @property
    @abstractmethod
    def panel(self) -> Panel:
        """The panel that keys act on."""

    @property
    def acting_panel(self) -> Panel:
        """The panel that keys act on, also while the command line has the focus."""
        return self._typing_for or self.panel

    @abstractmethod
    def compose_body(self) -> Iterable[Widget]:
        """Yield what stands between header and footer."""

    @abstractmethod
    def show_board(self) -> None:
        """Draw the body anew: the snapshot changed, or time went on."""

    def compose(self) -> ComposeResult:
        """Lay out header, body, command line and footer."""
        yield self._header
        with Container(id="body"):
            yield from self.compose_body()
        yield self.typing_line.line
        yield FooterBar(footer_items(self.SCOPES, self.HERE), id="footer")
        yield Static(id="too-small", markup=False)

    def on_mount(self) -> None:
        """Draw what is known already."""
        self.is_laid_out = True
        self.refresh_board()

    def on_screen_resume(self) -> None:
        """Draw what changed while another screen stood in front."""
        self.refresh_board()

    def refresh_board(self) -> None:
        """Draw header and body anew; before the layout stands there is nothing to draw on."""
        if self.is_laid_out:
            self.guard(self.show_header)
            self.guard(self.show_board)

    def show_time(self) -> None:
        """Draw what holds the clock and the ages of sections."""
        if self.is_laid_out:
            self.guard(self.show_header)
            self.guard(self.show_titles)

    def show_header(self) -> None:
        """Draw the header anew; it holds the clock and the ages."""
        board = self.board
        view = header_view(
            board.snapshot,
            board.summary,
            board.wall_now,
            badges=session_badges(
                board.newest, board.wall_now, is_read_only=self.desk.settings.is_read_only
            ),
            paused_at=board.paused_at,
            columns=self.app.size.width,
        )
        self._header.show(view)

    def show_titles(self) -> None:
        """Draw titles anew: a filter, a sort or an age changed."""

    def on_resize(self) -> None:
        """Say so when the terminal is too small, instead of showing a broken layout."""
        width, height = self.app.size
        is_small = width < MIN_COLUMNS or height < MIN_ROWS
        self.set_class(is_small, "-too-small")
        if is_small:
            text = f"{symbols().armed} the terminal is too small: {width}x{height}"
            remedy = f"ciltop needs {MIN_COLUMNS}x{MIN_ROWS} at least; 80x24 is good"
            self.query_one("#too-small", Static).update(Content(f"{text}\n{remedy}"))

    def go_back(self) -> bool:
        """Leave what is open on this screen, and return whether anything was."""
        if not self.typing_line.filter_of(self.panel):
            return False
        self.typing_line.filter(self.panel, "")
        self.show_titles()
        return True

    def run_own_command(self, command: ParsedCommand) -> str:
        """Run a command that acts on this screen, and return what is wrong with it."""
        panel = self.acting_panel
        if command.name == "filter":
            problem = self.typing_line.filter(panel, command.argument)
        elif panel.sort(command.argument):
            problem = ""
        else:
            problem = f"{panel.title} can't be sorted by {command.argument or 'that'}"
        self.show_titles()
        return problem

    def action_filter(self) -> None:
        """Type a filter for the focused panel."""
        self._typing_for = self.panel
        self.typing_line.open_filter(self.panel)
        self._typing_began()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the keys to the command line while it is open: `/` and `:` are text there."""
        return not (self.typing_line.line.is_open and action in FOCUS_MOVERS)

    def open_command_line(self, text: str = "") -> None:
        """Let the person type a command, or finish one that is begun."""
        self._typing_for = self.panel
        self.typing_line.open_command(text)
        self._typing_began()

    @property
    def finding_key(self) -> str | None:
        """Key of the finding under the cursor, to be muted."""
        return None

    def action_mute(self) -> None:
        """Type why a finding is muted, or show a muted one again."""
        key = self.finding_key
        if key is None:
            text = "move to a finding first: F shows all of them"
        elif key in self.board.findings.muted:
            text = self.board.unmute(key) or "no longer muted"
            self.refresh_board()
        else:
            self.open_command_line("mute ")
            return
        self.app.notify(text, markup=False)

    def follow_link(self, link: Link | None) -> None:
        """Go where a line leads, or say why it leads nowhere."""
        problem = "" if link is None else self.desk.follow(link)
        if problem:
            self.app.notify(problem, severity="warning", markup=False)

    def action_show_all(self) -> None:
        """Show what is out of sight as harmless, or hide it."""
        if self.panel.toggle_all():
            self.refresh_board()
        else:
            self.app.notify("nothing is out of sight here", markup=False)

    def action_arrange(self, how: str) -> None:
        """Sort the focused panel, turn its order round, or show only its faults."""
        panel = self.panel
        changes = {
            "faults": panel.toggle_faults_only,
            "sort": panel.sort_next,
            "reverse": panel.reverse,
        }
        changes[how]()
        self.show_titles()

    @on(CommandLine.Changed)
    def follow_line(self, event: CommandLine.Changed) -> None:
        """Let a filter take effect while it is typed; run or drop the line at its end."""
        if isinstance(event, CommandLine.Submitted):
            if self.typing_line.submitted(event.prefix, event.text):
                self._typing_ended()
        elif isinstance(event, CommandLine.Cancelled):
            self.typing_line.cancelled(event.prefix)
            self._typing_ended()
        else:
            self.typing_line.typed(event.prefix, event.text)
            self.show_titles()

    def _typing_began(self) -> None:
        """Give the line the focus at once: `Widget.focus` waits, and the next key would be lost."""
        self.add_class("-typing")
        self.set_focus(self.typing_line.line.query_one(Input))

    def _typing_ended(self) -> None:
        self.remove_class("-typing")
        panel, self._typing_for = self.acting_panel, None
        self.set_focus(panel.widget)
        self.show_titles()

    @on(FooterBar.ItemChosen)
    async def run_footer_item(self, event: FooterBar.ItemChosen) -> None:
        """Do what a click in the footer asks for."""
        await self.app.run_action(event.item.action, self)
