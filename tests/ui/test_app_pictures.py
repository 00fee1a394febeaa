"""`ctrl+s`: three files, the path shown and copied, and a message where they can't be written."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from tests.ui import app_samples as samples
from tests.ui.app_pilot import HandApp, settled, shows


async def test_screen_is_saved_and_its_path_shown_and_copied(tmp_path: Path) -> None:
    folder = tmp_path / "screenshots"
    app = HandApp(samples.incident(), screenshots=folder)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+s")
        await shows(pilot, "saved, path copied")
        stem = "ciltop_prod-eu-1_node-3_20261122T140211Z"
        assert app.clipboard == str(folder / f"{stem}.png")
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{stem}.png",
        f"{stem}.svg",
        f"{stem}.txt",
    ]
    svg = (folder / f"{stem}.svg").read_text()
    ET.fromstring(svg)  # noqa: S314 - our own file, to prove that it parses
    assert "https://" not in svg
    text = (folder / f"{stem}.txt").read_text()
    assert "node-3: 16 of 32 frontends missing" in text
    assert len(text.splitlines()) == 30
    assert (folder / f"{stem}.png").read_bytes().startswith(b"\x89PNG")


async def test_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    app = HandApp(samples.incident(), screenshots=tmp_path / "file")
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+s")
        await shows(pilot, "no picture saved in")
        assert app.is_running


async def test_detail_screen_can_be_saved_under_its_nodes_name(tmp_path: Path) -> None:
    app = HandApp(samples.incident(), screenshots=tmp_path)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("1", "enter")
        await settled(pilot)
        await pilot.press("ctrl+s")
        await shows(pilot, "saved, path copied")
        assert "_node-3_" in app.clipboard
