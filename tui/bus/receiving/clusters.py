"""All clusters of a broker: who reads each, what is wrong there, and its latest letters.

A cluster that is not shown costs its presence, findings and room only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from tui.bus.receiving.chooser import MOST_CLUSTERS, Standing
from tui.bus.receiving.clocks import SenderClocks
from tui.bus.receiving.intake import Intake
from tui.bus.sharing.membership import MOST_PEERS
from tui.bus.wire.encoding import RejectedError
from tui.bus.wire.messages import FindingsMessage, Letter, PresenceMessage, RoomMessage
from tui.bus.wire.post import Incoming
from tui.bus.wire.topics import Topic, TopicKind, parse_topic
from tui.model.findings import Finding, FindingSeverity
from tui.model.operations import AuditRecord
from tui.model.room import ClusterSummary, CollectorSeen, Presence
from tui.model.snapshot import AuditWritten, Fact
from tui.safety import CleanText, clean

RECORDS_KEPT = 1_000
WORST_SHOWN = 3
NODES_SHOWN = 2

_HARM = (FindingSeverity.ACTIVE, FindingSeverity.ARMED)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A letter, kept to be read once more when its cluster is chosen."""

    letter: Letter
    incoming: Incoming


@dataclass(frozen=True, slots=True)
class _Told:
    """What the overview needs of a cluster's findings: all of them would fill the memory."""

    counts: Mapping[FindingSeverity, int] = field(default_factory=dict)
    nodes_total: int = 0
    worst: tuple[CleanText, ...] = ()


@dataclass(slots=True)
class ClusterRecord:
    """What is known of one cluster."""

    name: CleanText
    clocks: SenderClocks
    intake: Intake
    presences: dict[str, PresenceMessage] = field(default_factory=dict)
    """The last word of each collector, by its id."""
    findings: _Told = field(default_factory=_Told)
    _presence_letters: dict[str, _Kept] = field(default_factory=dict)
    _room_letter: _Kept | None = None
    _records: deque[AuditRecord] = field(default_factory=lambda: deque(maxlen=RECORDS_KEPT))

    def read(
        self, letter: Letter, incoming: Incoming, now_wall: float, now_mono: float
    ) -> list[Fact]:
        """Return what a letter says of this cluster.

        Raises:
            RejectedError: it contradicts what is known.
        """
        facts = self.intake.facts_of(letter, incoming, now_wall, now_mono)
        self._records += [fact.record for fact in facts if isinstance(fact, AuditWritten)]
        match letter.message:
            case PresenceMessage() as presence:
                self._keep_presence(parse_topic(incoming.topic).name, presence, letter, incoming)
            case FindingsMessage() as findings if incoming.topic.endswith("/findings"):
                self.findings = _told(findings)
            case RoomMessage():
                self._room_letter = _Kept(letter, incoming)
        return facts

    def _keep_presence(
        self, id_: str, presence: PresenceMessage, letter: Letter, incoming: Incoming
    ) -> None:
        if id_ not in self.presences and len(self.presences) >= MOST_PEERS:
            self._forget_departed()
        if id_ in self.presences or len(self.presences) < MOST_PEERS:
            self.presences[id_] = presence
            self._presence_letters[id_] = _Kept(letter, incoming)

    def _forget_departed(self) -> None:
        """Forget the last words of collectors that are no longer shown."""
        shown = {one.id for one in self.collectors}
        for id_ in [one for one in self.presences if clean(one) not in shown]:
            del self.presences[id_], self._presence_letters[id_]

    def cleared(self, topic: Topic, now_wall: float, now_mono: float) -> list[Fact]:
        """Return what an empty payload says."""
        if topic.kind is TopicKind.PRESENCE:
            self.presences.pop(topic.name, None)
            self._presence_letters.pop(topic.name, None)
        elif topic.kind is TopicKind.FINDINGS:
            self.findings = _Told()
        return self.intake.cleared(topic, now_wall, now_mono)

    def renew(self, now_wall: float, now_mono: float) -> Iterator[Fact]:
        """Forget all nodes, and yield once more what the last letters say of all else."""
        self.intake = Intake(self.name, self.clocks)
        for record in self._records:
            self.intake.note_own(record)
        kept = [*self._presence_letters.values(), self._room_letter]
        for one in kept:
            if one is not None:
                with suppress(RejectedError):
                    yield from self.intake.facts_of(one.letter, one.incoming, now_wall, now_mono)

    def note_own(self, record: AuditRecord) -> None:
        """Remember a record of this machine: it will come back from the broker."""
        self._records.append(record)
        self.intake.note_own(record)

    @property
    def collectors(self) -> tuple[CollectorSeen, ...]:
        """The collectors by id."""
        return self.intake.collectors()

    @property
    def present(self) -> tuple[PresenceMessage, ...]:
        """The last words of the collectors that are there."""
        ids = (one.id for one in self.collectors if one.presence is Presence.PRESENT)
        return tuple(self.presences[id_] for id_ in ids if id_ in self.presences)

    @property
    def are_all_present(self) -> bool:
        """Whether every collector that is known is there."""
        return all(one.presence is Presence.PRESENT for one in self.collectors)

    @property
    def standing(self) -> Standing:
        """How urgent it is."""
        counts = self.findings.counts
        return Standing(bool(self.present), *(counts.get(severity, 0) for severity in _HARM))

    def summary(self, chosen: str) -> ClusterSummary:
        """Return it as one row of the overview."""
        told = [one.nodes_total for one in self.presences.values()]
        return ClusterSummary(
            name=self.name,
            nodes=max([*told, self.findings.nodes_total]),
            collectors=self.collectors,
            findings=self.findings.counts,
            worst=self.findings.worst,
            heard_at=self.intake.heard_at,
            is_chosen=self.name == chosen,
        )


