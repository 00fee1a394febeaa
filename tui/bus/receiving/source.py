"""The broker source: the same facts as from a live cluster, out of what collectors publish.

It only receives. It holds no way to publish, none to Kubernetes, and writes no file: whatever comes
from a topic becomes a fact or a counted rejection.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from tui.bus.link.address import BrokerAddress
from tui.bus.link.link import Link, fresh_client_id
from tui.bus.receiving.chooser import Chooser
from tui.bus.receiving.clusters import Clusters
from tui.bus.receiving.inbox import Inbox
from tui.bus.receiving.outlook import Outlook
from tui.bus.receiving.reading import Reader
from tui.bus.receiving.responder import Responder
from tui.bus.wire.post import LinkCounts, LinkKind, LinkState, Outgoing
from tui.bus.wire.topics import TopicKind, filter_of
from tui.model.names import NodeUid
from tui.model.operations import AuditRecord
from tui.model.snapshot import AuditWritten, Fact, Gap, GapChanged, SourceReset
from tui.safety import CleanText, clean

TICK_SECONDS = 0.25
LEAST_TICK_SECONDS = 0.05
SLICE_SECONDS = 0.003
"""Decoding then lets the rest of the loop run; one message takes less than a millisecond."""

COLLECT_AFTER = 8
"""Messages after which their new objects are looked through for cycles, 0.1 to 0.3 ms at a time.

