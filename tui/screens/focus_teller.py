"""Tell the collector which nodes are looked at, once the cursor rests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from textual.timer import Timer

from tui.model.names import NodeUid
from tui.screens.board import Controls

REST_SECONDS = 0.15
"""How long the cursor must rest: a held key passes many nodes."""


class TimerStarter(Protocol):
    """What starts a timer; a screen does."""

    def __call__(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call back once after a delay in seconds."""
        ...


class FocusTeller:
    """Hold back every change until no further one came for a moment."""

    def __init__(self, controls: Controls, set_timer: TimerStarter) -> None:
        self._controls = controls
        self._set_timer = set_timer
        self._timer: Timer | None = None
        self._told: tuple[NodeUid | None, frozenset[NodeUid]] = (None, frozenset())
        self.chosen: NodeUid | None = None
        self.marked: frozenset[NodeUid] = frozenset()

    def choose(self, chosen: NodeUid | None) -> None:
        """Take another chosen node."""
        if chosen != self.chosen:
            self.chosen = chosen
            self._tell_soon()

    def mark(self, marked: frozenset[NodeUid]) -> None:
        """Take other marked nodes."""
        if marked != self.marked:
            self.marked = marked
            self._tell_soon()

    def _tell_soon(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._set_timer(REST_SECONDS, self.tell)

    def tell(self) -> None:
        """Tell the collector now."""
        wanted = (self.chosen, self.marked)
        if wanted != self._told:
            self._told = wanted
            self._controls.focus(*wanted)
