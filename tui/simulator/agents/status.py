"""`status -o json`: what an agent says of itself."""

from __future__ import annotations

from typing import Any

from tui.simulator.agents.controllers import controllers
from tui.simulator.bpfmaps import SINGLE_MAP_SIZINGS, Sizing
from tui.simulator.config import RunningConfig
from tui.simulator.model import Agent, SimNode

_FIXED = {
    "Auth": 524288,
    "Endpoints": 65535,
    "Events": 2,
    "IP cache": 512000,
    "IP masquerading agent": 16384,
    "IPv4 masquerading agent": 16384,
    "IPv6 masquerading agent": 16384,
    "Metrics": 1024,
    "Ratelimit metrics": 64,
    "Per endpoint policy": 65536,
    "Policy stats": 65536,
    "Signal": 2,
    "Sockmap": 65535,
    "Tunnel": 65536,
}
_SIZED = {
    "Non-TCP connection tracking": Sizing.CT_ANY,
    "TCP connection tracking": Sizing.CT_TCP,
    "IPv4 fragmentation": Sizing.FRAGMENTS,
    "IPv4 service": Sizing.LB_SERVICES,
    "IPv6 service": Sizing.LB_SERVICES,
    "IPv4 service backend": Sizing.LB_BACKENDS,
    "IPv6 service backend": Sizing.LB_BACKENDS,
    "IPv4 service reverse NAT": Sizing.LB_REVERSE_NAT,
    "IPv6 service reverse NAT": Sizing.LB_REVERSE_NAT,
    "NAT": Sizing.NAT,
    "Neighbor table": Sizing.NEIGHBOUR,
    "Global policy": Sizing.POLICY,
    "Session affinity": Sizing.LB_AFFINITY,
    "Sock reverse NAT": Sizing.SOCK_REVERSE,
}
_LOAD_BALANCING_NAMES = (
    "IPv4 service",
    "IPv6 service",
    "IPv4 service backend",
    "IPv6 service backend",
    "IPv4 service reverse NAT",
    "IPv6 service reverse NAT",
)
MAP_NAMES: dict[int, tuple[str, ...]] = {
    11: (
        "Non-TCP connection tracking",
        "TCP connection tracking",
        "Endpoint policy",
        "Events",
        "IP cache",
        "IP masquerading agent",
        "IPv4 fragmentation",
        *_LOAD_BALANCING_NAMES,
        "Metrics",
        "NAT",
        "Neighbor table",
        "Global policy",
        "Per endpoint policy",
        "Session affinity",
        "Signal",
        "Sockmap",
        "Sock reverse NAT",
        "Tunnel",
    ),
    17: (
        "Auth",
        "Non-TCP connection tracking",
        "TCP connection tracking",
        "Endpoint policy",
        "IP cache",
        "IPv4 masquerading agent",
        "IPv6 masquerading agent",
        "IPv4 fragmentation",
        *_LOAD_BALANCING_NAMES,
        "Metrics",
        "Ratelimit metrics",
        "NAT",
        "Neighbor table",
        "Global policy",
        "Session affinity",
        "Sock reverse NAT",
        "Tunnel",
    ),
    19: (
        "Auth",
        "Non-TCP connection tracking",
        "TCP connection tracking",
        "Endpoints",
        "IP cache",
        "IPv4 masquerading agent",
        "IPv6 masquerading agent",
        "IPv4 fragmentation",
        *_LOAD_BALANCING_NAMES,
        "Metrics",
        "Ratelimit metrics",
        "NAT",
        "Neighbor table",
        "Endpoint policy",
        "Policy stats",
        "Session affinity",
        "Sock reverse NAT",
    ),
}
_OLD_APIS = (
    "cilium/v2::CiliumClusterwideNetworkPolicy",
    "cilium/v2::CiliumEndpoint",
    "cilium/v2::CiliumNetworkPolicy",
    "cilium/v2::CiliumNode",
    "core/v1::Namespace",
    "core/v1::Node",
    "core/v1::Pods",
    "core/v1::Service",
    "discovery/v1::EndpointSlice",
    "networking.k8s.io/v1::NetworkPolicy",
)
_NEW_APIS = (
    "EndpointSliceOrEndpoint",
    "cilium/v2::CiliumCIDRGroup",
    "cilium/v2::CiliumClusterwideNetworkPolicy",
    "cilium/v2::CiliumEndpoint",
    "cilium/v2::CiliumNetworkPolicy",
    "cilium/v2::CiliumNode",
    "core/v1::Pods",
    "networking.k8s.io/v1::NetworkPolicy",
)


