"""An intake with clocks that tests turn, to which letters come as bytes."""

from __future__ import annotations

from tests.unit.bus_letters import AT, CLUSTER, incoming, letter, of_node, read_facts
from tui.bus.receiving.intake import Intake
from tui.bus.wire.encoding import Decoder, encode_letter
from tui.bus.wire.messages import FactsMessage, Letter
from tui.model.snapshot import Fact, NodeFacts

MONO = 1_000.0
NODE = of_node("node-1", "uid-1", read_facts())


class Rig:
    """An intake that letters come to, with our wall clock `skew` seconds behind the senders'."""

    def __init__(self, skew: float = 0.0) -> None:
        self.intake = Intake(CLUSTER)
        self.skew = skew
        self.now = 0.0
        self._decoder = Decoder()

    def take(
        self,
        one: Letter,
        *,
        is_retained: bool = False,
        held_seconds: float | None = None,
        name: str = "node-1",
    ) -> list[Fact]:
        """Bring a letter the whole way: as bytes."""
        arrived = incoming(
            one,
            encode_letter(one),
            received_at=MONO + self.now,
            is_retained=is_retained,
            held_seconds=held_seconds,
            name=name,
        )
        return self.intake.facts_of(self._decoder.decode(arrived), arrived, self.wall, self.mono)

    def facts(self, facts: NodeFacts | None, seq: int, **rest: str) -> list[Fact]:
        """Bring facts of node-1 that were sent just now."""
        return self.take(letter(FactsMessage(facts), seq, AT + self.now, **rest))

    def tick(self, seconds: float = 0.0) -> list[Fact]:
        self.now += seconds
        return self.intake.tick(self.wall, self.mono)

    @property
    def wall(self) -> float:
        return AT - self.skew + self.now

    @property
    def mono(self) -> float:
        return MONO + self.now


def only(facts: list[Fact], kind: type) -> list[Fact]:
    return [fact for fact in facts if isinstance(fact, kind)]
