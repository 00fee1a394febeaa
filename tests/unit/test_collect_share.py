"""Nodes enter and leave what a collector reads, while it reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.unit.collect_clock import settle
from tests.unit.collect_fakes import FakeLogs, Rig, node, pod, uid
from tests.unit.schedule_rig import Rig as ScheduleRig
from tests.unit.schedule_rig import agent, uids
from tests.unit.store_facts import NODE, seen
from tests.unit.test_collect_thread import ListSource, live, until
from tui.collect import population as population_module
from tui.collect.live import LiveSource
from tui.collect.logs import LogIntake
from tui.collect.outbox import Outbox
from tui.collect.population import Owns, Population
from tui.collect.roster import Target
from tui.collect.thread import CollectorThread, Shareable
from tui.errors import ConnectError, DeadlineError
from tui.model.logs import LogBatch
from tui.model.names import NodeName, NodeUid
from tui.model.snapshot import Fact, NodeGone, NodeReport, NodeSeen
from tui.safety import clean
from tui.store import Mailbox, Store


def only(*numbers: int) -> Owns:
    names = {f"node-{number}" for number in numbers}
    return lambda name: name in names


class Noting:
    """A listener that remembers what it was told."""

    def __init__(self) -> None:
        self.nodes: dict[NodeUid, Target] = {}
        self.forgotten: list[NodeUid] = []

    async def note(self, target: Target) -> None:
        self.nodes[target.node.uid] = target

    def forget(self, uid: NodeUid) -> None:
        self.nodes.pop(uid, None)
        self.forgotten.append(uid)


class People:
    """A population of some nodes, with its store and a listener."""

    def __init__(self, nodes: int = 4, owns: Owns | None = None) -> None:
        self.rig = Rig(0)
        self.noting = Noting()
        self.population = Population(self.rig.roster, self.rig.shared, (self.noting,))
        self.store = Store()
        self.count = nodes
        self.facts: list[Fact] = []
        if owns is not None:
            self.population.set_share(owns)

    async def __aenter__(self) -> People:
        self._task = asyncio.create_task(self.population.follow_share())
        self._draining = asyncio.create_task(self._drain())
        for number in range(1, self.count + 1):
            await self.tell(number)
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        self._draining.cancel()
        await asyncio.gather(self._task, self._draining, return_exceptions=True)

    async def tell(self, number: int) -> None:
        await self.population.tell(self.rig.roster.put_node(node(number)))
        await self.population.tell(self.rig.roster.put_pod(pod(number)))

    async def _drain(self) -> None:
        while (fact := await self.rig.shared.outbox.get()) is not None:
            self.facts.append(fact)
            self.store.apply(fact)

    def known(self) -> set[NodeUid]:
        """Return the nodes in the store; the listener knows the same."""
        found = set(self.store.snapshot(0.0).nodes)
        assert found == set(self.noting.nodes)
        return found


# The population


async def test_nodes_of_others_are_told_to_nobody() -> None:
    async with People(4, only(1, 3)) as people:
        assert people.known() == {uid(1), uid(3)}
        assert not [fact for fact in people.facts if isinstance(fact, NodeGone)]
        assert len(people.rig.roster) == 4


async def test_a_node_that_moves_leaves_and_one_that_moves_in_is_told_with_its_agent() -> None:
    async with People(4, only(1, 2)) as people:
        people.facts.clear()
        people.population.set_share(only(2, 3))
        await settle()
        assert people.known() == {uid(2), uid(3)}
        assert people.facts == [NodeGone(uid(1), has_moved=True), NodeSeen(node(3), pod(3))]
        entered = people.noting.nodes[uid(3)]
        assert entered.agent is not None
        assert entered.answering is not None
        people.population.set_share(None)
        await settle()
        assert people.known() == {uid(number) for number in range(1, 5)}


async def test_a_node_that_leaves_the_cluster_did_not_move() -> None:
    async with People(2, only(1)) as people:
        people.facts.clear()
        for number in (1, 2):
            await people.population.tell(people.rig.roster.drop_node(node(number).name))
        await settle()
        assert people.facts == [NodeGone(uid(1))]
        people.population.set_share(None)
        await settle()
        assert not people.known()


async def test_a_change_of_a_node_takes_the_newest_share_at_once() -> None:
    async with People(1, only(1)) as people:
        people.population.set_share(only())
        await people.population.tell(people.rig.roster.put_pod(pod(1, container="c2")))
        await settle()
        assert not people.known()
        people.population.set_share(only(1))
        await people.population.tell(people.rig.roster.put_pod(pod(1, container="c3")))
        await settle()
        assert people.known() == {uid(1)}
        kept = people.noting.nodes[uid(1)].agent
        assert kept is not None
        assert kept.container_id == "c3"


async def test_a_share_that_changes_again_meanwhile_ends_as_the_last_one_says() -> None:
    async with People(60, only()) as people:
        for last in (only(*range(1, 61)), only(1, 2), only(*range(30, 61)), only(7)):
            people.population.set_share(last)
            await asyncio.sleep(0)
        await settle(200)
        assert people.known() == {uid(7)}


async def test_only_the_named_nodes_are_read_whatever_the_share() -> None:
    people = People(3, only(1, 2))
    object.__setattr__(people.rig.shared.settings, "only_nodes", frozenset({"node-2", "node-3"}))
    async with people:
        assert people.known() == {uid(2)}


async def test_5_000_nodes_are_looked_at_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    async with People(500, only()) as people:
        now = [0.0]
        looks: list[float] = []

        def slow(name: NodeName) -> bool:
            now[0] += 0.0001
            looks.append(now[0])
            return False

        monkeypatch.setattr("tui.collect.population.time.perf_counter", lambda: now[0])
        people.population.set_share(slow)
        slices: list[int] = []
        while len(looks) < 500:
            before = len(looks)
            await asyncio.sleep(0)
            slices.append(len(looks) - before)
        most = population_module.LONGEST_SLICE_SECONDS / 0.0001 + population_module.LOOKS
        assert max(slices) <= most


# Execs


def test_a_node_that_is_back_while_it_is_still_asked_is_not_asked_twice_at_once() -> None:
    rig = ScheduleRig(1)
    turn = rig.schedule.next_turn()
    assert turn is not None
    rig.schedule.leave(turn.agent.uid)
    rig.schedule.put(agent(0))
    assert rig.schedule.has_left(turn)
    assert rig.schedule.next_turn() is None
    rig.schedule.finished(turn, 0.1, ())
    assert not rig.schedule.has_left(turn)
    assert uids(rig.turns())[:1] == ["n000"]


def test_a_node_that_is_back_with_another_agent_is_asked_at_once() -> None:
    rig = ScheduleRig(1)
    turn = rig.schedule.next_turn()
    assert turn is not None
    rig.schedule.leave(turn.agent.uid)
    rig.schedule.put(agent(0, container="c2"))
    second = rig.schedule.next_turn()
    assert second is not None
    assert second.agent.container_id == "c2"
    rig.schedule.unreached(turn)
    assert rig.schedule.next_turn() is None, "the second exec is still under way"
    rig.schedule.finished(second, 0.1, ())
    assert rig.schedule.unread_count == 1


def test_a_node_that_left_for_good_leaves_nothing_behind() -> None:
    rig = ScheduleRig(1)
    turn = rig.schedule.next_turn()
    assert turn is not None
    rig.schedule.leave(turn.agent.uid)
    rig.schedule.leave(turn.agent.uid)
    rig.schedule.finished(turn, 0.1, None)
    assert not rig.schedule.has_left(turn)
    assert turn.agent.uid not in rig.schedule
    assert rig.schedule.next_turn() is None


def test_1_000_nodes_that_move_in_wait_for_the_slots() -> None:
    rig = ScheduleRig(0, slots=8)
    for number in range(1_000):
        rig.schedule.put(agent(number))
    assert rig.schedule.due_count == 1_000
    assert len(set(uids(rig.turns()))) == 1_000


@pytest.mark.parametrize(
    "failure", [None, DeadlineError(clean("late")), ConnectError(clean("away")), ValueError("odd")]
)
async def test_the_report_of_an_exec_on_a_node_that_left_is_dropped(
    failure: Exception | None,
) -> None:
    rig = Rig(1)
    await rig.note_all()
    release = rig.execs.hanging["cilium-1"] = asyncio.Event()
    running = asyncio.create_task(rig.sweeper.run())
    await settle()
    assert len(rig.execs.calls) == 1
    rig.sweeper.forget(uid(1))
    await rig.note_all()
    await settle()
    assert len(rig.execs.calls) == 1, "one exec under way is enough"
    if failure is not None:
        rig.execs.failures["cilium-1"] = failure
    rig.facts()
    release.set()
    del rig.execs.hanging["cilium-1"]
    again = rig.execs.hanging["cilium-1"] = asyncio.Event()
    await settle()
    assert not [fact for fact in rig.facts() if isinstance(fact, NodeReport)]
    assert len(rig.execs.calls) == 2, "and then it is due at once"
    rig.execs.failures.clear()
    again.set()
    await settle(80)
    assert [fact for fact in rig.facts() if isinstance(fact, NodeReport)]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


# Logs


async def test_no_further_line_of_a_node_that_left_is_told() -> None:
    rig = Rig(2)
    line = b'2026-01-01T00:00:00.000000000Z level=warning msg="odd" subsys=x'
    logs = FakeLogs(lines={f"cilium-{number}": [line] * 300 for number in (1, 2)})
    intake = LogIntake(logs, rig.roster, rig.shared)
    told: list[NodeUid] = []

    class Leaving(Outbox):
        """Node 1 leaves with its first lines."""

        async def put(self, fact: Fact) -> None:
            if isinstance(fact, LogBatch):
                told.append(fact.node_uid)
                intake.forget(uid(1))

    object.__setattr__(rig.shared, "outbox", Leaving())
    for target in list(rig.roster.targets):
        await intake.note(target)
    running = asyncio.create_task(intake.run())
    for _ in range(30):
        await rig.clock.advance(1.0)
    assert told.count(uid(1)) == 1
    assert told.count(uid(2)) > 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


# The thread


class SharedSource(ListSource):
    """A source that reads a share."""

    def __init__(self, *facts: Fact) -> None:
        super().__init__(*facts)
        self.shares: list[Callable[[NodeName], bool] | None] = []

    def set_share(self, owns: Callable[[NodeName], bool] | None) -> None:
        self.shares.append(owns)


def test_a_share_set_before_the_start_is_the_first_thing_the_source_hears() -> None:
    source, box = SharedSource(seen(), live()), Mailbox()
    thread = CollectorThread(lambda: source, Store(), box)
    nothing = only()
    thread.share(nothing)
    thread.start()
    until(lambda: NODE in box.latest.nodes)
    thread.share(None)
    until(lambda: len(source.shares) == 2)
    assert source.shares == [nothing, None]
    assert thread.stop()


def test_a_source_without_shares_reads_on() -> None:
    source, box = ListSource(seen(), live()), Mailbox()
    thread = CollectorThread(lambda: source, Store(), box)
    thread.share(only())
    thread.start()
    until(lambda: NODE in box.latest.nodes)
    assert thread.stop()


def test_the_live_source_reads_a_share() -> None:

    assert issubclass(LiveSource, Shareable)
