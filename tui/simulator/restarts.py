"""Starting agents: new container, configuration read anew, maps kept or made anew, new log."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tui.simulator import noise, seedpods
from tui.simulator.agents.failures import crash_message, failure_message, fatal_message
from tui.simulator.agents.releases import AgentRelease, release_of
from tui.simulator.building import BOOT_SECONDS, WantedServices, pod_name
from tui.simulator.config import CONFIG_MAP, RunningConfig, balancer_sizes, read_config
from tui.simulator.configsources import builder_of
from tui.simulator.loadbalancer import LoadBalancer, MapSizes
from tui.simulator.logs import (
    AgentLog,
    LogLine,
    Message,
    StartLine,
    lines_before_checks,
    render,
    start_lines,
    without_bpffs,
)
from tui.simulator.model import (
    Agent,
    SharedMaps,
    SimNode,
    container_id_from,
    count_problem,
    write_log,
)
from tui.simulator.objects import KubeObject, ObjectReaderWriter
from tui.simulator.scenarios import QuirkKind, Scenario

FATAL_AFTER_SECONDS = 0.05
UNHEALTHY_SECONDS = 30.0
"""The period of the agents' probes."""
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
        self.hung: dict[str, SimNode] = {}
        """Nodes whose agent never gets ready, by name."""

    def ensure_log(self, node: SimNode, now: float) -> AgentLog:
        """Return the agent's log, with what was written before anybody looked."""
        agent = node.agent
        if agent is None:
            return AgentLog(now, (), {})
        if agent.log is None:
            agent.log = self._new_log(node, agent)
            counted = dict(agent.problems)
            fatal = _fatal(node, agent.release, agent.config)
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
        self.start(node, release, now, template)
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
        self.start(node, old.release, now)
        node.previous_log = log
        node.restarts += 1
        self.write_pod(node, now, seedpods.terminated(old, now, exit_code))

    def start(
        self, node: SimNode, release: AgentRelease, now: float, template: KubeObject | None = None
    ) -> None:
        """Let a new container read the configuration and take over, or remake, the maps.

        Without a template it is a container of the same pod.
        """
        config = self._config(node, release, template)
        if config is None:
            return
        sizes = balancer_sizes(release, config)
        maps = self._maps(release, sizes, node.agent)
        if node.quirk(QuirkKind.BPFFS_UNMOUNTED) or self._is_cleaned(template):
            maps = SharedMaps(LoadBalancer(release, *sizes), self._count)
        node.agent = agent = Agent(
            release=release,
            config=config,
            container_id=container_id_from(f"{node.name}/{self._count}/{now}"),
            started_at=now,
            ready_at=now + BOOT_SECONDS,
            maps=maps,
        )
        node.quirks = tuple(quirk for quirk in node.quirks if quirk.kind.value not in _CURED)
        node.is_looping = False
        self.looping.pop(node.name, None)
        self.hung.pop(node.name, None)
        agent.log = self._new_log(node, agent)
        fatal = _fatal(node, release, config)
        if node.quirk(QuirkKind.NEVER_READY):
            self._hang(node, agent, now)
        elif fatal:
            agent.ready_at = float("inf")
            self._crash(node, agent, fatal)
            node.is_looping = True
            self.looping[node.name] = node
            node.next_flip_at = now + min(300.0, 10.0 * 2 ** min(node.restarts, 5))
        else:
            self.starting.append(node)

    def _config(
        self, node: SimNode, release: AgentRelease, template: KubeObject | None
    ) -> RunningConfig | None:
        """Return what a new container reads.

        What an init container merged stays for all containers of its pod; a mounted ConfigMap, as
        up to 1.12, is read anew.
        """
        old = node.agent.config if node.agent else None
        if self.objects is None or (template is None and release.has_node_config and old):
            return old
        builder = builder_of(template) if template else None
        labels, extra = self._labels(node), dict(node.extra_config)
        return read_config(release, self.objects, seedpods.NAMESPACE, labels, extra, builder)

    def _is_cleaned(self, template: KubeObject | None) -> bool:
        """Tell whether the init container of a new pod removes the maps."""
        if self.objects is None or template is None:
            return False
        found = self.objects.get("configmaps", seedpods.NAMESPACE, CONFIG_MAP) or {}
        return seedpods.cleans_state(template, found.get("data") or {})

    def _labels(self, node: SimNode) -> Mapping[str, str]:
        """Return the node's labels as they are now."""
        found = self.objects.get("nodes", None, node.name) if self.objects else None
        return (found["metadata"].get("labels") or {}) if found else node.labels

    def _hang(self, node: SimNode, agent: Agent, now: float) -> None:
        """Let the agent say its name and then nothing more; some quirks hit few starts only."""
        agent.ready_at = math.inf
        if agent.log is not None:
            agent.log.cut(lines_before_checks(_start_lines(node, agent)))
        self.hung[node.name] = node
        node.next_flip_at = now + UNHEALTHY_SECONDS
        quirk = node.quirk(QuirkKind.NEVER_READY)
        left = quirk.values.get("starts", 0) - 1 if quirk else 0
        if quirk and left >= 0:
            others = tuple(one for one in node.quirks if one is not quirk)
            again = (replace(quirk, values={"starts": left}),) if left else ()
            node.quirks = others + again

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

    def _maps(self, release: AgentRelease, sizes: MapSizes, old: Agent | None) -> SharedMaps:
        if old is None:
            return SharedMaps(LoadBalancer(release, *sizes), self._count)
        balancer = old.maps.balancer
        is_same = release is old.release and sizes == balancer.sizes
        if is_same and not balancer.failures and not balancer.leaked:
            return old.maps
        key = (release.text, sizes, id(balancer), balancer.version, self._wanted.version)
        if key not in self._fresh:
            if len(self._fresh) > 64:
                self._fresh.clear()
            fresh = balancer.restarted(sizes)
            if release is not old.release:
                fresh = LoadBalancer(release, *sizes)
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
        return AgentLog(agent.started_at, _start_lines(node, agent), words)

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
        moment = agent.log.cut(lines_before_checks(_start_lines(node, agent))) + FATAL_AFTER_SECONDS
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


def _start_lines(node: SimNode, agent: Agent) -> Sequence[StartLine]:
    lines = start_lines(agent.release, agent.config)
    if node.quirk(QuirkKind.BPFFS_UNMOUNTED):
        return without_bpffs(agent.release, lines)
    return lines


def _fatal(node: SimNode, release: AgentRelease, config: RunningConfig) -> Message | None:
    """Return why the node's agent can't start, or None."""
    quirk = node.quirk(QuirkKind.CRASH_ON)
    if quirk is not None:
        key, _, value = quirk.text.partition("=")
        if config.get(key, "false") == value:
            return crash_message(release, key)
    return fatal_message(release, config)


_CURED = frozenset({"agent-down", "shrunk", "exec-broken", "controller-failing", "stale-services"})
"""What a restart of the agent ends."""


def dice_for(seed: int, bucket: int) -> random.Random:
    """Return the dice of one second, so that a run does not depend on how it is stepped."""
    return random.Random(seed * 1_000_003 + bucket)  # noqa: S311  which node logs what
