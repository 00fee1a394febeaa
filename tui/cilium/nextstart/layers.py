"""The layers of configuration that an agent reads at its start, merged as Cilium merges them.

From 1.13 the init container `build-config` reads its sources in order, later ones winning: by
default the ConfigMap, then the CiliumNodeConfigs that select the node, by name
(`pkg/option/resolver`). Flags on the agent's command line win over all of it (viper). The init
container runs when a pod starts: a container that crashes and is started again in the same pod
reads the files of before. Environment variables (`CILIUM_...`) are not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tui.cilium.nextstart.arguments import flags_of, list_of
from tui.cilium.nextstart.images import Images
from tui.cilium.nextstart.selectors import selects
from tui.model.cluster import CiliumDaemonSet, CiliumNodeConfig, ClusterFacts, ConfigWrite
from tui.model.nextstart import IgnoredSource
from tui.model.node import Node
from tui.safety import CleanText, clean

CONFIG_MAP = "cilium-config"
_NODE_CONFIG = "cilium-node-config"


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of values."""

    source: CleanText
    """Such as `CiliumNodeConfig canary`."""
    values: Mapping[str, str]
    write: ConfigWrite | None = None
    """The newest write of the object: managedFields are not kept per key."""


@dataclass(frozen=True, slots=True)
class Planned:
    """All that the next start would read."""

    winner: Mapping[str, Layer]
    """Option -> the layer that gives its value."""
    ignored: tuple[IgnoredSource, ...]
    unknown: tuple[CleanText, ...]
    knows_arguments: bool
    """Whether the DaemonSet's command line was read; without it an absent key may be there."""

    def value(self, option: str) -> str | None:
        """Return what the next start would read for an option, or None where no layer has it."""
        layer = self.winner.get(option)
        return None if layer is None else layer.values[option]


class _Merge:
    def __init__(
        self, node: Node, daemonset: CiliumDaemonSet | None, cluster: ClusterFacts
    ) -> None:
        self.node, self.cluster = node, cluster
        arguments = () if daemonset is None else daemonset.config_builder_args
        self.allowed = list_of(arguments, "allow-config-keys")
        self.denied = list_of(arguments, "deny-config-keys") or ()
        self.winner: dict[str, Layer] = {}
        self.ignored: list[IgnoredSource] = []
        self.unknown: list[CleanText] = []

    def put(self, layer: Layer, *, is_override: bool) -> None:
        for key in layer.values:
            if is_override and not self._may_override(key):
                listed = (
                    "not among --allow-config-keys" if self.allowed else "in --deny-config-keys"
                )
                reason = CleanText(f"{listed} of the init container")
                self.ignored.append(IgnoredSource(layer.source, key, reason))
                continue
            self._tell_loser(key, layer)
            self.winner[key] = layer

    def _may_override(self, key: str) -> bool:
        """Whether a source after the first may set a key; the allow list goes before the other."""
        return key in self.allowed if self.allowed else key not in self.denied

    def _tell_loser(self, key: str, layer: Layer) -> None:
        loser = self.winner.get(key)
        if loser is None or not loser.source.startswith("CiliumNodeConfig"):
            return
        if loser.values[key] != layer.values[key]:
            reason = clean(f"{layer.source} sets it too, and wins", 200)
            self.ignored.append(IgnoredSource(loser.source, key, reason))

    def put_source(self, source: str, *, is_override: bool) -> None:
        kind, _, name = source.partition(":")
        if kind == "config-map":
            self._put_config_map(name, is_override=is_override)
        elif kind == _NODE_CONFIG:
            self._put_node_configs(name, is_override=is_override)
        elif kind == "node":
            self._put_node(name, is_override=is_override)
        else:
            self.unknown.append(clean(f"configuration source {source} is not known", 200))

    def _put_config_map(self, name: str, *, is_override: bool) -> None:
        namespace, _, short = name.rpartition("/")
        ours = self.cluster.cilium_namespace
        if short not in ("", CONFIG_MAP) or (namespace and ours and namespace != ours):
            self.unknown.append(clean(f"configuration source config-map:{name} is not read", 200))
            return
        held = self.cluster.config_map.value
        if held is not None:
            write = held.writes[0] if held.writes else None
            layer = Layer(CleanText(f"ConfigMap {CONFIG_MAP}"), held.values, write)
            self.put(layer, is_override=is_override)

    def _put_node_configs(self, namespace: str, *, is_override: bool) -> None:
        reading = self.cluster.node_configs
        if reading.value is None:
            reason = f" ({reading.reason})" if reading.reason else ""
            self.unknown.append(clean(f"CiliumNodeConfigs are not known{reason}", 300))
            return
        place = namespace or self.cluster.cilium_namespace
        for config in sorted(reading.value, key=lambda one: one.name):
            if not selects(config.match_labels, config.match_expressions, self.node.labels):
                continue
            if place and config.namespace and config.namespace != place:
                self.ignore(config, f"it is in namespace {config.namespace}, not in {place}")
                continue
            self.put(_layer_of(config), is_override=is_override)

    def _put_node(self, name: str, *, is_override: bool) -> None:
        if name and name != self.node.name:
            self.unknown.append(clean(f"configuration source node:{name} is not read", 200))
            return
        layer = Layer(clean(f"Node {self.node.name}", 200), self.node.config_overrides)
        self.put(layer, is_override=is_override)

    def ignore(self, config: CiliumNodeConfig, reason: str) -> None:
        told = clean(reason, 200)
        source = _layer_of(config).source
        self.ignored.extend(IgnoredSource(source, key, told) for key in config.values)

    def ignore_all(self, reason: str) -> None:
        for config in self.cluster.node_configs.value or ():
            if selects(config.match_labels, config.match_expressions, self.node.labels):
                self.ignore(config, reason)


