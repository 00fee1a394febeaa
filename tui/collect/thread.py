"""Run a source on an event loop of its own, in one thread.

A frozen terminal blocks Textual's writer and with it the screens' loop; collection must go on. What
ends a source is said on screen and in the log file, never swallowed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

from tui.collect.acting import (
    Acting,
    ActingCalls,
    ActingSide,
    Ground,
    OffersSession,
    OpenActing,
)
from tui.collect.choosing import ChoosesCluster
from tui.collect.garbage import relax
from tui.errors import CiltopError, ConnectError
from tui.model.names import NodeName, NodeUid
from tui.model.operations import ArmingState
from tui.model.snapshot import (
    ArmingChanged,
    Fact,
    HealthChanged,
    Snapshot,
    Source,
    SourceState,
)
from tui.safety import CleanText, clean

if TYPE_CHECKING:
    from tui.cluster.session import Session

T = TypeVar("T")

LOG = logging.getLogger("tui.collect.thread")

PUBLISH_SECONDS = 0.5
"""Twice a second: more would only cost the screens' time."""

LONGEST_SLICE_SECONDS = 0.003

JUDGE_SECONDS = 0.5
"""The checks look at what changed twice a second."""

JUDGE_SLICE_SECONDS = 0.0015
"""A node that was begun is judged to its end, which takes up to four milliseconds more."""

JUDGE_PAUSE = 7.0
"""Times as long as a slice took, the checks then rest: they get an eighth of a core at most."""

LEAST_PAUSE_SECONDS = 0.005

STOP_SECONDS = 3.0


class Keeps(Protocol):
    """The store's part that the thread fills."""

    def apply(self, fact: Fact) -> None:
        """Take in one fact."""
        ...

    def has_changed(self) -> bool:
        """Return whether anything was applied since the last snapshot."""
        ...

    def focus(self, nodes: frozenset[NodeUid]) -> None:
        """Carry the history of every map of these nodes."""
        ...

    def judge(self, now: float, budget_seconds: float) -> bool:
        """Run the checks on what changed for so long; return whether something is left to do."""
        ...

    def snapshot(self, now: float) -> Snapshot:
        """Return the state."""
        ...


class Takes(Protocol):
    """The box the snapshots go to."""

    def put(self, snapshot: Snapshot) -> None:
        """Replace what is in the box."""
        ...


@runtime_checkable
class Refreshable(Protocol):
    """A source that can be told to read everything now."""

    def refresh(self) -> None:
        """Read everything now."""
        ...


@runtime_checkable
class Shareable(Protocol):
    """A source that reads a share of the nodes."""

    def set_share(self, owns: Callable[[NodeName], bool] | None) -> None:
        """Read only the nodes that this function names; None for all."""
        ...


