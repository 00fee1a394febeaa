"""Hand-made snapshots for the screens: the incident of the design, and what can be missing."""

# sizes: hand-made data, better read in one place

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tui.model.agent import (
    AgentMetrics,
    AgentStatus,
    AgentVersion,
    ComponentState,
    FailingController,
)
from tui.model.cluster import CiliumConfigMap, ClusterFacts, ConfigWrite
from tui.model.features import Feature, FeatureGroup, FeatureState, Proof
from tui.model.logs import LogEntry, LogGap, LogLevel, LogLine
from tui.model.maps import CountOrigin, MapKind, MapUsage, Trend
from tui.model.names import ContainerId, NodeName, NodeUid, PodUid
from tui.model.node import AgentPhase, AgentPod, Node
from tui.model.reading import Origin, Reading
from tui.model.services import (
    Address,
    FaultKind,
    FrontendFault,
    FrontendKind,
    Service,
    ServiceCoverage,
    ServicePort,
)
from tui.model.snapshot import Gap, NodeFacts, Snapshot, SourceHealth, SourceState
from tui.safety import CleanText, clean

NOW = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC).timestamp()
CHANGED_AT = NOW - 33 * 60


def uid(number: int) -> NodeUid:
    """Return the UID of a sample node."""
    return NodeUid(f"uid-{number}")


def origin(command: str, number: int, age_seconds: float = 2.0) -> Origin:
    """Return an origin some seconds before NOW."""
    return Origin(clean(command), NOW - age_seconds, uid(number), ContainerId(f"c-{number}"))


def node(number: int, kernel: str = "6.8.0-45-generic", is_ready: bool | None = True) -> Node:
    """Return a Node object."""
    return Node(
        uid(number),
        NodeName(f"node-{number}"),
        is_ready,
        kernel_release=clean(kernel),
        internal_ip=clean(f"10.0.3.{number}"),
    )


def agent(number: int, started_seconds_ago: float = 41 * 86_400.0) -> AgentPod:
    """Return a running agent."""
    return AgentPod(
        PodUid(f"pod-{number}"),
        clean(f"cilium-{number:05x}"),
        clean("kube-system"),
        NodeName(f"node-{number}"),
        AgentPhase.RUNNING,
        container_id=ContainerId(f"c-{number}"),
        is_ready=True,
        started_at=NOW - started_seconds_ago,
    )


def wave(last: float, growth: float = 0.0, length: int = 30) -> Trend:
    """Return a trend that ends at a ratio."""
    ratios = tuple(max(0.0, last - growth * (length - 1 - step)) for step in range(length))
    return Trend(ratios, 60.0)


def hash_map(name: str, entries: int | None, maximum: int, **rest: object) -> MapUsage:
    """Return a hash map that is counted in place."""
    usage = MapUsage(
        clean(name),
        MapKind.HASH,
        maximum,
        entries,
        CountOrigin.COUNTED if entries is not None else CountOrigin.NONE,
        counted_at=None if entries is None else NOW - 2,
        trend=wave(entries / maximum) if entries is not None else Trend(),
    )
    return replace(usage, **rest)  # type: ignore[arg-type]  # names of fields


def lru_map(name: str, entries: int | None, maximum: int) -> MapUsage:
    """Return an LRU map."""
    return replace(
        hash_map(name, entries, maximum),
        kind=MapKind.LRU_HASH,
        note=clean("not counted: c counts it now") if entries is None else CleanText(""),
    )


def healthy_maps(fill: int = 95) -> tuple[MapUsage, ...]:
    """Return maps of a node at ease."""
    return (
        hash_map("cilium_lb4_backends_v2", fill, 1024, wanted_entries=95, agent_entries=95),
        hash_map("cilium_lb4_services_v2", 127, 1024, wanted_entries=127),
        hash_map("cilium_policy", 1049, 16_384, members=41, origin=CountOrigin.ACCOUNTING),
        lru_map("cilium_ct4_global", 11_904, 65_536),
        lru_map("cilium_lb4_reverse_sk", None, 262_144),
    )


def full_maps() -> tuple[MapUsage, ...]:
    """Return the maps of the node in the incident."""
    return (
        hash_map(
            "cilium_lb4_backends_v2",
            64,
            64,
            agent_entries=75,
            wanted_entries=95,
            duplicate_entries=0,
            memory_bytes=5_824,
            sync_failure=clean("10 map sync errors"),
        ),
        hash_map("cilium_lb4_services_v2", 64, 64, agent_entries=21, wanted_entries=127),
        *healthy_maps()[2:],
    )


def frontend_faults() -> tuple[FrontendFault, ...]:
    """Return sixteen missing frontends and one with wrong backends."""
    names = ["default/echo", *(f"default/load-{number}" for number in range(15))]
    missing = tuple(
        FrontendFault(
            clean(name),
            Address(f"10.96.255.{40 + place}", 80, "TCP"),
            FrontendKind.CLUSTER_IP,
            FaultKind.MISSING,
            (Address("10.0.1.7", 8080, "TCP"), Address("10.0.2.9", 8080, "TCP")),
        )
        for place, name in enumerate(names)
    )
    wrong = FrontendFault(
        clean("default/load-20"),
        Address("10.96.255.77", 80, "TCP"),
        FrontendKind.CLUSTER_IP,
        FaultKind.WRONG_BACKENDS,
        (Address("10.0.1.8", 8080, "TCP"),),
        (Address("10.0.9.9", 8080, "TCP"),),
    )
    return (*missing, wrong)


