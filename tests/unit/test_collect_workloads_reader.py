"""When workloads are read, and what becomes of lists that fail, change or are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import pytest

from tests.unit.collect_clock import VirtualClock, settle
from tui.cilium.servicespec import EndpointSliceSpec, EndpointSpec, ServiceSpec
from tui.cluster.kinds import KubeObject
from tui.cluster.lists import Listing
from tui.collect.cluster_book import ClusterBook
from tui.collect.mount_book import MOST_FAILURES
from tui.collect.settings import CollectSettings
from tui.collect.shared import Shared
from tui.collect.unmirrored import MOST_SERVICES
from tui.collect.wants import WantKeeper
from tui.collect.workloads import ATTACHMENTS, EVENTS, PODS, VOLUMES, WorkloadReader
from tui.errors import ClusterError, DeadlineError, ForbiddenError, GoneError, NotFoundError
from tui.model.cluster import ClusterFacts
from tui.model.reading import ReadingState
from tui.model.snapshot import GapChanged
from tui.safety import clean

T = TypeVar("T")
Item = TypeVar("Item", bound=KubeObject)
Json = dict[str, object]
Params = Mapping[str, str | int | None]


@dataclass
class FakeLists:
    """Lists as pages of objects; an error in place of a page is raised there, once."""

    lists: dict[str, list[list[Json] | ClusterError]] = field(default_factory=dict)
    documents: dict[str, Json | ClusterError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    skipped: int = 0

    async def pages(
        self, path: str, item_type: type[Item], *, params: Params | None = None
    ) -> AsyncGenerator[Listing[Item], None]:
        self.asked.append(path)
        pages = self.lists.get(path, [[]])
        for page in list(pages):
            if isinstance(page, ClusterError):
                pages.remove(page)
                raise page
            items = tuple(msgspec.convert(item, item_type) for item in page)
            yield Listing(items, "1", self.skipped)

    async def get_json(
        self, path: str, decoder_type: type[T], *, params: Params | None = None
    ) -> T:
        self.asked.append(path)
        found = self.documents.get(path, NotFoundError(f"no {path}"))
        if isinstance(found, ClusterError):
            raise found
        return msgspec.convert(found, decoder_type)


class Reader:
    """A reader over fake lists, in virtual time."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.lists = FakeLists()
        self.shared = Shared.begin(self.clock, CollectSettings())
        self.book = ClusterBook(self.shared, ClusterFacts())
        self.wants = WantKeeper(self.clock)
        self.reader = WorkloadReader(self.lists, self.book, self.wants, self.shared)

    def complete(self) -> None:
        self.wants.keep_services(())
        self.wants.keep_slices(())

    @property
    def facts(self) -> ClusterFacts:
        return self.book.facts

    @property
    def rounds(self) -> int:
        return self.lists.asked.count(PODS.path)

    def gaps(self) -> dict[str, str]:
        """Return the open gaps with their reasons."""
        found: dict[str, str] = {}
        while not self.shared.outbox.is_empty:
            fact = self.shared.outbox.get_nowait()
            if isinstance(fact, GapChanged):
                found.pop(fact.key, None)
                if fact.gap is not None:
                    found[fact.key] = str(fact.gap.reason)
        return found

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reader.run(), name="reader")
        try:
            await settle()
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def pod(name: str, port: int = 31000) -> Json:
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"nodeName": "n", "containers": [{"ports": [{"hostPort": port}]}]},
        "status": {"phase": "Running"},
    }


async def test_the_first_round_waits_for_the_services() -> None:
    rig = Reader()
    async with rig.running():
        await rig.clock.advance(10.0)
        assert rig.rounds == 0
        rig.complete()
        await rig.clock.advance(0.5)
        assert rig.rounds == 1
        assert rig.facts.unmirrored.is_known


async def test_without_services_the_pods_are_read_all_the_same() -> None:
    rig = Reader()
    async with rig.running():
        await rig.clock.advance(16.0)
        assert rig.rounds == 1
        assert rig.facts.workloads.is_known
        assert rig.facts.unmirrored.state is ReadingState.UNKNOWN
        assert rig.facts.unmirrored.reason == "the Services were not listed yet"
        rig.complete()
        await rig.clock.advance(61.0)
        assert rig.facts.unmirrored.is_known


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 270.0), (0.5, 300.0), (1.0, 330.0)])
async def test_rounds_come_every_five_minutes_with_jitter(chance: float, seconds: float) -> None:
    rig = Reader()
    rig.complete()
    rig.clock.chance = chance
    async with rig.running():
        assert rig.rounds == 1
        await rig.clock.advance(seconds - 1.0)
        assert rig.rounds == 1
        await rig.clock.advance(1.0)
        assert rig.rounds == 2


