"""Letters survive the way over the broker, whatever they hold; equal parts become one object."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.bus_letters import (
    AT,
    CLUSTER,
    KINDS,
    batch,
    incoming,
    letter,
    letters,
    line,
    of_node,
    presence,
    read_facts,
)
from tests.unit.checks_facts import cluster_facts, node_facts
from tui.bus.wire.bounds import MOST_CHARACTERS
from tui.bus.wire.encoding import Decoder, RejectedError, encode_letter
from tui.bus.wire.messages import (
    ClusterMessage,
    FactsMessage,
    FindingsMessage,
    Letter,
    Message,
    WarningsMessage,
)
from tui.bus.wire.packing import unpack
from tui.bus.wire.post import Incoming
from tui.bus.wire.topics import Topic, TopicKind
from tui.model.agent import EffectiveConfig
from tui.model.reading import Origin, Reading, ReadingState
from tui.model.snapshot import NodeFacts
from tui.safety import CleanText, clean


def again(given: Letter) -> Letter:
    return Decoder().decode(incoming(given, encode_letter(given)))


def document(given: Letter) -> dict[str, object]:
    decoded: dict[str, object] = json.loads(unpack(encode_letter(given), 1 << 22))
    return decoded


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_any_letter_comes_back_as_it_was(kind: type[Message]) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(letters(kind))
    def check(one: Letter) -> None:
        assert again(one) == one

    check()


def test_a_message_says_what_it_is() -> None:
    told = document(letter(presence(), 7))
    assert {name: told[name] for name in ("schema", "kind", "cluster", "sender", "seq", "at")} == {
        "schema": "ciltop/1",
        "kind": "collector",
        "cluster": CLUSTER,
        "sender": "c1",
        "seq": 7,
        "at": AT,
    }


def test_facts_are_packed_and_short_messages_can_be_read() -> None:
    facts = encode_letter(letter(FactsMessage(node_facts())))
    assert gzip.decompress(facts).startswith(b'{"schema"')
    assert facts == encode_letter(letter(FactsMessage(node_facts())))
    assert encode_letter(letter(presence())).startswith(b'{"schema"')


def test_a_long_message_of_another_kind_is_packed() -> None:
    long = cluster_facts({f"key-{number}": "x" * 50 for number in range(1_000)})
    assert encode_letter(letter(ClusterMessage(long))).startswith(b"\x1f\x8b")


def test_a_node_that_left_has_no_facts() -> None:
    assert again(letter(FactsMessage(None))).message == FactsMessage(None)


def test_a_part_of_the_findings_is_told_by_its_topic() -> None:
    given = letter(FindingsMessage(()))
    topic = str(Topic(TopicKind.PART, CLUSTER, "c1"))
    assert Decoder().decode(Incoming(topic, encode_letter(given), False, 0.0)) == given


def test_a_mapping_that_cannot_be_written_to_is_sent_like_any_other() -> None:
    config = EffectiveConfig(MappingProxyType({"a": clean("b")}))
    facts = replace(node_facts(), config=Reading.known(config, Origin(clean("x"), AT)))
    decoded = again(letter(FactsMessage(facts))).message
    assert isinstance(decoded, FactsMessage)
    assert decoded.facts is not None
    assert decoded.facts.config.value == EffectiveConfig({"a": clean("b")})


def test_trends_cost_nothing_on_the_wire() -> None:
    assert b"trend" not in unpack(encode_letter(letter(FactsMessage(read_facts()))), 1 << 22)


def test_equal_parts_of_different_nodes_are_one_object() -> None:
    decoder = Decoder()

    def decoded(name: str, at: float) -> FactsMessage:
        one = letter(FactsMessage(of_node(name, f"uid of {name}", read_facts(at))))
        message = decoder.decode(incoming(one, encode_letter(one), name=name)).message
        assert isinstance(message, FactsMessage)
        return message

    first, second = decoded("node-1", AT).facts, decoded("node-2", AT + 5).facts
    assert first is not None
    assert second is not None
    assert first.config.value is second.config.value
    assert first.version.value is second.version.value
    assert first.node.name != second.node.name
    assert first.maps.origin != second.maps.origin
    assert first.host.value != second.host.value


def _told(decoder: Decoder, facts: NodeFacts, seq: int = 1) -> NodeFacts:
    one = letter(FactsMessage(facts), seq)
    decoded = decoder.decode(incoming(one, encode_letter(one), name=facts.node.name))
    assert decoded == one
    assert isinstance(decoded.message, FactsMessage)
    assert decoded.message.facts is not None
    return decoded.message.facts


def test_what_a_node_says_again_is_the_object_of_before() -> None:
    decoder, facts = Decoder(), of_node("node-1", "uid-1", read_facts())
    first = _told(decoder, facts)
    origin = Origin(clean("config -a -o json"), AT + 60.0)
    config = replace(facts.config, origin=origin)
    second = _told(decoder, replace(facts, config=config, swept_at=AT + 60.0), 2)
    assert second.status is first.status
    assert second.node is first.node
    assert second.config != first.config
    assert second.config.value is first.config.value
    other = Reading.known(EffectiveConfig({"debug": clean("true")}), origin)
    assert _told(decoder, replace(facts, config=other), 3).config == other
    assert _told(decoder, facts, 4) == facts


def test_a_node_that_left_is_forgotten_and_comes_back_whole() -> None:
    decoder, facts = Decoder(), of_node("node-1", "uid-1", read_facts())
    first = _told(decoder, facts)
    gone = letter(FactsMessage(None))
    assert decoder.decode(incoming(gone, encode_letter(gone))) == gone
    again = _told(decoder, facts)
    assert again.node is not first.node
    decoder.forget_nodes()
    assert _told(decoder, facts).node is not again.node


def test_equal_configurations_of_many_nodes_are_one() -> None:
    decoder = Decoder()
    found = []
    for number in range(2):
        facts = node_facts(config={"Debug": "false", "MTU": "1500"})
        found.append(_told(decoder, of_node(f"node-{number}", f"uid-{number}", facts)).config.value)
    assert found[0] is not None
    assert found[0] is found[1]


def test_what_is_kept_for_other_nodes_is_bounded() -> None:
    decoder = Decoder(most_kept_bytes=50_000)
    for number in range(300):
        config = {"node": f"{number}", "filler": "x" * 500}
        one = letter(FactsMessage(node_facts(config=config)))
        assert decoder.decode(incoming(one, encode_letter(one))) == one
    assert decoder.kept_bytes <= 50_000


def test_text_that_is_not_clean_is_cleaned_before_it_is_sent() -> None:
    facts = node_facts(labels={"a\x1b[31m": "x\u202ey", "b": "\ud800"})
    decoded = again(letter(FactsMessage(facts))).message
    assert isinstance(decoded, FactsMessage)
    assert decoded.facts is not None
    assert decoded.facts.node.labels == {"a": "x\ufffdy", "b": "\ufffd"}


def test_a_number_that_nobody_takes_costs_its_reading_only() -> None:
    facts = read_facts(entries=-1)
    decoded = again(letter(FactsMessage(facts))).message
    assert isinstance(decoded, FactsMessage)
    assert decoded.facts is not None
    assert decoded.facts.maps.value is None
    assert "entries: -1" in decoded.facts.maps.reason
    assert decoded.facts.config == facts.config


def test_a_line_with_an_impossible_time_does_not_cost_the_others() -> None:
    lines = (line(AT, "good"), line(-6e10, "year 1"), line(1e15, "year 31,690,708"))
    decoded = again(letter(WarningsMessage((batch(*lines),)))).message
    assert isinstance(decoded, WarningsMessage)
    assert [one.message for one in decoded.batches[0].lines] == ["good"]


def test_unknown_fields_are_ignored_and_missing_ones_take_their_defaults() -> None:
    facts = {
        "node": {"uid": "u", "name": "node-1", "is_ready": None, "of_the_future": [1, {"a": 2}]},
        "of_the_future": {"x": "y"},
        "version": {"state": "unknown", "since_when": 3},
    }
    told = {
        "schema": "ciltop/1",
        "kind": "facts",
        "cluster": CLUSTER,
        "sender": "c1",
        "run": "r1",
        "seq": 1,
        "at": AT,
        "facts": facts,
        "of_the_future": "\u00e9",
    }
    given = letter(FactsMessage(None))
    decoded = Decoder().decode(incoming(given, json.dumps(told).encode()))
    assert isinstance(decoded.message, FactsMessage)
    assert decoded.message.facts is not None
    assert decoded.message.facts.version == Reading()
    assert decoded.message.facts.agent is None


@given(st.lists(st.text()))
@settings(max_examples=50, deadline=None)
def test_clean_text_passes_the_check_of_what_comes_in(given_texts: list[str]) -> None:
    texts = [clean(text) for text in given_texts]
    gaps = letter(presence(dropped={text: 1 for text in texts if text}))
    assert again(gaps) == gaps


def test_a_text_at_the_longest_comes_through() -> None:
    longest = clean("x" * 100_000)
    one = letter(presence(reason=longest))
    assert again(one) == one
    longer = letter(presence(reason=CleanText("x" * 10_000)))
    with pytest.raises(RejectedError, match="10000 characters"):
        again(longer)


def test_a_word_of_a_newer_release_costs_its_reading_only() -> None:
    given = letter(FactsMessage(read_facts()))
    told = unpack(encode_letter(given), 1 << 22).replace(b'"kind":"hash"', b'"kind":"arena"')
    decoded = Decoder().decode(incoming(given, told)).message
    assert isinstance(decoded, FactsMessage)
    assert decoded.facts is not None
    assert decoded.facts.maps.state is ReadingState.FAILED
    assert "newer ciltop: Invalid enum value 'arena'" in decoded.facts.maps.reason
    assert decoded.facts.config == read_facts().config


@pytest.mark.parametrize("length", [8_000, 8_300, 20_000])
def test_a_text_that_is_too_long_is_refused_in_a_part_of_any_size(length: int) -> None:
    told = document(letter(FactsMessage(of_node("node-1", "uid-1"))))
    facts = told["facts"]
    assert isinstance(facts, dict)
    facts["node"]["os_image"] = "x" * length
    arrived = incoming(letter(FactsMessage(None)), json.dumps(told).encode())
    if length < MOST_CHARACTERS:
        Decoder().decode(arrived)
        return
    with pytest.raises(RejectedError, match=f"Node.os_image: a text of {length} characters"):
        Decoder().decode(arrived)
