"""Tell which volumes a client in the node's kernel mounts over the network, and from whom."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from tui.cluster.kinds import Entity
from tui.cluster.objects import shared_text
from tui.cluster.workload_kinds import (
    CephVolume,
    CsiVolume,
    NfsVolume,
    PersistentVolume,
    PodVolume,
    VolumeAttachment,
    VolumeSpec,
)
from tui.model.names import NodeName
from tui.model.workloads import NetworkVolume, VolumeKind, VolumeUse
from tui.safety import CleanText, clean

LONGHORN = "driver.longhorn.io"
LONGHORN_NAMESPACE = "longhorn-system"
"""Where Longhorn is installed, unless somebody moved it: its drivers look nowhere else."""
CEPH_CONFIG_MAPS = {
    "ceph-csi-config": "config.json",
    "rook-ceph-csi-config": "csi-cluster-config-json",
}
"""Name and key of what tells a driver the monitors of a clusterID (ceph-csi, Rook)."""
_CEPH_DRIVERS = {"rbd.csi.ceph.com": VolumeKind.RBD, "cephfs.csi.ceph.com": VolumeKind.CEPHFS}
"""By the end of the driver's name; Rook puts its namespace before it."""
_MONITOR = re.compile(r"\[?(?:v[12]:)?(?P<host>\[[^\]]*\]|[^/\]]*)")
_USER_SPACE = {"rbd-nbd", "fuse"}
"""Values of the attribute `mounter` with which nothing in the kernel speaks to Ceph."""


@dataclass(frozen=True, slots=True)
class CephCluster:
    """The Ceph cluster of a volume whose monitors a ConfigMap names."""

    cluster_id: str
    namespaces: tuple[str, ...] = ()
    """Where its driver may run: Rook's prefix of the driver's name, and the secrets' namespace."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What a volume's specification says."""

    kind: VolumeKind
    servers: tuple[CleanText, ...] = ()
    driver: str = ""
    cluster: CephCluster | None = None


@dataclass(slots=True)
class VolumeBook:
    """The network volumes among the PersistentVolumes seen so far."""

    volumes: dict[str, NetworkVolume] = field(default_factory=dict)
    by_claim: dict[tuple[str, str], str] = field(default_factory=dict)
    clusters: dict[str, CephCluster] = field(default_factory=dict)
    """By volume, where its monitors are not known yet."""
    has_attachable: bool = False
    """Whether some volume's driver is one that attaches."""

    def take(self, item: PersistentVolume) -> None:
        """Take in a PersistentVolume; what no network client mounts is forgotten."""
        source = _source(item.spec) if item.spec is not None else None
        if source is None or item.spec is None:
            return
        name = str(shared_text(item.metadata.name))
        claim, text = item.spec.claim_ref, CleanText("")
        if claim is not None and (item.status is None or item.status.phase in {"Bound", ""}):
            text = clean(f"{claim.namespace}/{claim.name}")
            self.by_claim[claim.namespace, claim.name] = name
        self.volumes[name] = NetworkVolume(
            name, source.kind, source.servers, shared_text(source.driver), text
        )
        self.has_attachable = self.has_attachable or bool(source.driver)
        if source.cluster is not None:
            self.clusters[name] = source.cluster

    def uses_of(self, claims: Mapping[tuple[str, str], list[VolumeUse]]) -> Iterator[VolumeUse]:
        """Yield the uses by pods of claims that are such volumes."""
        for claim, volume in self.by_claim.items():
            for use in claims.get(claim, ()):
                yield VolumeUse(volume, use.node_name, use.pod)

    def mattering(self, uses: Iterable[VolumeUse]) -> Iterator[NetworkVolume]:
        """Yield the volumes that are bound or in use: no others are mounted anywhere."""
        used = {use.volume for use in uses}
        return (one for one in self.volumes.values() if one.claim or one.key in used)

    def attached(self, item: VolumeAttachment, known: set[tuple[str, str]]) -> VolumeUse | None:
        """Return the use that an attachment proves, unless a pod proves it already.

        Args:
            item: The attachment.
            known: Volumes and nodes of the uses that are known.
        """
        if item.spec is None or item.status is None or not item.status.attached:
            return None
        volume = item.spec.source.persistent_volume_name if item.spec.source is not None else None
        if volume not in self.volumes or (volume, item.spec.node_name) in known:
            return None
        return VolumeUse(volume, NodeName(shared_text(item.spec.node_name)))

    def resolve(
        self,
        name: str,
        monitors: Mapping[str, tuple[CleanText, ...]],
        reason: str,
        before: NetworkVolume | None = None,
    ) -> None:
        """Put in the monitors of a Ceph volume; where they were not found, the reason.

        Args:
            name: The volume's.
            monitors: By clusterID.
            reason: Why one may be missing.
            before: The volume as it was read last, whose monitors stay where none can be read now.
        """
        cluster, volume = self.clusters[name], self.volumes[name]
        found = monitors.get(cluster.cluster_id)
        if found:
            self.volumes[name] = replace(volume, servers=found)
        else:
            why = shared_text(f"the monitors of clusterID {cluster.cluster_id}: {reason}")
            servers = before.servers if before is not None else ()
            self.volumes[name] = replace(volume, servers=servers, reason=why)


