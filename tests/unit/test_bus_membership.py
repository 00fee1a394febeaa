"""Who is present, and so whose nodes are ours, case by case."""

from __future__ import annotations

import logging

import pytest

from tests.unit.bus_members import NODES, presence
from tui.bus.sharing.membership import MOST_PEERS, SETTLE_SECONDS, Membership
from tui.bus.sharing.rendezvous import owner
from tui.bus.wire.messages import Letter, PresenceMessage, WarningsMessage
from tui.model.room import Presence
from tui.model.snapshot import SourceState

LONG_AGO = -1e6
"""What a sender's clock says must not matter."""


class Rig:
    """The membership of collector `a`, run `mine`."""

    def __init__(self, *, started_at: float = 100.0) -> None:
        self.now = 1_000.0
        self.members = Membership("a", lambda: self.now, run="mine", started_at=started_at)

    def up(self) -> None:
        self.members.link_changed(True)

    def down(self) -> None:
        self.members.link_changed(False)

    def skip(self, seconds: float) -> bool:
        """Let time pass in ticks; return whether anything changed."""
        has_changed = False
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.5)
            has_changed |= self.members.tick()
        return has_changed

    def hear(self, letter: Letter | None, *, by: str = "b", is_retained: bool = False) -> None:
        self.members.heard(by, letter, is_retained=is_retained)

    def settled(self) -> Rig:
        """Return it connected and settled, with `b` heard live."""
        self.up()
        self.hear(presence("b"))
        self.skip(SETTLE_SECONDS)
        return self

    def owes_presence(self) -> bool:
        return self.members.owes_presence

    def leads(self) -> bool:
        return self.members.is_leader

    @property
    def present(self) -> set[str]:
        return set(self.members.present)

    @property
    def nodes(self) -> set[str]:
        return {name for name in NODES if self.members.owns(name)}


def share_of(one: str, *ids: str) -> set[str]:
    return {name for name in NODES if owner(name, ids) == one}


# The start


def test_nothing_is_owned_before_the_retained_presences_are_in() -> None:
    rig = Rig()
    rig.up()
    rig.hear(presence("b"), is_retained=True)
    rig.skip(SETTLE_SECONDS - 0.5)
    assert not rig.nodes
    assert not rig.members.is_leader
    assert rig.skip(0.5)
    assert rig.nodes == share_of("a", "a", "b")
    assert rig.present == {"a", "b"}


def test_alone_it_owns_all_and_leads() -> None:
    rig = Rig()
    rig.up()
    rig.skip(SETTLE_SECONDS)
    assert rig.nodes == set(NODES)
    assert rig.members.is_leader


