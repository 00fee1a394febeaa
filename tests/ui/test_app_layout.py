"""What has room where: layouts, titles and states of the panels at each size."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.ui import app_samples as samples
from tests.ui.app_pilot import HandApp, settled, shows
from widgets.symbols import UNICODE, use_symbols


@pytest.mark.parametrize("key", ["1", "2", "3", "4"])
async def test_filter_and_counts_stand_on_the_tab_rule_at_80_columns(key: str) -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press(key, "slash", *"lb4", "enter")
        rule = next(line for line in (await settled(pilot)).splitlines() if "─" in line[:9])
        assert " of " in rule
        assert "/lb4" in rule


async def test_filter_of_the_node_table_is_on_screen_at_80_columns() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("slash", *"node-1", "enter")
        text = await settled(pilot)
        assert "4 of 12 ▏ /node-1" in text


async def test_three_nodes_leave_the_room_to_the_panel() -> None:
    snapshot = samples.incident()
    three = {uid: facts for uid, facts in snapshot.nodes.items() if uid in _THREE}
    app = HandApp(replace(snapshot, nodes=three))
    async with app.run_test(size=(80, 24)) as pilot:
        lines = (await settled(pilot)).splitlines()
        rule = next(at for at, line in enumerate(lines) if "1 Maps" in line)
        assert rule <= 7
        assert app.home.nodes_panel.widget.size.height == 5


@pytest.mark.parametrize(("columns", "is_wide"), [(120, False), (139, False), (140, True)])
async def test_panels_stand_beside_the_table_only_where_both_have_room(
    columns: int, is_wide: bool
) -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(columns, 40)) as pilot:
        await settled(pilot)
        assert app.home.is_wide is is_wide
        assert app.home.query_one("#side").size.width >= 70
        assert not is_wide or app.home.query_one("#log-box").outer_size.height == 10


async def test_panels_keep_their_names_beside_badges_at_160_columns() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        text = await settled(pilot)
    for name in ("1 Maps", "2 Services", "3 Features", "4 Findings", "5 Log"):
        assert name in text


async def test_pause_at_80_columns_leaves_the_fault_counts() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("p")
        head = (await settled(pilot)).splitlines()[0]
    assert "PAUSED" in head
    assert "✖ 4 ▲" in head


async def test_features_and_their_values_are_whole_at_80_columns() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("3")
        text = await settled(pilot)
    assert "CONFIG_INET_DIAG_DESTROY" in text
    assert "6.8.0-45-generic" in text


async def test_healthy_node_says_that_nothing_is_wrong_and_when_it_was_read() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("G", "4")
        text = await settled(pilot)
        assert re.search(r"● ok +nothing wrong is seen on this node", text)
        assert "read 2 s ago" in text
        await pilot.press("enter")
        assert "what the agent says" in (await settled(pilot)).lower()


async def test_unknown_theme_is_said() -> None:
    app = HandApp(samples.incident(), theme="nope")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await shows(pilot, "no theme nope")


async def test_ascii_symbols_have_ascii_borders() -> None:
    app = HandApp(samples.incident(), is_ascii=True)
    try:
        async with app.run_test(size=(160, 50)) as pilot:
            text = await settled(pilot)
            await pilot.press("1", "enter")
            text += await settled(pilot)
    finally:
        use_symbols(UNICODE)
    assert not set(text) & set("╭╮╰╯─│┌┐└┘█▏")
    assert "+-" in text


_THREE = frozenset((samples.uid(2), samples.uid(3), samples.uid(4)))