class Clusters:
    """Every cluster that was heard of, by name; bounded."""

    def __init__(self) -> None:
        self._clocks = SenderClocks()
        self._records: dict[str, ClusterRecord] = {}

    def get(self, name: str) -> ClusterRecord | None:
        """Return what is known of a cluster; None for one that was never heard of."""
        return self._records.get(name)

    def record_of(self, name: CleanText) -> ClusterRecord | None:
        """Return a cluster's record, new where there is none; None where there are too many."""
        record = self._records.get(name)
        if record is None and len(self._records) < MOST_CLUSTERS:
            record = ClusterRecord(name, self._clocks, Intake(name, self._clocks))
            self._records[name] = record
        return record

    def __iter__(self) -> Iterator[ClusterRecord]:
        return iter(self._records.values())

    def standings(self) -> dict[str, Standing]:
        """Return how urgent each is, of those that anything is known of."""
        return {
            name: record.standing
            for name, record in self._records.items()
            if record.collectors or record.findings.counts
        }

    def summaries(self, chosen: str) -> tuple[ClusterSummary, ...]:
        """Return all of them by name."""
        return tuple(record.summary(chosen) for _, record in sorted(self._records.items()))


def _told(message: FindingsMessage) -> _Told:
    words = {severity.value: severity for severity in FindingSeverity}
    counts = {words[word]: count for word, count in message.counts.items() if word in words}
    return _Told(counts, message.nodes_total, tuple(_worst(message.findings)))


def _worst(findings: Iterable[Finding]) -> Iterator[CleanText]:
    harmful = sorted((one for one in findings if one.severity in _HARM), key=lambda one: one.order)
    for finding in harmful[:WORST_SHOWN]:
        names = ", ".join(finding.node_names[:NODES_SHOWN])
        more = len(finding.nodes) - NODES_SHOWN
        where = f" ({names}{f' +{more}' if more > 0 else ''})" if names else ""
        yield clean(f"{finding.title}{where}")
