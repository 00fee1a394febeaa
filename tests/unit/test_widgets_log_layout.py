"""What stands at the right of a log line: its meaning where there is room, its check always."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from widgets.log_layout import LogLayout, row_height, row_line, text_spans
from widgets.log_rows import LogRow
from widgets.text import span_cells, wrap_spans_words
from widgets.tones import Tone

FULL = LogRow(
    1,
    "13:28:38",
    "node-3",
    "ERROR",
    40,
    "Unable to update element for cilium_lb4_backends_v2 map with file descriptor 15: the map is"
    " full, please consider resizing it",
    "×11 in 1 s at agent start",
    "k8sSvcName=load-3",
    "→ map-pressure",
    hint="lb4_backends_v2 is full",
)
TEXTS = st.text(max_size=120)


def drawn(row: LogRow, width: int) -> str:
    return "".join(span.text for span in row_line(row, 0, LogLayout(width)))


def test_a_wide_line_ends_with_its_meaning_and_its_check() -> None:
    layout = LogLayout(158, is_node_shown=False)
    line = "".join(span.text for span in row_line(FULL, 0, layout))
    assert line.endswith("  lb4_backends_v2 is full → map-pressure")
    assert "×11 in 1 s at agent start  Unable to update" in line
    assert "the map is full" in line
    assert len(line) == 158


def test_a_narrow_line_ends_with_its_check_alone() -> None:
    line = drawn(FULL, 78)
    assert line.endswith("  → map-pressure")
    assert "lb4_backends_v2 is full" not in line
    assert "×11  " in line


def test_a_short_message_leaves_both_at_the_right() -> None:
    short = replace(FULL, message="the map is full", count="", details="a=b")
    assert drawn(short, 158).endswith("lb4_backends_v2 is full → map-pressure")
    assert "the map is full  a=b   " in drawn(short, 158)
    assert drawn(short, 78).endswith("  → map-pressure")


def test_a_line_without_a_check_ends_with_its_meaning_where_there_is_room() -> None:
    assert drawn(replace(FULL, tag=""), 158).endswith("  lb4_backends_v2 is full")
    assert "lb4_backends_v2 is full" not in drawn(replace(FULL, tag=""), 78)
    assert "→" not in drawn(replace(FULL, tag="", hint=""), 158)


def test_meaning_and_check_are_dim() -> None:
    assert row_line(FULL, 0, LogLayout(158))[-1].tone is Tone.MUTED


def test_a_wrapped_line_says_all_of_it() -> None:
    layout = LogLayout(60, is_wrapped=True)
    lines = [row_line(FULL, number, layout) for number in range(row_height(FULL, layout))]
    whole = " ".join("".join(span.text for span in line).strip() for line in lines)
    assert "lb4_backends_v2 is full" in whole
    assert "→ map-pressure" in whole


@given(st.lists(TEXTS, min_size=8, max_size=8), st.integers(1, 200), st.booleans())
@settings(max_examples=200, deadline=None)
def test_every_line_has_the_width_of_the_view(
    texts: list[str], width: int, is_wrapped: bool
) -> None:
    time, node, level, message, count, details, tag, hint = texts
    row = LogRow(1, time, node, level, 30, message, count, details, tag, hint=hint)
    layout = LogLayout(width, is_wrapped=is_wrapped)
    height = row_height(row, layout)
    assert all(span_cells(row_line(row, line, layout)) == width for line in range(height))
    if is_wrapped:
        assert height == len(wrap_spans_words(text_spans(row), layout.text_cells))
