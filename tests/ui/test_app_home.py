"""Home driven by keys: what is shown, where the focus goes, what the collector is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ui import app_samples as samples
from tests.ui.app_pilot import HandApp, chosen, screen_text, settled, shows
from tui.model.reading import Reading
from tui.model.snapshot import NodeFacts
from tui.screens import focus_teller

SIZES = [(80, 24), (120, 30), (160, 50)]


@pytest.mark.parametrize("size", SIZES)
async def test_home_shows_the_incident_at_every_size(size: tuple[int, int]) -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=size) as pilot:
        text = await settled(pilot)
    assert "frontends missing ▏" in text
    assert "too small" in text.splitlines()[1]
    assert "▌✖ node-3" in text
    assert "64/64" in text
    assert "READ-ONLY" in text
    assert all(len(line) <= size[0] for line in text.splitlines())


async def test_collector_starts_after_the_first_paint() -> None:
    app = HandApp()
    async with app.run_test(size=(80, 24)) as pilot:
        text = await settled(pilot)
        assert app.hands.calls[:1] == [("start",)]
    assert "loading: connecting to the cluster" in text


async def test_cursor_keys_choose_the_node_and_tell_the_collector_once_they_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(focus_teller, "REST_SECONDS", 60.0)
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await pilot.press("j", "down")
        text = await settled(pilot)
        assert app.home.chosen is not None
        assert app.home.chosen.name == "node-1"
        app.home.focus_teller.tell()
        told = [call for call in app.hands.calls if call[0] == "focus"]
        assert told[-1] == ("focus", samples.uid(1), frozenset())
        assert ("focus", samples.uid(9), frozenset()) not in told
    assert "node-1 ▏ 10.0.3.1 ▏ 1.11.7" in text


async def test_cursor_follows_the_worst_node_until_the_person_moves_it() -> None:
    snapshot = samples.incident()
    unread = {
        uid: replace(samples.healthy(number), swept_at=None)
        for number, uid in enumerate(snapshot.nodes, start=1)
    }
    unread = {facts.node.uid: facts for facts in unread.values()}
    app = HandApp(replace(snapshot, nodes=unread))
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        assert chosen(app) == "node-1"
        app.show(snapshot)
        await settled(pilot)
        assert chosen(app) == "node-3"
        worst = replace(snapshot, nodes={**snapshot.nodes, samples.uid(2): worse()})
        app.show(worst)
        text = await settled(pilot)
        assert chosen(app) == "node-2"
        assert "node-2 ▏ 10.0.3.2" in text or "─ node-2 " in text
        await pilot.press("j")
        app.show(snapshot)
        await settled(pilot)
        assert chosen(app) == "node-3"
        await pilot.press("k")
        app.show(worst)
        await settled(pilot)
        assert chosen(app) == "node-3"


async def test_opened_panel_keeps_its_node_once_all_nodes_were_read() -> None:
    snapshot = samples.incident()
    app = HandApp(snapshot)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        app.show(replace(snapshot, nodes={**snapshot.nodes, samples.uid(2): worse()}))
        await settled(pilot)
        assert chosen(app) == "node-3"


def worse() -> NodeFacts:
    """Return node-2 with everything missing."""
    facts = replace(samples.broken(), node=samples.node(2))
    coverage = facts.services.value
    assert coverage is not None
    empty = replace(coverage, held_frontends=0)
    return replace(facts, services=Reading.known(empty, samples.origin("dump", 2)))


async def test_cursor_stays_on_its_node_when_the_order_changes() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await pilot.press("j", "j", "j", "j", "j")
        assert chosen(app) == "node-4"
        snapshot = samples.incident()
        app.show(replace(snapshot, nodes={**snapshot.nodes, samples.uid(2): worse()}))
        text = await settled(pilot)
        assert chosen(app) == "node-4"
    assert text.index("node-2 ") < text.index("node-3 ")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("1", "HASH: a full map refuses entries"),
        ("2", "16 of 32 frontends missing: default/echo"),
        ("3", "CONFIG_INET_DIAG_DESTROY"),
        ("4", "16 of 32 Service frontends missing"),
        ("5", "ERROR ×11"),
    ],
)
@pytest.mark.parametrize("size", SIZES)
async def test_number_keys_open_the_panels(size: tuple[int, int], key: str, expected: str) -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await pilot.press(key)
        text = await settled(pilot)
        assert app.home.panel.number == key
    assert expected in text


async def test_tab_walks_from_the_table_through_every_panel_and_back() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        walked = []
        for _ in range(6):
            await pilot.press("tab")
            walked.append(app.home.panel.key)
        assert walked == ["maps", "services", "features", "findings", "log", "nodes"]
        await pilot.press("shift+tab")
        assert app.home.panel.key == "log"


async def test_tab_goes_to_the_panel_that_is_open() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await pilot.press("3", "escape")
        assert app.home.panel.key == "nodes"
        await pilot.press("tab")
        assert app.home.panel.key == "features"


async def test_full_screen_gives_the_focused_panel_all_room_and_escape_gives_it_back() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await pilot.press("2", "f")
        text = await settled(pilot)
        assert "WORST MAP" not in text
        assert "10.0.1.8:8080/TCP" in text
        await pilot.press("5")
        text = await settled(pilot)
        assert "CT: Map insertion failed" in text
        assert "WORST MAP" not in text
        await pilot.press("escape")
        assert "WORST MAP" in await settled(pilot)


async def test_markup_in_a_log_line_is_shown_as_it_is() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        assert "CT: Map insertion failed [/b] red" in await settled(pilot)


async def test_levels_key_shows_all_levels_and_back() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        assert "Daemon initialised" not in await settled(pilot)
        await pilot.press("l")
        text = await settled(pilot)
        assert "Daemon initialised" in text
        assert "all levels" in text
        await pilot.press("5", "l")
        assert "Daemon initialised" not in await settled(pilot)


async def test_marked_nodes_are_merged_into_the_log_and_told() -> None:
    snapshot = samples.incident()
    logs = samples.log_entries(9)[-1:]
    other = replace(samples.crashing(), logs=tuple(replace(each, sequence=90) for each in logs))
    app = HandApp(replace(snapshot, nodes={**snapshot.nodes, samples.uid(9): other}))
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await pilot.press("j", "space", "k", "k")
        text = await settled(pilot)
        app.home.focus_teller.tell()
        assert app.hands.calls[-1] == ("focus", samples.uid(3), frozenset({samples.uid(9)}))
    assert "Log ▏ node-3 + 1 marked" in text
    assert text.count("CT: Map insertion failed") == 2


async def test_row_opens_with_all_that_proves_it_and_escape_comes_back() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.press("1", "enter")
        text = await settled(pilot)
        assert "node-3: lb4_backends_v2" in text
        assert "the agent says 75" in text
        assert "kubectl --context prod-eu-1 -n kube-system exec cilium-00003" in text
        assert "globals/cilium_lb4_backends_v2" in text
        await pilot.press("escape")
        assert app.screen is app.home


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (("enter",), "what the agent says"),
        (("2", "enter"), "default/echo: missing on node-3"),
        (("3", "enter"), "/proc/config.gz, /boot/config"),
        (("4", "enter"), "default/echo, default/load-0"),
        (("5", "enter"), "subsystem datapath"),
        (("5", "up", "enter"), "lines lost 148"),
        (("2", "G", "enter"), "Backends wanted (2)"),
    ],
)
async def test_every_panel_has_a_detail(keys: tuple[str, ...], expected: str) -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 60)) as pilot:
        await settled(pilot)
        await pilot.press(*keys)
        text = " ".join((await settled(pilot)).split())
    assert expected.lower() in text.lower()


async def test_detail_of_what_is_gone_stays_and_says_so() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await pilot.press("1", "enter")
        await settled(pilot)
        app.show(samples.empty())
        text = await settled(pilot)
    assert "this is gone; shown as it was" in text
    assert "the agent says" in text


async def test_count_key_asks_for_the_map_under_the_cursor() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("c")
        await shows(pilot, "move to a map first")
        await pilot.press("1", "G", "c")
        await settled(pilot)
    assert app.hands.calls[-1] == ("count", samples.uid(3), "cilium_lb4_reverse_sk")


async def test_result_of_a_count_is_said_when_it_arrives() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("1", "G", "c")
        await settled(pilot)
        facts = samples.broken()
        counted = replace(
            samples.lru_map("cilium_lb4_reverse_sk", 1_311, 262_144), counted_at=samples.NOW + 1
        )
        maps = Reading.known((*samples.full_maps()[:-1], counted), samples.origin("maps", 3))
        snapshot = samples.incident()
        nodes = {**snapshot.nodes, samples.uid(3): replace(facts, maps=maps)}
        app.show(replace(snapshot, nodes=nodes))
        await shows(pilot, "lb4_reverse_sk on node-3: 1,311 of 262,144 (1%)")


async def test_pause_freezes_the_view_while_snapshots_go_on() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await pilot.press("p")
        app.now += 180
        app.show(samples.empty())
        app.dashboard.tick()
        text = await settled(pilot)
        assert "PAUSED 3 m" in text
        assert "agent up 33 m" in text
        assert "node-3" in text
        await pilot.press("p")
        text = await settled(pilot)
        assert "PAUSED" not in text
        assert "no node at" in text


async def test_copy_says_what_was_copied() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("y")
        await shows(pilot, "copied: ✖  node-3")
        assert app.clipboard.startswith("✖  node-3  ● 33 m")


async def test_refresh_key_asks_for_everything_now() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("r")
        await settled(pilot)
    assert ("refresh",) in app.hands.calls


async def test_mouse_opens_tabs_and_sorts_columns() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await pilot.click("#tabs", offset=(14, 0))
        assert "16 of 32 frontends missing" in await settled(pilot)
        await pilot.click("#panel-nodes", offset=(5, 0))
        assert "sorted by NODE" in await settled(pilot)
        lines = screen_text(app).splitlines()
    assert "node-1 " in lines[4]