def services(count: int = 31) -> tuple[Service, ...]:
    """Return what the cluster wants."""
    names = ["default/echo", *(f"default/load-{number}" for number in range(count - 1))]
    return tuple(
        Service(
            clean(name),
            clean("ClusterIP"),
            (f"10.96.255.{40 + place}",),
            (ServicePort(clean("http"), 80, "TCP"),),
            (Address(f"10.96.255.{40 + place}", 80, "TCP"),),
            (Address("10.0.1.7", 8080, "TCP"), Address("10.0.2.9", 8080, "TCP")),
        )
        for place, name in enumerate(names)
    )


def features(is_old_kernel: bool = False) -> tuple[Feature, ...]:  # sizes: data
    """Return kernel features and kube-proxy-replacement flags."""
    kernel = "5.4.0-90-generic" if is_old_kernel else "6.8.0-45-generic"
    cookie = FeatureState.NO if is_old_kernel else FeatureState.YES
    return (
        Feature(
            "kernel",
            clean("Kernel release"),
            FeatureGroup.KERNEL,
            FeatureState.VALUE,
            clean(kernel),
            Proof.NODE_OBJECT,
            clean("status.nodeInfo.kernelVersion"),
            clean("what every other feature can be"),
        ),
        Feature(
            "inet-diag-destroy",
            clean("CONFIG_INET_DIAG_DESTROY"),
            FeatureGroup.KERNEL,
            FeatureState.UNKNOWN,
            clean("not found"),
            Proof.UNKNOWN,
            clean("/proc/config.gz, /boot/config: neither is there"),
            clean("closing UDP sockets to deleted backends"),
            is_concern=True,
        ),
        Feature(
            "netns-cookie",
            clean("Network namespace cookies"),
            FeatureGroup.KERNEL,
            cookie,
            clean(cookie.value),
            Proof.SYMBOL,
            clean("bpf_get_netns_cookie_sock_addr in /proc/kallsyms"),
            clean("telling host from pod sockets"),
            is_concern=is_old_kernel,
        ),
        Feature(
            "kpr",
            clean("kube-proxy replacement"),
            FeatureGroup.KUBE_PROXY_REPLACEMENT,
            FeatureState.VALUE,
            clean("Strict"),
            Proof.STATUS,
            clean(".kube-proxy-replacement.mode"),
            clean("every Service"),
        ),
        Feature(
            "socket-lb-coverage",
            clean("Socket LB coverage"),
            FeatureGroup.KUBE_PROXY_REPLACEMENT,
            FeatureState.VALUE,
            clean("Full"),
            Proof.AGENT_CONFIG,
            clean("bpf-lb-sock-hostns-only=false"),
            clean("connected UDP of pods sticks to deleted backends"),
        ),
    )


def log_entries(number: int) -> tuple[LogEntry | LogGap, ...]:  # sizes: data
    """Return the burst at the agent's start, a gap, and later lines."""
    where, container = uid(number), ContainerId(f"c-{number}")
    start = CHANGED_AT + 5
    full = LogLine(
        start + 5,
        LogLevel.ERROR,
        clean("Error while inserting service in LB map"),
        clean("k8s-watcher"),
        (
            (
                clean("error"),
                clean(
                    "Unable to update element for cilium_lb4_backends_v2 map with file descriptor"
                    " 15: the map is full, please consider resizing it. argument list too long"
                ),
            ),
            (clean("k8sSvcName"), clean("load-3")),
        ),
    )
    return (
        LogEntry(where, container, full, 11, start + 6, 1, is_start_burst=True),
        LogEntry(
            where,
            container,
            LogLine(start + 9, LogLevel.INFO, clean("Daemon initialised"), clean("daemon")),
            sequence=2,
        ),
        LogGap(where, NOW - 1_840, NOW - 1_831, 148, clean("stream reconnected"), 3),
        LogEntry(
            where,
            container,
            LogLine(
                NOW - 13,
                LogLevel.WARN,
                clean("CT: Map insertion failed [/b] \x1b[31mred"),
                clean("datapath"),
            ),
            4,
            NOW - 3,
            4,
        ),
    )


def healthy(number: int, release: str = "1.17.5", kernel: str = "6.8.0-45-generic") -> NodeFacts:
    """Return a node with nothing wrong."""
    return NodeFacts(
        node(number, kernel),
        agent(number),
        version=Reading.known(
            AgentVersion(clean(release)), origin("cilium-dbg version -o json", number)
        ),
        status=Reading.known(
            AgentStatus(ComponentState(clean("Ok")), ComponentState(clean("Ok"))),
            origin("cilium-dbg status -o json", number),
        ),
        metrics=Reading.known(AgentMetrics(), origin("cilium-dbg metrics list", number)),
        maps=Reading.known(healthy_maps(), origin("bpftool -j -f map show", number)),
        services=Reading.known(
            ServiceCoverage(32, 32, 95, 95), origin("bpftool map dump", number, 20)
        ),
        features=Reading.known(
            features(kernel.startswith("5.4")), origin("zgrep INET_DIAG /proc/config.gz", number)
        ),
        swept_at=NOW - 2,
    )


