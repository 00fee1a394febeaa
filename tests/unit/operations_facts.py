"""A small cluster, and a cluster reader without a network, for the tests of plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec

from tests.unit.checks_facts import NOW, entry, known, node_facts, status
from tui.cluster.gate import WriteRequest
from tui.errors import CiltopError, NotFoundError
from tui.model.cluster import (
    CiliumConfigMap,
    CiliumDaemonSet,
    CiliumNodeConfig,
    ClusterFacts,
    SelectorTerm,
)
from tui.model.host import BpfFilesystem, HostFacts, MapSurvival
from tui.model.maps import MapKind, MapUsage
from tui.model.names import ContainerId, NodeName, NodeUid, PodUid
from tui.model.node import AgentPhase
from tui.model.operations import OperationPlan, Permission
from tui.model.reading import Reading
from tui.model.services import Service
from tui.model.snapshot import NodeFacts, Snapshot
from tui.operations.diffs import merged
from tui.safety import clean

T = TypeVar("T")

HOSTNS_ONLY = "bpf-lb-sock-hostns-only"
BUILDER = ("cilium-dbg", "build-config")
PATH = "/api/v1/namespaces/kube-system/configmaps/cilium-config"
CONFIGS = "/apis/cilium.io/{version}/namespaces/kube-system/ciliumnodeconfigs"


def uid_of(name: str) -> NodeUid:
    return NodeUid(f"uid-{name}")


def lb_map(
    entries: int | None = 10,
    size: int = 1024,
    wanted: int | None = 95,
    name: str = "cilium_lb4_backends_v3",
    kind: MapKind = MapKind.HASH,
) -> MapUsage:
    return MapUsage(clean(name), kind, size, entries, wanted_entries=wanted)


def ct_map(ratio: float | None = 0.1) -> MapUsage:
    entries = None if ratio is None else round(ratio * 65536)
    return MapUsage(clean("cilium_ct4_global"), MapKind.LRU_HASH, 65536, entries)


def a_node(
    name: str = "node-1",
    release: str = "1.17.5",
    *,
    maps: Sequence[MapUsage] = (),
    running: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    kernel: str = "6.8.0-45-generic",
    phase: AgentPhase = AgentPhase.RUNNING,
    **parts: Any,
) -> NodeFacts:
    """Return a node with its hostname label, an agent of its own, a log and known values."""
    size = str(next((one.max_entries for one in maps if "_lb4_" in one.name), 1024))
    values = {"bpf-lb-map-max": size, HOSTNS_ONLY: "false", **(running or {})}
    facts = node_facts(
        release,
        kernel,
        config=values,
        maps=(*maps, ct_map()) if not any("_ct4_" in one.name for one in maps) else tuple(maps),
        labels={"kubernetes.io/hostname": name} if labels is None else labels,
        name=name,
        phase=phase,
        state=status(),
        logs=(entry("Cilium agent starts"),),
    )
    assert facts.agent is not None
    agent = replace(facts.agent, uid=PodUid(f"pod-{name}"), node_name=NodeName(name))
    node = replace(facts.node, uid=uid_of(name))
    parts = {"host": host_with(MapSurvival.YES), **parts}
    return replace(facts, node=node, agent=agent, swept_at=NOW - 5.0, **parts)


def host_with(
    survival: MapSurvival, why: str = "as the mount table shows", container: str = "c1"
) -> Reading[HostFacts]:
    """Return what was read of a host where maps outlive a restart, or don't."""
    table = BpfFilesystem(survival, clean(why), container_id=ContainerId(container))
    return known(HostFacts(mounts=table, read_at={"mounts": NOW - 60.0}))


def agent_set(
    *arguments: str, builder: Sequence[str] = BUILDER, unavailable: str = "2", **parts: Any
) -> CiliumDaemonSet:
    made = CiliumDaemonSet(
        clean("cilium"),
        clean("kube-system"),
        desired=3,
        args=tuple(map(clean, ("cilium-agent", "--config-dir=/tmp/cilium/config-map", *arguments))),
        has_config_builder=bool(builder),
        config_builder_args=tuple(map(clean, builder)),
        max_unavailable=clean(unavailable),
    )
    return replace(made, **parts)


