"""What the request handlers work with, put together once per server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tui.simulator.daemonset import DaemonSetController
from tui.simulator.eventlog import EventExpiry
from tui.simulator.faults import Faults
from tui.simulator.fleetlike import FleetLike
from tui.simulator.listing import Listing
from tui.simulator.nodenetwork import NodeNetwork
from tui.simulator.objects import KubeObject, ObjectStore
from tui.simulator.permissions import Permissions
from tui.simulator.podlife import PodLife, PodTiming
from tui.simulator.resources import ApiSurface, Resource, minor_of
from tui.simulator.watching import WatchTiming
from tui.simulator.writing import Writing


@dataclass(frozen=True, slots=True)
class Pace:
    """How time goes in the simulation."""

    advance_seconds: float = 0.5
    """How often the agents' model runs on."""
    exec_scale: float = 1.0
    """Multiplies the time commands take; 0 answers at once, for benches."""
    pods: PodTiming = field(default_factory=PodTiming)
    watches: WatchTiming = field(default_factory=WatchTiming)


class Ticker:
    """Lets others wait for the model's next step."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Return after the next step."""
        await self._next.wait()

    def pulse(self) -> None:
        """Tell that a step was made."""
        self._next.set()
        self._next = asyncio.Event()


@dataclass(slots=True)
class ServerParts:
    """The simulated API server without its HTTP."""

    fleet: FleetLike
    faults: Faults
    permissions: Permissions
    pace: Pace
    clock: Callable[[], float]
    store: ObjectStore
    surface: ApiSurface
    listing: Listing
    writing: Writing
    pods: PodLife
    daemon_sets: DaemonSetController
    events: EventExpiry
    network: NodeNetwork
    ticker: Ticker = field(default_factory=Ticker)
    watches: set[asyncio.Timeout] = field(default_factory=set)
    """The time limits of the watches that run now; moved to now, they end the watch."""

    def step(self) -> None:
        """Let the model, then the controllers, run on to the present."""
        now = self.clock()
        self.fleet.advance(now)
        self.daemon_sets.step()
        self.pods.step(now)
        self.daemon_sets.step()
        self.events.step(now)
        self.ticker.pulse()

    def drop_watches(self) -> None:
        """End every watch that runs now, cleanly."""
        now = asyncio.get_running_loop().time()
        for limit in tuple(self.watches):
            limit.reschedule(now)

    def expire(self) -> None:
        """Make every older version and every unfinished paged list too old."""
        self.store.forget_history()
        self.listing.forget_snapshots()


def assemble(
    fleet: FleetLike, faults: Faults, permissions: Permissions, pace: Pace,
    clock: Callable[[], float],
) -> ServerParts:  # fmt: skip
    """Fill the object store from the fleet and wire the server's parts.

    Raises:
        ValueError: the fleet gave an object of a kind that the server does not know.
    """
    store = ObjectStore(clock)
    seeds = fleet.seed_objects()
    surface = ApiSurface(fleet.kubernetes_version, cilium_minors(seeds))
    store.seed((_resource_of(surface, obj).shelf_name, obj) for obj in seeds)
    listing = Listing(store, clock)
    pods = PodLife(store, fleet, pace.pods)
    daemon_sets = DaemonSetController(store, pods.terminate)
    pods.decorate = daemon_sets.decorate
    parts = ServerParts(
        fleet, faults, permissions, pace, clock, store, surface, listing,
        Writing(store, listing, pods, faults.admit), pods, daemon_sets, EventExpiry(store),
        NodeNetwork(store),
    )  # fmt: skip
    faults.on_drop_watches.append(parts.drop_watches)
    faults.on_expire.append(parts.expire)
    fleet.attach(store)
    return parts


def cilium_minors(objects: list[KubeObject]) -> list[tuple[int, int]]:
    """Return the Cilium minors in the images of DaemonSets and agent pods."""
    images: Counter[str] = Counter()
    for obj in objects:
        kind, spec = obj.get("kind"), obj.get("spec") or {}
        if kind == "DaemonSet":
            spec = (spec.get("template") or {}).get("spec") or {}
        if kind in {"DaemonSet", "Pod"}:
            images.update(str(item.get("image", "")) for item in spec.get("containers") or [])
    return [
        minor_of(image.rpartition(":")[2])
        for image in images
        if "/cilium" in image and ":" in image
    ]


def _resource_of(surface: ApiSurface, obj: KubeObject) -> Resource:
    found = surface.of_kind(str(obj.get("apiVersion", "")), str(obj.get("kind", "")))
    if found is None:
        raise ValueError(f"unknown kind: {obj.get('apiVersion')} {obj.get('kind')}")
    return found
