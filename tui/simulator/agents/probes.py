"""The probes of one exec, answered from the model: no shell runs, no program is started."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tui.cilium.frames import (
    EXIT_NO_AGENT,
    EXIT_NO_MAP,
    EXIT_UNKNOWN_PROBE,
    Frame,
    encode_frames,
)
from tui.simulator.agents import hostprobes, kernelfacts, mapshow, metrics
from tui.simulator.agents.answer import Answer, Context
from tui.simulator.agents.bpfroot import pin_folder
from tui.simulator.agents.gojson import indented
from tui.simulator.agents.status import status
from tui.simulator.agents.version import version_json
from tui.simulator.config import effective_config
from tui.simulator.logs import stamp
from tui.simulator.model import Agent, SimNode, pinned_specs, policy_specs

NO_SOCKET = b"ciltop: no API socket /var/run/cilium/cilium.sock: the agent is not running\n"
STATUS_SECONDS = 30.0
"""An answer with times in it is made anew this often."""


def answer_probes(
    node: SimNode, agent: Agent, context: Context, nonce: str, names: list[str]
) -> tuple[bytes, bytes, float]:
    """Return stdout and stderr of the exec as the script would write them, and its duration."""
    frames = []
    total = 0.1
    for name in names:
        found = answer_probe(node, agent, context, name)
        total += found.seconds
        frames.append(
            Frame(name, found.exit_code, found.seconds, found.stdout, found.stderr, False)
        )
    stdout, stderr = encode_frames(nonce, frames)
    return stdout, stderr, total


def answer_probe(node: SimNode, agent: Agent, context: Context, name: str) -> Answer:
    """Answer one probe."""
    head, _, argument = name.partition("=")
    if argument:
        return _count(node, agent, context, argument) if head == "count" else _unknown(name)
    if name in _NEEDS_API and not agent.is_up(context.now):
        return Answer(b"", NO_SOCKET, EXIT_NO_AGENT, 0.01)
    answer = _ANSWERS.get(name)
    return answer(node, agent, context) if answer else _unknown(name)


def _unknown(name: str) -> Answer:
    return Answer(b"", f"ciltop: unknown probe {name}\n".encode(), EXIT_UNKNOWN_PROBE, 0.01)


def _kept(
    node: SimNode, agent: Agent, what: str, version: object, make: Callable[[], bytes]
) -> bytes:
    """Return an answer made for this version, shared by the nodes that answer the same."""
    key = (what, node.variant, node.group, agent.container_id if node.quirks else "", agent.config)
    found = agent.maps.answers.get(key)
    if found is None or found[0] != version:
        found = agent.maps.answers[key] = (version, make())
    return found[1]


def status_json(node: SimNode, agent: Agent, context: Context) -> bytes:
    """Return `status -o json`, kept while nothing changes."""
    balancer = agent.maps.balancer
    version = (balancer.version, int(context.now / STATUS_SECONDS))

    words = _own_words(node)

    def make() -> bytes:
        text = indented(status(node, agent, context.kubernetes, context.now))
        for word, token in words:
            text = text.replace(word, token)
        return text

    found = _kept(node, agent, "status", version, make)
    for word, token in words:
        found = found.replace(token, word)
    return found


def _own_words(node: SimNode) -> tuple[tuple[bytes, bytes], ...]:
    """Return what differs between nodes that share an answer, with what stands for it."""
    network = node.pod_cidr.removesuffix("0/24")
    return (
        (f'"{node.name}"'.encode(), b"@node@"),
        (f'"{node.address_text}"'.encode(), b"@address@"),
        (network.encode(), b"@network@"),
    )


def _status(node: SimNode, agent: Agent, context: Context) -> Answer:
    return Answer(status_json(node, agent, context), seconds=0.06)


def _maps(node: SimNode, agent: Agent, context: Context) -> Answer:
    version = (agent.maps.balancer.version, context.occupancy.node_count)
    stdout = _kept(
        node,
        agent,
        "maps",
        version,
        lambda: mapshow.map_show(node, agent, context.occupancy, context.now),
    )
    return Answer(stdout, seconds=0.02)


def _pins(node: SimNode, agent: Agent, context: Context) -> Answer:
    lines = [
        pin.encode() + b" " + mapshow.encoded(described)
        for pin, described in mapshow.pinned_maps(node, agent, context.occupancy, context.now)
    ]
    return Answer(b"\n".join(lines) + b"\n", seconds=0.6)


def _metrics(node: SimNode, agent: Agent, context: Context) -> Answer:
    balancer = agent.maps.balancer
    version = (
        balancer.version,
        sum(balancer.refused_updates.values()),
        int(context.now / metrics.COUNTED_EVERY_SECONDS),
    )

    def make() -> bytes:
        return metrics.objects(metrics.slow_metrics(node, agent, context.occupancy, context.now))

    # In the order of their names, those of maps come before those of traffic.
    growing = [
        metric
        for metric in metrics.traffic(node, agent, context.now)
        if not metric.name.endswith("bytes_total")
    ]
    growing.sort(key=lambda metric: (metric.name, metric.labels))
    parts = [_kept(node, agent, "metrics", version, make), metrics.objects(growing)]
    return Answer(metrics.array(parts), seconds=0.1)


def _services4(node: SimNode, agent: Agent, context: Context) -> Answer:
    return Answer(agent.maps.rows.services(node.address), seconds=0.05)


def _backends4(node: SimNode, agent: Agent, context: Context) -> Answer:
    return Answer(agent.maps.rows.backends(), seconds=0.05)


def _no_map(node: SimNode, agent: Agent, pin: str) -> Answer:
    text = f"ciltop: no map pinned at {pin_folder(node, agent)}{pin}\n"
    return Answer(b"", text.encode(), EXIT_NO_MAP, 0.01)


def _services6(node: SimNode, agent: Agent, context: Context) -> Answer:
    return _no_map(node, agent, "cilium_lb6_services_v2")


def _backends6(node: SimNode, agent: Agent, context: Context) -> Answer:
    return _no_map(node, agent, "cilium_lb6_backends_v2")


def _count(node: SimNode, agent: Agent, context: Context, pin: str) -> Answer:
    for spec in pinned_specs(agent.release):
        if spec.pin == pin:
            entries = context.occupancy.entries(node, agent, spec, context.now)
            return Answer(f"{entries}\n".encode(), seconds=0.015 + entries * 5e-6)
    for _, policy_pin, entries in policy_specs(node, agent.release):
        if policy_pin == pin:
            return Answer(f"{entries}\n".encode(), seconds=0.015)
    return _no_map(node, agent, pin)


_COUNTED = (
    "cilium_lb4_services_v2",
    "cilium_lb4_backends_v2",
    "cilium_lb4_backends_v3",
    "cilium_lb4_reverse_nat",
    "cilium_lb4_source_range",
    "cilium_lb_affinity_match",
    "cilium_lxc",
)


def _counts(node: SimNode, agent: Agent, context: Context) -> Answer:
    counts = {
        spec.pin: context.occupancy.entries(node, agent, spec, context.now)
        for spec in pinned_specs(agent.release)
        if spec.pin in _COUNTED
    }
    lines = [f"{pin} {counts[pin]}\n" for pin in _COUNTED if pin in counts]
    return Answer("".join(lines).encode(), seconds=0.2)


def _policies(node: SimNode, agent: Agent, context: Context) -> Answer:
    rows = policy_specs(node, agent.release)
    return Answer("".join(f"{pin} {count}\n" for _, pin, count in rows).encode(), seconds=0.2)


def _version(node: SimNode, agent: Agent, context: Context) -> Answer:
    return Answer(version_json(agent.release, agent.is_up(context.now)), seconds=0.07)


def _config(node: SimNode, agent: Agent, context: Context) -> Answer:
    made_at = stamp(agent.started_at)
    config = effective_config(agent.release, agent.config, made_at)
    return Answer(indented(config), seconds=0.1)


def _headers(node: SimNode, agent: Agent, context: Context) -> Answer:
    return Answer(kernelfacts.headers_probe(node, agent).encode(), seconds=0.02)


def _cgroup(node: SimNode, agent: Agent, context: Context) -> Answer:
    return Answer(kernelfacts.cgroup_tree(node, agent), seconds=0.02)


def _tools(node: SimNode, agent: Agent, context: Context) -> Answer:
    return Answer(kernelfacts.tools_probe(agent).encode(), seconds=0.01)


def _kernel(node: SimNode, agent: Agent, context: Context) -> Answer:
    return Answer(kernelfacts.kernel_probe(node).encode(), seconds=0.3)


def _helpers(node: SimNode, agent: Agent, context: Context) -> Answer:
    return Answer(kernelfacts.helpers_probe(node).encode(), seconds=0.1)


_NEEDS_API = frozenset({"status", "metrics", "config"})
_ANSWERS: Mapping[str, Callable[[SimNode, Agent, Context], Answer]] = {
    "status": _status,
    "maps": _maps,
    "pins": _pins,
    "metrics": _metrics,
    "services4": _services4,
    "services6": _services6,
    "backends4": _backends4,
    "backends6": _backends6,
    "counts": _counts,
    "policies": _policies,
    "version": _version,
    "config": _config,
    "headers": _headers,
    "cgroup": _cgroup,
    "tools": _tools,
    "clients": hostprobes.answer_clients,
    "sockets": hostprobes.answer_sockets,
    "neighbors": hostprobes.answer_neighbors,
    "mounts": hostprobes.answer_mounts,
    "kernel": _kernel,
    "helpers": _helpers,
}
