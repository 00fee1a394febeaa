"""Pods, volumes, events and Endpoints as far as limitations of Cilium ask for them.

Lists of these are long, and hardly any object matters: only the fields that tell which do are
decoded, and nobody keeps the rest.
"""

from __future__ import annotations

import msgspec

from tui.cluster.kinds import Endpoints, Entity, KubeObject, Owner, WrittenMeta


class ContainerPort(Entity, frozen=True):
    """A port of a container."""

    host_port: int = 0
    host_ip: str | None = msgspec.field(default=None, name="hostIP")
    protocol: str | None = None


class PortedContainer(Entity, frozen=True):
    """A container with its ports."""

    ports: list[ContainerPort] | None = None


class NfsVolume(Entity, frozen=True):
    """An in-tree NFS volume, of a pod or a PersistentVolume."""

    server: str = ""


class CephVolume(Entity, frozen=True):
    """An in-tree RBD or CephFS volume, of a pod or a PersistentVolume."""

    monitors: list[str] | None = None


class ClaimVolume(Entity, frozen=True):
    """A pod's volume that is a PersistentVolumeClaim."""

    claim_name: str = ""


class EphemeralVolume(Entity, frozen=True):
    """A pod's volume with a claim of its own, named `<pod>-<volume>`."""


class SecretReference(Entity, frozen=True):
    """Where a driver's credentials are."""

    namespace: str = ""


class CsiVolume(Entity, frozen=True):
    """A CSI volume, of a pod or a PersistentVolume."""

    driver: str = ""
    volume_handle: str = ""
    volume_attributes: dict[str, str] | None = None
    node_stage_secret_ref: SecretReference | None = None


class PodVolume(Entity, frozen=True):
    """A volume of a pod; at most one source is set."""

    name: str = ""
    nfs: NfsVolume | None = None
    cephfs: CephVolume | None = None
    rbd: CephVolume | None = None
    csi: CsiVolume | None = None
    persistent_volume_claim: ClaimVolume | None = None
    ephemeral: EphemeralVolume | None = None


class Sysctl(Entity, frozen=True):
    """A kernel setting of a pod's own namespaces."""

    name: str = ""
    value: str = ""


class PodSecurity(Entity, frozen=True):
    """`spec.securityContext` of a Pod."""

    sysctls: list[Sysctl] | None = None


class WorkloadPodSpec(Entity, frozen=True):
    """`spec` of a Pod."""

    node_name: str | None = None
    host_network: bool | None = None
    init_containers: list[PortedContainer] | None = None
    containers: list[PortedContainer] | None = None
    volumes: list[PodVolume] | None = None
    security_context: PodSecurity | None = None


class Phase(Entity, frozen=True):
    """The phase of a Pod or a PersistentVolume."""

    phase: str = ""


class WorkloadPod(KubeObject, frozen=True):
    """A Pod."""

    spec: WorkloadPodSpec | None = None
    status: Phase | None = None

    @property
    def is_finished(self) -> bool:
        """Whether it will never run again: its ports are free and its volumes unmounted."""
        return self.status is not None and self.status.phase in {"Succeeded", "Failed"}

    @property
    def controller(self) -> Owner | None:
        """What owns it."""
        owners = self.metadata.owner_references or ()
        return next((owner for owner in owners if owner.controller), next(iter(owners), None))


class ClaimReference(Entity, frozen=True):
    """The claim that a PersistentVolume is bound to."""

    namespace: str = ""
    name: str = ""


class VolumeSpec(Entity, frozen=True):
    """`spec` of a PersistentVolume."""

    access_modes: list[str] | None = None
    volume_mode: str | None = None
    claim_ref: ClaimReference | None = None
    nfs: NfsVolume | None = None
    cephfs: CephVolume | None = None
    rbd: CephVolume | None = None
    csi: CsiVolume | None = None


class PersistentVolume(KubeObject, frozen=True):
    """A PersistentVolume."""

    spec: VolumeSpec | None = None
    status: Phase | None = None


class AttachmentSource(Entity, frozen=True):
    """What is attached."""

    persistent_volume_name: str | None = None


class AttachmentSpec(Entity, frozen=True):
    """`spec` of a VolumeAttachment."""

    node_name: str = ""
    source: AttachmentSource | None = None


class AttachmentStatus(Entity, frozen=True):
    """`status` of a VolumeAttachment."""

    attached: bool = False


class VolumeAttachment(KubeObject, frozen=True):
    """A VolumeAttachment of storage.k8s.io/v1."""

    spec: AttachmentSpec | None = None
    status: AttachmentStatus | None = None


class ObjectReference(Entity, frozen=True):
    """What an event is about."""

    namespace: str = ""
    name: str = ""


class EventSource(Entity, frozen=True):
    """Who reports an event, and on which node."""

    host: str | None = None


class EventSeries(Entity, frozen=True):
    """How often an event came, as newer clients write it."""

    count: int = 0
    last_observed_time: str | None = None


class Event(KubeObject, frozen=True):
    """An Event of the core group, written by either API."""

    involved_object: ObjectReference | None = None
    message: str | None = None
    source: EventSource | None = None
    reporting_instance: str | None = None
    count: int | None = None
    series: EventSeries | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None


class WrittenEndpoints(Endpoints, frozen=True):
    """Endpoints with their writers and annotations."""

    metadata: WrittenMeta = WrittenMeta()
