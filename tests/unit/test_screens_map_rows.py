"""A map's row: the verdict first, field names as everywhere, and the order of names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ui import app_samples as samples
from tui.model.maps import CountOrigin, MapKind, MapUsage, Trend
from tui.safety import clean
from tui.screens.map_rows import MAP_ROW_FIELDS, MapRows, MapSort, map_row
from tui.screens.map_words import map_remarks, map_verdict
from widgets.filters import Filter, FilterError, compile_filter
from widgets.map_rows import MapRowView
from widgets.tones import Tone

FULL = samples.full_maps()[0]


def remark(row: MapRowView) -> str:
    return "".join(span.text for span in row.remark)


def named(name: str) -> MapUsage:
    return MapUsage(clean(name), MapKind.HASH, 64, 6, CountOrigin.COUNTED)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "full: too small, not leaked"),
        ({"wanted_entries": None}, "full: too small, not leaked"),
        ({"wanted_entries": 60}, "full: no copies, but more entries than wanted"),
        ({"duplicate_entries": None}, "full: too small"),
        ({"duplicate_entries": None, "wanted_entries": None}, ""),
        ({"duplicate_entries": None, "entries": 60}, "too small"),
        ({"duplicate_entries": 12}, "leaked: 12 of 64 entries are copies of others"),
        (
            {"duplicate_entries": 1_200, "entries": None},
            "leaked: 1,200 entries are copies of others",
        ),
    ],
)
def test_verdict(changes: dict[str, int | None], verdict: str) -> None:
    assert map_verdict(replace(FULL, **changes)) == verdict  # type: ignore[arg-type]  # numbers only


def test_the_verdict_stands_first_in_the_tone_of_the_fault() -> None:
    row = map_row(replace(FULL, duplicate_entries=12))
    assert row.remark[0].tone is Tone.ERROR
    assert remark(row).startswith("leaked: 12 of 64 entries are copies of others ▏ 95 wanted")
    assert {span.tone for span in row.remark[1:]} == {Tone.MUTED}


def test_without_a_verdict_the_failing_sync_stands_first() -> None:
    usage = replace(FULL, duplicate_entries=None, wanted_entries=None)
    row = map_row(usage)
    assert remark(row) == "sync fails: 10 map sync errors ▏ agent says 75"
    assert row.remark[0].tone is Tone.ERROR
    assert map_remarks(usage) == "agent says 75 ▏ sync fails: 10 map sync errors"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("fill:>50", True),
        ("fill:<=99", False),
        ("fill:100", True),
        ("status:harm", True),
        ("status:ok", False),
        ("entries:>63 max:64", True),
        ("wanted:>64 agent:75 copies:0", True),
        ("origin:counted kind:hash", True),
        ("name:re:^lb4 re:^lb4 re:v2$", True),
        ("re:^backends", False),
        ("forecast:full remark:leaked", True),
    ],
)
def test_every_field_can_be_filtered_by(source: str, expected: bool) -> None:
    compiled = compile_filter(source, MAP_ROW_FIELDS)
    assert isinstance(compiled, Filter), compiled
    row = map_row(FULL)
    assert set(row.all_fields) == set(MAP_ROW_FIELDS)
    assert compiled.matches(row.text, row.all_fields) is expected


def test_an_unknown_field_is_answered_with_those_there_are() -> None:
    compiled = compile_filter("kernel:5", MAP_ROW_FIELDS)
    assert isinstance(compiled, FilterError)
    assert compiled.message.startswith("no field kernel here: name, fill, origin")


def test_unknown_numbers_are_empty_and_no_zero() -> None:
    fields = map_row(replace(named("cilium_x"), entries=None)).all_fields
    assert (fields["fill"], fields["entries"], fields["status"]) == ("", "", "unknown")


def test_names_with_numbers_stand_in_their_order() -> None:
    maps = [named(f"cilium_policy_{number:05}") for number in (10, 9, 100)]
    maps += [named("cilium_lxc_10"), named("cilium_lxc_9")]
    for sort in (MapSort.NAME, MapSort.WORST):
        rows = MapRows().sections(maps, sort)[0].rows
        assert [row.name for row in rows[:2]] == ["lxc_9", "lxc_10"]


def test_short_words_for_narrow_panels() -> None:
    filling = replace(
        named("cilium_ct4_global"),
        origin=CountOrigin.ACCOUNTING,
        trend=Trend(seconds_to_full=720.0, window_seconds=600.0),
    )
    row = map_row(filling)
    assert (row.origin, row.short_origin) == ("accounting", "acct")
    assert (row.forecast, row.short_forecast) == ("full in ≈ 12 m", "in ≈ 12 m")
    assert map_row(replace(filling, entries=None)).short_origin == ""
