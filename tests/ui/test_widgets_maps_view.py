"""The Maps panel: what refuses apart from what evicts, unknown as unknown, at any width."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual import on
from textual.app import App, ComposeResult
from textual.message import Message

from widgets.filters import Filter, compile_filter
from widgets.map_rows import MAP_FIELDS, MapRowView, MapSection
from widgets.maps_view import MapsView
from widgets.state_note import NoteKind, StateNote
from widgets.tones import Span, Tone

FULL = MapRowView(
    key="cilium_lb4_backends_v2",
    symbol="✖",
    tone=Tone.ERROR,
    name="lb4_backends_v2",
    ratio=1.0,
    percent="100 %",
    count="64/64",
    origin="counted",
    forecast="full",
    forecast_tone=Tone.ERROR,
    history=(0.5, None, 1.0),
    remark=(Span("agent says 75; 95 wanted, no duplicates: too small, not leaked"),),
    is_fault=True,
)
POLICY = MapRowView(
    "policy", "●", Tone.OK, "policy (41)", 0.06, "6 %", "1,049/16,384", "accounting"
)
CONNTRACK = MapRowView(
    "ct4", "●", Tone.OK, "ct4_global", 0.18, "18 %", "11,900/65,536", "counted", "full in 2 h"
)
UNKNOWN = MapRowView(
    "rsk", "?", Tone.UNKNOWN, "lb4_reverse_sk", None, "?", "?/262,144", "not counted: c counts"
)
SECTIONS = (
    MapSection("HASH: a full map refuses entries", (FULL, POLICY)),
    MapSection("LRU: a full map evicts", (CONNTRACK, UNKNOWN)),
)


class MapsApp(App[None]):
    def __init__(
        self, sections: tuple[MapSection, ...] = SECTIONS, note: StateNote | None = None
    ) -> None:
        super().__init__()
        self.maps = MapsView(sections, note=note)
        self.heard: list[Message] = []

    def compose(self) -> ComposeResult:
        yield self.maps

    @on(MapsView.RowHighlighted)
    @on(MapsView.RowChosen)
    def hear(self, message: Message) -> None:
        self.heard.append(message)


def lines(app: MapsApp) -> list[str]:
    return [app.maps.render_line(y).text.rstrip() for y in range(app.maps.size.height)]


def a_filter(source: str) -> Filter:
    compiled = compile_filter(source, MAP_FIELDS)
    assert isinstance(compiled, Filter)
    return compiled


async def test_sections_rows_and_remarks() -> None:
    app = MapsApp()
    async with app.run_test(size=(100, 10)):
        shown = lines(app)
        assert shown[0] == " HASH: a full map refuses entries"
        assert shown[1].startswith("▌✖ lb4_backends_v2 ██████████")
        assert "100 %" in shown[1]
        assert shown[1].endswith("full")
        assert (
            shown[2].lstrip("▌ ")
            == "agent says 75; 95 wanted, no duplicates: too small, not leaked"
        )
        assert shown[4] == " LRU: a full map evicts"
        assert "▅ █ full" in shown[1]


NARROW = replace(
    POLICY,
    short_origin="acct",
    forecast="full in ≈ 12 m",
    short_forecast="in ≈ 12 m",
    history=(0.1, 0.5),
)


@pytest.mark.parametrize(
    ("width", "shown", "hidden"),
    [
        (90, ["█", "accounting", "▁▅ full in ≈ 12 m"], []),
        (70, ["█", "accounting full in ≈ 12 m"], ["▅"]),
        (64, ["█", "acct full in ≈ 12 m"], ["▅"]),
        (54, ["acct full in ≈ 12 m"], ["█", "▅"]),
        (50, ["acct in ≈ 12 m"], ["█", "▅", "full"]),
        (40, ["acct"], ["≈"]),
        (34, [], ["acct"]),
    ],
)
async def test_what_gives_way_in_a_narrow_panel(
    width: int, shown: list[str], hidden: list[str]
) -> None:
    app = MapsApp((MapSection("HASH", (replace(NARROW, ratio=0.9),)),))
    async with app.run_test(size=(width, 6)):
        line = lines(app)[1]
        assert all(words in line for words in ("policy (41)", "6 %", "1,049/16,384", *shown)), line
        assert not any(words in line for words in hidden), line


@pytest.mark.parametrize("width", [110, 80, 60, 50])
async def test_columns_stand_still_when_the_origin_changes(width: int) -> None:
    counted = replace(NARROW, origin="counted", short_origin="cnt")
    app = MapsApp((MapSection("HASH", (counted,)),))
    async with app.run_test(size=(width, 6)):
        before = lines(app)[1].index("≈")
        app.maps.set_sections((MapSection("HASH", (NARROW,)),))
        assert lines(app)[1].index("≈") == before
        app.maps.set_sections((MapSection("HASH", (counted,)),))
        assert lines(app)[1].index("≈") == before


async def test_a_wrapped_remark_keeps_its_tones() -> None:
    remark = (Span("full: too small", Tone.ERROR), Span(" ▏ 95 wanted, agent says 75", Tone.MUTED))
    app = MapsApp((MapSection("HASH", (replace(FULL, remark=remark),)),))
    async with app.run_test(size=(30, 6)):
        first, second = lines(app)[2:4]
        assert first.strip("▌ ") == "full: too small ▏ 95"
        assert second.strip("▌ ") == "wanted, agent says 75"
        colours = {
            segment.text.strip(): segment.style.color
            for y in (2, 3)
            for segment in app.maps.render_line(y)
            if segment.style is not None
        }
        assert colours["full: too small"] != colours["wanted, agent says 75"]


async def test_without_colours_harm_is_the_strongest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = MapsApp()
    async with app.run_test(size=(100, 10)):
        styles = {
            segment.text.strip(): segment.style
            for y in (1, 3)
            for segment in app.maps.render_line(y)
            if segment.style is not None
        }
        assert styles["100 %"].reverse
        assert styles["100 %"].bold
        assert styles["✖"].reverse
        assert not styles["█" * 20].reverse
        assert styles["█" * 20].bold
        assert not styles["6 %"].reverse
        assert not styles["6 %"].bold


async def test_unknown_is_drawn_as_unknown() -> None:
    app = MapsApp()
    async with app.run_test(size=(100, 10)):
        line = lines(app)[6]
        assert line.startswith(" ? lb4_reverse_sk  ?")
        assert "?/262,144 not counted: c counts" in line
        assert "0 %" not in line


@pytest.mark.parametrize("width", [120, 80, 60, 44, 30, 12, 3])
async def test_any_width(width: int) -> None:
    app = MapsApp()
    async with app.run_test(size=(width, 14)) as pilot:
        await pilot.press("j", "j", "j")
        shown = lines(app)
        assert all(app.maps.render_line(y).cell_length == app.maps.line_width for y in range(14))
        if width >= 44:
            assert any("64/64" in line and "100 %" in line for line in shown)
        if width >= 60:
            assert any("full" in line and "64/64" in line for line in shown)


async def test_the_cursor_skips_titles_and_follows_its_map() -> None:
    app = MapsApp()
    async with app.run_test(size=(100, 10)) as pilot:
        await pilot.press("j", "j")
        assert app.maps.highlighted is CONNTRACK
        fuller = replace(CONNTRACK, percent="99 %")
        app.maps.set_sections((MapSection("LRU", (UNKNOWN, fuller)), SECTIONS[0]))
        assert app.maps.highlighted is fuller
        await pilot.press("g")
        assert app.maps.highlighted is UNKNOWN
        await pilot.press("G", "enter")
        chosen = [m.row.key for m in app.heard if isinstance(m, MapsView.RowChosen)]
        assert chosen == ["policy"]
        assert app.maps.select("rsk")
        assert not app.maps.select("gone")


async def test_an_untouched_cursor_stays_on_the_worst_map() -> None:
    app = MapsApp()
    async with app.run_test(size=(100, 10)) as pilot:
        app.maps.set_sections((MapSection("HASH", (POLICY, FULL)),))
        assert app.maps.highlighted is POLICY
        app.maps.set_sections(SECTIONS)
        assert app.maps.highlighted is FULL
        await pilot.press("j")
        app.maps.set_sections((MapSection("HASH", (FULL, CONNTRACK, POLICY)),))
        assert app.maps.highlighted is POLICY
        app.maps.reset_cursor()
        assert app.maps.highlighted is FULL
        app.maps.set_sections(SECTIONS[1:])
        assert app.maps.highlighted is CONNTRACK


async def test_the_first_title_comes_back_into_sight() -> None:
    rows = tuple(replace(POLICY, key=f"{number}") for number in range(40))
    app = MapsApp((MapSection("HASH: a full map refuses entries", rows),))
    async with app.run_test(size=(80, 8)) as pilot:
        await pilot.press("G")
        assert "HASH" not in lines(app)[0]
        await pilot.press("g")
        assert "HASH" in lines(app)[0]


async def test_filter_and_faults_only() -> None:
    app = MapsApp()
    async with app.run_test(size=(100, 10)) as pilot:
        app.maps.set_filter(a_filter("name:lb4 !origin:not"))
        assert app.maps.rows == (FULL,)
        assert app.maps.description == "1 of 4 ▏ /name:lb4 !origin:not"
        app.maps.set_filter(a_filter("nowhere"))
        await pilot.pause()
        assert any("no row matches /nowhere: 0 of 4" in line for line in lines(app))
        app.maps.set_filter(a_filter(""))
        app.maps.set_faults_only(True)
        assert app.maps.rows == (FULL,)


@pytest.mark.parametrize("kind", list(NoteKind))
async def test_without_maps_the_state_is_said(kind: NoteKind) -> None:
    app = MapsApp((), StateNote(kind, "the reason"))
    async with app.run_test(size=(60, 8)) as pilot:
        await pilot.press("j", "k", "G", "g", "enter", "pagedown", "pageup")
        assert any(f"{kind}: the reason" in line for line in lines(app))


async def test_stale_maps_stay_under_their_note() -> None:
    app = MapsApp(SECTIONS, StateNote(NoteKind.STALE, "4 m old"))
    async with app.run_test(size=(80, 10)):
        assert "stale: 4 m old" in lines(app)[0]
        assert "lb4_backends_v2" in lines(app)[2]
