"""`:arm`: lets this session write, once the context's name was typed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import on
from textual.widget import Widget
from textual.widgets import Input

from tui.model.operations import ArmingMode
from tui.screens import wording
from tui.screens.acting.acts import Acts, kept_answer, problem_words
from tui.screens.acting.dialog import CANCEL, Choice, Dialog
from tui.screens.acting.typed import TypedName
from tui.screens.board import Board
from widgets.detail_lines import DetailLine, sentence, value
from widgets.symbols import symbols
from widgets.tones import Span, Tone, context_tone

_ARM = Choice("arm", "Arm this session")


class ArmDialog(Dialog[bool]):
    """Asks for the context's name; gives True once the session is armed."""

    def __init__(self, board: Board, acts: Acts, typed: str = "") -> None:
        super().__init__(board)
        self._acts = acts
        self._typed = TypedName(id="typed")
        self._first = typed
        self._problem = ""
        self._refused = ""
        self._is_asking = False
        self._is_armed = False

    @property
    def heading(self) -> str:
        """What arming is."""
        return "Arm this session"

    def lines(self) -> Sequence[DetailLine]:
        """Return which cluster it is, and what arming allows."""
        cluster = self.board.newest.cluster
        context = wording.cut(cluster.context, 60)
        user = [value("user", wording.cut(cluster.user, 60))] if cluster.user else []
        return [
            value("context", Span(f" {context} ", context_tone(context))),
            value("server", wording.cut(cluster.server, 120)),
            *user,
            sentence("Armed, an action may write after its preview and a confirmation of its own."),
            sentence("15 minutes without an action disarm; :disarm does it now.", Tone.MUTED),
        ]

    def extra(self) -> Iterable[Widget]:
        """Yield the line to type in."""
        yield self._typed

    def choices(self) -> Sequence[Choice]:
        """Return Cancel and the button that arms."""
        return (CANCEL, _ARM)

    def status(self) -> Span:
        """Return why it was refused."""
        if self._problem:
            return Span(f"{symbols().active} {wording.cut(self._problem)}", Tone.ERROR)
        return Span(f"{symbols().loading} arming", Tone.MUTED) if self._is_asking else Span("")

    def first_focus(self) -> Widget:
        """Return where the name is typed: typing it is the confirmation."""
        return self._typed.input

    def opened(self) -> None:
        """Say what must be typed; take what was typed behind `:arm`."""
        self._typed.ask(self.board.newest.cluster.context, "to arm:")
        if self._first:
            self._typed.input.value = self._first
            self.chosen(_ARM.key)

    @on(Input.Changed)
    def _forget_problem(self, event: Input.Changed) -> None:
        if self._problem and event.value != self._refused:
            self._problem = ""
            self.take_board()

    @on(Input.Submitted)
    def _submit(self) -> None:
        self.chosen(_ARM.key)

    def chosen(self, key: str) -> None:
        """Ask to be armed."""
        if not self._is_asking:
            self._is_asking = True
            self.take_board()
            self.run_worker(self._arm(), name="arm", exit_on_error=False)

    async def _arm(self) -> None:
        try:
            state = await kept_answer(self._acts.arm(self._typed.text))
        except Exception as error:  # noqa: BLE001 - problem_words logs what is not ours
            self._refuse(problem_words(error))
            return
        self._is_armed = state.mode is ArmingMode.ARMED
        if self._is_armed:
            self.take_board()
        else:
            self._refuse(state.reason or "it was not armed")

    def take_board(self) -> None:
        """Draw anew; leave once the screens know it too, so that what follows is not refused."""
        if self._is_armed and self.board.newest.arming.mode is ArmingMode.ARMED:
            self.dismiss(True)
        else:
            super().take_board()

    def _refuse(self, problem: str) -> None:
        self._problem, self._refused, self._is_asking = problem, self._typed.text, False
        self.take_board()
