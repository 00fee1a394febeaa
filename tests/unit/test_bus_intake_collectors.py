"""Which collectors there are, as presences come, come late, or end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.bus_intake_rig import NODE, Rig
from tests.unit.bus_letters import AT, CLUSTER, incoming, letter, presence
from tui.bus.receiving.clusters import Clusters
from tui.bus.receiving.presences import FORGOTTEN_SECONDS, LEFT_SECONDS, MOST_COLLECTORS
from tui.bus.sharing.membership import MOST_PEERS
from tui.bus.wire.encoding import RejectedError
from tui.bus.wire.topics import Topic, TopicKind
from tui.model.room import CollectorSeen, Presence
from tui.model.snapshot import Fact, Gap, GapChanged
from tui.safety import clean

DENIED = Gap(clean("list services"), clean("forbidden"), AT - 60.0, is_denied=True)


def states(rig: Rig) -> dict[str, Presence]:
    return {one.id: one.presence for one in rig.intake.collectors()}


def only_one(rig: Rig) -> CollectorSeen:
    (found,) = rig.intake.collectors()
    return found


def cleared(rig: Rig, sender: str = "c1") -> list[Fact]:
    topic = Topic(TopicKind.PRESENCE, CLUSTER, sender)
    return rig.intake.cleared(topic, rig.wall, rig.mono)


def test_a_collector_is_seen_with_what_it_tells() -> None:
    rig = Rig(skew=30.0)
    message = presence(
        nodes=7,
        interval_seconds=5.0,
        sweep_seconds=3.5,
        sweep_interval_seconds=10.0,
        exec_failures=2,
        dropped={"warnings": 3, "facts": 1},
        reason=clean("403"),
    )
    rig.take(letter(message))
    assert only_one(rig) == CollectorSeen(
        clean("c1"),
        Presence.PRESENT,
        host=clean("host-a"),
        version=clean("0.5.0"),
        nodes=7,
        heard_at=rig.wall,
        interval_seconds=5.0,
        sweep_seconds=3.5,
        sweep_interval_seconds=10.0,
        exec_failures=2,
        dropped=4,
        skew_seconds=30.0,
        reason=clean("403"),
    )


def test_a_presence_that_was_kept_has_no_time_until_one_comes_live() -> None:
    rig = Rig()
    rig.take(letter(presence(), 1), is_retained=True)
    assert (only_one(rig).heard_at, only_one(rig).skew_seconds) == (None, None)
    rig.tick(2.0)
    rig.take(letter(presence(), 2, AT + 2.0))
    assert (only_one(rig).heard_at, only_one(rig).skew_seconds) == (rig.wall, 0.0)


def test_silence_makes_late_and_a_word_makes_present() -> None:
    rig = Rig()
    rig.take(letter(presence(interval_seconds=4.0), 1))
    rig.tick(6.9)
    assert states(rig) == {"c1": Presence.PRESENT}
    rig.tick(0.2)
    assert states(rig) == {"c1": Presence.LATE}
    rig.take(letter(presence(interval_seconds=4.0), 2, rig.wall))
    assert states(rig) == {"c1": Presence.PRESENT}


@pytest.mark.parametrize("interval", [0.0, 1e11])
def test_an_interval_that_makes_no_sense_is_bounded(interval: float) -> None:
    rig = Rig()
    rig.take(letter(presence(interval_seconds=interval)))
    assert states(rig) == {"c1": Presence.PRESENT}
    rig.tick(2 * 3_600.0)
    assert states(rig) == {"c1": Presence.LATE}


def test_a_last_will_is_the_end_until_the_next_word() -> None:
    rig = Rig()
    rig.take(letter(presence(nodes=7), 1))
    rig.take(letter(presence(Presence.GONE), 0))
    assert states(rig) == {"c1": Presence.GONE}
    assert only_one(rig).nodes == 0
    assert only_one(rig).version == "0.5.0"
    rig.take(letter(presence(), 2))
    assert states(rig) == {"c1": Presence.PRESENT}


@pytest.mark.parametrize(("last", "is_retained"), [(1, False), (50, True)])
def test_a_will_counts_whatever_its_number(last: int, is_retained: bool) -> None:
    rig = Rig()
    rig.take(letter(presence(), last))
    rig.take(letter(presence(Presence.GONE), 1), is_retained=is_retained)
    assert states(rig) == {"c1": Presence.GONE}


def test_the_will_of_a_run_that_was_replaced_ends_nothing() -> None:
    rig = Rig()
    rig.take(letter(presence(), 1, run="r2"))
    rig.take(letter(presence(Presence.GONE), 0, run="r1"))
    assert states(rig) == {"c1": Presence.PRESENT}


def test_a_will_tells_nothing_of_the_senders_clock() -> None:
    rig = Rig()
    rig.now = 1_000.0
    rig.take(letter(presence(), 1, AT + 900.0), is_retained=True)
    rig.take(letter(presence(Presence.GONE), 0, AT))
    assert only_one(rig).skew_seconds is None


def test_a_presence_that_was_cleared_is_the_end_too() -> None:
    rig = Rig()
    rig.take(letter(presence(), 1))
    cleared(rig)
    assert states(rig) == {"c1": Presence.GONE}
    assert cleared(rig, "unheard-of") == []
    node = Topic(TopicKind.FACTS, CLUSTER, "node-1")
    assert rig.intake.cleared(node, rig.wall, rig.mono) == []


def test_who_left_on_purpose_is_soon_forgotten() -> None:
    rig = Rig()
    rig.take(letter(presence(), 1))
    rig.take(letter(presence(Presence.GONE), 2))
    cleared(rig)
    rig.tick(LEFT_SECONDS - 1.0)
    assert states(rig) == {"c1": Presence.GONE}
    rig.tick(2.0)
    assert states(rig) == {}


def test_who_is_gone_is_forgotten_after_a_while() -> None:
    rig = Rig()
    rig.take(letter(presence(), 1))
    rig.take(letter(presence(Presence.GONE), 2))
    rig.tick(FORGOTTEN_SECONDS - 1.0)
    assert states(rig) == {"c1": Presence.GONE}
    rig.tick(2.0)
    assert states(rig) == {}


def test_who_is_late_for_a_day_is_forgotten() -> None:
    rig = Rig()
    rig.take(letter(presence(), 1))
    rig.tick(86_399.0)
    rig.tick(0.5)
    assert states(rig) == {"c1": Presence.LATE}
    rig.tick(2.0)
    assert states(rig) == {}


def test_the_words_of_many_that_left_leave_room_for_those_that_came() -> None:
    rig = Rig()
    record = Clusters().record_of(clean(CLUSTER))
    assert record is not None
    rig.intake = record.intake
    for number in range(MOST_PEERS + 1):
        for state in (Presence.PRESENT, Presence.GONE):
            one = letter(presence(state, nodes_total=7), 1, AT + rig.now, sender=f"c{number}")
            record.read(one, incoming(one, b"", received_at=rig.mono), rig.wall, rig.mono)
        rig.tick(FORGOTTEN_SECONDS + 1.0)
    last = letter(presence(nodes_total=7), 1, AT + rig.now, sender="last")
    record.read(last, incoming(last, b"", received_at=rig.mono), rig.wall, rig.mono)
    assert [one.nodes_total for one in record.present] == [7]


def test_a_collectors_gaps_name_it_and_close_with_it() -> None:
    rig = Rig(skew=10.0)
    opened = rig.take(letter(presence(gaps={"services": DENIED}), 1))
    gap = replace(DENIED, what=clean("list services (c1)"), since=DENIED.since - 10.0)
    assert opened == [GapChanged("c1/services", gap)]
    assert rig.take(letter(presence(gaps={"services": DENIED}), 2)) == []
    other = rig.take(letter(presence(gaps={"services": DENIED}), 1, sender="c2"))
    assert [fact.key for fact in other if isinstance(fact, GapChanged)] == ["c2/services"]
    assert rig.take(letter(presence(), 3)) == [GapChanged("c1/services", None)]
    assert cleared(rig, "c2") == [GapChanged("c2/services", None)]
    assert cleared(rig, "c2") == []


def test_gaps_of_a_collector_that_never_comes_back_close_late() -> None:
    rig = Rig()
    rig.take(letter(presence(gaps={"services": DENIED}), 1))
    assert rig.tick(60.0) == []
    assert rig.tick(FORGOTTEN_SECONDS) == [GapChanged("c1/services", None)]


def test_losses_are_counted_for_their_sender() -> None:
    rig = Rig()
    rig.take(letter(presence(), 1))
    rig.take(letter(presence(), 1, sender="c2"))
    rig.facts(NODE, 1)
    rig.facts(NODE, 4)
    rig.tick()
    assert [(one.id, one.lost) for one in rig.intake.collectors()] == [("c1", 2), ("c2", 0)]


def test_collectors_that_did_not_change_are_the_same_tuple() -> None:
    rig = Rig()
    rig.take(letter(presence(), 1))
    before = rig.intake.collectors()
    rig.tick(1.0)
    assert rig.intake.collectors() is before


def test_a_flood_of_collectors_ends_somewhere() -> None:
    rig = Rig()
    for number in range(MOST_COLLECTORS):
        rig.take(letter(presence(), 1, sender=f"c{number}"))
    with pytest.raises(RejectedError, match=f"more than {MOST_COLLECTORS} collectors"):
        rig.take(letter(presence(), 1, sender="one-more"))
    rig.take(letter(presence(), 2, sender="c0"))
    assert len(rig.intake.collectors()) == MOST_COLLECTORS
