"""What a responder sees of a broker: its clusters, collectors, losses, and why nothing is there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from tests.ui import app_samples as samples
from tests.ui import operation_samples as ops
from tests.ui import room_samples as rooms
from tests.ui.app_pilot import HandApp, chosen, settled, shows
from tests.ui.app_samples import NOW
from tests.ui.room_samples import one, two
from tests.ui.test_app_findings import is_on
from tests.ui.test_app_hostile import HOSTILE
from tests.ui.test_app_typing import enter_line
from tui.model.room import ClusterSummary, Presence
from tui.model.snapshot import SourceState
from tui.safety import clean
from tui.screens.detail_screen import DetailScreen
from tui.screens.home import HomeScreen
from tui.screens.room.cluster_rows import ClusterOrder, cluster_rows
from tui.screens.room.clusters_screen import ClustersScreen, _worst_lines
from tui.screens.room.collector_rows import collector_rows
from tui.screens.room.news import CollectorNews
from tui.screens.room.words import skew_words

ACTIVE, ARMED, CLEAR = rooms.ACTIVE, rooms.ARMED, rooms.CLEAR
WIDE = (160, 50)


def asked(app: HandApp) -> list[object]:
    return [call[1] for call in app.hands.calls if call[0] == "cluster"]


async def pressed(pilot: Pilot[None], *keys: str) -> str:
    await pilot.press(*keys)
    return await settled(pilot)


# The Clusters screen


async def test_several_clusters_are_shown_first_where_none_was_named() -> None:
    app = HandApp(rooms.brokered())
    async with app.run_test(size=WIDE) as pilot:
        text = await settled(pilot)
        assert is_on(app, ClustersScreen)
        assert "Clusters ▏ 4 ▏ worst first ▏ prod-eu-1 shown" in text
        await pressed(pilot, "escape")
        assert app.screen is app.home


async def test_where_one_was_named_or_somebody_works_already_a_line_tells_of_the_others() -> None:
    app = HandApp(rooms.brokered())
    app._settings = replace(app._settings, is_cluster_named=True)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "3 more clusters: C")
        assert app.screen is app.home
    app = HandApp(rooms.brokered(one()))
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await pressed(pilot, "j")
        app.show(rooms.brokered(version=2))
        await shows(pilot, "3 more clusters: C")
        assert app.screen is app.home


def test_clusters_stand_worst_first_with_what_is_wrong_and_who_reads_them() -> None:
    ordered = ClusterOrder().arranged(rooms.clusters(), is_held=False)
    rows = [row.text for row in cluster_rows(ordered, NOW)]
    assert rows[0].startswith("✖  prod-eu-1  ✓ yes  12  ▲ 1/3 gone, late  ✖2 ▲2 ?1  <10 s  The k")
    assert rows[1].startswith("▲  prod-us-1  4,020  ● 2/2  ▲1  <10 s  UDP clients")
    assert rows[2] == "▲  staging  12  ✖ 0/1 gone  ?2  ⧗ 1 h"
    assert rows[3] == "●  dev  12  ● 2/2  –  <10 s"


def test_findings_with_one_title_are_told_once_with_their_number() -> None:
    worst = (clean("A map is full (node-3)"),) * 2 + (clean("Drift (node-1)"),)
    cluster = rooms.cluster("x", {ACTIVE: 2, ARMED: 1}, worst=worst)
    (row,) = cluster_rows([cluster], NOW)
    assert row.text.endswith("A map is full (node-3) ×2; Drift (node-1)")
    assert _worst_lines(cluster) == ["✖ A map is full (node-3) ×2", "▲ Drift (node-1)"]


def test_equal_clusters_stand_by_name_and_one_that_tells_nothing_yet_is_loading() -> None:
    clusters = [rooms.cluster(name, {}) for name in ("c-10", "c-9", "c-1")]
    ordered = ClusterOrder().arranged(clusters, is_held=False)
    assert [each.name for each in ordered] == ["c-1", "c-9", "c-10"]
    assert cluster_rows(ordered, NOW)[0].text == "◌  c-1  12  ● 2/2  ◌ not told  <10 s"


def test_clusters_keep_their_places_under_a_cursor_that_somebody_moved() -> None:
    def named(calm: str, bad: str, *more: str) -> list[ClusterSummary]:
        new = [rooms.cluster(name, {ACTIVE: 9}) for name in more]
        return [rooms.cluster(calm, {CLEAR: 1}), rooms.cluster(bad, {ACTIVE: 1}), *new]

    order = ClusterOrder()
    assert [c.name for c in order.arranged(named("a", "b"), is_held=False)] == ["b", "a"]
    held = order.arranged(named("b", "a", "c"), is_held=True)
    assert [c.name for c in held] == ["b", "a", "c"]
    assert [c.name for c in order.arranged(held, is_held=False)] == ["c", "a", "b"]


async def test_cursor_shows_collectors_and_worst_findings_of_its_cluster() -> None:
    app = HandApp(rooms.brokered())
    async with app.run_test(size=WIDE) as pilot:
        text = await settled(pilot)
        assert "prod-eu-1 ▏ Collectors 3 ▏ 1 of 3 present" in text
        assert "▲ The next agent start would break this node" in text
        text = await pressed(pilot, "j")
        assert "prod-us-1 ▏ Collectors 2 ▏ 2 of 2 present" in text
        assert "▲ UDP clients stay on backends that are gone (ip-10-1-2-3)" in text
        assert "The next agent" not in text.split("prod-us-1 ▏ Collectors")[1]


def test_collectors_in_trouble_stand_first_with_their_numbers() -> None:
    rows = [row.text for row in collector_rows(rooms.troubled_collectors(), NOW)]
    assert rows[0].startswith("✖  prod-eu-1-c2  gone  0  ⧗ 40 s  1.4/10 s  0  0  0  prod-eu-1-c2.")
    assert rows[1].startswith("▲  prod-eu-1-c3  late  6  ⧗ 10 s  1.4/10 s  0  1,204  0  5 m behind")
    assert "present  6  <10 s  1.4/10 s  3  0  41  degraded: 3 of 12 execs failed" in rows[2]


@pytest.mark.parametrize(
    ("skew", "words"),
    [(None, ""), (0.9, ""), (-1.0, ""), (61.0, "1 m ahead"), (-312.0, "5 m behind")],
)
def test_a_clock_is_told_where_it_is_off_by_more_than_a_second(
    skew: float | None, words: str
) -> None:
    assert skew_words(skew) == words


async def test_tab_goes_to_the_collectors_and_enter_opens_one() -> None:
    app = HandApp(rooms.brokered())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pressed(pilot, "tab", "j")
        text = await pressed(pilot, "enter")
        assert is_on(app, DetailScreen)
        assert "Collector prod-eu-1-c3" in text
        assert "5 m behind" in text
        assert "1,204" in text
        await pressed(pilot, "escape")
        text = await pressed(pilot, "escape")
        assert is_on(app, ClustersScreen)
        await pressed(pilot, "escape")
        assert app.screen is app.home


async def test_clusters_are_filtered_and_sorted_like_every_list() -> None:
    app = HandApp(rooms.brokered())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        text = await enter_line(pilot, "/staging")
        assert "1 of 4 ▏ /staging" in text
        await pressed(pilot, "escape")
        text = await enter_line(pilot, ":sort nodes")
        assert app.screen.query_one("#panel-clusters").shown[0].key == "prod-us-1"  # type: ignore[attr-defined]  # a Grid


# Another cluster


async def test_enter_asks_for_the_cluster_and_goes_home() -> None:
    app = HandApp(rooms.brokered())
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await pressed(pilot, "j", "enter")
        assert asked(app) == ["prod-us-1"]
        assert app.screen is app.home
        await shows(pilot, "reading prod-us-1")


async def test_enter_on_the_shown_cluster_only_goes_home() -> None:
    app = HandApp(rooms.brokered())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pressed(pilot, "enter")
        assert asked(app) == []
        assert app.screen is app.home


async def test_no_other_cluster_while_an_operation_runs() -> None:
    app = HandApp(rooms.brokered(operations=(ops.running(),)))
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await pressed(pilot, "j", "enter")
        await shows(pilot, "runs on prod-eu-1: it can't be left before (O)")
        assert asked(app) == []
        assert is_on(app, ClustersScreen)


async def test_a_paused_view_goes_on_with_another_cluster_and_its_worst_node() -> None:
    app = HandApp(rooms.brokered())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pressed(pilot, "escape", "j", "j", "p")
        assert chosen(app) != "node-3"
        await enter_line(pilot, ":cluster us")
        assert asked(app) == ["prod-us-1"]
        assert app.dashboard.desk.board.paused_at is None
        app.show(rooms.brokered(version=2))
        await settled(pilot)
        assert chosen(app) == "node-3"


@pytest.mark.parametrize(
    ("typed", "problem"),
    [("prod", "2 clusters match: prod-eu-1, prod-us-1"), ("nope", "no cluster: nope")],
)
async def test_cluster_command_says_what_it_does_not_understand(typed: str, problem: str) -> None:
    app = HandApp(rooms.brokered(two()))
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pressed(pilot, "escape")
        assert problem in await enter_line(pilot, f":cluster {typed}")
        assert asked(app) == []


async def test_cluster_command_completes_names_worst_first_and_opens_the_screen_bare() -> None:
    app = HandApp(rooms.brokered())
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pressed(pilot, "escape")
        lines = app.dashboard.desk.complete(":cluster ")
        assert lines[:2] == ["cluster prod-eu-1", "cluster prod-us-1"]
        await enter_line(pilot, ":cluster")
        assert is_on(app, ClustersScreen)


async def test_without_a_broker_there_is_one_cluster() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await pressed(pilot, "C")
        await shows(pilot, "one cluster is read here: ciltop --mqtt URL")
        assert is_on(app, HomeScreen)
        assert "one cluster is read here" in await enter_line(pilot, ":cluster prod")
        assert asked(app) == []


# Hostile names


@pytest.mark.parametrize(
    ("text", "size"), [*((text, (80, 24)) for text in HOSTILE), (HOSTILE[2], (160, 30))]
)
async def test_hostile_names_are_shown_as_they_are_and_break_no_line(
    text: str, size: tuple[int, int]
) -> None:
    name = clean(text)
    late = rooms.collector("x", Presence.LATE, host=name, version=name, reason=name)
    collector = replace(late, id=name)
    worst = (name,) * 4
    named = rooms.cluster("x", {ACTIVE: 1}, collectors=(collector,), worst=worst, is_chosen=True)
    named = replace(named, name=name)
    room = two(
        chosen=name, collectors=(collector,), clusters=(named, *two().clusters), no_acting=name
    )
    app = HandApp(rooms.brokered(room, rooms.health(SourceState.DEGRADED, text)))
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        for keys in (
            *(("C",), ("tab", "enter"), ("escape", "y", "escape"), ("enter",)),
            (*"C", "j", "enter"),
            *((*"C:gaps", "enter"), ("escape", "T"), ("colon", *"cluster x", "enter")),
        ):
            await pilot.press(*("space" if key == " " else key for key in keys))
            shown = await settled(pilot)
            assert not [c for c in shown if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160]
            assert "could not be drawn" not in shown
            assert "panel failed" not in shown
            assert max(map(cell_len, shown.splitlines())) <= size[0]
        assert app.is_running


# News


def test_collectors_that_go_and_come_are_said_once_and_none_while_nobody_is_heard() -> None:
    news = CollectorNews()
    here, there = rooms.well()
    gone = replace(there, presence=Presence.GONE)

    def take(*collectors: object, state: SourceState = SourceState.LIVE) -> list[tuple[str, bool]]:
        room = one(collectors=collectors)
        return news.take(rooms.brokered(room, rooms.health(state)))

    assert take(here, there) == []
    assert take(here, gone) == [("collector prod-eu-1-c2 is gone", True)]
    assert take(here, gone) == []
    assert take(here, there, state=SourceState.LOST) == []
    assert take(here, there) == [("collector prod-eu-1-c2 is back", False)]
    new = [rooms.collector(f"new-{number}") for number in range(3)]
    assert take(here, there, new[0]) == [("collector new-0 came", False)]
    assert take(here, gone, *new) == [("3 collectors changed: 4 of 5 are there", True)]


async def test_findings_of_another_cluster_are_no_news() -> None:
    app = HandApp(rooms.brokered(one()))
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        change = replace(rooms.brokered().finding_changes[0], at=NOW)
        other = rooms.brokered(one(chosen=clean("other")), version=2, finding_changes=(change,))
        app.show(other)
        app.show(replace(other, version=3))
        assert "ACTIVE: map-pressure" not in await settled(pilot)
        app.show(replace(other, version=4, finding_changes=(change, replace(change, at=NOW + 1))))
        await shows(pilot, "ACTIVE: map-pressure")
