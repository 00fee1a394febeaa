"""Links: every line of a detail that leads somewhere keeps where, whatever its key holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.ui import app_samples as samples
from tests.ui import finding_samples as found
from tests.unit.test_screens_findings import board_of
from tui.model.findings import AffectedObject, ProofKind
from tui.safety import clean
from tui.screens.links import FINDING, Link, parse_line_key
from tui.screens.proof_details import link_detail, service_of


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
