"""Whatever stands on a topic: a letter, or a counted rejection that says why, and nothing else."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.payloads import PAYLOADS
from tests.unit.bus_letters import (
    AT,
    CLUSTER,
    KINDS,
    incoming,
    letter,
    messages,
    of_node,
    presence,
    read_facts,
    topic_of,
)
from tui.bus.receiving.intake import Intake
from tui.bus.wire.encoding import MOST_BYTES, Decoder, RejectedError, encode_letter
from tui.bus.wire.messages import FactsMessage, Letter, Message
from tui.bus.wire.packing import unpack
from tui.bus.wire.post import Incoming
from tui.safety import clean
from tui.store import Store

FACTS = letter(FactsMessage(read_facts()))
Json = dict[str, Any]


def document(given: Letter = FACTS) -> Json:
    """Return what a letter is as JSON, to be spoilt."""
    decoded: Json = json.loads(unpack(encode_letter(given), 1 << 22))
    return decoded


def decode(payload: bytes, topic: str = topic_of(FACTS)) -> Letter:
    return Decoder().decode(Incoming(topic, payload, False, 0.0))


def reason(told: Json | bytes, topic: str = topic_of(FACTS)) -> str:
    """Return why a payload is rejected."""
    payload = told if isinstance(told, bytes) else json.dumps(told).encode()
    with pytest.raises(RejectedError) as rejected:
        decode(payload, topic)
    return rejected.value.message


def spoilt(path: str, value: object, given: Letter = FACTS) -> Json:
    """Return a letter's JSON with one value put at a path."""
    told = document(given)
    *parents, last = path.split(".")
    place: Any = told
    for part in parents:
        place = place[int(part) if isinstance(place, list) else part]
    place[int(last) if isinstance(place, list) else last] = value
    return told


def test_what_is_spoilt_here_was_right_before() -> None:
    assert decode(json.dumps(document()).encode()) == FACTS


def test_an_older_schema_is_named() -> None:
    assert reason({"schema": "ciltop/0", "nodes": 3}) == "schema 'ciltop/0', not 'ciltop/1'"
    assert reason({"hello": "world"}) == "schema '', not 'ciltop/1'"
    assert reason({**document(), "schema": "ciltop/2"}) == "schema 'ciltop/2', not 'ciltop/1'"


@pytest.mark.parametrize(
    "payload",
    [b"hello", b"null", b"[]", b"3", b'"ciltop/1"', b"{", b"\x00\x01", b"\xff\xfe", b"{}{}", b" "],
)
def test_no_json_object(payload: bytes) -> None:
    assert reason(payload).startswith(("no message of ciltop/1: ", "schema ''"))


def test_an_empty_payload_is_no_message() -> None:
    assert reason(b"") == "an empty payload is no message"


@pytest.mark.parametrize(
    "topic",
    ["", "ciltop/v1", "ciltop/v2/prod-eu/audit", "other", f"ciltop/v1/{CLUSTER}/node/%2f/facts"],
)
def test_a_topic_that_is_none(topic: str) -> None:
    assert "not a" in reason(document(), topic) or "another way" in reason(document(), topic)


def test_a_letter_on_another_topic_than_its_own() -> None:
    assert "cluster 'prod-eu'" in reason(document(), "ciltop/v1/other/node/node-1/facts")
    assert "'node-1' on the topic of 'node-2'" in reason(
        document(), f"ciltop/v1/{CLUSTER}/node/node-2/facts"
    )
    assert "kind 'facts'" in reason(document(), f"ciltop/v1/{CLUSTER}/collector/c1")
    here = letter(presence())
    assert "sender 'c1'" in reason(document(here), f"ciltop/v1/{CLUSTER}/collector/c2")


def test_another_nodes_agent_or_log() -> None:
    assert reason(spoilt("facts.agent.node_name", "node-2")) == "an agent of 'node-2'"
    entry = {"node_uid": "other", "container_id": "", "line": {"time": 1, "level": 40}}
    entry["line"] = {"time": 1.0, "level": 40, "message": "x"}
    assert reason(spoilt("logged", [entry])) == "log entries of another node"


@pytest.mark.parametrize("level", [1, 9])
def test_a_bomb_is_never_unpacked(level: int) -> None:
    bomb = zlib.compress(b" " * (64 << 20), level, 31)
    assert reason(bomb[:MOST_BYTES] if len(bomb) > MOST_BYTES else bomb) == (
        "unpacks to more than 4194304 bytes"
    )


