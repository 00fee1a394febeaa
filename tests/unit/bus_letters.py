"""Letters for the tests of what goes over a broker: a few by hand, any by strategies."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from hypothesis import strategies as st

from tests.unit.checks_facts import node_facts
from tui.bus.wire.messages import (
    AuditMessage,
    ClusterMessage,
    Envelope,
    FactsMessage,
    FindingsMessage,
    Letter,
    Message,
    PresenceMessage,
    RoomMessage,
    WarningsMessage,
)
from tui.bus.wire.post import Incoming
from tui.bus.wire.topics import Topic, TopicKind
from tui.model.host import HostFacts
from tui.model.logs import LogBatch, LogLevel, LogLine
from tui.model.maps import NO_TREND, CountOrigin, MapKind, MapUsage, Trend
from tui.model.names import ContainerId, NodeName, NodeUid
from tui.model.reading import Origin, Reading, ReadingState
from tui.model.room import Presence
from tui.model.services import ServiceCoverage
from tui.model.snapshot import NodeFacts
from tui.safety import CleanText, clean

CLUSTER = "prod-eu"
AT = 1_700_000_000.0
"""When letters are sent, by their sender's clock."""

KINDS: Mapping[type[Message], TopicKind] = {
    PresenceMessage: TopicKind.PRESENCE,
    FactsMessage: TopicKind.FACTS,
    ClusterMessage: TopicKind.CLUSTER,
    FindingsMessage: TopicKind.FINDINGS,
    WarningsMessage: TopicKind.WARNINGS,
    AuditMessage: TopicKind.AUDIT,
    RoomMessage: TopicKind.ROOM,
}


def letter(
    message: Message, seq: int = 1, at: float = AT, *, sender: str = "c1", run: str = "r1"
) -> Letter:
    return Letter(Envelope(clean(CLUSTER), clean(sender), run, seq, at), message)


def topic_of(given: Letter, name: str = "node-1") -> str:
    kind = KINDS[type(given.message)]
    if kind is TopicKind.PRESENCE:
        name = given.envelope.sender
    elif kind not in (TopicKind.FACTS, TopicKind.WARNINGS):
        name = ""
    return str(Topic(kind, CLUSTER, name))


def incoming(
    given: Letter,
    payload: bytes = b"",
    *,
    received_at: float = 0.0,
    is_retained: bool = False,
    held_seconds: float | None = None,
    name: str = "node-1",
) -> Incoming:
    return Incoming(topic_of(given, name), payload, is_retained, received_at, held_seconds)


def of_node(name: str, uid: str, facts: NodeFacts | None = None) -> NodeFacts:
    """Return facts under another name and UID."""
    facts = facts or node_facts()
    node = replace(facts.node, uid=NodeUid(uid), name=NodeName(name))
    agent = None if facts.agent is None else replace(facts.agent, node_name=node.name)
    return replace(facts, node=node, agent=agent, logs=())


def read_facts(at: float = AT, entries: int = 10) -> NodeFacts:
    """Return a node with times of its collector's clock, read just then."""
    origin = Origin(clean("bpftool -j -f map show"), at)
    maps = (
        MapUsage(
            clean("cilium_lb4_backends_v3"),
            MapKind.HASH,
            1_000,
            entries,
            CountOrigin.COUNTED,
            counted_at=at,
        ),
    )
    host = HostFacts(read_at={"clients": at})
    facts = node_facts(config={"kube-proxy-replacement": "true"})
    return replace(
        facts,
        maps=Reading.known(maps, origin),
        host=Reading.known(host, origin),
        swept_at=at,
    )


def line(at: float, message: str, level: LogLevel = LogLevel.ERROR) -> LogLine:
    return LogLine(at, level, clean(message))


def batch(*lines: LogLine, uid: str = "uid-1", container: str = "c1") -> LogBatch:
    return LogBatch(NodeUid(uid), ContainerId(container), lines)


def presence(state: Presence = Presence.PRESENT, **parts: Any) -> PresenceMessage:
    return PresenceMessage(state, clean("host-a"), clean("0.5.0"), **parts)


