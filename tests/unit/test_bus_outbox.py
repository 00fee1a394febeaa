from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.bus.link.outbox import Bounds, Outbox
from tui.bus.publishing.postbox import Postbox
from tui.bus.wire.encoding import Decoder
from tui.bus.wire.keeping import KEPT_SECONDS, held_seconds, kind_word
from tui.bus.wire.messages import FactsMessage
from tui.bus.wire.post import Incoming, LinkCounts, LinkState, Outgoing
from tui.bus.wire.topics import Topic, TopicKind
from tui.collect.clock import SystemClock


class Waits:
    """A link that is down: what is sent waits in its outbox."""

    state = LinkState()
    counts = LinkCounts()

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def send(self, outgoing: Outgoing) -> None:
        self._outbox.put(outgoing)

    def will_replace(self, topic: str) -> bool:
        return self._outbox.has_unseen(topic)


def box(**bounds: int) -> tuple[Outbox, LinkCounts]:
    counts = LinkCounts()
    return Outbox(counts, Bounds(**bounds)), counts


def facts(node: str, payload: bytes = b"", qos: int = 0) -> Outgoing:
    return Outgoing(str(Topic(TopicKind.FACTS, "c", node)), payload, qos, replaces=True)


def line(payload: bytes, qos: int = 0) -> Outgoing:
    return Outgoing(str(Topic(TopicKind.WARNINGS, "c", "n")), payload, qos)


def drained(outbox: Outbox) -> list[bytes]:
    taken = []
    while (outgoing := outbox.take(True)) is not None:
        taken.append(outgoing.payload)
    return taken


def test_only_the_newest_of_a_state_is_kept_at_its_old_place() -> None:
    outbox, counts = box()
    for outgoing in (facts("a", b"a1"), facts("b", b"b1"), facts("a", b"a2")):
        outbox.put(outgoing)
    assert drained(outbox) == [b"a2", b"b1"]
    assert counts.replaced == 1
    assert counts.dropped == {}
    assert outbox.waiting_bytes == 0


def test_the_end_of_a_state_is_not_followed_by_the_state() -> None:
    outbox, counts = box()
    for outgoing in (facts("a", b"a1"), facts("b", b"b1")):
        outbox.put(outgoing)
    outbox.put(Outgoing(facts("a").topic, b"gone", 1))
    outbox.put(Outgoing(facts("a").topic, b"", 1, is_retained=True))
    assert drained(outbox) == [b"gone", b"", b"b1"]
    assert counts.replaced == 1


def test_only_a_state_that_nobody_can_have_seen_is_unseen() -> None:
    outbox, _ = box()
    outbox.put(facts("a", b"a"))
    outbox.give_back([facts("b", b"may have arrived", 1)])
    assert outbox.has_unseen(facts("a").topic)
    assert not outbox.has_unseen(facts("b").topic)
    drained(outbox)
    assert not outbox.has_unseen(facts("a").topic)


def test_a_state_that_was_replaced_while_it_waited_is_no_loss_to_its_receivers() -> None:
    outbox, _ = box()
    postbox = Postbox(Waits(outbox), "c", "own", "run", SystemClock())
    numbers: list[int] = []
    for is_sent in (True, False, False, True, True):
        postbox.post(FactsMessage(None), TopicKind.FACTS, "a")
        while is_sent and (sent := outbox.take(True)) is not None:
            letter = Decoder().decode(Incoming(sent.topic, sent.payload, False, 0.0))
            numbers.append(letter.envelope.seq)
    assert numbers == [1, 2, 3]


def test_events_keep_their_order_and_are_given_up_at_the_bound() -> None:
    outbox, counts = box(events=2)
    for payload in (b"1", b"2", b"3"):
        outbox.put(line(payload))
    assert counts.dropped == {"warnings": 1}
    assert drained(outbox) == [b"1", b"2"]


def test_bytes_are_bounded_and_a_smaller_state_always_fits() -> None:
    outbox, counts = box(state_bytes=1_500, event_bytes=1_000)
    outbox.put(facts("a", b"x" * 900))
    outbox.put(facts("b", b"x" * 900))
    outbox.put(facts("a", b"y" * 100))
    outbox.put(line(b"x" * 900))
    assert counts.dropped == {"facts": 1, "warnings": 1}
    assert drained(outbox) == [b"y" * 100]


