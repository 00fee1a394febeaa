"""`CommandLine`: the line at the bottom where filters and commands are typed.

An answer too long to stand behind the input takes up to three lines above it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Static

from widgets.symbols import symbols
from widgets.text import fit, plain, wrap_words

_MAX_HISTORY = 100
_MAX_ANSWER_LINES = 3
_MAX_CANDIDATE_LINES = 2
_MORE_CELLS = 24
"""Cells kept free for the number of names not shown, and for lines that end early."""
NO_CONTROLS = r"[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*"
"""What may be typed or pasted: a pasted escape must not reach the terminal."""

Completer = Callable[[str], Sequence[str]]
"""Gives the whole lines that the typed text could become."""


class CommandLine(Vertical):
    """Takes one line of input behind a prefix; hidden until it is opened."""

    DEFAULT_CSS = """
    CommandLine { dock: bottom; height: auto; display: none; background: $surface; }
    CommandLine.-open { display: block; }
    CommandLine Horizontal { height: 1; }
    CommandLine #answer { height: auto; padding: 0 1; color: $foreground-muted; display: none; }
    CommandLine.-long #answer { display: block; }
    CommandLine.-long #hint { display: none; }
    CommandLine #prefix { width: auto; color: $text-primary; text-style: bold; }
    CommandLine Input { width: 1fr; height: 1; border: none; padding: 0; background: $surface; }
    CommandLine Input:focus { border: none; }
    CommandLine #hint { width: auto; max-width: 60%; padding: 0 1; color: $foreground-muted; }
    CommandLine.-error #hint { color: $text-error; }
    CommandLine.-error #answer { color: $text-error; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Leave", show=False, id="command.cancel", tooltip="Leave"),
        Binding("up", "older", "Older", show=False, id="command.older", tooltip="Older input"),
        Binding("down", "newer", "Newer", show=False, id="command.newer", tooltip="Newer input"),
        Binding(
            "tab", "complete", "Complete", show=False, id="command.complete", tooltip="Complete"
        ),
    ]

    class Changed(Message):
        """The typed text changed: a filter can show its effect at once."""

        def __init__(self, command_line: CommandLine, prefix: str, text: str) -> None:
            super().__init__()
            self.command_line = command_line
            self.prefix = prefix
            self._text = text

        @property
        def text(self) -> str:
            """What stands in the line now: of fast keys only the last state counts."""
            line = self.command_line
            return line.text if line.is_open else self._text

        @property
        def control(self) -> CommandLine:
            """The command line."""
            return self.command_line

    class Submitted(Changed):
        """The line was finished with enter; call `close` unless it is to be corrected."""

        @property
        def text(self) -> str:
            """The finished line."""
            return self._text

    class Cancelled(Changed):
        """The line was left with escape; it is closed already."""

        @property
        def text(self) -> str:
            """The line as it was left."""
            return self._text

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._prefix = ""
        self._history: dict[str, list[str]] = {}
        self._at: int | None = None
        self._completer: Completer | None = None
        self._hint = ""
        self._answered = ""

    def compose(self) -> ComposeResult:
        """Lay out the long answer above prefix, input and hint."""
        yield Static(id="answer")
        with Horizontal():
            yield Static(id="prefix")
            yield Input(id="input", restrict=NO_CONTROLS, compact=True, select_on_focus=False)
            yield Static(id="hint")

    @property
    def is_open(self) -> bool:
        """Whether the line is shown and takes the keys."""
        return self.has_class("-open")

    @property
    def prefix(self) -> str:
        """What the line was opened for: `/` or `:`."""
        return self._prefix

    @property
    def text(self) -> str:
        """What is typed, without the prefix."""
        return self._input.value

    def open(
        self, prefix: str, text: str = "", *, hint: str = "", completer: Completer | None = None
    ) -> None:
        """Show the line with a prefix and take the keys."""
        self._prefix, self._hint, self._completer, self._at = prefix, hint, completer, None
        self.query_one("#prefix", Static).update(plain(prefix))
        self.add_class("-open")
        self._input.value = text
        self._input.cursor_position = len(text)
        self._input.focus()
        self.show_hint(hint)

    def close(self) -> None:
        """Hide the line; the screen decides where the focus goes."""
        self.remove_class("-open", "-error", "-long")
        self._input.value = ""

    def show_error(self, message: str) -> None:
        """Say what is wrong with the line; it stays until the text changes."""
        self.add_class("-error")
        self._answer(message)

    def show_hint(self, hint: str) -> None:
        """Say what can be typed."""
        self.remove_class("-error")
        self._answer(hint)

    def on_resize(self) -> None:
        """Find anew whether the answer stands behind the input or above it."""
        self._answer(self._answered)

    def _answer(self, text: str) -> None:
        """Show a text behind the input, or above it where half the line is too short for it."""
        self._answered = text
        width = max(1, self.app.size.width - 2)
        is_long = cell_len(text) > width // 2
        self.set_class(is_long, "-long")
        shown = fit_lines(text, width, _MAX_ANSWER_LINES) if is_long else text
        self.query_one("#answer" if is_long else "#hint", Static).update(plain(shown))

    def action_cancel(self) -> None:
        """Leave the line as if it had not been opened."""
        prefix, text = self._prefix, self.text
        self.close()
        self.post_message(self.Cancelled(self, prefix, text))

    def action_older(self) -> None:
        """Show the line typed before."""
        history = self._history.get(self._prefix, [])
        at = len(history) if self._at is None else self._at
        if at > 0:
            self._recall(history, at - 1)

    def action_newer(self) -> None:
        """Show the line typed after; behind the newest one the line is empty."""
        history = self._history.get(self._prefix, [])
        if self._at is not None:
            self._recall(history, self._at + 1)

    def action_complete(self) -> None:
        """Complete as far as it is certain, and show what is possible."""
        found = list(self._completer(self.text)) if self._completer else []
        if not found:
            return
        common = _common_start(found)
        if len(common) > len(self.text):
            self._put(common)
        if len(found) > 1:
            names = [line.rpartition(" ")[2] for line in found]
            self.show_hint(listed(names, (self.app.size.width - 2) * _MAX_CANDIDATE_LINES))

    @on(Input.Changed)
    def _tell_change(self, event: Input.Changed) -> None:
        event.stop()
        if self.is_open:
            self.show_hint(self._hint)
            self.post_message(self.Changed(self, self._prefix, event.value))

    @on(Input.Submitted)
    def _tell_submit(self, event: Input.Submitted) -> None:
        event.stop()
        history = self._history.setdefault(self._prefix, [])
        if event.value and event.value not in history[-1:]:
            history.append(event.value)
            del history[:-_MAX_HISTORY]
        self._at = None
        self.post_message(self.Submitted(self, self._prefix, event.value))

    @property
    def _input(self) -> Input:
        return self.query_one("#input", Input)

    def _recall(self, history: Sequence[str], at: int) -> None:
        self._at = at if at < len(history) else None
        self._put(history[at] if at < len(history) else "")

    def _put(self, text: str) -> None:
        self._input.value = text
        self._input.cursor_position = len(text)


def fit_lines(text: str, width: int, most: int) -> str:
    """Return the text wrapped at words into at most some lines, the last one cut where it must."""
    lines = wrap_words(text, width)
    if len(lines) > most:
        lines = [*lines[: most - 1], fit(" ".join(lines[most - 1 :]), width)]
    return "\n".join(lines)


def listed(names: Sequence[str], cells: int) -> str:
    """Return as many names as fit, and how many more there are."""
    shown: list[str] = []
    used = 0
    for name in names:
        used += cell_len(name) + 2
        if used > cells - _MORE_CELLS and len(names) > 1:
            break
        shown.append(name)
    hidden = len(names) - len(shown)
    more = [f"{symbols().ellipsis} {hidden:,} more"] if hidden else []
    return "  ".join([*shown, *more])


def _common_start(lines: Sequence[str]) -> str:
    """Return what all lines begin with."""
    first, last = min(lines), max(lines)
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return first[:same]
