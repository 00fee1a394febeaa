"""The way to another cluster: its screen, its command, and what is said of clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tui.model.snapshot import Snapshot
from tui.screens import wording
from tui.screens.acting.menu_items import running_operation
from tui.screens.live_screen import Desk
from tui.screens.room.clusters_screen import ClustersScreen
from tui.screens.room.news import ClusterNews, CollectorNews
from tui.screens.room.words import is_brokered

if TYPE_CHECKING:
    from textual.app import App
    from textual.notifications import SeverityLevel

ONE_CLUSTER = "one cluster is read here: ciltop --mqtt URL shows all of a broker"


class Ways(Protocol):
    """Where the desk leads to on the dashboard."""

    @property
    def is_untouched(self) -> bool:
        """Whether Home stands in front, and nobody moved on it yet."""
        ...

    def go_home(self) -> None:
        """Leave every screen but Home."""
        ...

    def begin_anew(self) -> None:
        """Show Home as at the start: another cluster's nodes come."""
        ...

    def say(self, text: str, severity: SeverityLevel = "information") -> None:
        """Show a message."""
        ...


class ClusterDesk:
    """Show the clusters of a broker, and choose one of them."""

    def __init__(self, app: App[None], desk: Desk, ways: Ways) -> None:
        self._app = app
        self._desk = desk
        self._ways = ways
        self._clusters = ClusterNews()
        self._collectors = CollectorNews()

    def take(self, snapshot: Snapshot) -> None:
        """Say what is new; show all clusters first where none is named."""
        is_first = self._clusters.is_first
        more = self._clusters.take(snapshot)
        if more:
            is_asked = is_first and not self._desk.settings.is_cluster_named
            if is_asked and self._ways.is_untouched:
                self.open()
            elif not isinstance(self._app.screen, ClustersScreen):
                self._ways.say(f"{wording.counted(more, 'more cluster')}: C")
        for text, is_bad in self._collectors.take(snapshot):
            self._ways.say(text, "warning" if is_bad else "information")

    def open(self) -> None:
        """Show all clusters; say so where only one is read."""
        if not is_brokered(self._desk.board.newest):
            self._ways.say(ONE_CLUSTER, "warning")
        elif not isinstance(self._app.screen, ClustersScreen):
            self._ways.go_home()
            self._app.push_screen(ClustersScreen(self._desk, self.choose))

    def run_command(self, name: str) -> str:
        """Show the cluster that a name means, or all; return what is wrong with it."""
        if not name:
            self.open()
            return ""
        if not is_brokered(self._desk.board.newest):
            return ONE_CLUSTER
        names = [str(one.name) for one in self._desk.board.newest.room.clusters]
        wanted = name.casefold()
        found = [each for each in names if each.casefold() == wanted]
        found = found or [each for each in names if wanted in each.casefold()]
        if len(found) != 1:
            listed = wording.cut(wording.listed([wording.cut(each, 40) for each in found], 4))
            return f"{len(found)} clusters match: {listed}" if found else f"no cluster: {name}"
        return self.choose(found[0])

    def choose(self, name: str) -> str:
        """Show a cluster's nodes; return why that can't be, or the empty text."""
        newest = self._desk.board.newest
        if name == newest.room.chosen:
            self._ways.go_home()
            return ""
        running = running_operation(newest)
        if running is not None:
            shown = wording.cut(newest.room.chosen, 40)
            return f"operation {running.plan.id} runs on {shown}: it can't be left before (O)"
        self._desk.controls.choose_cluster(name)
        self._ways.begin_anew()
        self._ways.say(f"reading {wording.cut(name, 60)}")
        return ""
