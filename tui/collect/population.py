"""Keep nodes and agent pods, and tell everybody who works on nodes what changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from tui.cluster import kinds
from tui.cluster.objects import agent_pod, node
from tui.collect.roster import Change, Roster, Target
from tui.collect.shared import Shared
from tui.model.names import NodeName, NodeUid, PodUid
from tui.model.snapshot import NodeGone, NodeSeen
from tui.safety import CleanText, clean

LONGEST_SLICE_SECONDS = 0.002
"""Of finding out which nodes moved; then other tasks get their turn."""

LOOKS = 32
"""Nodes that are looked at between two looks at the time."""

Owns = Callable[[NodeName], bool]
"""Whether a node is for this collector to read."""


class Listener(Protocol):
    """Somebody who works on nodes."""

    async def note(self, target: Target) -> None:
        """Take in a node that appeared or changed."""
        ...

    def forget(self, uid: NodeUid) -> None:
        """Forget a node that left."""
        ...


class Population:
    """Tells of changes: first the store, then those who work on nodes.

    A node that another collector reads does not exist for either of them; the roster knows it.
    """

    def __init__(self, roster: Roster, shared: Shared, listeners: Sequence[Listener]) -> None:
        self.roster = roster
        self.shared = shared
        self._listeners = listeners
        self._owns: Owns | None = None
        self._told: set[NodeUid] = set()
        self._has_moved = asyncio.Event()
        self._turns = asyncio.Lock()
        """One node is told of after the other: what enters and leaves at once keeps its order."""

    def set_share(self, owns: Owns | None) -> None:
        """Read the nodes that this function names; None for all. Takes effect soon."""
        self._owns = owns
        self._has_moved.set()

    def _reads(self, name: NodeName) -> bool:
        only = self.shared.settings.only_nodes
        return (not only or name in only) and (self._owns is None or self._owns(name))

    async def tell(self, changes: Iterable[Change]) -> None:
        """Hand on what changed."""
        for change in changes:
            async with self._turns:
                if isinstance(change, NodeGone):
                    await self._leave(change)
                elif self._reads(change.node.name):
                    await self._enter(change)
                else:
                    await self._leave(NodeGone(change.node.uid, has_moved=True))

    async def follow_share(self) -> None:
        """Have nodes enter and leave for ever, as the share changes."""
        while True:
            await self._has_moved.wait()
            self._has_moved.clear()
            await self._move()

    async def _move(self) -> None:
        """Look at every node anew, a few at once."""
        began_at = time.perf_counter()
        for number, target in enumerate(list(self.roster.targets), 1):
            if self._reads(target.node.name) != (target.node.uid in self._told):
                await self._settle(target.node.uid)
            if self._has_moved.is_set():
                return
            if number % LOOKS == 0 and time.perf_counter() - began_at > LONGEST_SLICE_SECONDS:
                await asyncio.sleep(0)
                began_at = time.perf_counter()

    async def _settle(self, uid: NodeUid) -> None:
        """Have one node enter or leave, as it is once its turn comes."""
        async with self._turns:
            target = self.roster.get(uid)
            if target is None:
                return
            if not self._reads(target.node.name):
                await self._leave(NodeGone(uid, has_moved=True))
            elif uid not in self._told:
                await self._enter(NodeSeen(target.node, target.agent))

    async def _enter(self, seen: NodeSeen) -> None:
        self._told.add(seen.node.uid)
        await self.shared.outbox.put(seen)
        target = self.roster.get(seen.node.uid)
        if target is not None:
            for listener in self._listeners:
                await listener.note(target)

    async def _leave(self, gone: NodeGone) -> None:
        if gone.node_uid not in self._told:
            return
        self._told.discard(gone.node_uid)
        await self.shared.outbox.put(gone)
        for listener in self._listeners:
            listener.forget(gone.node_uid)


class NodeKeeper:
    """Keeps the Node objects."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._roster = population.roster

    async def put(self, item: kinds.Node) -> None:
        """Take in a node that is new or changed."""
        await self._population.tell(self._roster.put_node(node(item)))

    async def drop(self, item: kinds.Node) -> None:
        """Forget a node that was deleted."""
        await self._population.tell(self._roster.drop_node(_node_name(item)))

    async def keep(self, items: Sequence[kinds.Node]) -> None:
        """Forget all nodes but these."""
        await self._population.tell(self._roster.keep_nodes([_node_name(item) for item in items]))

    async def lose(self, reason: CleanText, *, is_denied: bool) -> None:
        """Take the pods' word for which nodes there are, where Nodes may not be listed."""
        if is_denied:
            await self._population.tell(self._roster.derive_nodes())

    async def regain(self) -> None:
        """Believe the Node objects again."""
        await self._population.tell(self._roster.trust_nodes())


class PodKeeper:
    """Keeps the agents' Pod objects."""

    def __init__(self, population: Population, container: str) -> None:
        self._population = population
        self._roster = population.roster
        self._container = container

    async def put(self, item: kinds.Pod) -> None:
        """Take in a pod that is new or changed; one without a node serves nobody yet."""
        pod = agent_pod(item, self._container)
        if pod.node_name:
            await self._population.tell(self._roster.put_pod(pod))

    async def drop(self, item: kinds.Pod) -> None:
        """Forget a pod that was deleted."""
        await self._population.tell(self._roster.drop_pod(_pod_uid(item)))

    async def keep(self, items: Sequence[kinds.Pod]) -> None:
        """Forget all pods but these."""
        await self._population.tell(self._roster.keep_pods([_pod_uid(item) for item in items]))

    async def lose(self, reason: CleanText, *, is_denied: bool) -> None:
        """Keep what was seen: it grows old, and the gap says so."""

    async def regain(self) -> None:
        """Go on with what was kept."""


def _node_name(item: kinds.Node) -> NodeName:
    return NodeName(clean(item.metadata.name))


def _pod_uid(item: kinds.Pod) -> PodUid:
    return PodUid(clean(item.metadata.uid))
