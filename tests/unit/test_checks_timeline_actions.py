"""What responders did, in the time line: whose it is, of which cluster, each write once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.checks_facts import NOW
from tests.unit.test_checks_timeline import node, snapshot
from tui.checks.timeline import timeline
from tui.model.cluster import ClusterFacts
from tui.model.findings import FindingChange, FindingSeverity
from tui.model.names import NodeName, NodeUid
from tui.model.operations import AuditEvent, AuditRecord
from tui.model.room import Room
from tui.model.snapshot import Snapshot
from tui.model.timeline import ChangeKind, TimelineEntry
from tui.safety import clean

CONTEXT = clean("prod-eu-1")
POD = clean("delete pods kube-system/cilium-abcde")


def record(event: AuditEvent, seconds_ago: float = 60.0, **parts: object) -> AuditRecord:
    made = AuditRecord(
        NOW - seconds_ago, event, CONTEXT, clean("oidc:anna"), clean("anna@bastion-2")
    )
    return replace(made, **parts)  # type: ignore[arg-type]  # fields of AuditRecord


def shot(*records: AuditRecord, room: Room | None = None) -> Snapshot:
    base = snapshot([node(1), node(2)], ClusterFacts(CONTEXT))
    return replace(base, audit=records, room=room or Room())


def actions(snapshot: Snapshot, uid: NodeUid | None = None) -> list[TimelineEntry]:
    return [one for one in timeline(snapshot, uid) if one.kind is ChangeKind.ACTION]


def test_an_action_says_who_where_from_which_operation_and_what() -> None:
    done = record(
        AuditEvent.AFTER_WRITE,
        operation_id="7f3a",
        kind="restart",
        target=POD,
        result=clean("done"),
        node_name=NodeName("node1"),
    )
    (entry,) = actions(shot(done))
    assert entry.text == "7f3a restart: delete pods kube-system/cilium-abcde: done"
    assert entry.who == "anna@bastion-2 as oidc:anna"
    assert (entry.node_uid, entry.node_name) == (NodeUid("uid-1"), "node1")
    assert (entry.operation_id, entry.source) == ("7f3a", "audit")


def test_a_write_is_told_once_and_one_that_was_cut_off_says_so() -> None:
    begun = record(AuditEvent.BEFORE_WRITE, operation_id="7f3a", target=POD)
    done = replace(
        begun, at=NOW - 59, event=AuditEvent.AFTER_WRITE, target_uid="u", result=clean("done")
    )
    assert [one.text for one in actions(shot(begun, done))] == [f"7f3a: {POD}: done"]
    assert [one.text for one in actions(shot(begun))] == [
        f"7f3a: {POD}: begun, no answer is recorded"
    ]
    elsewhere = replace(done, host=clean("ben@laptop"))
    assert len(actions(shot(begun, elsewhere))) == 2


def test_arming_and_failures_are_told_and_upkeep_is_not() -> None:
    told = actions(
        shot(
            record(AuditEvent.ARMED, 90),
            record(AuditEvent.BEFORE_UPKEEP, 80, target=clean("create leases")),
            record(AuditEvent.FAILED, 70, operation_id="7f3a", text=clean("agent not ready")),
            record(AuditEvent.DISARMED, 60, text=clean("15 idle minutes")),
        )
    )
    assert [one.text for one in told] == [
        "disarmed the session: 15 idle minutes",
        "7f3a: failed: agent not ready",
        "armed a session",
    ]


def test_a_node_has_its_own_actions_and_those_of_no_node() -> None:
    shown = shot(
        record(AuditEvent.CONFIRMED, 90, text=clean("Restart 2 agents")),
        record(AuditEvent.VERIFIED, 80, node_name=NodeName("node1")),
        record(AuditEvent.VERIFIED, 70, node_name=NodeName("node2")),
    )
    assert [one.node_name for one in actions(shown, NodeUid("uid-2"))] == ["node2", ""]


@pytest.mark.parametrize(("room", "seen"), [(Room(), []), (Room(chosen=CONTEXT), ["staging"])])
def test_records_of_another_context_are_of_another_cluster_unless_a_broker_brought_them(
    room: Room, seen: list[str]
) -> None:
    other = record(AuditEvent.ARMED, context=clean("staging"))
    told = actions(shot(other, room=room))
    assert [one.text for one in told] == [f"armed a session (context {name})" for name in seen]


def test_records_that_a_broker_s_dashboard_knows_to_be_of_other_clusters_are_left_out() -> None:
    here, other = record(AuditEvent.ARMED), record(AuditEvent.DISARMED, 30)
    shown = replace(
        shot(here, other, room=Room(chosen=CONTEXT)), audit_elsewhere=frozenset([other])
    )
    assert [one.text for one in actions(shown)] == ["armed a session"]


def test_a_record_of_a_machine_without_user_or_host_says_what_it_has() -> None:
    told = actions(
        shot(record(AuditEvent.ARMED, 90, user=clean("")), record(AuditEvent.ARMED, host=clean("")))
    )
    assert [one.who for one in told] == ["oidc:anna", "anna@bastion-2"]


def test_a_finding_change_says_whose_checks_saw_it() -> None:
    severity = FindingSeverity.ACTIVE
    change = FindingChange(NOW - 5, "map-pressure", "", clean("full"), None, severity)
    told = timeline(replace(shot(), finding_changes=(replace(change, by=clean("c-1")), change)))
    assert [one.who for one in told if one.kind is ChangeKind.FINDING] == ["c-1", ""]
