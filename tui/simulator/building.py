"""A fleet's nodes, agents and Services, made from a scenario."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace

from tui.simulator.agents.failures import failure_message, fatal_message
from tui.simulator.agents.releases import RELEASES, AgentRelease
from tui.simulator.config import RunningConfig, balancer_sizes, interned
from tui.simulator.kernels import kernel_of
from tui.simulator.loadbalancer import LoadBalancer
from tui.simulator.logs import Message
from tui.simulator.model import (
    VARIANTS,
    Agent,
    SharedMaps,
    SimNode,
    container_id_from,
    count_problem,
    number_from,
    uuid_from,
)
from tui.simulator.noise import earlier_problems
from tui.simulator.objects import KubeObject
from tui.simulator.scenarios import NodeGroup, Quirk, QuirkKind, Scenario, scaled
from tui.simulator.seedscenes import scene_services
from tui.simulator.seedservices import ServiceFactory, service_specs
from tui.simulator.services import Frontend, wanted_frontends

LAST_CRASH_SECONDS = 90.0
"""Since the crash-looping container ran last, within the kubelet's back-off of 5 min."""

FIRST_ADDRESS = 10 << 24
SMALL_FLEET = 200
BOOT_SECONDS = 4.0
"""From an agent's start to its API socket."""
_OWN_MAPS = {
    QuirkKind.LEAK,
    QuirkKind.SHRUNK,
    QuirkKind.CRASH_LOOP,
    QuirkKind.AGENT_DOWN,
    QuirkKind.NODE_NOT_READY,
    QuirkKind.STALE_SERVICES,
}
"""Whose load-balancing maps go their own way."""


class WantedServices:
    """The frontends the cluster wants, for releases that tell protocols apart and those not."""

    def __init__(self, fill_order: tuple[str, ...]) -> None:
        self._rank = {name: index for index, name in enumerate(fill_order)}
        self._by_kind: dict[bool, tuple[Frontend, ...]] = {}
        self.version = 0

    def update(self, services: Iterable[KubeObject], slices: Iterable[KubeObject]) -> None:
        """Take the Services as they are now."""
        ordered, kept = list(services), list(slices)
        if self._rank:
            last = len(self._rank)
            ordered.sort(key=lambda found: self._rank.get(found["metadata"]["name"], last))
        for tells in (False, True):
            self._by_kind[tells] = wanted_frontends(ordered, kept, tells)
        self.version += 1

    def of(self, release: AgentRelease) -> tuple[Frontend, ...]:
        """Return what an agent of this release wants to program."""
        return self._by_kind[release.has_protocols]


STALE_SERVICES = 3
"""Services whose backends a node with stale Services has wrong."""


def outdated(frontends: tuple[Frontend, ...]) -> tuple[Frontend, ...]:
    """Return what an agent programmed that missed the last changes of some Services' backends."""
    names = list(dict.fromkeys(one.name for one in frontends if len(one.backends) > 1))
    missed = set(names[:STALE_SERVICES])
    return tuple(
        replace(one, backends=one.backends[:-1]) if one.name in missed else one for one in frontends
    )


def make_nodes(scenario: Scenario, count: int, seed: int, now: float) -> list[SimNode]:
    """Return the nodes, group by group; names are given in a shuffled order."""
    numbers = list(range(1, count + 1))
    groups = scaled(scenario.groups, count)
    if len(groups) > 1:
        random.Random(seed).shuffle(numbers)  # noqa: S311  which node gets which name
    nodes: list[SimNode] = []
    for group, size in groups:
        for offset in range(size):
            index = len(nodes)
            quirks = tuple(
                quirk
                for quirk in scenario.quirks
                if quirk.group == group.name and _hits(quirk, offset)
            )
            nodes.append(_make_node(scenario, group, (index, numbers[index], seed), quirks, now))
    return nodes


def _hits(quirk: Quirk, offset: int) -> bool:
    if offset == quirk.offset:
        return True
    return (
        bool(quirk.every) and offset > quirk.offset and (offset - quirk.offset) % quirk.every == 0
    )


