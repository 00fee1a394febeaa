"""Muted findings: kept for each context, private, whole or not at all, and a bad file is told."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tui.screens.mutes import MAX_FILE_BYTES, MAX_REASON, SCHEMA, Mutes

KEY = "map-pressure/cilium_lb4_backends_v2/ACTIVE"


def test_mutes_outlive_a_run_and_belong_to_their_context(tmp_path: Path) -> None:
    path = tmp_path / "ciltop" / "mutes.json"
    assert Mutes(path).mute("prod", KEY, "known", 1.0) == ""
    again = Mutes(path)
    assert again.of("prod")[KEY].reason == "known"
    assert not again.of("other")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["mutes.json"]


def test_unmuted_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "mutes.json"
    Mutes(path).mute("prod", KEY, "known", 1.0)
    Mutes(path).unmute("prod", KEY)
    assert not Mutes(path).of("prod")


def test_two_programs_do_not_undo_each_other(tmp_path: Path) -> None:
    path = tmp_path / "mutes.json"
    first, second = Mutes(path), Mutes(path)
    first.mute("prod", "a//ARMED", "one", 1.0)
    second.mute("prod", "b//ARMED", "two", 2.0)
    assert set(Mutes(path).of("prod")) == {"a//ARMED", "b//ARMED"}


def test_what_was_handed_out_does_not_change_under_its_reader() -> None:
    mutes = Mutes()
    mutes.mute("prod", KEY, "known", 1.0)
    before = mutes.of("prod")
    mutes.unmute("prod", KEY)
    assert KEY in before
    assert KEY not in mutes.of("prod")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"null",
        b"[" * 100_000,
        json.dumps({"schema": "ciltop.mutes/9", "contexts": {}}).encode(),
        json.dumps({"schema": SCHEMA, "contexts": []}).encode(),
        json.dumps({"schema": SCHEMA, "contexts": {"prod": {KEY: {"reason": 1}}}}).encode(),
        json.dumps({"schema": SCHEMA, "contexts": {"prod": {KEY: {"reason": "x"}}}}).encode(),
        b" " * (MAX_FILE_BYTES + 1),
    ],
    ids=range(11),
)
def test_bad_file_is_told_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mutes.json"
    path.write_bytes(content)
    mutes = Mutes(path)
    assert "is ignored" in mutes.problem
    assert "kept until ciltop ends" in mutes.mute("prod", KEY, "known", 1.0)
    assert KEY in mutes.of("prod")
    assert path.read_bytes() == content


def test_folder_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    mutes = Mutes(tmp_path / "file" / "mutes.json")
    assert mutes.mute("prod", KEY, "known", 1.0)
    assert KEY in mutes.of("prod")


def test_reasons_are_cleaned_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "mutes.json"
    record = {"reason": "\x1b[31mred\x07" + "a" * 9_000, "at": 1}
    path.write_text(json.dumps({"schema": SCHEMA, "contexts": {"prod": {KEY: record}}}))
    reason = Mutes(path).of("prod")[KEY].reason
    assert "\x1b" not in reason
    assert len(reason) <= MAX_REASON + 20
