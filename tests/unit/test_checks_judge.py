from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from tests.unit.checks_facts import NOW
from tests.unit.judge_rig import (
    ACTIVE,
    ARMED,
    CLEAR,
    CLUSTER,
    GENERAL,
    LATENT,
    UNKNOWN,
    Told,
    about,
    again,
    by_uid,
    found,
    node,
    steps,
)
from tui.checks.check import Check
from tui.checks.judging.grouping import CALM_SECONDS, CHANGES_KEPT
from tui.checks.judging.judge import Judge
from tui.checks.view import ClusterView, NodeView
from tui.model.cluster import ClusterFacts
from tui.model.findings import (
    AffectedObject,
    Evidence,
    MissingEvidence,
    Remedy,
    Verdict,
)
from tui.model.names import NodeUid
from tui.safety import CleanText, clean


def test_only_changed_nodes_are_judged_again() -> None:
    told = Told()
    judge = Judge((told.check,))
    one, two = node(1), node(2)
    judge.note(by_uid(one, two), CLUSTER)
    assert judge.pending_nodes == 2
    assert judge.work(NOW) is False
    assert told.asked == ["uid-1", "uid-2"]
    judge.note(by_uid(one, again(two)), CLUSTER)
    assert judge.work(NOW) is False
    assert told.asked == ["uid-1", "uid-2", "uid-2"]
    judge.note(by_uid(one, two), replace(CLUSTER, user=CleanText("u")))
    judge.work(NOW)
    assert told.asked[3:] == ["uid-2", "uid-1"], "first the one that changed itself"


def test_a_budget_ends_the_work_between_two_nodes_and_it_goes_on() -> None:
    told = Told()
    judge = Judge((told.check,), stopwatch=steps(0.0, 1.0, 5.0))
    nodes = by_uid(*(node(number) for number in range(4)))
    judge.note(nodes, CLUSTER)
    # The cluster itself is judged first, within the budget.
    assert judge.work(NOW, 2.0) is True
    assert told.asked == ["uid-0"]
    assert judge.pending_nodes == 3
    while judge.work(NOW, 2.0):
        pass
    assert told.asked == ["uid-0", "uid-1", "uid-2", "uid-3"]
    assert judge.pending_nodes == 0


def test_findings_are_told_although_nodes_are_always_pending() -> None:
    told = Told()
    clock = steps(*(float(number) for number in range(1000)))
    judge = Judge((told.check,), stopwatch=clock)
    nodes = [node(number) for number in range(30)]
    told.say(nodes[0], ACTIVE)
    for second in range(20):
        cluster = replace(CLUSTER, user=clean(f"u{second}"))
        judge.note(by_uid(*nodes), cluster)
        assert judge.work(NOW + second, 3.0) is True
    assert found(judge, ACTIVE)


def test_a_check_that_raises_costs_its_own_verdict_only(caplog: pytest.LogCaptureFixture) -> None:
    def broken(view: NodeView) -> Iterator[Verdict]:
        if view.name:
            raise ValueError("a \x1b[31mtrap")
        yield view.verdict("backend-leak", CLEAR, "fine")

    def broken_cluster(_: ClusterView) -> Iterable[Verdict]:
        raise KeyError("trap")

    told = Told()
    bad = Check(about("backend-leak"), judge_node=broken, judge_cluster=broken_cluster)
    judge = Judge((bad, told.check))
    judge.note(by_uid(node(1)), CLUSTER)
    with caplog.at_level(logging.CRITICAL):
        judge.work(NOW)
    verdicts = {one.check_id: one for one in judge.verdicts[NodeUid("uid-1")]}
    assert verdicts["map-pressure"].severity is CLEAR
    mishap = verdicts["backend-leak"]
    assert mishap.severity is UNKNOWN
    assert "ValueError" in mishap.missing[0].what
    assert "\x1b" not in mishap.missing[0].what
    assert "bug" in mishap.missing[0].how
    (finding,) = found(judge, UNKNOWN)
    assert finding.node_names == ("node-1",)
    assert any("KeyError" in piece.what for piece in finding.missing)


def test_verdicts_of_nodes_become_one_finding_worst_node_first() -> None:
    told = Told()
    nodes = [node(number) for number in range(3)]
    thing = AffectedObject("Service", CleanText("web"), CleanText("default"))
    proof = Evidence(CleanText("64 of 64"), CleanText("bpftool"))
    own = Remedy(now=(CleanText("do that"),))
    for number, harm in enumerate((1, 7, 3)):
        parts: dict[str, object] = {"harm": harm, "objects": (thing,), "summary": f"{harm} lost"}
        if harm == 7:
            parts |= {"evidence": (proof,), "remedy": own}
        told.say(nodes[number], ACTIVE, **parts)
    judge = Judge((told.check,))
    judge.note(by_uid(*nodes), CLUSTER)
    judge.work(NOW)
    (finding,) = judge.findings
    assert finding.node_names == ("node-1", "node-2", "node-0")
    assert finding.nodes == ("uid-1", "uid-2", "uid-0")
    assert finding.summary == "7 lost"
    assert finding.harm == 11
    assert finding.objects == (thing,)
    assert finding.objects_total == 1
    assert finding.evidence == (proof,)
    assert finding.remedy == own
    assert finding.title == "title of map-pressure"