What a message brings takes the place of as much, so that Python's own count of new objects hardly
grows: it waited for 300,000 of them, and then walked them for up to 150 ms (measured with
messages of 5,000 nodes).
"""

REFUSAL_SECONDS = 30.0
"""How long it is told that another cluster could not be chosen."""

REFUSAL = "cluster-choice"

OF_ALL = (TopicKind.PRESENCE, TopicKind.FINDINGS, TopicKind.ROOM, TopicKind.AUDIT)
OF_CHOSEN = ((TopicKind.CLUSTER, 1), (TopicKind.FACTS, 0), (TopicKind.WARNINGS, 0))


class Receives(Protocol):
    """The receiving half of a link: nothing can be sent with it."""

    @property
    def state(self) -> LinkState:
        """How the connection stands."""
        ...

    @property
    def counts(self) -> LinkCounts:
        """What went through."""
        ...

    def subscribe(self, topic_filter: str, qos: int = 0) -> None:
        """Ask for topics, now and after each reconnect."""
        ...

    def unsubscribe(self, topic_filter: str) -> None:
        """Ask for them no longer."""
        ...

    async def run(self) -> None:
        """Connect, and again, for ever."""
        ...

    async def close(self, last: Sequence[Outgoing] = ()) -> None:
        """Leave."""
        ...


def broker_source(
    address: BrokerAddress, cluster: str | None = None, *, who: CleanText = CleanText("dashboard")
) -> tuple[BrokerSource, Responder]:
    """Return the two halves of one connection: what receives, and what tells our own audit.

    Args:
        address: the broker.
        cluster: the one to show; None for the one in most trouble.
        who: this person and machine, as others will read it beside an audit record.
    """
    inbox = Inbox()
    link = Link(
        address,
        client_id=fresh_client_id(who),
        on_message=inbox.put,
        on_state=lambda _: inbox.ring(),
    )
    return BrokerSource(link, inbox, cluster), Responder(link, who)


class BrokerSource:
    """Facts of one cluster at a time, and an overview of all, from a broker.

    Args:
        link: opened by `facts`, on the loop that runs it.
        inbox: what the link puts its messages into.
        cluster: the one to show; None for the one in most trouble.
    """

    def __init__(
        self,
        link: Receives,
        inbox: Inbox,
        cluster: str | None = None,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._inbox = inbox
        self._wall = wall
        self._monotonic = monotonic
        self._clusters = Clusters()
        self._chooser = Chooser(cluster)
        self._reader = Reader(self._clusters, wall=wall, monotonic=monotonic)
        self._outlook = Outlook(self._clusters, self._reader, inbox, wall=wall, monotonic=monotonic)
        self._chosen = CleanText("")
        self._facts: deque[Fact] = deque()
        self._refused_until: float | None = None
        self._ticked_at = float("-inf")
        self._failure: BaseException | None = None

    @property
    def name(self) -> str:
        """What to call it on screen."""
        return f"mqtt {self._chosen}" if self._chosen else "mqtt"

    @property
    def chosen(self) -> CleanText:
        """The cluster that is shown; empty before one was chosen."""
        return self._chosen

    def explain_acting(self, why: str) -> None:
        """Say why nothing can be written from here, or that it can (empty)."""
        self._outlook.no_acting = clean(why)

    def note_own(self, record: AuditRecord) -> None:
        """Remember a record of this machine's audit file: it will come back from the broker."""
        cluster = self._clusters.record_of(self._chosen) if self._chosen else None
        if cluster is not None:
            cluster.note_own(record)

    def choose_cluster(self, name: str) -> None:
        """Show another cluster from here on."""
        self._chooser.want(name)
        self._inbox.ring()

    def refuse_choice(self, name: str, why: str) -> None:
        """Say why another cluster is not shown."""
        gap = Gap(clean(f"show cluster {name}"), clean(why), self._wall())
        self._facts.append(GapChanged(REFUSAL, gap))
        self._refused_until = self._monotonic() + REFUSAL_SECONDS
        self._inbox.ring()

    def focus(self, chosen: NodeUid | None, marked: frozenset[NodeUid]) -> None:
        """Do nothing: collectors are not asked for anything."""

    def request_count(self, node: NodeUid, map_name: str) -> None:
        """Do nothing: collectors are not asked for anything."""

    async def facts(self) -> AsyncIterator[Fact]:
        """Yield facts until cancelled."""
        for kind in OF_ALL:
            self._link.subscribe(filter_of(kind), 1)
        linked = asyncio.create_task(self._link.run(), name="broker link")
        ticking = asyncio.create_task(self._tick(), name="broker ticks")
        linked.add_done_callback(self._end)
        ticking.add_done_callback(self._end)
        try:
            async for fact in self._stream():
                yield fact
        finally:
            ticking.cancel()
            await self._link.close()
            linked.cancel()
            await asyncio.gather(linked, ticking, return_exceptions=True)

    def _end(self, task: asyncio.Task[None]) -> None:
        """Have `facts` raise what ended a task that should never end."""
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failure = failure
            self._inbox.ring()

    async def _stream(self) -> AsyncIterator[Fact]:
        began_at = time.perf_counter()
        read = 0
        while True:
            while self._facts:
                yield self._facts.popleft()
            if self._failure is not None:
                raise self._failure
            self._follow_choice()
            incoming = self._inbox.take()
            if incoming is not None:
                self._facts.extend(self._reader.read(incoming))
                read += 1
                if read % COLLECT_AFTER == 0:
                    gc.collect(1)
            elif self._may_be_complete() and not self._facts:
                self.tick()
            elif not self._facts:
                await self._inbox.wait()
                began_at = time.perf_counter()
            if time.perf_counter() - began_at > SLICE_SECONDS:
                await asyncio.sleep(0)
                began_at = time.perf_counter()

    def _may_be_complete(self) -> bool:
        """Whether all that waited is read for the first time: not to be told a tick later."""
        since_tick = self._monotonic() - self._ticked_at
        return self._outlook.is_filling and since_tick >= LEAST_TICK_SECONDS

    async def _tick(self) -> None:
        while True:
            self.tick()
            await asyncio.sleep(TICK_SECONDS)

    def tick(self) -> None:
        """Tell what the passing of time changed."""
        now = self._ticked_at = self._monotonic()
        state = self._link.state
        self._facts.extend(self._reader.tick(is_link_up=state.kind is LinkKind.UP))
        self._facts.extend(self._outlook.news(self.name, state, self._link.counts))
        if self._refused_until is not None and now >= self._refused_until:
            self._refused_until = None
            self._facts.append(GapChanged(REFUSAL, None))
        self._inbox.ring()

    def _follow_choice(self) -> None:
        """Show the cluster that was chosen, where that is another one now."""
        if self._chosen and self._chosen == self._chooser.wanted:
            return
        if self._chosen and not self._chooser.wanted:
            return
        name = self._chooser.choice(self._clusters.standings(), self._monotonic())
        if name is not None and name != self._chosen:
            self._show(clean(name))

    def _show(self, name: CleanText) -> None:
        if self._chosen:
            for kind, _ in OF_CHOSEN:
                self._link.unsubscribe(filter_of(kind, self._chosen))
            self._inbox.forget()
            kept = [fact for fact in self._facts if isinstance(fact, AuditWritten)]
            self._facts = deque([*kept, SourceReset()])
        self._chosen = name
        self._facts.extend(self._reader.renew(name))
        self._outlook.choose(name)
        self._facts.extend(self._outlook.news(self.name, self._link.state, self._link.counts))
        for kind, qos in OF_CHOSEN:
            self._link.subscribe(filter_of(kind, name), qos)
