"""Letters as bytes and back: the one door through which anything of a broker comes in."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgspec

from tui.bus.wire.bounds import MOST_SECONDS, check_of
from tui.bus.wire.interning import MOST_BYTES as MOST_KEPT_BYTES
from tui.bus.wire.interning import Interned
from tui.bus.wire.messages import (
    AuditMessage,
    ClusterMessage,
    Envelope,
    FactsMessage,
    FindingsMessage,
    Letter,
    PresenceMessage,
    RoomMessage,
    WarningsMessage,
)
from tui.bus.wire.node_memory import NodeMemories
from tui.bus.wire.packing import PackingError, pack, unpack
from tui.bus.wire.post import Incoming
from tui.bus.wire.sendable import sendable
from tui.bus.wire.texts import cleaned, looks_plain, unclean
from tui.bus.wire.topics import Topic, TopicKind, parse_topic
from tui.bus.wire.trimming import trimmed
from tui.bus.wire.views import (
    EnvelopeView,
    FactsView,
    NodeFactsReader,
    SchemaView,
    check_truncated,
)
from tui.errors import CiltopError
from tui.model.maps import NO_TREND
from tui.model.schema import SCHEMA, encode, plain
from tui.safety import clean

MOST_BYTES = 256 * 1024
"""Of a payload, as it is sent."""

MOST_BYTES_UNPACKED = 4 * 1024 * 1024

PACKED_FROM_BYTES = 16 * 1024
"""Facts are always packed, others from this length on: a person reads them with mosquitto_sub."""

MOST_NAME_CHARACTERS = 512
"""Of a sender's name, and of its run's."""

MOST_SEQUENCE = 2**53
"""Beyond it other languages' JSON numbers are no integers any more."""

_KINDS: dict[type, TopicKind] = {
    PresenceMessage: TopicKind.PRESENCE,
    FactsMessage: TopicKind.FACTS,
    ClusterMessage: TopicKind.CLUSTER,
    FindingsMessage: TopicKind.FINDINGS,
    WarningsMessage: TopicKind.WARNINGS,
    AuditMessage: TopicKind.AUDIT,
    RoomMessage: TopicKind.ROOM,
}
_MESSAGES: dict[TopicKind, Any] = {
    **{kind: message for message, kind in _KINDS.items() if kind is not TopicKind.FACTS},
    TopicKind.PART: FindingsMessage,
}
_OF_COLLECTORS = frozenset({TopicKind.PRESENCE, TopicKind.PART})
"""Kinds whose topic names the sender."""


_NO_TREND = b',"trend":' + encode(NO_TREND)
"""A field of every map that nobody sends. Within a JSON text its quotes would be escaped."""


class RejectedError(CiltopError):
    """A payload that is not what its topic promises; `message` says why."""


def encode_letter(letter: Letter, *, limit: int = MOST_BYTES) -> bytes:
    """Return the payload of a letter, at most `limit` bytes long: gzip'd where that pays.

    What does not fit is left out, and `truncated` (for log lines a gap) tells of it. Text that is
    not clean is cleaned, and numbers that can't be are kept back: nobody would take the letter.
    """
    letter = Letter(letter.envelope, sendable(letter.message))
    document = _document(letter)
    payload = _packed(letter, document)
    if len(payload) <= limit and len(document) <= MOST_BYTES_UNPACKED:
        return payload
    message = letter.message
    for step in trimmed(message):
        document = _document(Letter(letter.envelope, step))
        payload = pack(document)
        if len(payload) <= limit and len(document) <= MOST_BYTES_UNPACKED:
            break
    return payload


def _packed(letter: Letter, document: bytes) -> bytes:
    if isinstance(letter.message, FactsMessage) or len(document) > PACKED_FROM_BYTES:
        return pack(document)
    return document


def _document(letter: Letter) -> bytes:
    whole = _whole(letter)
    try:
        document = encode(whole).replace(_NO_TREND, b"")
        if looks_plain(document):
            return document
    except UnicodeEncodeError:
        pass  # A lone surrogate.
    return msgspec.json.encode(cleaned(msgspec.to_builtins(whole, enc_hook=plain, str_keys=True)))


def _whole(letter: Letter) -> dict[str, Any]:
    envelope, message = letter.envelope, letter.message
    whole: dict[str, Any] = {"schema": SCHEMA, "kind": _KINDS[type(message)].value}
    for part in (envelope, message):
        for one in fields(part):
            whole[one.name] = getattr(part, one.name)
    return whole


