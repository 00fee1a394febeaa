"""Read what came, one message at a time: facts, or a counted rejection, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tui.bus.receiving.clusters import ClusterRecord, Clusters
from tui.bus.receiving.node_ages import NodeAges
from tui.bus.wire.encoding import Decoder, RejectedError
from tui.bus.wire.messages import FactsMessage, Letter
from tui.bus.wire.post import Incoming
from tui.bus.wire.topics import TopicKind, parse_topic
from tui.model.snapshot import AuditWritten, Fact
from tui.safety import clean

LOG = logging.getLogger("tui.bus.receiving.reading")

LOG_SECONDS = 1.0

_OF_ONE = (TopicKind.FACTS, TopicKind.CLUSTER, TopicKind.WARNINGS)


class Reader:
    """Decodes messages and asks their cluster's intake what they mean."""

    def __init__(
        self,
        clusters: Clusters,
        *,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._clusters = clusters
        self._decoder = Decoder()
        self._wall = wall
        self._monotonic = monotonic
        self._logged_at = float("-inf")
        self.chosen = ""
        """The cluster whose nodes are read; of the others only what the overview needs."""
        self.nodes = NodeAges()
        self.rejected = 0
        """Messages that were not what they have to be."""

    def read(self, incoming: Incoming) -> list[Fact]:
        """Return what a message says; empty where it says nothing, or is none of ours."""
        try:
            if incoming.payload:
                return self._read_letter(incoming, self._decoder.decode(incoming))
            return self._read_cleared(incoming)
        except (RejectedError, ValueError) as error:
            self._reject(incoming, str(error))
            return []

    def _read_letter(self, incoming: Incoming, letter: Letter) -> list[Fact]:
        name, now = letter.envelope.cluster, self._monotonic()
        topic = parse_topic(incoming.topic)
        if topic.kind in _OF_ONE and name != self.chosen:
            return []
        record = self._clusters.record_of(name)
        if record is None:
            raise RejectedError(f"one cluster too many: {name}")
        facts = record.read(letter, incoming, self._wall(), now)
        message = letter.message
        if isinstance(message, FactsMessage) and message.facts is not None:
            self.nodes.hear(message.facts.node.uid, now)
        return self._of_chosen(name, facts)

    def _read_cleared(self, incoming: Incoming) -> list[Fact]:
        topic = parse_topic(incoming.topic)
        record = self._clusters.get(topic.cluster)
        if record is None:
            return []
        return self._of_chosen(
            topic.cluster, record.cleared(topic, self._wall(), self._monotonic())
        )

    def _of_chosen(self, name: str, facts: list[Fact]) -> list[Fact]:
        if name != self.chosen:
            # What responders do concerns everybody; all else is of the cluster that is shown.
            return [fact for fact in facts if isinstance(fact, AuditWritten)]
        self.nodes.note(facts)
        return facts

    def renew(self, name: str) -> list[Fact]:
        """Read another cluster from here on; return what is known of it already."""
        before, self.chosen = self._clusters.get(self.chosen), name
        if before is not None:
            self._renewed(before)
        self.nodes = NodeAges()
        self._decoder.forget_nodes()
        record = self._clusters.get(name)
        return [] if record is None else self._of_chosen(name, self._renewed(record))

    def _renewed(self, record: ClusterRecord) -> list[Fact]:
        return list(record.renew(self._wall(), self._monotonic()))

    def tick(self, *, is_link_up: bool) -> list[Fact]:
        """Return what the passing of time changed."""
        facts: list[Fact] = []
        now_wall, now = self._wall(), self._monotonic()
        for record in self._clusters:
            facts += self._of_chosen(record.name, record.intake.tick(now_wall, now))
        chosen = self._clusters.get(self.chosen)
        is_steady = is_link_up and chosen is not None and chosen.are_all_present
        expired = self.nodes.expired(now, is_steady=is_steady)
        if expired and chosen is not None:
            chosen.intake.forget(fact.node_uid for fact in expired)
            # Rare, and what is said again is read again then.
            self._decoder.forget_nodes()
        return facts + expired

    def _reject(self, incoming: Incoming, why: str) -> None:
        self.rejected += 1
        now = self._monotonic()
        if now - self._logged_at >= LOG_SECONDS:
            self._logged_at = now
            LOG.warning(
                "a message was thrown away, %d so far: %s: %s",
                self.rejected,
                clean(incoming.topic, 200),
                clean(why, 300),
            )
