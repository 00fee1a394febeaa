"""Nodes and agents joined in any order, with either denied."""

from __future__ import annotations

from tests.unit.collect_fakes import node, pod, uid
from tui.collect.roster import Change, Roster
from tui.model.names import NodeName, NodeUid
from tui.model.node import AgentPhase
from tui.model.snapshot import NodeGone, NodeSeen


def seen(changes: list[Change]) -> list[tuple[str, str | None]]:
    return [
        (change.node.name, change.agent.phase.value if change.agent is not None else None)
        for change in changes
        if isinstance(change, NodeSeen)
    ]


def test_pod_before_node_and_node_before_pod_end_the_same() -> None:
    first, second = Roster(), Roster()
    assert first.put_pod(pod()) == []
    assert seen(first.put_node(node())) == [("node-1", "running")]
    assert seen(second.put_node(node())) == [("node-1", None)]
    assert seen(second.put_pod(pod())) == [("node-1", "running")]
    assert first.get(uid()) == second.get(uid())


def test_no_change_no_word() -> None:
    roster = Roster()
    roster.put_node(node())
    roster.put_pod(pod())
    assert roster.put_pod(pod()) == []
    assert roster.put_node(node()) == []


def test_a_node_without_a_pod_lacks_one_once_the_pods_are_listed() -> None:
    roster = Roster()
    roster.put_node(node())
    assert seen(roster.keep_pods([])) == [("node-1", "missing")]
    assert seen(roster.put_node(node(2))) == [("node-2", "missing")]
    target = roster.get(uid())
    assert target is not None
    assert target.answering is None


def test_during_a_rollout_the_running_pod_speaks_for_the_node() -> None:
    roster = Roster()
    roster.put_node(node())
    roster.put_pod(pod(phase=AgentPhase.TERMINATING, suffix="-old"))
    changes = roster.put_pod(pod(suffix="-new", container="c2"))
    assert seen(changes) == [("node-1", "running")]
    assert roster.drop_pod(pod(suffix="-old").uid) == []


def test_a_silent_kubelet_makes_the_agent_unreachable_and_nobody_asks_it() -> None:
    roster = Roster()
    roster.put_node(node())
    roster.put_pod(pod())
    (change,) = roster.put_node(node(is_ready=None))
    assert seen([change]) == [("node-1", "unreachable")]
    target = roster.get(uid())
    assert target is not None
    assert target.answering is None


def test_an_agent_on_a_node_that_is_not_ready_is_still_asked() -> None:
    roster = Roster()
    roster.put_node(node(is_ready=False))
    roster.put_pod(pod())
    target = roster.get(uid())
    assert target is not None
    assert target.answering is not None


def test_a_crash_looping_agent_is_not_asked() -> None:
    roster = Roster()
    roster.put_node(node())
    roster.put_pod(pod(phase=AgentPhase.CRASH_LOOP, started_at=None))
    target = roster.get(uid())
    assert target is not None
    assert target.answering is None


def test_without_the_right_to_list_nodes_the_pods_tell() -> None:
    roster = Roster()
    roster.put_pod(pod())
    assert seen(roster.derive_nodes()) == [("node-1", "running")]
    derived = roster.get(NodeUid("name:node-1"))
    assert derived is not None
    assert derived.answering is not None
    changes = [*roster.put_node(node()), *roster.keep_nodes([NodeName("node-1")])]
    assert NodeGone(NodeUid("name:node-1")) in changes
    assert roster.get(uid()) is not None


def test_a_node_made_anew_under_its_old_name_is_another_node() -> None:
    roster = Roster()
    roster.put_node(node())
    again = node(boot="b2")
    other = type(again)(NodeUid("uid-x"), again.name, True)
    changes = roster.put_node(other)
    assert changes[0] == NodeGone(uid())
    assert isinstance(changes[1], NodeSeen)


def test_a_list_drops_what_is_gone() -> None:
    roster = Roster()
    for number in (1, 2, 3):
        roster.put_node(node(number))
    changes = roster.keep_nodes([NodeName("node-2")])
    assert {change.node_uid for change in changes if isinstance(change, NodeGone)} == {
        uid(1),
        uid(3),
    }
