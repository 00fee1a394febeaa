"""Publish what one collector knows of its share of the nodes, as it changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from tui.bus.publishing.findings_parts import by_our_clock
from tui.bus.publishing.findings_publishing import FindingsPublishing
from tui.bus.publishing.node_publishing import NodePublishing
from tui.bus.publishing.postbox import Clock, Postbox
from tui.bus.publishing.room import RoomBook
from tui.bus.publishing.tee import LogTee
from tui.bus.publishing.warnings_publishing import WarningsPublishing
from tui.bus.receiving.letter_clocks import LetterClocks
from tui.bus.sharing.membership import Membership
from tui.bus.sharing.presence import Identity, farewell_of, presence_of
from tui.bus.wire.encoding import Decoder, RejectedError
from tui.bus.wire.keeping import KEPT_SECONDS
from tui.bus.wire.messages import (
    AuditMessage,
    ClusterMessage,
    FindingsMessage,
    Letter,
    PresenceMessage,
    RoomMessage,
)
from tui.bus.wire.post import Incoming, LinkKind, Outgoing, Sends
from tui.bus.wire.topics import TopicKind, parse_topic
from tui.model.cluster import ClusterFacts
from tui.model.snapshot import Snapshot, SourceState

LOG = logging.getLogger("tui.bus.publishing.publisher")

CLUSTER_SECONDS = 5.0
"""Between two messages about the cluster as a whole."""

CLUSTER_SHARE = 0.02
"""Of a core, at most, goes into such messages: those of large clusters take long to make."""

ROOM_SECONDS = 2.0

CLUSTER_RENEWAL_SECONDS = KEPT_SECONDS[TopicKind.CLUSTER] / 3
ROOM_RENEWAL_SECONDS = KEPT_SECONDS[TopicKind.ROOM] / 3
"""What did not change is sent again before the broker forgets it."""

PRESENCE_SHARE = 0.95
"""Of the interval that it promises, after which a collector is heard again."""

LEAD_SECONDS = 2.0
"""A new leader first hears what the broker kept of the parts and of the room."""

REJECTIONS_LOGGED_SECONDS = 1.0


class Publisher:
    """Reads snapshots and sends what changed; on one loop, never waits.

    `tick` is called each second, then `work` until it says that nothing is left. While the link is
    down nothing is made: what is missed is sent when it is up again.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it reads, where it writes, and as whom
        self,
        sends: Sends,
        cluster: str,
        identity: Identity,
        membership: Membership,
        look: Callable[[], Snapshot],
        tee: LogTee,
        clock: Clock,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._sends = sends
        self._identity = identity
        self._membership = membership
        self._look = look
        self._tee = tee
        self._clock = clock
        self._stopwatch = stopwatch
        self._decoder = Decoder()
        self._clocks = LetterClocks()
        self.postbox = Postbox(sends, cluster, identity.id, identity.run, clock)
        self.nodes = NodePublishing(self.postbox, membership, clock, stopwatch)
        self._warnings = WarningsPublishing(self.postbox, self.nodes)
        self.findings = FindingsPublishing(self.postbox, self.nodes, clock, identity.id)
        self.room = RoomBook()
        self._snapshot = Snapshot()
        self._was_up = False
        self._presence_at: float | None = None
        self._told_source: SourceState | None = None
        self._leads_since: float | None = None
        self._cluster_facts: ClusterFacts | None = None
        self._cluster_at = float("-inf")
        self._cluster_cost = 0.0
        self._room_version = 0
        self._room_at = float("-inf")
        self._rejection_logged_at = float("-inf")
        self.cluster_uid = ""
        """Of the Namespace kube-system; empty where it can't be read."""
        self.rejected = 0
        """Messages that were not what they have to be, and were thrown away."""

    @property
    def is_leading(self) -> bool:
        """Whether this collector tells what belongs to the whole cluster."""
        return self._leads_since is not None

    @property
    def leads_since(self) -> float | None:
        """When it began to tell that, by the monotonic clock: from then on it hears the parts."""
        return self._leads_since

    @property
    def dropped(self) -> Mapping[str, int]:
        """What was given up since the start: messages by kind, and lines of logs."""
        lines = self._tee.dropped_lines + self._warnings.dropped_lines
        counted = dict(self._sends.counts.dropped)
        return {**counted, "log-lines": lines} if lines else counted

    def tick(self) -> None:
        """Find out what is due; to be called each second."""
        is_up = self._sends.state.kind is LinkKind.UP
        if is_up and not self._was_up:
            self._send_again()
        self._was_up = is_up
        self._note_lead()
        if not is_up:
            return
        if not self._membership.is_settled or self._membership.standby_reason:
            self._tee.take()
            return
        self._snapshot = snapshot = self._look()
        self._warnings.add(self._tee.take())
        self.nodes.begin(snapshot)

    def work(self, budget_seconds: float) -> bool:
        """Send what is due for so long; return whether something is left."""
        ends_at = self._stopwatch() + budget_seconds
        if self.nodes.work(ends_at):
            return True
        while self._warnings.send_next(self._snapshot):
            if self._stopwatch() >= ends_at:
                return True
        return False

    def tell_the_rest(self) -> None:
        """Send what is not of single nodes; each second, once no work is left."""
        is_idle = not self._was_up or not self._membership.is_settled
        if is_idle or self._membership.standby_reason:
            return
        snapshot = self._snapshot
        self.findings.tell_part(snapshot)
        if self._leads_since is None:
            return
        if self._clock.monotonic() - self._leads_since < LEAD_SECONDS:
            return
        sweep = snapshot.health.sweep_interval_seconds or 0.0
        self.findings.tell_whole(self._membership.present, sweep)
        self._tell_cluster(snapshot.cluster)
        self._tell_room()

    def tell_presence(self) -> None:
        """Say that this collector is there, where it is time for it; several times an interval."""
        if self._sends.state.kind is not LinkKind.UP or self._membership.standby_reason:
            return
        now = self._clock.monotonic()
        snapshot = self._look()
        is_due = (
            self._presence_at is None
            or self._membership.owes_presence
            or now - self._presence_at >= PRESENCE_SHARE * self._identity.interval_seconds
            or snapshot.health.state is not self._told_source
        )
        if not is_due:
            return
        counts = self._sends.counts
        message = presence_of(
            self._identity, snapshot, self.nodes.node_count, counts, self.dropped, self.rejected
        )
        self.postbox.post(message, TopicKind.PRESENCE, self._identity.id)
        self._membership.announced(message)
        self._presence_at = now
        self._told_source = snapshot.health.state

    def heard(self, incoming: Incoming) -> None:
        """Take in a message of the topics that it reads; what is wrong with it is counted."""
        try:
            topic = parse_topic(incoming.topic)
            if not incoming.payload:
                self._heard_cleared(topic.kind, topic.name, is_retained=incoming.is_retained)
                return
            letter = self._decoder.decode(incoming)
        except (RejectedError, ValueError) as error:
            self._reject(incoming.topic, error)
            return
        shift = self._clocks.shift(letter, incoming, self._clock.time(), self._clock.monotonic())
        if topic.kind is TopicKind.PRESENCE and isinstance(letter.message, PresenceMessage):
            self._membership.heard(topic.name, letter, is_retained=incoming.is_retained)
        else:
            self._heard_letter(topic.name, letter, shift)

    def farewell(self) -> list[Outgoing]:
        """Return the last messages: presence and part are cleared, and what nobody else renews.

        The presence GONE comes before its topic is cleared, for those who listen now.
        """
        box, own = self.postbox, self._identity.id
        if self._membership.standby_reason:
            return []
        last = [box.made(farewell_of(self._identity), TopicKind.PRESENCE, own)]
        last += [box.cleared(TopicKind.PART, own), box.cleared(TopicKind.PRESENCE, own)]
        if self._membership.is_settled and self._membership.present == {own}:
            last += [box.cleared(TopicKind.FACTS, name, qos=0) for name in self.nodes.names]
            kinds = (TopicKind.CLUSTER, TopicKind.FINDINGS, TopicKind.ROOM)
            last += [box.cleared(kind) for kind in kinds]
        return last

    def _send_again(self) -> None:
        """Send all that is retained anew: a broker that was restarted may have forgotten it."""
        self.nodes.send_again()
        self.findings.send_again()
        self._presence_at = None
        self._cluster_facts = None
        self._room_version = 0

    def _note_lead(self) -> None:
        if not self._membership.is_leader:
            if self._leads_since is not None:
                self._leads_since = None
                self.findings.forget_others()
        elif self._leads_since is None:
            self._leads_since = self._clock.monotonic()
            # What the leader before has told last is not known.
            self.findings.send_again()
            self._cluster_facts = None
            self._room_version = 0

    def _tell_cluster(self, facts: ClusterFacts) -> None:
        now = self._clock.monotonic()
        spacing = max(CLUSTER_SECONDS, self._cluster_cost / CLUSTER_SHARE)
        if facts is self._cluster_facts:
            spacing = CLUSTER_RENEWAL_SECONDS
        if now - self._cluster_at < spacing:
            return
        began_at = self._stopwatch()
        self.postbox.post(ClusterMessage(facts, self.cluster_uid), TopicKind.CLUSTER)
        self._cluster_cost = self._stopwatch() - began_at
        self._cluster_facts, self._cluster_at = facts, now

    def _tell_room(self) -> None:
        self.room.compare(self.findings.parts, self._clock.time())
        now = self._clock.monotonic()
        is_known = self.room.version == self._room_version
        if not self.room.version:
            return
        if now - self._room_at < (ROOM_RENEWAL_SECONDS if is_known else ROOM_SECONDS):
            return
        self.postbox.post(self.room.message(), TopicKind.ROOM)
        self._room_version, self._room_at = self.room.version, now

    def _heard_cleared(self, kind: TopicKind, name: str, *, is_retained: bool) -> None:
        if kind is TopicKind.PRESENCE:
            self._membership.heard(name, None, is_retained=is_retained)
        elif kind is TopicKind.PART:
            self.findings.heard(name, None)

    def _heard_letter(self, name: str, letter: Letter, shift: float) -> None:
        is_own = letter.envelope.run == self._identity.run
        match letter.message:
            case FindingsMessage() if name and self.is_leading:
                self.findings.heard(name, by_our_clock(letter.message, shift))
            case RoomMessage() if not is_own:
                self.room.heard(letter.message, shift)
            case AuditMessage():
                self.room.add_records(letter.message.records, shift)
            case _:
                pass

    def _reject(self, topic: str, error: Exception) -> None:
        self.rejected += 1
        now = self._clock.monotonic()
        if now - self._rejection_logged_at >= REJECTIONS_LOGGED_SECONDS:
            self._rejection_logged_at = now
            LOG.warning("rejected a message of %r: %s", topic[:200], error)
