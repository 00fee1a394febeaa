"""Texts that attack a terminal, Textual's markup or the layout, and a strategy to mix them."""

from __future__ import annotations

from hypothesis import strategies as st

MARKER = "ATTACK"
"""Stands in every control string, so that its arrival in the output can be seen."""

PAYLOADS = (
    f"\x1b]0;{MARKER}\x07",
    f"\x1b]2;{MARKER}\x1b\\",
    f"\x1b]8;;http://{MARKER}\x1b\\link\x1b]8;;\x1b\\",
    f"\x1b]52;c;{MARKER}\x1b\\",
    f"\x1b]52;c;{MARKER}\x07",
    f"\x1bP1$r{MARKER}\x1b\\",
    f"\x1b_{MARKER}\x1b\\",
    f"\x1b^{MARKER}\x1b\\",
    f"\x1bX{MARKER}\x1b\\",
    f"\x9d0;{MARKER}\x9c",
    f"\x90{MARKER}\x9c",
    "\x1b[2J\x1b[H",
    "\x9b2J",
    "\x1b[?1049l",
    "\x1b[6n",
    "\x1b[c",
    "\x1bc",
    "\x1b",
    "\x1b[",
    "\x1b]",
    "\x1b]0;",
    "\x1b[31",
    "\x0e\x0f",
    "\x07\x08\x7f\x00",
    "\r\n\t\v\f",
    "\x84\x85\x8d\x98\x9c",
    "\u202e\u2066\u2069\u200f\u061c",
    "\u200b\u200c\u200d\u2060\ufeff\u00ad",
    "\u2028\u2029",
    "\ud800",
    "\udfff",
    "\ufffe\uffff\ufdd0",
    "\U000e0041\U000e007f\U000e0100",
    "\ue000\U0010fffd",
    "\u3164\uffa0\u115f\u1160\u034f",
    "e" + "\u0301" * 40,
    "\u0301\u20dd\u0489",
    "日本語テキスト",
    "👩\u200d👩\u200d👧 👍🏽 🇩🇪 ⚠\ufe0f",
    "[/x]",
    "[/]",
    "[@click=app.quit]press[/]",
    "[@click=app.bell()]",
    "map[a:b]",
    "[red]red[/red]",
    "[link=file:///etc/passwd]x[/link]",
    "\\[x] [b",
    "$accent {x} %s",
)


def hostile_texts(max_size: int = 12) -> st.SearchStrategy[str]:
    """Mix payloads with arbitrary characters, surrogates included."""
    anything = st.text(
        st.characters(codec=None, exclude_categories=()),  # every code point, surrogates too
        max_size=6,
    )
    pieces = st.one_of(st.sampled_from(PAYLOADS), anything)
    return st.lists(pieces, max_size=max_size).map("".join)
