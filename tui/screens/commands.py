"""The `:` commands: their names, what they take, and how a typed line is understood."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the `:` line."""

    name: str
    argument: str
    """What it takes, as help shows it; empty where it takes nothing."""
    description: str
    aliases: tuple[str, ...] = ()
    is_argument_needed: bool = True


COMMANDS: tuple[Command, ...] = (
    Command("svc", "NAME|IP[:PORT]", "Show one Service on every node.", ("service",)),
    Command("node", "NAME", "Go to a node.", ("no",)),
    Command("filter", "TEXT", "Filter the focused panel.", is_argument_needed=False),
    Command("sort", "COLUMN", "Sort the focused panel by a column.", is_argument_needed=False),
    Command("findings", "FILTER", "Show the cluster's findings.", is_argument_needed=False),
    Command("timeline", "FILTER", "Show what changed when.", ("tl",), is_argument_needed=False),
    Command(
        "cluster",
        "NAME",
        "Show another cluster of the broker; without a name, all of them.",
        is_argument_needed=False,
    ),
    Command("mute", "REASON", "Mute the finding under the cursor; m shows it again."),
    Command("count", "MAP", "Count a map of the chosen node in the kernel now."),
    Command(
        "arm",
        "CONTEXT",
        "Let this session write; asks for the context's name.",
        is_argument_needed=False,
    ),
    Command("disarm", "", "Let this session write no more."),
    Command(
        "op",
        "ID",
        "Show the running or newest operation, or this one.",
        ("operation",),
        is_argument_needed=False,
    ),
    Command(
        "audit", "FILTER", "Show what was armed, written and verified.", is_argument_needed=False
    ),
    Command("gaps", "", "Show what could not be read, and why."),
    Command("theme", "NAME", "Use another theme."),
    Command("help", "", "Show all keys and commands.", ("h",)),
    Command("quit", "", "Leave ciltop.", ("q", "q!", "exit")),
)
"""All commands, as help lists them."""

_BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}


@dataclass(frozen=True, slots=True)
class ParsedCommand:
    """A command with its argument, as typed."""

    name: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class CommandError:
    """Why a typed line is no command, as a sentence to show."""

    message: str


def parse_command(line: str) -> ParsedCommand | CommandError:
    """Return the command a line means; a unique start of a name is enough."""
    name, _, argument = line.strip().lstrip(":").strip().partition(" ")
    argument = argument.strip()
    if not name:
        return CommandError("type a command, such as svc NAME, node NAME or help")
    command = _BY_NAME.get(name)
    if command is None:
        starts = {known.name: known for word, known in _BY_NAME.items() if word.startswith(name)}
        if len(starts) != 1:
            names = ", ".join(sorted(starts)) if starts else ", ".join(c.name for c in COMMANDS)
            word = "several commands start with" if starts else "unknown command"
            return CommandError(f"{word} {name}: {names}")
        command = next(iter(starts.values()))
    if command.argument and command.is_argument_needed and not argument:
        return CommandError(f":{command.name} needs {command.argument}")
    if not command.argument and argument:
        return CommandError(f":{command.name} takes nothing")
    return ParsedCommand(command.name, argument)


@dataclass(frozen=True, slots=True)
class Completions:
    """Where the arguments of commands come from, by command name."""

    sources: Mapping[str, Callable[[], Sequence[str]]] = field(default_factory=dict)

    def complete(self, line: str, limit: int = 12) -> list[str]:
        """Return whole lines that continue what was typed, best first."""
        name, space, argument = line.lstrip(":").partition(" ")
        if not space:
            return [command.name for command in COMMANDS if command.name.startswith(name)][:limit]
        known = _BY_NAME.get(name)
        source = None if known is None else self.sources.get(known.name)
        if known is None or source is None:
            return []
        wanted = argument.strip().casefold()
        candidates = source()
        starts = [text for text in candidates if text.casefold().startswith(wanted)]
        inside = [
            text
            for text in candidates
            if wanted in text.casefold() and not text.casefold().startswith(wanted)
        ]
        return [f"{known.name} {text}" for text in (*starts, *inside)[:limit]]
