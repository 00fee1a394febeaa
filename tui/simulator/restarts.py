"""Starting agents: new container, configuration read anew, maps kept or made anew, new log."""

from __future__ import annotations

import copy
import random

from tui.simulator import noise, seedpods
from tui.simulator.agents.failures import failure_message, fatal_message
from tui.simulator.agents.releases import AgentRelease, release_of
from tui.simulator.bpfmaps import Sizing
from tui.simulator.building import BOOT_SECONDS, WantedServices, pod_name
from tui.simulator.config import read_config
from tui.simulator.loadbalancer import LoadBalancer
from tui.simulator.logs import AgentLog, LogLine, Message, lines_before_checks, render, start_lines
from tui.simulator.model import (
    Agent,
    SharedMaps,
    SimNode,
    container_id_from,
    count_problem,
    write_log,
)
from tui.simulator.objects import KubeObject, ObjectReaderWriter
from tui.simulator.scenarios import Scenario

FATAL_AFTER_SECONDS = 0.05
MAX_HISTORY_LINES = 40
STOPPED_AGO_SECONDS = 1500.0
STOP_LINES: dict[int, tuple[Message, ...]] = {
    11: (
        Message("info", "Exiting due to signal", "daemon", "", (("signal", "terminated"),)),
        Message("info", "Shutting down... ", "daemon"),
        Message("info", "All endpoints' goroutines stopped.", "daemon"),
    ),
    17: (
        Message("info", "Stopping fswatcher", "config-modification-watcher"),
        Message("info", "Datapath signal listener exiting", "signal"),
    ),
    19: (Message("info", "Stopping hive", "unspecified"),),
}
"""What an agent says when it is told to stop."""


