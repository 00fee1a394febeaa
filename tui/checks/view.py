"""What checks look at: the facts of one node or of the cluster, with the questions all ask of them.

A view is made for one judgement and thrown away; it works out each answer once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import TypeVar

from tui.cilium.config import find_flag, find_value, with_mode
from tui.cilium.kernelreleases import KernelRelease, parse_kernel_release
from tui.cilium.nextstart import next_start
from tui.cilium.releases import Release, agent_binary, parse_release, release_of_image
from tui.model.agent import KubeProxyReplacement
from tui.model.cluster import ClusterFacts
from tui.model.features import Feature, FeatureState
from tui.model.findings import Evidence, FindingSeverity, MissingEvidence, ProofKind, Verdict
from tui.model.host import HostFacts
from tui.model.logs import LogEntry
from tui.model.maps import MapUsage
from tui.model.names import NodeName
from tui.model.nextstart import NextStart
from tui.model.reading import Origin, Reading
from tui.model.services import Service
from tui.model.snapshot import NodeFacts
from tui.model.workloads import HostPort, NetworkVolume, UnmirroredEndpoints, VolumeUse
from tui.safety import CleanText, clean

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """A configuration value with the layer it was found in."""

    value: CleanText
    source: CleanText
    """The command or the API path that says so."""
    at: float | None
    is_effective: bool
    """Whether the running agent says so; else it is what the ConfigMap holds."""


class ClusterView:
    """The facts of the cluster, indexed once for the judgements of all its nodes."""

    def __init__(self, facts: ClusterFacts, now: float) -> None:
        self.facts = facts
        self.now = now

    @cached_property
    def services(self) -> Mapping[str, Service]:
        """All Services by `namespace/name`; empty where they can't be read."""
        return {str(one.name): one for one in self.facts.services.value or ()}

    @cached_property
    def balanced_services(self) -> Mapping[str, tuple[Service, ...]]:
        """Services that are load-balanced, headless ones left out, by their ports' protocols."""
        found: dict[str, dict[str, Service]] = {}
        for one in self.services.values():
            for port in () if one.is_headless else one.ports:
                found.setdefault(port.protocol.upper(), {})[one.name] = one
        return {protocol: tuple(named.values()) for protocol, named in found.items()}

    @cached_property
    def service_of_ip(self) -> Mapping[str, Service]:
        """Services by their cluster IPs."""
        return {ip: one for one in self.services.values() for ip in one.cluster_ips}

    @cached_property
    def service_of_frontend(self) -> Mapping[str, Service]:
        """Services by every address that load balancing translates, node addresses aside."""
        found = {frontend.ip: one for one in self.services.values() for frontend in one.frontends}
        for one in self.services.values():
            found.update(dict.fromkeys(one.external_ips, one))
        return found | dict(self.service_of_ip)

    @cached_property
    def exposed_by_backend(self) -> Mapping[str, tuple[Service, ...]]:
        """Services that are reached from outside, by the IPs of their backends."""
        found: dict[str, dict[str, Service]] = {}
        for one in self.external_services:
            for address in one.backends:
                found.setdefault(address.ip, {})[one.name] = one
        return {ip: tuple(named.values()) for ip, named in found.items()}

    @cached_property
    def service_of_backend(self) -> Mapping[str, Service]:
        """A Service by the IP of a backend of it."""
        return {address.ip: one for one in self.services.values() for address in one.backends}

    @cached_property
    def node_ports(self) -> list[tuple[int, CleanText]]:
        """All NodePorts with their Services' names, lowest first."""
        return sorted(
            (port.node_port, one.name)
            for one in self.services.values()
            for port in one.ports
            if port.node_port
        )

    def node_ports_outside(self, low: int, high: int) -> list[tuple[int, CleanText]]:
        """Return the NodePorts below or above a range, lowest first."""
        ports = self.node_ports
        below = bisect_left(ports, low, key=itemgetter(0))
        above = bisect_right(ports, high, key=itemgetter(0))
        return ports[:below] + ports[above:]

    @cached_property
    def volumes(self) -> Mapping[str, NetworkVolume]:
        """Network volumes by their key."""
        workloads = self.facts.workloads.value
        return {} if workloads is None else {one.key: one for one in workloads.volumes}

    @cached_property
    def _host_ports(self) -> Mapping[NodeName, list[HostPort]]:
        workloads = self.facts.workloads.value
        found: dict[NodeName, list[HostPort]] = {}
        for one in () if workloads is None else workloads.host_ports:
            found.setdefault(one.node_name, []).append(one)
        return found

    @cached_property
    def _volume_uses(self) -> Mapping[NodeName, list[VolumeUse]]:
        workloads = self.facts.workloads.value
        found: dict[NodeName, list[VolumeUse]] = {}
        for one in () if workloads is None else workloads.volume_uses:
            found.setdefault(one.node_name, []).append(one)
        return found

    @cached_property
    def exposed_services(self) -> list[Service]:
        """Services with a port on the nodes' own addresses: NodePort and LoadBalancer."""
        return [one for one in self.services.values() if one.type in ("NodePort", "LoadBalancer")]

    @cached_property
    def unmirrored(self) -> list[tuple[UnmirroredEndpoints, Service]]:
        """Endpoints with addresses that no slice mirrors, with the Services that need them."""
        found = []
        for endpoints in self.facts.unmirrored.value or ():
            service = self.services.get(str(endpoints.service))
            if service is None or service.has_selector or service.is_headless:
                continue
            if endpoints.addresses > 0 and service.type != "ExternalName":
                found.append((endpoints, service))
        return found

    def host_ports_on(self, node: NodeName) -> list[HostPort]:
        """Return the hostPorts of the pods on a node."""
        return self._host_ports.get(node, [])

    def volumes_on(self, node: NodeName) -> list[tuple[VolumeUse, NetworkVolume]]:
        """Return the network volumes in use on a node."""
        uses = self._volume_uses.get(node, [])
        return [(use, self.volumes[use.volume]) for use in uses if use.volume in self.volumes]

    @cached_property
    def udp_services(self) -> tuple[Service, ...]:
        """Services with a UDP port and an address of their own, the cluster's DNS first."""
        found = [
            one
            for one in self.services.values()
            if one.cluster_ips and any(port.protocol.upper() == "UDP" for port in one.ports)
        ]
        return tuple(sorted(found, key=lambda one: (not one.name.endswith("-dns"), one.name)))

    @cached_property
    def external_services(self) -> tuple[Service, ...]:
        """Services that are reached from outside: NodePort, LoadBalancer, external IPs."""
        return tuple(
            one
            for one in self.services.values()
            if one.type in ("NodePort", "LoadBalancer")
            or one.external_ips
            or any(port.node_port for port in one.ports)
        )

    def service_of_host(self, host: str) -> Service | None:
        """Return the Service that an IP or a cluster DNS name stands for, if any."""
        if host in self.service_of_frontend:
            return self.service_of_frontend[host]
        parts = host.rstrip(".").split(".")
        if len(parts) >= 2 and (len(parts) == 2 or parts[2] == "svc"):
            return self.services.get(f"{parts[1]}/{parts[0]}")
        return None

    def evidence(
        self,
        reading: Reading[T],
        text: str,
        proof: ProofKind = ProofKind.OBJECT,
        key: str = "",
    ) -> Evidence:
        """Return a fact of the cluster as evidence, with the reading's origin."""
        source, at = _origin_of(reading.origin)
        return Evidence(clean(text, 600), source, at=at, proof=proof, key=key)

    def verdict(
        self, check_id: str, severity: FindingSeverity, summary: str, **parts: object
    ) -> Verdict:
        """Return a verdict on the cluster."""
        return Verdict(check_id, severity, clean(summary, 600), **parts)  # type: ignore[arg-type]  # fields of Verdict


