"""A dashboard over a broker that may act: where a kubeconfig's context is the very same cluster.

What the broker tells is never trusted with that: a node's UID is compared at the API server, and
what an operation stands on (context, namespace) is what the session itself found.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from tui.errors import ClusterError, KubeconfigError, NotFoundError
from tui.model.cluster import ClusterFacts
from tui.model.names import NodeName, NodeUid
from tui.model.operations import AuditRecord
from tui.model.snapshot import (
    AuditWritten,
    ClusterSeen,
    Fact,
    HealthChanged,
    NodeGone,
    NodeSeen,
    SourceReset,
)
from tui.responding.attending import READ, Attending, ReadsNodes
from tui.responding.confluence import Confluence
from tui.safety import CleanText

if TYPE_CHECKING:
    from tui.cluster.session import Session

LOG = logging.getLogger("tui.responding.source")

NODES_ASKED = 3
"""Nodes that are looked for before a context counts as another cluster's: some just left."""

NODES_KEPT = 32
RETRY_SECONDS = 5.0
MOST_RETRY_SECONDS = 60.0
FLUSH_SECONDS = 0.2

_NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
"""RFC 1123 subdomain, as the API server demands of a Node's name."""


class OpensSession(Protocol):
    """The kubeconfig that was chosen."""

    @property
    def context(self) -> str:
        """The context's name, for sentences."""
        ...

    async def open(self) -> Session:
        """Open a session; no request is sent yet."""
        ...

    async def namespace(self, session: Session) -> CleanText:
        """Return the namespace where Cilium runs."""
        ...

    async def reader(self, namespace: str) -> ReadsNodes:
        """Return what reads nodes of this cluster itself, with a session of its own."""
        ...


class Receives(Protocol):
    """The source that only receives: what is asked of it never leaves this machine."""

    @property
    def name(self) -> str:
        """What to call it on screen."""
        ...

    @property
    def chosen(self) -> CleanText:
        """The cluster that is shown."""
        ...

    def facts(self) -> AsyncIterator[Fact]:
        """Yield facts."""
        ...

    def choose_cluster(self, name: str) -> None:
        """Show another cluster."""
        ...

    def refuse_choice(self, name: str, why: str) -> None:
        """Say why another cluster is not shown."""
        ...

    def explain_acting(self, why: str) -> None:
        """Say why nothing can be written from here."""
        ...

    def note_own(self, record: AuditRecord) -> None:
        """Remember a record of this machine's audit file."""
        ...


class Publishes(Protocol):
    """Who tells all others what was done here."""

    def record(self, cluster: CleanText, record: AuditRecord) -> None:
        """Tell it, now or later."""
        ...

    def flush(self) -> None:
        """Send what waits."""
        ...


async def _nothing() -> None:
    return None


