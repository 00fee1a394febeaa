"""Which nodes are judged first, and how often those whose log never rests."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.checks_facts import NOW
from tests.unit.judge_rig import CLUSTER, Told, again, by_uid, node, steps
from tui.checks.judging.judge import LOG_SECONDS, Judge
from tui.model.logs import LogGap
from tui.model.snapshot import NodeFacts
from tui.safety import CleanText


def with_log(facts: NodeFacts, number: int) -> NodeFacts:
    """Return the same facts with another log."""
    return replace(facts, logs=(LogGap(facts.node.uid, NOW, NOW, number, CleanText("lost")),))


def test_a_log_that_never_rests_has_its_node_judged_now_and_then() -> None:
    told = Told()
    judge = Judge((told.check,))
    one, two = node(1), node(2)
    judge.note(by_uid(one, two), CLUSTER)
    judge.work(NOW, 1.0)
    told.asked.clear()
    for tick in range(1, 40):
        judge.note(by_uid(with_log(one, tick), two), CLUSTER)
        judge.work(NOW + tick * 0.5, 1.0)
    assert told.asked == ["uid-1"] * int(39 * 0.5 / LOG_SECONDS)


def test_a_quiet_nodes_first_lines_and_all_else_are_judged_at_once() -> None:
    told = Told()
    judge = Judge((told.check,))
    one = node(1)
    judge.note(by_uid(one), CLUSTER)
    judge.work(NOW, 1.0)
    judge.note(by_uid(with_log(one, 1)), CLUSTER)
    judge.work(NOW + LOG_SECONDS, 1.0)
    assert told.asked == ["uid-1"] * 2
    judge.note(by_uid(with_log(one, 2)), CLUSTER)
    judge.work(NOW + LOG_SECONDS + 1.0, 1.0)
    assert told.asked == ["uid-1"] * 2
    judge.note(by_uid(replace(with_log(one, 3), swept_at=NOW)), CLUSTER)
    judge.work(NOW + LOG_SECONDS + 2.0, 1.0)
    assert told.asked == ["uid-1"] * 3


def test_only_nodes_that_were_touched_are_looked_at() -> None:
    told = Told()
    judge = Judge((told.check,))
    one, two, three = node(1), node(2), node(3)
    judge.note(by_uid(one, two), CLUSTER, [one.node.uid, two.node.uid])
    judge.work(NOW)
    told.asked.clear()
    judge.note(by_uid(again(one), three), CLUSTER, [two.node.uid, three.node.uid])
    judge.work(NOW)
    assert told.asked == ["uid-3"]
    assert set(judge.verdicts) == {"uid-1", "uid-3"}
    judge.note(by_uid(three), CLUSTER)
    judge.finish(NOW)
    assert set(judge.verdicts) == {"uid-3"}
    assert judge.findings[0].nodes == ("uid-3",)


def test_one_judgement_for_good_leaves_no_log_out() -> None:
    told = Told()
    judge = Judge((told.check,))
    one = node(1)
    judge.note(by_uid(one), CLUSTER)
    judge.work(NOW)
    judge.note(by_uid(with_log(one, 1)), CLUSTER)
    assert judge.work(NOW) is False
    assert told.asked == ["uid-1"] * 2


def test_nodes_that_changed_are_not_held_up_by_a_changed_cluster() -> None:
    told = Told()
    judge = Judge((told.check,), stopwatch=steps(*map(float, range(1000))))
    nodes = [node(number) for number in range(50)]
    judge.note(by_uid(*nodes), CLUSTER)
    judge.work(NOW)
    told.asked.clear()
    judge.note(by_uid(*nodes), replace(CLUSTER, user=CleanText("u")))
    assert judge.pending_nodes == 50
    judge.work(NOW, 4.0)
    assert 0 < len(told.asked) < 10
    judge.note(by_uid(*nodes[:49], again(nodes[49])), replace(CLUSTER, user=CleanText("v")))
    told.asked.clear()
    judge.work(NOW, 4.0)
    assert told.asked[0] == "uid-49"
    while judge.work(NOW, 4.0):
        pass
    assert sorted(told.asked) == sorted(f"uid-{number}" for number in range(50))
    assert judge.pending_nodes == 0
