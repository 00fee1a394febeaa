"""How filters and commands are typed: the line opens, checks what is typed, and closes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tui.screens.commands import CommandError, ParsedCommand, parse_command
from tui.screens.panel import Panel
from widgets.command_line import CommandLine
from widgets.filters import FilterError, compile_filter

FILTER_HINT = "text  !text  re:…  field:value"


@dataclass(slots=True)
class TypingLine:
    """Ties a command line to the panel that is filtered and to what runs a command."""

    line: CommandLine
    run: Callable[[ParsedCommand], str]
    """Runs a command and returns what is wrong with it, or the empty text."""
    complete: Callable[[str], Sequence[str]]
    _filters: dict[str, str] = field(default_factory=dict)
    """What each panel is filtered by, as typed, by panel key."""
    _target: Panel | None = None

    def filter_of(self, panel: Panel) -> str:
        """Return what a panel is filtered by."""
        return self._filters.get(panel.key, "")

    def open_filter(self, panel: Panel) -> None:
        """Let the person type a panel's filter; it takes effect while it is typed."""
        self._target = panel
        self.line.open("/", self.filter_of(panel), hint=FILTER_HINT)

    def open_command(self, text: str = "") -> None:
        """Let the person type a command, or finish one that is begun."""
        hint = "" if text else "svc node findings timeline filter sort help quit"
        self.line.open(":", text, hint=hint, completer=self.complete)

    def typed(self, prefix: str, text: str) -> None:
        """Follow what is typed."""
        if prefix == "/" and self._target is not None:
            self._try_filter(self._target, text)

    def submitted(self, prefix: str, text: str) -> bool:
        """Take the finished line, and return whether it is closed."""
        if prefix == "/":
            problem = "" if self._target is None else self.filter(self._target, text)
        elif not text.strip():
            problem = ""
        else:
            command = parse_command(text)
            problem = command.message if isinstance(command, CommandError) else self.run(command)
        if problem:
            self.line.show_error(problem)
            return False
        self.line.close()
        return True

    def cancelled(self, prefix: str) -> None:
        """Give the panel the filter back that it had before."""
        if prefix == "/" and self._target is not None:
            self._try_filter(self._target, self.filter_of(self._target))

    def filter(self, panel: Panel, text: str) -> str:
        """Filter a panel, and return what is wrong with the filter or the empty text."""
        problem = self._try_filter(panel, text)
        if not problem:
            self._filters[panel.key] = text.strip()
        return problem

    def _try_filter(self, panel: Panel, text: str) -> str:
        compiled = compile_filter(text, panel.filter_fields)
        if isinstance(compiled, FilterError):
            self.line.show_error(compiled.message)
            return compiled.message
        panel.set_filter(compiled)
        return ""