def test_without_a_broker_it_reads_the_whole_cluster_after_two_intervals(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.skip(9.5)
    assert not rig.nodes
    assert rig.skip(0.5)
    assert rig.nodes == set(NODES)
    assert "the broker was not reached: reading the whole cluster" in caplog.text
    caplog.set_level(logging.INFO)
    rig.up()
    assert rig.nodes == set(NODES), "it shrinks when others are heard, not before"
    rig.hear(presence("b"), is_retained=True)
    assert rig.members.tick()
    assert rig.nodes == share_of("a", "a", "b")
    assert "broker reached" in caplog.text


def test_a_link_that_flaps_from_the_start_does_not_wait_for_ever() -> None:
    rig = Rig()
    rig.up()
    rig.hear(presence("b"))
    rig.skip(0.5)
    rig.down()
    rig.skip(10.0)
    assert rig.nodes == share_of("a", "a", "b"), "who was heard counts"


def test_our_own_presence_of_an_earlier_run_means_nothing() -> None:
    rig = Rig()
    rig.up()
    rig.hear(presence("a", "earlier", started_at=1.0), by="a", is_retained=True)
    rig.skip(SETTLE_SECONDS)
    assert rig.nodes == set(NODES)
    assert not rig.members.standby_reason


# Who dies


def test_a_retained_presence_of_a_dead_collector_counts_for_little_more_than_an_interval() -> None:
    rig = Rig()
    rig.up()
    rig.hear(presence("b"), is_retained=True)
    rig.skip(5.0)
    assert rig.present == {"a", "b"}
    rig.skip(2.0)
    assert rig.present == {"a"}


def test_a_silent_collector_is_dead_within_two_intervals_and_not_before_one_was_missed() -> None:
    rig = Rig().settled()
    rig.skip(7.0)
    assert rig.present == {"a", "b"}
    assert rig.skip(1.5)
    assert rig.nodes == set(NODES)


def test_the_promise_of_the_sender_counts_within_reason() -> None:
    rig = Rig()
    rig.up()
    rig.hear(presence("b", interval=20.0))
    rig.hear(presence("c", interval=1e12), by="c")
    rig.hear(presence("d", interval=-1.0), by="d")
    rig.skip(30.0)
    assert rig.present == {"a", "b", "c"}
    rig.skip(75.5)
    assert rig.present == {"a"}


@pytest.mark.parametrize("letter", [None, presence("b", "run", state=Presence.GONE)])
def test_who_says_that_it_goes_is_out_at_once(letter: Letter | None) -> None:
    rig = Rig().settled()
    rig.members.tick()
    rig.hear(letter)
    assert rig.members.tick()
    assert rig.nodes == set(NODES)


def test_a_will_of_an_earlier_run_that_comes_late_ends_nobody() -> None:
    rig = Rig().settled()
    rig.hear(presence("b", "later"))
    rig.hear(presence("b", "run", state=Presence.GONE))
    assert rig.present == {"a", "b"}
    rig.hear(presence("b", "later", state=Presence.GONE))
    assert rig.present == {"a"}


def test_a_retained_presence_keeps_nobody_alive_who_was_heard() -> None:
    rig = Rig().settled()
    rig.skip(6.0)
    rig.hear(presence("b"), is_retained=True)
    rig.skip(2.5)
    assert rig.present == {"a"}


# The link


def test_while_the_link_is_down_the_share_is_frozen() -> None:
    rig = Rig().settled()
    before = rig.nodes
    rig.down()
    assert not rig.skip(600.0)
    assert rig.nodes == before == share_of("a", "a", "b")


def test_after_the_link_was_down_nobody_is_dead_for_two_intervals() -> None:
    rig = Rig().settled()
    rig.down()
    rig.skip(60.0)
    rig.up()
    assert not rig.skip(9.5)
    assert rig.present == {"a", "b"}
    assert rig.skip(1.0)
    assert rig.present == {"a"}


def test_who_went_while_the_link_was_down_is_out_with_the_first_word_of_it() -> None:
    rig = Rig().settled()
    rig.down()
    rig.up()
    rig.hear(presence("b", state=Presence.GONE), is_retained=True)
    assert rig.members.tick()
    assert rig.present == {"a"}


def test_a_link_that_does_not_carry_buries_nobody() -> None:
    rig = Rig().settled()
    rig.hear(presence("a", "mine"), by="a")
    rig.skip(120.0)
    assert rig.present == {"a", "b"}, "our own presence does not come back either"
    rig.hear(presence("a", "mine"), by="a")
    rig.skip(5.0)
    assert rig.present == {"a", "b"}, "the others' presences wait behind ours"
    rig.hear(presence("a", "mine"), by="a")
    rig.skip(4.0)
    assert rig.present == {"a"}, "ours came back after theirs was due"


def test_a_process_that_slept_buries_nobody_before_it_read_what_waits() -> None:
    rig = Rig().settled()
    rig.now += 60.0
    assert not rig.members.tick()
    assert rig.present == {"a", "b"}
    rig.skip(9.0)
    assert rig.present == {"a"}


def test_our_presence_is_owed_when_the_link_comes_up_and_when_our_topic_says_gone() -> None:
    rig = Rig()
    assert not rig.owes_presence()
    rig.up()
    assert rig.owes_presence()
    said = presence("a", "mine").message
    assert isinstance(said, PresenceMessage)
    rig.members.announced(said)
    assert not rig.owes_presence()
    rig.hear(presence("a", "earlier", state=Presence.GONE), by="a")
    assert rig.owes_presence()


# Two with one id


def test_the_later_of_two_with_one_id_stands_by_and_says_so() -> None:
    rig = Rig(started_at=100.0).settled()
    rig.hear(presence("a", "other", started_at=50.0), by="a")
    assert rig.members.tick()
    assert not rig.nodes
    assert not rig.members.is_leader
    assert not rig.members.owes_presence
    assert "another collector on host-1 runs with the id a" in rig.members.standby_reason
    assert "--collector-id" in rig.members.standby_reason


def test_the_earlier_of_two_with_one_id_goes_on() -> None:
    rig = Rig(started_at=100.0).settled()
    rig.hear(presence("a", "other", started_at=150.0), by="a")
    assert rig.nodes == share_of("a", "a", "b")
    assert not rig.members.standby_reason
    assert rig.members.owes_presence


def test_two_that_started_together_agree_by_their_runs() -> None:
    yielding = Rig(started_at=7.0).settled()
    yielding.hear(presence("a", "aaa", started_at=7.0), by="a")
    staying = Rig(started_at=7.0).settled()
    staying.hear(presence("a", "zzz", started_at=7.0), by="a")
    assert yielding.members.standby_reason
    assert not staying.members.standby_reason


@pytest.mark.parametrize("ends_by", ["silence", "word"])
def test_who_stands_by_takes_over_when_the_other_ends(ends_by: str) -> None:
    rig = Rig(started_at=100.0).settled()
    rig.hear(presence("a", "other", started_at=50.0), by="a")
    rig.hear(presence("b"))
    if ends_by == "word":
        rig.hear(presence("a", "third", state=Presence.GONE), by="a")
        assert rig.members.standby_reason, "that was another one"
        rig.hear(presence("a", "other", state=Presence.GONE), by="a")
    else:
        for _ in range(4):
            rig.skip(2.5)
            rig.hear(presence("b"))
    assert not rig.members.standby_reason
    assert rig.members.owes_presence
    assert rig.nodes == share_of("a", "a", "b")


# Who can't collect


@pytest.mark.parametrize(
    ("source", "nodes_total", "counts"),
    [
        (SourceState.LIVE, 12, True),
        (SourceState.CONNECTING, 0, True),
        (SourceState.LOST, 12, True),
        (SourceState.LOST, 0, False),
        (SourceState.DEGRADED, 0, False),
        (SourceState.ENDED, 12, False),
    ],
)
def test_who_sees_no_node_of_the_cluster_keeps_none_from_others(
    source: SourceState, nodes_total: int, counts: bool
) -> None:
    rig = Rig().settled()
    rig.hear(presence("b", source=source, nodes_total=nodes_total))
    assert rig.present == ({"a", "b"} if counts else {"a"})


def test_who_sees_no_node_itself_does_not_lead_but_takes_its_share() -> None:
    rig = Rig().settled()
    blind = presence("a", source=SourceState.LOST, nodes_total=0).message
    assert isinstance(blind, PresenceMessage)
    rig.members.announced(blind)
    assert not rig.leads()
    assert rig.nodes == share_of("a", "a", "b")
    rig.hear(None)
    assert rig.leads(), "somebody has to"


# What must not matter


def test_the_clock_of_a_sender_plays_no_role() -> None:
    rig = Rig().settled()
    for at in (LONG_AGO, 0.0, 1e12):
        rig.hear(presence("b", at=at))
        rig.skip(6.0)
        assert rig.present == {"a", "b"}


def test_other_letters_and_too_many_collectors_are_left_out() -> None:
    rig = Rig().settled()
    rig.hear(Letter(presence().envelope, WarningsMessage()), by="c")
    assert rig.present == {"a", "b"}
    for number in range(2 * MOST_PEERS):
        rig.hear(presence(f"x{number}"), by=f"x{number}")
    assert len(rig.present) == MOST_PEERS + 1


def test_a_tick_tells_of_a_change_once() -> None:
    rig = Rig().settled()
    rig.members.tick()
    assert not rig.members.tick()
    rig.hear(presence("c"), by="c")
    rig.hear(presence("c"), by="c")
    assert rig.members.tick()
    assert not rig.members.tick()


def test_a_share_stays_as_it_was_when_it_was_taken() -> None:
    rig = Rig().settled()
    before = rig.members.share
    rig.hear(None)
    assert {name for name in NODES if before(name)} == share_of("a", "a", "b")
    assert {name for name in NODES if rig.members.share(name)} == set(NODES)
