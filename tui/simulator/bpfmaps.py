"""The BPF maps each release pins, and what the kernel says of their memory.

Types, flags, sizes and names are those of `bpftool -j -f map show` on agents of 1.11.7, 1.17.5 and
1.19.4; the memory formulas were measured on kernel 6.18 and read in the kernel's source for older
ones (kernel/bpf/hashtab.c, kernel/bpf/syscall.c).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from tui.simulator.kernels import Kernel

GLOBALS = "/sys/fs/bpf/tc/globals/"
NO_PREALLOCATION = 1
READ_ONLY_FOR_PROGRAMS = 128
NAME_LIMIT = 15
"""The kernel cuts a map's name to 15 characters."""
CPUS = 2
PAGE_BYTES = 4096


class Sizing(StrEnum):
    """Which setting gives a map its max entries."""

    FIXED = "fixed"
    LOAD_BALANCING = "bpf-lb-map-max"
    CT_TCP = "bpf-ct-global-tcp-max"
    CT_ANY = "bpf-ct-global-any-max"
    NAT = "bpf-nat-global-max"
    NEIGHBOUR = "bpf-neigh-global-max"
    SOCK_REVERSE = "bpf-sock-rev-map-max"
    POLICY = "bpf-policy-map-max"
    FRAGMENTS = "bpf-fragments-map-max"
    LB_SERVICES = "bpf-lb-service-map-max"
    LB_BACKENDS = "bpf-lb-service-backend-map-max"
    LB_REVERSE_NAT = "bpf-lb-rev-nat-map-max"
    LB_AFFINITY = "bpf-lb-affinity-map-max"
    LB_SOURCE_RANGE = "bpf-lb-source-range-map-max"


SINGLE_MAP_SIZINGS = frozenset(
    {
        Sizing.LB_SERVICES,
        Sizing.LB_BACKENDS,
        Sizing.LB_REVERSE_NAT,
        Sizing.LB_AFFINITY,
        Sizing.LB_SOURCE_RANGE,
    }
)
"""Settings of 1.12 and later for one map each; 0 leaves it to `bpf-lb-map-max`."""


class Allocation(StrEnum):
    """Whether entries of a hash are allocated with the map."""

    NEVER = "never"
    CONFIGURED = "preallocate-bpf-maps"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class MapSpec:
    """One pinned map of one release."""

    pin: str
    type: str
    key_bytes: int
    value_bytes: int
    max_entries: int = 0
    """For fixed sizes, and the default of the others."""
    sizing: Sizing = Sizing.FIXED
    allocation: Allocation = Allocation.ALWAYS
    extra_flags: int = 0
    is_cached: bool = False
    """Whether the agent keeps a cache of it, which `map list` counts."""
    is_open: bool = True
    """Whether `map list` shows it."""

    def flags(self, is_preallocating: bool) -> int:
        """Return the flags bpftool prints."""
        prealloc = self.allocation is Allocation.ALWAYS or (
            self.allocation is Allocation.CONFIGURED and is_preallocating
        )
        if self.type == "lpm_trie":
            prealloc = False
        return self.extra_flags | (0 if prealloc else NO_PREALLOCATION)


def memory_bytes(spec: MapSpec, flags: int, max_entries: int, entries: int, kernel: Kernel) -> int:
    """Return `bytes_memlock` as this kernel accounts for it."""
    if spec.type.endswith("array"):
        return _array_bytes(spec, max_entries)
    if not kernel.at_least(5, 11):
        return _charged_bytes(spec, flags, max_entries)
    if not kernel.has_accounting:
        size = _up(spec.key_bytes + spec.value_bytes, 8)
        return _up(max_entries * size, PAGE_BYTES)
    if spec.type == "lpm_trie":
        # The trie's nodes lost their rcu_head when they moved to the BPF allocator in 6.13.
        node = 24 if kernel.at_least(6, 13) else 40
        return entries * (node + spec.key_bytes - 4 + spec.value_bytes)
    return _hash_bytes(spec, flags, max_entries, entries)


def _hash_bytes(spec: MapSpec, flags: int, max_entries: int, entries: int) -> int:
    buckets = 16 * (1 << max(max_entries - 1, 0).bit_length())
    is_percpu = "percpu" in spec.type
    value = 8 if is_percpu else _up(spec.value_bytes, 8)
    element = 48 + _up(spec.key_bytes, 8) + value
    percpu = _up(spec.value_bytes, 8) * CPUS if is_percpu else 0
    if spec.type.startswith("lru") or (is_percpu and not flags & NO_PREALLOCATION):
        return 896 + buckets + max_entries * (element + percpu)
    if flags & NO_PREALLOCATION:
        return 896 + buckets + entries * (element + 8 + (percpu + 16 if is_percpu else 0))
    return 912 + buckets + (max_entries + CPUS) * (element + percpu)