def test_groups_and_severities_are_findings_of_their_own_but_clear_is_one() -> None:
    told = Told()
    nodes = [node(number) for number in range(5)]
    told.say(nodes[0], ACTIVE, group="a")
    told.say(nodes[1], ACTIVE, group="b")
    told.say(nodes[2], ARMED, group="a")
    told.say(nodes[3], CLEAR, group="a")
    told.say(nodes[4], CLEAR, group="b")
    judge = Judge((told.check,))
    judge.note(by_uid(*nodes), CLUSTER)
    judge.work(NOW)
    keys = [(one.severity, one.group, len(one.nodes)) for one in judge.findings]
    assert keys == [(ACTIVE, "a", 1), (ACTIVE, "b", 1), (ARMED, "a", 1), (CLEAR, "", 2)]
    assert judge.findings[0].remedy == GENERAL


def test_findings_are_ranked_by_severity_then_by_the_harm_of_their_check() -> None:
    drift, leak, other = Told("service-map-drift"), Told("backend-leak"), Told("not-of-the-list")
    facts = node(1)
    drift.say(facts, LATENT)
    leak.say(facts, ACTIVE)
    other.say(facts, ACTIVE, harm=1000)
    judge = Judge((other.check, drift.check, leak.check))
    judge.note(by_uid(facts), CLUSTER)
    judge.work(NOW)
    ids = [one.id for one in judge.findings]
    assert ids == ["backend-leak", "not-of-the-list", "service-map-drift"]
    assert [one.severity for one in judge.verdicts[NodeUid("uid-1")]] == [ACTIVE, ACTIVE, LATENT]


def test_when_it_was_first_seen_is_kept_and_evidence_may_say_earlier() -> None:
    told = Told()
    judge = Judge((told.check,))
    facts = node(1)
    told.say(facts, ACTIVE)
    for age, since in ((0.0, None), (10.0, None), (20.0, NOW - 500.0), (30.0, None)):
        told.say(facts, ACTIVE, since=since)
        judge.note(by_uid(again(facts)), CLUSTER)
        judge.work(NOW + age)
        (finding,) = found(judge, ACTIVE)
        assert finding.last_seen == NOW + age
        assert finding.first_seen == (NOW if age < 20.0 else NOW - 500.0)


def test_what_goes_and_comes_back_is_new() -> None:
    told = Told()
    judge = Judge((told.check,))
    facts = node(1)
    for age, severity in ((0.0, ACTIVE), (10.0, CLEAR), (20.0, ACTIVE)):
        told.say(facts, severity)
        judge.note(by_uid(again(facts)), CLUSTER)
        judge.work(NOW + age)
    assert found(judge, ACTIVE)[0].first_seen == NOW + 20.0
    assert [(one.at, one.before, one.after) for one in judge.changes] == [
        (NOW, None, ACTIVE),
        (NOW + 10.0, ACTIVE, None),
        (NOW + 20.0, None, ACTIVE),
    ]


def test_changes_tell_the_worst_severity_and_the_nodes() -> None:
    told = Told()
    judge = Judge((told.check,))
    nodes = [node(number) for number in range(7)]
    for age, severity in enumerate((UNKNOWN, ARMED, ACTIVE, ACTIVE, ARMED)):
        for one in nodes:
            told.say(one, severity)
        judge.note(by_uid(*map(again, nodes)), CLUSTER)
        judge.work(NOW + age)
    assert [(one.before, one.after) for one in judge.changes] == [
        (None, ARMED),
        (ARMED, ACTIVE),
        (ACTIVE, ARMED),
    ]
    last = judge.changes[-1]
    assert last.nodes_total == 7
    assert last.node_names == ("node-0", "node-1", "node-2", "node-3", "node-4")
    assert last.title == "title of map-pressure"


def test_a_severity_that_changes_across_two_slices_is_one_change() -> None:
    told = Told()
    other = Told("backend-leak")
    times = [0.0]
    judge = Judge((told.check, other.check), stopwatch=lambda: times[0])
    facts = node(1)
    for severity in (ACTIVE, ARMED):
        told.say(facts, severity)
        judge.note(by_uid(again(facts)), CLUSTER)
        # A budget of nothing: each call does one thing.
        while judge.work(NOW, 0.0):
            pass
    assert [(one.before, one.after) for one in judge.changes] == [(None, ACTIVE), (ACTIVE, ARMED)]


def test_changes_are_bounded() -> None:
    told = Told()
    judge = Judge((told.check,))
    facts = node(1)
    for number in range(CHANGES_KEPT + 3):
        told.say(facts, ACTIVE if number % 2 else CLEAR)
        judge.note(by_uid(again(facts)), CLUSTER)
        judge.work(NOW + number)
    assert len(judge.changes) == CHANGES_KEPT
    assert judge.changes[-1].at >= NOW + CHANGES_KEPT