class CollectorThread(ActingCalls):
    """The one thread that collects and acts; its methods may be called from any thread.

    The source is opened on that thread: its imports take longer than the first paint may.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        store: Keeps,
        mailbox: Takes,
        *,
        clock: Callable[[], float] = time.time,
        open_acting: OpenActing | None = None,
    ) -> None:
        self._open_source = open_source
        self._acting = ActingSide(open_acting)
        self._closing: asyncio.Task[None] | None = None
        self._source: Source | None = None
        self._store = store
        self._mailbox = mailbox
        self._clock = clock
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._told_state: SourceState | None = None
        self._early: list[Callable[[Source], None]] = []
        self.error: CiltopError | None = None
        """Why the source could not work at all, for the exit code."""

    def start(self) -> None:
        """Start collecting; returns at once."""
        with self._lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._work, name="collector", daemon=True)
            self._thread.start()

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> bool:
        """Stop collecting and wait for the thread, a bounded time; return whether it ended."""
        with self._lock:
            self._is_stopping = True
            thread, loop, main = self._thread, self._loop, self._main
            if loop is not None and main is not None:
                loop.call_soon_threadsafe(self._begin_stop, main)
        if thread is None:
            return True
        thread.join(timeout_seconds)
        return not thread.is_alive()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def focus(self, chosen: NodeUid | None, marked: frozenset[NodeUid]) -> None:
        """Tell which nodes the person looks at."""

        def apply(source: Source) -> None:
            source.focus(chosen, marked)
            self._store.focus(marked if chosen is None else marked | {chosen})

        self._soon(apply)

    def request_count(self, node: NodeUid, map_name: str) -> None:
        """Ask for one map to be counted in place now."""
        self._soon(lambda source: source.request_count(node, map_name))

    def refresh(self) -> None:
        """Ask for everything to be read now."""

        def apply(source: Source) -> None:
            if isinstance(source, Refreshable):
                source.refresh()

        self._soon(apply)

    def choose_cluster(self, name: str) -> None:
        """Show another cluster of those that a broker tells of."""

        def apply(source: Source) -> None:
            if isinstance(source, ChoosesCluster):
                source.choose_cluster(name)

        self._soon(apply)

    def share(self, owns: Callable[[NodeName], bool] | None) -> None:
        """Have only these nodes read, from now on; None for all.

        The function is called on the collector's thread; before `start`, nothing else is read.
        """

        def apply(source: Source) -> None:
            if isinstance(source, Shareable):
                source.set_share(owns)

        self._soon(apply)

    def _soon(self, action: Callable[[Source], None]) -> None:
        """Run an action on the collector's loop, when there is one."""
        with self._lock:
            if self._is_stopping:
                return
            if self._loop is None or self._source is None:
                self._early.append(action)
            else:
                self._loop.call_soon_threadsafe(action, self._source)

    def _begin_stop(self, main: asyncio.Task[None]) -> None:
        """End what is under way while its session still lives, then all the rest."""

        async def end() -> None:
            await self._acting.end()
            main.cancel()

        if self._acting.is_running:
            self._closing = asyncio.create_task(end(), name="end the operation")
        else:
            main.cancel()

    def _ask(self, question: Callable[[Acting], Coroutine[Any, Any, T]]) -> Future[T]:
        with self._lock:
            loop = None if self._is_stopping else self._loop
            if loop is not None:
                return asyncio.run_coroutine_threadsafe(self._acting.answer(question), loop)
        refused: Future[T] = Future()
        refused.set_exception(ConnectError("the cluster is not being read: nothing can be asked"))
        return refused

    def _tell_acting(self, word: Callable[[Acting], None]) -> None:
        self._soon(lambda _: self._acting.tell(word))

    def _offer(self, source: OffersSession, session: Session) -> None:
        self._acting.begin(Ground(session, self._look, self._tell, source.revisit))

    async def _leave(self) -> None:
        """Let nothing act on the cluster any more: another one is shown now."""
        await self._acting.end()
        self._store.apply(ArmingChanged(ArmingState()))

    def _look(self) -> Snapshot:
        """Return the state as it is now; the screens get the same."""
        has_changed = self._store.has_changed()
        snapshot = self._store.snapshot(self._clock())
        if has_changed:
            self._mailbox.put(snapshot)
        return snapshot

    async def _tell(self, fact: Fact) -> None:
        self._store.apply(fact)

    def _work(self) -> None:
        relax()
        try:
            asyncio.run(self._collect())
        except Exception as error:
            LOG.exception("the collector's thread ended")
            self._end(error)
        finally:
            with self._lock:
                self._is_stopping = True

    async def _collect(self) -> None:
        loop = asyncio.get_running_loop()
        main = cast("asyncio.Task[None]", asyncio.current_task())
        source = self._open_source()
        if isinstance(source, OffersSession):
            source.on_session = partial(self._offer, source)
        if isinstance(source, ChoosesCluster):
            source.is_busy, source.leave = lambda: self._acting.is_running, self._leave
        with self._lock:
            if self._is_stopping:
                return
            self._loop, self._main, self._source = loop, main, source
            early, self._early = self._early, []
        for action in early:
            loop.call_soon(action, source)
        publishing = asyncio.create_task(self._publish(), name="publish snapshots")
        judging = asyncio.create_task(self._judge(), name="run checks")
        try:
            await self._apply_facts(source)
            self._end(None)
        except asyncio.CancelledError:
            LOG.debug("collecting was stopped")
        except Exception as error:
            LOG.exception("collecting ended")
            self._end(error)
        finally:
            publishing.cancel()
            judging.cancel()
            await self._acting.end()
            await asyncio.gather(publishing, judging, return_exceptions=True)
            with self._lock:
                self._is_stopping = True
                self._loop = self._main = None

    async def _apply_facts(self, source: Source) -> None:
        began_at = time.perf_counter()
        facts = source.facts()
        async with aclosing(facts) as following:  # type: ignore[type-var]  # sources are async generators
            async for fact in following:
                self._store.apply(fact)
                if isinstance(fact, HealthChanged) and fact.health.state is not self._told_state:
                    # How the source fares, and that all is there, is news that nobody waits for.
                    self._told_state = fact.health.state
                    self._look()
                if time.perf_counter() - began_at > LONGEST_SLICE_SECONDS:
                    await asyncio.sleep(0)
                    began_at = time.perf_counter()

    async def _publish(self) -> None:
        while True:
            if self._store.has_changed():
                self._mailbox.put(self._store.snapshot(self._clock()))
            await asyncio.sleep(PUBLISH_SECONDS)

    async def _judge(self) -> None:
        while True:
            began_at = time.perf_counter()
            is_left = self._store.judge(self._clock(), JUDGE_SLICE_SECONDS)
            rest = max(LEAST_PAUSE_SECONDS, JUDGE_PAUSE * (time.perf_counter() - began_at))
            await asyncio.sleep(rest if is_left else JUDGE_SECONDS)

    def _end(self, error: Exception | None) -> None:
        """Say that nothing more will come, and why."""
        reason = CleanText("the source ended")
        if isinstance(error, CiltopError):
            self.error = error
            reason = error.message
        elif error is not None:
            reason = clean(f"collecting ended: {type(error).__name__}: {error}")
        health = self._store.snapshot(self._clock()).health
        ended = replace(
            health,
            name=health.name or clean(self._source.name if self._source else ""),
            state=SourceState.ENDED,
            reason=reason,
        )
        self._store.apply(HealthChanged(ended))
        self._mailbox.put(self._store.snapshot(self._clock()))
