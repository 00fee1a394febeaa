"""Home driven by keys: what is shown, where the focus goes, what the collector is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ui import app_samples as samples
from tests.ui.app_pilot import HandApp, chosen, screen_text, settled, shows
from tui.model.reading import Reading
from tui.model.snapshot import NodeFacts
from tui.screens import focus_teller, live_screen
from tui.screens.faults import Fault, node_faults
from tui.screens.maps_panel import MapsPanel
from widgets.symbols import UNICODE, use_symbols

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
        await pilot.press("j", "j", "j", "j")
        assert chosen(app) == "node-10"
        snapshot = samples.incident()
        app.show(replace(snapshot, nodes={**snapshot.nodes, samples.uid(2): worse()}))
        text = await settled(pilot)
        assert chosen(app) == "node-10"
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
        assert "● nothing wrong is seen on this node" in text
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


async def test_lost_api_is_said_with_its_reason_and_age_and_empties_nothing() -> None:
    app = HandApp(samples.lost())
    async with app.run_test(size=(160, 50)) as pilot:
        text = await settled(pilot)
    assert "lost the API, last answer 4 m ago: connection refused" in text
    assert "stale: node-3 last answered 4 m ago" in text
    assert "64/64" in text
    assert "? 3 gaps" in text


async def test_denied_is_said_with_the_missing_verb() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        await settled(pilot)
        await pilot.press("j", "j", "j")
        text = await settled(pilot)
    assert "needs create pods/exec in kube-system" in text
    assert "denied: needs get pods/log in kube-system" in text


async def test_empty_cluster_is_not_loading() -> None:
    app = HandApp(samples.empty())
    async with app.run_test(size=(80, 24)) as pilot:
        text = await settled(pilot)
    assert "empty: no node at https://10.0.0.1:6443" in text
    assert "loading" not in text


async def test_small_terminal_says_so_and_recovers() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(50, 10)) as pilot:
        assert "terminal is too small: 50x10" in await settled(pilot)
        await pilot.resize_terminal(120, 30)
        assert "▌✖ node-3" in await settled(pilot)


async def test_failing_panel_shows_its_failure_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("seven")

    monkeypatch.setattr(MapsPanel, "show", fail)
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        text = await settled(pilot)
    assert "this panel failed: RuntimeError" in text
    assert "▌✖ node-3" in text
    assert "Traceback" in caplog.text


async def test_node_that_can_not_be_judged_costs_itself_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:

    def fail_once(facts: NodeFacts, now: float, expected: bool) -> tuple[Fault, ...]:
        if facts.node.name == "node-3":
            raise KeyError("seven")
        return node_faults(facts, now, expected)

    monkeypatch.setattr("tui.screens.fleet.node_faults", fail_once)
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50)) as pilot:
        text = await settled(pilot)
    assert "node-3" in text
    assert "12 nodes ▲ 2 ? 2 ● 8" in text
    assert "KeyError" in caplog.text


async def test_failing_header_does_not_end_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("seven")

    monkeypatch.setattr(live_screen, "header_view", fail)
    app = HandApp(samples.incident())
    async with app.run_test(size=(160, 50), notifications=True) as pilot:
        text = await shows(pilot, "could not be drawn: ValueError")
    assert "▌✖ node-3" in text


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
