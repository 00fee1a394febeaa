"""Send the facts of this collector's nodes: who is due, and a little at a time.

A pass looks at every node once. It is a generator, so that the loop it runs on is never held for
longer than a slice, however many nodes there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tui.bus.publishing.node_messages import Trouble, facts_message, has_answer, trouble
from tui.bus.publishing.postbox import Clock, Postbox
from tui.bus.sharing.membership import Membership, Share
from tui.bus.wire.keeping import KEPT_SECONDS
from tui.bus.wire.messages import FactsMessage
from tui.bus.wire.topics import TopicKind
from tui.model.names import NodeName, NodeUid
from tui.model.snapshot import NodeFacts, Snapshot

LEAST_TICK_SECONDS = 2.0
"""A node is not sent more often, unless its trouble changed."""

NEW_ANSWER_SHARE = 0.5
"""An answer that is newer by so much of a sweep than the one that was sent does not wait for the
tick: sweeps are jittered, and with 5,000 nodes half of all answers waited for more than 30 s."""

RENEWAL_SECONDS = KEPT_SECONDS[TopicKind.FACTS] / 3
"""A node of which nothing changes, such as one without an agent, is sent again: the broker forgets
what is not renewed, and then so does everybody else."""

LOOKED_AT_ONCE = 64
"""Nodes looked at between two looks at the time."""

GONE_SECONDS = 3.0
"""A node that is not seen for so long, with the same share, left the cluster: one that moves away
and back is not seen for a moment, too."""

FIRST_SECONDS = 20.0
"""The first message of a node waits so long for parts that take another exec: it replaces what a
collector before this one knew."""

MOVE_SLACK_SECONDS = 1.0
"""A share is noticed at the next tick: an answer may be so much older."""


@dataclass(slots=True)
class _Sent:
    """What was sent of a node last."""

    name: NodeName
    facts: NodeFacts | None
    """None where it has to be sent again in any case."""
    at: float
    """By the monotonic clock."""
    trouble: Trouble


class NodePublishing:
    """Sends the facts of the share's nodes, each whole, as they change."""

    def __init__(
        self,
        postbox: Postbox,
        membership: Membership,
        clock: Clock,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._postbox = postbox
        self._membership = membership
        self._clock = clock
        self._stopwatch = stopwatch
        self._share: Share | None = None
        """Of the last whole pass."""
        self._is_ours: dict[NodeUid, bool] = {}
        self._sent: dict[NodeUid, _Sent] = {}
        self._since: dict[NodeUid, float | None] = {}
        """When a node that was another's became ours, seconds since the epoch."""
        self._first_at: dict[NodeUid, float] = {}
        """When a node that was not sent yet was seen first."""
        self._unseen_since: dict[NodeUid, float] = {}
        self._pass: Iterator[None] | None = None
        self.node_count = 0
        """Nodes of the share, as of the last whole pass."""
        self.messages = 0
        self.payload_bytes = 0
        self.spent_seconds = 0.0
        """CPU time that the passes took, for the metrics."""

    @property
    def names(self) -> list[NodeName]:
        """Nodes of which the broker keeps what this collector sent."""
        return [sent.name for sent in self._sent.values()]

    def owns(self, facts: NodeFacts) -> bool:
        """Whether a node is of the share, as this collector last looked."""
        known = self._is_ours.get(facts.node.uid)
        return self._membership.owns(facts.node.name) if known is None else known

    def send_again(self) -> None:
        """Send every node anew at its next turn: the broker may have forgotten all of them."""
        for sent in self._sent.values():
            sent.facts = None

    def begin(self, snapshot: Snapshot) -> None:
        """Begin a pass over a snapshot, unless one is under way."""
        if self._pass is None:
            self._pass = self._look(snapshot, self._membership.share)

    def work(self, ends_at: float) -> bool:
        """Go on with the pass until then, by the stopwatch; return whether it is unfinished."""
        began_at = time.thread_time()
        while self._pass is not None and self._stopwatch() < ends_at:
            if next(self._pass, _END) is _END:
                self._pass = None
        self.spent_seconds += time.thread_time() - began_at
        return self._pass is not None

    def _look(self, snapshot: Snapshot, share: Share) -> Iterator[None]:
        tick = max(LEAST_TICK_SECONDS, snapshot.health.sweep_interval_seconds or 0.0)
        known = self._is_ours if share is self._share else {}
        count = 0
        for number, (uid, facts) in enumerate(snapshot.nodes.items()):
            is_ours = known.get(uid)
            if is_ours is None:
                is_ours = share(facts.node.name)
            count += is_ours
            if self._note_owner(uid, is_ours) and self._is_due(uid, facts, snapshot, tick):
                self._send(uid, facts, snapshot)
                yield
            elif not number % LOOKED_AT_ONCE:
                yield
        for uid in self._is_ours.keys() - snapshot.nodes.keys():
            del self._is_ours[uid]
            self._since.pop(uid, None)
            self._first_at.pop(uid, None)
        if snapshot.is_complete:
            yield from self._look_for_gone(snapshot, share)
        self.node_count = count
        self._share = share

    def _note_owner(self, uid: NodeUid, is_ours: bool) -> bool:
        before = self._is_ours.get(uid)
        if before is not is_ours:
            self._is_ours[uid] = is_ours
            if is_ours:
                moved_at = self._clock.time() - MOVE_SLACK_SECONDS
                self._since[uid] = None if before is None else moved_at
            else:
                # Another sends it from now on; what the broker keeps is that one's to renew.
                self._sent.pop(uid, None)
                self._since.pop(uid, None)
                self._first_at.pop(uid, None)
        return is_ours

    def _is_due(self, uid: NodeUid, facts: NodeFacts, snapshot: Snapshot, tick: float) -> bool:
        sent = self._sent.get(uid)
        if sent is None:
            if not snapshot.is_complete:
                # Without the list of pods every node seems to have no agent.
                return False
            since = self._since.get(uid)
            waits = self._clock.monotonic() - self._first_at.setdefault(
                uid, self._clock.monotonic()
            )
            return has_answer(facts, since, is_last=waits >= FIRST_SECONDS)
        passed = self._clock.monotonic() - sent.at
        if sent.facts is facts:
            return passed >= RENEWAL_SECONDS
        if passed >= tick:
            return True
        if passed >= LEAST_TICK_SECONDS and _newer_by(facts, sent.facts) >= NEW_ANSWER_SHARE * tick:
            return True
        return trouble(facts, snapshot.verdicts.get(uid, ())) != sent.trouble

    def _send(self, uid: NodeUid, facts: NodeFacts, snapshot: Snapshot) -> None:
        name = facts.node.name
        self.payload_bytes += self._postbox.post(facts_message(facts), TopicKind.FACTS, name)
        self.messages += 1
        urgency = trouble(facts, snapshot.verdicts.get(uid, ()))
        self._first_at.pop(uid, None)
        self._sent[uid] = _Sent(name, facts, self._clock.monotonic(), urgency)

    def _look_for_gone(self, snapshot: Snapshot, share: Share) -> Iterator[None]:
        unseen = self._sent.keys() - snapshot.nodes.keys()
        if not unseen or share is not self._share:
            self._unseen_since.clear()
            return
        known = {facts.node.name for facts in snapshot.nodes.values()}
        now = self._clock.monotonic()
        for uid in unseen:
            name = self._sent[uid].name
            if not share(name) or name in known:
                # It is another collector's, or has a successor of the same name.
                del self._sent[uid]
            elif now - self._unseen_since.setdefault(uid, now) >= GONE_SECONDS:
                del self._sent[uid]
                self._postbox.tell_gone(FactsMessage(None), TopicKind.FACTS, name)
            yield
        for uid in self._unseen_since.keys() - (unseen & self._sent.keys()):
            del self._unseen_since[uid]


def _newer_by(facts: NodeFacts, sent: NodeFacts | None) -> float:
    """Return how much later a node has answered than when it was sent last."""
    if facts.swept_at is None or sent is None or sent.swept_at is None:
        return 0.0
    return facts.swept_at - sent.swept_at


_END = object()
