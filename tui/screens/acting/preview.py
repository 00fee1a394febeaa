"""The preview of an action, and its confirmation: a focused button, or the cluster's name typed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from tui.model.operations import OperationPlan
from tui.screens import wording
from tui.screens.acting.acts import Acts, answer, kept_answer, problem_words
from tui.screens.acting.dialog import CANCEL, Choice, Dialog, button_label
from tui.screens.acting.preview_lines import (
    Readiness,
    confirmation_of,
    go_label,
    preview_lines,
    readiness,
)
from tui.screens.acting.typed import TypedName
from tui.screens.board import Board
from widgets.detail_lines import DetailLine
from widgets.state_note import NoteKind, StateNote
from widgets.symbols import symbols
from widgets.tones import Span, Tone

MakePlan = Callable[[int], Future[OperationPlan]]
"""Plans what is previewed, with so many nodes in a wave; asked again where the preview grew old."""

OLD_SECONDS = 300.0
"""A preview older than this must be made anew before it is confirmed."""
_GO = Choice("go", "Confirm")


class PreviewDialog(Dialog[OperationPlan]):
    """Plans an intent, shows what it means, and begins it; gives the plan that has begun."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "plan_again", "Plan again", show=False, id="dialog.plan-again"),
        Binding("plus", "wave_size(1)", "Larger waves", show=False, id="dialog.wave-more"),
        Binding("minus", "wave_size(-1)", "Smaller waves", show=False, id="dialog.wave-less"),
    ]

    def __init__(self, board: Board, acts: Acts, make: MakePlan, title: str) -> None:
        super().__init__(board)
        self._acts = acts
        self._make = make
        self._title = title
        self._wave_size = 1
        self._plan: OperationPlan | None = None
        self._problem = ""
        self._is_starting = False
        self._typed = TypedName(id="typed")

    @property
    def heading(self) -> str:
        """What is done, and to whom."""
        return self._title if self._plan is None else self._plan.title or self._title

    @property
    def plan(self) -> OperationPlan | None:
        """What is previewed; None while it is being made."""
        return self._plan

    @property
    def confirmation(self) -> str:
        """What must be typed; empty where the button is enough."""
        plan = self._plan
        return "" if plan is None else confirmation_of(plan, self.board.newest.cluster.context)

    def lines(self) -> Sequence[DetailLine]:
        """Return the preview."""
        return () if self._plan is None else preview_lines(self._plan, self._wave_size)

    def note(self) -> StateNote | None:
        """Return that the plan is being made, or why there is none."""
        if self._plan is not None:
            return None
        if self._problem:
            return StateNote(NoteKind.FAILED, wording.cut(self._problem), "r plans again")
        text = "reviewing access, asking for dry runs; nothing is written"
        return StateNote(NoteKind.LOADING, text)

    def extra(self) -> Iterable[Widget]:
        """Yield the line to type in, shown where a button is not enough."""
        yield self._typed

    def choices(self) -> Sequence[Choice]:
        """Return Cancel, and the button that does it."""
        return (CANCEL, _GO)

    @property
    def readiness(self) -> Readiness:
        """Whether it may be confirmed now."""
        plan = self._plan
        if plan is None:
            return Readiness(False, Span(""))
        if self._is_starting:
            return Readiness(False, Span(f"{symbols().loading} starting", Tone.MUTED))
        if self._problem:
            words = f"{symbols().active} not started: {wording.cut(self._problem)} (r plans again)"
            return Readiness(False, Span(words, Tone.ERROR))
        newest = self.board.newest
        if self.board.wall_now - plan.made_at > OLD_SECONDS:
            words = f"{symbols().stale} this preview is old: r plans again"
            return Readiness(False, Span(words, Tone.WARNING))
        return readiness(plan, newest.arming)

    def status(self) -> Span:
        """Return whether it may be confirmed, or what forbids it."""
        return self.readiness.words

    def opened(self) -> None:
        """Show that the plan is being made, and make it."""
        self.action_plan_again()

    def take_board(self) -> None:
        """Draw anew; the button works only while the plan may be confirmed."""
        super().take_board()
        if not self.is_laid_out:
            return
        button = self.buttons[_GO.key]
        button.display = self._plan is not None
        if self._plan is not None:
            button.label = button_label(go_label(self._plan))
        is_typed = not self.confirmation or self._typed.text == self.confirmation
        button.disabled = not (self.readiness.is_ready and is_typed)
        if button.disabled and self.focused is button:
            self.set_focus(self.first_focus())

    def action_plan_again(self) -> None:
        """Make the plan anew from what is so now."""
        if self._is_starting:
            return
        self._plan, self._problem = None, ""
        self._typed.display = False
        self.set_focus(self.first_focus())
        self.take_board()
        self.run_worker(self._make_plan(), name="plan", exclusive=True, exit_on_error=False)

    def action_wave_size(self, step: int) -> None:
        """Plan again with larger or smaller waves; the plan says what the DaemonSet allows."""
        plan = self._plan
        if plan is not None and len(plan.node_names) > 2:
            wanted = max(1, self._wave_size + step)
            if wanted != self._wave_size:
                self._wave_size = wanted
                self.action_plan_again()

    async def _make_plan(self) -> None:
        try:
            self._plan = await answer(self._make(self._wave_size))
        except Exception as error:  # noqa: BLE001 - problem_words logs what is not ours
            self._problem = problem_words(error)
        self._typed.display = bool(self.confirmation)
        if self.confirmation:
            self._typed.ask(self.confirmation, "to confirm:")
        self.take_board()
        self.call_after_refresh(self.take_board)

    @on(Input.Changed)
    def _follow_typing(self) -> None:
        self.take_board()

    @on(Input.Submitted)
    def _submit(self) -> None:
        if self._typed.text != self.confirmation:
            text = f"type {wording.cut(self.confirmation, 60)} exactly, or esc"
            self.app.notify(text, severity="warning", markup=False)
            return
        self.chosen(_GO.key)

    def chosen(self, key: str) -> None:
        """Begin what is previewed."""
        plan = self._plan
        is_typed = not self.confirmation or self._typed.text == self.confirmation
        if plan is None or not self.readiness.is_ready or not is_typed:
            return
        self._is_starting = True
        self.take_board()
        self.run_worker(
            self._begin(plan, self._typed.text if self.confirmation else ""),
            name="begin",
            exit_on_error=False,
        )

    async def _begin(self, plan: OperationPlan, typed: str) -> None:
        try:
            await kept_answer(self._acts.begin(plan, typed))
        except Exception as error:  # noqa: BLE001 - problem_words logs what is not ours
            self._problem, self._is_starting = problem_words(error), False
            self.app.bell()
            self.take_board()
            return
        self.dismiss(plan)

    def action_cancel(self) -> None:
        """Leave; what has begun already can't be left this way."""
        if self._is_starting:
            self.app.notify("it is starting: O shows it in a moment", markup=False)
            return
        super().action_cancel()
