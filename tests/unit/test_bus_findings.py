"""The findings of a cluster that several collectors judge, merged into one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.bus_rig import CLUSTER, OTHER, OWN, Rig, facts, uid_of, uid_owned_by
from tests.unit.report_facts import finding
from tui.bus.publishing.findings_parts import (
    MOST_CALM_NODES,
    MOST_FINDINGS,
    MOST_NODES,
    MOST_OBJECTS,
    merged,
    message_of,
    part_of,
)
from tui.bus.publishing.findings_publishing import (
    HANDOVER_SECONDS,
    RENEWAL_SECONDS,
    SPACING_SECONDS,
)
from tui.bus.sharing.rendezvous import owner
from tui.bus.wire.messages import FindingsMessage
from tui.bus.wire.topics import Topic, TopicKind
from tui.model.findings import AffectedObject, Evidence, Finding, FindingSeverity, MissingEvidence
from tui.model.names import NodeName
from tui.model.room import Presence
from tui.safety import CleanText, clean

ACTIVE, ARMED = FindingSeverity.ACTIVE, FindingSeverity.ARMED
CLEAR, UNKNOWN = FindingSeverity.CLEAR, FindingSeverity.UNKNOWN


def of_nodes(*numbers: int, severity: FindingSeverity = ACTIVE, **parts: object) -> Finding:
    nodes = tuple(uid_of(number) for number in numbers)
    names = tuple(NodeName(f"node-{number}") for number in numbers)
    evidence = tuple(
        Evidence(clean(f"on {name}"), clean("bpftool"), uid, name)
        for uid, name in zip(nodes, names, strict=True)
    )
    base = replace(
        finding(severity=severity, first_seen=None),
        nodes=nodes,
        node_names=names,
        evidence=evidence,
        harm=1,
    )
    return replace(base, **parts)  # type: ignore[arg-type]  # fields of a finding


def part(*findings: Finding, nodes: int = 2, nodes_total: int = 4) -> FindingsMessage:
    return FindingsMessage(tuple(findings), nodes=nodes, nodes_total=nodes_total)


def test_a_part_names_only_nodes_of_the_share() -> None:
    message = part_of(
        [of_nodes(1, 2, 3), of_nodes(3, severity=ARMED), of_nodes(severity=CLEAR)],
        lambda uid: uid != uid_of(3),
        2,
        3,
        clean(OWN),
    )
    shared, of_cluster = message.findings
    assert shared.node_names == ("node-1", "node-2")
    assert [one.node_name for one in shared.evidence] == ["node-1", "node-2"]
    assert of_cluster.severity is CLEAR
    assert (message.nodes, message.nodes_total, message.collectors) == (2, 3, (OWN,))
    assert message.counts == {"ACTIVE": 1, "CLEAR": 1}


def test_the_same_finding_of_two_shares_is_one() -> None:
    objects = [AffectedObject("Service", clean(name), clean("default")) for name in "abc"]
    here = of_nodes(
        1, harm=3, summary=clean("here"), objects=tuple(objects[:2]), objects_total=2,
        first_seen=10.0, last_seen=50.0,
    )  # fmt: skip
    there = of_nodes(
        2, harm=5, summary=clean("there"), objects=tuple(objects[1:]), objects_total=2,
        first_seen=5.0, last_seen=40.0,
        missing=(MissingEvidence(clean("what"), clean("how")),),
    )  # fmt: skip
    message = merged({"a": part(here), "b": part(there)})
    [one] = message.findings
    assert one.node_names == ("node-2", "node-1")
    assert one.summary == "there"
    assert one.harm == 8
    assert set(one.objects) == set(objects)
    assert one.objects_total == 3
    assert [piece.node_name for piece in one.evidence] == ["node-2", "node-1"]
    assert (one.first_seen, one.last_seen) == (5.0, 50.0)
    assert one.missing == there.missing
    assert (message.nodes, message.nodes_total) == (4, 4)
    assert message.collectors == ("a", "b")
    assert message.counts == {"ACTIVE": 1}


def test_what_is_said_of_the_cluster_counts_once() -> None:
    of_cluster = of_nodes(harm=4)
    [one] = merged({"a": part(of_cluster), "b": part(of_cluster)}).findings
    assert one.harm == 4
    assert not one.nodes
    assert one.objects_total == of_cluster.objects_total


def test_a_node_in_two_parts_counts_once() -> None:
    [one] = merged({"a": part(of_nodes(1, 2)), "b": part(of_nodes(2))}).findings
    assert sorted(one.node_names) == ["node-1", "node-2"]
    assert one.nodes_total == 0


def test_other_severities_and_groups_stay_apart_worst_first() -> None:
    message = merged(
        {
            "a": part(of_nodes(1, severity=ARMED)),
            "b": part(of_nodes(2), of_nodes(2, group="lb4_services_v2")),
        }
    )
    assert [one.severity for one in message.findings] == [ACTIVE, ACTIVE, ARMED]
    assert message.counts == {"ACTIVE": 2, "ARMED": 1}


@pytest.mark.parametrize(("severity", "most"), [(ACTIVE, MOST_NODES), (CLEAR, MOST_CALM_NODES)])
def test_left_out_nodes_are_told_and_counted(severity: FindingSeverity, most: int) -> None:
    many = of_nodes(*range(most + 10), severity=severity)
    message = message_of([many], 1, 1, ())
    [one] = message.findings
    assert len(one.nodes) == len(one.node_names) == most
    assert one.nodes_total == most + 10
    assert message.truncated == {f"{one.key}/nodes": f"{most:,} of {most + 10:,}"}
    # The parts' totals add up.
    [both] = merged({"a": message, "b": part(of_nodes(10_001, severity=severity))}).findings
    assert both.nodes_total == most + 11


def test_objects_and_evidence_are_bounded() -> None:
    objects = tuple(AffectedObject("Service", clean(f"s{n}")) for n in range(MOST_OBJECTS + 5))
    wide = of_nodes(*range(40), objects=objects, objects_total=len(objects))
    [one] = message_of([wide], 1, 1, ()).findings
    assert len(one.objects) == MOST_OBJECTS
    assert one.objects_total == MOST_OBJECTS + 5
    assert len(one.evidence) == 24


def test_too_many_findings_lose_the_least_ones_and_say_so() -> None:
    many = [of_nodes(1, group=f"g{number}") for number in range(MOST_FINDINGS + 3)]
    message = message_of(many, 1, 1, ())
    assert message.findings[0].group == "g0"
    assert len(message.findings) == MOST_FINDINGS
    assert message.counts == {"ACTIVE": MOST_FINDINGS + 3}
    assert message.truncated["findings"] == "the worst 1,000 of 1,003"


def wholes(rig: Rig, seconds: int) -> list[FindingsMessage]:
    found = []
    for _ in range(seconds):
        found += rig.findings(rig.tick(), TopicKind.FINDINGS)
    return found


def hear_part(rig: Rig, *findings: Finding) -> None:
    rig.hear(part(*findings), Topic(TopicKind.PART, CLUSTER, OTHER), OTHER)


def leading_rig() -> Rig:
    """Return a rig that leads and reads node-1, and knows another collector, which reads node-2."""
    rig = Rig()
    name = next(f"c{n}" for n in range(100) if owner("leader", (OWN, f"c{n}")) == OWN)
    own = facts(uid_owned_by(OWN, (OWN, name)))
    known = replace(of_nodes(1), nodes=(own.node.uid,))
    rig.see(own, findings=(known,))
    rig.hear_collector(name)
    rig.tick()  # It subscribes to the parts once it leads.
    rig.hear(part(of_nodes(2)), Topic(TopicKind.PART, CLUSTER, name), name)
    return rig


def test_the_leader_tells_of_all_parts() -> None:
    rig = leading_rig()
    [message, *_] = wholes(rig, 4)
    assert {name for one in message.findings for name in one.node_names} == {"node-1", "node-2"}
    assert len(message.collectors) == 2


def test_parts_of_a_leadership_before_say_nothing_in_the_next() -> None:
    rig = leading_rig()
    wholes(rig, 4)
    [other] = set(rig.publisher.findings.parts) - {OWN}
    first = rig.publisher.leads_since
    leader = next(f"l{n}" for n in range(100) if owner("leader", (OWN, other, f"l{n}")) == f"l{n}")
    rig.hear_collector(leader)
    wholes(rig, 1)
    rig.hear(part(of_nodes(2)), Topic(TopicKind.PART, CLUSTER, other), other)
    rig.hear_collector(other, Presence.GONE)
    rig.hear_collector(leader, Presence.GONE)
    [message, *_] = wholes(rig, 4)
    assert message.collectors == (CleanText(OWN),)
    assert rig.publisher.leads_since != first, "the parts are to be asked for once more"


def test_a_part_is_told_at_once_when_findings_come_and_paced_otherwise() -> None:
    rig = Rig()
    rig.see(facts("uid-1"), findings=())
    rig.tick()
    rig.see(facts("uid-1"), findings=(of_nodes(1),))
    assert rig.findings(rig.tick(), TopicKind.PART)
    told = 0
    for number in range(10):
        rig.see(facts("uid-1"), findings=(of_nodes(1, summary=clean(f"{number} of 10")),))
        told += len(rig.findings(rig.tick(), TopicKind.PART))
    assert told == 10 // SPACING_SECONDS


def test_a_part_whose_proofs_only_age_is_renewed_seldom() -> None:
    rig = Rig()
    told = 0
    for number in range(130):
        rig.see(facts("uid-1"), findings=(of_nodes(1, last_seen=float(number)),))
        told += len(rig.findings(rig.tick(), TopicKind.PART))
    assert told == 1 + 130 // RENEWAL_SECONDS


def test_the_part_of_one_that_died_counts_until_its_nodes_are_read_again() -> None:
    rig = leading_rig()
    before = wholes(rig, 4)[-1]
    [other] = set(before.collectors) - {CleanText(OWN)}
    rig.hear_collector(other, Presence.GONE)
    during = wholes(rig, int(HANDOVER_SECONDS) - 5)
    assert all(len(one.collectors) == 2 for one in during)
    after = wholes(rig, 12)
    assert after[-1].collectors == (OWN,)
    assert {name for one in after[-1].findings for name in one.node_names} == {"node-1"}


def test_a_cleared_part_counts_as_one_of_somebody_who_left() -> None:
    rig = leading_rig()
    [other] = set(rig.publisher.findings.parts) - {OWN}
    rig.publisher.findings.heard(other, None)
    assert other in rig.publisher.findings.parts
