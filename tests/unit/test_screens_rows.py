"""Facts become rows: words, order, marks, and never zero for unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ui import app_samples as samples
from tui.model.logs import LogEntry, LogGap
from tui.model.maps import CountOrigin, MapKind, MapUsage, Trend
from tui.model.reading import Reading
from tui.model.services import FaultKind, ServiceCoverage
from tui.model.snapshot import NodeFacts
from tui.safety import clean
from tui.screens import wording
from tui.screens.board import Board
from tui.screens.fault_rows import fault_rows, keyed_faults
from tui.screens.feature_rows import feature_rows
from tui.screens.fleet import NodeSummary, summarise_node
from tui.screens.header_badges import session_badges
from tui.screens.header_view import header_view
from tui.screens.log_rows import LogRows
from tui.screens.map_rows import MapRows, MapSort, map_row
from tui.screens.node_rows import NODE_COLUMNS, NodeRows, node_row, short_kernel
from tui.screens.notes import log_note, section_note
from tui.screens.service_rows import service_rows, totals_line
from widgets.grid_rows import GridRow
from widgets.log_rows import LogGapRow, LogRow
from widgets.state_note import NoteKind
from widgets.tones import text_of

NOW = samples.NOW


def summary(facts: NodeFacts) -> NodeSummary:
    return summarise_node(facts, NOW, True)


def cell(row: GridRow, key: str) -> str:
    place = [column.key for column in NODE_COLUMNS].index(key)
    return text_of(row.cells[place])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.2, "0 s"),
        (1, "1 s"),
        (59, "59 s"),
        (90, "1 m"),
        (33 * 60, "33 m"),
        (3_700, "1 h"),
        (26 * 3_600, "1 d"),
        (41 * 86_400, "41 d"),
        (-5, "0 s"),
    ],
)
def test_ages(seconds: float | None, words: str) -> None:
    assert wording.age(seconds) == words


@given(st.floats(0, 3e8))
@settings(max_examples=200, deadline=None)
def test_coarse_ages_are_short(seconds: float) -> None:
    assert 0 < len(wording.coarse_age(seconds)) <= 12


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(None, "?"), (0.0, "0%"), (0.001, "<1%"), (0.184, "18%"), (0.9999, "99%"), (1.0, "100%")],
)
def test_percent_is_full_only_when_full(ratio: float | None, words: str) -> None:
    assert wording.percent(ratio) == words


def test_counts_sizes_and_lists() -> None:
    assert wording.count(None) == "?"
    assert wording.count(65_536) == "65,536"
    assert wording.size(5_665_968) == "5.4 MiB"
    assert wording.listed(["a", "b", "c"]) == "a, b, c"
    assert wording.listed(["a", "b", "c", "d"]) == "a, b +2"
    assert wording.utc_stamp(1e300) == "?"


@pytest.mark.parametrize(
    ("release", "short"),
    [
        ("6.8.0-45-generic", "6.8.0-45"),
        ("6.1.0-13-amd64", "6.1.0-13"),
        ("4.18.0-372.9.1.el8.x86_64", "4.18.0-372.9.1"),
        ("5.10.0", "5.10.0"),
        ("strange", "strange"),
        ("", ""),
    ],
)
def test_kernel_releases_are_shown_without_their_flavour(release: str, short: str) -> None:
    assert short_kernel(release) == short


def test_node_row_of_the_incident() -> None:
    row = node_row(summary(samples.broken()), NOW, 60.0)
    texts = [text_of(text) for text in row.cells]
    assert texts[:6] == ["✖", "node-3", "● 33 m", "1.11.7", "6.1.0-13", "lb4_backends_v2"]
    assert cell(row, "missing") == "16/32"
    assert cell(row, "issues") == "✖4"
    assert row.is_fault
    assert row.fields["kernel"] == "6.1.0-13-amd64"


def test_unknown_is_not_zero_and_denied_is_not_missing() -> None:
    denied = node_row(summary(samples.denied()), NOW, 60.0)
    assert cell(denied, "missing") == "?"
    assert cell(denied, "agent") == "? denied"
    assert cell(denied, "worst_map") == "denied"
    assert cell(denied, "age") == "–"
    unread = replace(samples.healthy(2), maps=Reading.unknown(clean("")), swept_at=None)
    assert cell(node_row(summary(unread), NOW, 60.0), "worst_map") == "waiting"
    alone = replace(samples.healthy(2), agent=None)
    assert cell(node_row(summary(alone), NOW, 60.0), "agent") == "✖ none"


def test_old_node_is_marked_stale() -> None:
    row = node_row(summary(samples.crashing()), NOW, 60.0)
    assert cell(row, "age") == "⧗ 4 m"
    assert cell(row, "agent") == "✖ crash ×7"


def test_rows_of_unchanged_nodes_are_the_same_objects_until_their_ages_change() -> None:
    rows, nodes = NodeRows(), [summary(samples.healthy(2)), summary(samples.broken())]
    first = rows.rows(nodes, NOW, 60.0)
    assert all(a is b for a, b in zip(first, rows.rows(nodes, NOW + 5, 60.0), strict=True))
    later = rows.rows(nodes, NOW + 60, 60.0)
    assert later[0] is not first[0]
    assert cell(later[0], "age") == "⧗ 1 m"


def test_maps_that_refuse_stand_apart_from_those_that_evict() -> None:
    sections = MapRows().sections(samples.full_maps())
    assert [section.title.split(":")[0] for section in sections] == ["HASH", "LRU"]
    assert [row.name for row in sections[0].rows] == [
        "lb4_backends_v2",
        "lb4_services_v2",
        "policy (41)",
    ]
    assert [row.percent for row in sections[1].rows] == ["18%", "?"]


def test_maps_can_be_sorted_and_unknown_stands_last() -> None:
    maps = samples.full_maps()
    rows = MapRows()
    named = rows.sections(maps, MapSort.NAME)[0].rows
    assert [row.name for row in named] == ["lb4_backends_v2", "lb4_services_v2", "policy (41)"]
    by_max = rows.sections(maps, MapSort.MAX)[0].rows
    assert by_max[0].name == "policy (41)"
    reverse = rows.sections(maps, MapSort.MAX, is_reversed=True)[0].rows
    assert reverse[-1].name == "policy (41)"
    assert rows.sections(maps, MapSort.ENTRIES)[1].rows[-1].name == "lb4_reverse_sk"


def test_full_map_says_what_the_agent_believes_and_whether_it_leaked() -> None:
    row = map_row(samples.full_maps()[0])
    assert row.count == "64/64"
    assert row.forecast == "full"
    assert "".join(span.text for span in row.remark) == (
        "full: too small, not leaked ▏ 95 wanted, agent says 75 ▏ sync fails: 10 map sync errors"
    )


def test_forecast_shows_its_window_and_uncounted_maps_the_key_that_counts() -> None:
    filling = samples.filling().maps.value
    assert filling is not None
    row = map_row(filling[0])
    assert row.forecast == "full in ≈ 4 m"
    assert "by the trend of 30 m" in "".join(span.text for span in row.remark)
    assert "leaked: 61,100 of 61,203 entries are copies" in "".join(
        span.text for span in row.remark
    )
    unread = map_row(samples.lru_map("cilium_ct4_global", None, 65_536))
    assert (unread.symbol, unread.ratio, unread.count) == ("?", None, "?/65,536")
    assert unread.origin == "not counted: c"
    array = replace(unread_array(), trend=Trend())
    assert map_row(array).percent == "?"


def unread_array() -> MapUsage:
    return MapUsage(clean("cilium_lxc_x"), MapKind.ARRAY, 64, None, CountOrigin.NONE)


def test_services_list_faults_first_and_never_call_a_cut_list_healthy() -> None:
    coverage = samples.broken().services.value
    assert coverage is not None
    rows = service_rows(coverage, samples.services())
    assert [text_of(row.cells[4]) for row in rows[:17]] == ["missing"] * 16 + ["wrong backends"]
    assert text_of(rows[0].cells[5]) == "0/2"
    assert text_of(rows[16].cells[5]) == "1/2"
    assert {text_of(row.cells[0]) for row in rows[17:]} == {"✓"}
    assert len(rows) == 31
    cut = service_rows(replace(coverage, faults_total=900), samples.services())
    assert {text_of(row.cells[0]) for row in cut[17:]} == {"?"}
    assert len({row.key for row in rows}) == len(rows)


def test_totals_line() -> None:
    coverage = samples.broken().services.value
    assert coverage is not None
    assert totals_line(coverage) == (
        "16 of 32 frontends missing: default/echo, default/load-0, default/load-1 +13"
        " ▏ backends 64 of 95"
    )
    assert totals_line(ServiceCoverage(32, 32, 95, 95)) == (
        "all 32 frontends held ▏ backends 95 of 95"
    )
    assert "883 more faults" in totals_line(replace(coverage, faults_total=900))


def test_features_that_hurt_come_first() -> None:
    rows = feature_rows(samples.features(is_old_kernel=True))
    assert [row.key for row in rows][:2] == ["inet-diag-destroy", "netns-cookie"]
    assert [text_of(row.cells[0]) for row in rows[:3]] == ["?", "▲", "–"]
    assert [row.is_fault for row in rows[:3]] == [True, True, False]


def test_findings_have_keys_of_their_own() -> None:
    coverage = samples.broken().services.value
    assert coverage is not None
    twice = tuple(
        replace(fault, fault=kind, service=clean("default/a"))
        for fault in coverage.faults[:2]
        for kind in (FaultKind.NO_BACKENDS, FaultKind.WRONG_BACKENDS)
    )
    facts = replace(
        samples.healthy(2),
        services=Reading.known(
            ServiceCoverage(32, 32, 95, 95, twice, len(twice)), samples.origin("dump", 2)
        ),
    )
    faults = summary(facts).faults
    assert len(keyed_faults(faults)) == len(faults) == 2
    assert len(fault_rows(faults, NOW)) == 2


def test_log_is_merged_by_when_lines_came_last() -> None:
    first = summary(replace(samples.healthy(3), logs=samples.log_entries(3)))
    other = samples.log_entries(9)[0]
    assert isinstance(other, LogEntry)
    late = replace(other, sequence=50, last_time=NOW)
    second = summary(replace(samples.healthy(9), logs=(late,)))
    items = LogRows().items([first, second], NOW)
    assert [item.sequence for item in items] == [1, 2, 3, 4, 50]
    last = items[-1]
    assert isinstance(last, LogRow)
    assert (last.time, last.node, last.level) == ("14:02:11", "node-9", "ERROR")
    assert isinstance(items[2], LogGapRow)
    assert items[2].text == ("gap: 148 lines lost on node-3 13:31:31–13:31:40 (stream reconnected)")


def test_log_row_says_how_often_and_when_and_shows_the_error_field() -> None:
    rows = LogRows()
    node = summary(replace(samples.healthy(3), logs=samples.log_entries(3)))
    row = rows.items([node], NOW)[0]
    assert isinstance(row, LogRow)
    assert row.count == "×11 in 1 s at agent start"
    assert row.message.startswith("Error while inserting service in LB map: Unable to update")
    assert row.details == "k8sSvcName=load-3"
    assert rows.field_names == {"error", "k8sSvcName"}
    assert rows.items([node], NOW + 1)[0] is row


def test_line_of_another_day_shows_its_date() -> None:
    node = summary(replace(samples.healthy(3), logs=samples.log_entries(3)))
    row = LogRows().items([node], NOW + 86_400)[0]
    assert isinstance(row, LogRow)
    assert row.time == "11-22 13:29"


def test_gap_of_unknown_length_claims_no_number() -> None:
    gap = LogGap(samples.uid(3), NOW - 9, NOW, None, clean(""), 1)
    node = summary(replace(samples.healthy(3), logs=(gap,)))
    assert LogRows().items([node], NOW)[0].text == "gap: lines lost on node-3 14:02:02–14:02:11"


def test_notes_tell_loading_empty_denied_failed_and_stale_apart() -> None:
    node = summary(samples.healthy(2))
    assert section_note(node, node.facts.maps, NOW, 60.0) is None
    cases = {
        NoteKind.LOADING: (replace(samples.healthy(2), swept_at=None), Reading.unknown(clean(""))),
        NoteKind.DENIED: (samples.denied(), samples.denied().maps),
        NoteKind.FAILED: (samples.healthy(2), Reading.failed(clean("exit 1"))),
        NoteKind.STALE: (samples.crashing(), samples.crashing().maps),
        NoteKind.UNKNOWN: (samples.healthy(2), Reading.unknown(clean("no bpftool in the image"))),
    }
    for kind, (facts, reading) in cases.items():
        note = section_note(summary(facts), reading, NOW, 60.0)
        assert note is not None
        assert note.kind is kind
    old = section_note(node, node.facts.maps, NOW + 300, 60.0)
    assert old is not None
    assert old.text == "node-2 last answered 5 m ago"


def test_notes_of_the_log() -> None:
    assert log_note(None, NOW) is not None
    denied = log_note(summary(samples.denied()), NOW)
    assert denied is not None
    assert denied.kind is NoteKind.DENIED
    quiet = log_note(summary(samples.healthy(2)), NOW)
    assert quiet is not None
    assert quiet.kind is NoteKind.EMPTY
    assert log_note(summary(samples.broken()), NOW) is None


def test_header_says_context_counts_freshness_and_pause() -> None:
    board = Board(lambda: NOW)
    board.take(samples.incident())
    badges = session_badges(board.newest, NOW, is_read_only=True)
    view = header_view(board.snapshot, board.summary, NOW, badges=badges, paused_at=NOW - 60)
    text = " ".join("".join(span.text for span in item.spans) for item in view.items)
    for words in (
        "prod-eu-1",
        "PAUSED 1 m",
        "READ-ONLY",
        "k8s 1.33",
        "cilium 1.17.5 ×9  1.11.7 ×2",
        "12 nodes ✖ 1 ▲ 2 ? 1 ● 8",
        "sweep 1.4 s, 3 s ago",
        "✖ 4 faults ▲ 2 warnings",
    ):
        assert words in text
    assert view.clock == "14:02:11 UTC"


def test_board_stands_still_while_paused_and_then_shows_the_newest() -> None:
    clock = [NOW]
    board = Board(lambda: clock[0])
    assert board.take(samples.incident())
    assert board.toggle_pause()
    clock[0] += 100
    assert not board.take(samples.empty())
    assert board.now == NOW
    assert board.summary.nodes
    assert not board.toggle_pause()
    assert board.now == NOW + 100
    assert not board.summary.nodes
