"""Network volumes on a node, for the checks on in-kernel clients under socket load balancing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from tui.checks.view import NodeView
from tui.cilium.config import find_flag
from tui.model.findings import AffectedObject, Evidence, MissingEvidence, ProofKind
from tui.model.services import Service
from tui.model.workloads import MountFailure, NetworkVolume, VolumeKind, VolumeUse
from tui.safety import CleanText, clean

_LONGHORN = "driver.longhorn.io"
_NAMED_VOLUME = re.compile(r'for volume "([^"]+)"')
_FORCING_MODES = frozenset({"strict", "true", "probe"})
"""kube-proxy-replacement modes that switch socket load balancing on whatever its own key says
(`initKubeProxyReplacementOptions`, daemon/cmd/kube_proxy_replacement.go)."""


@dataclass(frozen=True, slots=True)
class UsedVolume:
    """A network volume in use on a node, with the Services that its servers stand for."""

    use: VolumeUse
    volume: NetworkVolume
    services: tuple[Service, ...] = ()
    """Those that socket load balancing translates."""
    is_resolved: bool = True
    """Whether it is known which servers it has, and which Services there are."""

    @property
    def affected(self) -> AffectedObject:
        """The volume as an object of a finding."""
        behind = ", ".join(str(one.name) for one in self.services)
        servers = ", ".join(self.volume.servers) or "server not known"
        detail = f"{self.volume.kind} {servers}"
        detail += f" = Service {behind}" if behind else ""
        detail += f", pod {self.use.pod}" if self.use.pod else ""
        namespace, slash, rest = self.volume.key.partition("/")
        if slash:
            name = rest.partition("/")[0]
            return AffectedObject("Pod", clean(name), clean(namespace), clean(detail, 300))
        return AffectedObject("PersistentVolume", clean(self.volume.key), detail=clean(detail, 300))

    def evidence(self, view: NodeView) -> Evidence:
        """Return the use as evidence, with the Service behind its servers."""
        found = self.affected
        key = f"{found.kind}/{found.namespace}/{found.name}"
        workloads = view.cluster.facts.workloads
        return view.cluster.evidence(workloads, f"{found}: {found.detail}", ProofKind.OBJECT, key)


def is_translated(service: Service | None) -> bool:
    """Tell whether socket load balancing rewrites connections to a Service.

    A headless Service's name stands for its pods, and an ExternalName's for another host.
    """
    return service is not None and not service.is_headless and service.type != "ExternalName"


def used_volumes(view: NodeView, kinds: Collection[VolumeKind]) -> list[UsedVolume]:
    """Return the network volumes of some kinds in use on the node."""
    return [
        _resolved(view, use, volume)
        for use, volume in view.cluster.volumes_on(view.name)
        if volume.kind in kinds
    ]


def _resolved(view: NodeView, use: VolumeUse, volume: NetworkVolume) -> UsedVolume:
    cluster = view.cluster
    hosts: tuple[str, ...] = volume.servers
    if not hosts and volume.driver == _LONGHORN:
        # The share manager's Service of an RWX volume carries the volume's name.
        share = f"{volume.key}.longhorn-system.svc"
        hosts = (share,) if cluster.service_of_host(share) else ()
    found = (cluster.service_of_host(host) for host in hosts)
    services = tuple({one.name: one for one in found if one and is_translated(one)}.values())
    is_resolved = bool(hosts) and cluster.facts.services.value is not None
    return UsedVolume(use, volume, services, is_resolved)


def has_socket_lb(view: NodeView) -> bool | None:
    """Tell whether socket load balancing covers the host; with hostns-only it does, too.

    None where nothing tells.
    """
    if view.kpr is not None and view.kpr.socket_lb is not None:
        return view.kpr.socket_lb
    config = view.facts.config.value
    running = None if config is None else find_flag(config, "bpf-lb-sock")
    if running is not None:
        return running
    mode = view.setting("kube-proxy-replacement")
    if mode is not None and mode.value.strip().lower() in _FORCING_MODES:
        return True
    options = ("bpf-lb-sock", "enable-host-reachable-services")
    held = [flag for flag in map(view.flag, options) if flag is not None]
    if held:
        return any(held)
    return False if mode is not None else None


def missing_socket_lb(view: NodeView) -> MissingEvidence:
    """Return how to learn whether socket load balancing is on."""
    what = CleanText("whether socket load balancing is on")
    return MissingEvidence(what, view.command(f"{view.binary} status --verbose"))


def missing_volumes(view: NodeView) -> Iterator[MissingEvidence]:
    """Yield what is not known of the volumes of this cluster, and how to get it."""
    facts = view.cluster.facts
    if facts.workloads.value is None:
        how = "kubectl auth can-i list pods -A; then ciltop again"
        yield view.missing(facts.workloads, "the pods and the volumes they use", how)
    if facts.volumes_reason:
        how = "kubectl auth can-i list persistentvolumes; kubectl get persistentvolumes -o wide"
        what = f"PersistentVolumes or their attachments ({facts.volumes_reason})"
        yield MissingEvidence(clean(what, 400), CleanText(how))


def missing_services(view: NodeView) -> MissingEvidence:
    """Return how to learn whether a server is a Service of this cluster."""
    how = "kubectl auth can-i list services -A; kubectl get services -A -o wide"
    return view.missing(view.cluster.facts.services, "which addresses are Services", how)


def missing_server(used: UsedVolume) -> MissingEvidence:
    """Return how to learn the servers of a volume that the API does not tell."""
    reason = f" ({used.volume.reason})" if used.volume.reason else ""
    what = f"the servers of {used.affected}{reason}"
    how = f"kubectl get persistentvolume {used.volume.key} -o yaml, and its driver's ConfigMap"
    return MissingEvidence(clean(what, 400), clean(how, 400))


def mount_failures(
    view: NodeView, volumes: Iterable[UsedVolume], words: Collection[str]
) -> list[MountFailure]:
    """Return the node's FailedMount events that are about some volumes.

    Args:
        view: the node.
        volumes: the volumes in question.
        words: lower-case words in a message that name their kind, such as `ceph`.
    """
    of_pod: dict[str, list[UsedVolume]] = {}
    for one in volumes:
        if one.use.pod:
            of_pod.setdefault(one.use.pod, []).append(one)
    if not of_pod:
        return []
    events = [
        event
        for event in view.cluster.facts.mount_failures.value or ()
        if event.pod in of_pod and event.node_name in ("", view.name)
    ]
    blamed: dict[str, set[str]] = {}
    for event in events:
        blamed.setdefault(event.pod, set()).update(_NAMED_VOLUME.findall(event.message))
    return [event for event in events if _is_about(event, of_pod[event.pod], blamed, words)]


def _is_about(
    event: MountFailure,
    volumes: list[UsedVolume],
    blamed: dict[str, set[str]],
    words: Collection[str],
) -> bool:
    names = {name for one in volumes for name in (one.volume.key, one.volume.key.split("/")[-1])}
    named = set(_NAMED_VOLUME.findall(event.message))
    if named:
        return bool(named & names)
    servers = [server for one in volumes for server in one.volume.servers if server]
    message = event.message.lower()
    if any(word in message for word in (*words, *names, *servers)):
        return True
    # "Unable to attach or mount volumes: … timed out" names none: another one may be the cause.
    return "mount volumes" in message and not blamed[event.pod] - names


def failure_evidence(view: NodeView, failures: Iterable[MountFailure]) -> Iterator[Evidence]:
    """Yield FailedMount events as evidence."""
    source = "kubectl get events -A --field-selector reason=FailedMount"
    for one in list(failures)[:5]:
        text = f"FailedMount ×{one.count} {one.pod}: {one.message}"
        yield view.fact(text, source, one.last_at, ProofKind.OBJECT, f"Pod/{one.pod}")


def host_fact(view: NodeView, text: str, source: str) -> Evidence:
    """Return a fact of the host's in-kernel clients as evidence."""
    origin = view.facts.host.origin
    at = view.host.read_at.get("clients", None if origin is None else origin.observed_at)
    return view.fact(text, source, at)
