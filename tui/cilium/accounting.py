"""Count entries from the kernel's memory accounting of a map.

From Linux 6.4 on `bytes_memlock` of hashes that are not preallocated and of LPM tries grows with
every entry, exactly (`htab_map_mem_usage` and `trie_mem_usage` in kernel/bpf)::

    hash   FIXED + 16 * 2^ceil(log2 max_entries) + n * (ELEMENT + pad8(key) + pad8(value))
    LPM    n * (NODE + key - 4 + value)

FIXED, ELEMENT and NODE are sizes of kernel structs, and FIXED holds 32 bytes for each possible CPU
until the map_locked counters went (rqspinlock, 6.15). So they are proved on each node by a count
in place of the same map before any number is taken from the accounting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from tui.cilium.maps import NO_PREALLOCATION, KernelMap

FIRST_KERNEL = (6, 4)
KNOWN_HASH = (896, 56)
"""FIXED and ELEMENT on 6.18 x86-64: one matching count is enough to believe them.

ELEMENT (`struct htab_elem` and an llist_node) is the same since 6.4: two different counts that
leave one FIXED prove that.
"""
KNOWN_LPM_NODES = (24, 40)
"""`struct lpm_trie_node` as 6.18 has it, and with the rcu_head of older kernels."""
_BUCKET_BYTES = 16
_FIXED_RANGE = range(256, 1 << 19)
"""Up to 8,192 possible CPUs, the most the kernel can be built for."""
_ELEMENT_RANGE = range(16, 257)
_NODE_RANGE = range(16, 129)
_CHURN_ENTRIES = 8
"""Entries that may come and go between `map show` and the count in the same exec, at least."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is proved of one node's accounting; good until the node boots again."""

    hash_bytes: tuple[int, int] | None = None
    """FIXED and ELEMENT."""
    lpm_node_bytes: int | None = None
    misfits: frozenset[str] = frozenset()
    """Pins whose last count disagreed with the accounting: these are counted."""


@dataclass(frozen=True, slots=True)
class _Observation:
    kernel_map: KernelMap
    memory_bytes: int
    entries: int

    @property
    def payload_bytes(self) -> int:
        return _pad8(self.kernel_map.key_bytes) + _pad8(self.kernel_map.value_bytes)

    @property
    def rest_bytes(self) -> int:
        """Memory without the buckets, keys and values: FIXED + n * ELEMENT."""
        buckets = _bucket_bytes(self.kernel_map.max_entries)
        return self.memory_bytes - buckets - self.entries * self.payload_bytes


def is_accounted(kernel_map: KernelMap, kernel_release: str) -> bool:
    """Tell whether the kernel's accounting of this map grows with its entries."""
    found = re.match(r"(\d+)\.(\d+)", kernel_release)
    if found is None or (int(found[1]), int(found[2])) < FIRST_KERNEL:
        return False
    if kernel_map.memory_bytes is None:
        return False
    is_growing_hash = kernel_map.type == "hash" and kernel_map.flags & NO_PREALLOCATION
    return bool(is_growing_hash) or kernel_map.type == "lpm_trie"


def accounted_entries(kernel_map: KernelMap, calibration: Calibration) -> int | None:
    """Return the entries of a map by its memory, or None where that is not proved or can't be."""
    if kernel_map.memory_bytes is None:
        return None
    if kernel_map.type == "lpm_trie":
        fixed, size = 0, _lpm_entry_bytes(kernel_map, calibration.lpm_node_bytes)
    elif calibration.hash_bytes is not None:
        fixed = calibration.hash_bytes[0] + _bucket_bytes(kernel_map.max_entries)
        size = calibration.hash_bytes[1]
        size += _pad8(kernel_map.key_bytes) + _pad8(kernel_map.value_bytes)
    else:
        return None
    if size is None:
        return None
    entries, rest = divmod(kernel_map.memory_bytes - fixed, size)
    return entries if rest == 0 and 0 <= entries <= kernel_map.max_entries else None