def test_gzip_that_is_broken() -> None:
    packed = gzip.compress(json.dumps(document()).encode())
    assert "ends too early" in reason(packed[:-1])
    assert "something follows" in reason(packed + b"x")
    assert "something follows" in reason(packed + packed)
    assert "broken gzip" in reason(b"\x1f\x8b" + b"\x00" * 50)
    assert "broken gzip" in reason(b"\x1f\x8b")


def test_ten_megabytes_are_not_read() -> None:
    assert reason(b"x" * (10 << 20)) == "10485760 bytes where 262144 are the most"


@pytest.mark.parametrize("field", ["facts", "of_the_future", "truncated"])
def test_nesting_ends_somewhere(field: str) -> None:
    nested = b"[" * 100_000 + b"]" * 100_000
    told = json.dumps({**document(), field: "HERE"}).encode().replace(b'"HERE"', nested)
    assert reason(told) == "nested too deeply" or "Expected" in reason(told)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-1e999", "1" + "0" * 5_000])
@pytest.mark.parametrize("path", ["at", "facts.swept_at", "facts.maps.value.0.entries", "seq"])
def test_numbers_that_are_none(path: str, number: str) -> None:
    told = json.dumps(spoilt(path, "HERE")).replace('"HERE"', number)
    assert reason(told.encode())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seq", -1),
        ("seq", 2**60),
        ("at", -1.0),
        ("at", 253_402_300_800.0),
        ("facts.swept_at", 1e15),
        ("facts.maps.origin.observed_at", 1e15),
        ("facts.maps.origin.observed_at", -5.0),
        ("facts.maps.value.0.max_entries", -1),
        ("facts.maps.value.0.entries", -1),
        ("facts.maps.value.0.entries", 2**65),
        ("facts.maps.value.0.counted_at", 1e12),
        ("facts.maps.value.0.memory_bytes", -4096),
        ("facts.maps.value.0.members", -1),
        ("facts.host.value.read_at.clients", -1.0),
        ("facts.agent.started_at", 1e300),
        ("facts.node.created_at", -1e11),
    ],
)
def test_numbers_that_cannot_be(path: str, value: float) -> None:
    told = reason(spoilt(path, value))
    assert "is not between 0 and" in told or "observed at" in told or "that can't be" in told


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("facts", []),
        ("facts", "x"),
        ("facts.node", None),
        ("facts.node.is_ready", "yes"),
        ("facts.node.labels", ["a"]),
        ("facts.agent.phase", "dancing"),
        ("facts.maps", [1]),
        ("facts.maps.state", "known for sure"),
        ("facts.maps.value", {"a": 1}),
        ("facts.maps.value.0.entries", "10"),
        ("facts.maps.value.0.entries", 1.5),
        ("facts.maps.value.0.kind", 3),
        ("facts.config.value.values.a", 7),
        ("logged", {}),
        ("seq", "1"),
        ("sender", 3),
        ("sender", ""),
        ("sender", "x" * 600),
    ],
)
def test_wrong_types(path: str, value: object) -> None:
    assert reason(spoilt(path, value))


def test_a_known_reading_has_a_value_and_an_origin() -> None:
    assert "known, and no value" in reason(spoilt("facts.maps.value", None))
    assert "without its origin" in reason(spoilt("facts.maps.origin", None))


def test_more_held_than_wanted() -> None:
    coverage = {"wanted_frontends": 1, "held_frontends": 2, "wanted_backends": 0}
    reading = {
        "state": "known",
        "value": {**coverage, "held_backends": 0},
        "origin": {"source": "x", "observed_at": 1.0},
    }
    assert reason(spoilt("facts.services", reading)) == "services: more is held than wanted"


def test_a_hundred_thousand_maps() -> None:
    rows = [{"name": "m", "kind": "hash", "max_entries": 1}] * 100_000
    told = json.dumps(spoilt("facts.maps.value", rows), separators=(",", ":")).encode()
    assert "unpacks to more" in reason(gzip.compress(told))
    told = json.dumps(spoilt("facts.maps.value", rows[:50_000])).encode()
    assert "50000 items where 2000 are the most" in reason(gzip.compress(told))


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
@pytest.mark.parametrize(
    "path", ["facts.node.os_image", "facts.config.value.values.a", "truncated.part", "sender"]
)
@pytest.mark.parametrize("is_ascii", [True, False])
def test_text_that_is_not_clean(payload: str, path: str, is_ascii: bool) -> None:
    told = json.dumps(spoilt(path, payload), ensure_ascii=is_ascii)
    sent = told.encode("utf-8", "surrogatepass")
    if clean(payload) == payload:
        assert decode(sent).message is not None
    else:
        assert "not clean" in reason(sent) or "no message of ciltop/1" in reason(sent)


