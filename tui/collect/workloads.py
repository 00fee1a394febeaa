"""Read, a few times an hour, what the cluster runs that a limitation of Cilium could hurt.

Pods of all namespaces are the longest list of a cluster: they are not followed, but read in pages
now and then, and all but the few that matter are forgotten at once.
"""

from __future__ import annotations

from dataclasses import replace

from tui.cluster.workload_kinds import Event, PersistentVolume, VolumeAttachment, WorkloadPod
from tui.collect.ceph_monitors import NOT_FOUND, read_monitors
from tui.collect.cluster_book import ClusterBook, unseen
from tui.collect.mount_book import MountBook
from tui.collect.shared import Shared
from tui.collect.sifting import Lists, LongList, Sifter, in_turns, unread
from tui.collect.unmirrored import read_unmirrored
from tui.collect.volume_book import VolumeBook
from tui.collect.wants import NOT_LISTED, WantKeeper
from tui.collect.workload_book import PodFindings
from tui.errors import ClusterError
from tui.model.reading import Reading
from tui.model.workloads import UnmirroredEndpoints, VolumeUse, Workloads
from tui.safety import CleanText, clean

PERIOD_SECONDS = 300.0
RETRY_SECONDS = 60.0
"""After a failure that is no refusal."""
JITTER = 0.1
FIRST_SECONDS = 15.0
"""The first reading waits so long for the Services, which tell what to ask for."""

