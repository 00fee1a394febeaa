from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, settings

from tests.unit.checks_facts import NOW
from tests.unit.facts_strategies import clusters, nodes
from tui.checks.check import Check
from tui.checks.registry import all_checks
from tui.checks.view import ClusterView, NodeView
from tui.model.cluster import ClusterFacts
from tui.model.findings import FindingSeverity, Verdict
from tui.model.snapshot import NodeFacts

ANY_FACTS = settings(
    deadline=None,
    max_examples=60,
    # Facts this large take minutes to shrink; what is said names the check.
    phases=(Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def judged(check: Check, facts: NodeFacts, cluster: ClusterView) -> list[Verdict]:
    """Return all that a check says; what it raises names the check."""
    found: list[Verdict] = []
    try:
        if check.judge_cluster is not None:
            found += check.judge_cluster(cluster)
        if check.judge_node is not None:
            found += check.judge_node(NodeView(facts, cluster))
    except Exception as error:
        raise AssertionError(f"{check.id} raised {error!r}") from error
    return found


def assert_sound(check: Check, verdicts: list[Verdict]) -> None:
    assert verdicts, f"{check.id}: no verdict at all"
    for one in verdicts:
        where = f"{check.id}: {one.severity.value} {one.summary!r} of {one.group!r}"
        assert one.check_id == check.id, where
        assert one.summary.strip(), f"{where} has no reason"
        for piece in one.evidence:
            assert piece.text, f"{where}: a proof without words"
            assert piece.source, f"{where}: where is it from? {piece.text!r}"
        assert all(piece.what and piece.how for piece in one.missing), where
        if one.severity is FindingSeverity.UNKNOWN:
            assert one.missing, f"{where} does not say what is missing"


@ANY_FACTS
@given(facts=nodes(), cluster=clusters())
def test_no_facts_make_a_check_raise_or_fall_silent(
    facts: NodeFacts, cluster: ClusterFacts
) -> None:
    view = ClusterView(cluster, NOW)
    for check in all_checks():
        found = judged(check, facts, view)
        assert_sound(check, found)
        of_node = [one for one in found if one.node_uid is not None]
        assert of_node or check.judge_node is None, f"{check.id}: no verdict on the node"
        assert {one.node_uid for one in of_node} <= {facts.node.uid}
        assert {one.node_name for one in of_node} <= {facts.node.name}
        groups = [(one.node_uid, one.group, one.severity) for one in found]
        clear = FindingSeverity.CLEAR
        assert len(set(groups)) == len(groups) or all(one.severity is clear for one in found), (
            f"{check.id}: two verdicts of one group: {groups}"
        )


@settings(ANY_FACTS, max_examples=10)
@given(facts=nodes())
def test_a_cluster_of_which_nothing_is_known_is_judged_all_the_same(facts: NodeFacts) -> None:
    for check in all_checks():
        assert_sound(check, judged(check, NodeFacts(facts.node), ClusterView(ClusterFacts(), NOW)))