def plan(
    node: Node, daemonset: CiliumDaemonSet | None, images: Images, cluster: ClusterFacts
) -> Planned:
    """Merge every layer for one node.

    Args:
        node: with labels, and with the overrides of its own labels and annotations.
        daemonset: the one that runs this node's agent; None where it is not known.
        images: tells the release that will start: before 1.13 there is only the ConfigMap.
        cluster: ConfigMap and CiliumNodeConfigs.
    """
    merge = _Merge(node, daemonset, cluster)
    arguments = () if daemonset is None else daemonset.args
    for number, source in enumerate(_sources(merge, daemonset, images)):
        merge.put_source(source, is_override=number > 0)
    if arguments and daemonset is not None:
        write = daemonset.writes[0] if daemonset.writes else None
        name = clean(f"DaemonSet {daemonset.name}, arguments", 200)
        merge.put(Layer(name, flags_of(arguments), write), is_override=False)
    else:
        merge.unknown.append(CleanText("arguments of the agent's DaemonSet are not known"))
    ignored, unknown = tuple(merge.ignored), tuple(dict.fromkeys(merge.unknown))
    return Planned(merge.winner, ignored, unknown, bool(arguments))


def _sources(merge: _Merge, daemonset: CiliumDaemonSet | None, images: Images) -> tuple[str, ...]:
    """Return the sources in their order; what has no effect on this release is noted."""
    release = images.next_release
    if release is not None and not release.at_least(1, 13):
        merge.ignore_all(f"{release} reads no CiliumNodeConfig: it came with 1.13")
        return ("config-map",)
    if daemonset is None or not daemonset.args:
        return ("config-map", _NODE_CONFIG)
    if not daemonset.has_config_builder:
        merge.ignore_all(
            "the DaemonSet has no init container build-config"
            " (daemon.configSources is a single ConfigMap)"
        )
        return ("config-map",)
    return list_of(daemonset.config_builder_args, "source") or ("config-map", _NODE_CONFIG)


def _layer_of(config: CiliumNodeConfig) -> Layer:
    write = config.writes[0] if config.writes else None
    return Layer(clean(f"CiliumNodeConfig {config.name}", 300), config.values, write)
