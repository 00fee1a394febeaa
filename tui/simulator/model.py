"""One simulated node: its kernel, the agent that runs on it, and what its maps hold.

Nodes of a kind share what is the same for all of them (load-balancing maps, rendered answers), so
that thousands of nodes stay small; a node gets maps of its own once its history differs.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tui.simulator.agents.releases import AgentRelease
from tui.simulator.bpfmaps import PINNED_MAPS, POLICY_MAPS, MapSpec, Sizing
from tui.simulator.config import RunningConfig
from tui.simulator.host import SimHost
from tui.simulator.kernels import Kernel
from tui.simulator.lbrows import MapRows
from tui.simulator.loadbalancer import LoadBalancer
from tui.simulator.logs import AgentLog, LogLine, Message, render
from tui.simulator.scenarios import Quirk, QuirkKind
from tui.simulator.services import text_of

VARIANTS = 64
"""Nodes of big fleets share endpoints and answers with each 64th node of their kind."""


class SharedMaps:
    """Load-balancing maps that several nodes hold in the same state, and their dumps."""

    def __init__(self, balancer: LoadBalancer, generation: int = 0) -> None:
        self.balancer = balancer
        self.generation = generation
        """Differs for maps that were made anew: the kernel gives them new ids."""
        self.rows = MapRows(balancer)
        self.answers: dict[tuple[object, ...], tuple[object, bytes]] = {}
        """Rendered answers by what they depend on, each with the version it was made for."""


@dataclass(slots=True)
class Agent:
    """One run of an agent's container."""

    release: AgentRelease
    config: RunningConfig
    container_id: str
    started_at: float
    ready_at: float
    maps: SharedMaps
    log: AgentLog | None = None
    problems: dict[tuple[str, str], int] = field(default_factory=dict)
    """Warnings and errors logged so far, by level and subsystem."""
    is_stopped: bool = False
    failing_since: float | None = None
    """When inserts into a load-balancing map began to fail."""

    def is_up(self, now: float) -> bool:
        """Tell whether the agent serves its API socket."""
        return not self.is_stopped and now >= self.ready_at


@dataclass(slots=True)
class SimNode:
    """One node of the simulated cluster."""

    name: str
    uid: str
    index: int
    variant: int
    address: int
    kernel: Kernel
    group: str
    daemonset: str
    boot_id: str
    labels: Mapping[str, str]
    booted_at: float
    extra_config: Mapping[str, str] = field(default_factory=dict)
    quirks: tuple[Quirk, ...] = ()
    host: SimHost = field(default_factory=SimHost)
    agent: Agent | None = None
    pod_name: str = ""
    previous_log: AgentLog | None = None
    restarts: int = 0
    is_looping: bool = False
    next_flip_at: float = math.inf

    @property
    def address_text(self) -> str:
        """The InternalIP."""
        return text_of(self.address)

    @property
    def pod_cidr(self) -> str:
        """The pods' addresses."""
        return f"10.{64 + self.index // 256 % 128}.{self.index % 256}.0/24"

    @property
    def router_address(self) -> str:
        """The address of cilium_host."""
        return self.pod_cidr.removesuffix("0/24") + str(2 + self.variant % 200)

    def quirk(self, kind: QuirkKind) -> Quirk | None:
        """Return what is wrong in this way, or None."""
        return next((quirk for quirk in self.quirks if quirk.kind is kind), None)

    def endpoints(self) -> tuple[int, ...]:
        """Return the ids of the node's endpoints; the first one is the host's."""
        count = 4 + self.variant * 7 % 9
        return tuple(sorted(100 + number_from(f"{self.variant}/{n}") % 3900 for n in range(count)))


