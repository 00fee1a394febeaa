"""The app: paints at once, then imports the dashboard and feeds it.

Only what the first frame needs is imported here. A slow disk or a busy node must not keep an empty
terminal in front of somebody who is on call.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib import resources
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.command import Provider
from textual.widgets import Static

from tui.keymap import Scope
from tui.screens.bindings import bindings_of
from widgets.symbols import (
    ASCII,
    UNICODE,
    choose_symbols,
    stdout_encoding,
    symbols,
    use_symbols,
)

if TYPE_CHECKING:
    from tui.screens.board import Controls, SnapshotBox
    from tui.screens.dashboard import Dashboard
    from tui.screens.home import HomeScreen
    from tui.screens.settings import AppSettings

OpenFeed = Callable[[], "tuple[SnapshotBox, Controls]"]
"""Opens where snapshots come from and what is asked for; called after the first paint."""

POLL_SECONDS = 0.5
TICK_SECONDS = 1.0
NOTICE_SECONDS = 20.0
# The log view's own `l` scrolls; here `l` chooses levels, and the arrow keys scroll.
_KEY_CHANGES = {"log.scroll-on": "right", "log.scroll-back": "left"}


def _palette_commands() -> type[Provider]:
    """Return what the palette finds; it is imported when the palette is opened."""
    from tui.screens.palette import KeyCommands

    return KeyCommands


class CiltopApp(App[None]):
    """The dashboard."""

    TITLE = "ciltop"
    CSS_PATH: ClassVar[list[str | PurePath]] = [
        str(resources.files("styles") / name) for name in ("screens.tcss", "actions.tcss")
    ]
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_palette_commands}
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Scope.EVERYWHERE)
    NOTIFICATION_TIMEOUT = 3.0

    def __init__(
        self,
        open_feed: OpenFeed,
        settings: AppSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._settings = settings
        is_ascii = settings.is_ascii
        asked = choose_symbols(stdout_encoding(), os.environ)
        use_symbols(asked if is_ascii is None else ASCII if is_ascii else UNICODE)
        self.set_class(symbols() is ASCII, "-ascii")
        self._open_feed = open_feed
        self._clock = clock
        self._dashboard: Dashboard | None = None

    def compose(self) -> ComposeResult:
        """Yield the first frame."""
        yield Static("  ciltop: loading", id="first-frame", markup=False)

    def on_mount(self) -> None:
        """Paint first; then open Home, and then start the collector with its imports."""
        if self._settings.theme in self.available_themes:
            self.theme = self._settings.theme
        self.set_keymap(_KEY_CHANGES)
        self.call_after_refresh(self.open_home)

    async def open_home(self) -> None:
        """Import the dashboard, show Home, and start the collector once it is painted."""
        from tui.screens.dashboard import Dashboard

        mailbox, controls = self._open_feed()
        self._dashboard = dashboard = Dashboard(
            self, mailbox, controls, self._settings, self._clock
        )
        await self.push_screen(dashboard.home)
        dashboard.take_snapshot()
        self.set_interval(POLL_SECONDS, dashboard.take_snapshot)
        self.set_interval(TICK_SECONDS, dashboard.tick)
        self.call_after_refresh(controls.start)
        if self._settings.theme not in self.available_themes:
            dashboard.say(f"no theme {self._settings.theme}; :theme and tab list them", "warning")
        if self._settings.notice:
            self.notify(self._settings.notice, timeout=NOTICE_SECONDS, markup=False)

    @property
    def is_open(self) -> bool:
        """Whether Home stands."""
        return self._dashboard is not None and self._dashboard.home.is_laid_out

    @property
    def dashboard(self) -> Dashboard:
        """The dashboard.

        Raises:
            RuntimeError: the first frame is not painted yet.
        """
        if self._dashboard is None:
            raise RuntimeError("Home is not open yet")
        return self._dashboard

    @property
    def home(self) -> HomeScreen:
        """Home."""
        return self.dashboard.home

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the keys to the command line while it is open."""
        return self._dashboard is None or self._dashboard.allows(action, parameters)

    def action_command(self) -> None:
        """Type a command."""
        self.dashboard.open_command_line()

    def action_findings(self) -> None:
        """Show every finding of the cluster."""
        self.dashboard.open_findings()

    def action_timeline(self) -> None:
        """Show what changed when."""
        self.dashboard.open_timeline()

    def action_clusters(self) -> None:
        """Show all clusters of the broker."""
        self.dashboard.open_clusters()

    def action_help(self) -> None:
        """Show all keys and commands."""
        self.dashboard.show_help()

    def action_actions(self) -> None:
        """Choose an action for the node under the cursor or the marked ones."""
        self.dashboard.acting.open_menu()

    def action_operation(self) -> None:
        """Show the running operation, or the newest one."""
        self.dashboard.acting.open_operation()

    def action_audit(self) -> None:
        """Show what was armed, written and verified."""
        self.dashboard.acting.open_audit()

    def action_arm(self) -> None:
        """Ask for the context's name, so that this session may write."""
        self.dashboard.arm()

    def action_disarm(self) -> None:
        """Let this session write no more."""
        self.dashboard.acting.disarm()

    def action_flip_cluster(self, is_on: bool) -> None:
        """Preview the flip of every node."""
        self.dashboard.acting.flip_cluster(is_on)

    async def action_quit(self) -> None:
        """Leave; ask first where an operation runs."""
        if self._dashboard is None or self._dashboard.acting.may_leave():
            self.exit()

    async def action_back(self) -> None:
        """Leave what is open on the screen, else the screen."""
        self.dashboard.back()

    def action_pause(self) -> None:
        """Freeze what is shown, or show the newest again."""
        self.dashboard.pause()

    def action_refresh(self) -> None:
        """Read every node again now."""
        self.dashboard.refresh()

    def action_copy(self) -> None:
        """Copy the row under the cursor."""
        self.dashboard.copy_row()

    def action_picture(self) -> None:
        """Save the screen as SVG, PNG and text."""
        self.dashboard.save_picture()