class Decoder:
    """Takes payloads apart; parts with equal bytes become the same object, for any node.

    Args:
        most_kept_bytes: how many bytes of JSON may have been decoded to the parts that are kept
            for the next messages.
    """

    def __init__(self, most_kept_bytes: int = MOST_KEPT_BYTES) -> None:
        self._interned = Interned(most_kept_bytes)
        self._reader = NodeFactsReader(self._interned)
        self._memories = NodeMemories(NodeFactsReader.PARTS)
        self._facts = msgspec.json.Decoder(FactsView)
        self._schema = msgspec.json.Decoder(SchemaView)
        self._envelope = msgspec.json.Decoder(EnvelopeView)
        self._others = {kind: msgspec.json.Decoder(message) for kind, message in _MESSAGES.items()}
        self._checks = {kind: check_of(message) for kind, message in _MESSAGES.items()}

    @property
    def kept_bytes(self) -> int:
        """How many bytes of JSON the parts came from that are kept now."""
        return self._interned.held_bytes

    def forget_nodes(self) -> None:
        """Forget what nodes said: those of another cluster are read from now on."""
        self._memories.clear()

    def decode(self, incoming: Incoming) -> Letter:
        """Return the letter of a payload that is not empty.

        An empty one is no letter: the retained message of its topic was cleared
        (`Intake.cleared`).

        Raises:
            RejectedError: it is not what its topic promises. Nothing else is ever raised.
        """
        try:
            topic = parse_topic(incoming.topic)
            if len(incoming.payload) > MOST_BYTES:
                raise RejectedError(
                    f"{len(incoming.payload)} bytes where {MOST_BYTES} are the most"
                )
            document = unpack(incoming.payload, MOST_BYTES_UNPACKED)
            if not document:
                raise RejectedError("an empty payload is no message")
            if (text := unclean(document)) is not None:
                raise RejectedError(f"text that is not clean: {text[:80]!r}")
            return self._letter(topic, document)
        except RecursionError:
            raise RejectedError("nested too deeply") from None
        except PackingError as error:
            raise RejectedError(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RejectedError(f"no message of {SCHEMA}: {error}") from error
        except ValueError as error:
            raise RejectedError(str(error)) from error

    def _letter(self, topic: Topic, document: bytes) -> Letter:
        try:
            if topic.kind is TopicKind.FACTS:
                return self._facts_letter(topic, document)
            return self._other_letter(topic, document)
        except msgspec.ValidationError:
            # Another schema is a better reason than a field that it does not have.
            _check_schema(self._schema.decode(document))
            raise

    def _other_letter(self, topic: Topic, document: bytes) -> Letter:
        envelope = _envelope(self._envelope.decode(document), topic)
        message = self._others[topic.kind].decode(document)
        check = self._checks[topic.kind]
        if check is not None:
            check(message)
        return Letter(envelope, message)

    def _facts_letter(self, topic: Topic, document: bytes) -> Letter:
        view = self._facts.decode(document)
        envelope = _envelope(view, topic)
        memory = self._memories.of(topic.name)
        logged = self._reader.logged(view.logged, memory)
        check_truncated(view.truncated)
        facts = None
        if view.facts is None:
            self._memories.forget(topic.name)
        else:
            facts = self._reader.facts(view.facts, memory)
            node = facts.node
            if node.name != topic.name:
                raise RejectedError(f"facts of {node.name[:80]!r} on the topic of {topic.name!r}")
            if facts.agent is not None and facts.agent.node_name != node.name:
                raise RejectedError(f"an agent of {facts.agent.node_name[:80]!r}")
            if any(entry.node_uid != node.uid for entry in logged):
                raise RejectedError("log entries of another node")
        return Letter(envelope, FactsMessage(facts, logged, view.truncated))


def _check_schema(view: SchemaView) -> None:
    if view.schema != SCHEMA:
        raise RejectedError(f"schema {view.schema[:40]!r}, not {SCHEMA!r}")


def _envelope(view: EnvelopeView, topic: Topic) -> Envelope:
    """Return a message's envelope, once it is known to fit its topic."""
    _check_schema(view)
    # The parts of findings are findings too: their topic alone tells them apart.
    kind = TopicKind.FINDINGS if topic.kind is TopicKind.PART else topic.kind
    if view.kind != kind.value:
        raise RejectedError(f"kind {view.kind[:40]!r} on the topic of {kind.value!r}")
    if view.cluster != clean(topic.cluster):
        raise RejectedError(f"cluster {view.cluster[:80]!r} on the topic of {topic.cluster[:80]!r}")
    if topic.kind in _OF_COLLECTORS and view.sender != clean(topic.name):
        raise RejectedError(f"sender {view.sender[:80]!r} on the topic of {topic.name[:80]!r}")
    if not view.sender or max(len(view.sender), len(view.run)) > MOST_NAME_CHARACTERS:
        raise RejectedError(f"a sender's name of {len(view.sender)} characters")
    if not (0 <= view.seq <= MOST_SEQUENCE and 0 <= view.at <= MOST_SECONDS):
        raise RejectedError("a sequence number or a time that can't be")
    return Envelope(view.cluster, view.sender, view.run, view.seq, view.at)
