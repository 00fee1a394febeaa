"""Muted findings with the reasons that were typed, kept for each context beside other state.

A finding's key holds its severity: one that gets worse is another finding, and shows again.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tui.safety import CleanText, clean
from tui.screens import wording

SCHEMA = "ciltop.mutes/1"
MAX_REASON = 200
MAX_FILE_BYTES = 1_000_000
"""More is no file of ours: nothing that large is read into memory."""


@dataclass(frozen=True, slots=True)
class Mute:
    """Why a finding is out of sight, and since when."""

    reason: CleanText
    at: float


class Mutes:
    """The muted findings of every context, in memory and in one small file."""

    def __init__(self, path: Path | None = None) -> None:
        """Read the file.

        Args:
            path: `mutes.json`; None keeps them in memory only.
        """
        self._path = path
        self._by_context: dict[str, dict[str, Mute]] = {}
        self.problem = ""
        """Why the file can't be used, as a sentence to show once."""
        self._load()

    def of(self, context: str) -> Mapping[str, Mute]:
        """Return one context's muted findings by key."""
        return MappingProxyType(self._by_context.get(context, {}))

    def mute(self, context: str, key: str, reason: str, now: float) -> str:
        """Mute a finding, and return why that could not be kept or the empty text."""
        return self._change(context, key, Mute(clean(reason[:MAX_REASON]), now))

    def unmute(self, context: str, key: str) -> str:
        """Show a finding again, and return why that could not be kept or the empty text."""
        return self._change(context, key, None)

    def _change(self, context: str, key: str, mute: Mute | None) -> str:
        # Another ciltop may have written meanwhile.
        self._load()
        # A dict handed out by `of` never changes under its reader.
        muted = dict(self._by_context.get(context, {}))
        if mute is None:
            muted.pop(key, None)
        else:
            muted[key] = mute
        self._by_context[context] = muted
        return self._save()

    def _load(self) -> None:
        if self._path is None:
            return
        try:
            with self._path.open("rb") as file:
                raw = file.read(MAX_FILE_BYTES + 1)
            if len(raw) > MAX_FILE_BYTES:
                raise ValueError(f"larger than {MAX_FILE_BYTES:,} bytes")
            self._by_context = _parsed(json.loads(raw))
        except FileNotFoundError:
            return
        except (OSError, ValueError, RecursionError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            self.problem = f"{self._path} is ignored: {wording.cut(why or 'unreadable', 100)}"

    def _save(self) -> str:
        if self._path is None:
            return ""
        if self.problem:
            return f"kept until ciltop ends: {self.problem}"
        contexts = {
            context: {
                key: {"reason": str(mute.reason), "at": mute.at} for key, mute in muted.items()
            }
            for context, muted in self._by_context.items()
            if muted
        }
        text = json.dumps({"schema": SCHEMA, "contexts": contexts}, indent=1, sort_keys=True)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_private(self._path, text)
        except OSError as error:
            return f"kept until ciltop ends: {self._path}: {error.strerror or error}"
        return ""


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all: mkstemp makes it 0600."""
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".ciltop-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


def _parsed(found: object) -> dict[str, dict[str, Mute]]:
    """Return what a file says.

    Raises:
        ValueError: It has another shape; the message names the place.
    """
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise ValueError(f"not of schema {SCHEMA}")
    contexts = found.get("contexts")
    if not isinstance(contexts, dict):
        raise ValueError("contexts is no object")
    parsed: dict[str, dict[str, Mute]] = {}
    for context, muted in contexts.items():
        if not isinstance(muted, dict):
            raise ValueError(f"context {context} is no object")
        parsed[context] = {key: _mute(key, value) for key, value in muted.items()}
    return parsed


def _mute(key: str, value: object) -> Mute:
    if not isinstance(value, dict):
        raise ValueError(f"{key} is no object")
    reason, at = value.get("reason"), value.get("at")
    if not isinstance(reason, str) or isinstance(at, bool) or not isinstance(at, int | float):
        raise ValueError(f"{key} lacks reason or at")
    return Mute(clean(reason[:MAX_REASON]), float(at))
