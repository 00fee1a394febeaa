"""What all dialogs share: a box over the screen, a text that scrolls, and buttons below it.

A dialog takes every key: nothing that works on the screen behind it works while it stands.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Static

from tui.screens import wording
from tui.screens.board import Board
from tui.screens.live_screen import DrawingGuard
from widgets.detail import DetailView
from widgets.detail_lines import DetailLine
from widgets.state_note import StateNote
from widgets.text import plain
from widgets.tones import Span

T = TypeVar("T")

PAGE = 2
_FRAME = 2
_HEADER = 2
"""Lines of the screen's header, which stay in sight: they say which cluster it is."""
LEAST_LINES = 3
"""Lines of the text that are shown however low the terminal is."""
_MAX_TITLE = 120
_HINT = "tab next ▏ enter press ▏ ↑ ↓ scroll ▏ y copy ▏ esc cancel"


@dataclass(frozen=True, slots=True)
class Choice:
    """A button."""

    key: str
    label: str


def button_label(text: str) -> Content:
    """Return a button's text in brackets: it is a button without colours too."""
    return Content(f"( {text} )")


CANCEL = Choice("cancel", "Cancel")


def _binding(keys: str, action: str, label: str) -> Binding:
    return Binding(keys, action, label, show=False, id=f"dialog.{action}", tooltip=label)


class Dialog(ModalScreen[T]):
    """A question over the screen; its first button is the harmless one and has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        _binding("escape", "cancel", "Leave without doing anything"),
        _binding("right", "app.focus_next", "Go to the next button"),
        _binding("left", "app.focus_previous", "Go to the button before"),
        _binding("up", "scroll(-1)", "Scroll up"),
        _binding("down", "scroll(1)", "Scroll down"),
        _binding("pageup", "scroll(-2)", "Scroll up by a page"),
        _binding("pagedown", "scroll(2)", "Scroll down by a page"),
        _binding("y", "copy_line", "Copy the line under the cursor"),
        _binding("ctrl+s", "app.picture", "Save the screen"),
    ]

    def __init__(self, board: Board) -> None:
        super().__init__()
        self.board = board
        self.body = DetailView(id="dialog-body")
        # The arrows scroll it wherever the focus is; tab goes to what can be pressed or typed.
        self.body.can_focus = False
        self._status = Static(id="dialog-status", markup=False)
        self._box = Container(id="dialog")
        self.guard = DrawingGuard(self)
        self.buttons: dict[str, Button] = {}
        """By the keys of the choices."""
        self._hint = Static(id="dialog-hint", markup=False)
        self.is_laid_out = False

    @property
    @abstractmethod
    def heading(self) -> str:
        """The title."""

    @abstractmethod
    def lines(self) -> Sequence[DetailLine]:
        """Return the text."""

    def choices(self) -> Sequence[Choice]:
        """Return the buttons; the first one is the harmless one."""
        return (CANCEL,)

    def extra(self) -> Iterable[Widget]:
        """Yield what stands between text and buttons."""
        return ()

    def note(self) -> StateNote | None:
        """Return what stands instead of the text."""
        return None

    def status(self) -> Span:
        """Return the line above the buttons."""
        return Span("")

    def chosen(self, key: str) -> None:
        """Take notice that a button was pressed; not called for Cancel."""

    def opened(self) -> None:
        """Begin what the dialog is for; Textual calls the `on_mount` of every class by itself."""

    def first_focus(self) -> Widget:
        """Return what has the focus at first."""
        return self.buttons[CANCEL.key]

    def compose(self) -> ComposeResult:
        """Lay out text, status and buttons in a box."""
        with self._box:
            yield self.body
            yield from self.extra()
            yield self._status
            with Horizontal(id="dialog-buttons"):
                for choice in self.choices():
                    label = button_label(choice.label)
                    self.buttons[choice.key] = Button(label, id=choice.key, compact=True)
                yield from self.buttons.values()
            yield self._hint

    def on_mount(self) -> None:
        """Draw what is known, with the focus on the harmless button."""
        self.is_laid_out = True
        self.opened()
        self.take_board()
        self.set_focus(self.first_focus())

    def on_resize(self) -> None:
        """Give the text the lines it needs and the terminal has."""
        if self.is_laid_out:
            self._fit()

    def on_unmount(self) -> None:
        """Draw no more."""
        self.is_laid_out = False

    def take_board(self) -> None:
        """Draw anew: the snapshot changed, or time went on."""
        if not self.is_laid_out:
            return
        self._box.border_title = Content(wording.cut(self.heading, _MAX_TITLE))
        self.body.set_lines(self.lines(), self.note())
        status = self.status()
        self._status.update(plain(status.text))
        self._status.set_classes(f"-{status.tone}" if status.text else "-empty")
        self._fit()

    def _fit(self) -> None:
        """Let the box be as high as its text, and never higher than the terminal."""
        others = sum(
            widget.outer_size.height + widget.styles.margin.height
            for widget in self._box.children
            if widget is not self.body and widget.display
        )
        room = self.app.size.height - others - _FRAME - _HEADER
        wanted = sum(self.body.entry_heights()) or LEAST_LINES
        height = max(LEAST_LINES, min(wanted, room))
        self.body.styles.height = height
        more = f"{wanted} lines, " if wanted > height else ""
        self._hint.update(plain(_HINT.replace("scroll", f"{more}scroll")))

    def action_cancel(self) -> None:
        """Leave without doing anything."""
        self.dismiss(None)

    def action_scroll(self, lines: int) -> None:
        """Move through the text."""
        moves = {
            1: self.body.action_cursor_down,
            -1: self.body.action_cursor_up,
            PAGE: self.body.action_page_down,
            -PAGE: self.body.action_page_up,
        }
        moves[lines]()

    def action_copy_line(self) -> None:
        """Copy the line under the cursor."""
        line = self.body.highlighted
        if line is not None and line.text:
            self.app.copy_to_clipboard(line.text)
            self.app.notify(f"copied: {wording.cut(line.text, 60)}", markup=False)

    @on(Button.Pressed)
    def _press(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == CANCEL.key:
            self.action_cancel()
        elif event.button.id:
            self.chosen(event.button.id)


class QuestionDialog(Dialog[str]):
    """A text and some buttons; gives the key of the one pressed, or None."""

    def __init__(
        self,
        board: Board,
        title: str,
        lines: Sequence[DetailLine],
        choices: Sequence[Choice],
    ) -> None:
        super().__init__(board)
        self._title = title
        self._lines = lines
        self._choices = choices

    @property
    def heading(self) -> str:
        """The question."""
        return self._title

    def lines(self) -> Sequence[DetailLine]:
        """Return what the question is about."""
        return self._lines

    def choices(self) -> Sequence[Choice]:
        """Return the buttons that were given."""
        return self._choices

    def chosen(self, key: str) -> None:
        """Give the answer."""
        self.dismiss(key)
