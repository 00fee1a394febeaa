"""Texts, bars and symbols take exactly the cells they should."""

from __future__ import annotations

import re
from dataclasses import replace
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.safety import clean
from widgets.bars import bar, sparkline
from widgets.log_layout import LogLayout, row_height, row_line, text_spans
from widgets.log_rows import LogRow
from widgets.symbols import ASCII, UNICODE, choose_symbols, symbols, use_symbols
from widgets.text import (
    elide_middle,
    fit,
    fit_spans,
    span_cells,
    wrap,
    wrap_spans,
    wrap_spans_words,
    wrap_words,
)
from widgets.tones import TONE_CSS, Span, context_tone

TEXTS = st.one_of(
    st.text(max_size=30).map(clean),
    st.text("ab 日本é\u0301👩", max_size=30).map(clean),
)


@given(TEXTS, st.integers(0, 40), st.sampled_from(["left", "right"]))
@settings(max_examples=300, deadline=None)
def test_fit_takes_exactly_the_width(text: str, width: int, align: str) -> None:
    assert cell_len(fit(text, width, "right" if align == "right" else "left")) == width


@given(st.lists(TEXTS, max_size=4), st.integers(0, 40))
@settings(max_examples=300, deadline=None)
def test_fit_spans_takes_exactly_the_width(texts: list[str], width: int) -> None:
    assert span_cells(fit_spans(map(Span, texts), width)) == width


