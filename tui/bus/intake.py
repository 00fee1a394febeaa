"""Turn the letters about one cluster into the facts that a live collection would yield."""

from __future__ import annotations

from tui.bus.clocks import SenderClocks
from tui.bus.messages import Letter
from tui.bus.post import Incoming
from tui.bus.topics import Topic
from tui.model.operations import AuditRecord
from tui.model.room import CollectorSeen
from tui.model.snapshot import Fact


class Intake:
    """What is known of the senders of one cluster, and what their letters mean.

    Args:
        cluster: the cluster's name, as in the topics.
        clocks: shared by the intakes of several clusters, where there are.
    """

    def __init__(self, cluster: str, clocks: SenderClocks | None = None) -> None:
        self.cluster = cluster
        self._clocks = clocks or SenderClocks()

    def facts_of(
        self, letter: Letter, incoming: Incoming, now_wall: float, now_mono: float
    ) -> list[Fact]:
        """Return what a letter says; empty for one that says nothing new.

        `FindingsMessage` letters yield no facts: they are for the overview of clusters.

        Raises:
            RejectedError: it contradicts what is known, such as a node UID under two names.
        """
        raise NotImplementedError

    def cleared(self, topic: Topic, now_wall: float, now_mono: float) -> list[Fact]:
        """Return what an empty payload says: a collector is gone; of a node, nothing."""
        raise NotImplementedError

    def tick(self, now_wall: float, now_mono: float) -> list[Fact]:
        """Return what the passing of time changed; call it about once a second."""
        raise NotImplementedError

    def collectors(self) -> tuple[CollectorSeen, ...]:
        """Return the collectors by id, as of the last letter or tick; the same tuple if equal."""
        raise NotImplementedError

    def note_own(self, record: AuditRecord) -> None:
        """Remember a record of this machine: it will come back from the broker."""
        raise NotImplementedError

    @property
    def lost(self) -> int:
        """Messages that never arrived, as jumps of sequence numbers prove."""
        raise NotImplementedError

    @property
    def heard_at(self) -> float | None:
        """When a letter came last that the broker had not kept, by our wall clock."""
        raise NotImplementedError
