"""Follow what changes agents' configuration over time: CiliumNodeConfigs and rollouts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from tui.cluster.config_objects import (
    ControllerRevision,
    NodeConfigObject,
    node_config,
    revision,
)
from tui.cluster.discovery import node_config_path
from tui.cluster.kinds import KubeObject
from tui.collect.cluster_book import ClusterBook, unseen
from tui.collect.shared import Shared
from tui.collect.watching import Resource, follow
from tui.errors import ClusterError, ForbiddenError
from tui.model.cluster import CiliumNodeConfig, DaemonSetRevision
from tui.model.reading import Reading
from tui.safety import CleanText

if TYPE_CHECKING:
    from tui.cluster.session import Session

Item = TypeVar("Item", bound=KubeObject)
FactT = TypeVar("FactT")

LOG = logging.getLogger("tui.collect.config")

DISCOVERY_SECONDS = 300.0
"""An upgrade of Cilium that brings CiliumNodeConfigs, or another version of them, shows by then."""
RETRY_SECONDS = 30.0
NODE_CONFIGS_GAP = "ciliumnodeconfigs"
NO_NODE_CONFIGS = "/apis/cilium.io"
"""The answer's source where the API has no such kind."""


class NamedKeeper(Generic[Item, FactT]):
    """Keeps the objects of one namespace as facts, by name."""

    def __init__(
        self,
        fact_of: Callable[[Item], FactT],
        tell: Callable[[tuple[FactT, ...]], None],
        lose: Callable[[CleanText, bool], None],
        is_ours: Callable[[Item], bool] = lambda item: True,
    ) -> None:
        self._fact_of = fact_of
        self._tell = tell
        self._lose = lose
        self._is_ours = is_ours
        self._known: dict[str, FactT] = {}

    async def put(self, item: Item) -> None:
        """Take in an object that is new or changed."""
        if self._is_ours(item):
            self._known[item.metadata.name] = self._fact_of(item)
            await self.regain()

    async def drop(self, item: Item) -> None:
        """Forget one that was deleted."""
        self._known.pop(item.metadata.name, None)
        await self.regain()

    async def keep(self, items: Sequence[Item]) -> None:
        """Forget all but these."""
        names = {item.metadata.name for item in items}
        self._known = {name: fact for name, fact in self._known.items() if name in names}
        await self.regain()

    async def lose(self, reason: CleanText, *, is_denied: bool) -> None:
        """Keep the last ones, and say why there are no newer ones."""
        self._lose(reason, is_denied)

    async def regain(self) -> None:
        """Tell which there are now, by name."""
        self._tell(tuple(self._known[name] for name in sorted(self._known)))


def revision_keeper(
    book: ClusterBook, path: str, is_ours: Callable[[str], bool]
) -> NamedKeeper[ControllerRevision, DaemonSetRevision]:
    """Return the keeper of the ControllerRevisions of agents' DaemonSets."""

    def tell(found: tuple[DaemonSetRevision, ...]) -> None:
        reading = Reading.known(found, book.origin(path))
        book.change(replace(book.facts, revisions=reading))

    def lose(reason: CleanText, is_denied: bool) -> None:
        reading = unseen(reason, book.facts.revisions, is_denied=is_denied)
        book.change(replace(book.facts, revisions=reading))

    return NamedKeeper(revision, tell, lose, lambda item: is_ours(item.daemonset))


def node_config_keeper(
    book: ClusterBook, path: str
) -> NamedKeeper[NodeConfigObject, CiliumNodeConfig]:
    """Return the keeper of the CiliumNodeConfigs."""

    def tell(found: tuple[CiliumNodeConfig, ...]) -> None:
        reading = Reading.known(found, book.origin(path))
        book.change(replace(book.facts, node_configs=reading))

    def lose(reason: CleanText, is_denied: bool) -> None:
        reading = unseen(reason, book.facts.node_configs, is_denied=is_denied)
        book.change(replace(book.facts, node_configs=reading))

    return NamedKeeper(node_config, tell, lose)


class NodeConfigWatch:
    """Follows CiliumNodeConfigs in the version that the API has, if it has any."""

    def __init__(self, session: Session, namespace: str, book: ClusterBook, shared: Shared) -> None:
        self._session = session
        self._namespace = namespace
        self._book = book
        self._shared = shared
        self._path: str | None = None
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Follow them for ever; which version there is is asked again now and then."""
        try:
            while True:
                await self._shared.clock.sleep(await self._look())
        finally:
            await self._stop()

    async def _look(self) -> float:
        """Start the watch, or another one; return the seconds until the next look."""
        if self._task is not None and self._task.done():
            self._task.result()
        try:
            path = await node_config_path(self._session)
        except ClusterError as error:
            if self._task is None:
                await self._lose(error)
            return RETRY_SECONDS
        if path is None:
            await self._stop()
            await self._shared.gaps.close(NODE_CONFIGS_GAP)
            if self._path is not None or not self._book.facts.node_configs.is_known:
                await node_config_keeper(self._book, NO_NODE_CONFIGS).regain()
        elif path != self._path:
            await self._stop()
            self._task = asyncio.create_task(self._follow(path), name="watch ciliumnodeconfigs")
        self._path = path
        return DISCOVERY_SECONDS

    async def _follow(self, path: str) -> None:
        group, _, plural = path.rpartition("/")
        path = f"{group}/namespaces/{self._namespace}/{plural}"
        resource = Resource(NODE_CONFIGS_GAP, path, NodeConfigObject)
        keeper = node_config_keeper(self._book, path)
        await follow(self._session, resource, keeper, self._shared)

    async def _lose(self, error: ClusterError) -> None:
        is_denied = isinstance(error, ForbiddenError)
        what = CleanText("find CiliumNodeConfigs")
        await self._shared.gaps.open(NODE_CONFIGS_GAP, what, error.message, is_denied=is_denied)
        keeper = node_config_keeper(self._book, NO_NODE_CONFIGS)
        await keeper.lose(error.message, is_denied=is_denied)

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        # Nobody else takes back what a watch said that is given up.
        self._shared.contact.lost.pop(NODE_CONFIGS_GAP, None)
        self._shared.contact.refused.discard(NODE_CONFIGS_GAP)
