"""The thread hands questions to the operator of the source's session, and ends it in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.unit.store_facts import NODE, seen
from tests.unit.test_collect_thread import ListSource, live, until
from tui.collect.acting import Acting, Ground, OpenActing
from tui.collect.thread import CollectorThread
from tui.errors import BlockedError, ConnectError
from tui.model.names import NodeUid
from tui.model.operations import (
    ArmingMode,
    ArmingState,
    Intent,
    OperationKind,
    OperationPlan,
)
from tui.model.snapshot import ArmingChanged, Fact
from tui.safety import clean
from tui.store import Mailbox, Store

if TYPE_CHECKING:
    from tui.cluster.session import Session

INTENT = Intent(OperationKind.RESTART, (NODE,))
PLAN = OperationPlan("7f3a", INTENT, clean("restart"), 1.0)
ARMED = ArmingState(ArmingMode.ARMED)


class SessionSource(ListSource):
    """Offers a session once its first facts are out."""

    def __init__(self, *facts: Fact, opens: bool = True) -> None:
        super().__init__(*facts)
        self.on_session: Callable[[Session], None] | None = None
        self.opens = opens
        self.revisited: list[Collection[NodeUid]] = []

    async def facts(self) -> AsyncIterator[Fact]:
        if self.opens and self.on_session is not None:
            self.on_session(cast("Session", object()))
        async for fact in super().facts():
            yield fact

    def revisit(self, uids: Collection[NodeUid]) -> None:
        self.revisited.append(uids)


class FakeActing:
    """Remembers what it was asked."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.asked: list[Any] = []
        self.is_running = False
        self.is_closed = False
        self.was_source_open: bool | None = None

    async def run(self) -> None:
        await self.ground.tell(ArmingChanged(ARMED))
        await asyncio.Event().wait()

    async def plan(self, intent: Intent) -> OperationPlan:
        self.asked.append(intent)
        assert NODE in self.ground.look().nodes
        return PLAN

    async def plan_finish(
        self, operation_id: str, *, accepts_data_loss: bool = False
    ) -> OperationPlan:
        return PLAN

    async def dismiss(self, operation_id: str) -> None:
        self.asked.append(operation_id)

    async def start(self, plan: OperationPlan, typed: str) -> None:
        if typed != "lab":
            raise BlockedError("not begun")
        self.is_running = True

    def pause(self) -> None:
        self.asked.append("pause")

    def resume(self) -> None:
        self.asked.append("resume")

    def abort(self) -> None:
        self.asked.append("abort")

    async def arm(self, typed: str) -> ArmingState:
        return ARMED

    async def disarm(self) -> None:
        self.asked.append("disarm")

    async def close(self) -> None:
        self.is_closed = True


def opened(
    source: SessionSource, made: list[FakeActing], *, can_act: bool = True
) -> tuple[CollectorThread, Mailbox]:
    def open_acting(ground: Ground) -> Acting:
        made.append(FakeActing(ground))
        return made[-1]

    box = Mailbox()
    how: OpenActing | None = open_acting if can_act else None
    return CollectorThread(lambda: source, Store(), box, open_acting=how), box


def test_questions_are_answered_from_another_thread() -> None:
    made: list[FakeActing] = []
    thread, box = opened(SessionSource(seen(), live()), made)
    thread.start()
    until(lambda: NODE in box.latest.nodes)
    assert thread.plan(INTENT).result(5) is PLAN
    assert thread.arm("lab").result(5) is ARMED
    assert thread.plan_finish("7f3a").result(5) is PLAN
    with pytest.raises(BlockedError):
        thread.begin(PLAN, "lob").result(5)
    thread.pause()
    thread.resume()
    thread.abort()
    thread.dismiss("7f3a").result(5)
    thread.disarm().result(5)
    assert made[0].asked == [INTENT, "pause", "resume", "abort", "7f3a", "disarm"]
    assert thread.stop()
    assert made[0].is_closed


def test_what_the_operator_tells_and_looks_at_reaches_the_screens() -> None:
    made: list[FakeActing] = []
    thread, box = opened(SessionSource(seen(), live()), made)
    thread.start()
    until(lambda: box.latest.arming == ARMED)
    thread.plan(INTENT).result(5)
    until(lambda: NODE in box.latest.nodes)
    assert thread.stop()


def test_an_operation_under_way_is_ended_while_its_session_lives() -> None:
    made: list[FakeActing] = []
    source = SessionSource(seen(), live())
    thread, box = opened(source, made)
    thread.start()
    until(lambda: NODE in box.latest.nodes)
    thread.begin(PLAN, "lab").result(5)
    acting = made[0]

    async def close() -> None:
        acting.is_closed = True
        acting.was_source_open = not source.is_closed

    acting.close = close  # type: ignore[method-assign]  # looks at the source as it ends
    assert thread.stop()
    assert acting.is_closed
    assert acting.was_source_open


def test_before_a_session_and_without_an_operator_it_says_why() -> None:
    thread, _ = opened(SessionSource(seen()), [])
    with pytest.raises(ConnectError, match="not being read"):
        thread.plan(INTENT).result(5)
    waiting, box = opened(SessionSource(seen(), live(), opens=False), [])
    waiting.start()
    until(lambda: NODE in box.latest.nodes)
    with pytest.raises(ConnectError, match="not connected yet"):
        waiting.plan(INTENT).result(5)
    assert waiting.stop()
    fixed, box = opened(SessionSource(seen(), live()), [], can_act=False)
    fixed.start()
    until(lambda: NODE in box.latest.nodes)
    with pytest.raises(ConnectError, match="can't be changed"):
        fixed.plan(INTENT).result(5)
    assert fixed.stop()
    with pytest.raises(ConnectError):
        fixed.plan(INTENT).result(5)