class Restarter:
    """Starts agents on nodes and makes their logs when somebody reads them."""

    def __init__(
        self,
        scenario: Scenario,
        wanted: WantedServices,
        start_messages: dict[str, list[Message]],
    ) -> None:
        self.objects: ObjectReaderWriter | None = None
        self._scenario = scenario
        self._wanted = wanted
        self._start_messages = start_messages
        self._fresh: dict[tuple[object, ...], SharedMaps] = {}
        self._count = 0
        self._history_lines = int(min(MAX_HISTORY_LINES, 3 * scenario.noise_lines_per_hour))
        self.starting: list[SimNode] = []
        """Nodes whose agent has not programmed its Services yet."""
        self.looping: dict[str, SimNode] = {}
        """Nodes whose agent crashes again and again, by name."""

    def ensure_log(self, node: SimNode, now: float) -> AgentLog:
        """Return the agent's log, with what was written before anybody looked."""
        agent = node.agent
        if agent is None:
            return AgentLog(now, (), {})
        if agent.log is None:
            agent.log = self._new_log(node, agent)
            counted = dict(agent.problems)
            fatal = fatal_message(agent.release, agent.config)
            if node.is_looping and fatal:
                self._crash(node, agent, fatal)
                node.previous_log = self._previous_crash(node, agent, fatal)
            else:
                self._write_start(node, agent)
                last = now - STOPPED_AGO_SECONDS if agent.is_stopped else now
                noise.history(node, agent, last, self._history_lines)
            # What happened before somebody looked is in the counter already.
            agent.problems = counted
        return agent.log

    def replace(self, node: SimNode, now: float) -> KubeObject:
        """Start a new agent in a new pod; the old container's log goes with its pod."""
        self._count += 1
        daemonset = self._daemonset(node)
        template = daemonset["spec"]["template"]
        release = release_of(template["spec"]["containers"][0]["image"])
        node.extra_config = seedpods.template_flags(template)
        self.start(node, release, now, f"{self._count}/{now}")
        node.restarts = 0
        node.previous_log = None
        node.pod_name = pod_name(node.daemonset, f"{node.name}/{self._count}/{now}")
        return self.pod(node, now, template, self._revision(node, template))

    def restart_container(self, node: SimNode, now: float, exit_code: int) -> None:
        """Start the container of a pod again, as the kubelet does; its log becomes the previous."""
        old = node.agent
        if old is None:
            return
        log = self.ensure_log(node, now)
        if not exit_code:
            for message in STOP_LINES[old.release.minor]:
                write_log(old, now, message)
        self._count += 1
        self.start(node, old.release, now, f"{self._count}/{now}")
        node.previous_log = log
        node.restarts += 1
        self.write_pod(node, now, seedpods.terminated(old, now, exit_code))

    def start(self, node: SimNode, release: AgentRelease, now: float, seed: str) -> None:
        """Let a new container read the configuration and take over, or remake, the maps."""
        old = node.agent
        extra = dict(node.extra_config)
        config = old.config if old else None
        if self.objects is not None:
            config = read_config(release, self.objects, seedpods.NAMESPACE, node.labels, extra)
        if config is None:
            return
        maps = self._maps(release, config.size(Sizing.LOAD_BALANCING), old)
        node.agent = agent = Agent(
            release=release,
            config=config,
            container_id=container_id_from(f"{node.name}/{seed}"),
            started_at=now,
            ready_at=now + BOOT_SECONDS,
            maps=maps,
        )
        node.quirks = tuple(quirk for quirk in node.quirks if quirk.kind.value not in _CURED)
        node.is_looping = False
        self.looping.pop(node.name, None)
        agent.log = self._new_log(node, agent)
        fatal = fatal_message(release, config)
        if fatal:
            agent.ready_at = float("inf")
            self._crash(node, agent, fatal)
            node.is_looping = True
            self.looping[node.name] = node
            node.next_flip_at = now + min(300.0, 10.0 * 2 ** min(node.restarts, 5))
        else:
            self.starting.append(node)

    def finish(self, node: SimNode, now: float) -> None:
        """Let a started agent program its Services and say that it is there."""
        agent = node.agent
        if agent is None:
            return
        failed = agent.maps.balancer.apply(self._wanted.of(agent.release))
        failed = failed or list(agent.maps.balancer.failures.values())
        self._start_messages[node.name] = [
            failure_message(agent.release, failure, node.address) for failure in failed
        ]
        agent.failing_since = agent.ready_at if failed else None
        self._write_start(node, agent)
        self.write_pod(node, now)

    def write_pod(self, node: SimNode, now: float, last_state: KubeObject | None = None) -> None:
        """Write the state of an agent's pod to the API server."""
        if self.objects is None or node.agent is None:
            return
        pod = self.objects.get("pods", seedpods.NAMESPACE, node.pod_name)
        if pod is None:
            return
        kept = pod["status"]["containerStatuses"][0].get("lastState")
        status = seedpods.pod_status(node, node.agent, now, last_state or kept)
        self.objects.apply("pods", {**pod, "status": status})

    def pod(self, node: SimNode, now: float, template: KubeObject, hash_text: str) -> KubeObject:
        """Return the pod of a node's agent."""
        assert node.agent is not None  # noqa: S101  every node that gets a pod has an agent
        status = seedpods.pod_status(node, node.agent, now)
        return seedpods.pod_object(node, node.agent, template, hash_text, status)

    def _maps(self, release: AgentRelease, capacity: int, old: Agent | None) -> SharedMaps:
        if old is None:
            return SharedMaps(LoadBalancer(release, capacity), self._count)
        balancer = old.maps.balancer
        is_same = release is old.release and capacity == balancer.capacity
        if is_same and not balancer.failures and not balancer.leaked:
            return old.maps
        key = (release.text, capacity, id(balancer), balancer.version, self._wanted.version)
        if key not in self._fresh:
            if len(self._fresh) > 64:
                self._fresh.clear()
            fresh = balancer.restarted(capacity)
            if release is not old.release:
                fresh = LoadBalancer(release, capacity)
            generation = old.maps.generation if is_same else self._count
            self._fresh[key] = SharedMaps(fresh, generation)
        return self._fresh[key]

    def _new_log(self, node: SimNode, agent: Agent) -> AgentLog:
        words = {
            "{node}": node.name,
            "{ip}": node.address_text,
            "{router}": node.router_address,
            "{cidr}": node.pod_cidr,
            "{kernel}": ".".join(node.kernel.release.split("-")[0].split("+")[0].split(".")[:3]),
            "{boot}": node.boot_id,
        }
        return AgentLog(agent.started_at, start_lines(agent.release, agent.config), words)

    def _write_start(self, node: SimNode, agent: Agent) -> None:
        """Write what an agent says of its kernel and its Services once it is there."""
        hostns_only = agent.config.is_on("bpf-lb-sock-hostns-only")
        moment = agent.ready_at + 0.2
        for message in noise.kernel_warnings(agent.release, node.kernel, hostns_only):
            write_log(agent, moment, message)
        failed = self._start_messages.pop(node.name, [])
        for number, message in enumerate(failed):
            write_log(agent, moment + 0.3 + 0.6 * number / max(1, len(failed)), message)
        if agent.release.minor >= 15 and not node.kernel.has_inet_diag_destroy:
            write_log(agent, moment + 40, noise.unsupported_termination(agent.release))

    def _crash(self, node: SimNode, agent: Agent, fatal: Message) -> None:
        if agent.log is None:
            return
        lines = start_lines(agent.release, agent.config)
        moment = agent.log.cut(lines_before_checks(lines)) + FATAL_AFTER_SECONDS
        agent.log.append(LogLine(moment, render(agent.release, moment, fatal).encode()))
        count_problem(agent, fatal)

    def _previous_crash(self, node: SimNode, agent: Agent, fatal: Message) -> AgentLog:
        earlier = copy.copy(agent)
        earlier.started_at = agent.started_at - 300
        earlier.log = self._new_log(node, earlier)
        self._crash(node, earlier, fatal)
        return earlier.log

    def _daemonset(self, node: SimNode) -> KubeObject:
        found = None
        if self.objects is not None:
            found = self.objects.get("daemonsets", seedpods.NAMESPACE, node.daemonset)
        return found or seedpods.daemonset_of(self._scenario, node.daemonset, 1, 0.0)[0]

    def _revision(self, node: SimNode, template: KubeObject) -> str:
        """Return the hash of the newest ControllerRevision of the node's DaemonSet."""
        if self.objects is not None:
            revisions = [
                revision
                for revision in self.objects.list("controllerrevisions", seedpods.NAMESPACE)
                if any(
                    owner["name"] == node.daemonset
                    for owner in revision["metadata"].get("ownerReferences") or []
                )
            ]
            if revisions:
                newest = max(revisions, key=lambda found: int(found.get("revision", 0)))
                labels = newest["metadata"].get("labels") or {}
                return str(labels.get("controller-revision-hash", ""))
        return seedpods.revision_hash(template)


_CURED = frozenset({"agent-down", "shrunk", "exec-broken", "controller-failing", "stale-services"})
"""What a restart of the agent ends."""


def dice_for(seed: int, bucket: int) -> random.Random:
    """Return the dice of one second, so that a run does not depend on how it is stepped."""
    return random.Random(seed * 1_000_003 + bucket)  # noqa: S311  which node logs what
