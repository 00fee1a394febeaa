"""Keep the facts of the cluster as a whole: configuration, DaemonSets, Services, versions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from operator import attrgetter
from typing import Generic, TypeVar

from tui.cilium.servicespec import EndpointSliceSpec
from tui.cluster import kinds
from tui.cluster.config_objects import config_map, daemonset
from tui.collect.service_specs import (
    ServiceObject,
    SliceObject,
    endpoints_specs,
    service_spec,
    slice_spec,
)
from tui.collect.shared import Shared
from tui.collect.wants import ServiceKey, WantKeeper
from tui.model.cluster import CiliumConfigMap, CiliumDaemonSet, ClusterFacts
from tui.model.reading import Origin, Reading
from tui.model.snapshot import ClusterSeen
from tui.safety import CleanText, clean

T = TypeVar("T")
Slices = TypeVar("Slices", bound=kinds.KubeObject)

CONFIG_MAP = "cilium-config"


_PARTS = attrgetter(*(part.name for part in fields(ClusterFacts)))


def _is_news(before: object, now: object) -> bool:
    """Tell parts apart; values that were read are not compared, but when that was."""
    if before is now:
        return False
    if isinstance(before, Reading) and isinstance(now, Reading) and before.value is now.value:
        return (before.state, before.reason, before.origin) != (now.state, now.reason, now.origin)
    return True


class ClusterBook:
    """Collects changes, and tells of them together."""

    def __init__(self, shared: Shared, facts: ClusterFacts) -> None:
        self._shared = shared
        self.facts = facts
        self._told: ClusterFacts | None = None

    def change(self, facts: ClusterFacts) -> None:
        """Replace the facts; they are told with the next `tell`, unless they say what is known.

        A watch that fails again says so again, and every change has all nodes judged anew.
        """
        if any(map(_is_news, _PARTS(self.facts), _PARTS(facts))):
            self.facts = facts

    async def tell(self) -> None:
        """Hand on the facts if they changed."""
        if self.facts is not self._told:
            self._told = self.facts
            await self._shared.outbox.put(ClusterSeen(self.facts))

    def origin(self, path: str) -> Origin:
        """Return where an object came from, as of now."""
        settings = self._shared.settings
        source = clean(f"GET {path}")
        return Origin(source, self._shared.clock.time(), collector_id=settings.collector_id)


def unseen(reason: CleanText, previous: Reading[T], *, is_denied: bool) -> Reading[T]:
    """Return the reading of something that can't be seen now, with its last good value."""
    make = Reading[T].denied if is_denied else Reading[T].failed
    return make(reason).keeping(previous)


class ConfigMapKeeper:
    """Keeps the `cilium-config` ConfigMap."""

    def __init__(self, book: ClusterBook, path: str) -> None:
        self._book = book
        self._path = path
        self._current: CiliumConfigMap | None = None

    async def put(self, item: kinds.ConfigMap) -> None:
        """Take in the ConfigMap."""
        if item.metadata.name == CONFIG_MAP:
            self._current = config_map(item)
            await self.regain()

    async def drop(self, item: kinds.ConfigMap) -> None:
        """Note that it was deleted: the next agent start finds none."""
        await self.keep([])

    async def keep(self, items: Sequence[kinds.ConfigMap]) -> None:
        """Note where there is none."""
        if not any(item.metadata.name == CONFIG_MAP for item in items):
            self._current = None
            await self.regain()

    async def regain(self) -> None:
        """Tell what is there now."""
        if self._current is None:
            reason = clean(f"there is no ConfigMap {CONFIG_MAP}")
            reading = unseen(reason, self._book.facts.config_map, is_denied=False)
        else:
            reading = Reading.known(self._current, self._book.origin(self._path))
        self._book.change(replace(self._book.facts, config_map=reading))

    async def lose(self, reason: CleanText, *, is_denied: bool) -> None:
        """Keep the last one, and say why there is no newer one."""
        reading = unseen(reason, self._book.facts.config_map, is_denied=is_denied)
        self._book.change(replace(self._book.facts, config_map=reading))


