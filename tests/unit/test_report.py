from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from tests.unit.checks_facts import node_facts
from tests.unit.report_facts import CLEAR, LATENT, UNKNOWN, finding, judged_snapshot
from tui.checks.registry import all_checks
from tui.model.findings import FindingSeverity
from tui.model.names import NodeName, NodeUid
from tui.model.snapshot import Gap, Snapshot, SourceHealth
from tui.report.as_json import json_text, projection
from tui.report.as_junit import junit_text
from tui.report.as_markdown import markdown_text
from tui.report.as_table import table_text
from tui.report.explain import explain_text, list_text
from tui.report.finding_markdown import finding_markdown, plain
from tui.report.report import EXIT_CLEAN, EXIT_FINDINGS, EXIT_UNREAD, make_report
from tui.safety import clean

DENIED = Gap(clean("list services"), clean("may not list services"), 1.0, is_denied=True)
HOSTILE = "a|b `x` <img src=x> [l](javascript:1) \x1b[31mred ]]> & \n# title"


@pytest.mark.parametrize(
    ("severity", "fail_on", "code"),
    [
        ("ACTIVE", "ACTIVE", EXIT_FINDINGS),
        ("ARMED", "ACTIVE", EXIT_CLEAN),
        ("ARMED", "ARMED", EXIT_FINDINGS),
        ("LATENT", "ARMED", EXIT_CLEAN),
        ("LATENT", "LATENT", EXIT_FINDINGS),
        ("UNKNOWN", "LATENT", EXIT_CLEAN),
        ("CLEAR", "LATENT", EXIT_CLEAN),
    ],
)
def test_the_exit_code_follows_the_level(severity: str, fail_on: str, code: int) -> None:
    snapshot = judged_snapshot(finding(severity=FindingSeverity[severity]))
    assert make_report(snapshot, fail_on=FindingSeverity[fail_on]).exit_code == code


def test_where_no_node_was_read_the_cluster_was_not_read() -> None:
    empty = judged_snapshot()
    unread = Snapshot(taken_at=1.0, cluster=empty.cluster, is_complete=True)
    assert make_report(unread).exit_code == EXIT_UNREAD


def test_only_and_skip_choose_checks() -> None:
    snapshot = judged_snapshot(finding(), LATENT, CLEAR)
    assert [one.id for one in make_report(snapshot, only={"netns-cookies"}).findings] == [
        "netns-cookies"
    ]
    skipped = make_report(snapshot, skip={"map-pressure"})
    assert "map-pressure" not in {one.id for one in skipped.findings}
    assert skipped.exit_code == EXIT_CLEAN


def test_what_was_not_read_is_named() -> None:
    snapshot = judged_snapshot(finding(), gaps=(DENIED,))
    gaps = make_report(snapshot).gaps
    assert (gaps[0].what, gaps[0].reason, gaps[0].is_denied) == (
        "list services",
        "may not list services",
        True,
    )
    of_node = [gap for gap in gaps if gap.node == "node-1"]
    assert "services" in of_node[0].what


def test_a_collection_that_ran_out_of_time_says_what_it_lacks() -> None:
    snapshot = judged_snapshot(finding())
    late = Snapshot(
        taken_at=1.0,
        cluster=snapshot.cluster,
        nodes=snapshot.nodes,
        is_complete=True,
        health=SourceHealth(nodes_unread=3, logs_unread=2),
    )
    first = make_report(late, is_complete=False).gaps[0]
    assert "3 nodes, 2 logs" in first.reason


def test_the_json_is_of_the_schema() -> None:
    report = make_report(judged_snapshot(finding(), UNKNOWN, gaps=(DENIED,)))
    parsed = json.loads(json_text(report))
    assert parsed == projection(report)
    assert parsed["schema"] == "ciltop.check/1"
    node = parsed["nodes"][0]
    assert node["cilium_version"] == "1.11.7"
    assert node["maps"][0] == {
        "name": "cilium_lb4_backends_v2",
        "kind": "hash",
        "entries": 64,
        "max_entries": 64,
        "ratio": 1.0,
        "origin": "counted",
        "agent_entries": 75,
        "wanted_entries": 95,
        "duplicate_entries": None,
    }
    first, second = parsed["findings"]
    assert (first["id"], first["severity"], first["nodes"]) == (
        "map-pressure",
        "ACTIVE",
        ["node-1"],
    )
    assert first["evidence"][0]["source"] == "bpftool -j -f map show"
    assert first["remedy"]["settings"][0]["helm"] == "bpf.lbMapMax=256"
    assert second["missing"] == [{"what": "PersistentVolumes", "how": "allow list on them"}]
    assert parsed["gaps"][0]["is_denied"] is True


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_json_comes_in_pieces_that_are_one_document(count: int) -> None:
    facts = node_facts()
    nodes = {NodeUid(f"uid-{number}"): facts for number in range(count)}
    report = make_report(replace(judged_snapshot(finding()), nodes=nodes))
    whole = json.dumps(projection(report), indent=2, ensure_ascii=False) + "\n"
    assert json_text(report) == whole


