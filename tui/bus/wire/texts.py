"""Tell whether all text of a JSON document is what `safety.clean` would leave of it.

A collector cleans what it reads; whoever else may write to the broker may not.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tui.safety import clean

_ASCII = bytes(range(0x80))

_TELLING_ESCAPE = re.compile(rb'\\[^"\\/]')
"""An escape that stands for another character than itself."""


def looks_plain(document: bytes) -> bool:
    """Return whether all text is plain; False may be wrong, True never is.

    Control characters can't stand in JSON but as escapes, DEL excepted.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    if b"\\" in document:
        # An escaped backslash escapes nothing: `\\[` is a backslash and a bracket.
        document = document.replace(b"\\\\", b"")
        if _TELLING_ESCAPE.search(document):
            return False
    if document.isascii():
        return b"\x7f" not in document
    # Without ASCII a few characters are left; a broken sequence can't become a whole one, as it is
    # either followed by a first byte or begins with a later one.
    rest = document.translate(None, _ASCII).decode()
    return b"\x7f" not in document and clean(rest, len(rest)) == rest


def unclean(document: bytes) -> str | None:
    """Return the first text of a document that is not clean; None where all are.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError: it is no JSON.
    """
    if looks_plain(document):
        return None
    waiting: list[Any] = [msgspec.json.decode(document)]
    while waiting:
        match waiting.pop():
            case str() as text if clean(text, len(text)) != text:
                return text
            case list() as items:
                waiting.extend(items)
            case dict() as items:
                waiting.extend(items)
                waiting.extend(items.values())
    return None


def cleaned(value: Any) -> Any:
    """Return a value of plain Python types with all its text clean."""
    match value:
        case str():
            return clean(value)
        case list() | tuple():
            return [cleaned(item) for item in value]
        case dict():
            return {cleaned(key): cleaned(item) for key, item in value.items()}
        case _:
            return value
