"""Header, footer and tabs give way in a narrow terminal, in the order of importance."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widgets.footer import FooterItem, fitting_items
from widgets.header import HeaderItem, HeaderView, header_spans
from widgets.tab_strip import TabItem, tab_spans
from widgets.text import span_cells
from widgets.tones import Span, Tone

VIEW = HeaderView(
    items=(
        HeaderItem((Span("prod-eu-1", Tone.CONTEXT_1),)),
        HeaderItem((Span("READ-ONLY", Tone.BADGE),)),
        HeaderItem((Span("k8s 1.33"),), priority=5),
        HeaderItem((Span("cilium 1.11.7 ×9  1.17.5 ×3"),), (Span("cilium ×2"),), 4),
        HeaderItem((Span("12 nodes ✖ 1 ▲ 2 ● 8 ? 1"),), (Span("12 nodes ✖1 ▲2"),), 1),
        HeaderItem((Span("sweep 1.4 s, 3 s ago"),), (Span("3 s ago"),), 2),
        HeaderItem((Span("✖ 3 active ▲ 2 armed"),), (Span("✖3 active"),)),
    ),
    clock="14:02:11 UTC",
    short_clock="14:02:11",
)


def line(width: int) -> str:
    return "".join(span.text for span in header_spans(VIEW, width))


def test_the_whole_header_fits_a_wide_terminal() -> None:
    text = line(160)
    assert len(text) == 160
    assert "cilium 1.11.7 ×9  1.17.5 ×3" in text
    assert text.endswith(" 14:02:11 UTC ")


def test_at_80_columns_the_important_stays() -> None:
    text = line(80)
    assert len(text) == 80
    for part in ("prod-eu-1", "READ-ONLY", "12 nodes ✖1 ▲2", "3 s ago", "✖3 active", "14:02:11"):
        assert part in text
    assert "k8s" not in text
    assert "UTC" not in text


@pytest.mark.parametrize("width", range(0, 200, 7))
def test_the_header_takes_exactly_the_width(width: int) -> None:
    assert span_cells(header_spans(VIEW, width)) == width


def test_an_empty_header_is_blank() -> None:
    assert "".join(span.text for span in header_spans(HeaderView(), 20)).strip() == ""


ITEMS = [
    FooterItem("/", "filter"),
    FooterItem("space", "mark", priority=3),
    FooterItem("a", "actions"),
    FooterItem("?", "help", priority=0),
]


def test_footer_drops_by_priority_and_from_the_right() -> None:
    assert [item.key for item in fitting_items(ITEMS, 80)] == ["/", "space", "a", "?"]
    assert [item.key for item in fitting_items(ITEMS, 36)] == ["/", "a", "?"]
    assert [item.key for item in fitting_items(ITEMS, 20)] == ["/", "?"]
    assert [item.key for item in fitting_items(ITEMS, 3)] == ["?"]


@given(st.lists(st.tuples(st.text("abc", max_size=9), st.integers(0, 3))), st.integers(0, 90))
@settings(max_examples=200, deadline=None)
def test_footer_never_drops_more_than_needed(shapes: list[tuple[str, int]], width: int) -> None:
    items = [FooterItem("k", label, priority=priority) for label, priority in shapes]
    kept = fitting_items(items, width)
    used = sum(item.cells + 2 for item in kept)
    assert used <= width or not any(item.priority for item in kept)


def test_a_short_tab_keeps_number_and_badge() -> None:
    tab = TabItem("s", "2", "Services", (Span("✖2", Tone.ERROR),))
    assert "".join(s.text for s in tab_spans(tab, is_active=False, is_short=True)) == " 2 ✖2 "
    assert "Services" in "".join(s.text for s in tab_spans(tab, is_active=True, is_short=True))
