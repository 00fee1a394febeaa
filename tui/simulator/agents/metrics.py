"""`metrics list`: the few series that tell of maps, drops and problems, and some beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from tui.simulator.agents.gojson import go_number
from tui.simulator.bpfmaps import MapSpec, Sizing
from tui.simulator.model import (
    Agent,
    Occupancy,
    SimNode,
    number_from,
    pinned_specs,
    policy_specs,
)
from tui.simulator.scenarios import QuirkKind

DEFAULT_CAPACITY = 65536
COUNTED_EVERY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Metric:
    """One series."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


def metrics(node: SimNode, agent: Agent, occupancy: Occupancy, now: float) -> list[Metric]:
    """Return the series, sorted by name and labels as the agent prints them."""
    found = [
        *slow_metrics(node, agent, occupancy, now),
        *traffic(node, agent, now),
        *_process(node, agent, now),
    ]
    return sorted(found, key=lambda metric: (metric.name, metric.labels))


def slow_metrics(node: SimNode, agent: Agent, occupancy: Occupancy, now: float) -> list[Metric]:
    """Return the series of maps, which change with the maps and every 30 s."""
    found = [
        *_capacities(agent),
        *_operations(node, agent),
        *pressures(node, agent, occupancy, now),
    ]
    return sorted(found, key=lambda metric: (metric.name, metric.labels))


def _capacities(agent: Agent) -> Iterator[Metric]:
    if agent.release.minor < 15:
        return
    seen: dict[str, int] = {"default": DEFAULT_CAPACITY}
    for spec in pinned_specs(agent.release):
        size = agent.config.max_entries(spec)
        if size != DEFAULT_CAPACITY:
            seen[spec.pin] = size
    seen["endpoint_policy"] = agent.config.size(Sizing.POLICY)
    for group, size in seen.items():
        yield Metric("cilium_bpf_map_capacity", (("map_group", group),), size)


def _operations(node: SimNode, agent: Agent) -> Iterator[Metric]:
    balancer = agent.maps.balancer
    counts = [
        (agent.release.ipcache_pin, "success", 40 + node.variant),
        ("cilium_lxc", "success", 2 + len(node.endpoints())),
        ("cilium_policy", "success", 2 * len(node.endpoints())),
    ]
    counts += [(pin, "success", count) for pin, count in balancer.done_updates.items()]
    counts += [(pin, "fail", count) for pin, count in balancer.refused_updates.items()]
    for pin, outcome, count in counts:
        labels = (
            ("map_name", pin.removeprefix("cilium_")),
            ("operation", "update"),
            ("outcome", outcome),
        )
        yield Metric("cilium_bpf_map_ops_total", labels, count)


def pressures(node: SimNode, agent: Agent, occupancy: Occupancy, now: float) -> Iterator[Metric]:
    """Yield cilium_bpf_map_pressure; a map without entries has no series."""
    release = agent.release
    wanted = agent.config.get("metrics")
    if not release.pressure_is_default and "+cilium_bpf_map_pressure" not in wanted:
        return
    counted_at = now - now % COUNTED_EVERY_SECONDS
    for spec in pinned_specs(release):
        entries = _claimed_entries(node, agent, occupancy, spec, counted_at)
        size = agent.config.max_entries(spec)
        if entries and size:
            name = spec.pin.removeprefix("cilium_")
            yield _pressure(name, entries / size)
    if release.minor >= 15:
        fullest = max(entries for _, _, entries in policy_specs(node, release))
        ratio = fullest / agent.config.size(Sizing.POLICY)
        if ratio > 0.1:
            yield _pressure("policy_v2_*" if release.minor >= 17 else "policy_*", ratio)


def _pressure(name: str, ratio: float) -> Metric:
    return Metric("cilium_bpf_map_pressure", (("map_name", name),), ratio)


def _claimed_entries(
    node: SimNode, agent: Agent, occupancy: Occupancy, spec: MapSpec, now: float
) -> int:
    """Return the count behind a map's pressure: the agent's cache, or the kernel's."""
    release, balancer = agent.release, agent.maps.balancer
    if spec.pin == "cilium_lb4_services_v2":
        return balancer.agent_service_count()
    if spec.pin == release.backends_pin:
        return balancer.agent_backend_count()
    is_connections = spec.sizing in {Sizing.CT_TCP, Sizing.CT_ANY}
    if is_connections and release.minor >= 16:
        return occupancy.entries(node, agent, spec, now)
    if spec.sizing is Sizing.NAT and release.minor >= 15:
        return occupancy.entries(node, agent, spec, now - now % 300)
    if spec.type.startswith("lru") or spec.type.endswith("array") or not spec.is_cached:
        return 0
    return occupancy.entries(node, agent, spec, now)


