"""A log line on the screen: what it means, where it belongs, and how to find it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ui import app_samples as samples
from tui.cilium.logcatalogue import catalogue
from tui.model.logs import LogEntry, LogLevel, LogLine
from tui.safety import clean
from tui.screens.log_meaning import belongs_to, hint_words, meaning_lines
from tui.screens.log_rows import log_item
from widgets.filters import Filter, compile_filter
from widgets.log_ring import row_fields
from widgets.log_rows import LogRow
from widgets.tones import text_of

DAY = "2026-11-22"


def full_map(meaning: str = "L2") -> LogEntry:
    entry = samples.log_entries(3)[0]
    assert isinstance(entry, LogEntry)
    return replace(entry, meaning=meaning)


def saying(message: str, meaning: str = "") -> LogEntry:
    return replace(full_map(meaning), line=LogLine(1.0, LogLevel.WARN, clean(message)))


def row_of(entry: LogEntry) -> LogRow:
    item = log_item(entry, "node-3", DAY)
    assert isinstance(item, LogRow)
    return item


def is_found(row: LogRow, source: str) -> bool:
    wanted = compile_filter(source, row_fields(row))
    assert isinstance(wanted, Filter)
    return wanted.matches(row.text, row_fields(row))


def test_a_row_says_what_it_means_and_where_it_belongs() -> None:
    row = row_of(full_map())
    assert row.hint == "lb4_backends_v2 is full"
    assert row.tag == "→ map-pressure"
    assert row.text.endswith("lb4_backends_v2 is full  → map-pressure")


def test_a_line_of_the_previous_container_says_that_too() -> None:
    assert row_of(replace(full_map(), is_previous=True)).tag == "previous container → map-pressure"
    assert row_of(replace(saying("odd"), is_previous=True)).tag == "previous container"


def test_a_line_that_belongs_to_no_check_points_at_its_map_or_nowhere() -> None:
    assert belongs_to(saying("Failed to read metrics from BPF map", "M22")) == "→ metrics"
    assert belongs_to(saying("Failed to delete PolicyMap key", "M15")) == ""
    assert belongs_to(saying("odd")) == ""
    assert hint_words(saying("odd")) == ""


def test_an_id_of_another_release_of_ciltop_does_no_harm() -> None:
    entry = saying("odd", "Z99")
    assert (belongs_to(entry), hint_words(entry), meaning_lines(entry)) == ("", "", [])
    assert row_of(entry).tag == ""


@pytest.mark.parametrize(
    ("source", "is_there"),
    [
        ("meaning:full", True),
        ("meaning:L2", True),
        ("meaning:L3", False),
        ("check:backend-leak", True),
        ("check:config-drift", False),
        ("!check:map-pressure", False),
        ("map:backends", True),
        ("map:cilium_lb6", False),
    ],
)
def test_the_filter_finds_lines_by_meaning_check_and_map(source: str, is_there: bool) -> None:
    assert is_found(row_of(full_map()), source) is is_there


def test_an_own_field_of_the_line_is_not_hidden() -> None:
    entry = full_map()
    fields = (*entry.line.fields, (clean("map"), clean("their own")))
    row = row_of(replace(entry, line=replace(entry.line, fields=fields)))
    assert row.fields["map"] == "their own"


def test_repeats_that_differ_and_nobody_explains_show_what_they_share() -> None:
    entry = saying("pod shop/web-7d764666f9-x7k2p has 3 of 5")
    entry = replace(entry, count=412, is_varied=True)
    assert row_of(entry).message == "pod shop/web… has … of …"
    assert row_of(entry).count.startswith("×412 in")
    same = replace(saying("pod shop/web has 3 of 5"), count=412)
    assert row_of(same).message == "pod shop/web has 3 of 5"
    assert "descriptor 15" in row_of(replace(full_map(), is_varied=True)).message


def test_the_detail_says_meaning_what_to_do_check_and_map() -> None:
    lines = meaning_lines(full_map())
    shown = [text_of(line.value) for line in lines]
    assert shown[1] == "What it means (L2)"
    assert "A hash map is full" in shown[2]
    assert "bpf-lb-map-max" in shown[5]
    labelled = {line.label: text_of(line.value) for line in lines if line.label}
    assert labelled == {
        "check": "map-pressure, backend-leak",
        "map": "cilium_lb4_backends_v2",
        "logged by": "Cilium 1.11 to 1.13",
    }


@pytest.mark.parametrize("identity", [entry.id for entry in catalogue()])
def test_every_entry_has_a_row_and_a_detail(identity: str) -> None:
    entry = saying("a line", identity)
    assert row_of(entry).hint
    assert "{" not in row_of(entry).hint
    assert len(meaning_lines(entry)) >= 7
