"""The BPF maps ciltop shows: what fills each, what resizes it, and since when the agent counts it.

Names by release are in pkg/maps of each release tag; which are pinned depends on the agent's
configuration too, so a map is shown when it is there, and one that no row knows is shown as well
when it can fill up.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tui.cilium.releases import Release, backend_map_suffix
from tui.model.maps import MapKind

_POLICY_PIN = re.compile(r"cilium_policy_(?:v[0-9]+_)?[0-9]+")


SLOW_RECOUNT_SECONDS = 600
"""For a large map that no metric of any release counts and that a check needs on every node."""


@dataclass(frozen=True, slots=True)
class MapFamily:
    """One map in all its names: per address family and per release."""

    key: str
    pins: tuple[str, ...]
    """Every name it had, oldest first; only one of a family and address family is live."""
    kind: MapKind
    filled_by: str
    """One entry for what, in the user's words."""
    resized_by: str = ""
    """The option that sets its size; empty where none does."""
    kernel_counted_from: tuple[int, int] | None = None
    """First release whose pressure metric counts the kernel's map and not the agent's cache."""
    counted_every_seconds: int = 0
    """How old that metric's count can be; 0 where only its garbage collection refreshes it."""
    recount_seconds: int | None = 300
    """How often to count in place what nothing cheaper tells; None: only where a person looks."""

    def is_kernel_counted(self, release: Release | None) -> bool:
        """Tell whether this release's pressure metric is the kernel's count."""
        since = self.kernel_counted_from
        return since is not None and release is not None and release.at_least(*since)


def _both(pattern: str) -> tuple[str, ...]:
    return tuple(pattern.replace("#", family) for family in "46")


_LB_ALL = "bpf-lb-map-max"

# Counting by release: 1.15 NAT, 1.16 conntrack (every 30 s), 1.18 load-balancing hashes (every
# 5 min, `lb-pressure-metrics-interval`) and fragments; LPM tries and maglev are left out by it.
CATALOGUE: tuple[MapFamily, ...] = (
    MapFamily(
        "lb-services",
        _both("cilium_lb#_services_v2"),
        MapKind.HASH,
        "one a frontend and one a backend of it",
        f"{_LB_ALL}, bpf-lb-service-map-max",
        (1, 18),
        300,
        60,
    ),
    MapFamily(
        "lb-backends",
        (*_both("cilium_lb#_backends_v2"), *_both("cilium_lb#_backends_v3")),
        MapKind.HASH,
        "one a backend address, port and protocol",
        f"{_LB_ALL}, bpf-lb-service-backend-map-max",
        (1, 18),
        300,
        60,
    ),
    MapFamily(
        "lb-reverse-nat",
        _both("cilium_lb#_reverse_nat"),
        MapKind.HASH,
        "one a frontend",
        f"{_LB_ALL}, bpf-lb-rev-nat-map-max",
        (1, 18),
        300,
        60,
    ),
    MapFamily(
        "lb-affinity-match",
        ("cilium_lb_affinity_match",),
        MapKind.HASH,
        "one a backend of a Service with session affinity",
        f"{_LB_ALL}, bpf-lb-affinity-map-max",
        (1, 18),
        300,
        60,
    ),
    MapFamily(
        "lb-affinity",
        _both("cilium_lb#_affinity"),
        MapKind.LRU_HASH,
        "one a client of a Service with session affinity",
        f"{_LB_ALL}, bpf-lb-affinity-map-max",
        (1, 18),
        300,
    ),
    MapFamily(
        "lb-source-range",
        _both("cilium_lb#_source_range"),
        MapKind.LPM_TRIE,
        "one a loadBalancerSourceRanges entry",
        f"{_LB_ALL}, bpf-lb-source-range-map-max",
        recount_seconds=60,
    ),
    MapFamily(
        "lb-maglev",
        _both("cilium_lb#_maglev"),
        MapKind.HASH,
        "one a Service (maglev only)",
        f"{_LB_ALL}, bpf-lb-maglev-map-max",
        recount_seconds=None,
    ),
    MapFamily(
        "lb-skip",
        _both("cilium_skip_lb#"),
        MapKind.HASH,
        "one a local-redirect frontend and pod that skips it",
        recount_seconds=300,
    ),
    MapFamily(
        "lb-health",
        _both("cilium_lb#_health"),
        MapKind.LRU_HASH,
        "one a backend under health check",
    ),
    MapFamily(
        "lb-reverse-sk",
        _both("cilium_lb#_reverse_sk"),
        MapKind.LRU_HASH,
        "one a socket that the socket load balancer translated",
        "bpf-sock-rev-map-max",
        recount_seconds=SLOW_RECOUNT_SECONDS,
    ),
    MapFamily(
        "ct-tcp",
        _both("cilium_ct#_global"),
        MapKind.LRU_HASH,
        "one a TCP connection, and one more a Service connection",
        "bpf-ct-global-tcp-max",
        (1, 16),
        30,
        None,
    ),
    MapFamily(
        "ct-any",
        _both("cilium_ct_any#_global"),
        MapKind.LRU_HASH,
        "one a connection of another protocol",
        "bpf-ct-global-any-max",
        (1, 16),
        30,
        None,
    ),
    MapFamily(
        "nat",
        _both("cilium_snat_v#_external"),
        MapKind.LRU_HASH,
        "two a masqueraded connection",
        "bpf-nat-global-max",
        (1, 15),
        0,
        None,
    ),
    MapFamily(
        "neighbors",
        _both("cilium_nodeport_neigh#"),
        MapKind.LRU_HASH,
        "one a neighbor that NodePort traffic came from",
        "bpf-neigh-global-max",
        recount_seconds=None,
    ),
    MapFamily(
        "fragments",
        _both("cilium_ipv#_frag_datagrams"),
        MapKind.LRU_HASH,
        "one a fragmented datagram",
        "bpf-fragments-map-max",
        (1, 18),
        300,
    ),
    MapFamily(
        "ipcache",
        ("cilium_ipcache", "cilium_ipcache_v2"),
        MapKind.LPM_TRIE,
        "one a pod, node and CIDR identity of the cluster",
    ),
    MapFamily(
        "policy",
        (),
        MapKind.HASH,
        "one an allowed identity and port of an endpoint",
        "bpf-policy-map-max",
    ),
    MapFamily(
        "policy-stats",
        ("cilium_policystats",),
        MapKind.LRU_HASH,
        "one a policy entry that matched",
        recount_seconds=None,
    ),
    MapFamily("endpoints", ("cilium_lxc",), MapKind.HASH, "one an address of a local endpoint"),
    MapFamily("tunnel", ("cilium_tunnel_map",), MapKind.HASH, "one a remote node's pod CIDR"),
    MapFamily("nodes", ("cilium_node_map", "cilium_node_map_v2"), MapKind.HASH, "one a node IP"),
    MapFamily(
        "auth",
        ("cilium_auth_map",),
        MapKind.HASH,
        "one an authenticated pair of identities",
        "bpf-auth-map-max",
    ),
    MapFamily(
        "egress-gateway",
        (*_both("cilium_egress_gw_policy_v#"), "cilium_egress_gw_policy_v4_v2"),
        MapKind.LPM_TRIE,
        "one a pod IP and CIDR of an egress gateway policy",
        "egress-gateway-policy-map-max",
    ),
    MapFamily(
        "ip-masq", _both("cilium_ipmasq_v#"), MapKind.LPM_TRIE, "one a CIDR that is not masqueraded"
    ),
    MapFamily("l2-responder", _both("cilium_l2_responder_v#"), MapKind.HASH, "one an announced IP"),
    MapFamily(
        "rate-limit",
        ("cilium_ratelimit",),
        MapKind.LRU_HASH,
        "one a rate-limited event source",
        recount_seconds=None,
    ),
)

