"""The documentation says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pictures.tables import TABLES, Place
from tui.config import SETTINGS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("place", TABLES, ids=lambda place: place.name)
def test_tables_are_the_programs_own(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert place.path.read_text(encoding="utf-8") == place.replaced(TABLES[place]())


def test_every_setting_is_described() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for setting in SETTINGS:
        assert f"| `{setting.key}` |" in text
        assert all(f"`{flag}`" in text for flag in setting.flags)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
