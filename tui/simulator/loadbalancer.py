"""One node's load-balancing maps and what its agent believes of them.

A full hash map refuses entries and the agent carries on: the frontend is missing in the kernel
while the agent's cache claims it. That gap, release by release, is what this module models
(pkg/service and pkg/maps/lbmap up to 1.17, pkg/loadbalancer/reconciler from 1.18).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeVar

from tui.simulator.agents.releases import AgentRelease
from tui.simulator.services import BackendTuple, Frontend, FrontendKey, FrontendType

FLAG_EXTERNAL_IP = 0x01
FLAG_NODE_PORT = 0x02
FLAG_AFFINITY = 0x10
FLAG_LOAD_BALANCER = 0x20
FLAG_ROUTABLE = 0x40
FLAG_SOURCE_RANGE = 0x80
ANY = "ANY"

_SERVICES = "cilium_lb4_services_v2"
_REVERSE_NAT = "cilium_lb4_reverse_nat"
_AFFINITY = "cilium_lb_affinity_match"
K = TypeVar("K")
V = TypeVar("V")


class SlotKey(NamedTuple):
    """A key of the services map; slot 0 is the master entry."""

    frontend: FrontendKey
    slot: int


class SlotValue(NamedTuple):
    """A value of the services map."""

    backend_id: int
    """In the master entry the affinity timeout."""
    backend_count: int
    reverse_nat_id: int
    flags: int


class MapSizes(NamedTuple):
    """The max entries of the load-balancing maps."""

    common: int
    single: tuple[tuple[str, int], ...] = ()
    """Maps with a size of their own, by pin."""


class FailureKind(StrEnum):
    """Which map refused."""

    BACKEND = "backend"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Failure:
    """One frontend that could not be programmed, and the entry that was refused."""

    frontend: Frontend
    kind: FailureKind
    backend_id: int
    backend: BackendTuple | None
    key: SlotKey | None
    value: SlotValue | None


def flags_of(frontend: Frontend) -> int:
    """Return the flags of a frontend's master entry (bpf/lib/common.h)."""
    flags = {
        FrontendType.CLUSTER_IP: 0,
        FrontendType.NODE_PORT: FLAG_NODE_PORT | FLAG_ROUTABLE,
        FrontendType.LOAD_BALANCER: FLAG_LOAD_BALANCER | FLAG_ROUTABLE,
        FrontendType.EXTERNAL_IPS: FLAG_EXTERNAL_IP | FLAG_ROUTABLE,
    }[frontend.type]
    if frontend.key.address == -1:
        flags &= ~FLAG_ROUTABLE
    if frontend.affinity_seconds:
        flags |= FLAG_AFFINITY
    if frontend.has_source_ranges:
        flags |= FLAG_SOURCE_RANGE
    return flags