class NodeView:
    """The facts of one node."""

    def __init__(self, facts: NodeFacts, cluster: ClusterView) -> None:
        self.facts = facts
        self.cluster = cluster

    @property
    def now(self) -> float:
        """When the snapshot was taken."""
        return self.cluster.now

    @property
    def name(self) -> NodeName:
        """The node's name."""
        return self.facts.node.name

    @cached_property
    def release(self) -> Release | None:
        """The agent's release: as it says, else by its image's tag."""
        version = self.facts.version.value
        found = parse_release(version.release) if version is not None else None
        if found is None and self.facts.agent is not None:
            found = release_of_image(self.facts.agent.image)
        return found

    @cached_property
    def kernel(self) -> KernelRelease | None:
        """The node's kernel release."""
        return parse_kernel_release(self.facts.node.kernel_release)

    @property
    def binary(self) -> str:
        """The agent's command line program."""
        return agent_binary(self.release) if self.release is not None else "cilium-dbg"

    @cached_property
    def kpr(self) -> KubeProxyReplacement | None:
        """The status' kube-proxy-replacement object; None is unknown, not off."""
        status = self.facts.status.value
        return None if status is None else status.kube_proxy_replacement

    @cached_property
    def socket_lb(self) -> bool | None:
        """Whether the socket load balancer is on; None is unknown."""
        if self.kpr is not None and self.kpr.socket_lb is not None:
            return self.kpr.socket_lb
        return self.flag("bpf-lb-sock")

    @cached_property
    def host(self) -> HostFacts:
        """What was read of the host; parts that were not are None."""
        return self.facts.host.value or HostFacts()

    @cached_property
    def next_start(self) -> NextStart:
        """What the agent would read and run if it started now."""
        facts = self.facts
        return next_start(
            facts.node,
            facts.agent,
            with_mode(facts.config.value, self.kpr.mode if self.kpr is not None else ""),
            facts.maps.value or (),
            self.cluster.facts,
        )

    @cached_property
    def features(self) -> Mapping[str, Feature]:
        """Kernel features and flags by key."""
        return {one.key: one for one in self.facts.features.value or ()}

    def feature(self, key: str) -> FeatureState:
        """Return whether a feature is there."""
        found = self.features.get(key)
        return FeatureState.UNKNOWN if found is None else found.state

    @cached_property
    def maps(self) -> Mapping[str, MapUsage]:
        """Map usages by name."""
        return {str(one.name): one for one in self.facts.maps.value or ()}

    @cached_property
    def log(self) -> tuple[LogEntry, ...]:
        """The log's entries without the gaps, oldest first."""
        return tuple(row for row in self.facts.logs if isinstance(row, LogEntry))

    @cached_property
    def explained(self) -> tuple[LogEntry, ...]:
        """The entries that the log catalogue explains, newest first."""
        return tuple(entry for entry in reversed(self.log) if entry.meaning)

    def logged(self, *meanings: str) -> tuple[LogEntry, ...]:
        """Return the entries that the log catalogue explains by one of these ids, newest first."""
        return tuple(entry for entry in self.explained if entry.meaning in meanings)

    def setting(self, option: str) -> Setting | None:
        """Return an option as the agent runs it, else as the ConfigMap holds it.

        None where neither says: then the release's default holds, or nothing is known at all (see
        `knows_config`).
        """
        config = self.facts.config.value
        if config is not None and (value := find_value(config, option)) is not None:
            source, at = _origin_of(self.facts.config.origin)
            return Setting(value, source, at, is_effective=True)
        held = self.cluster.facts.config_map
        if held.value is not None and option in held.value.values:
            source, at = _origin_of(held.origin)
            return Setting(held.value.values[option], source, at, is_effective=False)
        return None

    @property
    def knows_config(self) -> bool:
        """Whether any layer of the configuration was read: only then an absent key is absent."""
        return (
            self.facts.config.value is not None or self.cluster.facts.config_map.value is not None
        )

    def flag(self, option: str) -> bool | None:
        """Return a yes-or-no option, or None where it is not set or not known."""
        config = self.facts.config.value
        if config is not None and (found := find_flag(config, option)) is not None:
            return found
        setting = self.setting(option)
        words = {"true": True, "false": False}
        return None if setting is None else words.get(setting.value.strip().lower())

    def command(self, text: str) -> CleanText:
        """Return a command for the agent's container as a person would type it anywhere."""
        agent = self.facts.agent
        if agent is None or not agent.name:
            return clean(text, 600)
        return clean(
            f"kubectl -n {agent.namespace} exec {agent.name} -c {agent.container} -- {text}", 600
        )

    def evidence(
        self, reading: Reading[T], text: str, proof: ProofKind = ProofKind.AGENT, key: str = ""
    ) -> Evidence:
        """Return a fact of this node as evidence, with the reading's origin or else the Pod's."""
        source, at = _origin_of(reading.origin)
        # Of an agent that has not answered the Pod alone is known, such as its image's tag.
        return self.fact(text, source or "GET /api/v1/pods", at, proof, key)

    def fact(
        self,
        text: str,
        source: str,
        at: float | None = None,
        proof: ProofKind = ProofKind.AGENT,
        key: str = "",
    ) -> Evidence:
        """Return a fact of this node as evidence."""
        node = self.facts.node
        return Evidence(clean(text, 600), clean(source, 300), node.uid, node.name, at, proof, key)

    def log_evidence(self, entry: LogEntry) -> Evidence:
        """Return folded log lines as evidence."""
        line = entry.line
        repeats = f"×{entry.count} " if entry.count > 1 else ""
        error = f": {line.error}" if line.error else ""
        agent = self.facts.agent
        source = f"kubectl logs {agent.name}" if agent is not None and agent.name else "agent log"
        at = entry.last_time or line.time
        text = f"log {repeats}{line.message}{error}"
        return self.fact(text, source, at, ProofKind.LOG, str(entry.sequence))

    def setting_evidence(self, option: str, setting: Setting) -> Evidence:
        """Return a configuration value as evidence."""
        layer = "running" if setting.is_effective else "ConfigMap"
        text = f"{option}={setting.value} ({layer})"
        return self.fact(text, setting.source, setting.at, ProofKind.CONFIG, option)

    def missing(self, reading: Reading[T], what: str, how: str) -> MissingEvidence:
        """Return what a reading does not tell, with its reason, and how to get it."""
        reason = f" ({reading.reason})" if reading.reason else ""
        return MissingEvidence(clean(f"{what}{reason}", 400), clean(how, 400))

    def verdict(
        self, check_id: str, severity: FindingSeverity, summary: str, **parts: object
    ) -> Verdict:
        """Return a verdict on this node; `parts` are the other fields of `Verdict`."""
        node = self.facts.node
        return Verdict(check_id, severity, clean(summary, 600), node.uid, node.name, **parts)  # type: ignore[arg-type]  # fields of Verdict


def _origin_of(origin: Origin | None) -> tuple[CleanText, float | None]:
    return (CleanText(""), None) if origin is None else (origin.source, origin.observed_at)