async def test_a_failure_is_tried_again_sooner_and_keeps_what_was_known() -> None:
    rig = Reader()
    rig.complete()
    rig.lists.lists[PODS.path] = [[pod("a")]]
    async with rig.running():
        known = rig.facts.workloads
        assert known.value is not None
        rig.lists.lists[PODS.path] = [DeadlineError("too slow"), [pod("a"), pod("b")]]
        await rig.clock.advance(300.0)
        assert rig.facts.workloads.state is ReadingState.FAILED
        assert rig.facts.workloads.value == known.value
        assert rig.facts.workloads.origin == known.origin
        assert rig.gaps() == {"workload pods": "too slow"}
        await rig.clock.advance(60.0)
        assert rig.facts.workloads.is_known
        assert rig.facts.workloads.value is not None
        assert len(rig.facts.workloads.value.host_ports) == 2
        assert rig.gaps() == {}


def claiming(name: str, claim: str) -> Json:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"nodeName": "n", "containers": [], "volumes": volumes},
        "status": {"phase": "Running"},
    }


def ceph_volume(name: str, claim: str) -> Json:
    csi = {"driver": "rbd.csi.ceph.com", "volumeAttributes": {"clusterID": "c"}}
    return {
        "metadata": {"name": name},
        "spec": {"claimRef": {"namespace": "shop", "name": claim}, "csi": csi},
        "status": {"phase": "Bound"},
    }


def attachment(volume: str, node: str) -> Json:
    spec = {"nodeName": node, "source": {"persistentVolumeName": volume}}
    return {"metadata": {"name": volume}, "spec": spec, "status": {"attached": True}}


async def test_volumes_attachments_and_monitors_that_fail_keep_what_was_known() -> None:
    rig = Reader()
    rig.complete()
    config_map = "/api/v1/configmaps"
    monitors = '[{"clusterID": "c", "monitors": ["192.0.2.1:6789"]}]'
    rig.lists.lists[PODS.path] = [[claiming("a", "data")]]
    rig.lists.lists[VOLUMES.path] = [[ceph_volume("pv", "data")]]
    rig.lists.lists[ATTACHMENTS.path] = [[attachment("pv", "other")]]
    rig.lists.documents[config_map] = {"items": [{"data": {"config.json": monitors}}]}
    async with rig.running():
        known = rig.facts.workloads.value
        assert known is not None
        assert [one.node_name for one in known.volume_uses] == ["n", "other"]
        assert [one.servers for one in known.volumes] == [("192.0.2.1",)]

        rig.lists.lists[VOLUMES.path] = [DeadlineError("too slow"), [ceph_volume("pv", "data")]]
        await rig.clock.advance(300.0)
        assert rig.facts.workloads.value == known
        assert rig.facts.volumes_reason == "too slow"
        assert rig.gaps()["persistentvolumes"] == "too slow"

        rig.lists.lists[ATTACHMENTS.path] = [DeadlineError("500"), [attachment("pv", "third")]]
        rig.lists.documents[config_map] = DeadlineError("no ConfigMaps now")
        await rig.clock.advance(60.0)
        stale = rig.facts.workloads.value
        assert stale is not None
        assert stale.volume_uses == known.volume_uses
        assert [one.servers for one in stale.volumes] == [("192.0.2.1",)]
        assert rig.facts.volumes_reason == "500"

        rig.lists.documents[config_map] = {"items": []}
        await rig.clock.advance(60.0)
        fresh = rig.facts.workloads.value
        assert fresh is not None
        assert [one.node_name for one in fresh.volume_uses] == ["n", "third"]
        assert [one.servers for one in fresh.volumes] == [()], "that ConfigMap is gone for good"
        assert rig.gaps() == {}


async def test_a_refusal_is_not_tried_again_sooner() -> None:
    rig = Reader()
    rig.complete()
    rig.lists.lists[EVENTS.path] = [ForbiddenError("not allowed to list events", "list", "events")]
    async with rig.running():
        assert rig.facts.mount_failures.state is ReadingState.DENIED
        assert rig.facts.workloads.is_known
        await rig.clock.advance(299.0)
        assert rig.rounds == 1


async def test_a_list_that_changed_is_begun_again_without_doubles() -> None:
    rig = Reader()
    rig.complete()
    rig.lists.lists[PODS.path] = [[pod("a")], GoneError("410"), [pod("b")]]
    async with rig.running():
        workloads = rig.facts.workloads.value
        assert workloads is not None
        assert [one.pod for one in workloads.host_ports] == ["shop/a", "shop/b"]
        assert workloads.pods_total == 2
        assert rig.rounds == 2
        assert rig.gaps() == {}


