"""Pictures of the screen: well-formed, offline, private, whole."""

from __future__ import annotations

import stat
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.screens.pictures import clean_svg, clean_text, picture_stem, png_of, save_pictures

RICH_SVG = """<svg class="rich-terminal" viewBox="0 0 200 100" xmlns="http://www.w3.org/2000/svg">
    <!-- Generated with Rich https://www.textualize.io -->
    <style>
    @font-face {
        font-family: "Fira Code";
        src: url("https://cdnjs.cloudflare.com/ajax/libs/firacode/FiraCode-Regular.woff2");
    }
    .t-matrix { font-family: Fira Code, monospace; font-size: 20px; }
    .t-title { font-family: arial; }
    </style>
    <text class="t-matrix" x="0" y="40" fill="#000000">%s</text>
</svg>"""


def test_web_fonts_and_addresses_are_gone() -> None:
    svg = clean_svg(RICH_SVG % "plain")
    assert "@font-face" not in svg
    assert "https://" not in svg
    assert "Fira" not in svg
    assert svg.count("font-family: 'Ciltop Mono', monospace;") == 2


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_hostile_text_stays_well_formed(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    svg = clean_svg(RICH_SVG % escaped)
    ET.fromstring(svg)  # noqa: S314 - our own text, to prove that it parses
    assert svg.encode("utf-8")
    assert not any(ord(character) < 32 and character not in "\t\n" for character in svg)


@pytest.mark.parametrize("reference", ["&#27;", "&#x1b;", "&#0;", "&#xFFFE;", "&#99999999;"])
def test_references_to_forbidden_characters_are_replaced(reference: str) -> None:
    svg = clean_svg(RICH_SVG % f"a{reference}b")
    ET.fromstring(svg)  # noqa: S314 - our own text, to prove that it parses
    assert "a\ufffdb" in svg


def test_references_to_allowed_characters_stay() -> None:
    assert "a&#160;b" in clean_svg(RICH_SVG % "a&#160;b")


def test_plain_text_keeps_lines_and_drops_controls() -> None:
    assert clean_text("a\x1b[31m\r\nb\x9bc\n") == "a\ufffd[31m\nb\ufffdc\n"


def test_png_draws_text_with_the_bundled_font_alone() -> None:
    blank, drawn = png_of(clean_svg(RICH_SVG % "")), png_of(clean_svg(RICH_SVG % "▏✖ 16/32"))
    assert drawn.startswith(b"\x89PNG\r\n")
    assert len(drawn) > len(blank) + 200


def test_name_holds_context_node_and_utc_time_and_nothing_unsafe() -> None:
    stem = picture_stem("../../etc/prod eu\x1b[2J", "node-3.example/..", 1_795_356_131.0)
    assert stem == "ciltop_etc-prod-eu-2J_node-3.example_20261122T140211Z"
    assert "/" not in picture_stem("x" * 300 + "/", "y", 0.0)
    assert picture_stem("", "", 0.0) == "ciltop_19700101T000000Z"


def test_three_private_files_are_written_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "screenshots"
    paths = save_pictures(RICH_SVG % "x", "x\n", folder, "ciltop_a")
    assert [path.name for path in paths] == ["ciltop_a.svg", "ciltop_a.png", "ciltop_a.txt"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    assert sorted(path.name for path in folder.iterdir()) == sorted(p.name for p in paths)


def test_two_pictures_of_one_second_do_not_replace_each_other(tmp_path: Path) -> None:
    first = save_pictures(RICH_SVG % "x", "x\n", tmp_path, "ciltop_a")
    second = save_pictures(RICH_SVG % "y", "y\n", tmp_path, "ciltop_a")
    assert second[0].name == "ciltop_a-2.svg"
    assert first[2].read_text() == "x\n"


def test_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        save_pictures(RICH_SVG % "x", "x\n", tmp_path / "file", "ciltop_a")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
