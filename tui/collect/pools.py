"""Share what is the same on many nodes, so that thousands of them fit in memory.

Nodes of one release differ in few of some 250 configuration values, have nearly the same features
and the same metric labels; as objects of their own they would take a hundred kilobytes a node.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from tui.cilium.frames import Frame
from tui.cilium.metrics import CAPACITY, Labels, MetricSample
from tui.model.agent import AgentStatus, EffectiveConfig
from tui.model.features import Feature
from tui.model.host import HostClients, Neighbors, UdpSockets
from tui.safety import CleanText

T = TypeVar("T", bound=Hashable)
V = TypeVar("V")

MOST_POOLED = 50_000
"""Values kept for sharing; a cluster whose values are all different shares no more than that."""

MOST_PARSED = 1_000

MOST_DIFFERENCES = 60
"""With more values of its own than this, a configuration becomes one that others share."""


class Pool:
    """The first of each equal value."""

    def __init__(self) -> None:
        self._first: dict[Hashable, Hashable] = {}

    def share(self, value: T) -> T:
        """Return the first value that equals this one."""
        if len(self._first) >= MOST_POOLED:
            self._first.clear()
        return self._first.setdefault(value, value)  # type: ignore[return-value]  # equal, so of its type


class Sharing:
    """What the readers of all nodes share."""

    def __init__(self) -> None:
        self._labels: dict[Labels, Labels] = {}
        self._parsed: dict[tuple[str, int, int], object] = {}
        self._features = Pool()
        self._states = Pool()
        self._sizes: dict[tuple[tuple[str, int], ...], Mapping[str, int]] = {}
        self._capacities: dict[tuple[tuple[Labels, float], ...], Mapping[Labels, float]] = {}
        self._texts = Pool()
        self._configs: dict[tuple[str, ...], dict[str, CleanText]] = {}
        self._modules: dict[tuple[tuple[str, int], ...], Mapping[str, int]] = {}
        self._clients: dict[tuple[object, ...], HostClients] = {}

    def parse(self, frame: Frame, parse: Callable[[bytes], V]) -> V:
        """Parse an answer that machines of one kind give alike, once for all of them."""
        key = (frame.name, len(frame.stdout), hash(frame.stdout))
        if key not in self._parsed:
            if len(self._parsed) >= MOST_PARSED:
                self._parsed.clear()
            self._parsed[key] = parse(frame.stdout)
        return self._parsed[key]  # type: ignore[return-value]  # put there by the same probe's parser

    def sample(self, sample: MetricSample) -> MetricSample:
        """Return the sample with shared labels."""
        labels = self._labels
        if len(labels) >= MOST_POOLED:
            labels.clear()
        values: dict[str, Mapping[Labels, float]] = {
            name: {labels.setdefault(key, key): value for key, value in series.items()}
            for name, series in sample.values.items()
        }
        if CAPACITY in values:
            capacities = values[CAPACITY]
            if len(self._capacities) >= MOST_PARSED:
                self._capacities.clear()
            values[CAPACITY] = self._capacities.setdefault(tuple(capacities.items()), capacities)
        return MetricSample(values)

    def status(self, status: AgentStatus) -> AgentStatus:
        """Return the status with the parts shared that are the same on other nodes."""
        share = self._states.share
        proxy = status.kube_proxy_replacement
        if proxy is not None:
            addresses = tuple(map(self._texts.share, proxy.device_addresses))
            devices = self._states.share(tuple(map(self._texts.share, proxy.devices)))
            node_port = share(proxy.node_port)
            proxy = replace(proxy, devices=devices, device_addresses=addresses, node_port=node_port)
        sizes = tuple(status.map_sizes.items())
        if len(self._sizes) >= MOST_PARSED:
            self._sizes.clear()
        return replace(
            status,
            cilium=share(status.cilium),
            kubernetes=share(status.kubernetes),
            kvstore=share(status.kvstore),
            kube_proxy_replacement=share(proxy),
            encryption_mode=self._texts.share(status.encryption_mode),
            masquerading=self._texts.share(status.masquerading),
            host_routing=self._texts.share(status.host_routing),
            attach_mode=self._texts.share(status.attach_mode),
            routing=self._texts.share(status.routing),
            map_sizes=self._sizes.setdefault(sizes, status.map_sizes),
        )

    def features(self, features: tuple[Feature, ...]) -> tuple[Feature, ...]:
        """Return the features, each shared, and all of them where another node has the same."""
        return self._features.share(tuple(map(self._features.share, features)))

    def clients(self, clients: HostClients) -> HostClients:
        """Return the host's clients, or another node's where all of it is the same."""
        modules = clients.module_uses
        if modules is not None:
            if len(self._modules) >= MOST_PARSED:
                self._modules.clear()
            modules = self._modules.setdefault(tuple(modules.items()), modules)
        shared = replace(clients, module_uses=modules)
        uses = None if modules is None else tuple(modules.items())
        key = (uses, replace(shared, module_uses=None))
        if len(self._clients) >= MOST_POOLED:
            self._clients.clear()
        return self._clients.setdefault(key, shared)

    def sockets(self, sockets: UdpSockets) -> UdpSockets:
        """Return the sockets with shared texts: many nodes talk to the same few servers."""
        text = self._texts.share
        peers = tuple(
            replace(peer, address=text(peer.address), namespace=text(peer.namespace))
            for peer in sockets.peers
        )
        return self._states.share(replace(sockets, peers=peers))

    def neighbors(self, neighbors: Neighbors) -> Neighbors:
        """Return the devices and neighbors, each device shared."""
        devices = tuple(map(self._states.share, neighbors.devices))
        return self._states.share(replace(neighbors, devices=devices))

    def config(self, config: EffectiveConfig) -> EffectiveConfig:
        """Return the configuration as its differences from one with the same keys."""
        keys = tuple(config.values)
        base = self._configs.get(keys)
        if base is not None:
            own = {key: text for key, text in config.values.items() if base[key] != text}
            if len(own) <= MOST_DIFFERENCES:
                return EffectiveConfig(MappingProxyType(ChainMap(own, base)))
        if len(self._configs) >= 64:
            self._configs.clear()
        shared = {self._texts.share(key): self._texts.share(text) for key, text in _items(config)}
        self._configs[keys] = shared
        return EffectiveConfig(MappingProxyType(shared))


def _items(config: EffectiveConfig) -> list[tuple[str, CleanText]]:
    values: Mapping[str, CleanText] = config.values
    return list(values.items())