def map_sizes(agent: Agent) -> list[tuple[str, int]]:
    """Return names and sizes of `.["bpf-maps"].maps`; names change meaning with 1.18."""
    found = []
    for name in MAP_NAMES[agent.release.minor]:
        if name == "Endpoint policy":
            is_policy = agent.release.minor >= 18
            size = agent.config.size(Sizing.POLICY) if is_policy else 65535
        elif name in _SIZED:
            sizing = _SIZED[name]
            if agent.release.minor < 12 and sizing in SINGLE_MAP_SIZINGS:
                sizing = Sizing.LOAD_BALANCING
            size = agent.config.size(sizing)
        else:
            size = _FIXED[name]
        found.append((name, size))
    return found


def status(node: SimNode, agent: Agent, kubernetes: str, now: float) -> dict[str, Any]:
    """Return the status as the agent's API answers it."""
    release, config = agent.release, agent.config
    found: dict[str, Any] = {
        "bandwidth-manager": {"devices": None},
        "bpf-maps": _bpf_maps(agent),
        "cilium": {"msg": release.daemon_text, "state": "Ok"},
        "clock-source": {"mode": "ktime"},
        "cluster": {"nodes": None, "self": node.name},
        "controllers": controllers(node, agent, now),
        "encryption": {"mode": _encryption(config)},
        "host-firewall": {"devices": ["eth0"], "mode": "Disabled"},
        "hubble": _hubble(config),
        "ipam": _ipam(node),
        "kube-proxy-replacement": kube_proxy_replacement(node, agent),
        "kubernetes": {
            "k8s-api-versions": list(_NEW_APIS if release.minor >= 17 else _OLD_APIS),
            "msg": _kubernetes_text(kubernetes),
            "state": "Ok",
        },
        "kvstore": {"msg": "Disabled", "state": "Ok"},
        "masquerading": _masquerading(node, config),
        "nodeMonitor": {"cpus": 2, "npages": 64, "pagesize": 4096},
    }
    if release.minor == 11:
        found["host-routing"] = {"mode": "BPF" if node.kernel.at_least(5, 10) else "Legacy"}
        return dict(sorted(found.items()))
    return dict(sorted({**found, **_newer(node, agent)}.items()))


def _newer(node: SimNode, agent: Agent) -> dict[str, Any]:
    """Return what came between 1.12 and 1.19."""
    big_tcp = {"maxGRO": 65536, "maxGSO": 65536}
    found: dict[str, Any] = {
        "attach-mode": "tcx" if node.kernel.at_least(6, 6) else "tc",
        "auth-certificate-provider": {"state": "Disabled"},
        "cni-chaining": {"mode": "none"},
        "cni-file": {
            "msg": "successfully wrote CNI configuration file to"
            " /host/etc/cni/net.d/05-cilium.conflist",
            "state": "Ok",
        },
        "datapath-mode": "veth",
        "identity-range": {"max-identity": 65535, "min-identity": 256},
        "ipv4-big-tcp": big_tcp,
        "ipv6-big-tcp": big_tcp,
        "routing": {
            "inter-host-routing-mode": "Tunnel",
            "intra-host-routing-mode": "BPF" if node.kernel.at_least(5, 10) else "Legacy",
            "tunnel-protocol": "vxlan",
        },
        "srv6": {"srv6EncapMode": "reduced"},
    }
    if agent.release.minor >= 18:
        found["hubble-metrics"] = {"state": "Disabled"}
        found["proxy"] = {
            "envoy-deployment-mode": "embedded",
            "ip": node.router_address,
            "port-range": "10000-20000",
            "redirects": None,
        }
    return found


def _bpf_maps(agent: Agent) -> dict[str, Any]:
    maps = [{"name": name, "size": size} for name, size in map_sizes(agent)]
    ratio = agent.config.get("bpf-map-dynamic-size-ratio")
    found: dict[str, Any] = {}
    if ratio and float(ratio):
        found["dynamic-size-ratio"] = float(ratio)
    found["maps"] = maps
    return found


def _encryption(config: RunningConfig) -> str:
    if config.is_on("enable-ipsec"):
        return "IPsec"
    return "Wireguard" if config.is_on("enable-wireguard") else "Disabled"


def _hubble(config: RunningConfig) -> dict[str, Any]:
    if not config.is_on("enable-hubble"):
        return {"state": "Disabled"}
    observer = {
        "current-flows": 4095,
        "max-flows": 4095,
        "seen-flows": 90210,
        "uptime": "1h0m0.5s",
    }
    return {"metrics": {"state": "Disabled"}, "observer": observer, "state": "Ok"}


