"""The live source: a cluster read through nothing but its Kubernetes API.

One `TaskGroup` owns every task: the watches, the sweep, the log intake and the two tickers that
tell of the cluster and of the source's own health. A lost API ends none of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from tui.collect.clock import Clock, SystemClock, full_jitter
from tui.collect.cluster_book import ClusterBook
from tui.collect.cluster_watches import follow_cluster
from tui.collect.focus import Focus
from tui.collect.health import HealthBook
from tui.collect.logs import LogIntake
from tui.collect.population import Owns, Population
from tui.collect.roster import Roster
from tui.collect.schedule import Schedule
from tui.collect.settings import CollectSettings
from tui.collect.shared import Shared
from tui.collect.sweep import Sweeper
from tui.collect.wants import WantKeeper
from tui.collect.workloads import WorkloadReader
from tui.errors import ClusterError, ForbiddenError, KubeconfigError
from tui.model.cluster import ClusterFacts
from tui.model.names import NodeUid
from tui.model.snapshot import Fact, HealthChanged, SourceHealth, SourceState
from tui.safety import CleanText, clean

if TYPE_CHECKING:
    from tui.cluster.access import ConnectionSettings
    from tui.cluster.discovery import CiliumFound
    from tui.cluster.session import Session

T = TypeVar("T")

LOG = logging.getLogger("tui.collect.live")

HEALTH_SECONDS = 0.5
GOOD_SECONDS = 5.0
RETRY_BASE_SECONDS = 1.0
MOST_RETRY_SECONDS = 30.0

Connect = Callable[["ConnectionSettings"], Awaitable["Session"]]
"""How a session is opened; a simulated cluster waits until it serves."""


async def connect_session(settings: ConnectionSettings) -> Session:
    """Open a session to the chosen cluster."""
    # Importing the Kubernetes client takes most of a second: after the first paint, on this loop.
    from tui.cluster.connection import connect

    return await connect(settings)


class LiveSource:
    """A running cluster, read by exec, watch and log."""

    def __init__(
        self,
        connection: ConnectionSettings,
        settings: CollectSettings | None = None,
        *,
        clock: Clock | None = None,
        connect: Connect = connect_session,
    ) -> None:
        self._connection = connection
        self._connect = connect
        self._focus = Focus()
        self._attended: frozenset[NodeUid] = frozenset()
        self.on_session: Callable[[Session], None] | None = None
        """Is told of the session once Cilium was found with it."""
        clock = clock or SystemClock()
        self._shared = Shared.begin(clock, settings or CollectSettings())
        chosen = self._shared.settings
        self._roster = Roster()
        self._owns: Owns | None = None
        self._population: Population | None = None
        self._schedule = Schedule(
            clock, chosen.interval_seconds, chosen.exec_slots, is_once=chosen.is_once
        )
        self._wants = WantKeeper(clock)
        self._book = ClusterBook(self._shared, ClusterFacts())
        self._health = HealthBook(
            self._source_name,
            self._shared.contact,
            self._schedule,
            self._shared.gaps,
            lambda: 0 if self._logs is None else self._logs.unread_count,
            lambda: len(self._roster),
        )
        self._sweeper: Sweeper | None = None
        self._logs: LogIntake | None = None

    @property
    def name(self) -> str:
        """What to call it on screen."""
        return str(self._source_name())

    def _source_name(self) -> CleanText:
        context = self._book.facts.context or clean(self._connection.context or "")
        return clean(f"live {context}") if context else clean("live")

    async def facts(self) -> AsyncIterator[Fact]:
        """Yield facts until cancelled.

        Raises:
            KubeconfigError: there is no usable kubeconfig or context, and never will be.
        """
        outbox = self._shared.outbox
        running = asyncio.create_task(self._run_to_end(), name="live source")
        try:
            while (fact := await outbox.get()) is not None:
                yield fact
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def focus(self, chosen: NodeUid | None, marked: frozenset[NodeUid]) -> None:
        """Read these nodes first and follow their logs live."""
        self._focus = Focus(chosen, marked)
        self._tell_focus()

    def revisit(self, uids: Collection[NodeUid]) -> None:
        """Read these nodes now, and first until others are named: agents there are restarted."""
        attended = frozenset(uids)
        if attended != self._attended:
            self._attended = attended
            self._tell_focus()
        if self._sweeper is not None:
            self._sweeper.revisit(uids)

    def _tell_focus(self) -> None:
        focus = replace(self._focus, marked=self._focus.marked | self._attended)
        for part in (self._sweeper, self._logs):
            if part is not None:
                part.focus(focus)

    def set_share(self, owns: Owns | None) -> None:
        """Read only the nodes that this function names, on the source's loop; None for all.

        What concerns the cluster as a whole is read all the same.
        """
        self._owns = owns
        if self._population is not None:
            self._population.set_share(owns)

    def request_count(self, node: NodeUid, map_name: str) -> None:
        """Have one map counted in place now."""
        if self._sweeper is not None:
            self._sweeper.request_count(node, map_name)

    def refresh(self) -> None:
        """Sweep all nodes now."""
        if self._sweeper is not None:
            self._sweeper.refresh()

    async def _run_to_end(self) -> None:
        try:
            await self._run()
        except BaseExceptionGroup as group:
            failure = group.subgroup(KubeconfigError)
            if failure is None:
                raise
            raise _first(failure) from None
        finally:
            self._shared.outbox.close()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_health(), name="health")
            try:
                session = await self._connected()
            except KubeconfigError as error:
                await self._tell_end(error)
                raise
            async with session:
                found = await self._found(session)
                if self.on_session is not None:
                    self._book.change(replace(self._book.facts, cilium_namespace=found.namespace))
                    await self._book.tell()
                    self.on_session(session)
                await self._collect(session, found)

    async def _tell_end(self, error: KubeconfigError) -> None:
        health = SourceHealth(self._source_name(), SourceState.ENDED, error.message)
        await self._shared.outbox.put(HealthChanged(health))

    async def _connected(self) -> Session:
        """Return a session; a credential plugin that fails is tried again."""

        async def attempt() -> Session:
            return await self._connect(self._connection)

        return await self._with_retries(attempt, "no access to the cluster", KubeconfigError)

    async def _found(self, session: Session) -> CiliumFound:
        """Return where Cilium runs, looking until it is there."""
        from tui.cluster.discovery import find_cilium

        facts = replace(
            self._book.facts, context=session.context, server=session.server, user=session.user
        )
        self._book.change(facts)
        await self._book.tell()
        settings = self._shared.settings
        namespace = settings.namespace or self._connection.namespace

        async def attempt() -> CiliumFound:
            return await find_cilium(session, namespace=namespace, selector=settings.selector)

        return await self._with_retries(attempt, "Cilium was not found yet")

    async def _with_retries(
        self,
        attempt: Callable[[], Awaitable[T]],
        what: str,
        final: type[ClusterError] | tuple[()] = (),
    ) -> T:
        """Try until it works; what can never work, as errors of the type `final`, is raised."""
        contact, clock = self._shared.contact, self._shared.clock
        failures = 0
        while True:
            try:
                result = await attempt()
            except final:
                raise
            except ClusterError as error:
                LOG.warning("%s: %s", what, error.message)
                contact.startup_error = error.message
                await self._shared.gaps.open(
                    "start",
                    clean(what),
                    error.message,
                    is_denied=isinstance(error, ForbiddenError),
                )
                failures += 1
                wait = full_jitter(clock, failures, RETRY_BASE_SECONDS, MOST_RETRY_SECONDS)
                await clock.sleep(RETRY_BASE_SECONDS + wait)
            else:
                contact.startup_error = CleanText("")
                await self._shared.gaps.close("start")
                return result

    async def _collect(self, session: Session, found: CiliumFound) -> None:
        shared = self._shared
        shared.contact.hear()
        self._roster.namespace = found.namespace
        self._book.change(replace(self._book.facts, cilium_namespace=found.namespace))
        self._logs = LogIntake(session, self._roster, shared)
        self._sweeper = Sweeper(
            session, self._roster, self._schedule, self._wants, shared, self._logs
        )
        shared.contact.on_return = self._sweeper.reconnect
        self._tell_focus()
        population = Population(self._roster, shared, (self._sweeper, self._logs))
        population.set_share(self._owns)
        self._population = population
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweeper.run(), name="sweep")
            group.create_task(self._logs.run(), name="logs")
            group.create_task(population.follow_share(), name="share")
            workloads = WorkloadReader(session, self._book, self._wants, shared)
            group.create_task(workloads.run(), name="workloads")
            group.create_task(
                follow_cluster(session, found, population, self._book, self._wants), name="watches"
            )

    async def _tell_health(self) -> None:
        """Tell of the source's health whenever it changed, twice a second at most."""
        told: SourceHealth | None = None
        while True:
            health = self._health.health()
            if told is None or _differs(health, told):
                told = health
                await self._shared.outbox.put(HealthChanged(health))
            await self._book.tell()
            await self._shared.clock.sleep(HEALTH_SECONDS)


def _differs(health: SourceHealth, told: SourceHealth) -> bool:
    """Whether there is news; that the server still answers is told every few seconds only."""
    moved = (health.last_good_at or 0.0) - (told.last_good_at or 0.0)
    return moved >= GOOD_SECONDS or replace(health, last_good_at=told.last_good_at) != told


def _first(group: BaseExceptionGroup[KubeconfigError]) -> KubeconfigError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
