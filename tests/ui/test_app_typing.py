"""Filters and commands typed into the line at the bottom."""

from __future__ import annotations

import pytest
from textual import events
from textual.pilot import Pilot

from tests.ui import app_samples as samples
from tests.ui.app_pilot import HandApp, chosen, settled, shows
from tui.screens.service_screen import ServiceScreen


async def enter_line(pilot: Pilot[None], text: str, *, is_finished: bool = True) -> str:
    """Type a line as a person does, its first character being the key that opens it."""
    names = {":": "colon", "/": "slash", " ": "space", ".": "full_stop", "!": "exclamation_mark"}
    await pilot.press(*(names.get(character, character) for character in text))
    if is_finished:
        await pilot.press("enter")
    return await settled(pilot)


async def test_filter_works_while_it_is_typed_and_stands_in_the_title() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        text = await enter_line(pilot, "/version:1.11", is_finished=False)
        assert "node-1 " in text
        assert "node-12" not in text
        await pilot.press("enter")
        text = await settled(pilot)
        assert "Nodes ▏ 2 of 12 ▏ /version:1.11" in text
        await pilot.press("escape")
        assert "node-12" in await settled(pilot)


async def test_filter_of_a_panel_leaves_the_table_alone_and_gives_the_focus_back() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        text = await enter_line(pilot, "/load-1 !load-12")
        assert app.home.panel.key == "services"
        assert "default/load-13" in text
        assert "default/load-2 " not in text
        assert "Nodes ▏ 12 ▏" in text
        assert "/load-1 !load-12" in text


@pytest.mark.parametrize("key", ["1", "3", "4", "5"])
async def test_every_panel_takes_a_filter_and_shows_it_in_its_title(key: str) -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await pilot.press(key)
        text = await enter_line(pilot, "/zzz")
        assert "/zzz" in text


async def test_cancelled_filter_gives_back_the_one_before() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await enter_line(pilot, "/node-1")
        text = await enter_line(pilot, "/2", is_finished=False)
        assert "1 of 12" in text
        await pilot.press("escape")
        assert "4 of 12 ▏ /node-1" in await settled(pilot)


async def test_wrong_filter_says_what_is_wrong_and_stays_open() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await enter_line(pilot, "/verson:1")
        line = app.home.typing_line.line
        assert line.is_open
        assert line.has_class("-error")
        await pilot.press("escape")
        await settled(pilot)
        assert not line.is_open


async def test_faults_only_hides_the_healthy_and_says_so() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await pilot.press("exclamation_mark")
        text = await settled(pilot)
        assert "4 of 12 ▏ faults only" in text
        await pilot.press("1", "exclamation_mark")
        text = await settled(pilot)
        assert "2 of 5 ▏ faults only" in text


async def test_sort_keys_and_command() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        text = await enter_line(pilot, ":sort fill")
        assert "sorted by FILL ↓" in text
        await pilot.press("S")
        assert "sorted by FILL ↑" in await settled(pilot)
        await pilot.press("1", "s")
        assert "sorted by name" in await settled(pilot)
        text = await enter_line(pilot, ":sort nothing")
        assert "can't be sorted by nothing" in text


async def test_service_command_shows_one_service_on_every_node() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        text = await enter_line(pilot, ":svc echo")
        assert isinstance(app.screen, ServiceScreen)
        assert "2 backends: 10.0.1.7:8080/TCP, 10.0.2.9:8080/TCP" in text
        assert "1 missing, 2 unknown, 9 held" in text
        rows = [line for line in text.splitlines() if line.startswith("│")]
        assert "node-3" in rows[1]
        assert "missing" in rows[1]
        await pilot.press("j", "j", "j", "enter")
        await shows(pilot, "WORST MAP")
        assert chosen(app) == "node-1"


@pytest.mark.parametrize("query", ["10.96.255.40", "10.96.255.40:80", "default/echo", "ECHO"])
async def test_service_is_found_by_address_and_name(query: str) -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await enter_line(pilot, f":svc {query}")
        assert isinstance(app.screen, ServiceScreen)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (":svc load", "30 Services match: default/load-0"),
        (":svc nosuch", "no Service matches nosuch"),
        (":svc", ":svc needs NAME|IP[:PORT]"),
        (":node node", "12 nodes match"),
        (":node x9", "no node matches x9"),
        (":jump", "unknown command jump: svc, node"),
        (":count nosuch", "no map nosuch on node-3"),
        (":theme nosuch", "no theme nosuch"),
        (":gaps x", ":gaps takes nothing"),
    ],
)
async def test_command_that_can_not_be_run_says_why(line: str, problem: str) -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        text = await enter_line(pilot, line)
        assert app.home.typing_line.line.is_open
    assert problem in text


async def test_node_command_goes_to_a_node_that_a_filter_hides() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await enter_line(pilot, "/node-1")
        await enter_line(pilot, ":node node-7")
        await settled(pilot)
        assert chosen(app) == "node-7"


async def test_count_command_counts_a_map_of_the_chosen_node() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await enter_line(pilot, ":count lb4_reverse_sk")
    assert app.hands.calls[-1] == ("count", samples.uid(3), "cilium_lb4_reverse_sk")


async def test_keys_typed_faster_than_they_are_handled_reach_the_line() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        for character in ":node x9":
            name = {":": "colon", " ": "space"}.get(character, character)
            app.post_message(events.Key(name, character))
        await settled(pilot)
        assert app.home.typing_line.line.text == "node x9"


async def test_key_typed_right_behind_a_panel_key_goes_to_the_panel() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        app.post_message(events.Key("2", "2"))
        app.post_message(events.Key("enter", None))
        await shows(pilot, "default/echo: missing on node-3")


async def test_tab_completes_a_service_name() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await enter_line(pilot, ":svc ec", is_finished=False)
        await pilot.press("tab")
        await settled(pilot)
        assert app.home.typing_line.line.text == "svc default/echo"


async def test_gaps_command_names_what_could_not_be_read() -> None:
    app = HandApp(samples.lost())
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        text = await enter_line(pilot, ":gaps")
    assert "denied: needs list services" in text
    assert "connection refused" in text


async def test_quit_command_and_key_end_the_program() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await enter_line(pilot, ":q")
        assert not app.is_running or app._exit
    other = HandApp(samples.incident())
    async with other.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("q")
        await pilot.pause()
        assert other._exit


async def test_help_lists_every_key_and_command() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 100)) as pilot:
        await settled(pilot)
        await pilot.press("question_mark")
        text = await settled(pilot)
        for word in ("ctrl+s", "shift+tab", ":svc NAME|IP[:PORT]", "field:value", "paused"):
            assert word in text
        await pilot.press("escape")
        assert app.screen is app.home


async def test_palette_runs_an_action_of_the_registry() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+p")
        await shows(pilot, "features (3)")
        await pilot.press(*"features")
        await shows(pilot, "kernel features")
        await pilot.press("enter")
        await shows(pilot, "CONFIG_INET_DIAG_DESTROY")
        assert app.home.panel.key == "features"
