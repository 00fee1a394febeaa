"""Keep nodes and agent pods, and tell everybody who works on nodes what changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from tui.cluster import kinds
from tui.cluster.objects import agent_pod, node
from tui.collect.roster import Change, Roster, Target
from tui.collect.shared import Shared
from tui.model.names import NodeName, NodeUid, PodUid
from tui.model.snapshot import NodeSeen
from tui.safety import CleanText, clean


class Listener(Protocol):
    """Somebody who works on nodes."""

    async def note(self, target: Target) -> None:
        """Take in a node that appeared or changed."""
        ...

    def forget(self, uid: NodeUid) -> None:
        """Forget a node that left."""
        ...


class Population:
    """Tells of changes: first the store, then those who work on nodes."""

    def __init__(self, roster: Roster, shared: Shared, listeners: Sequence[Listener]) -> None:
        self.roster = roster
        self.shared = shared
        self._listeners = listeners

    async def tell(self, changes: Iterable[Change]) -> None:
        """Hand on what changed."""
        only = self.shared.settings.only_nodes
        for change in changes:
            if only and isinstance(change, NodeSeen) and change.node.name not in only:
                continue
            await self.shared.outbox.put(change)
            if not isinstance(change, NodeSeen):
                for listener in self._listeners:
                    listener.forget(change.node_uid)
                continue
            target = self.roster.get(change.node.uid)
            if target is not None:
                for listener in self._listeners:
                    await listener.note(target)


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