def _array_bytes(spec: MapSpec, max_entries: int) -> int:
    if spec.type == "percpu_array":
        return 312 + max_entries * (8 + _up(spec.value_bytes, 8) * CPUS)
    value = 8 if spec.type in {"prog_array", "perf_event_array"} else _up(spec.value_bytes, 8)
    return 312 + max_entries * value


def _charged_bytes(spec: MapSpec, flags: int, max_entries: int) -> int:
    """Return what kernels before 5.11 charge: the full map, whatever it holds."""
    if spec.type == "lpm_trie":
        return _up(max_entries * (40 + spec.key_bytes + spec.value_bytes), PAGE_BYTES)
    buckets = 16 * (1 << max(max_entries - 1, 0).bit_length())
    element = 48 + _up(spec.key_bytes, 8) + _up(spec.value_bytes, 8)
    spare = CPUS if not flags & NO_PREALLOCATION else 0
    return _up(buckets + (max_entries + spare) * element, PAGE_BYTES)


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


_LB = Sizing.LOAD_BALANCING
_CFG = Allocation.CONFIGURED
_NEVER = Allocation.NEVER


def _load_balancing(backend_pin: str, backend_bytes: int) -> tuple[MapSpec, ...]:
    """Return the maps of Services as 1.11 sizes them: all by one setting."""
    return (
        MapSpec("cilium_lb4_services_v2", "hash", 12, 12, 0, _LB, _CFG, is_cached=True),
        MapSpec(backend_pin, "hash", 4, backend_bytes, 0, _LB, _CFG, is_cached=True),
        MapSpec("cilium_lb4_reverse_nat", "hash", 2, 6, 0, _LB, _CFG, is_cached=True),
        MapSpec("cilium_lb_affinity_match", "hash", 8, 1, 0, _LB, _CFG, is_cached=True),
        MapSpec("cilium_lb4_affinity", "lru_hash", 16, 16, 0, _LB),
        MapSpec("cilium_lb4_source_range", "lpm_trie", 12, 1, 0, _LB, is_cached=True),
        MapSpec(
            "cilium_lb4_reverse_sk", "lru_hash", 16, 8, 262144, Sizing.SOCK_REVERSE, is_open=False
        ),
    )


def _singly_sized(backend_pin: str, backend_bytes: int) -> tuple[MapSpec, ...]:
    """Return the maps of Services as 1.12 and later size them (pkg/maps/lbmap, InitParams)."""
    sizings = {
        "cilium_lb4_services_v2": Sizing.LB_SERVICES,
        backend_pin: Sizing.LB_BACKENDS,
        "cilium_lb4_reverse_nat": Sizing.LB_REVERSE_NAT,
        "cilium_lb_affinity_match": Sizing.LB_AFFINITY,
        "cilium_lb4_affinity": Sizing.LB_AFFINITY,
        "cilium_lb4_source_range": Sizing.LB_SOURCE_RANGE,
    }
    return tuple(
        replace(spec, sizing=sizings.get(spec.pin, spec.sizing))
        for spec in _load_balancing(backend_pin, backend_bytes)
    )


_CONNECTIONS = (
    MapSpec("cilium_ct4_global", "lru_hash", 14, 56, 524288, Sizing.CT_TCP, is_open=False),
    MapSpec("cilium_ct_any4_global", "lru_hash", 14, 56, 262144, Sizing.CT_ANY, is_open=False),
    MapSpec("cilium_snat_v4_external", "lru_hash", 14, 40, 524288, Sizing.NAT, is_open=False),
    MapSpec("cilium_nodeport_neigh4", "lru_hash", 4, 8, 524288, Sizing.NEIGHBOUR, is_open=False),
    MapSpec("cilium_ipv4_frag_datagrams", "lru_hash", 12, 4, 8192, Sizing.FRAGMENTS, is_open=False),
)
_EVENTS = (
    MapSpec("cilium_signals", "perf_event_array", 4, 4, CPUS, is_open=False),
    MapSpec("cilium_events", "perf_event_array", 4, 4, CPUS, is_open=False),
    MapSpec("cilium_call_policy", "prog_array", 4, 4, 65535, is_open=False),
)
_ENDPOINTS = MapSpec("cilium_lxc", "hash", 20, 48, 65535, Sizing.FIXED, _CFG, is_cached=True)
_TUNNEL = MapSpec("cilium_tunnel_map", "hash", 20, 20, 65536, Sizing.FIXED, _CFG, is_cached=True)
_AUTH = MapSpec("cilium_auth_map", "hash", 12, 8, 524288, Sizing.FIXED, _NEVER)
_RUNTIME = MapSpec("cilium_runtime_config", "array", 4, 8, 256, is_cached=True)
_SKIP = MapSpec("cilium_skip_lb4", "hash", 16, 1, 100, Sizing.FIXED, _NEVER)
_L2 = MapSpec("cilium_l2_responder_v4", "hash", 8, 8, 4096, Sizing.FIXED, _NEVER)
_RATE = MapSpec("cilium_ratelimit", "lru_hash", 8, 16, 1024, is_cached=True)
_RATE_METRICS = MapSpec(
    "cilium_ratelimit_metrics", "hash", 4, 8, 64, Sizing.FIXED, _CFG, is_cached=True
)
_NODE_MAP_V2 = MapSpec("cilium_node_map_v2", "hash", 20, 4, 16384, Sizing.FIXED, _NEVER)
_EGRESS_CALLS = MapSpec("cilium_egresscall_policy", "prog_array", 4, 4, 65535, is_open=False)

