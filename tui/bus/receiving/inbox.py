"""What came and was not decoded yet: bounded, so that a slow moment costs messages, never memory.

Facts of a node are state: a newer message takes the place of one that waits. All others keep their
order. What comes first is what tells of the rest: presence, findings, audit.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import replace

from tui.bus.wire.post import Incoming

MOST_FACTS = 20_000
"""Topics; four times the largest cluster."""

MOST_OTHERS = 4_000
MOST_WARNINGS = 4_000
MOST_BYTES = 64 << 20


class Inbox:
    """The queue between the link and whoever decodes, on one loop."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._facts: OrderedDict[str, Incoming] = OrderedDict()
        self._others: deque[Incoming] = deque()
        self._warnings: deque[Incoming] = deque()
        self._bytes = 0
        self._rung = asyncio.Event()
        self.lost = 0
        """Messages that were given up because too many waited."""

    def __len__(self) -> int:
        return len(self._facts) + len(self._others) + len(self._warnings)

    @property
    def size_bytes(self) -> int:
        """Payloads that wait."""
        return self._bytes

    @property
    def has_facts(self) -> bool:
        """Whether facts of nodes wait."""
        return bool(self._facts)

    def put(self, incoming: Incoming) -> None:
        """Keep a message, or count it as lost; never waits."""
        if self._bytes + len(incoming.payload) > self._most_bytes:
            self.lost += 1
            return
        if incoming.topic.endswith("/facts"):
            is_kept = self._put_facts(incoming)
        elif "/warnings/" in incoming.topic:
            is_kept = _put(self._warnings, incoming, MOST_WARNINGS)
        else:
            is_kept = _put(self._others, incoming, MOST_OTHERS)
        if is_kept:
            self._bytes += len(incoming.payload)
            self._rung.set()
        else:
            self.lost += 1

    def _put_facts(self, incoming: Incoming) -> bool:
        before = self._facts.get(incoming.topic)
        if before is None and len(self._facts) >= MOST_FACTS:
            return False
        if before is not None:
            self._bytes -= len(before.payload)
            overtaken = before.overtaken + (not before.is_retained)
            incoming = replace(incoming, overtaken=overtaken)
        # It keeps its place: a node that talks a lot does not wait for ever.
        self._facts[incoming.topic] = incoming
        return True

    def take(self) -> Incoming | None:
        """Return the next message; None while there is none."""
        if self._others:
            incoming = self._others.popleft()
        elif self._facts:
            _, incoming = self._facts.popitem(last=False)
        elif self._warnings:
            incoming = self._warnings.popleft()
        else:
            return None
        self._bytes -= len(incoming.payload)
        return incoming

    def ring(self) -> None:
        """Wake whoever waits: there is something else to do."""
        self._rung.set()

    async def wait(self) -> None:
        """Wait until something came, or somebody rang."""
        await self._rung.wait()
        self._rung.clear()

    def forget(self) -> None:
        """Throw away the facts and warnings that wait: they are of another cluster."""
        for waiting in (*self._facts.values(), *self._warnings):
            self._bytes -= len(waiting.payload)
        self._facts.clear()
        self._warnings.clear()


def _put(queue: deque[Incoming], incoming: Incoming, most: int) -> bool:
    if len(queue) >= most:
        return False
    queue.append(incoming)
    return True
