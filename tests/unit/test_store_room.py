"""What only a broker tells, in the state: the room, others' finding changes, another cluster."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.judge_rig import ACTIVE, ARMED, Told, node
from tests.unit.store_facts import NODE, batch, line, maps_report, seen, usage
from tui.checks.judging.judge import Judge
from tui.model.cluster import ClusterFacts
from tui.model.findings import FindingChange, FindingSeverity
from tui.model.operations import ArmingMode, ArmingState, AuditEvent, AuditRecord
from tui.model.room import ClusterSummary, Room
from tui.model.snapshot import (
    ArmingChanged,
    AuditWritten,
    ChangesShared,
    ClusterSeen,
    Gap,
    GapChanged,
    HealthChanged,
    NodeSeen,
    RoomChanged,
    SourceHealth,
    SourceReset,
    SourceState,
)
from tui.safety import clean
from tui.store import Store
from tui.store.change_log import CHANGES_KEPT, ChangeLog

NOW = 1_000.0
LATER = 99_000.0
LIVE = HealthChanged(SourceHealth(clean("mqtt fleet"), SourceState.LIVE))


def change(
    at: float,
    after: FindingSeverity | None = ACTIVE,
    before: FindingSeverity | None = None,
    by: str = "",
    group: str = "cilium_lxc",
) -> FindingChange:
    title = clean("Map pressure")
    return FindingChange(at, "map-pressure", group, title, before, after, by=clean(by))


def test_the_room_is_the_latest_told() -> None:
    store = Store()
    assert store.snapshot(NOW).room == Room()
    room = Room(clusters=(ClusterSummary(clean("fleet")),), chosen=clean("fleet"))
    store.apply(RoomChanged(room))
    assert store.snapshot(NOW).room is room


def test_what_two_judges_saw_within_a_minute_is_one_change_and_says_whose() -> None:
    log = ChangeLog()
    own = (change(100.0),)
    assert log.take_own(own, LATER) == own
    told = change(159.0, by="collector-a")
    assert log.take_shared([told])
    assert log.take_own(own, LATER) == (told,)


def test_our_own_sight_of_what_was_shared_already_adds_nothing() -> None:
    log = ChangeLog()
    shared = change(100.0, by="collector-a")
    assert log.take_shared([shared])
    assert log.take_own((change(130.0),), LATER) == (shared,)
    assert not log.take_shared([shared]), "the room is told as a whole, again and again"


def test_a_change_back_and_forth_is_told_each_time() -> None:
    log = ChangeLog()
    log.take_shared([change(100.0, by="a"), change(110.0, None, ACTIVE, by="a")])
    later = change(500.0, by="a")
    log.take_shared([change(100.0, by="a"), change(110.0, None, ACTIVE, by="a"), later])
    assert [one.at for one in log.take_own((), LATER)] == [100.0, 110.0, 500.0]


def test_other_groups_and_other_severities_are_other_changes() -> None:
    log = ChangeLog()
    log.take_shared([change(100.0, group="cilium_lb4", by="a"), change(101.0, ARMED, by="a")])
    assert len(log.take_own((change(100.0),), LATER)) == 3


def test_a_dashboard_that_comes_late_tells_no_news_of_what_others_know_of_old() -> None:
    late = change(9_000.0)
    log = ChangeLog()
    log.take_shared([change(100.0, by="a")])
    assert [one.at for one in log.take_own((late,), LATER)] == [100.0]
    heard_later = ChangeLog()
    heard_later.take_own((late,), LATER)
    heard_later.take_shared([change(100.0, by="a")])
    assert [one.at for one in heard_later.take_own((late,), LATER)] == [100.0]


def test_what_was_gone_for_others_and_is_there_again_is_news() -> None:
    log = ChangeLog()
    log.take_shared([change(100.0, by="a"), change(200.0, None, ACTIVE, by="a")])
    assert [one.at for one in log.take_own((change(9_000.0),), LATER)] == [100.0, 200.0, 9_000.0]


def test_changes_are_bounded_and_the_same_tuple_while_nothing_is_new() -> None:
    log = ChangeLog()
    log.take_shared([change(number * 100.0, by="a") for number in range(CHANGES_KEPT + 10)])
    own = (change(-500.0, ARMED),)
    told = log.take_own(own, LATER)
    assert len(told) == CHANGES_KEPT
    assert log.take_own(own, LATER) is told


def test_shared_changes_are_in_the_snapshot_beside_our_own() -> None:
    told = Told()
    facts = node(1)
    told.say(facts, ACTIVE)
    store = Store(Judge([told.check]))
    store.apply(NodeSeen(facts.node, facts.agent))
    store.apply(ChangesShared((change(10.0, by="collector-a"),)))
    store.finish(NOW)
    changes = store.snapshot(LATER).finding_changes
    assert [(one.id, one.by) for one in changes] == [
        ("map-pressure", "collector-a"),
        ("map-pressure", ""),
    ]


def filled() -> Store:
    told = Told()
    told.say(replace(node(1), node=seen().node), ACTIVE)
    store = Store(Judge([told.check]))
    store.apply(seen())
    store.apply(maps_report(1.0, usage(10, 1.0)))
    store.apply(batch(line(1.0, "it failed")))
    store.apply(ClusterSeen(ClusterFacts(context=clean("fleet"))))
    store.apply(GapChanged("lost", Gap(clean("messages"), clean("lost"), 1.0)))
    store.apply(LIVE)
    store.apply(AuditWritten(AuditRecord(1.0, AuditEvent.ARMED)))
    store.apply(ArmingChanged(ArmingState(ArmingMode.ARMED)))
    store.apply(RoomChanged(Room(chosen=clean("fleet"))))
    store.finish(NOW)
    return store


def test_another_cluster_begins_with_nothing_of_the_one_before() -> None:
    store = filled()
    before = store.snapshot(NOW)
    assert all((before.findings, before.nodes, before.finding_changes, before.is_complete))
    store.apply(SourceReset())
    store.judge(NOW)
    after = store.snapshot(NOW)
    assert (after.nodes, after.gaps, after.cluster) == ({}, {}, ClusterFacts())
    assert (after.findings, after.finding_changes, dict(after.verdicts)) == ((), (), {})
    assert not after.is_complete
    assert after.version > before.version


def test_what_this_session_did_outlives_the_change_of_clusters() -> None:
    store = filled()
    store.apply(SourceReset())
    after = store.snapshot(NOW)
    assert len(after.audit) == 1
    assert after.arming.mode is ArmingMode.ARMED
    assert after.room.chosen == "fleet"


def test_a_node_of_the_same_name_in_the_next_cluster_brings_no_old_log() -> None:
    store = filled()
    store.apply(SourceReset())
    store.apply(seen())
    store.apply(LIVE)
    facts = store.snapshot(NOW).nodes[NODE]
    assert (facts.logs, facts.maps.value) == ((), None)


def test_a_cluster_that_is_still_coming_in_is_judged_once_it_is_there() -> None:
    told = Told()
    told.say(replace(node(1), node=seen().node), ACTIVE)
    store = Store(Judge([told.check]))
    store.apply(RoomChanged(Room(chosen=clean("fleet"))))
    store.apply(seen())
    assert not store.judge(NOW)
    assert told.asked == []
    store.apply(LIVE)
    store.judge(NOW)
    assert told.asked == [NODE]