def a_service(name: str, *nodes: str) -> Service:
    return Service(clean(name), clean("ClusterIP"), (), (), (), (), endpoint_nodes=nodes)


def a_snapshot(
    *nodes: NodeFacts,
    values: Mapping[str, str] | None = None,
    configs: Sequence[CiliumNodeConfig] = (),
    daemonset: CiliumDaemonSet | None = None,
    services: Sequence[Service] = (),
    **parts: Any,
) -> Snapshot:
    texts = {key: clean(text) for key, text in (values or {"bpf-lb-map-max": "1024"}).items()}
    cluster = ClusterFacts(
        context=clean("prod"),
        cilium_namespace=clean("kube-system"),
        config_map=known(CiliumConfigMap(texts)),
        node_configs=known(tuple(configs)),
        daemonsets=known((daemonset or agent_set(),)),
        services=known(tuple(services)),
    )
    held = {facts.node.uid: facts for facts in nodes}
    return Snapshot(NOW, 1, replace(cluster, **parts), held, is_complete=True)


def a_config(name: str, values: Mapping[str, str], *hostnames: str) -> CiliumNodeConfig:
    terms = (SelectorTerm("kubernetes.io/hostname", "In", hostnames),) if hostnames else ()
    texts = {key: clean(text) for key, text in values.items()}
    return CiliumNodeConfig(
        clean(name), clean("kube-system"), f"cnc-{name}", texts, match_expressions=terms
    )


def config_object(config: CiliumNodeConfig) -> dict[str, Any]:
    terms = [
        {"key": one.key, "operator": one.operator, "values": list(one.values)}
        for one in config.match_expressions
    ]
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNodeConfig",
        "metadata": {"name": config.name, "namespace": config.namespace, "uid": config.uid},
        "spec": {"nodeSelector": {"matchExpressions": terms}, "defaults": dict(config.values)},
    }


@dataclass
class FakeReader:
    """The API as a snapshot has it; keeps what it was asked."""

    snapshot: Snapshot
    version: str = "v2"
    """Of CiliumNodeConfigs; empty: the API has no such kind."""
    permissions: Mapping[str, Permission] = field(default_factory=dict)
    """By resource; allowed where it is not named."""
    failures: Mapping[str, CiltopError] = field(default_factory=dict)
    """By path, or by resource for a dry run."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the ConfigMap."""
    reviews: list[WriteRequest] = field(default_factory=list)
    tries: list[WriteRequest] = field(default_factory=list)

    async def get_json(self, path: str, decoder_type: type[T]) -> T:
        if path in self.failures:
            raise self.failures[path]
        return msgspec.convert(self._document(path), decoder_type)

    def _document(self, path: str) -> dict[str, Any]:
        if path == PATH:
            return self.config_map
        if self.version and path == f"/apis/cilium.io/{self.version}":
            return {"resources": [{"name": "ciliumnodes"}, {"name": "ciliumnodeconfigs"}]}
        if self.version and path == CONFIGS.format(version=self.version):
            configs = self.snapshot.cluster.node_configs.value or ()
            return {"items": [config_object(one) for one in configs]}
        raise NotFoundError(f"GET {path}: not found")

    @property
    def config_map(self) -> dict[str, Any]:
        held = self.snapshot.cluster.config_map.value
        assert held is not None
        meta = {"name": "cilium-config", "uid": "cm-uid", "resourceVersion": "17"}
        labels = {"labels": dict(self.labels)} if self.labels else {}
        return {"kind": "ConfigMap", "metadata": {**meta, **labels}, "data": dict(held.values)}

    async def may(self, request: WriteRequest) -> Permission:
        self.reviews.append(request)
        return self.permissions.get(request.resource, Permission.ALLOWED)

    async def dry_run(self, request: WriteRequest) -> dict[str, Any]:
        self.tries.append(request)
        if request.resource in self.failures:
            raise self.failures[request.resource]
        assert request.body is None or isinstance(request.body, Mapping)
        if request.verb == "patch":
            return merged(self.config_map, request.body or {})
        return dict(request.body or {})


def ids(plan: OperationPlan, kind: str = "") -> list[str]:
    """Return the ids of a plan's guards."""
    return [guard.id for guard in plan.guards if not kind or guard.kind == kind]
