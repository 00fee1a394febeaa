"""Facts for the tests of checks, made in one line: one node and its cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tui.checks.check import Check
from tui.checks.view import ClusterView, NodeView
from tui.model.agent import (
    AgentStatus,
    AgentVersion,
    ComponentState,
    EffectiveConfig,
    KubeProxyReplacement,
)
from tui.model.cluster import CiliumConfigMap, ClusterFacts
from tui.model.features import Feature, FeatureGroup, FeatureState, Proof
from tui.model.findings import FindingSeverity, Verdict
from tui.model.host import HostClients, HostFacts, Neighbors, UdpSockets
from tui.model.logs import LogEntry, LogLevel, LogLine
from tui.model.maps import MapUsage
from tui.model.names import ContainerId, NodeName, NodeUid, PodUid
from tui.model.node import AgentPhase, AgentPod, Node
from tui.model.reading import Origin, Reading
from tui.model.services import ServiceCoverage
from tui.model.snapshot import NodeFacts
from tui.safety import CleanText, clean

NOW = 1_000_000.0
UID = NodeUid("uid-1")


def origin(source: str = "a command") -> Origin:
    return Origin(clean(source), NOW - 5.0, UID, ContainerId("c1"))


def known(value: Any, source: str = "a command") -> Reading[Any]:
    return Reading.known(value, origin(source))


def kpr(**parts: Any) -> KubeProxyReplacement:
    """Return a kube-proxy replacement that is on, with socket load balancing."""
    return replace(
        KubeProxyReplacement(CleanText("True"), is_enabled=True, socket_lb=True), **parts
    )


def status(**parts: Any) -> AgentStatus:
    base = AgentStatus(ComponentState(CleanText("Ok")), kube_proxy_replacement=kpr())
    return replace(base, **parts)


def feature(key: str, state: FeatureState, value: str = "") -> Feature:
    return Feature(
        key, clean(key), FeatureGroup.KERNEL, state, clean(value or state.value), Proof.UNKNOWN
    )


def texts(values: Mapping[str, str]) -> dict[str, CleanText]:
    return {key: clean(value) for key, value in values.items()}


def entry(
    message: str, error: str = "", *, meaning: str = "", at: float = NOW - 60.0, count: int = 1
) -> LogEntry:
    fields = ((CleanText("error"), clean(error)),) if error else ()
    line = LogLine(at, LogLevel.ERROR, clean(message), CleanText(""), fields)
    return LogEntry(UID, ContainerId("c1"), line, count, at, meaning=meaning)


def node_facts(  # sizes: one argument for each part of a node
    release: str | None = "1.17.5",
    kernel: str = "6.8.0-45-generic",
    *,
    config: Mapping[str, str] | None = None,
    state: AgentStatus | None = None,
    maps: tuple[MapUsage, ...] | None = None,
    coverage: ServiceCoverage | None = None,
    features: tuple[Feature, ...] = (),
    logs: tuple[LogEntry, ...] = (),
    clients: HostClients | None = None,
    sockets: UdpSockets | None = None,
    neighbors: Neighbors | None = None,
    phase: AgentPhase = AgentPhase.RUNNING,
    labels: Mapping[str, str] | None = None,
    name: str = "node-1",
) -> NodeFacts:
    """Return a node; a release of None has an unknown version and an image without a tag."""
    image = f"quay.io/cilium/cilium:v{release}" if release else "registry/cilium@sha256:abc"
    node = Node(
        UID, NodeName(name), is_ready=True, kernel_release=clean(kernel), labels=labels or {}
    )
    agent = AgentPod(
        PodUid("pod-1"),
        clean(f"cilium-{name}"),
        clean("kube-system"),
        node.name,
        phase,
        container_id=ContainerId("c1"),
        image=clean(image),
        daemonset=clean("cilium"),
        is_ready=phase is AgentPhase.RUNNING,
        started_at=NOW - 3600.0,
    )
    host = HostFacts(clients, sockets, neighbors)
    return NodeFacts(
        node,
        agent,
        version=known(AgentVersion(clean(release))) if release else Reading(),
        status=known(state if state is not None else status(), "cilium status -o json"),
        maps=known(maps, "bpftool -j -f map show") if maps is not None else Reading(),
        services=known(coverage, "bpftool map dump") if coverage is not None else Reading(),
        features=known(features) if features else Reading(),
        config=known(EffectiveConfig(texts(config)), "cilium config -a -o json")
        if config is not None
        else Reading(),
        host=known(host, "cat /proc/fs/nfsfs/servers"),
        logs=logs,
    )


def cluster_facts(config_map: Mapping[str, str] | None = None, **parts: Any) -> ClusterFacts:
    """Return a cluster; `parts` are the other fields of `ClusterFacts`."""
    facts = ClusterFacts(cilium_namespace=clean("kube-system"))
    if config_map is not None:
        held = CiliumConfigMap(texts(config_map))
        facts = replace(facts, config_map=known(held, "GET /api/v1/.../configmaps/cilium-config"))
    return replace(facts, **parts)


def judged(
    check: Check, facts: NodeFacts, cluster: ClusterFacts | None = None, now: float = NOW
) -> list[Verdict]:
    """Return what a check says of a node, worst first."""
    assert check.judge_node is not None
    view = NodeView(facts, ClusterView(cluster or ClusterFacts(), now))
    return sorted(check.judge_node(view), key=lambda verdict: verdict.severity.rank)


def severity(
    check: Check, facts: NodeFacts, cluster: ClusterFacts | None = None, now: float = NOW
) -> FindingSeverity:
    """Return the worst that a check says of a node."""
    return judged(check, facts, cluster, now)[0].severity
