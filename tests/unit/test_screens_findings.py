"""Verdicts become rows, numbers, details and Markdown; the harmless and the muted are hidden."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ui import app_samples as samples
from tests.ui import finding_samples as found
from tests.ui.app_samples import NOW
from tests.ui.finding_samples import ACTIVE, ARMED, CLEAR, LATENT, UNKNOWN, verdict
from tui.model.findings import Finding, FindingSeverity, ProofKind, Verdict
from tui.model.nextstart import NextStart
from tui.model.snapshot import Snapshot
from tui.safety import clean
from tui.screens.board import Board
from tui.screens.details import Detail
from tui.screens.fault_rows import keyed_faults
from tui.screens.faults import node_faults
from tui.screens.finding_book import FindingBook
from tui.screens.finding_lines import (
    finding_detail,
    node_verdicts_detail,
    unknown_detail,
    verdict_detail,
)
from tui.screens.finding_rows import UNKNOWN_FOLD, FindingRows, verdict_rows
from tui.screens.links import FINDING, Link, parse_line_key
from tui.screens.mutes import Mute
from tui.screens.next_start_lines import next_start_lines
from tui.screens.node_rows import pending_cell
from tui.screens.proof_details import config_detail, object_detail
from tui.screens.severity import Rank
from tui.screens.verdicts import (
    Pending,
    Sight,
    in_sight,
    issues_of,
    pending_of,
    uncovered,
    verdict_key,
)
from widgets.detail_lines import DetailLine
from widgets.tones import Tone, text_of

NODE_3 = tuple(sorted(found.node_3(), key=lambda one: one.severity.rank))
BOOK = FindingBook()
MUTE = Mute(clean("known since May"), NOW - 60)


def board_of(snapshot: Snapshot) -> Board:
    board = Board(lambda: NOW)
    board.take(snapshot)
    return board


def texts(detail: Detail) -> list[str]:
    return [line_text(line) for line in detail.lines]


def line_text(line: DetailLine) -> str:
    return " ".join(filter(None, (line.label, text_of(line.value), line.origin)))


def sight_of(
    verdicts: tuple[Verdict, ...], muted: set[str] | None = None, *, is_all: bool = False
) -> Sight[Verdict]:
    return in_sight(
        verdicts, lambda one: (verdict_key(one), one.severity), muted or set(), is_all=is_all
    )


def finding(check: str, severity: FindingSeverity) -> Finding:
    board = board_of(found.judged())
    return next(
        one for one in board.findings.findings if (one.id, one.severity) == (check, severity)
    )


# What is in sight


def test_latent_and_clear_are_out_of_sight_while_anything_is_loud() -> None:
    sight = sight_of(NODE_3)
    assert [one.severity for one in sight.shown] == [ACTIVE, ACTIVE, UNKNOWN]
    assert sight.line(is_all=False) == "1 latent, 3 clear: A shows all"
    assert len(sight_of(NODE_3, is_all=True).shown) == len(NODE_3)


def test_quiet_ones_are_in_sight_where_nothing_is_loud() -> None:
    quiet = tuple(one for one in NODE_3 if one.severity in (LATENT, CLEAR))
    sight = sight_of(quiet)
    assert sight.shown == quiet
    assert sight.line(is_all=False) == ""


def test_muted_ones_are_counted_and_stand_at_the_end_of_all() -> None:
    muted = {verdict_key(NODE_3[0])}
    sight = sight_of(NODE_3, muted)
    assert NODE_3[0] not in sight.shown
    assert sight.line(is_all=False) == "1 latent, 3 clear, 1 muted: A shows all"
    assert sight_of(NODE_3, muted, is_all=True).shown[-1] == NODE_3[0]


def test_muting_all_that_is_loud_brings_the_quiet_ones_into_sight() -> None:
    muted = {verdict_key(one) for one in NODE_3 if one.severity is ACTIVE}
    assert LATENT in {one.severity for one in sight_of(NODE_3, muted).shown}


# What is said once


def test_faults_that_a_verdict_tells_are_not_told_again() -> None:
    faults = node_faults(samples.broken(), NOW)
    assert {fault.rank for fault in uncovered(faults, ())} >= {Rank.MISSING_SERVICE, Rank.FULL_MAP}
    rest = uncovered(faults, NODE_3)
    assert [fault.key for fault in rest if fault.rank is Rank.FULL_MAP] == [
        "cilium_lb4_services_v2"
    ], "only map-pressure of the other map was judged"
    assert Rank.MISSING_SERVICE not in {fault.rank for fault in rest}
    assert not [fault for fault in rest if fault.subject.value == "log"]


def test_a_clear_verdict_covers_no_fault() -> None:
    faults = node_faults(samples.broken(), NOW)
    calm = (verdict("service-map-drift", CLEAR, 3, "all held"),)
    assert uncovered(faults, calm) == list(faults)


def test_faults_of_agent_and_refusals_stay_beside_verdicts() -> None:
    faults = node_faults(samples.crashing(), NOW)
    rest = uncovered(faults, found.others(9))
    assert "agent crash-loops ×7" in [fault.title for fault in rest]


def test_issues_count_verdicts_and_the_faults_they_do_not_tell() -> None:
    faults = node_faults(samples.broken(), NOW)
    issues = issues_of(faults, NODE_3)
    assert (issues.active, issues.armed) == (3, 0)
    assert issues.rank == Rank.MISSING_SERVICE
    muted = {verdict_key(one) for one in NODE_3}
    assert issues_of(faults, NODE_3, muted).active == 1, "the map that no verdict is about"


def test_node_is_as_bad_as_its_worst_verdict_though_no_fault_is_seen() -> None:
    board = board_of(found.judged())
    assert [node.name for node in board.summary.nodes][:2] == ["node-3", "node-9"]
    node_2 = board.node(samples.uid(2))
    assert node_2 is not None
    assert not node_2.faults
    assert node_2.status.value == "warning"


def test_muted_findings_count_nowhere_until_they_are_shown_again() -> None:
    board = board_of(found.judged())
    key = finding("config-drift", ARMED).key
    assert board.mute(key, "known") == ""
    node_2 = board.node(samples.uid(2))
    assert node_2 is not None
    assert node_2.status.value == "ok"
    assert (board.summary.active, board.summary.armed) == (2, 0)
    board.unmute(key)
    assert board.summary.armed == 1


def test_worse_severity_shows_again_though_muted() -> None:
    board = board_of(found.judged())
    armed = finding("config-drift", ARMED)
    board.mute(armed.key, "known")
    worse = replace(armed, severity=ACTIVE)
    board.take(replace(found.judged(), findings=(worse,)))
    assert board.findings.sight(is_all=False).shown == (worse,)


def test_unchanged_nodes_keep_their_summaries() -> None:
    board = board_of(found.judged())
    before = board.node(samples.uid(2))
    board.take(replace(found.judged(), nodes=board.snapshot.nodes))
    assert board.node(samples.uid(2)) is before, "new verdicts with equal numbers change nothing"


# Rows


def test_verdict_rows_have_symbol_word_and_tone() -> None:
    rows = verdict_rows(sight_of(NODE_3, is_all=True), BOOK, NOW, is_all=True)
    marks = [(text_of(row.cells[0]), text_of(row.cells[1])) for row in rows]
    assert marks[0] == ("✖", "ACTIVE")
    assert ("?", "UNKNOWN") in marks
    assert ("◇", "LATENT") in marks
    assert ("●", "CLEAR") in marks


def test_row_is_as_old_as_its_finding_where_the_verdict_knows_no_time() -> None:
    board = board_of(found.judged())
    one = replace(NODE_3[0], since=None)
    (row,) = verdict_rows(sight_of((one,)), board.findings, NOW, is_all=False)
    assert text_of(row.cells[4]) == "32 m"


def test_many_unknown_verdicts_are_one_row_that_opens_to_all() -> None:
    said = found.judged().verdicts[samples.uid(11)]
    rows = verdict_rows(sight_of(said), BOOK, NOW, is_all=False)
    assert [row.key for row in rows] == [UNKNOWN_FOLD]
    assert "7 checks" in rows[0].text
    assert len(verdict_rows(sight_of(said, is_all=True), BOOK, NOW, is_all=True)) == 7
    lines = texts(unknown_detail("node-11", said))
    assert "? the agent's answers" in lines
    assert "  how to get it grant create pods/exec in kube-system" in lines


def test_muted_row_is_dimmed_and_says_why() -> None:
    key = verdict_key(NODE_3[0])
    book = FindingBook()
    book.take((), {key: MUTE})
    rows = verdict_rows(sight_of(NODE_3, {key}, is_all=True), book, NOW, is_all=True)
    row = rows[-1]
    assert "muted: known since May" in row.text
    assert not row.is_fault


def test_findings_rows_keep_what_did_not_change() -> None:
    board, rows = board_of(found.judged()), FindingRows()
    shown = board.findings.sight(is_all=True).shown
    first = rows.rows(shown, {}, NOW, is_all=True)
    assert rows.rows(shown, {}, NOW + 1, is_all=True) is first
    assert rows.rows(shown, {shown[0].key: MUTE}, NOW, is_all=True)[0] is not first[0]


def test_findings_rows_can_be_filtered_by_node_and_severity() -> None:
    board = board_of(found.judged())
    rows = FindingRows().rows(board.findings.sight(is_all=False).shown, {}, NOW, is_all=False)
    assert [row.fields["severity"] for row in rows] == ["ACTIVE", "ACTIVE", "ARMED", "UNKNOWN"]
    assert "node-12" in rows[2].fields["node"]
    assert "default/echo" in rows[0].fields["object"]


@pytest.mark.parametrize(
    ("pending", "words", "tone"),
    [
        (Pending(0), "–", Tone.MUTED),
        (Pending(4), "4", Tone.NORMAL),
        (Pending(4, breaks=True), "▲ 4", Tone.WARNING),
        (Pending(None), "?", Tone.UNKNOWN),
        (Pending(is_judged=False), "◌", Tone.MUTED),
        (Pending(None, breaks=True), "▲", Tone.WARNING),
    ],
)
def test_pending_cell(pending: Pending, words: str, tone: Tone) -> None:
    cell = pending_cell(pending)
    assert text_of(cell) == words
    assert not isinstance(cell, str)
    assert cell[1] is tone


def test_pending_is_unknown_where_nothing_could_be_compared() -> None:
    assert pending_of(None) == Pending(is_judged=False)
    assert pending_of(NextStart()).count is None
    assert pending_of(found.shrinking()) == Pending(1, breaks=True)


# Details


def test_finding_detail_has_all_that_a_person_needs() -> None:
    board = board_of(found.judged())
    detail = finding_detail(finding("map-pressure", ACTIVE), board)
    assert detail.title == "✖ ACTIVE ▏ map-pressure ▏ lb4_backends_v2 ▏ node-3"
    lines = texts(detail)
    for wanted in (
        "A BPF map is full or filling up",
        "Proof (enter: go there)",
        " 2 14:02:09 node-3 controller bpf-map-sync-cilium_lb4_backends_v2: 61 failures in a row"
        " cilium status -o json",
        "1 Put the size into Helm, so that it stays",
        "bpf-lb-map-max 256 Helm bpf.lbMapMax=256",
        "restart needed",
        "interrupts new connections through Services on node-3 fail for seconds",
        "kubectl -n kube-system exec cilium-00003 -- curl -m 3 10.96.255.40",
        "reference cilium/cilium#23551",
        "first seen 2026-11-22 13:29:21 UTC 32 m ago",
    ):
        assert wanted in lines
    assert lines.index("Now") < lines.index("Then")


def test_unknown_finding_names_what_is_missing_and_how_to_get_it() -> None:
    board = board_of(found.judged())
    lines = texts(finding_detail(finding("udp-stale-backends", UNKNOWN), board))
    assert "? CONFIG_INET_DIAG_DESTROY of the kernel" in lines
    assert "  how to get it zgrep INET_DIAG_DESTROY /proc/config.gz on the node" in lines


def test_finding_on_many_nodes_lists_the_worst_with_their_own_words() -> None:
    board = board_of(found.judged())
    detail = finding_detail(finding("config-drift", ARMED), board)
    lines = texts(detail)
    assert "Nodes (10; enter: go there)" in lines
    assert any(line.startswith("node-1 the next start would shrink") for line in lines)
    assert "2 more nodes: node-10, node-12" in lines


def test_long_proof_stands_partly_below_the_way_out() -> None:
    board = board_of(found.judged())
    one = finding("map-pressure", ACTIVE)
    lines = texts(finding_detail(replace(one, evidence=one.evidence * 3), board))
    assert lines.index("Now") < lines.index("More proof")
    assert any(line.startswith("12 ") for line in lines)


def test_verdict_detail_is_about_its_node_and_leads_to_the_others() -> None:
    board = board_of(found.judged())
    (one,) = (v for v in board.snapshot.verdicts[samples.uid(2)] if v.severity is ARMED)
    detail = verdict_detail(one, board)
    assert detail.title == "▲ ARMED ▏ config-drift ▏ node-2"
    links = [link for line in detail.lines if (link := parse_line_key(line.key)) is not None]
    assert Link(FINDING, None, finding("config-drift", ARMED).key) in links
    assert Link(ProofKind.CONFIG.value, samples.uid(2), "bpf-lb-map-max") in links


def test_verdict_without_a_finding_yet_has_a_detail() -> None:
    board = board_of(samples.incident())
    assert verdict_detail(NODE_3[0], board).title == "✖ ACTIVE ▏ service-map-drift ▏ node-3"


def test_node_detail_holds_every_loud_verdict() -> None:
    board = board_of(found.judged())
    node = board.node(samples.uid(3))
    assert node is not None
    detail = node_verdicts_detail(node, NODE_3, board)
    assert detail.title == "node-3 ▏ 2 findings"
    lines = texts(detail)
    assert "✖ lb4_services_v2 full: too small (64/64, 127 wanted)" in lines
    assert "✖ ACTIVE ▏ service-map-drift ▏ node-3" in lines
    assert "✖ ACTIVE ▏ map-pressure ▏ lb4_backends_v2 ▏ node-3" in lines


def test_next_start_lines_tell_keys_maps_and_what_stops_the_agent() -> None:
    start = replace(found.shrinking(), blockers=(clean("IPsec with kube-proxy replacement"),))
    lines = [line_text(line) for line in next_start_lines(start, NOW)]
    assert "would not start: IPsec with kube-proxy replacement" in lines
    assert "bpf-lb-map-max 1024 → 64 ConfigMap cilium-config, by kubectl-patch 33 m ago" in lines
    assert "lb4_backends_v2 made anew 1,024 → 64 (holds 95, 95 wanted): too small" in lines


def test_next_start_that_changes_nothing_says_so_and_unknown_is_not_nothing() -> None:
    calm = [line_text(line) for line in next_start_lines(NextStart(is_known=True), NOW)]
    assert "nothing would change" in calm
    unknown = [line_text(line) for line in next_start_lines(NextStart(), NOW)]
    assert "nothing would change" not in unknown
    assert "configuration and running values can't be compared" in unknown


def test_config_detail_shows_the_layers_of_a_key() -> None:
    board = board_of(found.judged())
    lines = texts(config_detail("bpf-lb-map-max", None, board))
    assert "ConfigMap cilium-config not set" in lines
    assert any(line.startswith("changes at next start 10 of 12 nodes") for line in lines)
    lines = texts(config_detail("bpf-lb-map-max", samples.uid(1), board))
    assert "node-1 runs unknown" in lines
    assert any("1024 → 64" in line for line in lines)


def test_object_detail_names_the_findings_about_it() -> None:
    board = board_of(found.judged())
    lines = texts(object_detail("Service/default/echo", board))
    assert any(line.startswith("service-map-drift ACTIVE") for line in lines)
    assert "kubectl --context prod-eu-1 -n default get service echo -o yaml" in lines


def test_row_keys_do_not_follow_the_numbers_in_a_text() -> None:
    rows = verdict_rows(sight_of(NODE_3), BOOK, NOW, is_all=False)
    changed = tuple(replace(one, summary=clean("other numbers")) for one in NODE_3)
    again = verdict_rows(sight_of(changed), BOOK, NOW, is_all=False)
    assert [row.key for row in rows] == [row.key for row in again]
    assert not set(keyed_faults(node_faults(samples.broken(), NOW))) & {row.key for row in rows}
