"""The schema `ciltop/1`: the model's dataclasses as JSON, for MQTT, recordings and tickets.

Unknown fields are ignored and missing ones take their defaults, so that an older reader copes with
a newer writer as long as the schema's name is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from tui.errors import CiltopError

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
        return _decoder(kind).decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise SchemaError(str(error)) from error


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
