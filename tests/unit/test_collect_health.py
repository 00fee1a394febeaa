"""What the source says of itself when the API server goes and comes back."""

from __future__ import annotations

from tests.unit.collect_clock import VirtualClock
from tui.collect.gaps import GapBook
from tui.collect.health import Contact, HealthBook
from tui.collect.outbox import Outbox
from tui.collect.schedule import Schedule
from tui.collect.visits import Answering
from tui.model.names import ContainerId, NodeUid
from tui.model.snapshot import SourceState
from tui.safety import clean


class Rig:
    """Two nodes and the books that judge the source."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.contact = Contact(self.clock)
        self.schedule = Schedule(self.clock, 10.0, 8)
        self.contact.on_return = self.schedule.reconnect
        self.gaps = gaps = GapBook(Outbox(), self.clock)
        self.book = HealthBook(lambda: clean("live"), self.contact, self.schedule, gaps)
        self.contact.listed.update(("nodes", "pods"))
        for name in ("a", "b"):
            self.schedule.put(Answering(NodeUid(name), ContainerId("c")))

    def lose(self) -> None:
        for key in ("nodes", "pods"):
            self.contact.lose(key, clean("nothing answers"))

    def find(self) -> None:
        self.contact.lost.clear()
        self.contact.hear()

    def visit(self) -> None:
        turn = self.schedule.next_turn()
        assert turn is not None
        self.schedule.finished(turn, 0.1, ())


def test_after_a_loss_the_source_is_live_once_all_nodes_were_read() -> None:
    rig = Rig()
    rig.visit()
    rig.visit()
    assert rig.book.health().state is SourceState.LIVE
    rig.lose()
    assert rig.book.health().state is SourceState.LOST
    ended_at = rig.book.health().sweep_ended_at
    rig.clock.now += 50.0
    rig.find()
    rig.visit()
    health = rig.book.health()
    assert health.state is SourceState.DEGRADED
    assert health.reason == "reconnected, 1 of 2 nodes read"
    assert health.sweep_ended_at == ended_at
    rig.visit()
    assert rig.book.health().state is SourceState.LIVE
    assert (rig.book.health().sweep_ended_at or 0.0) > (ended_at or 0.0)


def test_one_of_several_nodes_that_can_t_be_asked_is_no_trouble_of_the_source() -> None:
    rig = Rig()
    rig.visit()
    rig.visit()
    rig.contact.exec_failures, rig.contact.exec_error = 1, clean("no shell")
    assert rig.book.health().state is SourceState.LIVE
    rig.contact.exec_failures = 2
    assert rig.book.health().reason == "2 execs failed, last: no shell"
    rig.contact.exec_failures = 1
    rig.schedule.drop(NodeUid("b"))
    assert rig.book.health().reason == "1 exec failed, last: no shell", "the only node"


def test_a_server_that_stays_lost_comes_back_once() -> None:
    rig = Rig()
    returns: list[float] = []
    rig.contact.on_return = lambda: returns.append(rig.clock.now)
    rig.lose()
    rig.contact.hear()
    rig.lose()
    rig.contact.hear()
    assert len(returns) == 1
    rig.find()
    rig.lose()
    rig.contact.hear()
    assert len(returns) == 2


async def test_a_right_that_only_checks_need_does_not_degrade_the_source() -> None:
    rig = Rig()
    await rig.gaps.open("events", clean("list events"), clean("may not"), is_denied=True)
    assert rig.book.health().state is SourceState.LIVE
    await rig.gaps.open("events", clean("list events"), clean("timed out"))
    assert rig.book.health().state is SourceState.DEGRADED