@given(TEXTS, st.integers(2, 20))
@settings(max_examples=300, deadline=None)
def test_wrapping_loses_nothing(text: str, width: int) -> None:
    for lines in (wrap(text, width), wrap_words(text, width)):
        assert all(cell_len(line) <= width for line in lines)
    assert "".join(wrap_words(text, width)).replace(" ", "") == text.replace(" ", "")
    wrapped = wrap_spans([Span(text)], width)
    assert all(span_cells(line) <= width for line in wrapped)
    assert "".join(span.text for line in wrapped for span in line) == text
    halves = [Span(text[: len(text) // 2]), Span(text[len(text) // 2 :])]
    words = wrap_spans_words(halves, width)
    assert ["".join(span.text for span in line) for line in words] == wrap_words(text, width)


def test_words_stay_whole_where_they_fit() -> None:
    text = "Unable to update element: the map is full, please consider resizing it"
    assert wrap_words(text, 24) == [
        "Unable to update",
        "element: the map is",
        "full, please consider",
        "resizing it",
    ]
    assert wrap_words("a 0123456789", 6) == ["a", "012345", "6789"]
    assert wrap_words("日本 日本語", 5) == ["日本", "日本", "語"]


@pytest.mark.parametrize(
    "text", ["x" * 200_000, "日" * 100_000, "é " * 100_000, "日本語 " * 50_000]
)
def test_wrapping_takes_linear_time(text: str) -> None:
    started = process_time()
    assert len(wrap_spans([Span(text)], 40)) > 1_000
    assert len(wrap_words(text, 40)) > 1_000
    # What cuts the rest anew for each line needs minutes.
    assert process_time() - started < 3


@given(TEXTS, st.integers(0, 40))
@settings(max_examples=300, deadline=None)
def test_eliding_fits_and_keeps_both_ends(text: str, width: int) -> None:
    elided = elide_middle(text, width)
    assert cell_len(elided) <= width
    if cell_len(text) <= width:
        assert elided == text


def test_the_end_of_a_long_log_line_stays_in_sight() -> None:
    cause = "the map is full, please consider resizing it"
    message = f"Error while inserting service in LB map: Unable to update element: {cause}"
    row = LogRow(1, "13:28:38", "node-3", "ERROR", 40, message, "×11 in 1 s", "k8sSvcName=load-3")
    line = "".join(span.text for span in row_line(row, 0, LogLayout(100)))
    assert "ERROR ×11  Error while" in line
    assert cause in line
    assert "k8sSvcName" not in line
    wide = "".join(span.text for span in row_line(row, 0, LogLayout(170)))
    assert f"{message}  k8s" in wide
    assert wide.endswith("…") or "load-3" in wide
    longer = replace(row, message=f"{message} with the flag that says how large every map is")
    both = "".join(span.text for span in row_line(longer, 0, LogLayout(100)))
    assert "ERROR ×11  Error while insert… the map is full, please consider resizing" in both
    scrolled = LogLayout(100, offset=16)
    assert "…" in "".join(span.text for span in row_line(row, 0, scrolled))


@given(st.lists(TEXTS, min_size=7, max_size=7), st.integers(1, 100), st.booleans())
@settings(max_examples=200, deadline=None)
def test_log_lines_are_as_wide_and_as_many_as_said(
    texts: list[str], width: int, is_wrapped: bool
) -> None:
    time, node, level, message, count, details, tag = texts
    row = LogRow(1, time, node, level, 30, message, count, details, tag)
    layout = LogLayout(width, is_wrapped=is_wrapped)
    height = row_height(row, layout)
    for line in range(height):
        assert span_cells(row_line(row, line, layout)) == width
    if is_wrapped:
        assert height == len(wrap_spans_words(text_spans(row), layout.text_cells))


def test_what_is_cut_ends_in_an_ellipsis() -> None:
    assert fit("backends_v2", 8) == "backend…"
    assert fit_spans([Span("ab"), Span("cdef")], 4) == [Span("ab"), Span("c…")]
    assert fit("ab", 4, "right") == "  ab"


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (0.0, "          "),
        (0.0001, "▏         "),
        (0.5, "█████     "),
        (0.999, "█████████▉"),
        (1.0, "██████████"),
        (1.7, "██████████"),
        (None, "?         "),
        (float("nan"), "?         "),
    ],
)
def test_bar(ratio: float | None, expected: str) -> None:
    assert bar(ratio, 10, UNICODE) == expected


def test_bar_in_ascii() -> None:
    assert bar(0.5, 10, ASCII) == "#####     "
    assert bar(0.01, 4, ASCII) == "#   "
    assert bar(0.5, 0) == ""


def test_sparkline_keeps_peaks_and_gaps() -> None:
    assert sparkline([0.0, None, 1.0], 5, UNICODE) == "  ▁ █"
    assert sparkline([0.0] * 59 + [1.0] + [0.0] * 60, 4, UNICODE) == "▁█▁▁"
    assert sparkline([], 3, UNICODE) == "   "
    assert sparkline([None] * 9, 3, UNICODE) == "   "


@given(st.lists(st.one_of(st.none(), st.floats(0, 2)), max_size=200), st.integers(0, 30))
@settings(max_examples=200, deadline=None)
def test_sparkline_takes_exactly_the_width(ratios: list[float | None], width: int) -> None:
    assert len(sparkline(ratios, width)) == width


@pytest.mark.parametrize("table", [UNICODE, ASCII])
def test_symbols_are_one_cell(table: object) -> None:
    for name in UNICODE.__slots__:
        text = getattr(table, name)
        assert all(cell_len(character) == 1 for character in text)
        assert name.endswith("_parts") or len(text) == 1
        assert table is UNICODE or text.isascii()


@pytest.mark.parametrize(
    ("encoding", "term", "expected"),
    [
        ("utf-8", "xterm-256color", UNICODE),
        ("UTF8", "", UNICODE),
        ("ascii", "xterm", ASCII),
        ("iso-8859-1", "xterm", ASCII),
        ("utf-8", "dumb", ASCII),
        ("utf-8", "vt100", ASCII),
        (None, "xterm", ASCII),
    ],
)
def test_symbols_follow_the_terminal(encoding: str | None, term: str, expected: object) -> None:
    assert choose_symbols(encoding, {"TERM": term}) is expected


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ({}, UNICODE),
        ({"LANG": "de_DE.UTF-8"}, UNICODE),
        ({"LANG": "en_US.utf8"}, UNICODE),
        ({"LANG": "C.UTF-8"}, UNICODE),
        ({"LC_CTYPE": "C.UTF-8"}, UNICODE),
        ({"LANG": "C"}, ASCII),
        ({"LANG": "POSIX"}, ASCII),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, ASCII),
        ({"LANG": "de_DE.ISO-8859-1"}, ASCII),
        ({"LANG": "de_DE.UTF-8@euro"}, UNICODE),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, ASCII),
        ({"LANG": "C", "LC_ALL": "C.UTF-8"}, UNICODE),
        ({"LANG": "en_US.UTF-8", "LC_CTYPE": "POSIX"}, ASCII),
    ],
)
def test_symbols_follow_the_locale_that_was_asked_for(
    locale: dict[str, str], expected: object
) -> None:
    assert choose_symbols("utf-8", {"TERM": "xterm", **locale}) is expected


def test_symbols_are_chosen_for_all_widgets() -> None:
    try:
        use_symbols(ASCII)
        assert symbols() is ASCII
        assert fit("backends_v2", 8) == "backend~"
    finally:
        use_symbols(UNICODE)


def test_a_context_keeps_its_tone() -> None:
    assert context_tone("prod-eu-1") is context_tone("prod-eu-1")
    assert len({context_tone(f"c{n}") for n in range(50)}) > 3


def test_no_context_looks_like_a_severity() -> None:
    grounds = re.findall(r"tone--context-\d {[^}]*background: (#\w{6})", TONE_CSS)
    assert len(set(grounds)) == 6
    for ground in grounds:
        red, green, blue = (int(ground[at : at + 2], 16) for at in (1, 3, 5))
        assert blue > green
        assert blue > 1.5 * red
