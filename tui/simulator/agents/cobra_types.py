"""What a command of the CLI and its flags are made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of a command."""

    name: str
    usage: str
    short: str = ""
    value: str = ""
    """The type's word for flags that take a value."""
    since: int = 11


@dataclass(frozen=True, slots=True)
class Command:
    """One command that does something."""

    path: tuple[str, ...]
    summary: str
    flags: tuple[Flag, ...] = ()
    arguments: str = ""
    alias: str = ""
    example: str = ""
    since: int = 11
    until: int = 99
