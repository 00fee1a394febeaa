"""The configuration an agent runs with: read once at its start, from ConfigMap and node overrides.

From 1.13 an init container merges `cilium-config` with the CiliumNodeConfigs whose selector matches
the node, in the order of their names, later ones winning (pkg/option/resolver). Nothing is read
again until the agent restarts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from tui.simulator.agents.releases import AgentRelease
from tui.simulator.bpfmaps import PINNED_MAPS, SINGLE_MAP_SIZINGS, MapSpec, Sizing
from tui.simulator.configsources import ConfigBuilder
from tui.simulator.loadbalancer import MapSizes
from tui.simulator.objects import KubeObject, ObjectReaderWriter

CONFIG_MAP = "cilium-config"
DEFAULT_BUILDER = ConfigBuilder()
DEFAULT_SIZES: Mapping[Sizing, int] = {
    Sizing.LOAD_BALANCING: 65536,
    Sizing.CT_TCP: 524288,
    Sizing.CT_ANY: 262144,
    Sizing.NAT: 524288,
    Sizing.NEIGHBOUR: 524288,
    Sizing.SOCK_REVERSE: 262144,
    Sizing.POLICY: 16384,
    Sizing.FRAGMENTS: 8192,
}
DYNAMIC_SOCK_REVERSE = 110_861
"""What dynamic sizing gives a node of 24 GiB at the ratio of 0.0025."""
_CONFIG_KEYS: Mapping[str, str] = {
    "bpf-lb-map-max": "LBMapEntries",
    "bpf-lb-service-map-max": "LBServiceMapEntries",
    "bpf-lb-service-backend-map-max": "LBBackendMapEntries",
    "bpf-lb-rev-nat-map-max": "LBRevNatEntries",
    "bpf-lb-affinity-map-max": "LBAffinityMapEntries",
    "bpf-lb-source-range-map-max": "LBSourceRangeMapEntries",
    "bpf-lb-maglev-map-max": "LBMaglevMapEntries",
    "bpf-ct-global-tcp-max": "CTMapEntriesGlobalTCP",
    "bpf-ct-global-any-max": "CTMapEntriesGlobalAny",
    "bpf-nat-global-max": "NATMapEntriesGlobal",
    "bpf-neigh-global-max": "NeighMapEntriesGlobal",
    "bpf-sock-rev-map-max": "SockRevNatEntries",
    "bpf-policy-map-max": "PolicyMapEntries",
    "bpf-fragments-map-max": "FragmentsMapEntries",
    "bpf-lb-sock-hostns-only": "BPFSocketLBHostnsOnly",
    "bpf-lb-mode": "NodePortMode",
    "preallocate-bpf-maps": "PreAllocateMaps",
    "kube-proxy-replacement": "KubeProxyReplacement",
    "enable-ipv4-masquerade": "EnableIPv4Masquerade",
    "enable-bpf-masquerade": "EnableBPFMasquerade",
    "enable-hubble": "EnableHubble",
    "enable-l7-proxy": "EnableL7Proxy",
    "enable-ipsec": "EnableIPSec",
    "enable-wireguard": "EnableWireguard",
    "debug": "Debug",
    "cluster-id": "ClusterID",
    "cluster-name": "ClusterName",
    "identity-allocation-mode": "IdentityAllocationMode",
    "monitor-aggregation": "MonitorAggregation",
    "prometheus-serve-addr": "PrometheusServeAddr",
    "tunnel": "Tunnel",
    "ipam": "IPAM",
    "bpf-map-dynamic-size-ratio": "BPFMapsDynamicSizeRatio",
    "enable-ipv4": "EnableIPv4",
    "enable-ipv6": "EnableIPv6",
    "enable-l2-neigh-discovery": "EnableL2NeighDiscovery",
    "enable-runtime-device-detection": "EnableRuntimeDeviceDetection",
    "enable-sctp": "EnableSCTP",
    "routing-mode": "RoutingMode",
}
"""The keys of the ConfigMap as `config -a` spells them (pkg/option.DaemonConfig)."""


@dataclass(frozen=True, eq=False, slots=True)
class RunningConfig:
    """What one agent read at its start; one object for all agents that read the same."""

    values: Mapping[str, str]
    """Keys as in the ConfigMap, sorted."""

    def get(self, key: str, default: str = "") -> str:
        """Return one value."""
        return self.values.get(key, default)

    def is_on(self, key: str, default: bool = False) -> bool:
        """Return one switch."""
        return self.get(key, str(default)).lower() == "true"

    def size(self, sizing: Sizing) -> int:
        """Return the size that a setting gives its maps."""
        text = self.get(sizing.value)
        if text.isdigit() and int(text) > 0:
            return int(text)
        if sizing in SINGLE_MAP_SIZINGS:
            return self.size(Sizing.LOAD_BALANCING)
        if sizing is Sizing.NEIGHBOUR:
            return self.size(Sizing.NAT)
        if sizing is Sizing.SOCK_REVERSE and self.get("bpf-map-dynamic-size-ratio"):
            return DYNAMIC_SOCK_REVERSE
        return DEFAULT_SIZES[sizing]

    def max_entries(self, spec: MapSpec) -> int:
        """Return the max entries of a map under this configuration."""
        return spec.max_entries if spec.sizing is Sizing.FIXED else self.size(spec.sizing)

    @property
    def is_preallocating(self) -> bool:
        """Whether `preallocate-bpf-maps` is on; the flag's default is true, the chart's false."""
        return self.is_on("preallocate-bpf-maps", True)


def balancer_sizes(release: AgentRelease, config: RunningConfig) -> MapSizes:
    """Return the sizes of the load-balancing maps under this configuration."""
    common = config.size(Sizing.LOAD_BALANCING)
    single = {
        spec.pin: size
        for spec in PINNED_MAPS[release.key]
        if spec.sizing in SINGLE_MAP_SIZINGS and (size := config.size(spec.sizing)) != common
    }
    return MapSizes(common, tuple(single.items()))


@lru_cache(maxsize=4096)
def interned(values: tuple[tuple[str, str], ...]) -> RunningConfig:
    """Return the one configuration with these values."""
    return RunningConfig(dict(values))


def read_config(
    release: AgentRelease,
    objects: ObjectReaderWriter,
    namespace: str,
    node_labels: Mapping[str, str],
    extra: Mapping[str, str],
    builder: ConfigBuilder | None = DEFAULT_BUILDER,
) -> RunningConfig:
    """Read what an agent on this node would read if it started now.

    `extra` are the arguments of the DaemonSet's container, which win over every source; without
    an init container as `builder` there is only the ConfigMap.
    """
    config_map = objects.get("configmaps", namespace, CONFIG_MAP) or {}
    values: dict[str, str] = dict(config_map.get("data") or {})
    if release.has_node_config and builder is not None and builder.reads_node_configs:
        node_configs = objects.list("ciliumnodeconfigs", namespace)
        for config in sorted(node_configs, key=lambda found: str(found["metadata"]["name"])):
            if matches(config, node_labels):
                values |= builder.passed((config.get("spec") or {}).get("defaults") or {})
    return interned(tuple(sorted({**values, **extra}.items())))


def matches(config: KubeObject, labels: Mapping[str, str]) -> bool:
    """Tell whether a CiliumNodeConfig's selector takes a node with these labels."""
    selector = (config.get("spec") or {}).get("nodeSelector") or {}
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_fits(rule, labels) for rule in selector.get("matchExpressions") or [])


