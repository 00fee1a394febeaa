"""The line of a dialog in which a name must be typed, exactly."""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Static

from tui.screens import wording
from widgets.command_line import NO_CONTROLS
from widgets.text import plain


class TypedName(Horizontal):
    """A prompt and an input; nothing is completed, the name must be typed."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._prompt = Static(id="typed-prompt", markup=False)
        self.input = Input(id="typed-input", restrict=NO_CONTROLS, compact=True)

    def compose(self) -> Iterable[Widget]:
        """Yield prompt and input."""
        yield self._prompt
        yield self.input

    def ask(self, name: str, why: str) -> None:
        """Say what must be typed."""
        self._prompt.update(plain(f"type {wording.cut(name, 60)} {why}"))

    @property
    def text(self) -> str:
        """What was typed."""
        return self.input.value
