"""The one function that turns untrusted text into `CleanText`."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import NewType

CleanText = NewType("CleanText", str)
"""Text from the cluster that holds no control character; only this module makes one."""

MAX_LINE_CHARACTERS = 8_192
"""Longest text kept; a longer one is cut and says its true length."""

MAX_MARKS = 3
"""Combining marks kept on one character; floods of them paint over the lines around."""

_REPLACEMENT = 0xFFFD

# ECMA-48: a control string runs from its introducer to ST; xterm ends an OSC with BEL too. One
# that has no end loses its introducer only, so that nobody can hide the rest of a line with it.
_ESCAPE = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)"
    r"|[\x90\x98\x9d-\x9f][^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]"
)

_BLANK_LETTERS = frozenset({0x115F, 0x1160, 0x3164, 0xFFA0, 0x17B4, 0x17B5, 0x034F})
"""Letters and marks by their category that show nothing at all (Default_Ignorable)."""

_VARIATION_SELECTORS = frozenset({0xFE0E, 0xFE0F})
"""Dropped: they choose between the looks of one character and make its width uncertain."""


def _is_zero_width(code: int) -> bool:
    """Return whether the character is drawn onto the one before it."""
    # The vowels and final consonants of Hangul have no width behind a leading consonant.
    is_conjoining = 0x1160 <= code <= 0x11FF or 0xD7B0 <= code <= 0xD7FF
    return is_conjoining or unicodedata.category(chr(code)) in ("Mn", "Me")


@cache
def _stacking_characters() -> frozenset[str]:
    """Return what Python calls printable and is yet invisible or drawn over its neighbour."""
    drawn_over = (chr(code) for code in range(0x300, 0x20000) if _is_zero_width(code))
    selectors = map(chr, range(0xE0100, 0xE01F0))
    return frozenset({*drawn_over, *selectors, *map(chr, _BLANK_LETTERS)})


class _Visible(dict[int, int | None]):
    """Maps each character to one that is safe and visible, filled as characters are met."""

    def __missing__(self, code: int) -> int | None:
        visible = _visible(code)
        if code < 0x10000:  # Remembering every plane would hold 100 MB after a hostile log.
            self[code] = visible
        return visible


def _visible(code: int) -> int | None:
    """Return what stands for a character; None drops it."""
    if code < 0x20:
        return 0x20 if code == 0x09 else 0x2400 + code
    if code == 0x7F:
        return 0x2421
    if code in _VARIATION_SELECTORS:
        return None
    category = unicodedata.category(chr(code))
    is_noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    is_hidden = category in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") or code in _BLANK_LETTERS
    if is_hidden or is_noncharacter or 0xE0000 <= code <= 0xE0FFF:
        return _REPLACEMENT
    return code


_VISIBLE = _Visible()


def _thin_out(text: str) -> str:
    """Keep a few combining marks on each character; one sign stands for the rest of them."""
    stacking = _stacking_characters()
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if character in stacking else 0
        if marks <= MAX_MARKS:
            kept.append(character)
        elif marks == MAX_MARKS + 1:
            kept.append("\ufffd")
    return "".join(kept)


def _is_plain(text: str) -> bool:
    """Return whether the text can stay as it is."""
    if not text.isprintable():
        return False
    return text.isascii() or _stacking_characters().isdisjoint(text)


def clean(text: str | bytes, limit: int = MAX_LINE_CHARACTERS) -> CleanText:
    """Return the text without terminal escapes, with control and bidi characters made visible.

    Bytes are decoded as UTF-8; what is not UTF-8 becomes U+FFFD. A newline becomes a visible mark
    and a tab a space: a fact is one line.
    """
    note = ""
    if isinstance(text, bytes):
        if len(text) > 4 * limit:
            note = f"… [{len(text)} bytes]"
            text = text[: 4 * limit]
        text = text.decode("utf-8", "replace")
    if len(text) > limit:
        note = note or f"… [{len(text)} characters]"
        text = text[:limit]
    if not _is_plain(text):
        text = _thin_out(_ESCAPE.sub("", text).translate(_VISIBLE))
    return CleanText(text + note)


def clean_line(line: str | bytes, limit: int = MAX_LINE_CHARACTERS) -> CleanText:
    """Clean one line of output, without the line ending it came with."""
    if isinstance(line, bytes):
        return clean(line.rstrip(b"\r\n"), limit)
    return clean(line.rstrip("\r\n"), limit)
