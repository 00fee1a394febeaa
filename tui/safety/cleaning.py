"""The one function that turns untrusted text into `CleanText`."""

from __future__ import annotations

import re
from typing import NewType

CleanText = NewType("CleanText", str)
"""Text from the cluster that holds no control character; only this module makes one."""

MAX_LINE_CHARACTERS = 8_192
"""Longest text kept; a longer one is cut and says its true length."""

_ESCAPE = re.compile(
    r"\x1b(?:\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?"
    r"|\[[0-?]*[ -/]*[@-~]?|[ -/]*[0-~])"
    r"|\x9b[0-?]*[ -/]*[@-~]?|[\x90\x98\x9d-\x9f][^\x1b\x9c\x07]*(?:\x1b\\|\x9c|\x07)?"
)
_VISIBLE = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    0x7F: "\u2421",
    **{code: "\ufffd" for code in range(0x80, 0xA0)},
    **{code: "\ufffd" for code in range(0xD800, 0xE000)},
    **dict.fromkeys(
        [0x061C, 0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xFEFF],
        "\ufffd",
    ),
    0xFFFE: "\ufffd",
    0xFFFF: "\ufffd",
}
_NEEDS_WORK = re.compile("[" + "".join(re.escape(chr(code)) for code in _VISIBLE) + "]")


def clean(text: str | bytes, limit: int = MAX_LINE_CHARACTERS) -> CleanText:
    """Return the text without terminal escapes, with control and bidi characters made visible.

    Bytes are decoded as UTF-8; what is not UTF-8 becomes U+FFFD. Newlines and tabs become a
    visible mark too: a fact is one line.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    true_length = len(text)
    if true_length > limit:
        text = text[:limit]
    if _NEEDS_WORK.search(text):
        text = _ESCAPE.sub("", text).replace("\t", " ").translate(_VISIBLE)
    if true_length > limit:
        text = f"{text}… [{true_length} characters]"
    return CleanText(text)


def clean_line(line: str | bytes, limit: int = MAX_LINE_CHARACTERS) -> CleanText:
    """Clean one line of output, without the line ending it came with."""
    if isinstance(line, bytes):
        return clean(line.rstrip(b"\r\n"), limit)
    return clean(line.rstrip("\r\n"), limit)
