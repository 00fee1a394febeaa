"""Diffs of objects: what a write changes, and nothing that every write changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tui.operations.diffs import diff_of, merged, part, yaml_of

CONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {
        "name": "cilium-config",
        "resourceVersion": "17",
        "uid": "u",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"manager": "helm"}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    },
    "data": {"a": "1", "bpf-lb-map-max": "64", "c": "3"},
    "status": {"x": 1},
}


def test_a_change_of_one_key_is_two_lines_with_what_is_around() -> None:
    after = merged(
        CONFIG, {"data": {"bpf-lb-map-max": "256"}, "metadata": {"resourceVersion": "9"}}
    )
    lines = diff_of(CONFIG, after).split("\n")
    assert lines[:2] == ["--- now", "+++ then"]
    assert [line for line in lines[2:] if line[0] in "+-"] == [
        "-  bpf-lb-map-max: '64'",
        "+  bpf-lb-map-max: '256'",
    ]
    assert "   a: '1'" in lines


def test_what_is_the_servers_own_is_left_out() -> None:
    text = yaml_of(CONFIG)
    for word in ("managedFields", "resourceVersion", "uid", "status", "last-applied", "creation"):
        assert word not in text
    assert diff_of(CONFIG, CONFIG) == ""


def test_a_made_and_a_deleted_object_are_shown_whole() -> None:
    made, gone = diff_of(None, CONFIG), diff_of(CONFIG, None)
    assert "+kind: ConfigMap" in made.split("\n")
    assert "-kind: ConfigMap" in gone.split("\n")


def test_hostile_values_stay_one_line_and_harmless() -> None:
    evil = merged(CONFIG, {"data": {"a": "\x1b[31mred\nnext\x00"}})
    text = diff_of(CONFIG, evil)
    assert "\x1b" not in text
    assert "\x00" not in text


_VALUES = st.dictionaries(st.text(max_size=5), st.text(max_size=8), max_size=4)
_CHANGES = st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=8), max_size=4)


@given(_VALUES, _CHANGES)
def test_a_merge_patch_sets_and_takes_away_and_its_undo_puts_back(
    values: dict[str, str], changes: dict[str, str | None]
) -> None:
    before = {"data": values}
    after = merged(before, {"data": changes})
    for key, text in changes.items():
        assert part(after, "data").get(key) == text
    back = {key: values.get(key) for key in changes}
    assert merged(after, {"data": back}) == before
