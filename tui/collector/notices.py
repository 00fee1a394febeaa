"""What a collector says on standard error: one line for each change of state."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime


class Notices:
    """Lines with their time; nothing is said twice in a row about the same."""

    def __init__(self, is_quiet: bool, write: Callable[[str], object] | None = None) -> None:
        self._is_quiet = is_quiet
        self._write = write or _write_error
        self._said: dict[str, str] = {}

    def say(self, about: str, text: str) -> None:
        """Say something, unless it was the last that was said about the same.

        An empty text says nothing, and lets the one before it be said again.
        """
        if self._is_quiet or self._said.get(about, "") == text:
            return
        self._said[about] = text
        if not text:
            return
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._write(f"{now} {text}\n")


def _write_error(text: str) -> None:
    # Whoever read it may be gone: no reason to collect no more.
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()
