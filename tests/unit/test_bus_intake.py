"""Letters about nodes become the facts that a live collection would yield, by our clock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.bus_intake_rig import NODE, Rig, only
from tests.unit.bus_letters import (
    AT,
    batch,
    letter,
    line,
    of_node,
    presence,
)
from tests.unit.checks_facts import cluster_facts, known
from tui.bus.receiving.intake import AGES_KEY, LOST_KEY, LOST_SECONDS
from tui.bus.wire.encoding import RejectedError
from tui.bus.wire.messages import (
    AuditMessage,
    ClusterMessage,
    FactsMessage,
    FindingsMessage,
    RoomChange,
    RoomMessage,
    WarningsMessage,
)
from tui.model.findings import FindingChange, FindingSeverity
from tui.model.logs import LogBatch
from tui.model.names import ContainerId, NodeUid
from tui.model.operations import AuditEvent, AuditRecord
from tui.model.snapshot import (
    AuditWritten,
    ChangesShared,
    ClusterSeen,
    Fact,
    GapChanged,
    LogTrouble,
    NodeFacts,
    NodeGone,
    NodeReport,
    NodeSeen,
)
from tui.safety import clean
from tui.store import Store


def report(facts: list[Fact]) -> NodeReport:
    (found,) = only(facts, NodeReport)
    assert isinstance(found, NodeReport)
    return found


def test_a_node_is_seen_and_reported() -> None:
    facts = Rig().facts(NODE, 1)
    assert facts[0] == NodeSeen(NODE.node, NODE.agent)
    told = report(facts)
    assert told.answered_at == AT
    assert told.container_id == "c1"
    assert told.maps == NODE.maps
    assert told.config == NODE.config
    assert told.services is None, "a reading that was never asked for is not asked this time"


def test_the_store_has_the_facts_of_the_sender() -> None:
    store = Store()
    for fact in Rig().facts(NODE, 1):
        store.apply(fact)
    kept = store.snapshot(AT).nodes[NodeUid("uid-1")]
    assert replace(kept, maps=NODE.maps) == NODE
    assert kept.maps.value is not None
    assert kept.maps.value[0].entries == 10


def test_a_failed_exec_keeps_the_time_of_the_last_answer() -> None:
    failed = replace(NODE, sweep_error=clean("no answer within 20 s"), swept_at=AT - 60.0)
    told = report(Rig().facts(failed, 1))
    assert (told.answered_at, told.error) == (AT - 60.0, "no answer within 20 s")


def test_a_node_that_nobody_asked_yet_is_seen_only() -> None:
    bare = NodeFacts(NODE.node)
    assert Rig().facts(bare, 1) == [NodeSeen(NODE.node, None)]


def test_what_did_not_change_is_not_told_again_and_stays_one_object() -> None:
    rig = Rig()
    first = report(rig.facts(NODE, 1))
    assert rig.facts(NODE, 2) == []
    second = report(rig.facts(replace(NODE, swept_at=AT + 10.0), 3))
    assert second == NodeReport(NODE.node.uid, first.container_id, AT + 10.0)
    moved = replace(NODE, swept_at=AT + 20.0, node=replace(NODE.node, is_ready=None))
    third = report(rig.facts(moved, 4))
    assert third.maps is first.maps, "the store may have marked what a node had"
    assert third.config is first.config


def test_trouble_with_the_log_is_told_when_it_changes() -> None:
    rig = Rig()
    broken = replace(NODE, log_error=clean("403"))
    assert only(rig.facts(broken, 1), LogTrouble) == [LogTrouble(NODE.node.uid, clean("403"))]
    assert rig.facts(broken, 2) == []
    assert rig.facts(NODE, 3) == [LogTrouble(NODE.node.uid, clean(""))]


def test_a_node_that_left_is_gone() -> None:
    rig = Rig()
    rig.facts(NODE, 1)
    assert rig.facts(None, 2) == [NodeGone(NodeUid("uid-1"))]
    assert rig.facts(None, 3) == []
    assert only(rig.facts(NODE, 4), NodeSeen)


def test_a_node_made_anew_under_its_name_replaces_the_old_one() -> None:
    rig = Rig()
    rig.facts(NODE, 1)
    again = rig.facts(of_node("node-1", "uid-2", NODE), 2)
    assert again[0] == NodeGone(NodeUid("uid-1"))
    assert isinstance(again[1], NodeSeen)
    assert report(again).node_uid == "uid-2"


def test_a_uid_moves_to_another_name_only_once_it_is_free() -> None:
    rig = Rig()
    rig.facts(NODE, 1)
    other = letter(FactsMessage(of_node("node-2", "uid-1")), 1)
    with pytest.raises(RejectedError, match="'node-2' is that of 'node-1'"):
        rig.take(other, name="node-2")
    rig.facts(None, 2)
    assert only(
        rig.take(replace(other, envelope=replace(other.envelope, seq=2)), name="node-2"), NodeSeen
    )


@pytest.mark.parametrize("skew", [0.0, 3_600.0, -3_600.0])
def test_times_of_the_collector_become_ours(skew: float) -> None:
    rig = Rig(skew)
    told = report(rig.facts(NODE, 1))
    ours = AT - skew
    assert told.answered_at == pytest.approx(ours)
    assert told.maps is not None
    assert told.maps.origin is not None
    assert told.maps.value is not None
    assert told.host is not None
    assert told.host.value is not None
    assert told.maps.origin.observed_at == pytest.approx(ours)
    assert told.maps.value[0].counted_at == pytest.approx(ours)
    assert told.host.value.read_at["clients"] == pytest.approx(ours)


def test_times_of_kubernetes_and_of_log_lines_stay() -> None:
    rig = Rig(3_600.0)
    facts = rig.facts(NODE, 1)
    (seen,) = only(facts, NodeSeen)
    assert isinstance(seen, NodeSeen)
    assert seen.agent == NODE.agent
    warned = rig.take(letter(WarningsMessage((batch(line(AT, "x")),))))
    assert warned == [batch(line(AT, "x"))]


def test_what_the_broker_kept_is_as_old_as_it_says() -> None:
    rig = Rig(skew=500.0)
    old = letter(FactsMessage(NODE), 1, AT)
    told = report(rig.take(old, is_retained=True, held_seconds=120.0))
    assert told.answered_at == pytest.approx(rig.wall - 120.0)
    assert rig.tick() == []


def test_an_age_that_nobody_knows_is_said_until_the_node_comes_live() -> None:
    rig = Rig(skew=-500.0)
    rig.take(letter(FactsMessage(NODE), 1, AT), is_retained=True)
    (opened,) = rig.tick()
    assert isinstance(opened, GapChanged)
    assert opened.key == AGES_KEY
    assert opened.gap is not None
    assert opened.gap.what == "ages of 1 node"
    assert rig.tick(1.0) == []
    rig.facts(replace(NODE, swept_at=AT + 1.0), 2)
    assert rig.tick() == [GapChanged(AGES_KEY, None)]


def test_lost_facts_are_a_gap_that_closes() -> None:
    rig = Rig()
    rig.facts(NODE, 1)
    lost = only(rig.facts(NODE, 5), GapChanged)
    assert isinstance(lost[0], GapChanged)
    assert lost[0].key == LOST_KEY
    assert lost[0].gap is not None
    assert lost[0].gap.reason.startswith("3 of c1 never came")
    assert lost[0].gap.since == rig.wall
    assert rig.intake.lost == 3
    assert rig.tick(LOST_SECONDS - 1.0) == []
    assert rig.tick(2.0) == [GapChanged(LOST_KEY, None)]


def test_another_collector_or_run_takes_over_without_a_loss() -> None:
    rig = Rig()
    rig.facts(NODE, 7)
    for seq, sender, run in ((40, "c2", "r1"), (1, "c2", "r2"), (2, "c2", "r2"), (8, "c1", "r1")):
        assert only(rig.facts(NODE, seq, sender=sender, run=run), GapChanged) == []
    assert rig.intake.lost == 0


def test_a_message_twice_or_one_kept_from_before_says_nothing() -> None:
    rig = Rig()
    rig.facts(NODE, 5)
    newer = replace(NODE, swept_at=AT + 1.0)
    assert rig.facts(newer, 5) == []
    assert rig.take(letter(FactsMessage(newer), 4), is_retained=True) == []
    assert (
        report(rig.take(letter(FactsMessage(newer), 9), is_retained=True)).answered_at is not None
    )
    assert rig.intake.lost == 0, "what was kept is the latest: those before it were not lost"


def test_a_claimed_number_cannot_shut_others_out() -> None:
    rig = Rig()
    rig.facts(NODE, 1)
    rig.facts(NODE, 2**53)
    assert report(rig.facts(replace(NODE, swept_at=AT + 1.0), 3)).answered_at is not None
    assert rig.intake.lost == 1_000_000


def test_the_clusters_facts_are_told_by_our_clock() -> None:
    rig = Rig(100.0)
    cluster = cluster_facts({"a": "b"}, kubernetes_version=known(clean("v1.33.1")))
    (told,) = rig.take(letter(ClusterMessage(cluster)))
    assert isinstance(told, ClusterSeen)
    assert told.cluster.config_map.value == cluster.config_map.value
    assert told.cluster.config_map.origin is not None
    assert cluster.config_map.origin is not None
    before = cluster.config_map.origin.observed_at
    assert told.cluster.config_map.origin.observed_at == pytest.approx(before - 100.0)


def test_findings_are_not_facts_of_a_cluster() -> None:
    assert Rig().take(letter(FindingsMessage(()))) == []


def record(text: str, at: float = AT) -> AuditRecord:
    return AuditRecord(at, AuditEvent.CONFIRMED, host=clean("laptop/ann"), text=clean(text))


def test_an_audit_record_is_told_once_however_often_it_comes() -> None:
    rig = Rig()
    live = rig.take(letter(AuditMessage((record("restart node-1"),))))
    assert live == [AuditWritten(record("restart node-1"))]
    kept = RoomMessage((), (record("restart node-1", AT + 1.5), record("restart node-2")))
    assert rig.take(letter(kept)) == [AuditWritten(record("restart node-2"))]
    later = record("restart node-1", AT + 3_600.0)
    assert rig.take(letter(AuditMessage((later,)), 2)) == [AuditWritten(later)]


def test_a_record_that_two_clocks_tell_of_is_one_by_its_id() -> None:
    rig = Rig()
    done = replace(record("restart node-1"), id="r-1")
    [told] = rig.take(letter(AuditMessage((done,))))
    assert told == AuditWritten(done)
    kept = RoomMessage((), (replace(done, at=AT + 7_200.0), replace(done, id="r-2")))
    assert rig.take(letter(kept)) == [AuditWritten(replace(done, id="r-2"))]


def test_a_change_that_two_leaders_tell_is_one_by_its_id() -> None:
    rig = Rig()
    change = FindingChange(AT, "map-pressure", "", clean("Full"), None, FindingSeverity.ACTIVE)
    first = RoomChange(change, clean("c7"), "id-1")
    again = replace(first, change=replace(change, at=AT + 7_200.0))
    assert len(rig.take(letter(RoomMessage((first,)), 1))) == 1
    assert rig.take(letter(RoomMessage((again,)), 2)) == []


def test_a_kept_room_of_unknown_age_does_not_happen_now() -> None:
    rig = Rig()
    old = replace(record("restart node-1"), at=AT - 3_600.0)
    sent = letter(RoomMessage((), (old,)))
    sent = replace(sent, envelope=replace(sent.envelope, at=AT - 1_800.0))
    assert rig.take(sent, is_retained=True) == [AuditWritten(old)]


def test_what_this_machine_did_is_not_told_again() -> None:
    rig = Rig()
    rig.intake.note_own(record("mine"))
    assert rig.take(letter(AuditMessage((record("mine"),)))) == []


def test_changes_that_others_saw_name_them() -> None:
    change = FindingChange(AT, "map-pressure", "", clean("Full"), None, FindingSeverity.ACTIVE)
    told = Rig(10.0).take(letter(RoomMessage((RoomChange(change, clean("c7")),))))
    assert told == [ChangesShared((replace(change, at=AT - 10.0, by=clean("c7")),))]


def test_when_a_cluster_was_heard_last() -> None:
    rig = Rig()
    rig.take(letter(presence(), 1), is_retained=True)
    assert rig.intake.heard_at is None
    rig.now = 5.0
    rig.take(letter(presence(), 2))
    assert rig.intake.heard_at == rig.wall


def test_log_lines_before_their_node_are_kept_for_it() -> None:
    rig = Rig()
    warned = batch(line(AT, "early"))
    assert rig.take(letter(WarningsMessage((warned,)))) == []
    facts = rig.facts(NODE, 1)
    assert only(facts, LogBatch) == [warned]
    assert facts.index(warned) > 0, "the node is seen first"


def test_lines_that_claim_another_node_are_left_out() -> None:
    rig = Rig()
    rig.facts(NODE, 1)
    strange = batch(line(AT, "strange"), uid="uid-9")
    good = LogBatch(NodeUid("uid-1"), ContainerId("c1"), (line(AT, "good"),))
    assert rig.take(letter(WarningsMessage((strange, good)))) == [good]