class LoadBalancer:
    """The kernel's maps of one size, and the agent's cache beside them."""

    def __init__(
        self, release: AgentRelease, capacity: int, single: Iterable[tuple[str, int]] = ()
    ) -> None:
        self.release = release
        self.capacity = capacity
        """Max entries of each map, but those of `single`."""
        self.single = dict(single)
        self.version = 0
        """Grows with every change, so that rendered answers can be kept."""
        self.services: dict[SlotKey, SlotValue] = {}
        self.backends: dict[int, BackendTuple] = {}
        self.reverse_nat: dict[int, FrontendKey] = {}
        self.affinity_match: set[tuple[int, int]] = set()
        self.leaked: set[int] = set()
        """Ids in the kernel's backend map that the agent does not know of."""
        self.pending_services: dict[SlotKey, SlotValue] = {}
        self.pending_backends: dict[int, BackendTuple] = {}
        self.failures: dict[FrontendKey, Failure] = {}
        self.refused_updates: dict[str, int] = {}
        """Updates that failed so far, by map pin."""
        self.done_updates: dict[str, int] = {}
        self._attempted: dict[FrontendKey, Frontend] = {}
        self._ids: dict[BackendTuple, int] = {}
        self._users: dict[BackendTuple, int] = {}
        self._reverse_nat_ids: dict[FrontendKey, int] = {}
        self._next_backend_id = 1
        self._next_reverse_nat_id = 1

    @property
    def sizes(self) -> MapSizes:
        """The max entries of its maps."""
        return MapSizes(self.capacity, tuple(self.single.items()))

    def limit(self, pin: str) -> int:
        """Return the max entries of one map."""
        return self.single.get(pin, self.capacity)

    @property
    def attempted(self) -> dict[FrontendKey, Frontend]:
        """What the agent believes it programmed."""
        return self._attempted

    def apply(self, wanted: Iterable[Frontend]) -> list[Failure]:
        """Program the difference between what is wanted and what was attempted so far."""
        wanted_by_key = {frontend.key: frontend for frontend in wanted}
        for key in [key for key in self._attempted if key not in wanted_by_key]:
            self._remove(key)
        failed: list[Failure] = []
        for key, frontend in wanted_by_key.items():
            if self._attempted.get(key) != frontend:
                failure = self._upsert(frontend)
                if failure:
                    failed.append(failure)
        return failed

    def retry(self) -> list[Failure]:
        """Try again what was refused, as the release's own retry does."""
        if not self.failures and not self.pending_backends and not self.pending_services:
            return []
        if not self.release.has_map_sync:
            return [again for again in map(self._retry_frontend, self._failing()) if again]
        self._sync_pending()
        return []

    def leak(self, count: int) -> int:
        """Add that many duplicates of known backends under new ids, as far as the map has room.

        The race of a deleted service with its terminating backend (1.11.0 to 1.11.14) leaves the
        old id in the kernel and gives the same address a new one.
        """
        tuples = list(self._ids)
        room = max(0, min(count, self.limit(self.release.backends_pin) - len(self.backends)))
        if not tuples or not room:
            return 0
        for _ in range(room):
            number = self._new_backend_id()
            self.backends[number] = tuples[number * 7919 % len(tuples)]
            self.leaked.add(number)
        self.version += 1
        return room

    def restarted(self, sizes: MapSizes) -> LoadBalancer:
        """Return the maps a new agent starts with: restored, or empty where the size changed."""
        fresh = LoadBalancer(self.release, *sizes)

        def keeps(pin: str) -> bool:
            return fresh.limit(pin) == self.limit(pin)

        if keeps(_SERVICES):
            fresh.services = dict(self.services)
        if keeps(self.release.backends_pin):
            fresh.backends = dict(self.backends)
            fresh.leaked = set(self.leaked)
            fresh._ids = {
                known: number for known, number in self._ids.items() if number in fresh.backends
            }
        if keeps(_REVERSE_NAT):
            fresh.reverse_nat = dict(self.reverse_nat)
            fresh._reverse_nat_ids = dict(self._reverse_nat_ids)
        if keeps(_AFFINITY):
            fresh.affinity_match = set(self.affinity_match)
        fresh._next_backend_id = self._next_backend_id
        fresh._next_reverse_nat_id = self._next_reverse_nat_id
        return fresh

    def agent_service_count(self) -> int:
        """Return how many services entries the agent's cache holds.

        Up to 1.13 the cache's key is the printed frontend, so that all slots fall into one entry.
        """
        if self.release.minor <= 13:
            keys = {key.frontend for key in self.services} | {
                key.frontend for key in self.pending_services
            }
            return len(keys)
        return len(self.services) + len(self.pending_services)

    def agent_backend_count(self) -> int:
        """Return how many backends the agent's cache holds; refused ones count up to 1.17."""
        if not self.release.has_map_sync:
            return len(self.backends)
        return len(self.backends) - len(self.leaked) + len(self.pending_backends)

    def _failing(self) -> list[Frontend]:
        return [failure.frontend for failure in self.failures.values()]

    def _retry_frontend(self, frontend: Frontend) -> Failure | None:
        del self.failures[frontend.key]
        return self._program(frontend)

    def _sync_pending(self) -> None:
        for number, backend in list(self.pending_backends.items()):
            if not self._put_backend(number, backend):
                continue
            del self.pending_backends[number]
        for key, value in list(self.pending_services.items()):
            if self._put_service(key, value):
                del self.pending_services[key]

    def _upsert(self, frontend: Frontend) -> Failure | None:
        before = self._attempted.get(frontend.key)
        self._attempted[frontend.key] = frontend
        self.failures.pop(frontend.key, None)
        for backend in frontend.backends:
            self._users[backend] = self._users.get(backend, 0) + 1
        failure = self._program(frontend)
        if before is not None and failure is None:
            # A failed update leaves the old slots, and with them the old backends, in place.
            self._release(before.backends)
        self.version += 1
        return failure

    def _program(self, frontend: Frontend) -> Failure | None:
        failure = (
            self._program_backends(frontend)
            or self._program_slots(frontend)
            or self._program_master(frontend)
        )
        if failure:
            self.failures[frontend.key] = failure
        return failure

    def _program_backends(self, frontend: Frontend) -> Failure | None:
        for backend in frontend.backends:
            number = self._ids.get(backend)
            if number is not None and number in self.backends:
                continue
            if number is None:
                number = self._ids[backend] = self._new_backend_id()
            if not self._put_backend(number, backend):
                if self.release.has_map_sync:
                    self.pending_backends[number] = backend
                return Failure(frontend, FailureKind.BACKEND, number, backend, None, None)
        return None

    def _program_slots(self, frontend: Frontend) -> Failure | None:
        reverse_nat_id = self._reverse_nat_id(frontend.key)
        flags = 0 if self.release.has_map_sync else flags_of(frontend)
        for slot, backend in enumerate(frontend.backends, 1):
            value = SlotValue(self._ids[backend], 0, reverse_nat_id, flags)
            failure = self._put_slot(frontend, SlotKey(frontend.key, slot), value)
            if failure:
                return failure
        return None

    def _program_master(self, frontend: Frontend) -> Failure | None:
        reverse_nat_id = self._reverse_nat_id(frontend.key)
        count = len(frontend.backends)
        value = SlotValue(frontend.affinity_seconds, count, reverse_nat_id, flags_of(frontend))
        failure = self._put_slot(frontend, SlotKey(frontend.key, 0), value)
        if failure:
            return failure
        if not self._put(_REVERSE_NAT, self.reverse_nat, reverse_nat_id, frontend.key):
            return Failure(frontend, FailureKind.SERVICE, 0, None, None, None)
        self._trim_slots(frontend.key, count)
        self._set_affinity(frontend, reverse_nat_id)
        return self._program_wildcard(frontend)

    def _program_wildcard(self, frontend: Frontend) -> Failure | None:
        is_vip = frontend.type in {FrontendType.CLUSTER_IP, FrontendType.LOAD_BALANCER}
        if not self.release.has_wildcards or not is_vip:
            return None
        key = SlotKey(FrontendKey(frontend.key.address, 0, ANY), 0)
        flags = FLAG_LOAD_BALANCER if frontend.type is FrontendType.LOAD_BALANCER else 0
        return self._put_slot(frontend, key, SlotValue(0, 0, 0, flags))

    def _put_slot(self, frontend: Frontend, key: SlotKey, value: SlotValue) -> Failure | None:
        if self._put_service(key, value):
            self.pending_services.pop(key, None)
            return None
        if self.release.has_map_sync:
            self.pending_services[key] = value
        return Failure(frontend, FailureKind.SERVICE, value.backend_id, None, key, value)

    def _put_service(self, key: SlotKey, value: SlotValue) -> bool:
        return self._put(_SERVICES, self.services, key, value)

    def _put_backend(self, number: int, backend: BackendTuple) -> bool:
        return self._put(self.release.backends_pin, self.backends, number, backend)

    def _put(self, pin: str, entries: dict[K, V], key: K, value: V) -> bool:
        if key not in entries and len(entries) >= self.limit(pin):
            self.refused_updates[pin] = self.refused_updates.get(pin, 0) + 1
            return False
        entries[key] = value
        self.done_updates[pin] = self.done_updates.get(pin, 0) + 1
        self.version += 1
        return True

    def _trim_slots(self, key: FrontendKey, count: int) -> None:
        slot = count + 1
        while self.services.pop(SlotKey(key, slot), None) is not None:
            slot += 1

    def _set_affinity(self, frontend: Frontend, reverse_nat_id: int) -> None:
        if self.affinity_match:
            self._forget_affinity(reverse_nat_id)
        if frontend.affinity_seconds:
            self.affinity_match |= {
                (self._ids[backend], reverse_nat_id) for backend in frontend.backends
            }

    def _forget_affinity(self, reverse_nat_id: int) -> None:
        self.affinity_match = {pair for pair in self.affinity_match if pair[1] != reverse_nat_id}

    def _remove(self, key: FrontendKey) -> None:
        frontend = self._attempted.pop(key)
        self.failures.pop(key, None)
        for slot in range(len(frontend.backends) + 1):
            self.services.pop(SlotKey(key, slot), None)
            self.pending_services.pop(SlotKey(key, slot), None)
        self._trim_slots(key, len(frontend.backends))
        if not any(other.address == key.address for other in self._attempted):
            self.services.pop(SlotKey(FrontendKey(key.address, 0, ANY), 0), None)
        number = self._reverse_nat_ids.pop(key, None)
        if number is not None:
            self.reverse_nat.pop(number, None)
            self._forget_affinity(number)
        self._release(frontend.backends)
        self.version += 1

    def _release(self, backends: Iterable[BackendTuple]) -> None:
        for backend in backends:
            users = self._users.get(backend, 0) - 1
            if users > 0:
                self._users[backend] = users
                continue
            self._users.pop(backend, None)
            number = self._ids.pop(backend, None)
            if number is not None:
                self.backends.pop(number, None)
                self.pending_backends.pop(number, None)

    def _reverse_nat_id(self, key: FrontendKey) -> int:
        found = self._reverse_nat_ids.get(key)
        if found is None:
            found = self._reverse_nat_ids[key] = self._next_reverse_nat_id
            self._next_reverse_nat_id += 1
        return found

    def _new_backend_id(self) -> int:
        self._next_backend_id += 1
        return self._next_backend_id - 1
