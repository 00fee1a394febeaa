"""A fleet with a clock that tests turn, and its objects in a store."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tui.cilium.coverage import compare
from tui.cilium.dumps import decode_dump
from tui.cilium.frames import Frame, parse_frames
from tui.cilium.lbmaps import held_services
from tui.cilium.probes import exec_argv
from tui.cilium.releases import parse_release
from tui.cilium.status import parse_status
from tui.cilium.wants import wanted_services
from tui.cluster import kinds
from tui.cluster.objects import node as node_facts
from tui.collect.service_specs import ServiceObject, SliceObject, service_spec, slice_spec
from tui.model.services import ServiceCoverage
from tui.simulator.fleet import SCENARIOS, Fleet
from tui.simulator.model import Agent, SimNode
from tui.simulator.objects import KubeObject, ObjectStore
from tui.simulator.scenarios import QuirkKind, Scenario

START = 1_800_000_000.0
NONCE = "simulatortest"
PLURALS = {"EndpointSlice": "endpointslices", "Endpoints": "endpoints"}


class Rig:
    """One simulated cluster without its server."""

    def __init__(self, scenario: str | Scenario, nodes: int = 0, seed: int = 1) -> None:
        self.now = START
        chosen = SCENARIOS[scenario] if isinstance(scenario, str) else scenario
        self.fleet = Fleet(chosen, nodes, seed, lambda: self.now)
        self.store = ObjectStore(lambda: self.now)
        self.store.seed((_plural(found), found) for found in self.fleet.seed_objects())
        self.fleet.attach(self.store)

    def run_for(self, seconds: float, step: float = 0.5) -> None:
        """Let time run on in the server's steps."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + step)
            self.fleet.advance(self.now)

    def node_with(self, quirk: QuirkKind) -> SimNode:
        """Return the first node with this wrong."""
        return next(node for node in self.fleet.nodes if node.quirk(quirk))

    def probe(self, node: SimNode, *names: str) -> Mapping[str, Frame]:
        """Run ciltop's one exec on a node."""
        argv = exec_argv(NONCE, names)
        result = self.fleet.exec(node.pod_name, "cilium-agent", argv, b"")
        return parse_frames(NONCE, result.stdout, result.stderr)

    def command(self, node: SimNode, *argv: str) -> str:
        """Run a person's command and return what it printed."""
        result = self.fleet.exec(node.pod_name, "cilium-agent", argv, b"")
        assert result.exit_code == 0, result.stderr
        return result.stdout.decode()

    def log(self, node: SimNode, previous: bool = False) -> list[str]:
        """Return the agent's log."""
        lines = self.fleet.log(node.pod_name, "cilium-agent", previous)
        return [line.text.decode() for line in lines]

    def pod(self, node: SimNode) -> KubeObject:
        """Return the agent's pod as the API has it."""
        found = self.store.get("pods", "kube-system", node.pod_name)
        assert found is not None
        return found

    def delete_pod(self, node: SimNode) -> None:
        """Delete the agent's pod; the DaemonSet brings a new one at once."""
        old = self.pod(node)
        self.store.delete("pods", "kube-system", node.pod_name)
        self.store.apply("pods", self.fleet.replace_pod(old))

    def patch_config(self, **values: str) -> None:
        """Change keys of cilium-config."""
        found = self.store.get("configmaps", "kube-system", "cilium-config")
        assert found is not None
        data = {**found["data"], **{key.replace("_", "-"): text for key, text in values.items()}}
        self.store.apply("configmaps", {**found, "data": data})


def _plural(found: KubeObject) -> str:
    kind = str(found["kind"])
    return PLURALS.get(kind, kind.lower() + "s")


def agent_of(node: SimNode) -> Agent:
    """Return the agent that runs on a node."""
    assert node.agent is not None
    return node.agent


def coverage(rig: Rig, node: SimNode) -> ServiceCoverage:
    """Judge a node's kernel by what ciltop itself reads and parses."""
    services = [msgspec.convert(found, ServiceObject) for found in rig.store.list("services")]
    slices = [msgspec.convert(found, SliceObject) for found in rig.store.list("endpointslices")]
    wanted = wanted_services(map(service_spec, services), map(slice_spec, slices))
    frames = rig.probe(node, "services4", "backends4", "status")
    held = held_services(
        [decode_dump(frames["services4"].stdout)], [decode_dump(frames["backends4"].stdout)]
    )
    release = parse_release(agent_of(node).release.text)
    seen = msgspec.convert(rig.store.get("nodes", None, node.name), kinds.Node)
    status = parse_status(frames["status"].stdout, release)
    return compare(wanted, held, node_facts(seen), release=release, status=status)
