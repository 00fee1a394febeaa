"""One object for equal bytes: most of what nodes of one fleet say of themselves is the same."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import msgspec

from tui.bus.wire.bounds import MOST_CHARACTERS as LONGEST_TEXT
from tui.bus.wire.bounds import check_of

T = TypeVar("T")
S = TypeVar("S", bound=str)

MOST_BYTES = 8 * 1024 * 1024
"""Of JSON whose objects are kept: some hundred kinds of nodes, of which a fleet has a few."""

MOST_TEXTS = 32_768
MOST_CHARACTERS = 256
"""Of a text that is shared; longer ones are seldom the same."""

_ENTRY_BYTES = 200
"""What an entry costs beside the object."""


class Interned:
    """Objects by the bytes they were decoded from, those forgotten first that were unused longest.

    Args:
        most_bytes: how many bytes of JSON may have been decoded to what is kept.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._objects: OrderedDict[tuple[str, bytes], tuple[Any, int]] = OrderedDict()
        self.held_bytes = 0

    def find(self, key: tuple[str, bytes]) -> Any:
        """Return the object of a key, or None."""
        found = self._objects.get(key)
        if found is None:
            return None
        self._objects.move_to_end(key)
        return found[0]

    def keep(self, key: tuple[str, bytes], value: Any, length: int) -> None:
        """Keep an object that was decoded from so many bytes."""
        self._objects[key] = (value, length + _ENTRY_BYTES)
        self.held_bytes += length + _ENTRY_BYTES
        while self.held_bytes > self._most_bytes:
            _, (_, dropped) = self._objects.popitem(last=False)
            self.held_bytes -= dropped


class Texts:
    """One object for equal short texts; all are forgotten when there are too many."""

    def __init__(self) -> None:
        self._texts: dict[Any, Any] = {}

    def shared(self, text: S) -> S:
        """Return the first text that equals this one."""
        texts = self._texts
        if len(text) > MOST_CHARACTERS:
            return text
        if len(texts) >= MOST_TEXTS:
            texts.clear()
        found: S = texts.setdefault(text, text)
        return found


class Part(Generic[T]):
    """A part of a message that is decoded once for all nodes that say the same.

    Args:
        interned: where the objects are kept; None for a part that is another one each time.
        kind: its type.
    """

    def __init__(self, interned: Interned | None, kind: Any) -> None:
        self._interned = interned
        self._name = str(kind)
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
        self._check = check_of(kind)
        self._check_short = check_of(kind, has_texts=False)

    def decode(self, raw: bytes | msgspec.Raw) -> T:
        """Return the part's object.

        Raises:
            msgspec.DecodeError, OutOfBoundsError: it is not of its kind.
        """
        if self._interned is None:
            return self._checked(raw)
        key = (self._name, blake2b(raw, digest_size=16).digest())
        found: T | None = self._interned.find(key)
        if found is None:
            found = self._checked(raw)
            self._interned.keep(key, found, len(memoryview(raw)))
        return found

    def unchecked(self, raw: bytes | msgspec.Raw) -> T:
        """Return the object of bytes that were found sound before."""
        return self._decoder.decode(raw)

    def _checked(self, raw: bytes | msgspec.Raw) -> T:
        decoded = self._decoder.decode(raw)
        check = self._check_short if len(memoryview(raw)) <= LONGEST_TEXT else self._check
        if check is not None:
            check(decoded)
        return decoded


class Elements(Generic[T]):
    """A tuple of which one node's differs from another's in a few elements only."""

    def __init__(self, interned: Interned, kind: Any) -> None:
        self._whole: Part[list[msgspec.Raw]] = Part(None, list[msgspec.Raw])
        self._interned = interned
        self._name = f"all {kind}"
        self._one: Part[T] = Part(interned, kind)

    def decode(self, raw: bytes | msgspec.Raw) -> tuple[T, ...]:
        """Return the elements' objects; raises what `Part.decode` raises."""
        key = (self._name, blake2b(raw, digest_size=16).digest())
        found: tuple[T, ...] | None = self._interned.find(key)
        if found is None:
            found = tuple(map(self._one.decode, self._whole.decode(raw)))
            self._interned.keep(key, found, len(memoryview(raw)))
        return found
