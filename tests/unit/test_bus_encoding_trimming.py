"""A message that is too long is sent shorter, and says what it left out."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.unit.bus_letters import AT, batch, incoming, letter, line, read_facts
from tests.unit.checks_facts import cluster_facts, known, node_facts
from tui.bus.wire.encoding import MOST_BYTES, Decoder, encode_letter
from tui.bus.wire.messages import (
    AuditMessage,
    ClusterMessage,
    FactsMessage,
    FindingsMessage,
    Message,
    PresenceMessage,
    RoomMessage,
    WarningsMessage,
)
from tui.model.findings import Evidence, Finding, FindingSeverity
from tui.model.logs import LogGap
from tui.model.names import NodeName, NodeUid
from tui.model.operations import AuditEvent, AuditRecord
from tui.model.reading import ReadingState
from tui.model.room import Presence
from tui.model.services import (
    Address,
    FaultKind,
    FrontendFault,
    FrontendKind,
    Service,
    ServiceCoverage,
)
from tui.model.snapshot import Gap
from tui.safety import CleanText, clean

_RANDOM = random.Random(5)  # noqa: S311 - no secret: text that can't be packed


def noise(length: int = 400) -> CleanText:
    """Return text that hardly gets shorter by packing."""
    return clean("".join(_RANDOM.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length)))


def sent(message: Message, limit: int) -> Message:
    """Return what arrives of a message."""
    one = letter(message)
    payload = encode_letter(one, limit=limit)
    assert len(payload) <= limit
    return Decoder().decode(incoming(one, payload)).message


def test_what_fits_is_sent_whole() -> None:
    message = FactsMessage(read_facts())
    assert sent(message, MOST_BYTES) == message


def test_the_longest_reading_is_left_out_and_the_others_stay() -> None:
    config = {f"key-{number}": noise() for number in range(50)}
    facts = replace(read_facts(), config=node_facts(config=config).config)
    message = sent(FactsMessage(facts), 6_000)
    assert isinstance(message, FactsMessage)
    assert message.truncated == {"config": "too long for a message"}
    assert message.facts is not None
    assert message.facts.config.state is ReadingState.UNKNOWN
    assert message.facts.config.reason == "left out: too long for a message"
    assert message.facts.maps == facts.maps
    assert message.facts.version == facts.version


def test_of_many_faults_the_worst_are_sent() -> None:
    faults = tuple(
        FrontendFault(
            noise(60), Address("10.0.0.1", port), FrontendKind.CLUSTER_IP, FaultKind.MISSING
        )
        for port in range(400)
    )
    coverage = ServiceCoverage(400, 0, 0, 0, faults, 400)
    message = sent(FactsMessage(node_facts(coverage=coverage)), 12_000)
    assert isinstance(message, FactsMessage)
    assert message.truncated == {"services": "the worst 100 of 400 faults"}
    assert message.facts is not None
    assert message.facts.services.value == replace(coverage, faults=faults[:100])


def test_a_node_of_labels_alone_still_arrives() -> None:
    facts = node_facts(labels={f"label-{number}": noise(60) for number in range(500)})
    message = sent(FactsMessage(facts), 2_000)
    assert isinstance(message, FactsMessage)
    assert message.facts is not None
    assert message.facts.node == replace(facts.node, labels={})
    assert "labels" in message.truncated["node"]


def service(number: int) -> Service:
    backends = tuple(Address(f"10.{number % 200}.0.{last}", 80) for last in range(20))
    return Service(clean(f"default/s-{number}"), clean("ClusterIP"), (), (), (), backends)


def test_services_lose_their_backends_before_they_are_left_out() -> None:
    services = tuple(map(service, range(200)))
    facts = cluster_facts({"a": "b"}, services=known(services))
    message = sent(ClusterMessage(facts, "uid"), 4_000)
    assert isinstance(message, ClusterMessage)
    assert message.truncated == {"services": "their backends are left out"}
    assert message.facts.services.value is not None
    assert len(message.facts.services.value) == 200
    least = sent(ClusterMessage(facts, "uid"), 1_000)
    assert isinstance(least, ClusterMessage)
    assert least.uid == "uid"
    assert least.facts.services.value is None
    assert least.facts.config_map == facts.config_map


def finding(number: int, severity: FindingSeverity) -> Finding:
    evidence = tuple(Evidence(noise(), clean("x")) for _ in range(6))
    return Finding(f"check-{number}", noise(20), severity, noise(), noise(), evidence=evidence)


def test_the_worst_findings_are_kept_and_the_counts_stay_whole() -> None:
    active = tuple(finding(number, FindingSeverity.ACTIVE) for number in range(20))
    rest = tuple(finding(number, FindingSeverity.CLEAR) for number in range(20, 40))
    whole = FindingsMessage((*active, *rest), {"ACTIVE": 20, "CLEAR": 20}, 5, 5)
    message = sent(whole, 60_000)
    assert isinstance(message, FindingsMessage)
    assert message.findings == active
    assert message.truncated == {"findings": "those that are CLEAR are left out"}
    least = sent(whole, 5_000)
    assert isinstance(least, FindingsMessage)
    assert [one.id for one in least.findings] == [one.id for one in active[: len(least.findings)]]
    assert least.findings
    assert least.counts == whole.counts
    assert least.truncated["findings"] == f"the worst {len(least.findings)} of 40"


def test_a_finding_without_all_its_nodes_says_how_many_there_are() -> None:
    uids = tuple(NodeUid(noise(36)) for _ in range(1_000))
    names = tuple(NodeName(noise(20)) for _ in uids)
    wide = replace(finding(1, FindingSeverity.ACTIVE), nodes=uids, node_names=names)
    few = replace(finding(2, FindingSeverity.ACTIVE), nodes=uids[:3], node_names=names[:3])
    message = sent(FindingsMessage((wide, few), {"ACTIVE": 2}, 5, 5), 30_000)
    assert isinstance(message, FindingsMessage)
    told, whole = message.findings
    assert told.nodes == uids[:200], "as many as a first step leaves"
    assert told.node_names == names[:200]
    assert told.nodes_total == 1_000
    assert (whole.nodes, whole.nodes_total) == (uids[:3], 0)
    assert "200 nodes" in message.truncated["lists"]


def test_the_latest_lines_are_kept_with_a_gap_before_them() -> None:
    lines = [line(AT + number, noise(200)) for number in range(64)]
    whole = WarningsMessage((batch(*lines[:40]), batch(*lines[40:])))
    message = sent(whole, 5_000)
    assert isinstance(message, WarningsMessage)
    kept = [one for part in message.batches for one in part.lines]
    assert kept
    assert kept == lines[-len(kept) :]
    gaps = [part.gap for part in message.batches if part.gap is not None]
    assert sum(gap.lost_lines or 0 for gap in gaps) == 64 - len(kept)
    assert gaps[0].started_at == AT
    assert gaps[-1].ended_at == lines[-len(kept) - 1].time


def test_a_gap_that_was_there_grows() -> None:
    own = LogGap(batch().node_uid, AT - 9.0, AT - 8.0, 5, clean("rotated"))
    lines = [line(AT + number, noise(200)) for number in range(8)]
    message = sent(WarningsMessage((replace(batch(*lines), gap=own),)), 900)
    assert isinstance(message, WarningsMessage)
    gap = message.batches[0].gap
    assert gap is not None
    assert (gap.started_at, gap.lost_lines) == (AT - 9.0, 5 + 8 - len(message.batches[0].lines))
    assert gap.reason == "rotated; too long for a message"


@pytest.mark.parametrize("limit", [20_000, 1_000])
def test_the_latest_records_are_kept(limit: int) -> None:
    records = tuple(
        AuditRecord(AT + number, AuditEvent.CONFIRMED, text=noise()) for number in range(100)
    )
    for whole in (AuditMessage(records), RoomMessage((), records)):
        message = sent(whole, limit)
        assert isinstance(message, AuditMessage | RoomMessage)
        assert message.records
        assert message.records == records[-len(message.records) :]


def test_a_presence_is_never_too_long() -> None:
    gaps = {f"gap-{number}": Gap(noise(), noise(), AT) for number in range(50)}
    message = sent(PresenceMessage(Presence.PRESENT, gaps=gaps), 1_000)
    assert message == PresenceMessage(Presence.PRESENT)


def test_what_unpacks_to_too_much_is_shortened_too() -> None:
    services = tuple(replace(service(1), backends=service(1).backends * 8) for _ in range(900))
    message = sent(ClusterMessage(cluster_facts(services=known(services))), MOST_BYTES)
    assert isinstance(message, ClusterMessage)
    assert message.truncated