def test_a_new_state_is_given_up_where_too_many_wait_but_never_an_update() -> None:
    outbox, counts = box(states=1)
    outbox.put(facts("a", b"1"))
    outbox.put(facts("b", b"1"))
    outbox.put(facts("a", b"2"))
    assert counts.dropped == {"facts": 1}
    assert drained(outbox) == [b"2"]


def test_acknowledged_ones_go_first_and_wait_where_too_many_are_under_way() -> None:
    outbox, _ = box()
    outbox.put(facts("a", b"plain"))
    outbox.put(line(b"event", 1))
    outbox.put(facts("b", b"state", 1))
    plain = outbox.take(False)
    assert plain is not None
    assert plain.payload == b"plain"
    assert outbox.take(False) is None
    assert drained(outbox) == [b"state", b"event"]


def test_neither_states_nor_events_hold_up_the_other() -> None:
    outbox, _ = box()
    for number in range(3):
        outbox.put(facts(f"n{number}", b"s"))
        outbox.put(line(b"e"))
    assert drained(outbox) == [b"s", b"e", b"s", b"e", b"s", b"e"]


def test_a_last_word_passes_all_and_silences_older_ones_of_its_topic() -> None:
    outbox, _ = box(states=1)
    outbox.put(facts("a", b"old"))
    outbox.put(line(b"line", 1))
    outbox.put_first(facts("a", b"last"))
    assert drained(outbox) == [b"last", b"line"]


def test_undelivered_ones_come_back_in_order_unless_newer_ones_wait() -> None:
    outbox, _ = box()
    outbox.put(line(b"3", 1))
    outbox.put(facts("a", b"new", 1))
    outbox.give_back([line(b"1", 1), facts("a", b"old", 1), line(b"2", 1), facts("b", b"b", 1)])
    assert drained(outbox) == [b"new", b"b", b"1", b"2", b"3"]
    assert outbox.waiting_bytes == 0


outgoings = st.builds(
    Outgoing,
    topic=st.sampled_from(["ciltop/v1/c/node/a/facts", "ciltop/v1/c/node/b/facts", "x"]),
    payload=st.binary(max_size=400),
    qos=st.integers(0, 1),
    replaces=st.booleans(),
)


@given(st.lists(st.one_of(outgoings, st.none(), st.booleans()), max_size=60))
def test_bounds_hold_and_nothing_vanishes_uncounted(steps: list[Outgoing | bool | None]) -> None:
    outbox, counts = box(states=2, state_bytes=1_000, events=3, event_bytes=1_000)
    put = taken = 0
    for step in steps:
        if isinstance(step, Outgoing):
            outbox.put(step)
            put += 1
        elif outbox.take(step is not False) is not None:
            taken += 1
        assert outbox.waiting_bytes <= 2_000
        assert put == taken + len(outbox) + counts.replaced + sum(counts.dropped.values())
    drained(outbox)
    assert (len(outbox), outbox.waiting_bytes) == (0, 0)


def test_every_kind_of_topic_has_its_word() -> None:
    named = {TopicKind.PRESENCE, TopicKind.FACTS, TopicKind.PART, TopicKind.WARNINGS}
    for kind in TopicKind:
        topic = str(Topic(kind, "a/b #", "n/1 +" if kind in named else ""))
        assert kind_word(topic) == kind.value
    for topic in ("", "x", "ciltop/v1", "ciltop/v1/c", "ciltop/v1/c/x", "ciltop/v2/c/audit"):
        assert kind_word(topic) == "other"


def test_what_is_left_of_the_expiry_tells_how_long_it_was_held() -> None:
    topic = "ciltop/v1/c/node/n/facts"
    assert held_seconds(topic, KEPT_SECONDS[TopicKind.FACTS] - 10) == 10.0
    assert held_seconds(topic, 99_999) == 0.0
    assert held_seconds(topic, None) is None
    assert held_seconds("ciltop/v1/c/warnings/n", 5) is None
