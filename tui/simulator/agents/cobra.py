"""The CLI's command line: how words become a command and flags, and its usage texts.

Behaviour of spf13/cobra as Cilium uses it: an unknown flag prints the usage on stdout and exits 1,
an unknown subcommand prints the help of its parent and exits 0, an unknown command exits 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tui.simulator.agents.cobra_groups import GROUPS
from tui.simulator.agents.cobra_table import COMMANDS, HELP
from tui.simulator.agents.cobra_types import Command, Flag
from tui.simulator.agents.releases import AgentRelease


@dataclass(frozen=True, slots=True)
class Parsed:
    """A command line that can be run."""

    command: Command
    options: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """Tell whether a flag was given."""
        return name in self.options

    @property
    def is_json(self) -> bool:
        """Whether `-o json` was given."""
        return self.options.get("output") == "json"


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command line prints that is not run."""

    stdout: str
    stderr: str = ""
    exit_code: int = 0


_ROOT_SUMMARY = "CLI for interacting with the local Cilium Agent"


class CommandLine:
    """The command line of one release."""

    def __init__(self, release: AgentRelease) -> None:
        self.release = release

    def parse(self, words: list[str]) -> Parsed | Printed:
        """Find the command and its flags, or what is printed instead."""
        command, rest = self._find(words)
        if command is None:
            return self._lost(words)
        return self._flags(command, rest)

    def usage(self, command: Command) -> str:
        """Return a command's usage, as it is printed after an error."""
        arguments = f" {command.arguments}" if command.arguments else ""
        text = f"Usage:\n  {self._full(command.path)}{arguments} [flags]\n"
        if command.alias:
            text += f"\nAliases:\n  {command.alias}\n"
        if command.example:
            text += f"\nExamples:\n{command.example}\n"
        below = self._subcommands(" ".join(command.path))
        if below:
            text += f"  {self._full(command.path)} [command]\n{self._listed(below)}"
        text += self._flag_texts(self._known(command), command.path[-1])
        return text + (self._more(self._full(command.path)) if below else "")

    def help(self, command: Command) -> str:
        """Return a command's help."""
        return f"{command.summary}\n\n{self.usage(command)}"

    def _find(self, words: list[str]) -> tuple[Command | None, list[str]]:
        names = self._names(words)
        fitting = [
            command
            for command in COMMANDS
            if names[: len(command.path)] == list(command.path)
            and command.since <= self.release.minor <= command.until
        ]
        if not fitting:
            return None, words
        command = max(fitting, key=lambda found: len(found.path))
        rest, left = [], list(command.path)
        for word in words:
            name = "list" if word == "ls" else word
            if left and name == left[0]:
                left.pop(0)
            else:
                rest.append(word)
        return command, rest

    def _names(self, words: list[str]) -> list[str]:
        names = [word for word in words if not word.startswith("-")]
        return ["list" if name == "ls" else name for name in names]

    def _lost(self, words: list[str]) -> Printed:
        names = self._names(words)
        if not names:
            return Printed(self._group_help(()))
        if names[0] not in self._subcommands(""):
            text = f'unknown command "{names[0]}" for "{self.release.binary}"'
            # cobra adds `help` after it has looked for names that are close.
            known = [name for name in self._subcommands("") if name != "help"]
            close = [name for name in known if _is_close(names[0], name)]
            if close:
                listed = "".join(f"\t{name}\n" for name in close)
                text += f"\n\nDid you mean this?\n{listed}"
            hint = f"Run '{self.release.binary} --help' for usage.\n"
            return Printed(f"{text}\n", f"Error: {text}\n{hint}", 1)
        path: list[str] = []
        for name in names:
            if name not in self._subcommands(" ".join(path)):
                break
            path.append(name)
        if " ".join(path) not in GROUPS[self.release.minor]:
            full = self._full(tuple(path))
            return Printed("", f"Error: the simulated agent does not answer `{full}`\n", 1)
        for word in words:
            if word.startswith("-") and word not in {"-h", "--help", "-D", "--debug"}:
                return self._unknown_flag(word, self._group_usage(tuple(path)))
        return Printed(self._group_help(tuple(path)))

    def _flags(self, command: Command, rest: list[str]) -> Parsed | Printed:
        known = {flag.name: flag for flag in self._known(command)}
        shorts = {flag.short: flag for flag in known.values() if flag.short}
        known |= {flag.name: flag for flag in self._globals()}
        shorts |= {flag.short: flag for flag in self._globals() if flag.short}
        options: dict[str, str] = {}
        arguments: list[str] = []
        waiting = list(rest)
        while waiting:
            word = waiting.pop(0)
            if not word.startswith("-") or word == "-":
                arguments.append(word)
                continue
            name, equals, value = word.lstrip("-").partition("=")
            if not word.startswith("--"):
                flag, value = shorts.get(word[1]), word[2:].removeprefix("=") or value
            else:
                flag = known.get(name)
            if flag is None:
                return self._unknown_flag(word, self.usage(command))
            if flag.value and not value and not equals:
                if not waiting:
                    return self._failed(f"flag needs an argument: {word}", self.usage(command))
                value = waiting.pop(0)
            options[flag.name] = value
        if "help" in options:
            return Printed(self.help(command))
        return Parsed(command, options, tuple(arguments))

    def _unknown_flag(self, word: str, usage: str) -> Printed:
        text = f"unknown flag: {word.partition('=')[0]}"
        if not word.startswith("--"):
            text = f"unknown shorthand flag: '{word[1]}' in {word}"
        return self._failed(text, usage)

    def _failed(self, text: str, usage: str) -> Printed:
        return Printed(f"{usage}\n{text}\n", f"Error: {text}\n", 1)

    def _known(self, command: Command) -> list[Flag]:
        flags = [flag for flag in command.flags if flag.since <= self.release.minor]
        return sorted([*flags, HELP], key=lambda flag: flag.name)

    def _globals(self) -> list[Flag]:
        config = "config file" if self.release.minor < 14 else "Config file"
        flags = [
            Flag("config", f"{config} (default is $HOME/.cilium.yaml)", value="string"),
            Flag("debug", "Enable debug messages", "D"),
            Flag("host", "URI to server-side API", "H", "string"),
        ]
        if self.release.minor >= 18:
            flags += [
                Flag(
                    "log-driver",
                    "Logging endpoints to use (example: syslog)",
                    value="strings",
                ),
                Flag("log-opt", "Log driver options (example: format=json)", value="map"),
            ]
        return flags

    def _full(self, path: tuple[str, ...]) -> str:
        return " ".join([self.release.binary, *path])

    def _subcommands(self, path: str) -> dict[str, str]:
        return dict(GROUPS[self.release.minor].get(path, ()))

    def _group_help(self, path: tuple[str, ...]) -> str:
        parent = " ".join(path[:-1])
        summary = self._subcommands(parent).get(path[-1], "") if path else _ROOT_SUMMARY
        return f"{summary}\n\n{self._group_usage(path)}"

    def _group_usage(self, path: tuple[str, ...]) -> str:
        full = self._full(path)
        # A hidden command of twelve letters widens this column in 1.11.
        width = 12 if self.release.minor == 11 and path == ("bpf",) else 11
        listed = self._listed(self._subcommands(" ".join(path)), width)
        text = f"Usage:\n  {full} [command]\n{listed}"
        if path:
            text += self._flag_texts([HELP], path[-1])
        else:
            flags = sorted([*self._globals(), HELP], key=lambda flag: flag.name)
            text += f"\nFlags:\n{self._flag_lines(flags, self.release.binary)}"
        return text + self._more(full)

    def _listed(self, rows: dict[str, str], least: int = 11) -> str:
        width = max([least, *map(len, rows)])
        lines = "".join(f"  {name.ljust(width)} {text}\n" for name, text in rows.items())
        return f"\nAvailable Commands:\n{lines}"

    def _more(self, full: str) -> str:
        return f'\nUse "{full} [command] --help" for more information about a command.\n'

    def _flag_texts(self, own: list[Flag], name: str) -> str:
        return (
            f"\nFlags:\n{self._flag_lines(own, name)}"
            f"\nGlobal Flags:\n{self._flag_lines(self._globals(), name)}"
        )

    def _flag_lines(self, flags: list[Flag], name: str) -> str:
        heads = []
        for flag in flags:
            short = f"  -{flag.short}, " if flag.short else "      "
            heads.append(f"{short}--{flag.name}{' ' + flag.value if flag.value else ''}")
        width = max(map(len, heads)) + 3
        formats = "json| jsonpath='{}'" if self.release.minor < 14 else "json| yaml| jsonpath='{}'"
        words = {"@output": formats, "@help": f"help for {name}"}
        return "".join(
            f"{head.ljust(width)}{words.get(flag.usage, flag.usage)}\n"
            for head, flag in zip(heads, flags, strict=True)
        )


def _is_close(typed: str, name: str) -> bool:
    """Tell whether cobra suggests a command: two edits away at most, or begun like it."""
    distances = list(range(len(name) + 1))
    for row, char in enumerate(typed, 1):
        before, distances[0] = distances[0], row
        for column, other in enumerate(name, 1):
            cost = before + (char != other)
            before = distances[column]
            distances[column] = min(cost, before + 1, distances[column - 1] + 1)
    return distances[-1] <= 2 or name.startswith(typed)