def inline_volume(pod: CleanText, volume: PodVolume) -> NetworkVolume | None:
    """Return a network volume that is written into a pod, or None where it is no such volume."""
    source = _in_tree(volume.nfs, volume.cephfs, volume.rbd)
    if source is None and volume.csi is not None:
        source = _csi(volume.csi, is_shared=False)
    if source is None:
        return None
    key = str(clean(f"{pod}/{volume.name}"))
    return NetworkVolume(key, source.kind, source.servers, shared_text(source.driver))


class _CephEntry(Entity, frozen=True):
    cluster_id: str = msgspec.field(default="", name="clusterID")
    monitors: list[str] | None = None


_CEPH = msgspec.json.Decoder(list[_CephEntry])


def ceph_monitors(text: str) -> dict[str, tuple[CleanText, ...]]:
    """Return the monitors by clusterID that a driver's ConfigMap names; nothing it can't read."""
    try:
        entries = _CEPH.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return {entry.cluster_id: hosts(entry.monitors or ()) for entry in entries if entry.monitors}


def hosts(addresses: Iterable[str]) -> tuple[CleanText, ...]:
    """Return hosts without ports, of any form Ceph writes: `v2:10.0.0.1:3300/0`, `[fd00::1]:6789`.

    Lists may hold lists: one text with commas, or `[v2:…,v1:…]`.
    """
    found = (_host(part) for address in addresses for part in address.split(","))
    return tuple(dict.fromkeys(shared_text(host) for host in found if host))


def _host(address: str) -> str:
    found = _MONITOR.match(address.strip())
    host = found["host"] if found is not None else ""
    if host.startswith("["):
        return host.strip("[]")
    return host if host.count(":") > 1 else host.partition(":")[0]


def _source(spec: VolumeSpec) -> _Source | None:
    in_tree = _in_tree(spec.nfs, spec.cephfs, spec.rbd)
    if in_tree is not None or spec.csi is None:
        return in_tree
    is_shared = "ReadWriteMany" in (spec.access_modes or ()) and spec.volume_mode != "Block"
    return _csi(spec.csi, is_shared=is_shared)


def _in_tree(
    nfs: NfsVolume | None, cephfs: CephVolume | None, rbd: CephVolume | None
) -> _Source | None:
    if nfs is not None:
        return _Source(VolumeKind.NFS, _file_server(nfs.server))
    if cephfs is not None:
        return _Source(VolumeKind.CEPHFS, hosts(cephfs.monitors or ()))
    if rbd is not None:
        return _Source(VolumeKind.RBD, hosts(rbd.monitors or ()))
    return None


def _file_server(server: str) -> tuple[CleanText, ...]:
    """Return the server as a volume names it, an IPv6 address without brackets."""
    text = server.strip().strip("[]")
    return (shared_text(text),) if text else ()


def _csi(volume: CsiVolume, *, is_shared: bool) -> _Source | None:
    driver, attributes = volume.driver, volume.volume_attributes or {}
    if driver.endswith(("nfs.csi.k8s.io", "nfs.csi.ceph.com")):
        return _Source(VolumeKind.NFS, _file_server(attributes.get("server", "")), driver)
    if driver == "smb.csi.k8s.io":
        share = attributes.get("source", "").replace("\\", "/").lstrip("/")
        return _Source(VolumeKind.SMB, _file_server(share.partition("/")[0]), driver)
    if driver == LONGHORN:
        return _share_manager(volume, attributes) if is_shared else None
    kind = next((kind for suffix, kind in _CEPH_DRIVERS.items() if driver.endswith(suffix)), None)
    return None if kind is None else _ceph(kind, volume, attributes)


def _share_manager(volume: CsiVolume, attributes: Mapping[str, str]) -> _Source | None:
    """Return Longhorn's NFS server, a Service with the volume's name; a live migration has none."""
    if attributes.get("migratable") == "true":
        return None
    handle = volume.volume_handle
    servers = (shared_text(f"{handle}.{LONGHORN_NAMESPACE}.svc"),) if handle else ()
    return _Source(VolumeKind.NFS, servers, volume.driver)


def _ceph(kind: VolumeKind, volume: CsiVolume, attributes: Mapping[str, str]) -> _Source | None:
    if attributes.get("mounter", "") in _USER_SPACE:
        return None
    written = hosts([attributes.get("monitors", "")])
    if written:
        return _Source(kind, written, volume.driver)
    prefix = volume.driver.removesuffix(".csi.ceph.com").rpartition(".")[0]
    secret = volume.node_stage_secret_ref
    places = (prefix, secret.namespace if secret is not None else "")
    cluster = CephCluster(
        attributes.get("clusterID", ""), tuple(dict.fromkeys(place for place in places if place))
    )
    return _Source(kind, (), volume.driver, cluster)