PINNED_MAPS: dict[tuple[int, int], tuple[MapSpec, ...]] = {
    (1, 11): (
        _ENDPOINTS,
        MapSpec("cilium_ipcache", "lpm_trie", 24, 12, 512000, is_cached=True),
        MapSpec("cilium_metrics", "percpu_hash", 8, 16, 1024, Sizing.FIXED, _CFG),
        _TUNNEL,
        *_load_balancing("cilium_lb4_backends_v2", 8),
        *_EVENTS,
        *_CONNECTIONS,
        MapSpec("cilium_calls_overlay_2", "prog_array", 4, 4, 25, is_open=False),
        MapSpec("cilium_encrypt_state", "array", 4, 1, 1, is_open=False),
    ),
    (1, 17): (
        MapSpec("cilium_node_map", "hash", 20, 2, 16384, Sizing.FIXED, _NEVER),
        _NODE_MAP_V2,
        _AUTH,
        _RUNTIME,
        *_EVENTS,
        _EGRESS_CALLS,
        _ENDPOINTS,
        MapSpec("cilium_ipcache", "lpm_trie", 24, 12, 512000, is_cached=True),
        _RATE,
        _RATE_METRICS,
        _TUNNEL,
        *_singly_sized("cilium_lb4_backends_v3", 12),
        *_CONNECTIONS,
        _SKIP,
        _L2,
        MapSpec("cilium_calls_overlay_2", "prog_array", 4, 4, 50, is_open=False),
        MapSpec("cilium_metrics", "percpu_hash", 8, 16, 1024, Sizing.FIXED, _CFG),
    ),
    (1, 19): (
        *_EVENTS,
        _EGRESS_CALLS,
        MapSpec(
            "cilium_ipcache_v2",
            "lpm_trie",
            24,
            24,
            512000,
            extra_flags=READ_ONLY_FOR_PROGRAMS,
            is_cached=True,
        ),
        MapSpec("cilium_metrics", "percpu_hash", 8, 16, 1024, Sizing.FIXED, _CFG),
        _RATE_METRICS,
        _NODE_MAP_V2,
        MapSpec("cilium_policystats", "lru_percpu_hash", 12, 16, 65536, extra_flags=2),
        MapSpec("cilium_percpu_trace_id", "percpu_array", 4, 8, 1, is_cached=True),
        _RATE,
        *_singly_sized("cilium_lb4_backends_v3", 12),
        _SKIP,
        _AUTH,
        _RUNTIME,
        *_CONNECTIONS,
        MapSpec("cilium_snat_v4_alloc_retries", "percpu_array", 4, 4, 33, is_open=False),
        _ENDPOINTS,
        _L2,
        MapSpec("cilium_calls_overlay_2", "prog_array", 4, 4, 49, is_open=False),
    ),
}
"""In the order the agent makes them, which is the order of their ids."""

POLICY_MAPS: dict[tuple[int, int], MapSpec] = {
    (1, 11): MapSpec("cilium_policy_%05d", "hash", 8, 24, 16384, Sizing.POLICY, _CFG),
    (1, 17): MapSpec(
        "cilium_policy_v2_%05d", "lpm_trie", 12, 24, 16384, Sizing.POLICY, is_cached=True
    ),
    (1, 19): MapSpec(
        "cilium_policy_v2_%05d",
        "lpm_trie",
        12,
        12,
        16384,
        Sizing.POLICY,
        extra_flags=READ_ONLY_FOR_PROGRAMS,
        is_cached=True,
    ),
}
