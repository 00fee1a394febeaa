"""What happens as time goes on: Services come and go, maps fill, agents start, lines are logged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tui.simulator import noise, seeding
from tui.simulator.agents.failures import failure_message
from tui.simulator.loadbalancer import Failure
from tui.simulator.model import SharedMaps, SimNode, number_from, write_log
from tui.simulator.objects import KubeObject, ObjectReaderWriter, timestamp
from tui.simulator.restarts import UNHEALTHY_SECONDS, dice_for
from tui.simulator.scenarios import EventKind, QuirkKind, TimedEvent
from tui.simulator.seedservices import ServiceFactory, load_service

if TYPE_CHECKING:
    from tui.simulator.fleet import Fleet

RETRY_SECONDS = 5.0
"""How often refused inserts are tried again."""
REPEAT_SECONDS = 60.0
"""How often the reconciler of 1.18 and later logs a frontend that still fails."""
MAX_LINES_PER_SECOND = 6.0
"""Of the noise of a big fleet, so that its logs stay small."""
LONGEST_STEP_SECONDS = 30
MAX_STORMS = 12


class Happenings:
    """Lets the time of one fleet run on."""

    def __init__(self, fleet: Fleet, factory: ServiceFactory, seed: int, now: float) -> None:
        self._fleet = fleet
        self._factory = factory
        self._seed = seed
        self._started_at = now
        self._now = now
        self._objects: ObjectReaderWriter | None = None
        self._versions = (-1, -1)
        self._next_retry = now + RETRY_SECONDS
        self._next_repeat = now + REPEAT_SECONDS
        self._done: dict[TimedEvent, int] = {}
        self._added = 0
        self._removed = 0
        self._rolled = 0
        self._leaking = [node for node in fleet.nodes if node.quirk(QuirkKind.LEAK)]
        fleet.restarter.looping |= {node.name: node for node in fleet.nodes if node.is_looping}

    def attach(self, objects: ObjectReaderWriter) -> None:
        """Take the API server's objects as the source of Services."""
        self._objects = objects
        self._versions = (objects.version("services"), objects.version("endpointslices"))

    def advance(self, now: float) -> None:
        """Let everything happen that is due up to this moment."""
        if now <= self._now:
            return
        before, self._now = self._now, now
        self._happen(now)
        self._program(now)
        self._leak(now)
        self._start_agents(now)
        self._flip_crash_loops(now)
        self._complain_of_hung(now)
        self._retry(now)
        self._write_noise(before, now)

    def _happen(self, now: float) -> None:
        if self._objects is None:
            return
        for event in self._fleet.scenario.events:
            due = self._due(event, now)
            while self._done.get(event, 0) < due:
                self._done[event] = self._done.get(event, 0) + 1
                self._actions[event.kind](self, event, now)

    def _due(self, event: TimedEvent, now: float) -> int:
        age = now - self._started_at - event.at_seconds
        if age < 0:
            return 0
        times = 1 + int(age / event.every_seconds) if event.every_seconds else 1
        # After a pause (a suspended laptop) a few are made up for, not all.
        return min(event.times, times, self._done.get(event, 0) + 5)

    def _add_service(self, event: TimedEvent, now: float) -> None:
        load = self._fleet.scenario.services
        number = load.services + self._added
        self._added += 1
        for found in self._factory.objects(load_service(load, self._factory, number), now):
            self._apply(found)

    def _remove_oldest(self, event: TimedEvent, now: float) -> None:
        objects, load = self._objects, self._fleet.scenario.services
        if objects is None or self._removed >= self._added:
            return
        number = load.services + self._removed
        self._removed += 1
        spec = load_service(load, self._factory, number)
        piece = self._factory.slice(spec, timestamp(now))
        objects.delete("endpointslices", spec.namespace, piece["metadata"]["name"])
        objects.delete("endpoints", spec.namespace, spec.name)
        objects.delete("services", spec.namespace, spec.name)

    def _roll_backends(self, event: TimedEvent, now: float) -> None:
        """Replace one pod of a Service: its EndpointSlice gets another address."""
        objects, load = self._objects, self._fleet.scenario.services
        if objects is None or not load.services:
            return
        self._rolled += 1
        number = number_from(f"{self._seed}/roll/{self._rolled}") % load.services
        spec = load_service(load, self._factory, number)
        name = self._factory.slice(spec, timestamp(now))["metadata"]["name"]
        piece = objects.get("endpointslices", spec.namespace, name)
        if piece is None or not piece.get("endpoints"):
            return
        endpoints = list(piece["endpoints"])
        place = self._rolled % len(endpoints)
        address = self._factory.endpoint(f"{spec.name}/rolled", self._rolled)
        if any(address in endpoint["addresses"] for endpoint in endpoints):
            return
        endpoints[place] = {**endpoints[place], "addresses": [address]}
        self._apply({**piece, "endpoints": endpoints})

    def _restart_agent(self, event: TimedEvent, now: float) -> None:
        members = [node for node in self._fleet.nodes if node.group == event.group]
        if members:
            node = members[event.offset % len(members)]
            self._fleet.restarter.restart_container(node, now, 0)

    def _warn(self, event: TimedEvent, now: float) -> None:
        nodes = self._fleet.nodes
        node = nodes[self._done[event] * 7 % len(nodes)]
        text = "Readiness probe failed: HTTP probe failed with statuscode: 503"
        self._apply(seeding.event("Unhealthy", text, ("Pod", node.pod_name), now))

    _actions = {  # noqa: RUF012  a constant table of methods
        EventKind.ADD_SERVICE: _add_service,
        EventKind.REMOVE_OLDEST: _remove_oldest,
        EventKind.ROLL_BACKENDS: _roll_backends,
        EventKind.RESTART_AGENT: _restart_agent,
        EventKind.WARNING_EVENT: _warn,
    }

    def _apply(self, obj: KubeObject) -> None:
        if self._objects is not None:
            self._objects.apply(_PLURALS[obj["kind"]], obj)

    def _program(self, now: float) -> None:
        """Let every agent that is up program what changed in the API."""
        objects = self._objects
        if objects is None:
            return
        versions = (objects.version("services"), objects.version("endpointslices"))
        if versions == self._versions:
            return
        self._versions = versions
        wanted = self._fleet.wanted
        wanted.update(objects.list("services"), objects.list("endpointslices"))
        for maps, nodes in self._by_maps():
            agent = nodes[0].agent
            if agent is None or not agent.is_up(now) or _is_deaf(nodes[0]):
                continue
            failed = maps.balancer.apply(wanted.of(agent.release))
            self._log_failures(nodes, failed, now)

    def _by_maps(self) -> Iterator[tuple[SharedMaps, list[SimNode]]]:
        found: dict[int, tuple[SharedMaps, list[SimNode]]] = {}
        for node in self._fleet.nodes:
            if node.agent is not None and not node.is_looping:
                maps = node.agent.maps
                found.setdefault(id(maps), (maps, []))[1].append(node)
        yield from found.values()

    def _log_failures(self, nodes: list[SimNode], failed: list[Failure], now: float) -> None:
        for node in nodes if failed else ():
            agent = node.agent
            if agent is None or not agent.is_up(now):
                continue
            self._fleet.restarter.ensure_log(node, now)
            agent.failing_since = agent.failing_since or now
            for failure in failed:
                write_log(agent, now, failure_message(agent.release, failure, node.address))

    def _leak(self, now: float) -> None:
        """Fill the backend map of the leaking nodes, evenly up to the time it is full."""
        for node in self._leaking:
            leak = node.quirk(QuirkKind.LEAK)
            agent = node.agent
            if leak is None or agent is None or not agent.is_up(now):
                continue
            balancer = agent.maps.balancer
            since = max(self._started_at, agent.ready_at)
            start = leak.values["start"] if since == self._started_at else 0.0
            share = min(1.0, (now - since) / leak.values["full_after"])
            wanted = int(
                balancer.limit(agent.release.backends_pin) * (start + (1.0 - start) * share)
            )
            missing = wanted - len(balancer.backends)
            if missing > 0:
                balancer.leak(missing)

    def _start_agents(self, now: float) -> None:
        restarter = self._fleet.restarter
        waiting, restarter.starting = restarter.starting, []
        for node in waiting:
            if node.agent is not None and node.agent.is_up(now):
                restarter.finish(node, now)
            elif node.agent is not None and not node.is_looping:
                restarter.starting.append(node)

    def _flip_crash_loops(self, now: float) -> None:
        """Let the kubelet start crashed containers again when their back-off is over."""
        for node in list(self._fleet.restarter.looping.values()):
            if node.agent is None:
                continue
            if node.next_flip_at == float("inf"):
                node.next_flip_at = now + 20 + number_from(node.name) % 200
            if now >= node.next_flip_at:
                self._fleet.restarter.restart_container(node, now, 1)
                text = "Back-off restarting failed container cilium-agent"
                self._apply(seeding.event("BackOff", text, ("Pod", node.pod_name), now))

    def _complain_of_hung(self, now: float) -> None:
        """Let the kubelet write an Event for each probe of an agent that never answers."""
        for node in self._fleet.restarter.hung.values():
            if now >= node.next_flip_at:
                node.next_flip_at = now + UNHEALTHY_SECONDS
                self._apply(seeding.event("Unhealthy", _REFUSED, ("Pod", node.pod_name), now))

    def _retry(self, now: float) -> None:
        if now < self._next_retry:
            return
        self._next_retry = now + RETRY_SECONDS
        repeats = now >= self._next_repeat
        if repeats:
            self._next_repeat = now + REPEAT_SECONDS
        for maps, nodes in self._by_maps():
            if not maps.balancer.failures and not maps.balancer.pending_backends:
                continue
            failed = maps.balancer.retry()
            if repeats and failed:
                self._log_failures(nodes, failed[:10], now)

    def _write_noise(self, before: float, now: float) -> None:
        """Write each second's lines with that second's own dice."""
        scenario, nodes = self._fleet.scenario, self._fleet.nodes
        pace = min(len(nodes) * scenario.noise_lines_per_hour / 3600, MAX_LINES_PER_SECOND)
        first = max(int(before), int(now) - LONGEST_STEP_SECONDS)
        for second in range(first + 1, int(now) + 1):
            dice = dice_for(self._seed, second)
            count = int(pace) + (dice.random() < pace % 1)
            for _ in range(count):
                self._write_line(dice.choice(nodes), second, dice.random, False)
            if scenario.storm_lines_per_second:
                self._write_storm(second, dice.random)

    def _write_storm(self, second: int, luck: Callable[[], float]) -> None:
        stormy = self._fleet.nodes[::4][:MAX_STORMS]
        for node in stormy:
            for _ in range(int(self._fleet.scenario.storm_lines_per_second)):
                self._write_line(node, second, luck, True)

    def _write_line(
        self, node: SimNode, second: int, luck: Callable[[], float], is_storm: bool
    ) -> None:
        agent = node.agent
        if agent is None or not agent.is_up(second) or node.quirk(QuirkKind.NODE_NOT_READY):
            return
        self._fleet.restarter.ensure_log(node, second)
        dice = dice_for(number_from(node.name), second * 1000 + int(luck() * 1000))
        noise.write_noise(node, agent, second, dice, is_storm)


def _is_deaf(node: SimNode) -> bool:
    """Tell whether the node's agent sees no change of Services."""
    return any(node.quirk(kind) for kind in (QuirkKind.NODE_NOT_READY, QuirkKind.STALE_SERVICES))


_REFUSED = (
    'Readiness probe failed: Get "http://127.0.0.1:9879/healthz": dial tcp 127.0.0.1:9879: connect:'
    " connection refused"
)
_PLURALS = {
    "Service": "services",
    "EndpointSlice": "endpointslices",
    "Endpoints": "endpoints",
    "Event": "events",
}
