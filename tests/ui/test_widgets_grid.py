"""The grid on a screen: cursor, marks, sort, filter, mouse, states, narrow and long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
from rich.cells import cell_len
from textual import on
from textual.app import App, ComposeResult
from textual.message import Message
from textual.strip import Strip

from widgets.filters import Filter, compile_filter
from widgets.grid import Grid
from widgets.grid_rows import GridColumn, GridRow
from widgets.line_scroll import AsciiScrollBar
from widgets.state_note import NoteKind, StateNote
from widgets.symbols import ASCII, UNICODE, use_symbols
from widgets.tones import Ground, Span, Tone

COLUMNS = (
    GridColumn("state", " ", 1, 1, is_sortable=False),
    GridColumn("node", "NODE", 8, 20, is_flexible=True),
    GridColumn("kernel", "KERNEL", 8, 16, priority=2),
    GridColumn("missing", "MISSING", 7, 9, align="right", priority=1, sorts_descending=True),
)


def row(number: int, missing: int = 0, kernel: str = "6.1.0-13") -> GridRow:
    return GridRow(
        f"uid-{number}",
        (Span("●", Tone.OK), f"node-{number}", kernel, f"{missing}/32"),
        {"missing": missing},
        is_fault=missing > 0,
    )


def rows(count: int) -> list[GridRow]:
    return [row(number, number % 5) for number in range(count)]


class GridApp(App[None]):
    def __init__(self, shown: Sequence[GridRow], note: StateNote | None = None) -> None:
        super().__init__()
        self.grid = Grid(COLUMNS, shown, note=note)
        self.heard: list[Message] = []

    def compose(self) -> ComposeResult:
        yield self.grid

    @on(Grid.RowHighlighted)
    @on(Grid.RowChosen)
    @on(Grid.MarksChanged)
    @on(Grid.SortChanged)
    @on(Grid.ViewChanged)
    def hear(self, message: Message) -> None:
        self.heard.append(message)

    def kinds(self) -> list[str]:
        return [type(message).__name__ for message in self.heard]


def lines(app: GridApp) -> list[str]:
    return [app.grid.render_line(y).text for y in range(app.grid.size.height)]


def a_filter(source: str) -> Filter:
    compiled = compile_filter(source, ("node", "kernel", "missing"))
    assert isinstance(compiled, Filter)
    return compiled


async def test_rows_stand_under_their_titles() -> None:
    app = GridApp(rows(3))
    async with app.run_test(size=(60, 10)):
        head, first, *_ = lines(app)
        assert head.split() == ["NODE", "KERNEL", "MISSING"]
        assert first.split() == ["▌●", "node-0", "6.1.0-13", "0/32"]
        assert head.index("MISSING") + len("MISSING") == first.index("0/32") + len("0/32")
        assert all(len(line) == 60 for line in lines(app))


async def test_the_cursor_follows_its_row() -> None:
    app = GridApp(rows(10))
    async with app.run_test() as pilot:
        await pilot.press("j", "j", "down", "k")
        assert app.grid.highlighted is app.grid.shown[2]
        app.grid.set_rows(list(reversed(rows(10))))
        assert app.grid.highlighted is not None
        assert (app.grid.highlighted.key, app.grid.cursor) == ("uid-2", 7)
        app.grid.set_rows(rows(2))
        assert app.grid.highlighted is not None
        assert app.grid.highlighted.key == "uid-1"
        await pilot.pause()
        assert app.kinds().count("RowHighlighted") >= 4


async def test_an_untouched_cursor_stays_on_the_top_row() -> None:
    app = GridApp(rows(10))
    async with app.run_test() as pilot:
        app.grid.set_rows([row(77, 5), *rows(10)])
        assert app.grid.highlighted is not None
        assert app.grid.highlighted.key == "uid-77"
        await pilot.press("k", "s")
        app.grid.set_rows([*rows(10), row(77, 5)])
        assert (app.grid.follows_top, app.grid.cursor) == (True, 0)
        await pilot.press("j")
        app.grid.set_rows([row(5_000), *rows(10)])
        assert (app.grid.follows_top, app.grid.highlighted.key) == (False, "uid-1")
        app.grid.reset_cursor()
        assert (app.grid.follows_top, app.grid.cursor) == (True, 0)
        app.grid.hold_cursor()
        app.grid.set_sort("node", is_descending=True)
        assert app.grid.highlighted is not None
        assert app.grid.highlighted.key == "uid-0"


async def test_leaving_the_grid_keeps_its_row() -> None:
    app = GridApp(rows(3))
    async with app.run_test() as pilot:
        app.set_focus(None)
        await pilot.pause()
        app.grid.set_rows([row(77, 5), *rows(3)])
        assert app.grid.highlighted is not None
        assert app.grid.highlighted.key == "uid-0"


@pytest.mark.parametrize(
    ("keys", "cursor"),
    [
        (["G"], 4_999),
        (["end"], 4_999),
        (["G", "g"], 0),
        (["end", "home"], 0),
        (["pagedown"], 22),
        (["pagedown", "pagedown", "pageup"], 22),
        (["k"], 0),
        (["G", "j"], 4_999),
    ],
)
async def test_keys_move_through_5000_rows(keys: list[str], cursor: int) -> None:
    app = GridApp(rows(5_000))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*keys)
        assert app.grid.cursor == cursor
        assert app.grid.is_cursor_in_sight
        assert any(f"node-{cursor} " in line and "▌" in line for line in lines(app))


async def test_marks_stay_with_their_rows() -> None:
    app = GridApp(rows(4))
    async with app.run_test() as pilot:
        await pilot.press("space", "j", "j", "space")
        assert app.grid.cursor == 2
        assert app.grid.marks == {"uid-0", "uid-2"}
        assert lines(app)[1].startswith("✓●")
        app.grid.set_rows(rows(2))
        assert app.grid.marks == {"uid-0"}
        await pilot.press("g", "space")
        assert app.grid.marks == frozenset()
        assert app.kinds().count("MarksChanged") == 4


async def test_sort_by_key_and_by_mouse() -> None:
    app = GridApp([row(1, 2), row(2, 30), row(3, 4)])
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.press("s")
        assert app.grid.order.sort_column == "node"
        at = lines(app)[0].index("MISSING")
        await pilot.click(Grid, offset=(at + 1, 0))
        assert [r.key for r in app.grid.shown] == ["uid-2", "uid-3", "uid-1"]
        assert "MISSING↓" in lines(app)[0] or "sorted by MISSING ↓" in app.grid.description
        await pilot.press("S")
        assert [r.key for r in app.grid.shown] == ["uid-1", "uid-3", "uid-2"]
        assert "sorted by MISSING ↑" in app.grid.description
        assert app.kinds().count("SortChanged") == 3


async def test_click_and_double_click() -> None:
    app = GridApp(rows(5))
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.click(Grid, offset=(5, 4))
        assert app.grid.cursor == 3
        await pilot.click(Grid, offset=(5, 2), times=2)
        await pilot.press("enter")
        chosen = [m.row.key for m in app.heard if isinstance(m, Grid.RowChosen)]
        assert chosen == ["uid-1", "uid-1"]
        await pilot.click(Grid, offset=(5, 9))
        assert app.grid.cursor == 1


async def test_filter_and_faults_only_say_so() -> None:
    app = GridApp(rows(5_000))
    async with app.run_test(size=(80, 24)) as pilot:
        app.grid.set_filter(a_filter("node:re:-1$"))
        assert app.grid.description == "1 of 5,000 ▏ /node:re:-1$"
        app.grid.set_filter(a_filter("nowhere"))
        await pilot.pause()
        assert any("no row matches /nowhere: 0 of " in line for line in lines(app))
        assert app.grid.highlighted is None
        app.grid.set_filter(a_filter(""))
        app.grid.set_faults_only(True)
        assert app.grid.description == "4,000 of 5,000 ▏ faults only"
        await pilot.pause()
        assert app.kinds().count("ViewChanged") == 4


@pytest.mark.parametrize("kind", list(NoteKind))
async def test_without_rows_the_state_is_said(kind: NoteKind) -> None:
    app = GridApp((), StateNote(kind, "list nodes: the reason", "what to do"))
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.press("j", "G", "pagedown", "enter", "space", "s", "S")
        text = "\n".join(lines(app))
        assert f"{kind}: list nodes: the reason" in text
        assert "what to do" in text
        assert not {"RowChosen", "MarksChanged", "RowHighlighted"} & set(app.kinds())


async def test_stale_rows_stay_under_their_note() -> None:
    app = GridApp(rows(50))
    async with app.run_test(size=(60, 10)) as pilot:
        app.grid.set_rows(rows(50), StateNote(NoteKind.STALE, "4 m old"))
        await pilot.pause()
        assert "stale: 4 m old" in lines(app)[1]
        assert "node-0" in lines(app)[2]
        await pilot.press("G")
        assert "node-49" in lines(app)[9]


async def test_narrow_terminals_drop_columns_by_priority() -> None:
    app = GridApp(rows(3))
    async with app.run_test(size=(24, 5)) as pilot:
        assert lines(app)[0].split() == ["NODE", "MISSING"]
        await pilot.resize_terminal(14, 5)
        await pilot.pause()
        assert lines(app)[0].split() == ["NODE"]
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert lines(app)[0].split() == ["NODE", "KERNEL", "MISSING"]


async def test_the_scroll_bar_takes_no_column_by_surprise() -> None:
    app = GridApp(rows(3))
    async with app.run_test(size=(60, 10)) as pilot:
        app.grid.set_rows(rows(100))
        await pilot.pause()
        assert app.grid.line_width == 59
        assert lines(app)[0].endswith("MISSING")
        assert lines(app)[1].endswith("0/32")
        app.grid.set_rows(rows(3))
        await pilot.pause()
        assert lines(app)[1].endswith("0/32")
        assert app.grid.line_width == 60


async def test_with_ascii_symbols_everything_is_ascii() -> None:
    use_symbols(ASCII)
    try:
        app = GridApp([replace(row, cells=("+", *row.cells[1:])) for row in rows(2_000)])
        async with app.run_test(size=(60, 13)) as pilot:
            await pilot.press("space", "s", *["pagedown"] * 7)
            app.grid.set_filter(a_filter("node"))
            await pilot.pause()
            shown = app.export_screenshot(simplify=True)
            bars = app.grid.vertical_scrollbar.render()
            assert isinstance(bars, AsciiScrollBar)
            assert "".join(lines(app)).isascii()
            assert "sorted by NODE ^" in app.grid.description
            assert "▁" not in shown
    finally:
        use_symbols(UNICODE)


async def test_wide_characters_keep_the_columns() -> None:
    wide = GridRow("w", (Span("●"), "節点テスト長い名前です", "日本", "0/32"))
    app = GridApp([row(1), wide])
    async with app.run_test(size=(40, 5)):
        plain_line, wide_line = lines(app)[1:3]
        assert cell_len(wide_line) == 40
        before = wide_line[: wide_line.index("0/32")]
        assert cell_len(before) == plain_line.index("0/32")


class CountingGrid(Grid):
    """Remembers which rows it had to draw."""

    drawn: ClassVar[list[str]] = []

    def _draw(self, row: GridRow, ground: Ground, *, is_marked: bool) -> Strip:
        self.drawn.append(row.key)
        return super()._draw(row, ground, is_marked=is_marked)


async def test_only_changed_rows_are_drawn_again() -> None:
    held = rows(20)
    app = GridApp(held)
    app.grid = grid = CountingGrid(COLUMNS, held)
    async with app.run_test(size=(60, 24)) as pilot:
        await pilot.pause()
        grid.drawn.clear()
        app.grid.set_rows([*held[:5], row(5, 9), *held[6:]])
        await pilot.pause()
        assert set(grid.drawn) == {"uid-5"}
        grid.drawn.clear()
        await pilot.press("j")
        assert set(grid.drawn) <= {"uid-0", "uid-1"}


async def test_select_by_key_and_field_names() -> None:
    app = GridApp([*rows(3), GridRow("x", ("", "x"), fields={"zone": "a"})])
    async with app.run_test():
        assert app.grid.select("uid-2")
        assert not app.grid.select("gone")
        assert app.grid.cursor == 2
        assert app.grid.field_names == ("state", "node", "kernel", "missing", "zone")


async def test_the_theme_can_change() -> None:
    app = GridApp(rows(3))
    async with app.run_test() as pilot:
        before = app.grid.render_line(1)
        app.theme = "textual-light"
        await pilot.pause()
        after = app.grid.render_line(1)
        assert before.text == after.text
        assert list(before) != list(after)
