"""The scenarios, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tui.simulator.scenarios import (
    DAY,
    HOUR,
    MINUTE,
    ConfigWrite,
    DaemonSetEdit,
    EventKind,
    NodeConfigSeed,
    NodeGroup,
    Quirk,
    QuirkKind,
    Scenario,
    Scene,
    SceneKind,
    ServiceLoad,
    TimedEvent,
)

_BASE: Mapping[str, str] = {
    "bpf-ct-global-any-max": "65536",
    "bpf-ct-global-tcp-max": "65536",
    "bpf-nat-global-max": "65536",
    "bpf-lb-map-max": "1024",
    "bpf-map-dynamic-size-ratio": "0.0025",
    "cluster-id": "0",
    "cluster-name": "prod-eu-1",
    "debug": "false",
    "devices": "eth0",
    "enable-bpf-masquerade": "true",
    "enable-hubble": "true",
    "enable-ipv4": "true",
    "enable-ipv4-masquerade": "true",
    "enable-ipv6": "false",
    "enable-l7-proxy": "false",
    "identity-allocation-mode": "crd",
    "ipam": "kubernetes",
    "kube-proxy-replacement": "true",
    "metrics": "+cilium_bpf_map_pressure",
    "monitor-aggregation": "medium",
    "preallocate-bpf-maps": "false",
    "prometheus-serve-addr": ":9962",
}
_STRICT = {"kube-proxy-replacement": "strict", "tunnel": "vxlan"}
_OLD_PRE_STOP = ("/cni-uninstall.sh",)
"""The hook in the chart of 1.11: it takes the CNI configuration away, and the node's readiness."""
_HELM = ConfigWrite("helm", 90 * DAY, tuple(_BASE))

_HEALTHY = Scenario(
    name="healthy",
    summary="Three nodes on two releases; nothing is wrong.",
    kubernetes_version="v1.31.4",
    groups=(
        NodeGroup("new", 1, "1.19.4", "6.12.9+deb13-amd64", agent_age_seconds=6 * DAY),
        NodeGroup("main", 2, "1.17.5", "6.8.0-45-generic", "cilium-main"),
    ),
    services=ServiceLoad(30, node_ports=3, load_balancers=1, with_affinity=2, udp=2),
    config={**_BASE, "enable-l2-neigh-discovery": "false"},
    config_writes=(_HELM,),
    noise_lines_per_hour=4.0,
)

_LEAK = Scenario(
    name="leak",
    summary="A backend leak fills cilium_lb4_backends_v2 of one node within two minutes.",
    kubernetes_version="v1.24.17",
    groups=(
        NodeGroup("old", 4, "1.11.7", "6.8.0-45-generic", config=_STRICT),
        NodeGroup("older", 2, "1.11.7", "5.4.0-90-generic", config=_STRICT),
    ),
    services=ServiceLoad(60, node_ports=4, with_affinity=3, udp=3),
    config=_BASE,
    config_writes=(_HELM,),
    quirks=(Quirk(QuirkKind.LEAK, "old", 1, values={"start": 0.55, "full_after": 105.0}),),
    events=(
        TimedEvent(EventKind.ADD_SERVICE, 20.0, 12.0, times=1_000_000),
        TimedEvent(EventKind.ROLL_BACKENDS, 15.0, 12.0, times=1_000_000),
        TimedEvent(EventKind.REMOVE_OLDEST, 260.0, 12.0, times=1_000_000),
    ),
)

_SHRUNK_CONFIG = {
    **_BASE,
    "bpf-lb-map-max": "64",
    "cluster-name": "k8slab",
    "kube-proxy-replacement": "strict",
    "enable-bpf-masquerade": "false",
    "tunnel": "vxlan",
}
_SHRUNK = Scenario(
    name="shrunk",
    summary="Somebody shrank bpf-lb-map-max and one agent was restarted: half its Services are"
    " gone while everything says Ok.",
    kubernetes_version="v1.20.2",
    groups=(NodeGroup("old", 3, "1.11.7", "6.18.44", config={}),),
    services=ServiceLoad(30, backends=3, namespace="default", prefix="load", echo_backends=4),
    config=_SHRUNK_CONFIG,
    config_writes=(
        ConfigWrite("kubectl-client-side-apply", 41 * DAY, tuple(_BASE)),
        ConfigWrite("kubectl-patch", 33 * MINUTE + 5, ("bpf-lb-map-max",)),
    ),
    earlier_config={"bpf-lb-map-max": "1024"},
    quirks=(Quirk(QuirkKind.SHRUNK, "old", 2, values={"age": 33 * MINUTE}),),
    noise_lines_per_hour=0.0,
    fill_order=("kubernetes", *(f"load-{number}" for number in range(15, 30)), "echo"),
    node_name="node{number}",
    context="k8slab",
)