def test_the_table_hides_what_is_quiet_while_something_is_loud() -> None:
    report = make_report(judged_snapshot(finding(), LATENT, CLEAR))
    text = table_text(report, 100)
    assert "ACTIVE map-pressure: node-1" in text
    assert "netns-cookies" not in text
    assert "1 latent, 1 clear: --all shows them" in text
    whole = table_text(report, 100, is_whole=True)
    assert "LATENT netns-cookies" in whole
    assert "CLEAR ipsec-with-kpr" in whole


def test_the_table_shows_what_is_latent_where_nothing_is_loud() -> None:
    text = table_text(make_report(judged_snapshot(LATENT, CLEAR)), 100)
    assert "LATENT netns-cookies" in text
    assert "1 clear" in text


def test_a_clean_cluster_says_so() -> None:
    assert "no finding" in table_text(make_report(judged_snapshot(CLEAR)), 100)


def test_the_table_fits_its_columns_but_for_commands() -> None:
    report = make_report(judged_snapshot(finding(summary="word " * 60), UNKNOWN, gaps=(DENIED,)))
    lines = table_text(report, 60).splitlines()
    assert all(len(line) <= 60 for line in lines if "kubectl" not in line)
    assert any("missing" in line and "PersistentVolumes" in line for line in lines)


def test_ascii_symbols_where_the_terminal_has_no_others() -> None:
    text = table_text(make_report(judged_snapshot(finding(), CLEAR)), 100, is_ascii=True)
    assert text.isascii()
    assert "X ACTIVE" in text


def test_markdown_holds_proof_and_remedy() -> None:
    text = markdown_text(make_report(judged_snapshot(finding(), UNKNOWN, gaps=(DENIED,))))
    assert "| ACTIVE | map-pressure | node-1 |" in text
    assert "`bpftool -j -f map show`" in text
    assert "Helm `bpf.lbMapMax=256`" in text
    assert "## Not read" in text
    assert "PersistentVolumes" in text


def test_hostile_text_is_shown_and_not_obeyed() -> None:
    bad = finding(summary=HOSTILE, node_names=(NodeName(str(clean(HOSTILE))),))
    report = make_report(judged_snapshot(bad))
    markdown = finding_markdown(bad, "prod")
    assert re.search(r"(?<!\\)[<\[]", markdown) is None
    assert "\n# title" not in markdown
    assert "\x1b" not in markdown + table_text(report, 80) + junit_text(report) + json_text(report)
    ElementTree.fromstring(junit_text(report))  # noqa: S314 - our own output


def test_escaping_keeps_the_text() -> None:
    assert plain("a_b*c") == "a\\_b\\*c"


def test_junit_has_a_case_a_check() -> None:
    report = make_report(judged_snapshot(finding(), UNKNOWN, LATENT, CLEAR, gaps=(DENIED,)))
    root = ElementTree.fromstring(junit_text(report))  # noqa: S314 - our own output
    suite = root.find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "1")
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["map-pressure"]
    errors = suite.find("system-err")
    assert errors is not None
    assert "list services" in (errors.text or "")


def test_every_check_can_be_explained() -> None:
    abouts = [check.about for check in all_checks()]
    for about in abouts:
        text = explain_text(about, 80)
        assert text.startswith(f"{about.id}: ")
        assert "Proof, best first" in text
        assert "\nNow\n" in text
    listed = list_text(abouts, 80)
    assert all(
        line.split()[0] == about.id for line, about in zip(listed.splitlines(), abouts, strict=True)
    )
