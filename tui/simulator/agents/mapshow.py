"""bpftool's view of a node's maps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tui.simulator.agents.bpfroot import pin_folder
from tui.simulator.bpfmaps import NAME_LIMIT, MapSpec, memory_bytes
from tui.simulator.model import (
    Agent,
    Occupancy,
    SimNode,
    number_from,
    pinned_specs,
    policy_specs,
)


def pinned_maps(
    node: SimNode, agent: Agent, occupancy: Occupancy, now: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield pin and description of every pinned map, in the order of the ids."""
    owner = node.name if node.index == node.variant else node.group
    number = 100 + number_from(f"{owner}/{agent.maps.generation}") % 9000
    for spec in pinned_specs(agent.release):
        number += 1
        entries = occupancy.entries(node, agent, spec, now)
        yield spec.pin, _described(node, agent, spec, (spec.pin, number, entries))
    for spec, pin, entries in policy_specs(node, agent.release):
        number += 3
        yield pin, _described(node, agent, spec, (pin, number, entries))


def _described(
    node: SimNode, agent: Agent, spec: MapSpec, what: tuple[str, int, int]
) -> dict[str, Any]:
    pin, number, entries = what
    max_entries = agent.config.max_entries(spec)
    flags = 0
    if spec.type.endswith(("hash", "trie")):
        flags = spec.flags(agent.config.is_preallocating)
    found: dict[str, Any] = {"id": number, "type": spec.type}
    if agent.release.minor > 11 or spec.pin in _NAMED_IN_1_11:
        found["name"] = pin[:NAME_LIMIT]
    found |= {
        "flags": flags,
        "bytes_key": spec.key_bytes,
        "bytes_value": spec.value_bytes,
        "max_entries": max_entries,
        "bytes_memlock": memory_bytes(spec, flags, max_entries, entries, node.kernel),
    }
    if spec.type == "prog_array":
        found |= {"owner_prog_type": "sched_cls", "owner_jited": True}
    found["frozen"] = 0
    if agent.release.minor > 11 or pin.startswith(("cilium_calls", "cilium_policy", "cilium_enc")):
        found["btf_id"] = 1300
    return found


_NAMED_IN_1_11 = {"cilium_metrics", "cilium_calls_overlay_2", "cilium_encrypt_state"}
"""Maps that 1.11 creates through the kernel's BTF loader; the others have no name."""


def map_show(node: SimNode, agent: Agent, occupancy: Occupancy, now: float) -> bytes:
    """Return the `maps` probe's stdout: one object a line, each with its pin."""
    lines, folder = [], pin_folder(node, agent)
    for pin, described in pinned_maps(node, agent, occupancy, now):
        lines.append(msgspec.json.encode({**described, "pinned": [folder + pin]}))
    return b"\n".join(lines) + b"\n"


def encoded(described: dict[str, Any]) -> bytes:
    """Return one map as `bpftool -j` prints it."""
    return msgspec.json.encode(described)