def number_from(text: str) -> int:
    """Return a number that looks random and is the same on every run."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")


def uuid_from(text: str) -> str:
    """Return a uuid made from a text."""
    digits = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def container_id_from(text: str) -> str:
    """Return a containerd container id made from a text."""
    return "containerd://" + hashlib.sha256(text.encode()).hexdigest()


def write_log(agent: Agent, now: float, message: Message) -> None:
    """Let the agent log a message; its own counter of problems follows."""
    if agent.log is None:
        return
    agent.log.append(LogLine(now, render(agent.release, now, message).encode()))
    count_problem(agent, message)


def count_problem(agent: Agent, message: Message) -> None:
    """Count a warning or an error as `cilium_errors_warnings_total` does."""
    if message.level in {"warn", "error"}:
        warning, error = agent.release.metric_levels
        key = (warning if message.level == "warn" else error, message.subsystem)
        agent.problems[key] = agent.problems.get(key, 0) + 1


def pinned_specs(release: AgentRelease) -> tuple[MapSpec, ...]:
    """Return the maps of a release that every node pins."""
    return PINNED_MAPS[release.key]


def policy_specs(node: SimNode, release: AgentRelease) -> list[tuple[MapSpec, str, int]]:
    """Return policy maps as spec, pin and entries, one for each endpoint."""
    spec = POLICY_MAPS[release.key]
    return [
        (spec, spec.pin % endpoint, 2 + number_from(f"{node.variant}/p{endpoint}") % 120)
        for endpoint in node.endpoints()
    ]


def spec_of(release: AgentRelease, pin: str) -> MapSpec | None:
    """Return what is pinned under this name."""
    return next((spec for spec in pinned_specs(release) if spec.pin == pin), None)


class Occupancy:
    """How many entries each map of a node holds; conntrack breathes with time."""

    def __init__(self, node_count: int) -> None:
        self.node_count = node_count

    def entries(self, node: SimNode, agent: Agent, spec: MapSpec, now: float) -> int:
        """Return the kernel's count of one map."""
        balancer = agent.maps.balancer
        exact = {
            "cilium_lb4_services_v2": len(balancer.services),
            agent.release.backends_pin: len(balancer.backends),
            "cilium_lb4_reverse_nat": len(balancer.reverse_nat),
            "cilium_lb_affinity_match": len(balancer.affinity_match),
        }.get(spec.pin)
        if exact is not None:
            return exact
        if spec.pin in _RATIOS or spec.sizing in {Sizing.CT_TCP, Sizing.CT_ANY, Sizing.NAT}:
            return int(self.ratio(node, spec, now) * agent.config.max_entries(spec))
        return self._small(node, spec)

    def ratio(self, node: SimNode, spec: MapSpec, now: float) -> float:
        """Return how full an LRU map is."""
        base = _RATIOS.get(spec.pin, 0.02)
        high = node.quirk(QuirkKind.CT_HIGH)
        if high and spec.sizing in {Sizing.CT_TCP, Sizing.NAT}:
            base = high.values.get("ratio", 0.7) * (1.0 if spec.sizing is Sizing.CT_TCP else 0.6)
        base *= 1 + 0.3 * ((node.variant * 37 % 100) / 100 - 0.5) if not high else 1.0
        wave = 0.04 * math.sin(now / 97 + node.variant) + 0.02 * math.sin(now / 23 + node.index)
        return max(0.0, min(1.0, base * (1 + wave)))

    def _small(self, node: SimNode, spec: MapSpec) -> int:
        if spec.type.endswith("array"):
            return spec.max_entries
        nodes = self.node_count
        counts = {
            "cilium_ipcache": 3 + 2 * nodes + 6 * min(nodes, 500),
            "cilium_ipcache_v2": 3 + 2 * nodes + 6 * min(nodes, 500),
            "cilium_lxc": 2 + len(node.endpoints()),
            "cilium_node_map": nodes,
            "cilium_node_map_v2": nodes,
            "cilium_tunnel_map": nodes - 1,
            "cilium_metrics": 3 + node.variant % 4,
        }
        return counts.get(spec.pin, 0)


_RATIOS = {
    "cilium_ct4_global": 0.18,
    "cilium_ct_any4_global": 0.06,
    "cilium_snat_v4_external": 0.09,
    "cilium_nodeport_neigh4": 0.001,
    "cilium_lb4_reverse_sk": 0.12,
    "cilium_lb4_affinity": 0.05,
    "cilium_policystats": 0.01,
}