_MIXED = Scenario(
    name="mixed",
    summary="Twelve nodes on three releases and four kernels, with something wrong on most.",
    kubernetes_version="v1.31.4",
    groups=(
        NodeGroup("old", 3, "1.11.7", "6.8.0-45-generic", "cilium-old", config=_STRICT),
        NodeGroup("older", 2, "1.11.7", "5.4.0-90-generic", "cilium-old", config=_STRICT),
        NodeGroup("main", 3, "1.17.5", "6.8.0-45-generic", agent_age_seconds=12 * DAY),
        NodeGroup(
            "mid",
            2,
            "1.17.5",
            "6.1.0-13-amd64",
            agent_age_seconds=12 * DAY,
            labels={"example.com/ingress": "dsr"},
        ),
        NodeGroup(
            "new",
            2,
            "1.19.4",
            "6.12.9+deb13-amd64",
            "cilium-next",
            agent_age_seconds=2 * DAY,
            labels={"example.com/pool": "next"},
        ),
    ),
    services=ServiceLoad(64, node_ports=5, load_balancers=2, with_affinity=4, udp=4),
    config=_BASE,
    config_writes=(
        _HELM,
        ConfigWrite("kubectl-edit", 3 * DAY, ("debug", "monitor-aggregation")),
    ),
    quirks=(
        Quirk(QuirkKind.LEAK, "old", 1, values={"start": 0.55, "full_after": 105.0}),
        Quirk(QuirkKind.CRASH_LOOP, "mid", 1, every=50, values={"restarts": 7}),
        Quirk(QuirkKind.NODE_NOT_READY, "older", 1, every=60),
        Quirk(QuirkKind.BPFFS_UNMOUNTED, "older", 0, every=60),
        Quirk(QuirkKind.EXEC_BROKEN, "new", 1, every=80),
        Quirk(QuirkKind.CT_HIGH, "main", 1, every=40, values={"ratio": 0.98}),
        Quirk(QuirkKind.STALE_SERVICES, "new", 0, every=90),
        Quirk(
            QuirkKind.DROPS,
            "new",
            0,
            every=70,
            values={"per_second": 6.0},
            text="No mapping for NAT masquerade",
        ),
        Quirk(
            QuirkKind.DROPS,
            "main",
            0,
            every=60,
            values={"per_second": 2.0},
            text="FIB lookup failed",
        ),
        Quirk(
            QuirkKind.CONTROLLER_FAILING,
            "main",
            2,
            every=70,
            text="sync-to-k8s-ciliumendpoint (1204): Operation cannot be fulfilled on"
            " ciliumendpoints.cilium.io: the object has been modified",
        ),
        Quirk(
            QuirkKind.DROPS,
            "mid",
            0,
            every=30,
            values={"per_second": 14.0},
            text="CT: Map insertion failed",
        ),
    ),
    scenes=(
        Scene(SceneKind.NFS_VOLUME, "older", 0, {"moved": 1}),
        Scene(SceneKind.CEPH_VOLUME, "older", 0),
        Scene(SceneKind.FAST_OPEN, "mid", 0, text="web-0"),
        Scene(SceneKind.SCTP_SERVICE),
        Scene(SceneKind.HOST_PORT, "main", 0, {"port": 31080}),
        Scene(SceneKind.HOST_PORT, "main", 2, {"port": 31080}),
        Scene(SceneKind.HOST_PORT, "old", 0, {"port": 9100}, "127.0.0.1"),
        Scene(SceneKind.UNMIRRORED_SERVICE),
        Scene(SceneKind.LATE_DEVICE, "main", 0),
        Scene(SceneKind.STALE_SOCKET, "old", 2),
    ),
    node_configs=(
        NodeConfigSeed(
            "ingress-dsr",
            "mid",
            {"bpf-lb-mode": "dsr"},
            20 * DAY,
        ),
        NodeConfigSeed("next-iptables", "new", {"enable-bpf-masquerade": "false"}, 20 * DAY),
        NodeConfigSeed(
            "smaller-maps", "main", {"bpf-lb-map-max": "128"}, 2 * HOUR, offset=2, is_read=False
        ),
    ),
    pre_stop={"cilium-old": _OLD_PRE_STOP},
    daemonset_edits=(DaemonSetEdit("cilium-old", {"enable-ipsec": "true"}, 2 * HOUR),),
    events=(
        TimedEvent(EventKind.ADD_SERVICE, 25.0, 12.0, times=1_000_000),
        TimedEvent(EventKind.ROLL_BACKENDS, 12.0, 11.0, times=1_000_000),
        TimedEvent(EventKind.RESTART_AGENT, 200.0, group="main", offset=0),
        TimedEvent(EventKind.REMOVE_OLDEST, 300.0, 12.0, times=1_000_000),
    ),
    noise_lines_per_hour=40.0,
    context="prod-eu-1",
)

