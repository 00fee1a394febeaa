"""Home driven by keys: what is shown, where the focus goes, what the collector is told."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from tests.ui import app_samples as samples
from tests.ui.app_pilot import HandApp, screen_text

SIZES = [(80, 24), (120, 30), (160, 50)]


async def settled(pilot: Pilot[None]) -> str:
    """Wait until messages and timers are done, and return the screen as text."""
    await pilot.pause()
    await pilot.pause()
    return screen_text(pilot.app)


@pytest.mark.parametrize("size", SIZES)
async def test_home_shows_the_incident_at_every_size(size: tuple[int, int]) -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=size) as pilot:
        text = await settled(pilot)
    assert "node-3: 16 of 32 Service frontends missing" in text
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


async def test_arrow_keys_choose_the_node_and_tell_the_collector_once_they_rest() -> None:
    app = HandApp(samples.incident())
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        await pilot.press("j", "j")
        text = await settled(pilot)
        assert app.home.chosen is not None
        assert app.home.chosen.name == "node-1"
        app.home.focus_teller.tell()
        told = [call for call in app.hands.calls if call[0] == "focus"]
        assert told[-1] == ("focus", samples.uid(1), frozenset())
        assert ("focus", samples.uid(9), frozenset()) not in told
    assert "node-1 ▏ 10.0.3.1 ▏ 1.11.7" in text