PODS = LongList(
    "workload pods",
    CleanText("list pods of all namespaces"),
    "/api/v1/pods",
    {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"},
)
VOLUMES = LongList(
    "persistentvolumes", CleanText("list persistentvolumes"), "/api/v1/persistentvolumes"
)
ATTACHMENTS = LongList(
    "volumeattachments",
    CleanText("list volumeattachments"),
    "/apis/storage.k8s.io/v1/volumeattachments",
)
EVENTS = LongList(
    "events",
    CleanText("list FailedMount events"),
    "/api/v1/events",
    {"fieldSelector": "reason=FailedMount,involvedObject.kind=Pod"},
)
ENDPOINTS_GAP = "endpoints"
_ENDPOINTS = CleanText("get endpoints of Services without selector")


class WorkloadReader:
    """Keeps `workloads`, `mount_failures` and `unmirrored` of the cluster's facts."""

    def __init__(
        self, session: Lists, book: ClusterBook, wants: WantKeeper, shared: Shared
    ) -> None:
        self._session = session
        self._book = book
        self._wants = wants
        self._shared = shared
        self._sifter = Sifter(session, shared)
        self._volumes = VolumeBook()
        """The last ones that were read: a list that fails later must not empty them."""
        self._attached: list[VolumeUse] = []
        """What only attachments told when they were read last."""

    async def run(self) -> None:
        """Read for ever."""
        clock = self._shared.clock
        await self._await_services()
        while True:
            is_whole = await self.read()
            seconds = PERIOD_SECONDS if is_whole else RETRY_SECONDS
            await clock.sleep(seconds * (1.0 - JITTER + 2.0 * JITTER * clock.random()))

    async def read(self) -> bool:
        """Read everything once; return whether nothing failed but what is refused."""
        self._sifter.has_failed = False
        await self._read_workloads()
        await self._read_mount_failures()
        await self._read_unmirrored()
        return not self._sifter.has_failed

    async def _await_services(self) -> None:
        clock = self._shared.clock
        ends_at = clock.monotonic() + FIRST_SECONDS
        while not (self._wants.is_complete or self._wants.troubles):
            if clock.monotonic() >= ends_at:
                return
            await clock.sleep(0.5)

    async def _read_workloads(self) -> None:
        book = self._book
        pods = await self._sifter.sift(PODS, WorkloadPod, PodFindings, PodFindings.take)
        if isinstance(pods, ClusterError):
            reading = unread(pods, book.facts.workloads)
            book.change(replace(book.facts, workloads=reading))
            return
        volumes, uses, reason = await self._read_volumes(pods)
        workloads = Workloads(
            host_ports=tuple(pods.host_ports),
            volumes=(*pods.inline_volumes, *volumes.mattering(uses)),
            volume_uses=(*pods.uses, *uses),
            fast_open_pods=tuple(pods.fast_open_pods),
            pods_total=pods.pods_total,
        )
        reading = Reading.known(workloads, book.origin(PODS.path))
        book.change(replace(book.facts, workloads=reading, volumes_reason=reason))

    async def _read_volumes(
        self, pods: PodFindings
    ) -> tuple[VolumeBook, list[VolumeUse], CleanText]:
        """Return the network volumes, who uses them, and why some of that is not known."""
        if not pods.claims:
            for one in (VOLUMES, ATTACHMENTS):
                await self._shared.gaps.close(one.key)
            self._volumes, self._attached = VolumeBook(), []
            return self._volumes, [], CleanText("")
        found = await self._sifter.sift(VOLUMES, PersistentVolume, VolumeBook, VolumeBook.take)
        if isinstance(found, ClusterError):
            uses = [use async for use in in_turns(self._volumes.uses_of(pods.claims))]
            return self._volumes, [*uses, *self._attached], found.message
        uses = [use async for use in in_turns(found.uses_of(pods.claims))]
        reason = await self._read_attachments(found, uses)
        if found.clusters:
            monitors, why = await read_monitors(self._session, found.clusters.values())
            before = {} if why is NOT_FOUND else self._volumes.volumes
            async for name in in_turns(found.clusters):
                found.resolve(name, monitors, why, before.get(name))
        self._volumes = found
        return found, uses, reason

    async def _read_attachments(self, volumes: VolumeBook, uses: list[VolumeUse]) -> CleanText:
        """Add what only an attachment tells; return why attachments are not known."""
        if not volumes.has_attachable:
            await self._shared.gaps.close(ATTACHMENTS.key)
            self._attached = []
            return CleanText("")
        known = {(use.volume, str(use.node_name)) for use in uses}

        def take(kept: list[VolumeUse], item: VolumeAttachment) -> None:
            use = volumes.attached(item, known)
            if use is not None:
                kept.append(use)

        found = await self._sifter.sift(ATTACHMENTS, VolumeAttachment, list[VolumeUse], take)
        if isinstance(found, ClusterError):
            uses.extend(
                use
                for use in self._attached
                if use.volume in volumes.volumes and (use.volume, str(use.node_name)) not in known
            )
            return found.message
        self._attached = found
        uses.extend(found)
        return CleanText("")

    async def _read_mount_failures(self) -> None:
        book = self._book
        found = await self._sifter.sift(EVENTS, Event, MountBook, MountBook.take)
        if isinstance(found, ClusterError):
            reading = unread(found, book.facts.mount_failures)
        else:
            reading = Reading.known(found.failures(), book.origin(EVENTS.path))
        book.change(replace(book.facts, mount_failures=reading))

    async def _read_unmirrored(self) -> None:
        reading = await self._unmirrored(self._book.facts.unmirrored)
        self._book.change(replace(self._book.facts, unmirrored=reading))

    async def _unmirrored(
        self, before: Reading[tuple[UnmirroredEndpoints, ...]]
    ) -> Reading[tuple[UnmirroredEndpoints, ...]]:
        for reason, is_denied in self._wants.troubles.values():
            self._sifter.has_failed = self._sifter.has_failed or not is_denied
            return unseen(reason, before, is_denied=is_denied)
        if not self._wants.is_complete:
            self._sifter.has_failed = True
            return Reading[tuple[UnmirroredEndpoints, ...]].unknown(NOT_LISTED).keeping(before)
        work = read_unmirrored(self._session, self._wants.unmirrored(), self._shared.clock.time())
        found = await self._sifter.attempt(ENDPOINTS_GAP, _ENDPOINTS, work)
        if isinstance(found, ClusterError):
            return unread(found, before)
        endpoints, left = found
        if left:
            reason = clean(f"{left} more Services have no EndpointSlice; they were not looked at")
            await self._shared.gaps.open(ENDPOINTS_GAP, _ENDPOINTS, reason)
        return Reading.known(endpoints, self._book.origin("/api/v1/endpoints"))
