"""Pods, volumes and Endpoints, as far as a limitation of Cilium can hurt them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tui.model.names import NodeName
from tui.safety import CleanText

_EMPTY = CleanText("")


@dataclass(frozen=True, slots=True)
class HostPort:
    """A hostPort of a pod that is not on the host's network and not finished."""

    pod: CleanText
    """`namespace/name`."""
    node_name: NodeName
    port: int
    protocol: str = "TCP"
    host_ip: str = ""
    workload: CleanText = _EMPTY
    """The pod's owner, `Kind/name`; a ReplicaSet's Deployment where its name tells."""


class VolumeKind(StrEnum):
    """Which client in the kernel mounts it."""

    NFS = "NFS"
    SMB = "SMB"
    RBD = "RBD"
    CEPHFS = "CephFS"


@dataclass(frozen=True, slots=True)
class NetworkVolume:
    """A volume that a client in the node's kernel mounts over the network."""

    key: str
    """The PersistentVolume's name, or `namespace/pod/volume` for one written into a pod."""
    kind: VolumeKind
    servers: tuple[CleanText, ...] = ()
    """NFS or SMB server, or Ceph monitors: addresses or DNS names, without the port."""
    driver: CleanText = _EMPTY
    """The CSI driver's name; empty for an in-tree volume."""
    claim: CleanText = _EMPTY
    """`namespace/name` of the PersistentVolumeClaim."""
    reason: CleanText = _EMPTY
    """Why `servers` is not known, such as a ConfigMap of the driver that can't be read."""


@dataclass(frozen=True, slots=True)
class VolumeUse:
    """A pod on a node that has such a volume mounted, or a volume attached to a node."""

    volume: str
    """`NetworkVolume.key`."""
    node_name: NodeName
    pod: CleanText = _EMPTY
    """`namespace/name`; empty where only the attachment is known."""


@dataclass(frozen=True, slots=True)
class MountFailure:
    """A FailedMount event of a pod."""

    pod: CleanText
    node_name: NodeName
    message: CleanText
    count: int = 1
    last_at: float | None = None


@dataclass(frozen=True, slots=True)
class UnmirroredEndpoints:
    """Endpoints of a selector-less Service that no EndpointSlice mirrors."""

    service: CleanText
    """`namespace/name`."""
    addresses: int
    """Ready addresses over all subsets."""
    largest_subset: int = 0
    """Addresses of the largest subset: more than 1,000 are not mirrored."""
    is_skipped: bool = False
    """Whether the label `endpointslice.kubernetes.io/skip-mirror` is `true`."""
    is_leader_lock: bool = False
    """Whether it carries the leader-election annotation."""
    manager: CleanText = _EMPTY
    """Who wrote it last (managedFields)."""


@dataclass(frozen=True, slots=True)
class FastOpenPod:
    """A pod that sets `net.ipv4.tcp_fastopen` for its own network namespace."""

    pod: CleanText
    node_name: NodeName
    value: CleanText
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Workloads:
    """What the cluster runs that a limitation could hurt; read a few times an hour."""

    host_ports: tuple[HostPort, ...] = ()
    volumes: tuple[NetworkVolume, ...] = ()
    volume_uses: tuple[VolumeUse, ...] = ()
    fast_open_pods: tuple[FastOpenPod, ...] = ()
    pods_total: int = 0
