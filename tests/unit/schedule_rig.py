"""A schedule whose agents answer at once, on a clock that tests set forward."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tests.unit.collect_clock import VirtualClock
from tui.collect.schedule import Schedule
from tui.collect.visits import Answering, Turn
from tui.model.names import ContainerId, NodeUid


def agent(number: int, container: str = "c1", boot: str = "b1") -> Answering:
    """Return the agent of node `nNNN`."""
    return Answering(NodeUid(f"n{number:03}"), ContainerId(container), boot)


class Rig:
    """A schedule with agents that answer at once."""

    def __init__(
        self,
        nodes: int,
        interval: float | None = None,
        slots: int = 8,
        *,
        is_once: bool = False,
    ) -> None:
        self.clock = VirtualClock()
        self.schedule = Schedule(self.clock, interval, slots, is_once=is_once)
        for number in range(nodes):
            self.schedule.put(agent(number))

    def turns(self, failed: Collection[str] | None = (), seconds: float = 0.0) -> list[Turn]:
        """Run all that is due now, one after the other."""
        return list(self._turns(failed, seconds))

    def _turns(self, failed: Collection[str] | None, seconds: float) -> Iterator[Turn]:
        while (turn := self.schedule.next_turn()) is not None:
            self.schedule.finished(turn, seconds, failed)
            yield turn

    def skip(self, seconds: float) -> None:
        self.clock.now += seconds


def uids(turns: list[Turn]) -> list[str]:
    """Return whose turns these are."""
    return [turn.agent.uid for turn in turns]
