"""What each node's last message said, part by part: what is said again is not read again.

Of most messages only the maps, the metrics and a few times are new.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from typing import Any, Final

MOST_NODES = 20_000

_NOTHING: Final = object()


class NodeMemory:
    """The parts of one node, each with a mark of the bytes that it was made of.

    A mark is Python's hash of bytes: 64 bits with a key that is another one in each process
    (SipHash, PEP 456), so that nobody can write other bytes with the same mark.

    Args:
        parts: how many there are.
    """

    __slots__ = ("_marks", "_parts")

    def __init__(self, parts: int) -> None:
        self._marks = array("q", bytes(8 * parts))
        self._parts: list[Any] = [_NOTHING] * parts

    def has(self, place: int, mark: int) -> bool:
        """Return whether the part of a place was made of bytes with this mark."""
        return self._marks[place] == mark and self._parts[place] is not _NOTHING

    def part(self, place: int) -> Any:
        """Return the part of a place; only where `has` says so."""
        return self._parts[place]

    def keep(self, place: int, mark: int, part: Any) -> None:
        """Keep a part that was found sound."""
        self._marks[place] = mark
        self._parts[place] = part


class NodeMemories:
    """The memories by name; those forgotten first whose nodes were silent longest."""

    def __init__(self, parts: int) -> None:
        self._size = parts
        self._memories: OrderedDict[str, NodeMemory] = OrderedDict()

    def __len__(self) -> int:
        return len(self._memories)

    def of(self, topic: str) -> NodeMemory:
        """Return the memory of a node's topic, an empty one for a node that is new."""
        memory = self._memories.get(topic)
        if memory is None:
            memory = self._memories[topic] = NodeMemory(self._size)
            if len(self._memories) > MOST_NODES:
                self._memories.popitem(last=False)
        else:
            self._memories.move_to_end(topic)
        return memory

    def forget(self, topic: str) -> None:
        """Forget a node that is gone."""
        self._memories.pop(topic, None)

    def clear(self) -> None:
        """Forget all: another cluster is shown."""
        self._memories.clear()
