"""The names `status` gives maps, as the kernel's map names.

Names from pkg/maps and daemon/cmd/status.go of each release; 1.18 gave two of them another meaning:
"Endpoint policy" was the endpoints map (`cilium_lxc`) until 1.17 and is the policy maps from 1.18.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tui.cilium.releases import Release

POLICY_FAMILY = "policy"
"""Stands for the policy maps of all endpoints, whose size is one setting."""

_NAMES: Mapping[str, tuple[str, ...]] = {
    "Auth": ("cilium_auth_map",),
    "Non-TCP connection tracking": ("cilium_ct_any4_global", "cilium_ct_any6_global"),
    "TCP connection tracking": ("cilium_ct4_global", "cilium_ct6_global"),
    "Endpoints": ("cilium_lxc",),
    "Events": ("cilium_events",),
    "IP cache": ("cilium_ipcache", "cilium_ipcache_v2"),
    "IP masquerading agent": ("cilium_ipmasq_v4",),
    "IPv4 masquerading agent": ("cilium_ipmasq_v4",),
    "IPv6 masquerading agent": ("cilium_ipmasq_v6",),
    "IPv4 fragmentation": ("cilium_ipv4_frag_datagrams",),
    "IPv6 fragmentation": ("cilium_ipv6_frag_datagrams",),
    "IPv4 service": ("cilium_lb4_services_v2",),
    "IPv6 service": ("cilium_lb6_services_v2",),
    "IPv4 service backend": ("cilium_lb4_backends_v2", "cilium_lb4_backends_v3"),
    "IPv6 service backend": ("cilium_lb6_backends_v2", "cilium_lb6_backends_v3"),
    "IPv4 service reverse NAT": ("cilium_lb4_reverse_nat",),
    "IPv6 service reverse NAT": ("cilium_lb6_reverse_nat",),
    "Metrics": ("cilium_metrics",),
    "Ratelimit metrics": ("cilium_ratelimit_metrics",),
    "NAT": ("cilium_snat_v4_external", "cilium_snat_v6_external"),
    "Neighbor table": ("cilium_nodeport_neigh4", "cilium_nodeport_neigh6"),
    "Global policy": (POLICY_FAMILY,),
    "Per endpoint policy": ("cilium_ep_to_policy",),
    "Policy stats": ("cilium_policystats",),
    "Session affinity": ("cilium_lb4_affinity", "cilium_lb6_affinity"),
    "Signal": ("cilium_signals",),
    "Sockmap": ("cilium_sock_ops",),
    "Sock reverse NAT": ("cilium_lb4_reverse_sk", "cilium_lb6_reverse_sk"),
    "Tunnel": ("cilium_tunnel_map",),
}
_ENDPOINT_POLICY = "Endpoint policy"


def map_sizes(sizes: Iterable[tuple[str, int]], release: Release | None) -> dict[str, int]:
    """Key the sizes of `bpf-maps` by the kernel's map names.

    Maps whose name changed with a release are keyed by every name they had: only one is pinned.
    """
    named = dict(sizes)
    is_new = release.at_least(1, 18) if release else "Endpoints" in named
    found: dict[str, int] = {}
    for name, size in named.items():
        names = _NAMES.get(name, ())
        if name == _ENDPOINT_POLICY:
            names = (POLICY_FAMILY,) if is_new else ("cilium_lxc",)
        for kernel_name in names:
            found[kernel_name] = size
    return found
