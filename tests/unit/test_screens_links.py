"""Links: every line of a detail that leads somewhere keeps where, whatever its key holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ui import app_samples as samples
from tests.ui import finding_samples as found
from tests.unit.test_screens_findings import board_of
from tui.model.findings import AffectedObject, ProofKind
from tui.safety import clean
from tui.screens.links import FINDING, Link, parse_line_key
from tui.screens.proof_details import is_object, link_detail, service_of


def test_links_of_the_cluster_lead_to_services_and_objects() -> None:
    board = board_of(found.judged())
    service = Link.to_object(AffectedObject("Service", clean("echo"), clean("default")))
    assert service_of(service) == "default/echo"
    pod = Link.to_object(AffectedObject("Pod", clean("x"), clean("default")))
    assert service_of(pod) == ""
    detail = link_detail(pod, board)
    assert detail is not None
    assert detail.title == "Pod default/x"
    assert link_detail(Link(ProofKind.MAP.value, samples.uid(3), "x"), board) is None


@given(st.text(max_size=30), st.sampled_from(["map", "log", FINDING]))
def test_links_survive_any_key(key: str, kind: str) -> None:
    link = Link(kind, samples.uid(3), key)
    assert parse_line_key(link.as_line_key("1")) == link


def test_lines_that_lead_nowhere_have_no_link() -> None:
    assert parse_line_key("") is None
    assert parse_line_key("one|two") is None


@pytest.mark.parametrize(
    ("key", "is_one"),
    [("Pod/default/x", True), ("Node//n1", True), ("", False), ("Pod", False), ("Pod/a/", False)],
)
def test_only_whole_keys_name_objects(key: str, is_one: bool) -> None:
    assert is_object(key) is is_one
    link = Link(ProofKind.OBJECT.value, None, key)
    assert (link_detail(link, board_of(found.judged())) is not None) is is_one
