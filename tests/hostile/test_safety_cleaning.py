"""Whatever comes in, `clean` lets nothing out that a terminal would obey or that hides itself."""

from __future__ import annotations

import unicodedata
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile.payloads import PAYLOADS, hostile_texts
from tui.safety import clean, clean_line
from tui.safety.cleaning import MAX_LINE_CHARACTERS, MAX_MARKS

FORBIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def assert_harmless(text: str) -> None:
    bad = [hex(ord(c)) for c in text if unicodedata.category(c) in FORBIDDEN]
    assert not bad
    text.encode("utf-8")  # a lone surrogate would raise


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
def test_no_payload_survives(payload: str) -> None:
    assert_harmless(clean(f"before {payload} after"))


@given(hostile_texts())
@settings(max_examples=300, deadline=None)
def test_no_text_survives(text: str) -> None:
    cleaned = clean(text)
    assert_harmless(cleaned)
    assert clean(cleaned) == cleaned


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_bytes_survive(raw: bytes) -> None:
    assert_harmless(clean(raw))
    assert_harmless(clean_line(raw + b"\r\n"))


@pytest.mark.parametrize(
    ("dirty", "cleaned"),
    [
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://e\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0;2\x1b\\z", "z"),
        ("\x9b31mx", "x"),
        ("\x9d52;c;Zm9v\x9cz", "z"),
        ("\x1b(0x", "x"),
        ("tab\there\n", "tab here␊"),
        ("\x00\x07\x7f", "␀␇␡"),
        ("\u202eevil\u2069", "�evil�"),
        ("\ufeffbom", "�bom"),
        ("\ud800", "�"),
        ("⚠\ufe0f", "⚠"),
        ("naïve 日本 node-3", "naïve 日本 node-3"),
        ("[/x] map[a:b] [@click=app.quit]", "[/x] map[a:b] [@click=app.quit]"),
    ],
)
def test_what_stays(dirty: str, cleaned: str) -> None:
    assert clean(dirty) == cleaned


def test_an_escape_without_end_does_not_hide_the_line() -> None:
    assert clean("\x1b]0;hidden error: map is full") == "0;hidden error: map is full"
    assert "map is full" in clean("\x90 map is full")


def test_a_flood_of_marks_is_thinned_out() -> None:
    assert clean("e" + "\u0301" * 500 + "x") == "e" + "\u0301" * MAX_MARKS + "�x"


def test_a_long_text_is_cut_and_says_its_length() -> None:
    cleaned = clean("x" * 20_000)
    assert cleaned.startswith("x" * MAX_LINE_CHARACTERS)
    assert cleaned.endswith("… [20000 characters]")
    assert clean(b"y" * 1_000_000).endswith("… [1000000 bytes]")


@pytest.mark.parametrize(
    "unit", ["\x90", "\x1b]", "\x9b", "\x1b[0", "\x1b ", "\u0301", "\x1bP", "\x1b[0\x1b]"]
)
def test_hostile_input_costs_linear_time(unit: str) -> None:
    def seconds(limit: int) -> float:
        started = process_time()
        clean(unit * limit, limit)
        return process_time() - started

    # Quadratic time would need thousands of times as long for 100 times the length.
    assert seconds(400_000) < 500 * max(seconds(4_000), 0.002)