def calibrated(
    calibration: Calibration,
    maps: Iterable[KernelMap],
    counts: Mapping[str, int],
    kernel_release: str,
) -> Calibration:
    """Return the calibration after counts of the same exec as the maps.

    Constants once proved stay; a map whose count disagrees is counted from then on, until a later
    count agrees again.
    """
    seen = [
        _Observation(kernel_map, kernel_map.memory_bytes, counts[kernel_map.pin])
        for kernel_map in maps
        if kernel_map.pin in counts
        and kernel_map.memory_bytes is not None
        and is_accounted(kernel_map, kernel_release)
    ]
    hashes = [each for each in seen if each.kernel_map.type == "hash"]
    tries = [each for each in seen if each.kernel_map.type == "lpm_trie"]
    proved = replace(
        calibration,
        hash_bytes=calibration.hash_bytes or _hash_constants(hashes),
        lpm_node_bytes=calibration.lpm_node_bytes or _lpm_node(tries),
    )
    judged = [each for each in seen if _has_constants(each.kernel_map, proved)]
    misfits = {each.kernel_map.pin for each in judged if not _agrees(each, proved)}
    fits = {each.kernel_map.pin for each in judged} - misfits
    return replace(proved, misfits=(calibration.misfits | misfits) - fits)


def _has_constants(kernel_map: KernelMap, calibration: Calibration) -> bool:
    if kernel_map.type == "lpm_trie":
        return calibration.lpm_node_bytes is not None
    return calibration.hash_bytes is not None


def _agrees(seen: _Observation, calibration: Calibration) -> bool:
    entries = accounted_entries(seen.kernel_map, calibration)
    if entries is None:
        return False
    return abs(entries - seen.entries) <= max(_CHURN_ENTRIES, seen.entries // 50)


def _hash_constants(seen: list[_Observation]) -> tuple[int, int] | None:
    """Solve FIXED and ELEMENT from counts of hashes.

    An entry that came between the listing and the count can shift one of them, and then a wrong
    size can divide without a rest: unknown sizes need three different counts that agree.
    """
    fixed, element = KNOWN_HASH
    if any(each.entries and each.rest_bytes == fixed + each.entries * element for each in seen):
        return KNOWN_HASH
    for each in seen:
        fixed = each.rest_bytes - each.entries * element
        if fixed in _FIXED_RANGE and _different_counts(seen, fixed, element) > 1:
            return fixed, element
    for first, second in combinations(seen, 2):
        if first.entries == second.entries:
            continue
        element, rest = divmod(second.rest_bytes - first.rest_bytes, second.entries - first.entries)
        fixed = first.rest_bytes - first.entries * element
        if rest or element not in _ELEMENT_RANGE or fixed not in _FIXED_RANGE:
            continue
        if _different_counts(seen, fixed, element) > 2:
            return fixed, element
    return None


def _different_counts(seen: Iterable[_Observation], fixed: int, element: int) -> int:
    """Count the different numbers of entries that these sizes explain."""
    return len({each.entries for each in seen if each.rest_bytes == fixed + each.entries * element})


def _lpm_node(seen: list[_Observation]) -> int | None:
    """Solve NODE: a known size needs one trie with entries that fits, another needs two."""
    sizes: list[int] = []
    for each in seen:
        if not each.entries:
            continue
        size, rest = divmod(each.memory_bytes, each.entries)
        node = size - _lpm_payload_bytes(each.kernel_map)
        if rest:
            continue
        if node in KNOWN_LPM_NODES or (node in sizes and node in _NODE_RANGE):
            return node
        sizes.append(node)
    return None


def _lpm_payload_bytes(kernel_map: KernelMap) -> int:
    """Key without its prefix length (u32), and value; not padded (kernel/bpf/lpm_trie.c)."""
    return kernel_map.key_bytes - 4 + kernel_map.value_bytes


def _lpm_entry_bytes(kernel_map: KernelMap, node_bytes: int | None) -> int | None:
    return None if node_bytes is None else node_bytes + _lpm_payload_bytes(kernel_map)


def _bucket_bytes(max_entries: int) -> int:
    return _BUCKET_BYTES * (1 << max(0, max_entries - 1).bit_length())


def _pad8(size: int) -> int:
    return (size + 7) // 8 * 8