def test_keys_are_text_too() -> None:
    assert "not clean" in reason(spoilt("facts.node.labels", {"a\u202e": "b"}))
    assert "not clean" in reason(spoilt("facts.node.labels", {"a\x1b[2J": "b"}))


def test_an_escape_in_an_escaped_key_is_still_an_escape() -> None:
    told = json.dumps(document()).replace('"truncated": {}', r'"trunca\u0074ed": {"a": "\u001b"}')
    assert "not clean" in reason(told.encode())


def test_delete_needs_no_escape_and_is_no_text() -> None:
    assert "not clean" in reason(json.dumps(spoilt("facts.node.os_image", "\x7f")).encode())


def test_the_last_of_two_equal_keys_counts_for_all() -> None:
    told = json.dumps(document()).encode()
    twice = told[:-1] + b', "seq": 9}'
    assert decode(twice).envelope.seq == 9
    assert "schema 'x'" in reason(told[:-1] + b', "schema": "x"}')


def test_nothing_of_a_rejection_reaches_the_terminal() -> None:
    told = reason(spoilt("kind", "\x1b]0;x\x07" * 50))
    assert clean(told, len(told)) == told


def test_a_uid_under_two_names_is_rejected() -> None:
    intake = Intake(CLUSTER)
    first = letter(FactsMessage(of_node("node-1", "uid-1")))
    second = letter(FactsMessage(of_node("node-2", "uid-1")))
    assert intake.facts_of(first, incoming(first), AT, 0.0)
    with pytest.raises(RejectedError, match="UID"):
        intake.facts_of(second, incoming(second, name="node-2"), AT, 0.0)


def _spoil(data: st.DataObject, value: Any) -> Any:
    """Return a JSON value with something in it exchanged."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 9)):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: _spoil(data, value[key])}
    if isinstance(value, list) and value and data.draw(st.integers(0, 3)):
        at = data.draw(st.integers(0, len(value) - 1))
        return [*value[:at], _spoil(data, value[at]), *value[at + 1 :]]
    return data.draw(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
            st.sampled_from((2**64, -1, 1e15, 1e308, "", "\x1b[2J", [], {}, [[]], {"": 0})),
            st.text(max_size=5),
        )
    )


def _taken(payload: bytes, topic: str) -> None:
    """Take a payload the whole way in; anything but a rejection is an error of ours."""
    store, intake = Store(), Intake(CLUSTER)
    try:
        arrived = Incoming(topic, payload, False, 1.0)
        one = Decoder().decode(arrived)
        facts = intake.facts_of(one, arrived, AT, 1.0)
    except RejectedError:
        return
    for fact in [*facts, *intake.tick(AT, 2.0)]:
        store.apply(fact)
    store.finish(AT)
    assert store.snapshot(AT).version


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_spoilt_letter_is_a_letter_or_a_rejection(kind: type[Message]) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(messages(kind), st.data())
    def check(message: Message, data: st.DataObject) -> None:
        one = letter(message)
        told = document(one)
        for _ in range(data.draw(st.integers(1, 3))):
            told = _spoil(data, told)
        _taken(json.dumps(told).encode("utf-8", "surrogatepass"), topic_of(one))

    check()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_bytes_that_were_changed_are_a_letter_or_a_rejection(data: st.DataObject) -> None:
    payload = data.draw(
        st.sampled_from((encode_letter(FACTS), unpack(encode_letter(FACTS), 1 << 22)))
    )
    at = data.draw(st.integers(0, len(payload)))
    length = data.draw(st.integers(0, 8))
    _taken(
        payload[:at] + data.draw(st.binary(max_size=8)) + payload[at + length :], topic_of(FACTS)
    )


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.text(max_size=60))
def test_any_bytes_on_any_topic_are_rejected(payload: bytes, topic: str) -> None:
    for where in (topic, topic_of(FACTS), f"ciltop/v1/{topic}/audit"):
        with pytest.raises(RejectedError):
            decode(payload, where)
