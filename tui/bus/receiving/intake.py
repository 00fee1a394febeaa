"""Turn the letters about one cluster into the facts that a live collection would yield."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tui.bus.receiving import shifting
from tui.bus.receiving.clocks import SenderClocks
from tui.bus.receiving.letter_clocks import LetterClocks, is_will
from tui.bus.receiving.losses import Losses, Step
from tui.bus.receiving.node_intake import NodeIntake
from tui.bus.receiving.presences import MOST_COLLECTORS, Presences
from tui.bus.receiving.retold import AuditBook
from tui.bus.wire.encoding import RejectedError
from tui.bus.wire.messages import (
    AuditMessage,
    ClusterMessage,
    FactsMessage,
    Letter,
    Message,
    PresenceMessage,
    RoomChange,
    RoomMessage,
    WarningsMessage,
)
from tui.bus.wire.post import Incoming
from tui.bus.wire.topics import Topic, TopicKind, parse_topic
from tui.model.findings import FindingChange
from tui.model.names import NodeUid
from tui.model.operations import AuditRecord
from tui.model.room import CollectorSeen
from tui.model.snapshot import AuditWritten, ChangesShared, ClusterSeen, Fact, Gap, GapChanged
from tui.safety import CleanText, clean

LOST_KEY = "mqtt-lost"
AGES_KEY = "mqtt-ages"

MOST_CHANGES = 1_000
"""Changes of findings that are known again; a room holds a fifth of them."""

LOST_SECONDS = 60.0
"""The gap of lost messages closes when none was lost for so long."""


class Intake:
    """What is known of the senders of one cluster, and what their letters mean.

    Args:
        cluster: the cluster's name, as in the topics.
        clocks: shared by the intakes of several clusters, where there are.
    """

    def __init__(self, cluster: str, clocks: SenderClocks | None = None) -> None:
        self.cluster = cluster
        self._letter_clocks = LetterClocks(clocks)
        self._clocks = self._letter_clocks.collectors
        self._losses = Losses()
        self._lost_gap = _LostGap()
        self._nodes = NodeIntake()
        self._presences = Presences()
        self._audit = AuditBook()
        self._changes_told: dict[str, None] = {}
        self._unaged: set[str] = set()
        self._unaged_told = 0
        self._collectors: tuple[CollectorSeen, ...] = ()
        self._heard_at: float | None = None

    def facts_of(
        self, letter: Letter, incoming: Incoming, now_wall: float, now_mono: float
    ) -> list[Fact]:
        """Return what a letter says; empty for one that says nothing new.

        `FindingsMessage` letters yield no facts: they are for the overview of clusters.

        Raises:
            RejectedError: it contradicts what is known, such as a node UID under two names.
        """
        envelope, message = letter.envelope, letter.message
        topic = parse_topic(incoming.topic)
        if topic.kind is TopicKind.PRESENCE:
            self._refuse(envelope.sender)
        step = Step()
        if not is_will(message):
            step = self._losses.step(incoming.topic, envelope, is_retained=incoming.is_retained)
        if step.is_old:
            return []
        if step.lost and incoming.overtaken:
            step = replace(step, lost=max(0, step.lost - incoming.overtaken))
        if not incoming.is_retained:
            self._heard_at = now_wall
        shift = self._letter_clocks.shift(letter, incoming, now_wall, now_mono)
        match message:
            case FactsMessage():
                changed = self._nodes.facts(topic.name, message, shift, now_mono)
                self._note_age(topic.name, letter, incoming, now_mono)
            case WarningsMessage():
                lost = _lost_lines(envelope.sender, step)
                changed = self._nodes.warnings(topic.name, message, step, lost)
            case PresenceMessage():
                heard_at = None if incoming.is_retained else now_wall
                came_at = incoming.received_at
                changed = self._presences.heard(envelope, message, shift, came_at, heard_at)
                self._see(now_wall, now_mono)
                return changed
            case _:
                return self._told(message, shift)
        return changed + self._note_loss(envelope.sender, step, now_wall, now_mono)

    def cleared(self, topic: Topic, now_wall: float, now_mono: float) -> list[Fact]:
        """Return what an empty payload says: a collector is gone; of a node, nothing."""
        if topic.kind is not TopicKind.PRESENCE:
            return []
        changed = self._presences.gone(clean(topic.name), now_mono)
        self._see(now_wall, now_mono)
        return changed

    def tick(self, now_wall: float, now_mono: float) -> list[Fact]:
        """Return what the passing of time changed; call it about once a second."""
        changed = self._presences.tick(now_mono)
        self._nodes.tick(now_mono)
        self._see(now_wall, now_mono)
        changed += self._lost_gap.tick(now_mono)
        if len(self._unaged) != self._unaged_told:
            self._unaged_told = len(self._unaged)
            changed.append(GapChanged(AGES_KEY, _ages_gap(len(self._unaged), now_wall)))
        return changed

    def forget(self, uids: Iterable[NodeUid]) -> None:
        """Forget nodes that nobody told of for long."""
        self._nodes.forget(uids)

    def collectors(self) -> tuple[CollectorSeen, ...]:
        """Return the collectors by id, as of the last letter or tick; the same tuple if equal."""
        return self._collectors

    def note_own(self, record: AuditRecord) -> None:
        """Remember a record of this machine: it will come back from the broker."""
        self._audit.is_new(record)

    @property
    def lost(self) -> int:
        """Messages that never arrived, as jumps of sequence numbers prove."""
        return self._losses.total

    @property
    def heard_at(self) -> float | None:
        """When a letter came last that the broker had not kept, by our wall clock."""
        return self._heard_at

    def _refuse(self, sender: CleanText) -> None:
        if self._presences.is_full and sender not in self._presences:
            raise RejectedError(f"more than {MOST_COLLECTORS} collectors")

    def _note_age(self, name: str, letter: Letter, incoming: Incoming, now_mono: float) -> None:
        held = self._clocks.held(letter.envelope, incoming, now_mono)
        if held.is_known or (isinstance(letter.message, FactsMessage) and not letter.message.facts):
            self._unaged.discard(name)
        else:
            self._unaged.add(name)

    def _note_loss(
        self, sender: CleanText, step: Step, now_wall: float, now_mono: float
    ) -> list[Fact]:
        if not step.lost:
            return []
        self._losses.count(sender, step.lost)
        return self._lost_gap.grow(sender, step.lost, now_wall, now_mono)

    def _see(self, now_wall: float, now_mono: float) -> None:
        seen = self._presences.seen(self._clocks, self._losses.by_sender, now_wall, now_mono)
        if seen != self._collectors:
            self._collectors = seen

    def _told(self, message: Message, shift: float) -> list[Fact]:
        """Return what a message about the cluster as a whole says."""
        match message:
            case ClusterMessage():
                return [ClusterSeen(shifting.cluster_facts(message.facts, shift))]
            case AuditMessage():
                return self._audited(message.records, shift)
            case RoomMessage():
                changes = tuple(_shared(one, shift) for one in self._untold(message.changes))
                shared: list[Fact] = [ChangesShared(changes)] if changes else []
                return shared + self._audited(message.records, shift)
            case _:
                return []

    def _untold(self, changes: tuple[RoomChange, ...]) -> list[RoomChange]:
        """Return those that did not come before, whichever leader tells them by whatever clock."""
        told = self._changes_told
        new = [one for one in changes if one.id not in told]
        told.update((one.id, None) for one in new if one.id)
        for id_ in list(told)[:-MOST_CHANGES]:
            del told[id_]
        return new

    def _audited(self, records: tuple[AuditRecord, ...], shift: float) -> list[Fact]:
        moved = (replace(record, at=max(0.0, record.at + shift)) for record in records)
        return [AuditWritten(record) for record in moved if self._audit.is_new(record)]


class _LostGap:
    """The gap that tells of lost messages, while some are lost."""

    def __init__(self) -> None:
        self._lost: dict[CleanText, int] = {}
        self._since = 0.0
        self._until = 0.0

    def grow(self, sender: CleanText, lost: int, now_wall: float, now_mono: float) -> list[Fact]:
        """Count a loss; return the gap."""
        if not self._lost:
            self._since = now_wall
        self._lost[sender] = self._lost.get(sender, 0) + lost
        self._until = now_mono + LOST_SECONDS
        told = ", ".join(f"{count:,} of {one}" for one, count in sorted(self._lost.items())[:8])
        reason = clean(f"{told} never came; node facts are whole again with the next message")
        return [GapChanged(LOST_KEY, Gap(clean("messages of collectors"), reason, self._since))]

    def tick(self, now_mono: float) -> list[Fact]:
        """Return the end of the gap, once nothing was lost for a while."""
        if not self._lost or now_mono < self._until:
            return []
        self._lost = {}
        return [GapChanged(LOST_KEY, None)]


def _lost_lines(sender: CleanText, step: Step) -> CleanText:
    if not step.lost:
        return CleanText("")
    return clean(f"{step.lost:,} message{'s' * (step.lost > 1)} of collector {sender} never came")


def _ages_gap(nodes: int, now_wall: float) -> Gap | None:
    if not nodes:
        return None
    reason = "the broker does not tell how long it kept them: they may be older than shown"
    return Gap(clean(f"ages of {nodes:,} node{'s' * (nodes > 1)}"), clean(reason), now_wall)


def _shared(told: RoomChange, shift: float) -> FindingChange:
    change = told.change
    return replace(change, at=max(0.0, change.at + shift), by=change.by or told.by)
