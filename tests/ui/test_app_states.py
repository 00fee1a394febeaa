"""What is lost, denied, empty, too small or broken: each is said, and the rest goes on."""

from __future__ import annotations

import pytest

from tests.ui import app_samples as samples
from tests.ui.app_pilot import HandApp, settled, shows
from tui.model.snapshot import NodeFacts
from tui.screens import live_screen
from tui.screens.faults import Fault, node_faults
from tui.screens.maps_panel import MapsPanel


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


async def test_a_tick_while_the_app_closes_finds_no_screen_and_says_nothing() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        dashboard = app.dashboard
    assert not app.screen_stack
    dashboard.tick()
    dashboard.take_snapshot()
