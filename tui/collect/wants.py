"""Keep what the cluster's Services want up to date from watches, one Service at a time.

A Service that has just changed is not yet in every kernel: for a short grace nobody is alarmed
about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tui.cilium.servicespec import EndpointSliceSpec, ServiceSpec
from tui.cilium.wants import WantedService, WantedServices, index_services, wanted_service
from tui.collect.clock import Clock
from tui.model.services import FaultKind, ServiceCoverage
from tui.safety import CleanText, clean

SETTLING_SECONDS = 15.0
"""Agents follow a change within a second or two; a busy one, or a slow watch, takes longer."""

INLINE_SERVICES = 200
"""Beyond this many, the index is built off the loop's thread."""

MOST_MIRRORED = 1_000
"""Addresses of one subset of Endpoints that get into EndpointSlices."""

ServiceKey = tuple[str, str]
"""Namespace and name."""

NOT_LISTED = CleanText("the Services were not listed yet")


@dataclass(frozen=True, slots=True)
class Wants:
    """What is wanted, and of which Services that is too fresh to judge by."""

    services: WantedServices
    settling: frozenset[str]


class WantKeeper:
    """What every kernel should hold, from the Services and EndpointSlices seen so far."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._services: dict[ServiceKey, ServiceSpec] = {}
        self._slices: dict[ServiceKey, dict[str, EndpointSliceSpec]] = {}
        self._owner: dict[ServiceKey, ServiceKey] = {}
        self._built: dict[ServiceKey, WantedService] = {}
        self._dirty: set[ServiceKey] = set()
        self._changed_at: dict[ServiceKey, float] = {}
        self._index = WantedServices()
        self._lock = asyncio.Lock()
        self._has_services = False
        self._has_slices = False
        self.version = 0
        """Grows with every change."""
        self.troubles: dict[str, tuple[CleanText, bool]] = {}
        """By resource: why it can't be read, and whether that is for want of the right."""

    @property
    def is_complete(self) -> bool:
        """Whether both lists arrived: half of them would make every Service look wrong."""
        return self._has_services and self._has_slices

    def put_service(self, spec: ServiceSpec) -> None:
        """Add or replace a Service."""
        key = (spec.namespace, spec.name)
        if self._services.get(key) != spec:
            self._services[key] = spec
            self._touch(key, is_first=not self._has_services)

    def drop_service(self, key: ServiceKey) -> None:
        """Forget a Service that was deleted."""
        if self._services.pop(key, None) is not None:
            self._touch(key, is_first=False)

    def keep_services(self, keys: Iterable[ServiceKey]) -> None:
        """Forget all Services but these, at the end of a fresh list."""
        for key in self._services.keys() - set(keys):
            self.drop_service(key)
        self._has_services = True
        self.version += 1

    def put_slice(self, key: ServiceKey, spec: EndpointSliceSpec) -> None:
        """Add or replace an EndpointSlice."""
        owner = (spec.namespace, spec.service_name)
        before = self._owner.get(key)
        if before is not None and before != owner:
            self.drop_slice(key)
        self._owner[key] = owner
        slices = self._slices.setdefault(owner, {})
        if slices.get(key[1]) != spec:
            slices[key[1]] = spec
            self._touch(owner, is_first=not self._has_slices)

    def keep_slices(self, keys: Iterable[ServiceKey]) -> None:
        """Forget all EndpointSlices but these, at the end of a fresh list."""
        for key in self._owner.keys() - set(keys):
            self.drop_slice(key)
        self._has_slices = True
        self.version += 1

    def drop_slice(self, key: ServiceKey) -> None:
        """Forget an EndpointSlice that was deleted."""
        owner = self._owner.pop(key, None)
        if owner is not None:
            slices = self._slices[owner]
            slices.pop(key[1], None)
            if not slices:
                del self._slices[owner]
            self._touch(owner, is_first=False)

    def unmirrored(self) -> dict[ServiceKey, bool]:
        """Return the Services without selector whose Endpoints may be missing in EndpointSlices.

        The value is false where there are no slices, and true where they are as full as mirroring
        makes them: `--mirroring-max-endpoints-per-subset` of kube-controller-manager.
        """
        found: dict[ServiceKey, bool] = {}
        for key, spec in self._services.items():
            if spec.has_selector or spec.is_headless or spec.type == "ExternalName":
                continue
            slices = self._slices.get(key, {}).values()
            if not slices or sum(len(one.endpoints) for one in slices) >= MOST_MIRRORED:
                found[key] = bool(slices)
        return found

    async def wants(self) -> Wants | None:
        """Return what is wanted now; None while the lists are not complete."""
        if not self.is_complete:
            return None
        async with self._lock:
            if self._dirty:
                await self._rebuild()
        return Wants(self._index, self._settling())

    async def _rebuild(self) -> None:
        dirty, self._dirty = self._dirty, set()
        for number, key in enumerate(dirty):
            spec = self._services.get(key)
            if spec is None:
                self._built.pop(key, None)
            else:
                self._built[key] = wanted_service(spec, tuple(self._slices.get(key, {}).values()))
            if number % 20 == 19:
                await asyncio.sleep(0)
        built = list(self._built.values())
        if len(built) <= INLINE_SERVICES:
            self._index = index_services(built, str(self.version))
        else:
            self._index = await asyncio.to_thread(index_services, built, str(self.version))

    def _settling(self) -> frozenset[str]:
        oldest = self._clock.monotonic() - SETTLING_SECONDS
        self._changed_at = {key: at for key, at in self._changed_at.items() if at > oldest}
        return frozenset(clean(f"{namespace}/{name}") for namespace, name in self._changed_at)

    def _touch(self, key: ServiceKey, *, is_first: bool) -> None:
        self._dirty.add(key)
        self.version += 1
        if not is_first:
            self._changed_at[key] = self._clock.monotonic()


def without_settling(coverage: ServiceCoverage, settling: frozenset[str]) -> ServiceCoverage:
    """Leave out the faults of Services that changed a moment ago."""
    if not settling:
        return coverage
    kept = tuple(fault for fault in coverage.faults if fault.service not in settling)
    dropped = [fault for fault in coverage.faults if fault.service in settling]
    if not dropped:
        return coverage
    excused = sum(fault.fault is FaultKind.MISSING for fault in dropped)
    return replace(
        coverage,
        faults=kept,
        faults_total=coverage.faults_total - len(dropped),
        held_frontends=coverage.held_frontends + excused,
    )
