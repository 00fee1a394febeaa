"""Sift pods, page by page, for what a limitation of Cilium can hurt; all others are forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tui.cluster.objects import shared_text
from tui.cluster.workload_kinds import ContainerPort, PodVolume, WorkloadPod, WorkloadPodSpec
from tui.collect.volume_book import inline_volume
from tui.model.names import NodeName
from tui.model.workloads import FastOpenPod, HostPort, NetworkVolume, VolumeUse
from tui.safety import CleanText, clean

FAST_OPEN = "net.ipv4.tcp_fastopen"
_HASH_LABEL = "pod-template-hash"
_HASH = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{5,10}$")
"""SafeEncodeString of k8s.io/apimachinery leaves vowels and look-alikes out."""

ClaimKey = tuple[str, str]
"""Namespace and name of a PersistentVolumeClaim."""


@dataclass(slots=True)
class PodFindings:
    """What the pods seen so far bring."""

    pods_total: int = 0
    host_ports: list[HostPort] = field(default_factory=list)
    inline_volumes: list[NetworkVolume] = field(default_factory=list)
    uses: list[VolumeUse] = field(default_factory=list)
    """Of volumes written into pods."""
    claims: dict[ClaimKey, list[VolumeUse]] = field(default_factory=dict)
    """Uses by claim; which volume that is, and whether it matters, is not known yet."""
    fast_open_pods: list[FastOpenPod] = field(default_factory=list)

    def take(self, pod: WorkloadPod) -> None:
        """Take in a pod; one that is finished or on no node yet holds nothing."""
        if pod.is_finished:
            return
        self.pods_total += 1
        spec = pod.spec
        if spec is None or not spec.node_name:
            return
        if not spec.host_network:
            self.host_ports.extend(_host_ports(pod, spec))
        if spec.volumes:
            self._take_volumes(pod, spec.node_name, spec.volumes)
        if spec.security_context is not None and spec.security_context.sysctls:
            self.fast_open_pods.extend(_fast_open(pod, spec))

    def _take_volumes(self, pod: WorkloadPod, node: str, volumes: list[PodVolume]) -> None:
        for volume in volumes:
            claim = _claim_of(pod, volume)
            if claim:
                use = VolumeUse("", _node(node), _pod_name(pod))
                self.claims.setdefault((pod.metadata.namespace, claim), []).append(use)
                continue
            found = inline_volume(_pod_name(pod), volume)
            if found is not None:
                self.inline_volumes.append(found)
                self.uses.append(VolumeUse(found.key, _node(node), _pod_name(pod)))


def workload_of(pod: WorkloadPod) -> CleanText:
    """Return the pod's owner as `Kind/name`; a ReplicaSet's Deployment where its name tells."""
    owner = pod.controller
    if owner is None:
        return CleanText("")
    if owner.kind != "ReplicaSet":
        return shared_text(f"{owner.kind}/{owner.name}")
    template_hash = (pod.metadata.labels or {}).get(_HASH_LABEL, "")
    if template_hash and owner.name.endswith(f"-{template_hash}"):
        return shared_text(f"Deployment/{owner.name.removesuffix(f'-{template_hash}')}")
    name = _HASH.sub("", owner.name)
    kind = "ReplicaSet" if name == owner.name else "Deployment"
    return shared_text(f"{kind}/{name}")


def _host_ports(pod: WorkloadPod, spec: WorkloadPodSpec) -> Iterator[HostPort]:
    for container in (*(spec.init_containers or ()), *(spec.containers or ())):
        for port in container.ports or ():
            if port.host_port > 0:
                yield _host_port(pod, spec.node_name or "", port)


def _host_port(pod: WorkloadPod, node: str, port: ContainerPort) -> HostPort:
    return HostPort(
        pod=_pod_name(pod),
        node_name=_node(node),
        port=port.host_port,
        protocol=shared_text(port.protocol or "TCP"),
        host_ip=shared_text(port.host_ip or ""),
        workload=workload_of(pod),
    )


def _fast_open(pod: WorkloadPod, spec: WorkloadPodSpec) -> Iterator[FastOpenPod]:
    security = spec.security_context
    for sysctl in (security.sysctls if security is not None else None) or ():
        if sysctl.name.replace("/", ".") == FAST_OPEN:
            labels = pod.metadata.labels or {}
            yield FastOpenPod(
                _pod_name(pod),
                _node(spec.node_name or ""),
                clean(sysctl.value),
                tuple(sorted((shared_text(k), shared_text(v)) for k, v in labels.items())),
            )


def _claim_of(pod: WorkloadPod, volume: PodVolume) -> str:
    if volume.persistent_volume_claim is not None:
        return volume.persistent_volume_claim.claim_name
    return f"{pod.metadata.name}-{volume.name}" if volume.ephemeral is not None else ""


def _pod_name(pod: WorkloadPod) -> CleanText:
    return clean(f"{pod.metadata.namespace}/{pod.metadata.name}")


def _node(name: str) -> NodeName:
    return NodeName(shared_text(name))
