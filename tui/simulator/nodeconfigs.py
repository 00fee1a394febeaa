"""CiliumNodeConfigs of a scenario: the objects, and what the agents of the start read of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tui.simulator.agents.releases import RELEASES
from tui.simulator.model import SimNode, uuid_from
from tui.simulator.objects import KubeObject, timestamp
from tui.simulator.scenarios import NodeConfigSeed, QuirkKind, Scenario
from tui.simulator.seedpods import NAMESPACE

CRASH_NAT_SIZE = "1048576"
"""Larger than the conntrack tables together: an agent refuses to start with it."""
HOSTNAME_LABEL = "kubernetes.io/hostname"


def overrides_at_start(
    scenario: Scenario, node: SimNode, members: Sequence[SimNode]
) -> dict[str, str]:
    """Return what the node's agent read of CiliumNodeConfigs when it started."""
    if node.quirk(QuirkKind.CRASH_LOOP):
        return {"bpf-nat-global-max": CRASH_NAT_SIZE}
    found: dict[str, str] = {}
    for seed in sorted(scenario.node_configs, key=lambda one: one.name):
        release = next(group.release for group in scenario.groups if group.name == seed.group)
        if seed.is_read and RELEASES[release].has_node_config and _takes(seed, node, members):
            found |= seed.values
    return found


def _takes(seed: NodeConfigSeed, node: SimNode, members: Sequence[SimNode]) -> bool:
    if node.group != seed.group:
        return False
    return seed.offset is None or members[seed.offset % len(members)] is node


def node_config_objects(
    scenario: Scenario, nodes: Sequence[SimNode], now: float
) -> Iterator[KubeObject]:
    """Yield the CiliumNodeConfigs, those behind crash loops included."""
    for node in nodes:
        if node.is_looping:
            values = {"bpf-nat-global-max": CRASH_NAT_SIZE}
            labels = {HOSTNAME_LABEL: node.name}
            yield _object(f"nat-tuning-{node.name}", labels, values, now - 1860)
    for seed in scenario.node_configs:
        group = next(group for group in scenario.groups if group.name == seed.group)
        members = [node for node in nodes if node.group == seed.group]
        if not members:
            continue
        labels = dict(group.labels)
        if seed.offset is not None:
            labels = {HOSTNAME_LABEL: members[seed.offset % len(members)].name}
        yield _object(seed.name, labels, seed.values, now - seed.age_seconds)


def _object(
    name: str, labels: Mapping[str, str], values: Mapping[str, str], written_at: float
) -> KubeObject:
    written = timestamp(written_at)
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNodeConfig",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": uuid_from(f"nodeconfig/{name}"),
            "creationTimestamp": written,
            "managedFields": [
                {
                    "manager": "kubectl-create",
                    "operation": "Update",
                    "apiVersion": "cilium.io/v2",
                    "time": written,
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:spec": {".": {}, "f:defaults": {}, "f:nodeSelector": {}}},
                }
            ],
        },
        "spec": {"nodeSelector": {"matchLabels": dict(labels)}, "defaults": dict(values)},
    }
