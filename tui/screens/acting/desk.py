"""The way of an action on screen: armed, chosen, previewed, confirmed, watched.

Nothing here writes: a confirmed plan is given to the collector's thread, whose gate checks it all
again.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tui.model.names import NodeUid
from tui.model.operations import (
    ArmingMode,
    Intent,
    OperationKind,
    OperationPlan,
    OperationProgress,
    OperationState,
    Scope,
)
from tui.model.snapshot import Snapshot
from tui.screens import wording
from tui.screens.acting.acts import Acts, kept_answer, problem_words
from tui.screens.acting.arm_dialog import ArmDialog
from tui.screens.acting.audit_screen import AuditScreen
from tui.screens.acting.dialog import Dialog, QuestionDialog
from tui.screens.acting.menu import ActionMenu
from tui.screens.acting.menu_items import (
    HOSTNS_ONLY,
    MenuItem,
    menu_items,
    running_operation,
    session_refusal,
    undo_intent,
)
from tui.screens.acting.operation_news import OperationNews, Told
from tui.screens.acting.operation_screen import OperationScreen
from tui.screens.acting.preview import MakePlan, PreviewDialog
from tui.screens.acting.questions import (
    ABORT,
    DISMISS,
    FINISH,
    LEAVE,
    RESUME,
    UNDO,
    abort_question,
    leave_question,
    resume_question,
    unfinished_question,
)
from tui.screens.acting.targets import Targets
from tui.screens.live_screen import Desk, LiveScreen

if TYPE_CHECKING:
    from textual.app import App

Answer = TypeVar("Answer")

LOUD_SECONDS = 20.0
"""How long a failure stays on screen."""


class Ways(Protocol):
    """Where the desk leads to on the dashboard."""

    def go_home(self) -> None:
        """Leave every screen but Home."""
        ...

    def open_node(self, uid: NodeUid) -> None:
        """Go to a node on Home."""
        ...


class ActionDesk:
    """Open the dialogs and screens of actions, one after the other."""

    def __init__(self, app: App[None], acts: Acts, ways: Ways) -> None:
        self._app = app
        self._acts = acts
        self._ways = ways
        self._desk: Desk | None = None
        self._news = OperationNews()
        self._offered: set[str] = set()

    @property
    def desk(self) -> Desk:
        """What every screen works with.

        Raises:
            RuntimeError: the dashboard is not built yet.
        """
        if self._desk is None:
            raise RuntimeError("the dashboard is not built yet")
        return self._desk

    @desk.setter
    def desk(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def newest(self) -> Snapshot:
        """The newest snapshot, also while the view is paused: what is acted on is not frozen."""
        return self.desk.board.newest

    # What changed

    def take(self, snapshot: Snapshot) -> None:
        """Tell what operations came to, and offer what an earlier run left half done."""
        for told in self._news.take(snapshot):
            self._tell(told)
        self.redraw_dialog()
        if self._dialog is None:
            self._offer_unfinished(snapshot)

    def redraw_dialog(self) -> None:
        """Let an open dialog follow: an agent can be armed, disarmed or gone meanwhile."""
        dialog = self._dialog
        if dialog is not None:
            dialog.guard(dialog.take_board)

    @property
    def _dialog(self) -> Dialog[Any] | None:
        """The dialog in front; there is no screen at all while the app closes."""
        top = next(reversed(self._app.screen_stack), None)
        return top if isinstance(top, Dialog) else None

    def _tell(self, told: Told) -> None:
        self._app.notify(
            wording.cut(told.text, 200),
            severity="error" if told.is_bad else "information",
            timeout=LOUD_SECONDS if told.is_loud else None,
            markup=False,
        )
        if told.is_loud:
            self._app.bell()

    def _offer_unfinished(self, snapshot: Snapshot) -> None:
        for progress in snapshot.operations:
            is_new = progress.plan.id not in self._offered
            if progress.state is OperationState.UNFINISHED and is_new:
                self._offered.add(progress.plan.id)
                self._ask_unfinished(progress)
                return

    def _ask_unfinished(self, progress: OperationProgress) -> None:
        title, lines, choices = unfinished_question(progress)
        question = QuestionDialog(self.desk.board, title, lines, choices)
        self._push(question, partial(self._answer_unfinished, progress))

    def _answer_unfinished(self, progress: OperationProgress, key: str | None) -> None:
        operation_id = progress.plan.id
        if key == FINISH:
            self._preview(lambda _: self._acts.plan_finish(operation_id), f"Finish {operation_id}")
        elif key == UNDO:
            self.undo(progress)
        elif key == DISMISS:
            self._follow_call("dismiss", self._acts.dismiss(operation_id))

    def _follow_call(self, name: str, done: Future[None]) -> None:
        """Say it where what was asked for fails."""
        self._app.run_worker(self._say_failure(done), name=name, exit_on_error=False)

    async def _say_failure(self, done: Future[None]) -> None:
        try:
            await kept_answer(done)
        except Exception as error:  # noqa: BLE001 - problem_words logs what is not ours
            self._tell(Told(problem_words(error), is_bad=True, is_loud=True))

    # Arming

    def arm(self, typed: str = "") -> str:
        """Ask for the context's name; return why this session can't be armed, or nothing."""
        refusal = session_refusal(self.newest)
        if not refusal and self.newest.arming.mode is ArmingMode.ARMED:
            refusal = "this session is armed: :disarm ends it"
        if refusal:
            return refusal
        self._arm_then(None, typed)
        return ""

    def _arm_then(self, go_on: Callable[[], None] | None, typed: str = "") -> None:
        def armed(is_armed: bool | None) -> None:
            if is_armed and go_on is not None:
                go_on()

        self._push(ArmDialog(self.desk.board, self._acts, typed), armed)

    def disarm(self) -> None:
        """Let this session write no more, at once."""
        if self.newest.arming.mode is ArmingMode.ARMED:
            self._follow_call("disarm", self._acts.disarm())
        else:
            self._app.notify("this session is not armed", markup=False)

    # Choosing and previewing

    def open_menu(self) -> None:
        """Offer the actions for what is under the cursor or marked."""
        screen = self._app.screen
        if isinstance(screen, LiveScreen):
            self._open_menu(screen.targets)

    def _open_menu(self, targets: Targets) -> None:
        menu = ActionMenu(self.desk.board, targets, self._items)
        self._push(menu, partial(self._follow_item, targets))

    def _items(self, targets: Targets) -> list[MenuItem]:
        return menu_items(self.newest, targets)

    def _follow_item(self, targets: Targets, item: MenuItem | None) -> None:
        if item is None:
            return
        if item.is_arming:
            self._arm_then(partial(self._open_menu, targets))
        elif item.intent is None:
            self.open_operation()
        else:
            self.preview(item.intent, f"{item.title} {targets.title}")

    def preview(self, intent: Intent, title: str) -> None:
        """Show what an intent means, after arming where that is all that is missing."""
        self._preview(
            lambda wave_size: self._acts.plan(replace(intent, wave_size=wave_size)), title
        )

    def _preview(self, make: MakePlan, title: str) -> None:
        newest = self.newest
        refusal = session_refusal(newest)
        running = running_operation(newest)
        if not refusal and running is not None:
            refusal = f"operation {running.plan.id} is not over: O shows it"
        if refusal:
            self._app.notify(wording.cut(refusal), severity="warning", markup=False)
            return
        if newest.arming.mode is not ArmingMode.ARMED:
            self._arm_then(partial(self._preview, make, title))
            return
        dialog = PreviewDialog(self.desk.board, self._acts, make, title)
        self._push(dialog, self._follow_begun)

    def _follow_begun(self, plan: OperationPlan | None) -> None:
        if plan is not None:
            self._show_operation(plan.id)

    def flip_cluster(self, is_on: bool) -> None:
        """Preview the flip of every node that can restart; only the palette leads here."""
        intent = Intent(OperationKind.HOSTNS_ONLY, (), Scope.CLUSTER, is_on=is_on)
        self.preview(intent, f"Set {HOSTNS_ONLY}={str(is_on).lower()} for the whole cluster")

    # Watching

    def open_operation(self, operation_id: str = "") -> str:
        """Show an operation, the running or newest one where none is named."""
        operations = self.newest.operations
        running = running_operation(self.newest)
        if not operation_id and operations:
            operation_id = (running or operations[-1]).plan.id
        known = {progress.plan.id for progress in operations}
        if operation_id and operation_id not in known:
            names = wording.listed(sorted(known), 6) or "there is none yet"
            return f"no operation {operation_id}: {names}"
        self._show_operation(operation_id)
        return ""

    def _show_operation(self, operation_id: str) -> None:
        """Show an operation; one that has just begun is told of with the next snapshot."""
        screen = self._app.screen
        if not isinstance(screen, OperationScreen) or screen.operation_id != operation_id:
            self._ways.go_home()
            self._app.push_screen(OperationScreen(self.desk, operation_id))

    def open_audit(self, text: str = "") -> str:
        """Show the audit's records."""
        if not isinstance(self._app.screen, AuditScreen):
            self._ways.go_home()
            self._app.push_screen(AuditScreen(self.desk))
        screen = self._app.screen
        if not text or not isinstance(screen, AuditScreen):
            return ""
        return screen.typing_line.filter(screen.panel, text)

    def open_node(self, uid: NodeUid) -> None:
        """Go to a node on Home."""
        self._ways.open_node(uid)

    def operation_ids(self) -> list[str]:
        """Return the ids that `:op` takes."""
        return [progress.plan.id for progress in reversed(self.newest.operations)]

    def hold(self, progress: OperationProgress | None) -> None:
        """Pause an operation at once; ask before it goes on, for that writes."""
        if progress is not None and progress.state is OperationState.UNFINISHED:
            self._ask_unfinished(progress)
        elif progress is None or progress.is_over:
            self._app.notify("nothing is running here", markup=False)
        elif progress.state is OperationState.RUNNING:
            self._acts.pause()
            self._app.notify("pausing: nothing more is begun", markup=False)
        else:
            title, lines, choices = resume_question(progress)

            def answered(key: str | None) -> None:
                if key == RESUME:
                    self._acts.resume()

            self._push(QuestionDialog(self.desk.board, title, lines, choices), answered)

    def ask_abort(self, progress: OperationProgress | None) -> None:
        """Ask whether an operation ends."""
        if progress is None or progress.is_over:
            self._app.notify("nothing is running here", markup=False)
            return
        title, lines, choices = abort_question(progress)

        def answered(key: str | None) -> None:
            if key == ABORT:
                self._acts.abort()

        self._push(QuestionDialog(self.desk.board, title, lines, choices), answered)

    def undo(self, progress: OperationProgress | None, operation_id: str = "") -> None:
        """Preview what puts back what an operation changed."""
        if progress is None:
            if operation_id:
                intent = Intent(OperationKind.UNDO, undo_id=operation_id)
                self.preview(intent, f"Undo {operation_id}")
        elif not progress.is_over:
            self._app.notify("it is not over: X aborts it first", markup=False)
        elif not progress.undo_id:
            why = wording.cut(progress.plan.undo, 120) or "it left nothing to put back"
            self._app.notify(f"nothing to undo: {why}", severity="warning", markup=False)
        else:
            self.preview(undo_intent(progress), f"Undo {progress.undo_id}")

    def may_leave(self) -> bool:
        """Ask where an operation runs; return whether ciltop may end now."""
        running = running_operation(self.newest)
        if running is None:
            return True
        title, lines, choices = leave_question(running)

        def answered(key: str | None) -> None:
            if key == LEAVE:
                self._app.exit()

        if not isinstance(self._app.screen, QuestionDialog):
            self._push(QuestionDialog(self.desk.board, title, lines, choices), answered)
        return False

    def _push(self, dialog: Dialog[Answer], answered: Callable[[Answer | None], None]) -> None:
        self._app.push_screen(dialog, answered)
