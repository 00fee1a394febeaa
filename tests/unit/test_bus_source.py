"""The facts that a dashboard's source makes of what collectors send."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.unit.bus_source_rig import WALL, Sender, SourceRig, record
from tests.unit.store_facts import batch, line
from tui.bus.receiving.node_ages import FORGET_SECONDS
from tui.bus.wire.messages import (
    AuditMessage,
    FactsMessage,
    FindingsMessage,
    RoomChange,
    RoomMessage,
    WarningsMessage,
)
from tui.bus.wire.post import LinkKind, LinkState
from tui.model.findings import FindingChange, FindingSeverity
from tui.model.logs import LogEntry
from tui.model.names import NodeUid
from tui.model.room import Presence
from tui.model.snapshot import AuditWritten, RoomChanged, SourceReset, SourceState
from tui.safety import clean


@pytest.fixture
async def rig() -> AsyncIterator[SourceRig]:
    rig = SourceRig()
    yield rig
    await rig.close()


@pytest.fixture
async def open_rig() -> AsyncIterator[SourceRig]:
    rig = SourceRig(cluster=None)
    yield rig
    await rig.close()


def uid(number: int, cluster: str = "fleet") -> NodeUid:
    return NodeUid(f"{cluster}-uid-{number}")


def state_of(rig: SourceRig) -> SourceState:
    return rig.snapshot.health.state


async def show(rig: SourceRig, *senders: Sender, nodes: int = 2) -> None:
    """Have one or more collectors share a cluster's nodes."""
    for sender in senders:
        share = sender.presence(nodes=nodes // len(senders), nodes_total=nodes)
        rig.put(sender, share)
    for number in range(nodes):
        rig.put(senders[number % len(senders)], senders[0].node(number))
    await rig.pass_time(1.0)


async def test_nodes_of_the_broker_are_nodes_on_screen(rig: SourceRig) -> None:
    collector = Sender()
    rig.put(collector, collector.facts_of_cluster())
    await show(rig, collector)
    snapshot = rig.snapshot
    assert set(snapshot.nodes) == {uid(0), uid(1)}
    assert snapshot.cluster.context == "fleet"
    assert snapshot.health.state is SourceState.LIVE
    assert (snapshot.health.name, snapshot.is_complete) == ("mqtt fleet", True)
    assert [one.id for one in snapshot.room.collectors] == ["collector-a"]


async def test_only_the_chosen_cluster_s_nodes_are_asked_for(rig: SourceRig) -> None:
    await rig.settle()
    assert set(rig.link.filters) == {
        "ciltop/v1/+/collector/+",
        "ciltop/v1/+/findings",
        "ciltop/v1/+/room",
        "ciltop/v1/+/audit",
        "ciltop/v1/fleet/cluster",
        "ciltop/v1/fleet/node/+/facts",
        "ciltop/v1/fleet/warnings/+",
    }


async def test_it_connects_until_the_retained_facts_are_in(rig: SourceRig) -> None:
    await rig.settle()
    assert state_of(rig) is SourceState.CONNECTING
    collector = Sender()
    rig.put(collector, collector.presence(nodes=3, nodes_total=3), is_retained=True)
    rig.put(collector, collector.node(0), is_retained=True)
    await rig.settle()
    health = rig.snapshot.health
    assert (health.state, health.reason) == (SourceState.CONNECTING, "1 of 3 nodes received")
    for number in (1, 2):
        rig.put(collector, collector.node(number), is_retained=True)
    await rig.settle()
    assert state_of(rig) is SourceState.LIVE


async def test_a_broker_that_drops_retained_facts_is_blamed(rig: SourceRig) -> None:
    collector = Sender()
    rig.put(collector, collector.presence(nodes=3, nodes_total=3))
    rig.put(collector, collector.node(0))
    await rig.pass_time(3.0)
    health = rig.snapshot.health
    assert health.state is SourceState.DEGRADED
    assert "1 of 3 nodes received" in health.reason
    assert "max_queued_messages" in health.reason
    assert health.nodes_unread == 2


async def test_no_collector_is_lost(rig: SourceRig) -> None:
    await show(rig, Sender())
    assert state_of(rig) is SourceState.LIVE
    await rig.pass_time(15.0)
    assert state_of(rig) is SourceState.LOST
    assert "no collector reads fleet" in rig.snapshot.health.reason
    assert len(rig.snapshot.nodes) == 2


async def test_nobody_s_nodes_are_told_until_another_collector_has_them(rig: SourceRig) -> None:
    one, other = Sender("a"), Sender("b")
    await show(rig, one, other, nodes=4)
    gone = replace(other.presence(), state=Presence.GONE)
    rig.put(other, gone)
    await rig.settle()
    health = rig.snapshot.health
    assert (health.state, health.reason) == (
        SourceState.DEGRADED,
        "b is gone; 2 nodes not read by others yet",
    )
    rig.put(one, one.presence(nodes=4, nodes_total=4))
    await rig.settle()
    assert state_of(rig) is SourceState.LIVE


async def test_a_lost_broker_keeps_what_is_known_and_says_so(rig: SourceRig) -> None:
    await show(rig, Sender())
    rig.link.state = LinkState(
        LinkKind.DOWN, clean("mqtt://broker: nothing answers"), since=rig.now
    )
    await rig.settle()
    assert state_of(rig) is SourceState.LOST
    assert "nothing answers" in rig.snapshot.health.reason
    assert len(rig.snapshot.nodes) == 2


async def test_hours_of_clock_skew_change_no_age(rig: SourceRig) -> None:
    for skew in (7_200.0, -7_200.0):
        collector = Sender(f"skewed{skew:+.0f}", clock_skew=skew)
        rig.put(collector, collector.presence(nodes=1, nodes_total=2))
        rig.put(collector, collector.node(int(skew > 0)))
    await rig.pass_time(1.0)
    ages = [rig.wall - (facts.swept_at or 0.0) for facts in rig.snapshot.nodes.values()]
    assert len(ages) == 2
    assert all(abs(age) < 2.0 for age in ages), ages
    skews = [one.skew_seconds for one in rig.snapshot.room.collectors]
    assert sorted(round(skew or 0.0) for skew in skews) == [-7_200, 7_200]


async def test_a_node_that_left_is_gone(rig: SourceRig) -> None:
    collector = Sender()
    await show(rig, collector)
    name = rig.snapshot.nodes[uid(0)].node.name
    rig.put(collector, FactsMessage(None), name)
    await rig.settle()
    assert set(rig.snapshot.nodes) == {uid(1)}


async def test_a_node_that_nobody_tells_of_for_an_hour_is_gone(rig: SourceRig) -> None:
    collector = Sender()
    await show(rig, collector)
    for _ in range(int(FORGET_SECONDS // 5) + 3):
        rig.put(collector, collector.presence(nodes=1, nodes_total=1))
        rig.put(collector, collector.node(1))
        await rig.settle()
        await rig.pass_time(5.0, step=5.0)
    assert set(rig.snapshot.nodes) == {uid(1)}
    rig.put(collector, collector.node(0))
    await rig.settle()
    assert set(rig.snapshot.nodes) == {uid(0), uid(1)}, "it came back as it was"


async def test_log_lines_come_to_their_node(rig: SourceRig) -> None:
    collector = Sender()
    await show(rig, collector)
    lines = replace(batch(line(WALL, "it failed")), node_uid=uid(0))
    name = rig.snapshot.nodes[uid(0)].node.name
    rig.put(collector, WarningsMessage((lines,)), name)
    await rig.settle()
    logs = rig.snapshot.nodes[uid(0)].logs
    assert [one.line.message for one in logs if isinstance(one, LogEntry)] == ["it failed"]


async def test_what_another_responder_did_is_told_once_though_it_comes_twice(
    rig: SourceRig,
) -> None:
    collector, bob = Sender(), Sender("bob@laptop")
    await show(rig, collector)
    rig.put(bob, AuditMessage((record(rig.wall),)))
    rig.put(collector, RoomMessage(records=(record(rig.wall), record(rig.wall, "earlier", "1"))))
    await rig.settle()
    assert sorted(one.text for one in rig.snapshot.audit) == ["earlier", "restart worker-1"]


async def test_our_own_records_do_not_come_back(rig: SourceRig) -> None:
    await show(rig, Sender())
    own = record(rig.wall)
    rig.source.note_own(own)
    rig.put(Sender("alice@desk"), AuditMessage((own,)))
    rig.put(Sender(), RoomMessage(records=(own,)))
    assert not [fact for fact in await rig.settle() if isinstance(fact, AuditWritten)]


async def test_finding_changes_of_the_room_name_who_saw_them(rig: SourceRig) -> None:
    await show(rig, Sender())
    change = FindingChange(
        rig.wall, "map-pressure", "", clean("Map pressure"), None, FindingSeverity.ACTIVE
    )
    rig.put(Sender(), RoomMessage(changes=(RoomChange(change, clean("collector-b")),)))
    await rig.settle()
    assert [one.by for one in rig.snapshot.finding_changes] == ["collector-b"]


async def test_the_overview_tells_of_every_cluster(open_rig: SourceRig) -> None:
    calm, burning = Sender(cluster="calm"), Sender(cluster="burning")
    for sender, active in ((calm, 0), (burning, 2)):
        open_rig.put(sender, sender.presence(nodes_total=7))
        counts = {"ACTIVE": active, "CLEAR": 3, "NONSENSE": 1}
        open_rig.put(sender, FindingsMessage((), counts, nodes=7, nodes_total=7))
    await open_rig.settle()
    assert open_rig.snapshot.room.chosen == ""
    await open_rig.pass_time(1.0)
    room = open_rig.snapshot.room
    assert room.chosen == "burning"
    assert [(one.name, one.nodes, one.is_chosen) for one in room.clusters] == [
        ("burning", 7, True),
        ("calm", 7, False),
    ]
    assert room.clusters[0].findings[FindingSeverity.ACTIVE] == 2
    assert "ciltop/v1/calm/node/+/facts" not in open_rig.link.filters


async def switched(rig: SourceRig) -> tuple[Sender, Sender]:
    fleet, other = Sender(), Sender(cluster="other")
    await show(rig, fleet)
    rig.put(other, other.presence(nodes=1, nodes_total=1))
    await rig.settle()
    rig.source.choose_cluster("other")
    await rig.settle()
    return fleet, other


async def test_another_cluster_is_shown_from_nothing(rig: SourceRig) -> None:
    _, other = await switched(rig)
    assert not rig.snapshot.nodes
    assert sum(isinstance(fact, SourceReset) for fact in rig.facts) == 1
    assert "ciltop/v1/other/node/+/facts" in rig.link.filters
    assert "ciltop/v1/fleet/node/+/facts" not in rig.link.filters
    rig.put(other, other.node(0), is_retained=True)
    await rig.pass_time(1.0)
    snapshot = rig.snapshot
    assert set(snapshot.nodes) == {uid(0, "other")}
    assert (snapshot.health.state, snapshot.health.name) == (SourceState.LIVE, "mqtt other")
    assert snapshot.room.chosen == "other"
    assert [one.id for one in snapshot.room.collectors] == ["collector-a"]


async def test_late_facts_of_the_cluster_before_are_not_shown(rig: SourceRig) -> None:
    fleet, _ = await switched(rig)
    rig.put(fleet, fleet.node(0))
    await rig.settle()
    assert not rig.snapshot.nodes


async def test_back_at_the_first_cluster_all_of_it_comes_again(rig: SourceRig) -> None:
    fleet, _ = await switched(rig)
    rig.source.choose_cluster("fleet")
    await rig.settle()
    fleet.seq.clear()
    rig.put(fleet, fleet.presence(nodes=2, nodes_total=2))
    for number in range(2):
        rig.put(fleet, fleet.node(number), is_retained=True)
    await rig.settle()
    assert set(rig.snapshot.nodes) == {uid(0), uid(1)}
    assert state_of(rig) is SourceState.LIVE


async def test_records_are_told_once_though_clusters_change(rig: SourceRig) -> None:
    fleet, other = await switched(rig)
    rig.put(Sender("bob@laptop", cluster="other"), AuditMessage((record(rig.wall),)))
    await rig.settle()
    rig.source.choose_cluster("fleet")
    await rig.settle()
    rig.source.choose_cluster("other")
    await rig.settle()
    rig.put(other, RoomMessage(records=(record(rig.wall),)))
    await rig.settle()
    assert len(rig.snapshot.audit) == 1
    assert fleet.cluster == "fleet"


async def test_a_refusal_to_change_clusters_is_told_and_taken_back(rig: SourceRig) -> None:
    await show(rig, Sender())
    rig.source.refuse_choice("other", "an operation runs on fleet")
    await rig.settle()
    gaps = rig.snapshot.gaps.values()
    assert [(gap.what, gap.reason) for gap in gaps] == [
        ("show cluster other", "an operation runs on fleet")
    ]
    await rig.pass_time(31.0, step=5.0)
    assert "cluster-choice" not in rig.snapshot.gaps


async def test_the_room_is_told_twice_a_second_at_most(rig: SourceRig) -> None:
    collector = Sender()
    await show(rig, collector)
    told = 0
    for _ in range(20):
        rig.put(collector, replace(collector.presence(), exec_failures=told + 1))
        found = await rig.pass_time(0.1, step=0.1)
        told += sum(isinstance(fact, RoomChanged) for fact in found)
    assert 2 <= told <= 5


async def test_why_nothing_can_be_written_is_in_the_room(rig: SourceRig) -> None:
    rig.source.explain_acting("no kubeconfig here")
    await rig.pass_time(1.0)
    assert rig.snapshot.room.no_acting == "no kubeconfig here"
    rig.source.explain_acting("")
    await rig.pass_time(1.0)
    assert rig.snapshot.room.no_acting == ""


async def test_what_the_broker_denies_is_a_gap(rig: SourceRig) -> None:
    await show(rig, Sender())
    denied = clean("the broker lets alice not write ciltop/v1/fleet/audit")
    rig.link.state = replace(rig.link.state, reason=denied)
    await rig.settle()
    assert [gap.reason for gap in rig.snapshot.gaps.values()] == [denied]
    assert state_of(rig) is SourceState.LIVE
    rig.link.state = replace(rig.link.state, reason=clean(""))
    await rig.settle()
    assert not rig.snapshot.gaps


async def test_a_flood_that_is_given_up_degrades_for_a_minute(rig: SourceRig) -> None:
    collector = Sender()
    await show(rig, collector)
    rig.inbox.lost += 3
    await rig.settle()
    assert "3 so far" in rig.snapshot.health.reason
    for _ in range(13):
        rig.put(collector, collector.presence(nodes=2, nodes_total=2))
        await rig.pass_time(5.0, step=5.0)
    assert state_of(rig) is SourceState.LIVE
    assert rig.snapshot.room.lost == 3


async def test_facts_that_overtook_older_ones_while_they_waited_are_no_loss(
    rig: SourceRig,
) -> None:
    collector = Sender()
    await show(rig, collector)
    for _ in range(5):
        rig.put(collector, collector.node(0))
    await rig.pass_time(1.0)
    assert rig.snapshot.room.lost == 0


async def test_a_link_that_fails_for_a_bug_ends_the_source() -> None:
    rig = SourceRig()
    rig.link.failure = KeyError("bug")
    with pytest.raises(KeyError):
        await rig.settle()
    assert rig.link.is_closed


async def test_leaving_closes_the_link(rig: SourceRig) -> None:
    await rig.settle()
    await rig.close()
    assert rig.link.is_closed