def test_a_node_that_left_is_forgotten() -> None:
    told = Told()
    judge = Judge((told.check,))
    one, two = node(1), node(2)
    told.say(one, ACTIVE)
    judge.note(by_uid(one, two), CLUSTER)
    judge.work(NOW)
    judge.note(by_uid(two), CLUSTER)
    judge.work(NOW + CALM_SECONDS)
    assert set(judge.verdicts) == {"uid-2"}
    assert set(judge.next_starts) == {"uid-2"}
    assert [one.severity for one in judge.findings] == [CLEAR]
    assert judge.findings[0].node_names == ("node-2",)
    assert judge.changes[-1].after is None


def test_a_node_that_left_before_it_was_judged_is_not_pending() -> None:
    judge = Judge((Told().check,))
    judge.note(by_uid(node(1), node(2)), CLUSTER)
    judge.note(by_uid(node(2)), CLUSTER)
    assert judge.pending_nodes == 1


def test_what_is_calm_is_made_anew_only_now_and_then_and_then_says_the_latest() -> None:
    told = Told()
    judge = Judge((told.check,))
    facts = node(1)
    told.say(facts, LATENT, summary="one user")
    judge.note(by_uid(facts), CLUSTER)
    judge.work(NOW)
    told.say(facts, LATENT, summary="two users")
    judge.note(by_uid(again(facts)), CLUSTER)
    judge.work(NOW + 1.0)
    assert judge.findings[0].summary == "one user"
    judge.work(NOW + CALM_SECONDS)
    assert judge.findings[0].summary == "two users"


def test_the_last_word_leaves_nothing_calm_for_later() -> None:
    told = Told()
    judge = Judge((told.check,))
    facts = node(1)
    told.say(facts, LATENT, summary="one user")
    judge.note(by_uid(facts), CLUSTER)
    judge.work(NOW)
    told.say(facts, LATENT, summary="two users")
    judge.note(by_uid(again(facts)), CLUSTER)
    judge.finish(NOW + 1.0)
    assert judge.findings[0].summary == "two users"


def test_a_check_that_fails_alike_everywhere_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(view: NodeView) -> Iterator[Verdict]:
        raise ValueError(view.name)

    judge = Judge((Check(about("backend-leak"), judge_node=broken),))
    with caplog.at_level(logging.ERROR):
        for round_number in range(3):
            judge.note(by_uid(*map(node, range(20))), CLUSTER)
            judge.work(NOW + round_number)
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is not None


def test_evidence_that_many_nodes_give_alike_shares_its_texts() -> None:
    told = Told()
    judge = Judge((told.check,))
    nodes = [node(number) for number in range(2)]
    for number, facts in enumerate(nodes):
        told.say(facts, ACTIVE, evidence=(Evidence(clean(f"f{1:d}"), clean(f"c{2:d}"), at=number),))
    judge.note(by_uid(*nodes), CLUSTER)
    judge.work(NOW)
    one, two = (verdicts[0].evidence[0] for verdicts in judge.verdicts.values())
    assert one.text is two.text
    assert one.source is two.source
    assert (one.at, two.at) == (0, 1)


def test_missing_evidence_of_many_nodes_is_said_once() -> None:
    told = Told()
    nodes = [node(number) for number in range(20)]
    missing = MissingEvidence(CleanText("the release"), CleanText("cilium version"))
    for one in nodes:
        told.say(one, UNKNOWN, missing=(missing,))
    judge = Judge((told.check,))
    judge.note(by_uid(*nodes), CLUSTER)
    judge.work(NOW)
    assert judge.findings[0].missing == (missing,)


def test_a_verdict_on_the_cluster_has_no_node() -> None:
    def judge_cluster(view: ClusterView) -> list[Verdict]:
        return [view.verdict("backend-leak", ARMED, f"user {view.facts.user}")]

    judge = Judge((Check(about("backend-leak"), judge_cluster=judge_cluster),))
    judge.note({}, replace(CLUSTER, user=CleanText("a")))
    judge.work(NOW)
    judge.note({}, replace(CLUSTER, user=CleanText("b")))
    judge.work(NOW + 1.0)
    (finding,) = judge.findings
    assert finding.summary == "user b"
    assert finding.nodes == ()
    assert finding.first_seen == NOW


def test_a_plain_clear_is_one_object_for_all_nodes_and_still_counts_them() -> None:
    told = Told()
    judge = Judge([told.check])
    judge.note(by_uid(*map(node, range(300))), ClusterFacts())
    judge.work(NOW)
    (finding,) = judge.findings
    assert len(set(finding.nodes)) == len(set(finding.node_names)) == 300
    assert len({id(verdicts[0]) for verdicts in judge.verdicts.values()}) == 1


def test_a_large_finding_names_its_worst_nodes_first() -> None:
    told = Told()
    members = [node(number) for number in range(500)]
    for number, facts in enumerate(members):
        told.say(facts, ACTIVE, summary=f"harm {number}", harm=number)
    judge = Judge([told.check])
    judge.note(by_uid(*members), ClusterFacts())
    judge.work(NOW)
    (finding,) = judge.findings
    assert finding.summary == "harm 499"
    assert finding.node_names[:2] == ("node-499", "node-498")
    assert len(finding.nodes) == 500
