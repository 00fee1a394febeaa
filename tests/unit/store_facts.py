"""Facts as the collector would give them, for the store's tests."""

from __future__ import annotations

from dataclasses import replace

from tui.model.agent import AgentVersion
from tui.model.logs import LogBatch, LogLevel, LogLine
from tui.model.maps import CountOrigin, MapKind, MapUsage
from tui.model.names import ContainerId, NodeName, NodeUid, PodUid
from tui.model.node import AgentPhase, AgentPod, Node
from tui.model.reading import Origin, Reading
from tui.model.snapshot import NodeReport, NodeSeen
from tui.safety import clean

NODE = NodeUid("uid-1")
FIRST = ContainerId("containerd://aaa")
SECOND = ContainerId("containerd://bbb")
BACKENDS = clean("cilium_lb4_backends_v2")


def node(uid: NodeUid = NODE, boot_id: str = "boot-1") -> Node:
    return Node(uid, NodeName(f"node-{uid}"), is_ready=True, boot_id=boot_id)


def agent(container: ContainerId = FIRST, uid: NodeUid = NODE) -> AgentPod:
    return AgentPod(
        PodUid(f"pod-{container}"),
        clean(f"cilium-{uid}"),
        clean("kube-system"),
        NodeName(f"node-{uid}"),
        AgentPhase.RUNNING,
        container_id=container,
        started_at=1_000.0,
    )


def seen(uid: NodeUid = NODE, container: ContainerId = FIRST, boot_id: str = "boot-1") -> NodeSeen:
    return NodeSeen(node(uid, boot_id), agent(container, uid))


def origin(at: float, container: ContainerId = FIRST) -> Origin:
    return Origin(clean("cilium status -o json"), at, NODE, container)


def usage(entries: int | None, at: float, max_entries: int = 1_000) -> MapUsage:
    return MapUsage(
        BACKENDS,
        MapKind.HASH,
        max_entries,
        entries,
        CountOrigin.ACCOUNTING if entries is not None else CountOrigin.NONE,
        counted_at=at,
    )


def maps_report(at: float, *usages: MapUsage, uid: NodeUid = NODE) -> NodeReport:
    return NodeReport(uid, FIRST, at, maps=Reading.known(tuple(usages), origin(at)))


def version_report(at: float, release: str, container: ContainerId = FIRST) -> NodeReport:
    version = AgentVersion(clean(release))
    return NodeReport(NODE, container, at, version=Reading.known(version, origin(at, container)))


def line(at: float, message: str, level: LogLevel = LogLevel.ERROR, error: str = "") -> LogLine:
    fields = ((clean("error"), clean(error)),) if error else ()
    return LogLine(at, level, clean(message), clean("daemon"), fields)


def batch(*lines: LogLine, started_at: float | None = None) -> LogBatch:
    return LogBatch(NODE, FIRST, lines, agent_started_at=started_at)


def in_previous(given: LogBatch) -> LogBatch:
    return replace(given, is_previous=True)