async def test_a_list_that_keeps_changing_fails() -> None:
    rig = Reader()
    rig.complete()
    rig.lists.lists[PODS.path] = [[pod("a")], GoneError("410"), GoneError("410 again")]
    async with rig.running():
        assert rig.facts.workloads.state is ReadingState.FAILED
        assert rig.facts.workloads.reason == "410 again"
        assert rig.facts.mount_failures.is_known


async def test_objects_that_can_not_be_read_are_told_of() -> None:
    rig = Reader()
    rig.complete()
    rig.lists.skipped = 2
    async with rig.running():
        assert rig.facts.workloads.is_known
        assert rig.gaps()["workload pods"].startswith("2 objects are of a shape")


async def test_services_that_are_denied_are_the_reason_for_endpoints() -> None:
    rig = Reader()
    rig.wants.troubles["services"] = (clean("not allowed to list services"), True)
    async with rig.running():
        assert rig.facts.unmirrored.state is ReadingState.DENIED
        assert rig.facts.unmirrored.reason == "not allowed to list services"
        assert rig.facts.workloads.is_known


def selectorless(rig: Reader, count: int, endpoints: Json | None = None) -> None:
    for number in range(count):
        name = f"db-{number:03}"
        rig.wants.put_service(ServiceSpec("shop", name, has_selector=False))
        if endpoints is not None:
            path = f"/api/v1/namespaces/shop/endpoints/{name}"
            rig.lists.documents[path] = {"metadata": {"name": name}, **endpoints}


def subset(addresses: int) -> Json:
    return {"subsets": [{"addresses": [{"ip": "192.0.2.1"}] * addresses}]}


async def test_endpoints_are_asked_for_a_bounded_number_of_services() -> None:
    rig = Reader()
    selectorless(rig, MOST_SERVICES + 3, subset(1))
    rig.wants.keep_services([("shop", f"db-{number:03}") for number in range(MOST_SERVICES + 3)])
    rig.wants.keep_slices(())
    async with rig.running():
        assert len(rig.facts.unmirrored.value or ()) == MOST_SERVICES
        assert rig.gaps()["endpoints"].startswith("3 more Services")


async def test_a_subset_that_is_too_large_is_found_though_there_are_slices() -> None:
    rig = Reader()
    selectorless(rig, 1, subset(1_001))
    endpoints = tuple(EndpointSpec((f"192.0.2.{number % 250}",)) for number in range(1_000))
    rig.wants.put_slice(("shop", "db-x"), EndpointSliceSpec("shop", "db-000", endpoints=endpoints))
    rig.wants.keep_services([("shop", "db-000")])
    rig.wants.keep_slices([("shop", "db-x")])
    async with rig.running():
        (found,) = rig.facts.unmirrored.value or ()
        assert (found.largest_subset, found.is_skipped) == (1_001, False)
        path = "/api/v1/namespaces/shop/endpoints/db-000"
        rig.lists.documents[path] = {"metadata": {"name": "db-000"}, **subset(1_000)}
        await rig.clock.advance(300.0)
        assert not rig.facts.unmirrored.value


async def test_endpoints_that_are_just_made_may_still_be_mirrored() -> None:
    rig = Reader()
    selectorless(rig, 1)
    metadata = {"name": "db-000", "namespace": "shop", "creationTimestamp": "2023-11-14T22:29:58Z"}
    path = "/api/v1/namespaces/shop/endpoints/db-000"
    rig.lists.documents[path] = {"metadata": metadata, **subset(1)}
    rig.wants.keep_services([("shop", "db-000")])
    rig.wants.keep_slices(())
    async with rig.running():
        assert rig.clock.time() - 1_700_001_000.0 < 5.0
        assert rig.facts.unmirrored.is_known
        assert not rig.facts.unmirrored.value
        await rig.clock.advance(300.0)
        assert len(rig.facts.unmirrored.value or ()) == 1


async def test_the_newest_mount_failures_are_kept() -> None:
    rig = Reader()
    rig.complete()
    events: list[Json] = [
        {
            "involvedObject": {"namespace": "shop", "name": f"p{number}"},
            "lastTimestamp": f"2026-01-01T{number // 60 % 24:02}:{number % 60:02}:00Z",
        }
        for number in range(1_400)
    ]
    rig.lists.lists[EVENTS.path] = [events]
    async with rig.running():
        found = rig.facts.mount_failures.value or ()
        assert len(found) == MOST_FAILURES
        assert found[0].pod == "shop/p1399"
        assert found[-1].pod == f"shop/p{1_400 - MOST_FAILURES}"
