"""A finding as Markdown holds all a ticket needs, and nothing of the cluster is markup in it."""

from __future__ import annotations

from dataclasses import replace

from tests.ui.finding_samples import ACTIVE
from tests.unit.test_screens_findings import finding
from tui.report.finding_markdown import finding_markdown
from tui.safety import clean


def test_markdown_holds_verdict_proof_and_way_out() -> None:
    text = finding_markdown(finding("map-pressure", ACTIVE), "prod-eu-1")
    assert text.startswith("### ACTIVE map-pressure lb4\\_backends\\_v2: A BPF map is full")
    for wanted in (
        "- cluster: prod-eu-1",
        "- nodes (1): node-3",
        "1. 2026-11-22T14:02:09Z, node-3: count of cilium\\_lb4\\_backends\\_v2: 64 of 64",
        "- `bpf-lb-map-max=256`, Helm `bpf.lbMapMax=256`",
        "- restart: needed",
        "Effect on traffic not tested",
    ):
        assert wanted in text


def test_markdown_of_hostile_text_has_no_markup_of_its_own() -> None:
    nasty = clean("# [x](http://evil) <b> `code`\n- item | cell")
    one = replace(finding("map-pressure", ACTIVE), summary=nasty, title=nasty, why=nasty)
    text = finding_markdown(one, "ctx")
    assert "[x](http" not in text
    assert "<b>" not in text.replace("\\<b\\>", "")
    assert not [line for line in text.splitlines() if line.startswith("- item")]