def _make_node(
    scenario: Scenario,
    group: NodeGroup,
    place: tuple[int, int, int],
    quirks: tuple[Quirk, ...],
    now: float,
) -> SimNode:
    index, number, seed = place
    name = scenario.node_name.format(number=number)
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/pool": group.daemonset,
        **group.labels,
    }
    return SimNode(
        name=name,
        uid=uuid_from(f"node/{seed}/{name}"),
        index=index,
        variant=index if index < SMALL_FLEET else index % VARIANTS,
        address=FIRST_ADDRESS + (number // 250 + 1) * 256 + number % 250 + 10,
        kernel=kernel_of(group.kernel),
        group=group.name,
        daemonset=group.daemonset,
        boot_id=uuid_from(f"boot/{seed}/{name}"),
        labels=labels,
        booted_at=now - group.agent_age_seconds - 6 * 3600 - index % 97 * 61,
        extra_config=group.config,
        quirks=quirks,
    )


def seed_services(
    scenario: Scenario, nodes: list[SimNode], now: float
) -> tuple[ServiceFactory, list[KubeObject]]:
    """Return the factory of Services and the objects of those at the start."""
    members = nodes[:64]
    factory = ServiceFactory(
        [node.pod_cidr.removesuffix("0/24") for node in members],
        [node.name for node in members],
        now - 40 * 86400,
    )
    servers = tuple(node.address_text for node in nodes[:1])
    objects = []
    for spec in service_specs(scenario.services, factory, servers):
        objects.extend(factory.objects(spec))
    objects.extend(scene_services(scenario, factory))
    return factory, objects


class AgentBuilder:
    """Starts the agents that already run when the simulation begins."""

    def __init__(self, scenario: Scenario, wanted: WantedServices, seed: int, now: float) -> None:
        self._scenario = scenario
        self._wanted = wanted
        self._seed = seed
        self._now = now
        self._groups = {group.name: group for group in scenario.groups}
        self._shared: dict[tuple[object, ...], SharedMaps] = {}
        self.start_messages: dict[str, list[Message]] = {}
        """What an agent logged when its first Services were programmed, by node."""

    def start(self, node: SimNode, node_config: Mapping[str, str]) -> None:
        """Give a node the agent it has at the start."""
        group = self._groups[node.group]
        release = RELEASES[group.release]
        shrunk = node.quirk(QuirkKind.SHRUNK)
        age = shrunk.values["age"] if shrunk else group.agent_age_seconds
        started_at = self._now - age - (0 if shrunk else node.index % 53 * 7)
        earlier = {} if shrunk else self._scenario.earlier_config
        values = {**self._scenario.config, **earlier, **node_config, **node.extra_config}
        config = interned(tuple(sorted(values.items())))
        maps = self._maps(node, release, config)
        node.agent = Agent(
            release=release,
            config=config,
            container_id=container_id_from(f"{self._seed}/{node.name}/0"),
            started_at=started_at,
            ready_at=started_at + BOOT_SECONDS,
            maps=maps,
            problems=earlier_problems(node, release, age),
            is_stopped=node.quirk(QuirkKind.AGENT_DOWN) is not None,
        )
        node.pod_name = pod_name(node.daemonset, f"{self._seed}/{node.name}/0")
        crash = node.quirk(QuirkKind.CRASH_LOOP)
        if crash and fatal_message(release, config):
            node.is_looping = True
            node.restarts = int(crash.values["restarts"])
            # The pod is as old as its group; its container ran last a moment ago.
            node.agent.started_at = self._now - LAST_CRASH_SECONDS
            node.agent.ready_at = node.agent.started_at + BOOT_SECONDS
        failed = list(maps.balancer.failures.values())
        if failed:
            node.agent.failing_since = node.agent.ready_at
            self.start_messages[node.name] = messages = [
                failure_message(release, failure, node.address) for failure in failed
            ]
            for message in messages:
                count_problem(node.agent, message)

    def _maps(self, node: SimNode, release: AgentRelease, config: RunningConfig) -> SharedMaps:
        sizes = balancer_sizes(release, config)
        own = any(quirk.kind in _OWN_MAPS for quirk in node.quirks)
        key = (release.text, sizes, node.name if own else "")
        found = self._shared.get(key)
        if found is None:
            balancer = LoadBalancer(release, *sizes)
            frontends = self._wanted.of(release)
            if node.quirk(QuirkKind.STALE_SERVICES):
                frontends = outdated(frontends)
            balancer.apply(frontends)
            leak = node.quirk(QuirkKind.LEAK)
            if leak:
                balancer.leak(
                    int(balancer.capacity * leak.values["start"]) - len(balancer.backends)
                )
            found = self._shared[key] = SharedMaps(balancer)
        return found


def pod_name(daemonset_name: str, seed: str) -> str:
    """Return a pod's name with the random end that a controller gives it."""
    letters = "bcdfghjklmnpqrstvwxz2456789"
    number = number_from(f"pod/{seed}")
    end = "".join(letters[number // 27**place % 27] for place in range(5))
    return f"{daemonset_name}-{end}"
