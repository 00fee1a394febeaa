"""Findings muted with a reason: out of sight, counted, kept, and shown again."""

from __future__ import annotations

import json
from pathlib import Path

from tests.ui import finding_samples as found
from tests.ui.app_pilot import HandApp, settled, shows
from tests.ui.test_app_findings import WIDE, listed, pressed
from tests.ui.test_app_typing import enter_line


async def test_muted_finding_is_out_of_sight_with_a_count_and_comes_back() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await pressed(pilot, "F", "j", "m")
        text = await enter_line(pilot, "resize at 15")
        assert "map-pressure/cilium_lb4_backends_v2/ACTIVE" not in listed(app)
        assert "1 latent, 4 clear, 1 muted: A shows all" in text
        assert "✖ 1 active" in text
        text = await pressed(pilot, "A", "G")
        assert "resize at 15 (m shows it again)" in text
        text = await pressed(pilot, "m", "A")
        assert "✖ 2 active" in text
        assert "resize at 15" not in text


async def test_mute_needs_a_reason_and_a_finding() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("m")
        await shows(pilot, "move to a finding first")
        await pressed(pilot, "F", "m")
        await pilot.press("enter")
        await shows(pilot, ":mute needs REASON")
        await pressed(pilot, "escape")
        assert not app.dashboard.desk.board.findings.muted


async def test_verdict_is_muted_from_the_panel() -> None:
    app = HandApp(found.judged())
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await pressed(pilot, "4", "m")
        await enter_line(pilot, "known")
        assert set(app.dashboard.desk.board.findings.muted) == {"service-map-drift//ACTIVE"}
        assert "1 muted" in await settled(pilot)


async def test_mutes_are_kept_in_the_state_folder(tmp_path: Path) -> None:
    for keys, number in ((("m",), 1), ((), 1)):
        app = HandApp(found.judged(), state=tmp_path)
        async with app.run_test(size=WIDE) as pilot:
            await settled(pilot)
            await pressed(pilot, "F")
            if keys:
                await pressed(pilot, *keys)
                await enter_line(pilot, "known")
            assert len(app.dashboard.desk.board.findings.muted) == number
    kept = json.loads((tmp_path / "mutes.json").read_text())
    assert list(kept["contexts"]["prod-eu-1"]) == ["service-map-drift//ACTIVE"]


async def test_bad_mutes_file_is_said_and_ignored(tmp_path: Path) -> None:
    (tmp_path / "mutes.json").write_text("{")
    app = HandApp(found.judged(), state=tmp_path)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settled(pilot)
        await shows(pilot, "mutes.json is ignored")