_STORM = Scenario(
    name="storm",
    summary="Log storms on every fourth node while Services come and go.",
    kubernetes_version="v1.33.1",
    groups=(
        NodeGroup("main", 8, "1.17.5", "6.8.0-45-generic", agent_age_seconds=3 * DAY),
        NodeGroup(
            "new", 4, "1.19.4", "6.12.9+deb13-amd64", "cilium-next", agent_age_seconds=9 * HOUR
        ),
    ),
    services=ServiceLoad(120, node_ports=6, load_balancers=3, with_affinity=4, udp=6),
    config={**_BASE, "bpf-lb-map-max": "4096"},
    config_writes=(_HELM,),
    quirks=(
        Quirk(QuirkKind.CT_HIGH, "main", 0, every=4, values={"ratio": 0.97}),
        Quirk(
            QuirkKind.DROPS,
            "main",
            0,
            every=4,
            values={"per_second": 180.0},
            text="Policy denied, CT: Map insertion failed",
        ),
    ),
    events=(
        TimedEvent(EventKind.ROLL_BACKENDS, 2.0, 1.5, times=1_000_000),
        TimedEvent(EventKind.ADD_SERVICE, 3.0, 4.0, times=1_000_000),
        TimedEvent(EventKind.REMOVE_OLDEST, 60.0, 4.0, times=1_000_000),
        TimedEvent(EventKind.WARNING_EVENT, 1.0, 5.0, times=1_000_000),
    ),
    storm_lines_per_second=60.0,
    noise_lines_per_hour=200.0,
)

_DEGRADED = Scenario(
    name="degraded",
    summary="Agents down, nodes slow or not ready, exec denied on some, and an API that stumbles.",
    kubernetes_version="v1.29.8",
    groups=(
        NodeGroup("main", 6, "1.17.5", "6.1.0-13-amd64", agent_age_seconds=20 * DAY),
        NodeGroup(
            "new", 3, "1.19.4", "6.12.9+deb13-amd64", "cilium-next", agent_age_seconds=5 * DAY
        ),
        NodeGroup("old", 3, "1.11.7", "5.4.0-90-generic", "cilium-old", config=_STRICT),
    ),
    services=ServiceLoad(40, node_ports=3, with_affinity=2, udp=3),
    config=_BASE,
    config_writes=(_HELM,),
    quirks=(
        Quirk(QuirkKind.AGENT_DOWN, "main", 1, every=25),
        Quirk(QuirkKind.CRASH_LOOP, "main", 2, every=40, values={"restarts": 31}),
        Quirk(QuirkKind.NO_SHELL, "main", 3, every=45),
        Quirk(QuirkKind.NODE_NOT_READY, "main", 4, every=35),
        Quirk(QuirkKind.AGENT_DOWN, "new", 1, every=30),
        Quirk(QuirkKind.AGENT_DOWN, "old", 1, every=30),
        Quirk(QuirkKind.EXEC_BROKEN, "old", 2, every=50),
        Quirk(QuirkKind.BPFFS_UNMOUNTED, "old", 0, every=60),
    ),
    pre_stop={"cilium-old": _OLD_PRE_STOP},
    noise_lines_per_hour=60.0,
    faults={
        "latency_seconds": 0.05,
        "jitter_seconds": 0.2,
        "slow_nodes": {"main/5": 6.0},
        "denied_exec_nodes": ["new/2"],
        "error_rate": 0.02,
        "watch_drop_seconds": 45.0,
    },
)

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {scenario.name: scenario for scenario in (_MIXED, _HEALTHY, _LEAK, _SHRUNK, _STORM, _DEGRADED)}
)
"""Every scenario by its name; the first one is the demo's default."""
