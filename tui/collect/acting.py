"""What the collector's thread lets others do to the cluster, from any thread, as futures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from tui.errors import CiltopError, ConnectError
from tui.model.names import NodeUid
from tui.model.operations import ArmingState, Intent, OperationPlan
from tui.model.snapshot import Fact, Snapshot

if TYPE_CHECKING:
    from tui.cluster.session import Session

LOG = logging.getLogger("tui.collect.acting")

T = TypeVar("T")

CLOSE_SECONDS = 1.5
"""What an operation under way may take to give its Lease back when ciltop ends."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What operations stand on: the session, the state, and a way to tell and to have read."""

    session: Session
    look: Callable[[], Snapshot]
    tell: Callable[[Fact], Awaitable[None]]
    revisit: Callable[[Collection[NodeUid]], None]


class Acting(Protocol):
    """Whoever plans and carries out operations, on the collector's loop."""

    async def run(self) -> None:
        """Tell of what was left behind, and of arming, for ever."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether an operation is under way."""
        ...

    async def plan(self, intent: Intent) -> OperationPlan:
        """Find out what an intent means here."""
        ...

    async def plan_finish(
        self, operation_id: str, *, accepts_data_loss: bool = False
    ) -> OperationPlan:
        """Plan what finishes an operation that was left half done."""
        ...

    async def dismiss(self, operation_id: str) -> None:
        """Leave such an operation as it is."""
        ...

    async def start(self, plan: OperationPlan, typed: str) -> None:
        """Begin a confirmed plan."""
        ...

    def pause(self) -> None:
        """Begin nothing more until it is resumed."""
        ...

    def resume(self) -> None:
        """Go on."""
        ...

    def abort(self) -> None:
        """Begin nothing more."""
        ...

    async def arm(self, typed: str) -> ArmingState:
        """Let this session write."""
        ...

    async def disarm(self) -> None:
        """Let this session write no more."""
        ...

    async def close(self) -> None:
        """Stop at once."""
        ...


OpenActing = Callable[[Ground], Acting]


@runtime_checkable
class OffersSession(Protocol):
    """A source that has a session to a cluster and hands it out once it is open."""

    on_session: Callable[[Session], None] | None

    def revisit(self, uids: Collection[NodeUid]) -> None:
        """Read these nodes now, and keep reading them first until others are named."""
        ...


class ActingSide:
    """Hands questions from any thread to the operator, once there is one."""

    def __init__(self, open_acting: OpenActing | None) -> None:
        self._open = open_acting
        self._acting: Acting | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether an operation is under way."""
        return self._acting is not None and self._acting.is_running

    def begin(self, ground: Ground) -> None:
        """Open the operator on a session; on the collector's loop."""
        if self._open is None or self._acting is not None:
            return
        self._acting = self._open(ground)
        self._running = asyncio.create_task(self._run(self._acting), name="operator")

    async def end(self) -> None:
        """Stop what is under way; on the collector's loop."""
        acting, running = self._acting, self._running
        self._acting = None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        if acting is not None:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await acting.close()
            except TimeoutError:
                LOG.warning("the operation under way did not end in time")

    @staticmethod
    async def _run(acting: Acting) -> None:
        try:
            await acting.run()
        except CiltopError as error:
            LOG.warning("%s", error.message)
        except Exception:
            LOG.exception("the operator ended")

    async def answer(self, question: Callable[[Acting], Awaitable[T]]) -> T:
        """Put a question to the operator.

        Raises:
            ConnectError: there is none yet.
        """
        if self._acting is None:
            why = "this source can't be changed" if self._open is None else "not connected yet"
            raise ConnectError(f"nothing can be done to the cluster: {why}")
        return await question(self._acting)

    def tell(self, word: Callable[[Acting], None]) -> None:
        """Tell the operator something; on the collector's loop."""
        if self._acting is not None:
            word(self._acting)


class ActingCalls:
    """The calls that any thread may make; a thread with a loop mixes them in."""

    def _ask(self, question: Callable[[Acting], Coroutine[Any, Any, T]]) -> Future[T]:
        raise NotImplementedError

    def _tell_acting(self, word: Callable[[Acting], None]) -> None:
        raise NotImplementedError

    def plan(self, intent: Intent) -> Future[OperationPlan]:
        """Find out what an intent means here; nothing is written."""
        return self._ask(lambda acting: acting.plan(intent))

    def plan_finish(
        self, operation_id: str, *, accepts_data_loss: bool = False
    ) -> Future[OperationPlan]:
        """Plan what finishes an operation that an earlier ciltop left half done."""
        return self._ask(
            lambda acting: acting.plan_finish(operation_id, accepts_data_loss=accepts_data_loss)
        )

    def dismiss(self, operation_id: str) -> Future[None]:
        """Leave an unfinished operation as it is, and show it no more."""
        return self._ask(lambda acting: acting.dismiss(operation_id))

    def begin(self, plan: OperationPlan, typed: str) -> Future[None]:
        """Begin a confirmed plan; done once it has begun, failed where it must not."""
        return self._ask(lambda acting: acting.start(plan, typed))

    def pause(self) -> None:
        """Begin no more waves until it is resumed."""
        self._tell_acting(lambda acting: acting.pause())

    def resume(self) -> None:
        """Go on."""
        self._tell_acting(lambda acting: acting.resume())

    def abort(self) -> None:
        """Begin nothing more; a second time, verify nothing more either."""
        self._tell_acting(lambda acting: acting.abort())

    def arm(self, typed: str) -> Future[ArmingState]:
        """Let this session write, where what was typed is the context's name."""
        return self._ask(lambda acting: acting.arm(typed))

    def disarm(self) -> Future[None]:
        """Let this session write no more."""
        return self._ask(lambda acting: acting.disarm())
