"""Order, filter and column fitting of the grid, without a terminal."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from widgets.filters import Filter, compile_filter
from widgets.grid_layout import GAP, place_columns, title_spans
from widgets.grid_order import GridOrder, RowFilter, describe, shown_rows
from widgets.grid_rows import GridColumn, GridRow, natural_key
from widgets.tones import Span

COLUMNS = (
    GridColumn("node", "NODE", 6, 20),
    GridColumn("missing", "MISSING", 7, 9, sorts_descending=True),
)


def row(name: str, missing: int | None, *, is_fault: bool = False) -> GridRow:
    shown = "?" if missing is None else f"{missing}/32"
    keys = {"missing": missing}
    return GridRow(name, (name, Span(shown)), keys, {"kernel": "5.4"}, is_fault)


ROWS = (row("node-10", 0), row("node-2", 16, is_fault=True), row("node-1", None), row("node-9", 2))


def names(order: GridOrder) -> list[str]:
    return [row.key for row in shown_rows(ROWS, COLUMNS, order)]


def a_filter(source: str) -> Filter:
    compiled = compile_filter(source, ("node", "missing", "kernel"))
    assert isinstance(compiled, Filter)
    return compiled


def test_rows_keep_their_order_until_sorted() -> None:
    assert names(GridOrder()) == ["node-10", "node-2", "node-1", "node-9"]


def test_numbers_in_texts_sort_as_numbers() -> None:
    assert names(GridOrder("node")) == ["node-1", "node-2", "node-9", "node-10"]
    assert natural_key("a10") > natural_key("a9")
    assert natural_key("v1.9.9") < natural_key("v1.17.5")


def test_unknown_stands_last_in_both_directions() -> None:
    assert names(GridOrder("missing")) == ["node-10", "node-9", "node-2", "node-1"]
    assert names(GridOrder("missing", True)) == ["node-2", "node-9", "node-10", "node-1"]


def test_clicks_turn_and_end_the_sort() -> None:
    order = GridOrder().sorted_by(COLUMNS[1])
    assert (order.sort_column, order.is_descending) == ("missing", True)
    order = order.sorted_by(COLUMNS[1])
    assert (order.sort_column, order.is_descending) == ("missing", False)
    assert order.sorted_by(COLUMNS[1]).sort_column == ""


def test_filter_and_faults_only() -> None:
    assert names(GridOrder(filter=a_filter("node-1"))) == ["node-10", "node-1"]
    assert names(GridOrder(filter=a_filter("missing:>1"))) == ["node-2", "node-9"]
    assert names(GridOrder(filter=a_filter("kernel:5.4 !node:re:0$"))) == [
        "node-2",
        "node-1",
        "node-9",
    ]
    assert names(GridOrder(is_faults_only=True)) == ["node-2"]


def test_a_changed_row_is_judged_again() -> None:
    row_filter = RowFilter()
    order = GridOrder(filter=a_filter("missing:16"))
    assert [r.key for r in shown_rows(ROWS, COLUMNS, order, row_filter)] == ["node-2"]
    changed = (ROWS[0], row("node-2", 0), *ROWS[2:])
    assert shown_rows(changed, COLUMNS, order, row_filter) == []


def test_sort_keys_of_mixed_types_compare() -> None:
    mixed = [
        GridRow(f"{n}", ("",), {"node": key}) for n, key in enumerate(("x", 3, 2.5, (1, "a"), None))
    ]
    assert [row.key for row in shown_rows(mixed, COLUMNS, GridOrder("node"))] == list("21034")


def test_description_names_what_hides_and_orders() -> None:
    order = GridOrder("missing", True, a_filter("/kernel:5.4"), True)
    assert describe(order, COLUMNS, (12, 5000), 2) == (
        "12 of 5,000 ▏ /kernel:5.4 ▏ faults only ▏ sorted by MISSING ↓ ▏ 2 marked"
    )
    assert describe(GridOrder(), COLUMNS, (5000, 5000), 0) == "5,000"


def test_the_arrow_never_cuts_a_title() -> None:
    columns = (
        GridColumn("kernel", "KERNEL", 6, 6),
        GridColumn("fill", "FILL", 4, 4, align="right"),
        GridColumn("age", "AGE", 3, 3, align="right"),
    )
    placed = place_columns(columns, [7, 5, 4], 15)

    def heads(key: str) -> str:
        return "".join(span.text for span in title_spans(placed, key, "↓"))

    assert heads("") == "KERNEL FILL AGE"
    assert heads("kernel") == "KERNEL↓FILL AGE"
    assert heads("fill") == "KERNEL FILL↓AGE"
    assert heads("age") == "KERNEL FILLAGE↓"


def test_columns_are_dropped_by_priority() -> None:
    columns = [
        GridColumn("a", "A", 10),
        GridColumn("b", "B", 10, priority=2),
        GridColumn("c", "C", 10, priority=1),
    ]
    wide = place_columns(columns, (10, 10, 10), 32)
    assert [placed.column.key for placed in wide] == ["a", "b", "c"]
    assert [placed.column.key for placed in place_columns(columns, (10,) * 3, 31)] == ["a", "c"]
    assert [placed.column.key for placed in place_columns(columns, (10,) * 3, 5)] == ["a"]


def test_the_flexible_column_takes_the_rest() -> None:
    columns = [GridColumn("a", "A", 4, 8), GridColumn("b", "B", 4, 8, is_flexible=True)]
    placed = place_columns(columns, (6, 20), 40)
    assert [(column.start, column.width) for column in placed] == [(0, 6), (7, 33)]


@given(
    st.lists(
        st.tuples(st.integers(1, 20), st.integers(1, 40), st.integers(0, 5), st.booleans()),
        max_size=8,
    ),
    st.integers(0, 120),
)
@settings(max_examples=300, deadline=None)
def test_placed_columns_never_leave_the_line(
    shapes: list[tuple[int, int, int, bool]], width: int
) -> None:
    columns = [
        GridColumn(f"{n}", "T", least, max(least, most), "left", priority, flexible)
        for n, (least, most, priority, flexible) in enumerate(shapes)
    ]
    placed = place_columns(columns, [most for _, most, _, _ in shapes], width)
    always = sum(c.min_width + GAP for c in columns if not c.priority) - GAP
    end = max((column.start + column.width for column in placed), default=0)
    assert end <= max(width, always)
    for left, right in pairwise(placed):
        assert right.start == left.start + left.width + GAP
