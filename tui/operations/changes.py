"""What an operation writes into the configuration, and the cluster's facts as they are after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from tui.cilium.nextstart.layers import CONFIG_MAP
from tui.cluster.config_objects import NodeConfigObject, node_config
from tui.model.cluster import CiliumNodeConfig, ClusterFacts
from tui.model.operations import PlannedWrite
from tui.model.reading import Reading
from tui.operations.diffs import Json, is_object, part
from tui.safety import CleanText, clean

NODE_CONFIGS = "ciliumnodeconfigs"
CONFIG_MAPS = "configmaps"
PODS = "pods"
GROUP = "cilium.io"
HOSTNAME_LABEL = "kubernetes.io/hostname"
NAME_PREFIX = "zz-ciltop-"
"""Sorts behind nearly every other name, so that its values win (`pkg/option/resolver`)."""
MANAGED_BY = "app.kubernetes.io/managed-by"

Values = Mapping[str, str | None]
"""Option -> value; None takes the key away."""


def node_config_name(operation_id: str) -> CleanText:
    """Return the name of the CiliumNodeConfig that an operation makes."""
    return clean(f"{NAME_PREFIX}{operation_id}", 200)


def node_config_body(
    operation_id: str, namespace: str, version: str, hostnames: Sequence[str], values: Values
) -> dict[str, object]:
    """Return the CiliumNodeConfig that gives nodes these values.

    Args:
        operation_id: names the object.
        namespace: Cilium's own; agents read it from no other.
        version: as the API server has it, `v2` (1.16) or `v2alpha1` (1.13).
        hostnames: values of the nodes' label `kubernetes.io/hostname`.
        values: option -> value.
    """
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "CiliumNodeConfig",
        "metadata": {
            "name": str(node_config_name(operation_id)),
            "namespace": namespace,
            "labels": {MANAGED_BY: "ciltop"},
        },
        "spec": {
            "nodeSelector": {
                "matchExpressions": [
                    {"key": HOSTNAME_LABEL, "operator": "In", "values": list(hostnames)}
                ]
            },
            "defaults": {key: value for key, value in values.items() if value is not None},
        },
    }


def config_map_patch(values: Values) -> dict[str, object]:
    """Return the merge patch that sets and takes away keys of `cilium-config`."""
    return {"data": dict(values)}


def is_node_config(write: PlannedWrite) -> bool:
    """Tell whether a write is about a CiliumNodeConfig."""
    return write.resource == NODE_CONFIGS


def is_config_map(write: PlannedWrite) -> bool:
    """Tell whether a write changes the ConfigMap `cilium-config`."""
    return write.resource == CONFIG_MAPS and write.name == CONFIG_MAP


def is_restart(write: PlannedWrite) -> bool:
    """Tell whether a write deletes an agent's pod, so that its DaemonSet makes a new one."""
    return write.resource == PODS and write.verb == "delete"


def body_of(write: PlannedWrite) -> Json:
    """Return what a write sends, decoded."""
    found = msgspec.json.decode(write.body) if write.body else {}
    return found if is_object(found) else {}


def values_of(writes: Iterable[PlannedWrite]) -> dict[str, str | None]:
    """Return the options that writes set, with None for those taken away."""
    found: dict[str, str | None] = {}
    for write in writes:
        body = body_of(write)
        values = part(body, "data") if is_config_map(write) else part(body, "spec", "defaults")
        found.update({key: None if text is None else str(text) for key, text in values.items()})
    return found


def source_of(writes: Iterable[PlannedWrite]) -> str:
    """Return the layer that the writes give values to, as the next start's words name it."""
    for write in writes:
        if is_config_map(write):
            return f"ConfigMap {CONFIG_MAP}"
        if is_node_config(write) and write.verb == "create":
            return f"CiliumNodeConfig {write.name}"
    return ""


def after_writes(writes: Iterable[PlannedWrite], cluster: ClusterFacts) -> ClusterFacts:
    """Return the cluster's facts as they are after the writes; twice is as once."""
    for write in writes:
        if is_config_map(write):
            cluster = _with_values(cluster, part(body_of(write), "data"))
        elif is_node_config(write) and write.verb == "create":
            made = node_config(msgspec.convert(body_of(write), NodeConfigObject, strict=False))
            cluster = _with_node_config(cluster, made)
        elif is_node_config(write) and write.verb == "delete":
            cluster = _without_node_config(cluster, write.uid)
    return cluster


def _with_values(cluster: ClusterFacts, values: Mapping[str, object]) -> ClusterFacts:
    held = cluster.config_map.value
    if held is None:
        return cluster
    texts = dict(held.values)
    for key, value in values.items():
        if value is None:
            texts.pop(key, None)
        else:
            texts[key] = clean(str(value))
    reading = replace(cluster.config_map, value=replace(held, values=texts))
    return replace(cluster, config_map=reading)


def _with_node_config(cluster: ClusterFacts, made: CiliumNodeConfig) -> ClusterFacts:
    others = (one for one in cluster.node_configs.value or () if not _is_same(one, made))
    return _with_node_configs(cluster, (*others, made))


def _is_same(one: CiliumNodeConfig, other: CiliumNodeConfig) -> bool:
    return (one.namespace, one.name) == (other.namespace, other.name)


def _without_node_config(cluster: ClusterFacts, uid: str) -> ClusterFacts:
    if cluster.node_configs.value is None or not uid:
        return cluster
    kept = tuple(one for one in cluster.node_configs.value if one.uid != uid)
    return _with_node_configs(cluster, kept)


def _with_node_configs(cluster: ClusterFacts, configs: Iterable[CiliumNodeConfig]) -> ClusterFacts:
    held: Reading[tuple[CiliumNodeConfig, ...]] = cluster.node_configs
    ordered = tuple(sorted(configs, key=lambda one: str(one.name)))
    return replace(cluster, node_configs=replace(held, value=ordered))


def removed(writes: Iterable[PlannedWrite], cluster: ClusterFacts) -> Iterator[CiliumNodeConfig]:
    """Yield the CiliumNodeConfigs that the writes delete."""
    uids = {write.uid for write in writes if is_node_config(write) and write.verb == "delete"}
    for one in cluster.node_configs.value or ():
        if one.uid in uids:
            yield one
