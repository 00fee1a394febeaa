"""CiliumNodeConfigs that come, go and fail, and changes of the cluster that are none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec

from tests.unit.collect_clock import VirtualClock, settle
from tui.cluster.kinds import KubeObject
from tui.cluster.watch import WatchEvent, WatchKind
from tui.collect.cluster_book import ClusterBook, unseen
from tui.collect.config_watches import (
    DISCOVERY_SECONDS,
    NODE_CONFIGS_GAP,
    RETRY_SECONDS,
    NodeConfigWatch,
)
from tui.collect.settings import CollectSettings
from tui.collect.shared import Shared
from tui.errors import ClusterError, DeadlineError, NotFoundError
from tui.model.cluster import ClusterFacts
from tui.model.reading import Reading, ReadingState
from tui.model.snapshot import ClusterSeen, Fact
from tui.safety import CleanText, clean

if TYPE_CHECKING:
    from tui.cluster.session import Session

T = TypeVar("T")
Item = TypeVar("Item", bound=KubeObject)

V2 = "/apis/cilium.io/v2"
CANARY = {"metadata": {"name": "canary"}, "spec": {"defaults": {"bpf-lb-map-max": "1024"}}}
LOST: WatchEvent[KubeObject] = WatchEvent(WatchKind.LOST, reason=clean("connection refused"))


@dataclass
class FakeSession:
    """An API server whose kinds and watches the test decides."""

    resources: dict[str, list[str] | ClusterError] = field(default_factory=dict)
    events: asyncio.Queue[WatchEvent[KubeObject]] = field(default_factory=asyncio.Queue)
    watched: list[str] = field(default_factory=list)

    async def get_json(
        self, path: str, decoder_type: type[T], *, params: Mapping[str, str] | None = None
    ) -> T:
        found = self.resources.get(path, NotFoundError(f"no {path}"))
        if isinstance(found, ClusterError):
            raise found
        return msgspec.convert({"resources": [{"name": name} for name in found]}, decoder_type)

    async def watch(
        self, path: str, item_type: type[Item], *, params: object = None
    ) -> AsyncIterator[WatchEvent[Item]]:
        self.watched.append(path)
        item = msgspec.convert(CANARY, item_type)
        yield WatchEvent(WatchKind.LISTED, items=(item,))
        while True:
            yield cast("WatchEvent[Item]", await self.events.get())


class Rig:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.session = FakeSession()
        self.shared = Shared.begin(self.clock, CollectSettings())
        self.book = ClusterBook(self.shared, ClusterFacts())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        session = cast("Session", self.session)
        watch = NodeConfigWatch(session, "kube-system", self.book, self.shared)
        task = asyncio.create_task(watch.run(), name="node configs")
        try:
            await settle()
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def state(self) -> ReadingState:
        return self.book.facts.node_configs.state

    @property
    def names(self) -> list[str]:
        return [str(one.name) for one in self.book.facts.node_configs.value or ()]

    def told(self) -> list[Fact]:
        facts = []
        while not self.shared.outbox.is_empty:
            facts.append(self.shared.outbox.get_nowait())
        return [fact for fact in facts if isinstance(fact, ClusterSeen)]


async def test_a_kind_that_appears_later_is_followed_and_one_that_goes_is_empty() -> None:
    rig = Rig()
    async with rig.running():
        assert (rig.state, rig.names) == (ReadingState.KNOWN, [])
        rig.session.resources[V2] = ["ciliumnodes", "ciliumnodeconfigs"]
        await rig.clock.advance(DISCOVERY_SECONDS)
        assert rig.session.watched == [f"{V2}/namespaces/kube-system/ciliumnodeconfigs"]
        assert rig.names == ["canary"]
        del rig.session.resources[V2]
        await rig.clock.advance(DISCOVERY_SECONDS)
        assert (rig.state, rig.names) == (ReadingState.KNOWN, [])


async def test_a_kind_that_is_still_not_there_is_no_news() -> None:
    rig = Rig()
    async with rig.running():
        await rig.book.tell()
        assert len(rig.told()) == 1
        for _ in range(5):
            await rig.clock.advance(DISCOVERY_SECONDS)
            await rig.book.tell()
        assert rig.told() == []


async def test_what_was_known_outlives_a_failure_and_the_gap_is_closed() -> None:
    rig = Rig()
    rig.session.resources[V2] = DeadlineError("too slow")
    async with rig.running():
        assert rig.state is ReadingState.FAILED
        assert len(rig.shared.gaps) == 1
        rig.session.resources[V2] = ["ciliumnodeconfigs"]
        await rig.clock.advance(RETRY_SECONDS)
        assert (rig.state, rig.names) == (ReadingState.KNOWN, ["canary"])
        assert len(rig.shared.gaps) == 0
        rig.session.events.put_nowait(LOST)
        await settle()
        assert (rig.state, rig.names) == (ReadingState.FAILED, ["canary"])
        assert NODE_CONFIGS_GAP in rig.shared.contact.lost


async def test_a_watch_that_is_given_up_leaves_nothing_lost() -> None:
    rig = Rig()
    rig.session.resources[V2] = ["ciliumnodeconfigs"]
    async with rig.running():
        rig.session.events.put_nowait(LOST)
        await settle()
        rig.session.resources[V2] = []
        await rig.clock.advance(DISCOVERY_SECONDS)
        assert (rig.state, rig.names) == (ReadingState.KNOWN, [])
        assert rig.shared.contact.lost == {}
        assert len(rig.shared.gaps) == 0


async def test_the_same_failure_told_again_is_no_change() -> None:
    rig = Rig()
    book = rig.book
    known = Reading.known(CleanText("v1.33.1"), book.origin("/version"))
    book.change(replace(book.facts, kubernetes_version=known))
    await book.tell()
    for _ in range(3):
        failed = unseen(clean("refused"), book.facts.kubernetes_version, is_denied=False)
        book.change(replace(book.facts, kubernetes_version=failed))
        await book.tell()
    assert len(rig.told()) == 2
    assert book.facts.kubernetes_version.value == "v1.33.1"
    book.change(replace(book.facts, kubernetes_version=known))
    await book.tell()
    assert len(rig.told()) == 1
