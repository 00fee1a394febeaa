"""Rendezvous hashing: every collector works out alone who reads which node, and all agree.

The owner of a node is the collector with the highest weight for it. When one joins or leaves, only
its own nodes move.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Collection, Iterable
from hashlib import blake2b

WEIGHT_BYTES = 8
MOST_NAMES = 100_000
"""Weights of more names are not kept: a cluster whose nodes come and go would fill the memory."""


def weight(collector: str, name: str) -> int:
    """Return how strongly a collector claims a name: 64 bits of BLAKE2b of both, NUL between."""
    text = f"{collector}\0{name}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=WEIGHT_BYTES).digest(), "big")


def owner(name: str, ids: Iterable[str]) -> str | None:
    """Return which of these collectors owns a name; None where there are none."""
    return max(ids, key=lambda one: (weight(one, name), one), default=None)


class Shares:
    """Owners of many names; a weight is hashed once. May be asked from several threads."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._weights: dict[str, array[int]] = {}
        """For each collector the weights by row; zero where not hashed yet."""
        self._lock = threading.Lock()

    def owner(self, name: str, ids: Collection[str]) -> str | None:
        """Return which of these collectors owns a name; None where there are none.

        Only weights that were never asked for are hashed: a collector that joins costs one hash
        for each name, one that leaves none.
        """
        with self._lock:
            row = self._rows.get(name)
            if row is None:
                row = self._new_row(name)
            best: str | None = None
            most = -1
            for one in ids:
                claim = self._claim(one, name, row)
                if claim > most or (claim == most and best is not None and one > best):
                    best, most = one, claim
            return best

    def keep(self, ids: Collection[str]) -> None:
        """Forget the weights of all collectors but these."""
        with self._lock:
            for one in self._weights.keys() - set(ids):
                del self._weights[one]

    def _new_row(self, name: str) -> int:
        if len(self._rows) >= MOST_NAMES:
            self._rows.clear()
            self._weights.clear()
        row = self._rows[name] = len(self._rows)
        return row

    def _claim(self, one: str, name: str, row: int) -> int:
        column = self._weights.get(one)
        if column is None:
            column = self._weights[one] = array("Q")
        if row >= len(column):
            column.frombytes(bytes(WEIGHT_BYTES * (max(len(self._rows), row + 1) - len(column))))
        claim = column[row]
        if not claim:
            claim = column[row] = weight(one, name)
        return claim