IGNORED_PINS = frozenset({"cilium_metrics", "cilium_ratelimit_metrics"})
"""Counters whose keys are fixed by the datapath: they can't fill up."""

_OTHER = MapFamily("other", (), MapKind.OTHER, "", recount_seconds=None)
_BY_PIN = {pin: family for family in CATALOGUE for pin in family.pins}
_POLICY = next(family for family in CATALOGUE if family.key == "policy")
_RANK = {family.key: rank for rank, family in enumerate(CATALOGUE)}


def is_policy_pin(pin: str) -> bool:
    """Tell whether the pin is one endpoint's policy map (`_v2_` from 1.17)."""
    return _POLICY_PIN.fullmatch(pin) is not None


def policy_row_name(pins: Iterable[str]) -> str:
    """Return the name of the one row that stands for these policy maps."""
    stems = {pin.rpartition("_")[0] for pin in pins}
    return f"{max(stems)}_*" if stems else "cilium_policy_*"


def family_of(pin: str) -> MapFamily:
    """Return the catalogue's row for a pin; a row called `other` for one it does not know."""
    if is_policy_pin(pin) or pin.startswith("cilium_policy_"):
        return _POLICY
    return _BY_PIN.get(pin, _OTHER)


def rank_of(pin: str) -> int:
    """Return where a map stands in the list: those that break Services when full come first."""
    return _RANK.get(family_of(pin).key, len(_RANK))


def live_pins(pins: Iterable[str], release: Release | None = None) -> frozenset[str]:
    """Return the pins that the datapath reads, without those an older release left behind.

    After an upgrade the old backend map and the old policy maps can stay pinned. Without a known
    release the newest is taken for the live one.
    """
    there = set(pins)
    stems = {pin.rpartition("_")[0] for pin in there if is_policy_pin(pin)}
    policies = _live_policy_stem(stems, release)
    backends = backend_map_suffix(release) if release else "_v3"

    def is_left_over(pin: str) -> bool:
        if is_policy_pin(pin):
            return pin.rpartition("_")[0] != policies
        stem, suffix = pin[:-3], pin[-3:]
        if not stem.endswith("_backends") or suffix == backends:
            return False
        return f"{stem}{backends}" in there

    return frozenset(pin for pin in there if not is_left_over(pin))


def _live_policy_stem(stems: Collection[str], release: Release | None) -> str:
    """Choose the policy maps of this release: `_v2` came with 1.17, and stays after a downgrade."""
    old = "cilium_policy"
    if release is not None and not release.at_least(1, 17) and old in stems:
        return old
    return max(stems, default=old)
