"""A dashboard driven by hand: a mailbox to fill, controls that remember, a clock that stands."""

from __future__ import annotations

import time
from concurrent.futures import Future
from pathlib import Path

from textual.app import App
from textual.pilot import Pilot

from tests.ui import app_samples as samples
from tui.app import CiltopApp
from tui.errors import CiltopError
from tui.model.names import NodeUid
from tui.model.operations import ArmingMode, ArmingState, Intent, OperationPlan
from tui.model.snapshot import Snapshot
from tui.screens.pictures import capture
from tui.screens.settings import AppSettings
from tui.store.mailbox import Mailbox


class HandActs:
    """Remember what the screens asked to be done; a test gives the answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.plans: list[Future[OperationPlan]] = []
        self.begun: list[Future[None]] = []
        self.ready_plan: OperationPlan | None = None
        """Answered at once where it is set."""
        self.context = "prod-eu-1"

    def plan(self, intent: Intent) -> Future[OperationPlan]:
        self.asked.append(("plan", intent))
        self.plans.append(Future())
        if self.ready_plan is not None:
            self.plans[-1].set_result(self.ready_plan)
        return self.plans[-1]

    def plan_finish(self, operation_id: str) -> Future[OperationPlan]:
        self.asked.append(("plan_finish", operation_id))
        self.plans.append(Future())
        return self.plans[-1]

    def dismiss(self, operation_id: str) -> Future[None]:
        self.asked.append(("dismiss", operation_id))
        return Future()

    def begin(self, plan: OperationPlan, typed: str) -> Future[None]:
        self.asked.append(("begin", plan, typed))
        self.begun.append(Future())
        return self.begun[-1]

    def pause(self) -> None:
        self.asked.append(("pause",))

    def resume(self) -> None:
        self.asked.append(("resume",))

    def abort(self) -> None:
        self.asked.append(("abort",))

    def arm(self, typed: str) -> Future[ArmingState]:
        self.asked.append(("arm", typed))
        answer: Future[ArmingState] = Future()
        if typed == self.context:
            answer.set_result(ArmingState(ArmingMode.ARMED))
        else:
            answer.set_exception(CiltopError(f"{typed} is not the context's name"))
        return answer

    def disarm(self) -> Future[None]:
        self.asked.append(("disarm",))
        return Future()

    @property
    def writes(self) -> list[tuple[object, ...]]:
        """What could lead to a write."""
        return [call for call in self.asked if call[0] in ("begin", "resume")]


class HandControls(HandActs):
    """Remember what the screens asked of the collector."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[object, ...]] = []

    def start(self) -> None:
        self.calls.append(("start",))

    def focus(self, chosen: NodeUid | None, marked: frozenset[NodeUid]) -> None:
        self.calls.append(("focus", chosen, marked))

    def refresh(self) -> None:
        self.calls.append(("refresh",))

    def request_count(self, node: NodeUid, map_name: str) -> None:
        self.calls.append(("count", node, map_name))

    def choose_cluster(self, name: str) -> None:
        self.calls.append(("cluster", name))


class HandApp(CiltopApp):
    """The dashboard without its timers' surprises."""

    CURSOR_BLINK = False

    def __init__(
        self,
        snapshot: Snapshot | None = None,
        *,
        theme: str = "textual-dark",
        screenshots: Path = Path("screenshots"),
        is_ascii: bool = False,
        state: Path | None = None,
        is_read_only: bool = True,
    ) -> None:
        self.box = Mailbox()
        self.hands = HandControls()
        self.now = samples.NOW if snapshot is None else snapshot.taken_at
        settings = AppSettings(
            is_read_only=is_read_only,
            screenshots=screenshots,
            theme=theme,
            is_ascii=is_ascii,
            state=state,
        )
        super().__init__(lambda: (self.box, self.hands), settings, lambda: self.now)
        if snapshot is not None:
            self.box.put(snapshot)

    @property
    def acts(self) -> HandControls:
        """What was asked to be done."""
        return self.hands

    def show(self, snapshot: Snapshot) -> None:
        """Put a snapshot into the mailbox and let the app take it."""
        self.box.put(snapshot)
        self.dashboard.take_snapshot()


async def opened(pilot: Pilot[None], limit_seconds: float = 10.0) -> None:
    """Wait until Home stands."""
    deadline = time.monotonic() + limit_seconds
    app = pilot.app
    assert isinstance(app, HandApp)
    while not (app.is_open and ("start",) in app.hands.calls):
        assert time.monotonic() < deadline, "Home does not open"
        await pilot.pause(0.01)


async def settled(pilot: Pilot[None]) -> str:
    """Wait until messages are done, and return the screen as text."""
    await opened(pilot)
    await pilot.pause()
    await pilot.pause()
    return screen_text(pilot.app)


async def shows(pilot: Pilot[None], text: str, limit_seconds: float = 10.0) -> str:
    """Wait until a text is on screen, and return the screen as text."""
    deadline = time.monotonic() + limit_seconds
    while text not in (shown := screen_text(pilot.app)):
        assert time.monotonic() < deadline, f"{text!r} does not come:\n{shown}"
        await pilot.pause(0.02)
    return shown


def chosen(app: HandApp) -> str:
    """Return the chosen node's name."""
    node = app.home.chosen
    return "" if node is None else node.name


def screen_text(app: App[None]) -> str:
    """Return what is on screen as plain text."""
    return capture(app)[1]
