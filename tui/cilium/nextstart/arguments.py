"""Flags on the agent container's command line; they win over every configuration source."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

_SHELLS = frozenset({"sh", "bash", "ash", "dash"})


def flags_of(arguments: Sequence[str]) -> Mapping[str, str]:
    """Return option -> value of a command line.

    `--a=b`, `--a b` and a bare `--a` (true) are read, as pflag does; of options given twice the
    last one holds. A shell's `-c` text is split into its words first.
    """
    found: dict[str, str] = {}
    words = list(_words(arguments))
    for number, word in enumerate(words):
        if not word.startswith("--") or len(word) <= 2:
            continue
        name, equals, value = word[2:].partition("=")
        if not equals:
            after = words[number + 1] if number + 1 < len(words) else "-"
            value = "true" if after.startswith("-") else after
        if name:
            found[name] = value
    return found


def _words(arguments: Sequence[str]) -> Iterator[str]:
    is_shell = bool(arguments) and arguments[0].rpartition("/")[2] in _SHELLS
    for argument in arguments:
        if not is_shell or " " not in argument.strip():
            yield argument
            continue
        try:
            yield from shlex.split(argument)
        except ValueError:
            yield from argument.split()


def list_of(arguments: Sequence[str], option: str) -> tuple[str, ...] | None:
    """Return a comma-separated option of a command line, all its repeats; None where absent."""
    found: list[str] = []
    is_there = False
    words = list(_words(arguments))
    for number, word in enumerate(words):
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name != option:
            continue
        if not equals and number + 1 < len(words):
            value = words[number + 1]
        is_there = True
        found.extend(part.strip() for part in value.split(",") if part.strip())
    return tuple(found) if is_there else None