def _fits(rule: KubeObject, labels: Mapping[str, str]) -> bool:
    key, operator = str(rule.get("key", "")), rule.get("operator")
    value, values = labels.get(key), list(rule.get("values") or [])
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return key in labels
    return operator == "DoesNotExist" and key not in labels


@lru_cache(maxsize=8)
def _defaults(release: str) -> dict[str, Any]:
    text = (files("tui.simulator.agents") / "data" / f"config-{release}.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def effective_config(
    release: AgentRelease, config: RunningConfig, started_at: str
) -> dict[str, Any]:
    """Return what `config -a -o json` prints: the release's keys with this agent's values."""
    found = {**_defaults(release.text), "CreationTime": started_at}
    for key, value in config.values.items():
        name = _CONFIG_KEYS.get(key)
        if name in found:
            found[name] = _typed(value, found[name])
    if "Devices" in found and config.get("devices"):
        found["Devices"] = config.get("devices").split()
    return found


def _typed(value: str, like: object) -> object:
    if isinstance(like, bool):
        return value.lower() == "true"
    if isinstance(like, int):
        return int(value) if value.isdigit() else like
    if isinstance(like, float):
        return float(value)
    return value


@lru_cache(maxsize=8)
def default_flags(release: str) -> tuple[tuple[str, str], ...]:
    """Return the release's flags with their default values, in the order the agent logs them."""
    text = (files("tui.simulator.agents") / "data" / f"flags-{release}.txt").read_text()
    pairs = (line.partition("=") for line in text.splitlines())
    return tuple((name, value.strip("'")) for name, _, value in pairs)


@lru_cache(maxsize=256)
def logged_flags(release: str, config: RunningConfig) -> tuple[str, ...]:
    """Return the lines with which an agent logs its flags at start, such as `--debug='false'`."""
    return tuple(
        f"--{name}='{config.get(name, default)}'" for name, default in default_flags(release)
    )