def _ipam(node: SimNode) -> dict[str, Any]:
    addresses = {node.router_address: "router"}
    network = node.pod_cidr.removesuffix("0/24")
    for endpoint in node.endpoints()[1:]:
        addresses[f"{network}{3 + endpoint % 250}"] = f"shop/pod-{endpoint}"
    return {
        "allocations": addresses,
        "ipv4": list(addresses),
        "ipv6": None,
        "status": f"IPv4: {len(addresses)}/254 allocated from {node.pod_cidr}, ",
    }


def _masquerading(node: SimNode, config: RunningConfig) -> dict[str, Any]:
    if not config.is_on("enable-ipv4-masquerade", True):
        return {"enabledProtocols": {}}
    is_bpf = config.is_on("enable-bpf-masquerade")
    found: dict[str, Any] = {
        "enabled": True,
        "enabledProtocols": {"ipv4": True},
        "mode": "BPF" if is_bpf else "iptables",
    }
    return {
        **found,
        "snat-exclusion-cidr": node.pod_cidr,
        "snat-exclusion-cidr-v4": node.pod_cidr,
    }


def _kubernetes_text(version: str) -> str:
    major, minor = version.removeprefix("v").split(".")[:2]
    return f"{major}.{minor} ({version}) [linux/amd64]"


def kube_proxy_replacement(node: SimNode, agent: Agent) -> dict[str, Any]:
    """Return `.["kube-proxy-replacement"]` in the spelling of the release."""
    release, config = agent.release, agent.config
    setting = config.get("kube-proxy-replacement", "true")
    on_words = {"strict": "Strict", "true": "True", "partial": "Partial", "probe": "Probe"}
    mode = on_words.get(setting, "Disabled" if release.minor < 14 else "False")
    if release.minor >= 14 and mode in {"Strict", "Partial", "Probe"}:
        mode = "True"
    addresses = [node.address_text]
    if release.minor >= 19:
        # 1.19.4 prints one empty text for each address that is none of the node's own.
        addresses = ["", *addresses]
    listed: list[dict[str, Any]] = [{"ip": addresses, "name": "eth0"}]
    if release.minor >= 16:
        # Devices are detected at run time; the later ones have no address of the node here.
        names = (device.name for device in node.host.devices if device.kind == "physical")
        listed += [{"ip": [], "name": name} for name in names if name != "eth0"]
    return {
        "deviceList": listed,
        "devices": [device["name"] for device in listed],
        "directRoutingDevice": "eth0",
        "features": _features(node, agent),
        "mode": mode,
    }


def _features(node: SimNode, agent: Agent) -> dict[str, Any]:
    release, config = agent.release, agent.config
    is_on = config.get("kube-proxy-replacement", "true") not in {"disabled", "false"}
    node_port = _node_port(agent) if is_on else {}
    found: dict[str, Any] = {
        "externalIPs": _switch(is_on),
        "hostPort": _switch(is_on),
        "nodePort": node_port,
        "sessionAffinity": _switch(is_on),
    }
    if release.minor < 18:
        found["gracefulTermination"] = _switch(is_on)
    if release.minor == 11:
        protocols = {"protocols": ["TCP", "UDP"]} if is_on else {}
        found["hostReachableServices"] = {**_switch(is_on), **protocols}
        return dict(sorted(found.items()))
    found["annotations"] = [
        "service.cilium.io/node",
        "service.cilium.io/src-ranges-policy",
        "service.cilium.io/type",
    ]
    if config.is_on("bpf-lb-sock-hostns-only") and node.kernel.has_netns_cookie:
        found["bpfSocketLBHostnsOnly"] = True
    found |= {"nat46X64": {}, "socketLB": _switch(is_on), "socketLBTracing": _switch(is_on)}
    return dict(sorted(found.items()))


def _switch(is_on: bool) -> dict[str, bool]:
    """Return a feature's switch; false is left out, as Go's omitempty does."""
    return {"enabled": True} if is_on else {}


def _node_port(agent: Agent) -> dict[str, Any]:
    mode = {"dsr": "DSR", "hybrid": "Hybrid"}.get(agent.config.get("bpf-lb-mode"), "SNAT")
    found: dict[str, Any] = {"acceleration": "Disabled", "algorithm": "Random"}
    if agent.release.minor > 11:
        found["dsrMode"] = "IP Option/Extension"
    return {**found, "enabled": True, "mode": mode, "portMax": 32767, "portMin": 30000}
