"""The incident room: what changed and who did what, none of it twice or lost with a leader."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.bus_rig import CLUSTER, OWN, Rig, facts
from tests.unit.test_bus_findings import ACTIVE, ARMED, CLEAR, of_nodes, part
from tui.bus.publishing.room import END_SECONDS, MOST_CHANGES, MOST_RECORDS, RoomBook
from tui.bus.wire.encoding import encode_letter
from tui.bus.wire.messages import AuditMessage, Envelope, Letter, RoomMessage
from tui.bus.wire.post import Incoming
from tui.bus.wire.topics import Topic, TopicKind
from tui.model.findings import FindingChange, FindingSeverity
from tui.model.operations import AuditEvent, AuditRecord
from tui.safety import clean


def changes(book: RoomBook) -> list[tuple[FindingSeverity | None, FindingSeverity | None, str]]:
    return [(one.change.before, one.change.after, one.by) for one in book.message().changes]


def record(at: float, text: str = "restart") -> AuditRecord:
    event = next(iter(AuditEvent))
    return AuditRecord(at, event, host=clean("me@laptop"), text=clean(text), id=f"id-{at}")


def test_a_finding_that_comes_worsens_and_goes_is_told_with_who_saw_it() -> None:
    book = RoomBook()
    book.compare({"a": part(of_nodes(1, severity=ARMED, first_seen=90.0))}, 100.0)
    book.compare({"a": part(of_nodes(1)), "b": part(of_nodes(2, severity=ARMED))}, 110.0)
    book.compare({"a": part(), "b": part()}, 120.0)
    book.compare({}, 120.0 + END_SECONDS)
    assert changes(book) == [(None, ARMED, "a"), (ARMED, ACTIVE, "a"), (ACTIVE, None, "a")]
    assert [one.change.at for one in book.message().changes] == [90.0, 110.0, 120.0]
    assert book.message().changes[0].change.node_names == ("node-1",)


def test_what_harms_nobody_is_no_news() -> None:
    book = RoomBook()
    book.compare({"a": part(of_nodes(1, severity=CLEAR))}, 100.0)
    assert not changes(book)
    assert not book.version


def test_nodes_that_move_between_collectors_are_no_news() -> None:
    book = RoomBook()
    book.compare({"a": part(of_nodes(1))}, 100.0)
    version = book.version
    book.compare({}, 105.0)
    book.compare({"b": part(of_nodes(1))}, 100.0 + END_SECONDS)
    book.compare({"b": part(of_nodes(1))}, 200.0 + END_SECONDS)
    assert book.version == version
    assert changes(book) == [(None, ACTIVE, "a")]


def test_a_new_leader_goes_on_where_the_last_one_ended() -> None:
    old, new = RoomBook(), RoomBook()
    old.compare({"a": part(of_nodes(1))}, 100.0)
    old.add_records([record(101.0)])
    new.heard(old.message())
    assert new.message() == old.message()
    new.compare({"a": part(of_nodes(1))}, 110.0)
    assert new.message() == old.message()
    new.compare({}, 120.0)
    new.compare({}, 120.0 + END_SECONDS)
    assert changes(new)[-1] == (ACTIVE, None, "a")


def test_records_come_once_and_in_order() -> None:
    book = RoomBook()
    book.add_records([record(2.0), record(1.0)])
    book.add_records([record(1.0), record(3.0)])
    assert [one.at for one in book.message().records] == [1.0, 2.0, 3.0]
    version = book.version
    book.add_records([record(2.0)])
    assert book.version == version


def test_what_skewed_clocks_tell_is_kept_once_and_by_our_own() -> None:
    book, other = RoomBook(), RoomBook()
    other.compare({"a": part(of_nodes(1))}, 7_300.0)
    other.add_records([record(7_301.0)])
    book.add_records([record(7_301.0)], shift=-3_600.0)
    book.heard(other.message(), shift=-7_200.0)
    assert [one.at for one in book.message().records] == [3_701.0]
    assert [one.change.at for one in book.message().changes] == [100.0]
    version = book.version
    book.heard(other.message(), shift=-7_190.0)
    book.add_records([record(7_301.0)], shift=3_600.0)
    assert book.version == version


def test_records_of_older_releases_are_known_by_their_text_and_about_their_time() -> None:
    book = RoomBook()
    for at in (100.0, 102.0, 110.0):
        book.add_records([replace(record(at), id="")])
    assert [one.at for one in book.message().records] == [100.0, 110.0]


def test_the_room_is_bounded_and_keeps_the_newest() -> None:
    book = RoomBook()
    book.add_records(record(float(n)) for n in range(MOST_RECORDS + 10))
    for n in range(MOST_CHANGES + 10):
        severity = ACTIVE if n % 2 else ARMED
        book.compare({"a": part(of_nodes(1, severity=severity))}, float(n))
    room = book.message()
    assert len(room.records) == MOST_RECORDS
    assert len(room.changes) == MOST_CHANGES
    assert room.records[-1].at == MOST_RECORDS + 9.0
    assert room.changes[-1].change.at == MOST_CHANGES + 9.0


def test_the_leader_publishes_audit_records_and_changes() -> None:
    rig = Rig()
    rig.see(facts("uid-1"), findings=(of_nodes(1),))
    rig.hear(AuditMessage((record(5.0),)), Topic(TopicKind.AUDIT, CLUSTER), "me@laptop")
    sent = [one for _ in range(6) for one in rig.tick()]
    [letter] = rig.letters(sent, TopicKind.ROOM)
    assert isinstance(letter.message, RoomMessage)
    assert letter.message.records == (record(5.0),)
    [change] = letter.message.changes
    assert (change.by, change.change.after) == (OWN, ACTIVE)


@pytest.mark.parametrize("skew", [-7_200.0, 0.0, 7_200.0])
def test_the_leader_keeps_what_responders_did_by_its_own_clock(skew: float) -> None:
    rig = Rig()
    now = rig.clock.time()
    done = replace(record(now + skew - 2.0), at=now + skew - 2.0)
    envelope = Envelope(clean(CLUSTER), clean("me@laptop"), "r", 1, now + skew)
    payload = encode_letter(Letter(envelope, AuditMessage((done,))))
    topic = str(Topic(TopicKind.AUDIT, CLUSTER))
    rig.publisher.heard(Incoming(topic, payload, False, rig.clock.now))
    [kept] = rig.publisher.room.message().records
    assert kept.at == pytest.approx(now - 2.0, abs=0.01)


def test_an_audit_message_sets_no_collectors_clock() -> None:
    rig = Rig()
    now = rig.clock.time()
    room = RoomMessage(records=(replace(record(5.0), at=now - 60.0),))
    for number, at, message in (
        (1, now, RoomMessage()),
        (1, now + 7_200.0, AuditMessage()),
        (2, now, room),
    ):
        envelope = Envelope(clean(CLUSTER), clean("zeta"), "r", number, at)
        kind = TopicKind.AUDIT if isinstance(message, AuditMessage) else TopicKind.ROOM
        payload = encode_letter(Letter(envelope, message))
        topic = str(Topic(kind, CLUSTER))
        rig.publisher.heard(Incoming(topic, payload, False, rig.clock.now))
    assert rig.publisher.rejected == 0
    [kept] = rig.publisher.room.message().records
    assert kept.at == pytest.approx(now - 60.0)


def test_a_kept_room_is_heard_before_anything_is_told() -> None:
    rig = Rig()
    told = FindingChange(3.0, "map-pressure", "", clean("A BPF map is full"), None, ACTIVE)
    book = RoomBook()
    book.compare({"z": part(of_nodes(1))}, 3.0)
    rig.hear(book.message(), Topic(TopicKind.ROOM, CLUSTER), "z", is_retained=True)
    rig.see(facts("uid-1"), findings=(of_nodes(1),))
    sent = [one for _ in range(6) for one in rig.tick()]
    [letter] = rig.letters(sent, TopicKind.ROOM)
    assert isinstance(letter.message, RoomMessage)
    assert [one.by for one in letter.message.changes] == ["z"]
    assert letter.message.changes[0].change.after is told.after