def broken() -> NodeFacts:
    """Return node-3 of the incident: 16 of 32 frontends missing, the backend map full."""
    return replace(
        healthy(3, "1.11.7", "6.1.0-13-amd64"),
        agent=agent(3, 33 * 60),
        status=Reading.known(
            AgentStatus(
                ComponentState(clean("Ok")),
                failing_controllers=(
                    FailingController(
                        clean("bpf-map-sync-cilium_lb4_backends_v2"),
                        61,
                        clean("10 map sync errors"),
                        NOW - 20,
                    ),
                ),
            ),
            origin("cilium status -o json", 3),
        ),
        maps=Reading.known(full_maps(), origin("bpftool -j -f map show", 3)),
        services=Reading.known(
            ServiceCoverage(32, 16, 95, 64, frontend_faults(), 17),
            origin("bpftool map dump pinned cilium_lb4_services_v2", 3, 20),
        ),
        logs=log_entries(3),
    )


def crashing() -> NodeFacts:
    """Return a node whose agent crash-loops, with maps that grew old."""
    facts = healthy(9, kernel="5.4.0-90-generic")
    pod = replace(
        agent(9, 40),
        phase=AgentPhase.CRASH_LOOP,
        is_ready=False,
        restart_count=7,
        reason=clean("CrashLoopBackOff, exit code 1"),
        has_previous=True,
    )
    why = clean("container not running")
    old = Reading.known(healthy_maps(), origin("bpftool -j -f map show", 9, 240))
    return replace(
        facts,
        agent=pod,
        maps=Reading[tuple[MapUsage, ...]].failed(why).keeping(old),
        services=Reading(),
        status=Reading.failed(why),
        sweep_error=clean("container not running"),
        swept_at=NOW - 240,
    )


def denied() -> NodeFacts:
    """Return a node that may not be read."""
    why = clean("needs create pods/exec in kube-system")
    return replace(
        healthy(11),
        version=Reading.denied(why),
        status=Reading.denied(why),
        metrics=Reading.denied(why),
        maps=Reading.denied(why),
        services=Reading.denied(why),
        features=Reading.denied(why),
        log_error=clean("needs get pods/log in kube-system"),
        swept_at=None,
    )


def filling() -> NodeFacts:
    """Return a node whose backend map fills up."""
    leak = hash_map(
        "cilium_lb4_backends_v2",
        61_203,
        65_536,
        agent_entries=95,
        wanted_entries=95,
        duplicate_entries=61_100,
        trend=replace(wave(61_203 / 65_536, 0.02), seconds_to_full=290.0, window_seconds=1_800.0),
    )
    facts = healthy(1, "1.11.7", "6.1.0-13-amd64")
    return replace(
        facts,
        maps=Reading.known((leak, *healthy_maps()[1:]), origin("bpftool -j -f map show", 1)),
    )


def incident() -> Snapshot:  # sizes: data
    """Return the incident of design §0 with a leak, a crash loop and a refusal beside it."""
    nodes = [
        filling(),
        healthy(2),
        broken(),
        healthy(4),
        healthy(5),
        healthy(6),
        healthy(7),
        healthy(8),
        crashing(),
        healthy(10),
        denied(),
        healthy(12),
    ]
    return Snapshot(
        NOW,
        1,
        ClusterFacts(
            clean("prod-eu-1"),
            clean("https://10.0.0.1:6443"),
            Reading.known(clean("1.33.1"), origin("/version", 0)),
            clean("kube-system"),
            config_map=Reading.known(
                CiliumConfigMap({}, "81", (ConfigWrite(clean("kubectl-patch"), CHANGED_AT),)),
                origin("configmaps/cilium-config", 0),
            ),
            services=Reading.known(services(), origin("/api/v1/services", 0)),
        ),
        {facts.node.uid: facts for facts in nodes},
        health=SourceHealth(
            clean("live"),
            SourceState.LIVE,
            last_good_at=NOW - 3,
            sweep_seconds=1.4,
            sweep_p95_seconds=0.4,
            sweep_ended_at=NOW - 3,
            sweep_interval_seconds=10.0,
        ),
        is_complete=True,
    )


def lost() -> Snapshot:
    """Return the incident after the API went away four minutes ago."""
    snapshot = incident()
    return replace(
        snapshot,
        taken_at=NOW + 240,
        version=2,
        health=replace(
            snapshot.health,
            state=SourceState.LOST,
            reason=clean("connection refused: https://10.0.0.1:6443"),
        ),
        gaps={
            "services": Gap(
                clean("list services"), clean("needs list services"), NOW - 60, is_denied=True
            )
        },
    )


def empty() -> Snapshot:
    """Return a cluster in which no node was found."""
    return replace(incident(), nodes={}, version=3)
