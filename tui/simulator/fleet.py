"""The simulated fleet: nodes, their agents, and what both answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import time

from tui.cilium.probes import parse_argv
from tui.simulator import seeding, seedpods
from tui.simulator.agents.answer import Context
from tui.simulator.agents.commands import run_command
from tui.simulator.agents.probes import answer_probes
from tui.simulator.building import AgentBuilder, WantedServices, make_nodes, seed_services
from tui.simulator.logs import LogLine
from tui.simulator.model import Occupancy, SimNode
from tui.simulator.nodeconfigs import overrides_at_start
from tui.simulator.objects import KubeObject, ObjectReaderWriter
from tui.simulator.restarts import Restarter
from tui.simulator.running import Happenings
from tui.simulator.scenario_table import SCENARIOS
from tui.simulator.scenarios import Quirk, QuirkKind, Scenario
from tui.simulator.scenehosts import furnish_hosts

__all__ = ["SCENARIOS", "CommandResult", "Fleet", "LogLine"]


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command in a simulated container printed, and how long it takes."""

    stdout: bytes
    stderr: bytes
    exit_code: int
    seconds: float


class ContainerNotFoundError(LookupError):
    """The container does not run now, or there is none of this name."""


class Fleet:
    """All nodes of one scenario; `advance` lets their time run on."""

    def __init__(
        self,
        scenario: Scenario,
        node_count: int = 0,
        seed: int = 1,
        clock: Callable[[], float] = time,
    ) -> None:
        self.scenario = scenario
        self._clock = clock
        self._started_at = now = clock()
        self.nodes = make_nodes(scenario, node_count or scenario.node_count, seed, now)
        self._factory, self._service_objects = seed_services(scenario, self.nodes, now)
        self.wanted = WantedServices(scenario.fill_order)
        self.wanted.update(
            (found for found in self._service_objects if found["kind"] == "Service"),
            (found for found in self._service_objects if found["kind"] == "EndpointSlice"),
        )
        builder = AgentBuilder(scenario, self.wanted, seed, now)
        members: dict[str, list[SimNode]] = {}
        for node in self.nodes:
            members.setdefault(node.group, []).append(node)
        for node in self.nodes:
            builder.start(node, overrides_at_start(scenario, node, members[node.group]))
        furnish_hosts(scenario, self.nodes, self._factory)
        self._pods = {node.pod_name: node for node in self.nodes}
        self._occupancy = Occupancy(len(self.nodes))
        self._restarter = Restarter(scenario, self.wanted, builder.start_messages)
        self._happenings = Happenings(self, self._factory, seed, now)

    @property
    def kubernetes_version(self) -> str:
        """What the API server claims to be."""
        return self.scenario.kubernetes_version

    @property
    def faults(self) -> Mapping[str, object]:
        """What the API server should do wrong, with nodes by their names."""
        found = dict(self.scenario.faults)
        slow = found.get("slow_nodes")
        if isinstance(slow, dict):
            found["slow_nodes"] = {self._name_at(place): delay for place, delay in slow.items()}
        denied = found.get("denied_exec_nodes")
        if isinstance(denied, list):
            found["denied_exec_nodes"] = [self._name_at(place) for place in denied]
        return found

    @property
    def restarter(self) -> Restarter:
        """What starts agents and makes their logs."""
        return self._restarter

    def seed_objects(self) -> list[KubeObject]:
        """Return all objects that exist at the start, each with its kind and apiVersion."""
        return list(seeding.cluster_objects(self.scenario, self.nodes, self._started_at)) + list(
            self._service_objects
        )

    def attach(self, objects: ObjectReaderWriter) -> None:
        """Give the agents the API server they read their configuration from."""
        self._happenings.attach(objects)
        self._restarter.objects = objects

    def node_of_pod(self, pod_name: str) -> SimNode | None:
        """Return the node whose agent runs in this pod."""
        return self._pods.get(pod_name)

    def node(self, name: str) -> SimNode:
        """Return a node by its name."""
        return next(node for node in self.nodes if node.name == name)

    def exec(
        self, pod_name: str, container: str, argv: Sequence[str], stdin: bytes
    ) -> CommandResult:
        """Run a command in a container of the model; no program of this machine is started.

        Raises:
            ContainerNotFoundError: there is no such container, or it does not run now.
        """
        node = self._container(pod_name, container)
        agent = node.agent
        if agent is None or node.is_looping:
            raise ContainerNotFoundError(f'container not found ("{container}")')
        now = self._clock()
        if node.quirk(QuirkKind.EXEC_BROKEN):
            text = b"OCI runtime exec failed: exec failed: unable to start container process\n"
            return CommandResult(b"", text, 126, 0.2)
        context = Context(self._occupancy, self.kubernetes_version, now)
        asked = parse_argv(argv)
        if asked and not node.quirk(QuirkKind.NO_SHELL):
            stdout, stderr, seconds = answer_probes(node, agent, context, *asked)
            return CommandResult(stdout, stderr, 0, seconds)
        answer = run_command(node, agent, context, list(argv))
        return CommandResult(answer.stdout, answer.stderr, answer.exit_code, answer.seconds)

    def log(self, pod_name: str, container: str, previous: bool) -> Sequence[LogLine]:
        """Return all lines so far; it grows.

        Raises:
            ContainerNotFoundError: there is no such container, or no previous one.
        """
        node = self._container(pod_name, container)
        log = self._restarter.ensure_log(node, self._clock())
        if not previous:
            return log
        if node.previous_log is None:
            text = f'previous terminated container "{container}" in pod "{pod_name}" not found'
            raise ContainerNotFoundError(text)
        return node.previous_log

    def advance(self, now: float) -> None:
        """Let the time of the model run on to this moment."""
        self._happenings.advance(now)

    def misbehave(self, node_name: str, kind: str, values: Mapping[str, float], text: str) -> None:
        """Let something be wrong with a node from now on; see `QuirkKind` for the values.

        Raises:
            LookupError: there is no such node.
            ValueError: there is no such thing to be wrong.
        """
        node = self._node_called(node_name)
        quirk = Quirk(QuirkKind(kind), node.group, values=dict(values), text=text)
        node.quirks = (*(one for one in node.quirks if one.kind is not quirk.kind), quirk)

    def cure(self, node_name: str, kind: str) -> None:
        """Let that no longer be wrong with the node; what its agent does now stays.

        Raises:
            LookupError: there is no such node.
        """
        node = self._node_called(node_name)
        node.quirks = tuple(one for one in node.quirks if one.kind.value != kind)

    def replace_pod(self, old_pod: KubeObject) -> KubeObject:
        """Start a new agent on the node of a deleted pod and return its pod.

        The pod is running and not yet ready; `advance` writes it again when its agent is.
        """
        name = old_pod["metadata"]["name"]
        node = self._pods.pop(name, None)
        if node is None:
            node = self.node(old_pod["spec"]["nodeName"])
        pod = self._restarter.replace(node, self._clock())
        self._pods[node.pod_name] = node
        return pod

    def _node_called(self, name: str) -> SimNode:
        found = next((node for node in self.nodes if node.name == name), None)
        if found is None:
            raise LookupError(f"no such node: {name}")
        return found

    def _container(self, pod_name: str, container: str) -> SimNode:
        node = self._pods.get(pod_name)
        if node is None or container not in {"", seedpods.AGENT}:
            raise ContainerNotFoundError(f'container not found ("{container}")')
        return node

    def _name_at(self, place: object) -> str:
        group, _, offset = str(place).partition("/")
        members = [node.name for node in self.nodes if node.group == group]
        return members[int(offset) % len(members)] if members else str(place)
