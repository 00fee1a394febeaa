"""The schema `ciltop/1`: the model's dataclasses as JSON, for MQTT, recordings and tickets.

Unknown fields are ignored and missing ones take their defaults, so that an older reader copes with
a newer writer as long as the schema's name is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import partial
from typing import Any, TypeVar, cast, get_type_hints

import msgspec

from tui.errors import CiltopError
from tui.model.logs import LogEntry, LogGap
from tui.model.snapshot import NodeFacts

T = TypeVar("T")

SCHEMA = "ciltop/1"


class SchemaError(CiltopError):
    """Bytes that are no such object of the schema; says where it differs."""


def encode(value: object) -> bytes:
    """Return the JSON of a model object."""
    return _ENCODER.encode(value)


def decode(kind: type[T], encoded: bytes | memoryview | msgspec.Raw) -> T:
    """Return the object of a JSON text.

    Raises:
        SchemaError: it is no JSON, or not of this kind.
    """
    try:
        if kind is NodeFacts:
            return cast("T", _node_facts(encoded))
        return _decoder(kind).decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise SchemaError(str(error)) from error


class _LogRowView(msgspec.Struct):
    """What tells an entry of the log from a gap: msgspec knows no union of two dataclasses."""

    line: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def _node_facts(encoded: bytes | memoryview | msgspec.Raw) -> NodeFacts:
    view = _NODE_FACTS.decode(encoded)
    parts: dict[str, Any] = {name: getattr(view, name) for name in view.__struct_fields__}
    return NodeFacts(**{**parts, "logs": tuple(map(_log_row, parts["logs"]))})


def _log_row(raw: msgspec.Raw) -> LogEntry | LogGap:
    is_gap = _decoder(_LogRowView).decode(raw).line is msgspec.UNSET
    return _decoder(LogGap).decode(raw) if is_gap else _decoder(LogEntry).decode(raw)


def _node_facts_view() -> type[msgspec.Struct]:
    """Return `NodeFacts` with the rows of its log still bytes."""
    hints = {**get_type_hints(NodeFacts), "logs": tuple[msgspec.Raw, ...]}
    members = [
        (one.name, hints[one.name])
        if one.default is MISSING
        else (one.name, hints[one.name], msgspec.field(default_factory=partial(_same, one.default)))
        for one in fields(NodeFacts)
    ]
    return msgspec.defstruct("NodeFactsView", members)


def _same(value: T) -> T:
    return value


_NODE_FACTS: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_node_facts_view())
_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {}


def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    return decoder


def plain(value: object) -> object:
    """Return what msgspec can encode for what it can't, such as a mapping proxy.

    Raises:
        NotImplementedError: it is nothing that the schema knows.
    """
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"{type(value).__name__} has no place in {SCHEMA}")


_ENCODER = msgspec.json.Encoder(enc_hook=plain)