class DaemonSetKeeper:
    """Keeps the DaemonSets that run agents."""

    def __init__(self, book: ClusterBook, path: str, is_ours: Callable[[str], bool]) -> None:
        self._book = book
        self._path = path
        self._is_ours = is_ours
        self._known: dict[str, CiliumDaemonSet] = {}

    async def put(self, item: kinds.DaemonSet) -> None:
        """Take in a DaemonSet that is new or changed."""
        if self._is_ours(item.metadata.name):
            self._known[item.metadata.name] = daemonset(item)
            self._change()

    async def drop(self, item: kinds.DaemonSet) -> None:
        """Forget one that was deleted."""
        self._known.pop(item.metadata.name, None)
        self._change()

    async def keep(self, items: Sequence[kinds.DaemonSet]) -> None:
        """Forget all but these."""
        names = {item.metadata.name for item in items}
        self._known = {name: one for name, one in self._known.items() if name in names}
        self._change()

    async def lose(self, reason: CleanText, *, is_denied: bool) -> None:
        """Keep the last ones, and say why there are no newer ones."""
        reading = unseen(reason, self._book.facts.daemonsets, is_denied=is_denied)
        self._book.change(replace(self._book.facts, daemonsets=reading))

    async def regain(self) -> None:
        """Tell which there are now."""
        self._change()

    def _change(self) -> None:
        ordered = tuple(self._known[name] for name in sorted(self._known))
        reading = Reading.known(ordered, self._book.origin(self._path))
        self._book.change(replace(self._book.facts, daemonsets=reading))


class ServiceKeeper:
    """Keeps the Services."""

    def __init__(self, wants: WantKeeper) -> None:
        self._wants = wants

    async def put(self, item: ServiceObject) -> None:
        """Take in a Service that is new or changed."""
        self._wants.put_service(service_spec(item))

    async def drop(self, item: ServiceObject) -> None:
        """Forget a Service that was deleted."""
        self._wants.drop_service(_key(item))

    async def keep(self, items: Sequence[ServiceObject]) -> None:
        """Forget all Services but these."""
        self._wants.keep_services(_key(item) for item in items)
        await self.regain()

    async def lose(self, reason: CleanText, *, is_denied: bool) -> None:
        """Remember why: without Services no node can be judged."""
        self._wants.troubles["services"] = (reason, is_denied)

    async def regain(self) -> None:
        """Forget why: they are seen again."""
        self._wants.troubles.pop("services", None)


class SliceKeeper(Generic[Slices]):
    """Keeps the backends: EndpointSlices of either version, or Endpoints."""

    def __init__(
        self,
        wants: WantKeeper,
        spec_of: Callable[[Slices], EndpointSliceSpec],
    ) -> None:
        self._wants = wants
        self._spec_of = spec_of

    async def put(self, item: Slices) -> None:
        """Take in a slice that is new or changed."""
        self._wants.put_slice(_key(item), self._spec_of(item))

    async def drop(self, item: Slices) -> None:
        """Forget a slice that was deleted."""
        self._wants.drop_slice(_key(item))

    async def keep(self, items: Sequence[Slices]) -> None:
        """Forget all slices but these."""
        self._wants.keep_slices(_key(item) for item in items)
        await self.regain()

    async def lose(self, reason: CleanText, *, is_denied: bool) -> None:
        """Remember why: without backends no node can be judged."""
        self._wants.troubles["slices"] = (reason, is_denied)

    async def regain(self) -> None:
        """Forget why: they are seen again."""
        self._wants.troubles.pop("slices", None)


def slice_keeper(wants: WantKeeper) -> SliceKeeper[SliceObject]:
    """Return the keeper of EndpointSlices."""
    return SliceKeeper(wants, slice_spec)


def endpoints_keeper(wants: WantKeeper) -> SliceKeeper[kinds.Endpoints]:
    """Return the keeper of Endpoints, for API servers that have nothing newer."""
    return SliceKeeper(wants, endpoints_specs)


def _key(item: kinds.KubeObject) -> ServiceKey:
    return item.metadata.namespace, item.metadata.name
