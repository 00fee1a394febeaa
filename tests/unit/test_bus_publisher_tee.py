"""Log lines on their way from the collector's thread to the bus: only what matters, bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.unit.bus_rig import Rig, facts, log_batch
from tests.unit.store_facts import NODE, batch, line, seen
from tui.bus.publishing.tee import LogTee, TeeSource
from tui.bus.publishing.warnings_publishing import newest_lines
from tui.cilium.logcatalogue import explain
from tui.model.logs import LogBatch, LogGap, LogLevel
from tui.model.names import ContainerId, NodeName, NodeUid
from tui.model.snapshot import Fact
from tui.safety import clean


def gap(first: float, last: float, lost: int | None) -> LogGap:
    return LogGap(NODE, first, last, lost, clean("the API lost them"))


def lost_in(batches: list[LogBatch]) -> int:
    return sum(one.gap.lost_lines or 0 for one in batches if one.gap is not None)


def test_warnings_and_known_lines_pass_others_do_not() -> None:
    tee = LogTee()
    known = "Restored 12 backends from maps"
    tee.offer(
        batch(
            line(1.0, "fine", LogLevel.INFO),
            line(2.0, "careful", LogLevel.WARN),
            line(3.0, "broken"),
            line(4.0, known, LogLevel.INFO),
        )
    )
    tee.offer(batch(line(5.0, "fine too", LogLevel.INFO)))
    [taken] = tee.take()
    assert [one.message for one in taken.lines][:2] == ["careful", "broken"]
    assert not tee.take()


def test_a_line_of_the_catalogue_passes_whatever_its_level() -> None:
    text = "Unable to update element for LB bpf map: map is full"
    message = line(1.0, text, LogLevel.INFO, error="update: no space left on device")
    if explain(message) is None:
        pytest.skip("the catalogue has another text")
    tee = LogTee()
    tee.offer(batch(message))
    assert tee.take()


def test_a_calm_log_is_told_to_be_read_by_one_line_of_each_container() -> None:
    tee = LogTee()
    calm = [line(float(number), f"fine {number}", LogLevel.INFO) for number in range(3)]
    for _ in range(2):
        tee.offer(batch(*calm))
    [taken] = tee.take()
    assert [one.message for one in taken.lines] == ["fine 0"]
    tee.offer(replace(batch(*calm), is_previous=True))
    assert not tee.take()
    tee.offer(replace(batch(*calm[1:]), container_id=ContainerId("containerd://next")))
    [taken] = tee.take()
    assert [one.message for one in taken.lines] == ["fine 1"]


def test_a_gap_without_lines_passes() -> None:
    tee = LogTee()
    tee.offer(replace(batch(), gap=gap(1.0, 2.0, 7)))
    [taken] = tee.take()
    assert taken.gap == gap(1.0, 2.0, 7)


def test_too_many_lines_of_a_node_lose_the_oldest_and_leave_a_gap() -> None:
    tee = LogTee(most_each=5)
    tee.offer(log_batch(NODE, "a", "b", "c"))
    tee.offer(log_batch(NODE, "d", "e", "f", "g", first_at=200.0))
    taken = tee.take()
    assert [one.message for part in taken for one in part.lines] == ["c", "d", "e", "f", "g"]
    first = taken[0].gap
    assert first is not None
    assert (first.lost_lines, first.started_at, first.ended_at) == (2, 100.0, 101.0)
    assert tee.dropped_lines == 2


def test_all_nodes_together_are_bounded() -> None:
    tee = LogTee(most_each=100, most=50)
    for number in range(20):
        tee.offer(log_batch(f"uid-{number}", *(f"line {n}" for n in range(10))))
    taken = tee.take()
    lines = sum(len(one.lines) for one in taken)
    assert lines == 50
    assert lines + tee.dropped_lines == 200
    assert lost_in(taken) == tee.dropped_lines


def test_no_loss_is_forgotten_when_gaps_meet() -> None:
    tee = LogTee(most_each=2)
    for number in range(30):
        begin = 10.0 * number
        tee.offer(
            replace(
                log_batch(NODE, "x", "y", first_at=begin + 5.0),
                gap=gap(begin, begin + 4.0, 3),
            )
        )
    taken = tee.take()
    assert lost_in(taken) == 30 * 3 + tee.dropped_lines
    assert tee.dropped_lines == 58
    assert min(one.gap.started_at for one in taken if one.gap is not None) == 0.0


def test_gaps_alone_do_not_pile_up() -> None:
    tee = LogTee(most_each=4)
    for number in range(100):
        tee.offer(replace(batch(), gap=gap(float(number), number + 0.5, 1)))
    taken = tee.take()
    assert len(taken) <= 4
    assert lost_in(taken) == 100


def test_an_unknown_loss_stays_unknown() -> None:
    tee = LogTee(most_each=1)
    tee.offer(replace(log_batch(NODE, "a"), gap=gap(1.0, 2.0, None)))
    tee.offer(log_batch(NODE, "b"))
    [taken] = tee.take()
    assert taken.gap is not None
    assert taken.gap.lost_lines is None


@pytest.mark.parametrize("most", [0, 1, 3, 4, 6, 7, 20])
def test_newest_lines_and_lost_ones_add_up(most: int) -> None:
    batches = [log_batch(NODE, "a", "b", "c"), log_batch(NODE, "d"), log_batch(NODE, "e", "f")]
    kept, lost = newest_lines(batches, most)
    texts = [one.message for part in kept for one in part.lines]
    assert texts == ["a", "b", "c", "d", "e", "f"][max(0, 6 - most) :]
    assert lost == max(0, 6 - most)
    assert lost_in(list(kept)) == lost


class Told:
    """A source that notes what it is told."""

    name = "told"

    def __init__(self, *facts: Fact) -> None:
        self._facts = facts
        self.share: object = "not told"
        self.calls: list[object] = []

    async def facts(self) -> AsyncIterator[Fact]:
        for fact in self._facts:
            yield fact

    def focus(self, chosen: NodeUid | None, marked: frozenset[NodeUid]) -> None:
        self.calls.append((chosen, marked))

    def request_count(self, node: NodeUid, map_name: str) -> None:
        self.calls.append((node, map_name))

    def set_share(self, owns: object) -> None:
        self.share = owns


async def test_the_tee_changes_nothing_of_the_source() -> None:
    def owns(name: NodeName) -> bool:
        return True

    given: tuple[Fact, ...] = (seen(), batch(line(1.0, "fine", LogLevel.INFO)), batch())
    inner = Told(*given)
    offered: list[LogBatch] = []
    tee = TeeSource(inner, offered.append)
    assert [fact async for fact in tee.facts()] == list(given)
    assert offered == [given[1], given[2]]
    tee.focus(NODE, frozenset())
    tee.request_count(NODE, "map")
    tee.set_share(owns)
    assert inner.calls == [(NODE, frozenset()), (NODE, "map")]
    assert inner.share is owns
    assert tee.name == "told"


def test_warnings_of_the_share_are_sent_once_for_each_node_and_tick() -> None:
    rig = Rig()
    rig.see(facts("uid-1"), facts("uid-2"))
    rig.tick()
    rig.tee.offer(log_batch("uid-1", "a", "b"))
    rig.tee.offer(log_batch("uid-1", "c"))
    rig.tee.offer(log_batch("uid-2", "d"))
    rig.tee.offer(log_batch("uid-of-nobody", "e"))
    first, second = rig.warnings(rig.tick())
    assert [[line.message for line in one.lines] for one in first.batches] == [["a", "b"], ["c"]]
    assert [[line.message for line in one.lines] for one in second.batches] == [["d"]]
    assert not rig.warnings(rig.tick())


def test_a_storm_becomes_its_newest_lines_and_a_gap() -> None:
    rig = Rig()
    rig.see(facts("uid-1"))
    rig.tick()
    rig.tee.offer(log_batch("uid-1", *(f"line {n}" for n in range(350))))
    [message] = rig.warnings(rig.tick())
    [only] = message.batches
    assert [line.message for line in only.lines] == [f"line {n}" for n in range(150, 350)]
    assert only.gap is not None
    assert (only.gap.lost_lines, only.gap.started_at, only.gap.ended_at) == (150, 100.0, 249.0)
    rig.tick(5.0)
    assert rig.publisher.dropped == {"log-lines": 150}
