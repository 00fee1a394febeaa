"""Passwords: carried through the program, shown nowhere."""

from __future__ import annotations

from dataclasses import dataclass

HIDDEN = "set, not shown"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text that no log, traceback or print shows; only `reveal` gives it out."""

    _text: str

    def reveal(self) -> str:
        """Return the text, for the one place that sends it."""
        return self._text

    def __repr__(self) -> str:
        return f"<{HIDDEN}>"

    def __str__(self) -> str:
        return HIDDEN