class RespondingSource:
    """A broker's facts, and a session to the cluster that they are about.

    Args:
        broker: only receives.
        responder: publishes what this session writes into its audit file.
        opens: how to get a session; None where there is no kubeconfig.
        no_acting: why there is none.
    """

    def __init__(
        self,
        broker: Receives,
        responder: Publishes,
        opens: OpensSession | None,
        no_acting: str = "no kubeconfig here",
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._broker = broker
        self._responder = responder
        self._opens = opens
        self._sleep = sleep
        self._facts = Confluence()
        self._attending = Attending(self._facts.tell)
        self._nodes: dict[NodeUid, NodeName] = {}
        self._cluster: ClusterFacts | None = None
        self._seeking: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._is_offered = False
        self._namespace = CleanText("")
        self.on_session: Callable[[Session], None] | None = None
        self.is_busy: Callable[[], bool] = lambda: False
        self.leave: Callable[[], Awaitable[None]] = _nothing
        if opens is None:
            broker.explain_acting(no_acting)
        else:
            broker.explain_acting(f"context {opens.context} was not compared yet")

    @property
    def name(self) -> str:
        """What to call it on screen."""
        return self._broker.name

    def focus(self, chosen: NodeUid | None, marked: frozenset[NodeUid]) -> None:
        """Do nothing: collectors are not asked for anything."""

    def request_count(self, node: NodeUid, map_name: str) -> None:
        """Do nothing: collectors are not asked for anything."""

    def revisit(self, uids: Collection[NodeUid]) -> None:
        """Read the nodes in work directly, beside the collectors; none ends that."""
        if self._opens is not None and self._session is not None:
            self._attending.revisit(uids, partial(self._opens.reader, self._namespace))

    def choose_cluster(self, name: str) -> None:
        """Show another cluster, unless an operation runs on this one."""
        if self.is_busy():
            shown = self._broker.chosen
            self._broker.refuse_choice(
                name, f"an operation runs on {shown}: it can't be left before that is over"
            )
        else:
            self._broker.choose_cluster(name)

    def publish(self, record: AuditRecord) -> None:
        """Tell all others what this session wrote into its audit file, but for its upkeep.

        A Lease is renewed every few seconds: it would push all else out of the room.
        """
        if not record.event.is_upkeep:
            self._responder.record(self._broker.chosen, record)

    def placed(self, written: AuditWritten) -> AuditWritten:
        """Return what this machine's audit file holds, with whether it is of this cluster.

        Whether another session here wrote it or this one: all contexts are in one file. What the
        broker tells of too is of its cluster, whatever the context was called.
        """
        session = self._session
        if session is not None and written.record.context != session.context:
            return replace(written, is_elsewhere=True)
        self._broker.note_own(written.record)
        return written

    async def facts(self) -> AsyncIterator[Fact]:
        """Yield facts until cancelled."""
        flushing = asyncio.create_task(self._flush(), name="publish audit records")
        facts = self._facts.facts(self._broker.facts())
        try:
            async with aclosing(facts) as following:
                async for fact, is_told in following:
                    if isinstance(fact, SourceReset):
                        await self._leave_cluster()
                    noted = self._noted(fact) if is_told else fact
                    if noted is not None:
                        yield noted
                    if self._session is not None and not self._is_offered:
                        # Before anybody may act: what must be typed comes from the session.
                        yield ClusterSeen(self._own(self._cluster or ClusterFacts()))
                        self._offer(self._session)
        finally:
            flushing.cancel()
            await self._leave_cluster()
            await asyncio.gather(flushing, return_exceptions=True)

    async def _flush(self) -> None:
        while True:
            self._responder.flush()
            await self._sleep(FLUSH_SECONDS)

    def _noted(self, fact: Fact) -> Fact | None:
        """Take in what the broker tells; return what of it is not known better."""
        match fact:
            case NodeSeen() if len(self._nodes) < NODES_KEPT and _is_name(fact.node.name):
                self._nodes.setdefault(fact.node.uid, fact.node.name)
            case NodeGone():
                self._nodes.pop(fact.node_uid, None)
            case ClusterSeen():
                self._cluster = fact.cluster
                return ClusterSeen(self._own(fact.cluster))
            case HealthChanged() if fact.health.state in READ and self._nodes:
                self._begin()
        return self._attending.admitted(fact)

    def _own(self, cluster: ClusterFacts) -> ClusterFacts:
        """Return the cluster's facts with what must be typed and where is written as we know it."""
        session = self._session
        if session is None:
            return cluster
        return replace(
            cluster,
            context=session.context,
            server=session.server,
            user=session.user,
            cilium_namespace=self._namespace,
        )

    def _begin(self) -> None:
        if self._opens is not None and self._seeking is None:
            self._seeking = asyncio.create_task(self._seek(self._opens), name="compare clusters")

    def _offer(self, session: Session) -> None:
        self._is_offered = True
        if self.on_session is not None:
            self.on_session(session)

    async def _leave_cluster(self) -> None:
        """Let nothing act on this cluster any more, and forget it."""
        seeking, self._seeking = self._seeking, None
        if seeking is not None:
            seeking.cancel()
            await asyncio.gather(seeking, return_exceptions=True)
        await self.leave()
        await self._attending.close()
        self._facts.forget()
        self._responder.flush()
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        self._nodes.clear()
        self._cluster, self._is_offered = None, False
        if self._opens is not None:
            self._broker.explain_acting(f"context {self._opens.context} was not compared yet")

    async def _seek(self, opens: OpensSession) -> None:
        """Compare the context's cluster with the one that is shown, until it is known."""
        wait = RETRY_SECONDS
        while True:
            try:
                is_same = await self._compared(opens)
            except KubeconfigError as error:
                self._broker.explain_acting(error.message)
                return
            except ClusterError as error:
                LOG.warning("context %s can't be compared: %s", opens.context, error.message)
                self._broker.explain_acting(f"context {opens.context}: {error.message}")
            else:
                if is_same is not None:
                    return
                self._broker.explain_acting(
                    f"context {opens.context} knows none of the nodes that the broker tells of"
                )
            await self._sleep(wait)
            wait = min(2.0 * wait, MOST_RETRY_SECONDS)

    async def _compared(self, opens: OpensSession) -> bool | None:
        """Keep a session where it is the same cluster; None where no node tells."""
        session = await opens.open()
        is_kept = False
        try:
            is_same = await self._has_same_node(session)
            if is_same:
                self._namespace = await opens.namespace(session)
                self._session, is_kept = session, True
                self._broker.explain_acting("")
            elif is_same is not None:
                self._broker.explain_acting(f"context {opens.context} is another cluster")
            return is_same
        finally:
            if not is_kept:
                await session.close()

    async def _has_same_node(self, session: Session) -> bool | None:
        from tui.cluster.kinds import Node

        for uid, name in list(self._nodes.items())[:NODES_ASKED]:
            try:
                node = await session.get_json(f"/api/v1/nodes/{quote(name, safe='')}", Node)
            except NotFoundError:
                continue
            return node.metadata.uid == uid
        return None


def _is_name(name: str) -> bool:
    return _NODE_NAME.fullmatch(name) is not None
