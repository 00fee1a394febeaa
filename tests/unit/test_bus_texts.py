"""Text of a document: what is plain at first sight, and what has to be looked at."""

from __future__ import annotations

import json

import pytest

from tui.bus.wire.texts import looks_plain, unclean

PLAIN = (
    "a backslash and a bracket: \\[",
    "two of them: \\\\[",
    'quoted: "a"',
    'a backslash before a quote: \\"',
    "what only looks like an escape: \\n \\u0041",
    "a/b",
    "gr\u00fc\u00df",
)
TELLING = ("a\nb", "\\\nb", "\\\\\nb", "\t", "\\\t", "\x1b[31m", "\\\x1b", "\u202e", "\x7f")


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_plain_takes_the_quick_way(text: str) -> None:
    assert looks_plain(json.dumps({"a": text}, ensure_ascii=False).encode())


@pytest.mark.parametrize("text", TELLING)
def test_what_is_not_clean_never_looks_plain(text: str) -> None:
    for document in (
        json.dumps({"a": text}).encode(),
        json.dumps({"a": text}, ensure_ascii=False).encode(),
        json.dumps({text: 1}).encode(),
    ):
        assert not looks_plain(document)
        assert unclean(document) == text


def test_a_backslash_and_its_pair_are_not_torn_apart() -> None:
    for count in range(1, 9):
        text = "\\" * count + "\n"
        assert not looks_plain(json.dumps(text).encode()), f"{count} backslashes and a line feed"
        assert looks_plain(json.dumps("\\" * count + "[").encode()), f"{count} and a bracket"
