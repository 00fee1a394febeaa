"""The log on a screen: following, anchoring, folding, wrapping, filtering, 20,000 lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pytest
from textual import on
from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot

from widgets.filters import Filter, compile_filter
from widgets.log_ring import LOG_FIELDS
from widgets.log_rows import LogGapRow, LogItem, LogRow
from widgets.log_view import LogView
from widgets.state_note import NoteKind, StateNote
from widgets.tones import Tone


def line(number: int, message: str = "the map is full", severity: int = 30) -> LogRow:
    return LogRow(
        number,
        f"13:28:{number % 60:02}",
        f"node-{number % 3}",
        "ERROR" if severity > 30 else "WARN",
        severity,
        f"{message} #{number}",
        tone=Tone.WARNING,
        fields={"subsystem": "map"},
    )


class LogApp(App[None]):
    def __init__(self, rows: Iterable[LogItem] = (), note: StateNote | None = None) -> None:
        super().__init__()
        self.log_view = LogView(rows, note=note, max_rows=20_000)
        self.heard: list[Message] = []

    def compose(self) -> ComposeResult:
        yield self.log_view

    @on(LogView.RowHighlighted)
    @on(LogView.RowChosen)
    @on(LogView.ViewChanged)
    def hear(self, message: Message) -> None:
        self.heard.append(message)


def lines(app: LogApp) -> list[str]:
    view = app.log_view
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


async def until(pilot: Pilot[None], claim: Callable[[], bool]) -> None:
    """Wait until a claim holds; the view draws at most ten times a second."""
    async with asyncio.timeout(10):
        while not claim():  # noqa: ASYNC110 - the screen sets no event
            await asyncio.sleep(0.02)
    await pilot.pause()


def is_shown(app: LogApp, text: str) -> bool:
    return any(text in shown for shown in lines(app))


def is_following(app: LogApp) -> bool:
    return app.log_view.is_following


def a_filter(source: str) -> Filter:
    compiled = compile_filter(source, (*LOG_FIELDS, "subsystem"))
    assert isinstance(compiled, Filter)
    return compiled


async def test_it_follows_the_newest_line() -> None:
    app = LogApp([line(number) for number in range(100)])
    async with app.run_test(size=(80, 10)) as pilot:
        assert "#99" in lines(app)[9]
        app.log_view.extend([line(100)])
        await until(pilot, lambda: is_shown(app, "#100"))
        assert lines(app)[9].startswith("▌13:28:40 node-1       WARN  the map is full #100")
        assert is_following(app)


async def test_moving_away_stops_following_and_keeps_the_view() -> None:
    app = LogApp([line(number) for number in range(100)])
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.press("k", "k")
        assert not is_following(app)
        assert "not following" in app.log_view.description
        before = lines(app)
        app.log_view.extend(line(number) for number in range(100, 20_200))
        await until(pilot, lambda: "20,200" in app.log_view.description)
        assert lines(app) == before
        await pilot.press("G")
        assert is_following(app)
        assert "#20199" in lines(app)[9]


async def test_the_wheel_stops_following() -> None:
    app = LogApp([line(number) for number in range(100)])
    async with app.run_test(size=(80, 10)) as pilot:
        app.log_view.scroll_up(animate=False)
        await pilot.pause()
        assert not is_following(app)
        app.log_view.scroll_end(animate=False)
        await pilot.pause()
        assert is_following(app)


async def test_the_ring_drops_the_oldest_under_the_reader() -> None:
    app = LogApp([line(number) for number in range(20_000)])
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.press("pageup", "pageup")
        before = lines(app)
        app.log_view.extend(line(number) for number in range(20_000, 23_000))
        await until(pilot, lambda: app.log_view.shown[-1].sequence == 22_999)
        assert app.log_view.shown[0].sequence == 3_000
        assert lines(app) == before


async def test_a_folded_row_takes_the_place_of_the_first() -> None:
    app = LogApp([line(number) for number in range(5)])
    async with app.run_test(size=(80, 10)) as pilot:
        folded = LogRow(2, "13:28:02", "node-2", "ERROR", 40, "the map is full", "×11 in 1 s")
        app.log_view.extend([folded])
        await until(pilot, lambda: is_shown(app, "×11 in 1 s  the map is full"))
        assert len(app.log_view.shown) == 5


async def test_gaps_are_ruled_lines() -> None:
    app = LogApp([line(1), LogGapRow(2, "gap: 148 lines lost"), line(3)])
    async with app.run_test(size=(60, 6)):
        assert lines(app)[1].startswith(" ──────── gap: 148 lines lost ───")
        assert len(lines(app)[1]) == 60


async def test_wrapping_shows_all_and_keeps_the_cursor() -> None:
    long = line(1, "x" * 200)
    app = LogApp([line(0), long, line(2)])
    async with app.run_test(size=(60, 20)) as pilot:
        assert "".join(lines(app)).count("x") < 200
        assert "…x" in lines(app)[1]
        await pilot.press("k", "w")
        assert "".join(lines(app)).count("x") == 200
        assert app.log_view.highlighted is long
        assert sum(shown.startswith("▌") for shown in lines(app)) == 7
        await pilot.press("w", "t")
        assert "13:28" not in "".join(lines(app))


async def test_long_lines_scroll_sideways() -> None:
    app = LogApp([line(1, "x" * 30 + "the middle" + "x" * 30 + "the end")])
    async with app.run_test(size=(60, 5)) as pilot:
        assert "the middle" not in lines(app)[0]
        assert "the end" in lines(app)[0]
        await pilot.press("right", "right", "right")
        assert "the middle" not in lines(app)[0]
        await pilot.press("left")
        assert "e middlex" in lines(app)[0]
        assert lines(app)[0].startswith("▌13:28:01 node-1")
        await pilot.press("left", "left", "left")
        assert "the middle" not in lines(app)[0]


async def test_level_and_filter() -> None:
    app = LogApp([line(n, severity=40 if n % 10 == 0 else 30) for n in range(100)])
    async with app.run_test(size=(80, 12)) as pilot:
        app.log_view.set_min_severity(40)
        await pilot.pause()
        assert all("ERROR" in shown for shown in lines(app)[:10])
        app.log_view.set_filter(a_filter("node:node-0 subsystem:map"))
        assert app.log_view.description.startswith("4 of 100 ▏ /node:node-0 subsystem:map")
        app.log_view.set_filter(a_filter("nowhere"))
        await pilot.pause()
        assert any("no row matches /nowhere" in shown for shown in lines(app))
        assert app.log_view.field_names == (*LOG_FIELDS, "subsystem")


async def test_the_node_column_can_be_hidden() -> None:
    app = LogApp([line(1)])
    async with app.run_test(size=(80, 5)):
        app.log_view.set_node_shown(is_shown=False)
        assert lines(app)[0].startswith("▌13:28:01 WARN  the map")


async def test_the_time_and_node_give_way_in_a_narrow_terminal() -> None:
    app = LogApp([line(1)])
    async with app.run_test(size=(46, 5)):
        assert lines(app)[0].startswith("▌13:28:01 WARN  the map")
        app.log_view.action_toggle_wrap()
    async with LogApp([line(1)]).run_test(size=(36, 5)) as pilot:
        narrow = pilot.app
        assert isinstance(narrow, LogApp)
        assert lines(narrow)[0].startswith("▌WARN  the map")


@pytest.mark.parametrize("kind", [NoteKind.LOADING, NoteKind.DENIED, NoteKind.STALE])
async def test_without_lines_the_state_is_said(kind: NoteKind) -> None:
    app = LogApp((), StateNote(kind, "pods/log: the reason"))
    async with app.run_test(size=(60, 8)) as pilot:
        await pilot.press("w", "j", "k", "G", "g", "enter", "right", "t", "pagedown")
        assert any(f"{kind}: pods/log: the reason" in shown for shown in lines(app))
        assert not [m for m in app.heard if isinstance(m, LogView.RowChosen)]


async def test_the_same_rows_again_change_nothing() -> None:
    rows = [line(number) for number in range(50)]
    app = LogApp(rows)
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.press("k", "k", "k")
        app.heard.clear()
        app.log_view.set_rows(list(rows))
        await pilot.pause()
        assert app.heard == []
        app.log_view.set_rows([*rows[10:], line(60)])
        highlighted = app.log_view.highlighted
        assert highlighted is not None
        assert highlighted.sequence == 46
        app.log_view.clear()
        await pilot.pause()
        assert is_following(app)
        assert app.log_view.shown == ()


async def test_enter_opens_a_row() -> None:
    app = LogApp([line(1), line(2)])
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.press("k", "enter")
        chosen = [m.row.sequence for m in app.heard if isinstance(m, LogView.RowChosen)]
        assert chosen == [1]