_SAMPLES = (
    *("", "plain", 'quoted "x"', "back\\slash", "\\u202e", "naïve ✓ 日本語", "…", "a/b", "null"),
    *("[/x]", "%s{0}", "e\u0301", "-1", "1e999", "\u24e8"),
)
_texts: st.SearchStrategy[CleanText] = st.one_of(
    st.sampled_from(_SAMPLES).map(clean), st.text(max_size=12).map(clean)
)
_integers = st.one_of(st.sampled_from((0, 1, 65_535, 2**53, 2**64 - 1)), st.integers(0, 70_000))
_times = st.one_of(
    st.sampled_from((0.0, AT, 253_402_300_799.0)),
    st.floats(0, 253_402_300_799.0, allow_nan=False),
)
_cache: dict[Any, st.SearchStrategy[Any]] = {}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Return what a field of a type may hold on the wire."""
    key = str(hint)
    if key not in _cache:
        _cache[key] = st.deferred(lambda: _make(hint))
    return _cache[key]


def _make(hint: Any) -> st.SearchStrategy[Any]:
    while isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Reading:
        return _readings(values(parts[0]))
    if is_dataclass(hint):
        return _instances(typing.cast(type, hint))
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values, parts))
    if origin is tuple:
        some = st.lists(values(parts[0]), max_size=2).map(tuple)
        return some if parts[-1] is Ellipsis else st.tuples(*map(values, parts))
    if origin is not None:
        return st.dictionaries(values(parts[0]), values(parts[1]), max_size=2)
    return _scalar(hint)


def _scalar(hint: Any) -> st.SearchStrategy[Any]:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: _texts,
        bool: st.booleans(),
        int: _integers,
        float: _times,
        type(None): st.none(),
    }
    return simple[hint]


def _instances(kind: type) -> st.SearchStrategy[Any]:
    if kind is Trend:
        return st.just(NO_TREND)
    hints = typing.get_type_hints(kind)
    parts = {one.name: values(hints[one.name]) for one in fields(kind)}
    if kind is NodeFacts:
        parts["logs"] = st.just(())
    made: st.SearchStrategy[Any] = st.builds(kind, **parts)
    return made.map(_sound) if kind is ServiceCoverage else made


def _sound(coverage: ServiceCoverage) -> ServiceCoverage:
    return replace(
        coverage,
        held_frontends=min(coverage.held_frontends, coverage.wanted_frontends),
        held_backends=min(coverage.held_backends, coverage.wanted_backends),
    )


def _readings(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Reading[Any]]:
    origins = st.builds(Origin, _texts, _times)
    known = st.builds(Reading.known, inner, origins)
    kept = st.builds(Reading, st.sampled_from(ReadingState), inner, _texts, origins)
    without = st.builds(
        Reading,
        st.sampled_from((ReadingState.UNKNOWN, ReadingState.DENIED, ReadingState.FAILED)),
        st.none(),
        _texts,
        st.none() | origins,
    )
    return st.one_of(known, kept, without, st.just(Reading()))


def _consistent(message: FactsMessage, name: str) -> FactsMessage:
    """Return facts as a collector has them: one node, one UID."""
    if message.facts is None:
        return message
    facts = of_node(name, message.facts.node.uid, message.facts)
    logged = tuple(replace(entry, node_uid=facts.node.uid) for entry in message.logged)
    return FactsMessage(facts, logged, message.truncated)


def messages(kind: type[Message], name: str = "node-1") -> st.SearchStrategy[Message]:
    """Return any message of a kind that a collector could send."""
    made: st.SearchStrategy[Any] = _instances(kind)
    return made.map(lambda one: _consistent(one, name)) if kind is FactsMessage else made


def letters(kind: type[Message]) -> st.SearchStrategy[Letter]:
    """Return any letter of a kind."""
    envelopes = st.builds(
        Envelope,
        st.just(clean(CLUSTER)),
        st.sampled_from(("c1", "a/b", "host.example-1", "ü+#")).map(clean),
        st.sampled_from(("r1", "")),
        st.integers(0, 2**53),
        _times,
    )
    return st.builds(Letter, envelopes, messages(kind))
