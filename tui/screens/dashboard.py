"""The dashboard behind the app: its screens, its commands and what its keys do.

It is imported once the first frame stands: half of the start-up time is in here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tui.checks.timeline import timeline
from tui.keymap import FOCUS_MOVERS
from tui.model.findings import ProofKind
from tui.screens import wording
from tui.screens.acting.desk import ActionDesk
from tui.screens.board import Board, Controls, SnapshotBox
from tui.screens.commands import ParsedCommand
from tui.screens.completions import completions_of
from tui.screens.detail_screen import DetailScreen
from tui.screens.findings_screen import FindingsScreen
from tui.screens.gap_lines import gaps_detail
from tui.screens.help_lines import help_detail
from tui.screens.home import HomeScreen
from tui.screens.links import AUDIT, FINDING, Link
from tui.screens.live_screen import Desk, LiveScreen
from tui.screens.mutes import Mutes
from tui.screens.news import FindingNews
from tui.screens.pictures import capture, picture_stem, save_pictures
from tui.screens.proof_details import link_detail, service_of
from tui.screens.room.desk import ClusterDesk
from tui.screens.room.words import NOTHING_ASKED, is_brokered
from tui.screens.service_nodes import matching_services, parse_query
from tui.screens.service_screen import ServiceScreen
from tui.screens.settings import AppSettings
from tui.screens.timeline_screen import TimelineScreen

if TYPE_CHECKING:
    from textual.app import App
    from textual.notifications import SeverityLevel

    from tui.model.names import NodeUid

log = logging.getLogger(__name__)

TICKS_PER_REDRAW = 5
"""Ages in rows are worded in steps; the header's and the titles' are drawn every tick."""
MAX_COPIED_SHOWN = 60
MAX_SAID = 200


class Dashboard:
    """Feed the screens with snapshots, and run what keys and commands ask for."""

    def __init__(
        self,
        app: App[None],
        mailbox: SnapshotBox,
        controls: Controls,
        settings: AppSettings,
        clock: Callable[[], float],
    ) -> None:
        self._app = app
        self._mailbox = mailbox
        self._settings = settings
        self._ticks = 0
        mutes = Mutes(None if settings.state is None else settings.state / "mutes.json")
        board = Board(clock, mutes)
        self._news = FindingNews()
        self._findings: FindingsScreen | None = None
        self.acting = ActionDesk(app, controls, self)
        completions = completions_of(
            app, board, lambda: self.home.chosen, self.acting.operation_ids
        )
        self.desk = Desk(
            board,
            controls,
            settings,
            self.run_typed_command,
            completions.complete,
            self.follow,
            self.acting,
        )
        self.acting.desk = self.desk
        self.home = HomeScreen(self.desk)
        self.clusters = ClusterDesk(app, self.desk, self)
        if mutes.problem:
            self.say(mutes.problem, "warning")

    def take_snapshot(self) -> None:
        """Show the newest snapshot, if there is one not shown yet."""
        snapshot = self._mailbox.take()
        if snapshot is None:
            return
        if self.desk.board.take(snapshot):
            self._redraw()
            for text, is_bad in self._news.take(snapshot, self.desk.board.findings.muted):
                self.say(text, "error" if is_bad else "information")
        self.acting.take(snapshot)
        self.clusters.take(snapshot)

    def tick(self) -> None:
        """Let the clock and the ages go on."""
        self._ticks += 1
        self.acting.redraw_dialog()
        screen = self._shown_screen
        if screen is None:
            return
        if self._ticks % TICKS_PER_REDRAW == 0 and self.desk.board.paused_at is None:
            screen.refresh_board()
        else:
            screen.show_time()

    def _redraw(self) -> None:
        screen = self._shown_screen
        if screen is not None:
            screen.refresh_board()

    @property
    def _shown_screen(self) -> LiveScreen | None:
        """The screen on top, dialogs over it aside; none is left while the app closes."""
        shown = (each for each in reversed(self._app.screen_stack) if not each.is_modal)
        top = next(shown, None)
        return top if isinstance(top, LiveScreen) else None

    # Commands

    def run_typed_command(self, command: ParsedCommand) -> str:
        """Run a command, and return what is wrong with it or the empty text."""
        runners = {
            "svc": self.open_service,
            "node": self._open_named_node,
            "theme": self._use_theme,
            "gaps": self._open_gaps,
            "findings": self._open_findings,
            "timeline": self._open_timeline,
            "cluster": self.clusters.run_command,
            "mute": self._mute,
            "arm": self.acting.arm,
            "disarm": self._disarm,
            "op": self.acting.open_operation,
            "audit": self.acting.open_audit,
            "help": self._open_help,
            "quit": self._quit,
        }
        runner = runners.get(command.name)
        if runner is not None:
            return runner(command.argument)
        screen = self._app.screen
        return screen.run_own_command(command) if isinstance(screen, LiveScreen) else ""

    def open_service(self, text: str) -> str:
        """Show one Service on every node; say so where none or several are meant."""
        reading = self.desk.board.snapshot.cluster.services
        if reading.value is None:
            return wording.reading_trouble(reading) or "the Services are not listed yet"
        found = matching_services(reading.value, parse_query(text))
        if not found:
            return f"no Service matches {text}"
        if len(found) > 1:
            names = wording.listed([service.name for service in found], 4)
            return f"{len(found)} Services match: {names}"
        self.go_home()
        self._app.push_screen(ServiceScreen(self.desk, found[0].name, self.open_node))
        return ""

    def open_node(self, uid: NodeUid) -> None:
        """Go to a node on Home."""
        self.go_home()
        if not self.home.choose_node(uid):
            self.say("this node is gone", "warning")

    def _open_named_node(self, name: str) -> str:
        nodes = self.desk.board.summary.nodes
        wanted = name.casefold()
        found = [node for node in nodes if node.name.casefold() == wanted]
        found = found or [node for node in nodes if wanted in node.name.casefold()]
        if len(found) != 1:
            names = wording.listed([node.name for node in found], 4)
            return f"{len(found)} nodes match: {names}" if found else f"no node matches {name}"
        self.open_node(found[0].uid)
        return ""

    def _use_theme(self, name: str) -> str:
        if name not in self._app.available_themes:
            return f"no theme {name}: tab completes the names"
        self._app.theme = name
        return ""

    def open_findings(self, key: str = "") -> None:
        """Show every finding, with the cursor on one of them."""
        screen = self._app.screen
        if not isinstance(screen, FindingsScreen):
            self.go_home()
            # The screen stays as it was left: coming back from a proof finds the same finding.
            if self._findings is None:
                self._findings = FindingsScreen(self.desk)
                self._app.install_screen(self._findings, "findings")
            self._app.push_screen(self._findings)
        if key and self._findings is not None:
            found = self._findings
            self._app.call_after_refresh(found.guard, partial(self._select_finding, found, key))

    def _select_finding(self, screen: FindingsScreen, key: str) -> None:
        if not screen.select(key):
            self.say("this finding is gone", "warning")

    def _open_findings(self, text: str) -> str:
        self.open_findings()
        screen = self._findings
        if screen is None or not text:
            return ""
        return screen.typing_line.filter(screen.list_panel, text)

    def open_timeline(self) -> None:
        """Show what changed when."""
        self._open_timeline("")

    def _open_timeline(self, text: str) -> str:
        if not isinstance(self._app.screen, TimelineScreen):
            chosen = self._app.screen.chosen if isinstance(self._app.screen, LiveScreen) else None
            self.go_home()
            chosen = chosen or self.home.chosen
            uid = None if chosen is None else chosen.uid
            self._app.push_screen(TimelineScreen(self.desk, timeline, uid))
        screen = self._app.screen
        if not text or not isinstance(screen, TimelineScreen):
            return ""
        return screen.typing_line.filter(screen.panel, text)

    def follow(self, link: Link) -> str:
        """Go where a line leads; return why that can't be, or the empty text."""
        if link.kind in (FINDING, AUDIT):
            return self._follow_to_list(link)
        service = service_of(link)
        if service:
            return self.open_service(service)
        detail = link_detail(link, self.desk.board)
        if detail is not None:
            node = self.desk.board.node(link.node_uid)
            self._app.push_screen(DetailScreen(self.desk, partial(link_detail, link), node))
            return ""
        if link.node_uid is None or link.kind == ProofKind.OBJECT.value:
            return "no view shows this; the line says where it was read"
        if self.desk.board.node(link.node_uid) is None:
            return "this node is gone"
        self.go_home()
        return self.home.show_proof(link)

    def _follow_to_list(self, link: Link) -> str:
        if link.kind == AUDIT:
            return self.acting.open_audit(f"operation:{link.key}" if link.key else "")
        self.open_findings(link.key)
        return ""

    def _mute(self, reason: str) -> str:
        screen = self._app.screen
        key = screen.finding_key if isinstance(screen, LiveScreen) else None
        if key is None:
            return "move to a finding first: F shows all of them"
        problem = self.desk.board.mute(key, reason)
        self._redraw()
        self.say(problem or "muted: A shows it, m lets it count again")
        return ""

    def _open_gaps(self, _: str) -> str:
        self._app.push_screen(DetailScreen(self.desk, gaps_detail))
        return ""

    def _open_help(self, _: str = "") -> str:
        self._app.push_screen(DetailScreen(self.desk, lambda board: help_detail()))
        return ""

    def _disarm(self, _: str) -> str:
        self.acting.disarm()
        return ""

    def _quit(self, _: str) -> str:
        if self.acting.may_leave():
            self._app.exit()
        return ""

    # Keys

    def allows(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the keys to the command line while it is open."""
        screen = self._app.screen
        if isinstance(screen, LiveScreen):
            return screen.check_action(action, parameters)
        # Keys that move the focus come first: they must not reach past a dialog or the palette.
        return not (screen.is_modal and action in FOCUS_MOVERS)

    def arm(self) -> None:
        """Ask for the context's name; say so where this session can't be armed."""
        refusal = self.acting.arm()
        if refusal:
            self.say(refusal, "warning")

    def open_command_line(self) -> None:
        """Type a command."""
        if isinstance(self._app.screen, LiveScreen):
            self._app.screen.open_command_line()

    def show_help(self) -> None:
        """Show all keys and commands."""
        self._open_help()

    def back(self) -> None:
        """Leave what is open on the screen, else the screen."""
        screen = self._app.screen
        if isinstance(screen, LiveScreen) and screen.go_back():
            return
        if screen is not self.home:
            self._app.pop_screen()

    def go_home(self) -> None:
        """Leave every screen but Home."""
        while self._app.screen is not self.home:
            self._app.pop_screen()

    @property
    def is_untouched(self) -> bool:
        """Whether Home stands in front, and nobody moved on it yet."""
        return self._app.screen is self.home and not self.home.nodes_panel.is_settled

    def begin_anew(self) -> None:
        """Show Home as at the start: another cluster's nodes come."""
        if self.desk.board.paused_at is not None:
            self.pause()
        self.go_home()
        self.home.begin_anew()

    def open_clusters(self) -> None:
        """Show all clusters of the broker."""
        self.clusters.open()

    def pause(self) -> None:
        """Freeze what is shown, or show the newest again."""
        if not self.desk.board.toggle_pause():
            self.say("live again")
        self._redraw()

    def refresh(self) -> None:
        """Read every node again now, the chosen one first."""
        if is_brokered(self.desk.board.newest):
            self.say(NOTHING_ASKED, "warning")
            return
        self.desk.controls.refresh()
        self.say("reading every node again")

    def copy_row(self) -> None:
        """Copy the row under the cursor; OSC 52 reaches the clipboard over SSH too."""
        text = (
            self._app.screen.acting_panel.row_text
            if isinstance(self._app.screen, LiveScreen)
            else ""
        )
        if not text:
            self.say("nothing to copy here", "warning")
            return
        self._app.copy_to_clipboard(text)
        self.say(f"copied: {wording.cut(text.replace(chr(10), ' '), MAX_COPIED_SHOWN)}")

    def save_picture(self) -> None:
        """Save the screen as SVG, PNG and text."""
        svg, text = capture(self._app)
        node = self._app.screen.chosen if isinstance(self._app.screen, LiveScreen) else None
        board = self.desk.board
        name = "" if node is None else node.name
        stem = picture_stem(board.snapshot.cluster.context, name, board.wall_now)
        self._app.run_worker(
            self._save_picture(svg, text, stem), name="save picture", exit_on_error=False
        )

    async def _save_picture(self, svg: str, text: str, stem: str) -> None:
        """Write the pictures beside the UI loop: drawing the PNG takes a good part of a second."""
        folder = self._settings.screenshots
        try:
            paths = await asyncio.to_thread(save_pictures, svg, text, folder, stem)
        except OSError as error:
            log.warning("no picture saved in %s: %s", folder, error)
            self.say(f"no picture saved in {folder}: {error.strerror or error}", "error")
            return
        self._app.copy_to_clipboard(str(paths[1]))
        self.say(f"saved, path copied: {paths[1]} (.svg .txt)")

    def say(self, text: str, severity: SeverityLevel = "information") -> None:
        """Show a message in one line, not read as markup."""
        self._app.notify(wording.cut(text, MAX_SAID), severity=severity, markup=False)
