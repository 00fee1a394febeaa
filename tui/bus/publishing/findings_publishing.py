"""Send a collector's part of the findings, and, as the leader, those of the whole cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tui.bus.publishing.findings_parts import merged, part_of, severities, substance
from tui.bus.publishing.node_publishing import NodePublishing
from tui.bus.publishing.postbox import Clock, Postbox
from tui.bus.wire.messages import FindingsMessage
from tui.bus.wire.topics import TopicKind
from tui.model.findings import Finding, FindingSeverity
from tui.model.snapshot import Snapshot

SPACING_SECONDS = 5.0
"""Between two messages that tell of the same findings."""

CPU_SHARE = 0.02
"""Of a core, at most, goes into one topic's messages: those of many nodes take long to make."""

RENEWAL_SECONDS = 60.0
"""How often a message is sent of which only the proofs' age has changed."""

HANDOVER_SECONDS = 30.0
"""The part of a collector that left counts for so long, or two of its sweeps: its nodes are read by
others soon, and must not seem cured meanwhile."""


class _Paced:
    """One topic of findings: news at once, the rest at a pace."""

    def __init__(self, postbox: Postbox, clock: Clock, kind: TopicKind, name: str = "") -> None:
        self._postbox = postbox
        self._clock = clock
        self._kind = kind
        self._name = name
        self._cost = 0.0
        """CPU seconds that the last message took."""
        self._sent_at: float | None = None
        self._substance: tuple[object, ...] = ()
        self._severities: frozenset[str] = frozenset()

    def offer(self, message: FindingsMessage) -> None:
        """Send a message if it is time for it."""
        now = self._clock.monotonic()
        since = float("inf") if self._sent_at is None else now - self._sent_at
        found = severities(message)
        is_news = found != self._severities
        if since < (0.0 if is_news else SPACING_SECONDS) or since < self._cost / CPU_SHARE:
            return
        told = substance(message)
        if told == self._substance and since < RENEWAL_SECONDS:
            return
        began_at = time.thread_time()
        self._postbox.post(message, self._kind, self._name)
        self._cost = time.thread_time() - began_at
        self._sent_at, self._substance, self._severities = now, told, found

    def forget(self) -> None:
        """Send the next message in any case: the broker may have forgotten the last."""
        self._sent_at = None
        self._substance = ()


class FindingsPublishing:
    """The findings of this collector's share, and of all parts together."""

    def __init__(self, postbox: Postbox, nodes: NodePublishing, clock: Clock, own_id: str) -> None:
        self._nodes = nodes
        self._clock = clock
        self._own_id = own_id
        self._sender = postbox.sender
        self._part = _Paced(postbox, clock, TopicKind.PART, own_id)
        self._whole = _Paced(postbox, clock, TopicKind.FINDINGS)
        self._made_of: tuple[tuple[Finding, ...], int, int] | None = None
        self._made_keys: frozenset[str] | None = None
        self._made_at = 0.0
        self._making_cost = 0.0
        """CPU seconds that the own part took."""
        self._own = FindingsMessage(())
        self._others: dict[str, FindingsMessage] = {}
        self._left_at: dict[str, float] = {}
        self._merged: FindingsMessage | None = None

    @property
    def parts(self) -> dict[str, FindingsMessage]:
        """All parts that count now, this collector's among them, by collector."""
        return {**self._others, self._own_id: self._own}

    def heard(self, collector: str, part: FindingsMessage | None) -> None:
        """Take in another collector's part; None: it was cleared."""
        if collector == self._own_id:
            return
        if part is None:
            if collector in self._others:
                self._left_at.setdefault(collector, self._clock.monotonic())
            return
        self._others[collector] = part
        self._merged = None

    def forget_others(self) -> None:
        """Forget the others' parts: from here on nothing is heard of them."""
        self._others.clear()
        self._left_at.clear()
        self._merged = None

    def send_again(self) -> None:
        """Send everything anew: the broker may have forgotten it."""
        self._part.forget()
        self._whole.forget()

    def tell_part(self, snapshot: Snapshot) -> None:
        """Send this collector's part where it changed."""
        judged = sum(uid in snapshot.verdicts for uid in snapshot.nodes)
        total = max(snapshot.health.nodes_total, len(snapshot.nodes))
        made_of = (snapshot.findings, judged, total)
        known = self._made_of
        is_new = known is None or known[0] is not made_of[0] or known[1:] != made_of[1:]
        if is_new and self._may_make(snapshot.findings):
            began_at = time.thread_time()
            self._made_of = made_of
            owned = {uid for uid, facts in snapshot.nodes.items() if self._nodes.owns(facts)}
            self._own = part_of(snapshot.findings, owned.__contains__, judged, total, self._sender)
            self._merged = None
            self._making_cost = time.thread_time() - began_at
        self._part.offer(self._own)

    def _may_make(self, findings: Sequence[Finding]) -> bool:
        """Whether it is time to look through all nodes of all findings; for new ones always."""
        now = self._clock.monotonic()
        keys = frozenset(one.key for one in findings if one.severity is not FindingSeverity.CLEAR)
        if keys == self._made_keys and now - self._made_at < self._making_cost / CPU_SHARE:
            return False
        self._made_keys, self._made_at = keys, now
        return True

    def tell_whole(self, present: frozenset[str], sweep_seconds: float) -> None:
        """Send the findings of the whole cluster where they changed.

        Args:
            present: the collectors whose parts count.
            sweep_seconds: between two sweeps over all nodes.
        """
        self._drop_departed(present, max(HANDOVER_SECONDS, 2 * sweep_seconds))
        if self._merged is None:
            self._merged = merged(self.parts)
        self._whole.offer(self._merged)

    def _drop_departed(self, present: frozenset[str], handover_seconds: float) -> None:
        now = self._clock.monotonic()
        for collector in list(self._others):
            if collector in present:
                self._left_at.pop(collector, None)
            elif now - self._left_at.setdefault(collector, now) >= handover_seconds:
                del self._others[collector], self._left_at[collector]
                self._merged = None
