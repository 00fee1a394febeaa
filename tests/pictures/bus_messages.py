"""A true example of each message that a broker carries, and the collector's metrics."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

from tui.bus.publishing.node_messages import facts_message
from tui.bus.publishing.postbox import DELIVERIES, Postbox
from tui.bus.sharing.presence import Identity, presence_of
from tui.bus.wire.messages import (
    AuditMessage,
    ClusterMessage,
    FindingsMessage,
    Message,
    RoomChange,
    RoomMessage,
    WarningsMessage,
)
from tui.bus.wire.post import LinkCounts, LinkState, Outgoing
from tui.bus.wire.topics import TopicKind, parse_topic
from tui.model.agent import AgentVersion
from tui.model.cluster import CiliumConfigMap, ClusterFacts, ConfigWrite
from tui.model.findings import (
    AffectedObject,
    ConfigSetting,
    Evidence,
    Finding,
    FindingChange,
    FindingSeverity,
    ProofKind,
    Remedy,
)
from tui.model.logs import LogBatch, LogEntry, LogLevel, LogLine
from tui.model.maps import CountOrigin, MapKind, MapUsage
from tui.model.names import ContainerId, NodeName, NodeUid, PodUid
from tui.model.node import AgentPhase, AgentPod, Node
from tui.model.operations import AuditEvent, AuditRecord
from tui.model.reading import Origin, Reading
from tui.model.services import ServiceCoverage
from tui.model.snapshot import NodeFacts, Snapshot, SourceHealth, SourceState
from tui.report.prometheus import CollectorStatus, SnapshotCollector
from tui.safety import clean

NOW = 1_767_268_800.0
WIDTH = 118

UID = NodeUid("0b9f1c4e-8c1d-4c0a-9a53-5f4c9e1d2a77")
NODE = NodeName("node3")
CONTAINER = ContainerId("containerd://5d2f")
BACKENDS = clean("cilium_lb4_backends_v2")
FULL_LINE = LogLine(
    NOW - 1_980.0,
    LogLevel.ERROR,
    clean("Error while inserting service in LB map"),
    clean("k8s-watcher"),
    ((clean("error"), clean("Unable to upsert backend 64: update map: no space left on device")),),
)


class _Clock:
    def monotonic(self) -> float:
        return 0.0

    def time(self) -> float:
        return NOW


class _Nowhere:
    state = LinkState()
    counts = LinkCounts()

    def send(self, outgoing: Outgoing) -> None:
        """Forget it."""

    def will_replace(self, topic: str) -> bool:
        """Nothing waits."""
        return False


def _origin(source: str) -> Origin:
    return Origin(clean(source), NOW - 2.0, UID, CONTAINER)


def _node_facts() -> NodeFacts:
    usage = MapUsage(
        BACKENDS, MapKind.HASH, 64, 64, CountOrigin.COUNTED, NOW - 2.0,
        agent_entries=75, wanted_entries=95,
    )  # fmt: skip
    maps: tuple[MapUsage, ...] = (usage,)
    logs = (LogEntry(UID, CONTAINER, FULL_LINE, 11, NOW - 1_979.2, 1, True, meaning="L2"),)
    agent = AgentPod(
        PodUid("c2a1"), clean("cilium-x7k2p"), clean("kube-system"), NODE, AgentPhase.RUNNING,
        container_id=CONTAINER, is_ready=True, started_at=NOW - 1_980.0,
    )  # fmt: skip
    return NodeFacts(
        Node(UID, NODE, is_ready=True, kernel_release=clean("5.10.0-28-amd64")),
        agent,
        version=Reading.known(AgentVersion(clean("1.11.7")), _origin("cilium version")),
        maps=Reading.known(maps, _origin("bpftool -j -f map show")),
        services=Reading.known(ServiceCoverage(32, 16, 95, 64), _origin("cilium bpf lb list")),
        logs=logs,
        swept_at=NOW - 2.0,
    )


def _finding() -> Finding:
    return Finding(
        "map-pressure",
        clean("A BPF map is full, or soon will be"),
        FindingSeverity.ACTIVE,
        clean("cilium_lb4_backends_v2 is full: 64 of 64 entries, 95 are needed"),
        clean("A full map refuses new entries: Services lose backends or are missing."),
        (UID,),
        (NODE,),
        objects=(AffectedObject("Service", clean("echo"), clean("default")),),
        objects_total=1,
        evidence=(
            Evidence(
                clean("64 of 64 entries"), clean("bpftool -j -f map show"), UID, NODE, NOW - 2.0,
                ProofKind.MAP, BACKENDS,
            ),
        ),
        remedy=Remedy(
            now=(clean("give the map room, then restart the agent of node3"),),
            settings=(ConfigSetting("bpf-lb-map-max", clean("256"), "bpf.lbMapMax=256"),),
            needs_restart=True,
        ),
        first_seen=NOW - 1_980.0,
        last_seen=NOW - 2.0,
        harm=16,
        group="cilium_lb4_backends_v2",
    )  # fmt: skip


def _change() -> FindingChange:
    return FindingChange(
        NOW - 1_980.0, "map-pressure", "cilium_lb4_backends_v2",
        clean("A BPF map is full, or soon will be"), None, FindingSeverity.ACTIVE, (NODE,), 1,
    )  # fmt: skip


def _record() -> AuditRecord:
    return AuditRecord(
        NOW - 60.0,
        AuditEvent.AFTER_WRITE,
        clean("prod"),
        clean("sre"),
        clean("ada@laptop"),
        "r-7f3a",
        "restart",
        clean("restart the agent of node3"),
        clean("delete pods kube-system/cilium-x7k2p"),
        node_name=NODE,
        id="5b1f60d2c7e94a83",
    )


def _cluster() -> ClusterFacts:
    write = ConfigWrite(clean("kubectl-patch"), NOW - 2_000.0)
    config = CiliumConfigMap({"bpf-lb-map-max": clean("64")}, "81234", (write,))
    origin = Origin(clean("GET /api/v1/namespaces/kube-system/configmaps/cilium-config"), NOW - 9.0)
    return ClusterFacts(
        context=clean("prod"),
        server=clean("https://10.0.0.1:6443"),
        cilium_namespace=clean("kube-system"),
        config_map=Reading.known(config, origin),
    )


def _messages() -> tuple[tuple[TopicKind, str, str, Message], ...]:  # sizes: a table of data
    """Return each kind with the name in its topic, what it tells, and an example."""
    health = SourceHealth(
        clean("live prod"), SourceState.LIVE, sweep_seconds=1.4, sweep_p95_seconds=0.21,
        sweep_interval_seconds=10.0, nodes_total=3,
    )  # fmt: skip
    facts = _node_facts()
    identity = Identity(
        "collector-a", "9f0c2b7d11e4a6f3", clean("ops1"), clean("0.1.0"), NOW - 86_400.0, 5.0
    )
    presence = presence_of(
        identity, Snapshot(nodes={UID: facts}, health=health), 1, LinkCounts(), {"warnings": 2}, 0
    )
    findings = FindingsMessage((_finding(),), {"ACTIVE": 1}, 3, 3, (clean("collector-a"),))
    batch = LogBatch(UID, CONTAINER, (FULL_LINE,), agent_started_at=NOW - 1_980.0)
    room = RoomMessage(
        (RoomChange(_change(), clean("collector-a"), "c04d9e2f7a6b1835"),), (_record(),)
    )
    return (
        (
            TopicKind.PRESENCE,
            "collector-a",
            "A collector is there, how it fares, and what it can't read. `state` is `gone` in its "
            "last will and in its last word; then the topic is cleared.",
            presence,
        ),
        (
            TopicKind.FACTS,
            NODE,
            "All that is known of one node, without its log and without history; `logged` are the "
            "log lines that checks use as evidence, or one of the agent's that proves that its log "
            "is read. `facts` is null once the node left the cluster.",
            facts_message(facts),
        ),
        (
            TopicKind.CLUSTER,
            "",
            "What belongs to the cluster and not to a node. `uid` is that of the Namespace "
            "kube-system where it may be read.",
            ClusterMessage(_cluster(), "5f0a6c0e-6f5e-4a55-8f2b-1d5c0b7e9a10"),
        ),
        (
            TopicKind.FINDINGS,
            "",
            "The findings of the whole cluster, worst first; `counts` counts those that were left "
            "out, too.",
            findings,
        ),
        (
            TopicKind.PART,
            "collector-a",
            "The same for one collector's share of the nodes: what `findings` is merged from.",
            findings,
        ),
        (
            TopicKind.WARNINGS,
            NODE,
            "Log lines of a node's agent: warnings, errors, lines that ciltop knows, and one where "
            "there are none, to tell that the log is read. A `gap` tells of lines "
            "that were lost before the batch.",
            WarningsMessage((batch,)),
        ),
        (
            TopicKind.AUDIT,
            "",
            "What a responder did. Nobody acts on it: ciltop takes no command from a topic.",
            AuditMessage((_record(),)),
        ),
        (
            TopicKind.ROOM,
            "",
            "The last 200 finding changes and 200 audit records, for whoever comes late.",
            room,
        ),
    )


def message_sections() -> str:
    """Return every kind of message with its topic, its delivery and an example."""
    lines: list[str] = []
    for kind, name, text, message in _messages():
        sender = "ada@laptop" if kind is TopicKind.AUDIT else "collector-a"
        box = Postbox(_Nowhere(), "prod", sender, "9f0c2b7d11e4a6f3", _Clock())
        outgoing = box.made(message, kind, name)
        is_packed = outgoing.payload.startswith(b"\x1f\x8b")
        payload = gzip.decompress(outgoing.payload) if is_packed else outgoing.payload
        topic = parse_topic(outgoing.topic)
        level = f"`{outgoing.topic}`".replace("/prod/", "/<cluster>/")
        if topic.name:
            level = level.replace(topic.name, "<node>" if topic.name == NODE else "<id>")
        lines += [f"### {level}", "", text, "", _delivery(kind, is_packed), "", "```json"]
        lines += [_pretty(json.loads(payload), 0), "```", ""]
    return "\n".join(lines)


def _delivery(kind: TopicKind, is_packed: bool) -> str:
    delivery = DELIVERIES[kind]
    words = [f"QoS {delivery.qos}", "retained" if delivery.is_retained else "not retained"]
    if delivery.expiry_seconds is not None:
        words.append(f"expires after {delivery.expiry_seconds // 3600} h (MQTT 5)")
    words.append("always gzip'd" if is_packed else "gzip'd when longer than 16 KiB")
    return f"*{', '.join(words)}.*"


def _pretty(value: Any, depth: int) -> str:
    """Return JSON in as few lines as fit the width."""
    flat = json.dumps(value)
    if len(flat) + depth <= WIDTH or not isinstance(value, dict | list):
        return flat
    pad = " " * (depth + 2)
    if isinstance(value, list):
        items = [pad + _pretty(item, depth + 2) for item in value]
        return "[\n" + ",\n".join(items) + "\n" + " " * depth + "]"
    items = [f"{json.dumps(key)}: {_pretty(item, depth + 2)}" for key, item in value.items()]
    return "{\n" + _filled(items, pad) + "\n" + " " * depth + "}"


def _filled(items: list[str], pad: str) -> str:
    """Return members on shared lines while they fit."""
    lines = [""]
    for number, item in enumerate(items):
        text = item + ("," if number + 1 < len(items) else "")
        if lines[-1] and "\n" not in text + lines[-1] and len(lines[-1]) + len(text) < WIDTH:
            lines[-1] += f" {text}"
        elif lines[-1]:
            lines.append(pad + text)
        else:
            lines[-1] = pad + text
    return "\n".join(lines)


def metrics_table() -> str:
    """Return every metric of the collector itself."""
    facts = replace(_node_facts(), logs=())
    health = SourceHealth(
        sweep_seconds=1.0, sweep_p95_seconds=0.2, sweep_interval_seconds=10.0, nodes_total=1
    )
    status = CollectorStatus(Snapshot(nodes={UID: facts}, health=health), dropped={"warnings": 1})
    rows = ["| metric | labels | type | meaning |", "|---|---|---|---|"]
    for family in SnapshotCollector(lambda: status).collect():
        sample = family.samples[0]
        labels = ", ".join(f"`{label}`" for label in sample.labels)
        rows.append(f"| `{sample.name}` | {labels} | {family.type} | {family.documentation} |")
    return "\n".join(rows)
