"""Nodes in work that are read beside a broker: the newer word wins, a loss is told rightly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import replace

from tests.unit.bus_rig import facts, log_batch
from tests.unit.store_facts import origin, usage
from tui.model.maps import MapUsage
from tui.model.names import ContainerId, NodeName, NodeUid
from tui.model.reading import Reading
from tui.model.snapshot import (
    Fact,
    HealthChanged,
    LogTrouble,
    NodeGone,
    NodeReport,
    NodeSeen,
    SourceHealth,
    SourceState,
)
from tui.responding.attending import Attending
from tui.safety import clean

UID, OTHER = NodeUid("uid-1"), NodeUid("uid-2")


class Reader:
    """A source that tells what the test puts into it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Fact] = asyncio.Queue()
        self.owns: Callable[[NodeName], bool] | None = None
        self.asked: list[frozenset[NodeUid]] = []
        self.is_ended = False

    async def facts(self) -> AsyncIterator[Fact]:
        try:
            while True:
                yield await self.queue.get()
                self.queue.task_done()
        finally:
            self.is_ended = True

    def revisit(self, uids: Collection[NodeUid]) -> None:
        self.asked.append(frozenset(uids))

    def set_share(self, owns: Callable[[NodeName], bool] | None) -> None:
        self.owns = owns


class Rig:
    def __init__(self) -> None:
        self.told: list[Fact] = []
        self.readers: list[Reader] = []
        self.attending = Attending(self.told.append)
        for uid in (UID, OTHER):
            self.attending.admitted(seen(uid))
        self.attending.admitted(health(SourceState.LIVE))

    async def open(self) -> Reader:
        self.readers.append(Reader())
        return self.readers[-1]

    def revisit(self, *uids: NodeUid) -> None:
        self.attending.revisit(uids, self.open)

    async def read(self, *direct: Fact) -> list[Fact]:
        """Have the reader tell something; return what is handed on."""
        await asyncio.sleep(0)
        del self.told[:]
        for fact in direct:
            self.readers[-1].queue.put_nowait(fact)
        await self.readers[-1].queue.join()
        return self.told


def seen(uid: NodeUid = UID) -> NodeSeen:
    known = facts(uid)
    assert known.agent is not None
    return NodeSeen(known.node, replace(known.agent, is_ready=True))


def health(state: SourceState) -> HealthChanged:
    return HealthChanged(SourceHealth(state=state, reason=clean("why")))


def maps_at(at: float) -> Reading[tuple[MapUsage, ...]]:
    return Reading.known((usage(10, at),), origin(at))


def report(at: float | None, uid: NodeUid = UID, error: str = "") -> NodeReport:
    maps = None if at is None else maps_at(at)
    return NodeReport(uid, ContainerId("c"), at, clean(error), maps=maps)


async def test_only_the_nodes_in_work_are_read_and_only_while_they_are() -> None:
    rig = Rig()
    rig.revisit(UID)
    told = await rig.read(seen(), report(9.0), seen(OTHER), NodeGone(UID, has_moved=True))
    assert told == [seen(), report(9.0)]
    reader = rig.readers[0]
    assert reader.owns is not None
    assert [reader.owns(seen(uid).node.name) for uid in (UID, OTHER)] == [True, False]
    rig.revisit(UID, OTHER)
    assert reader.owns(seen(OTHER).node.name)
    assert reader.asked == [{UID}, {UID, OTHER}]
    rig.revisit()
    await rig.attending.close()
    assert reader.is_ended
    assert len(rig.readers) == 1


async def test_a_lost_broker_is_told_as_degraded_only_while_every_node_in_work_is_read() -> None:
    rig = Rig()
    rig.revisit(UID)
    assert rig.attending.admitted(health(SourceState.LOST)) == health(SourceState.LOST)
    assert await rig.read(health(SourceState.LIVE), seen()) == [seen()], "nothing was answered yet"
    told = (await rig.read(report(9.0)))[-1]
    assert isinstance(told, HealthChanged)
    assert told.health.state is SourceState.DEGRADED
    assert "read directly" in told.health.reason
    assert told.health.is_partial
    assert await rig.read(health(SourceState.LOST)) == [health(SourceState.LOST)], "the API"
    await rig.read(health(SourceState.LIVE))
    del rig.told[:]
    rig.revisit(OTHER)
    assert rig.told == [health(SourceState.LOST)], "that node was not read yet"
    await rig.attending.close()


async def test_an_older_word_of_the_broker_does_not_replace_what_was_read_directly() -> None:
    rig = Rig()
    rig.revisit(UID)
    await rig.read(health(SourceState.LIVE), seen(), report(9.0))
    admitted = rig.attending.admitted
    assert admitted(report(8.0)) is None
    assert admitted(replace(seen(), agent=None)) is None
    assert admitted(report(10.0)) == report(10.0)
    mixed = replace(report(10.0), maps=maps_at(8.0))
    assert admitted(mixed) == replace(mixed, maps=None)
    assert admitted(report(8.0, OTHER)) == report(8.0, OTHER)
    rig.revisit()
    assert admitted(report(8.0)) is None, "nor afterwards"
    failed = replace(report(8.0, error="no answer"), maps=None)
    told = admitted(failed)
    assert told == replace(failed, answered_at=9.0), "a failure is news"
    await rig.attending.close()


async def test_no_line_is_told_twice() -> None:
    rig = Rig()
    batch = log_batch(UID, "one", "two")
    assert rig.attending.admitted(batch) == batch
    rig.revisit(UID)
    more = log_batch(UID, "one", "two", "three")
    assert await rig.read(seen(), more) == [seen(), replace(more, lines=more.lines[2:])]
    assert rig.attending.admitted(more) is None
    await rig.attending.close()


async def test_what_may_not_be_read_from_here_the_collectors_still_tell() -> None:
    rig = Rig()
    rig.revisit(UID)
    trouble = LogTrouble(UID, clean("denied"))
    assert await rig.read(report(None, error="denied"), trouble) == []
    rig.attending.admitted(health(SourceState.LOST))
    assert await rig.read(report(None, error="denied"), trouble) == [
        report(None, error="denied"),
        trouble,
    ]
    del rig.told[:]
    rig.revisit()
    assert rig.told == [LogTrouble(UID, clean(""))], "as the broker had it"
    await rig.attending.close()