_DROPS = (
    ("Policy denied", "INGRESS", 0.9),
    ("Stale or unroutable IP", "EGRESS", 0.05),
    ("Unsupported L3 protocol", "EGRESS", 0.3),
    ("CT: Map insertion failed", "INGRESS", 0.0),
    ("Service backend not found", "EGRESS", 0.0),
    ("FIB lookup failed", "EGRESS", 0.0),
    ("No mapping for NAT masquerade", "EGRESS", 0.0),
)


def traffic(node: SimNode, agent: Agent, now: float) -> Iterator[Metric]:
    """Yield what grows with time: drops, forwarded packets, logged problems."""
    age = max(0.0, now - agent.ready_at)
    quirk = node.quirk(QuirkKind.DROPS)
    for reason, direction, rate in _DROPS:
        pace = rate * (number_from(f"{node.variant}/{reason}") % 100) / 100
        if quirk and reason in quirk.text:
            pace += quirk.values.get("per_second", 25.0)
        elif reason == "Service backend not found" and agent.maps.balancer.failures:
            pace += 2.0 * len(agent.maps.balancer.failures)
        packets = int(age * pace)
        if packets:
            labels = (("direction", direction), ("reason", reason))
            yield Metric("cilium_drop_bytes_total", labels, packets * 74)
            yield Metric("cilium_drop_count_total", labels, packets)
    for direction, pace in (("EGRESS", 5200.0), ("INGRESS", 6100.0)):
        packets = int(age * (pace + node.variant * 41))
        yield Metric("cilium_forward_bytes_total", (("direction", direction),), packets * 612)
        yield Metric("cilium_forward_count_total", (("direction", direction),), packets)
    for (level, subsystem), count in sorted(agent.problems.items()):
        labels = (("level", level), ("subsystem", subsystem))
        yield Metric("cilium_errors_warnings_total", labels, count)


def _process(node: SimNode, agent: Agent, now: float) -> Iterator[Metric]:
    balancer = agent.maps.balancer
    failing = bool(balancer.pending_backends) + bool(balancer.pending_services)
    yield Metric("cilium_controllers_failing", (), failing)
    yield Metric("cilium_endpoint", (), len(node.endpoints()))
    yield Metric("cilium_endpoint_state", (("endpoint_state", "ready"),), len(node.endpoints()))
    yield Metric("cilium_process_start_time_seconds", (), round(agent.started_at, 2))
    yield Metric("cilium_process_resident_memory_bytes", (), 180_420_608 + node.variant * 4096)
    version: tuple[tuple[str, str], ...] = (("version", agent.release.text),)
    if agent.release.minor >= 17:
        version = (("arch", "linux/amd64"), ("revision", agent.release.revision), *version)
        mode = (("version", ".".join(node.kernel.release.split("-")[0].split(".")[:3])),)
        yield Metric("cilium_feature_datapath_kernel_version", mode, 1)
        name = "cilium_feature_adv_connect_and_lb_kube_proxy_replacement_enabled"
        yield Metric(name, (), 1)
    yield Metric("cilium_version", version, 0)
    yield Metric("go_goroutines", (), 206 + int(now) % 7)


@lru_cache(maxsize=64)
def compiled(pattern: str) -> re.Pattern[str] | None:
    """Return a Go regexp as Python's, or None where it is none."""
    try:
        return re.compile(pattern)
    except re.error:
        return None


def to_json(found: list[Metric]) -> bytes:
    """Return `-o json`."""
    return array([objects(found)])


def objects(found: list[Metric]) -> bytes:
    """Return series as JSON objects; labels and a value of zero are left out (omitempty)."""
    return ",\n".join(_object(metric) for metric in found).encode()


def array(parts: list[bytes]) -> bytes:
    """Return a JSON array of such objects; Go prints `null` for an empty one."""
    body = b",\n".join(part for part in parts if part)
    return b"[\n" + body + b"\n]\n\n" if body else b"null\n\n"


@lru_cache(maxsize=4096)
def _head(name: str, labels: tuple[tuple[str, str], ...]) -> str:
    text = "  {\n"
    if labels:
        pairs = ",\n".join(f'      "{key}": "{value}"' for key, value in labels)
        text += '    "labels": {\n' + pairs + "\n    },\n"
    return f'{text}    "name": "{name}"'


def _object(metric: Metric) -> str:
    value = f',\n    "value": {go_number(metric.value)}' if metric.value else ""
    return f"{_head(metric.name, metric.labels)}{value}\n  }}"
