"""What on a node uses the things that Cilium's limitations break; read through the agent pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tui.model.names import ContainerId
from tui.safety import CleanText


@dataclass(frozen=True, slots=True)
class NfsServer:
    """A server that the kernel's NFS client holds (`/proc/fs/nfsfs/servers`)."""

    address: str
    """As it was at the mount: a Service's ClusterIP stays one, whatever is connected to."""
    port: int
    uses: int = 0
    hostname: CleanText = CleanText("")


@dataclass(frozen=True, slots=True)
class StoragePeer:
    """A TCP connection of the kernel's NFS or SMB client (port 2049 or 445).

    The socket load balancer's choice: /proc/net/tcp tells the backend that is connected to, while
    nfsfs and sunrpc print an address that was formatted at the mount (`xs_format_peer_addresses`).
    """

    address: str
    port: int
    is_established: bool
    """False while it still tries to connect (SYN_SENT)."""


@dataclass(frozen=True, slots=True)
class HostClients:
    """In-kernel clients and sysctls of the host; None is "could not be read", never "none"."""

    nfs_servers: tuple[NfsServer, ...] | None = None
    sunrpc_addresses: tuple[str, ...] | None = None
    """Addresses of the sunrpc transports in sysfs (kernel 5.14 and later)."""
    smb_servers: tuple[CleanText, ...] | None = None
    storage_peers: tuple[StoragePeer, ...] | None = None
    """Where the kernel's NFS and SMB clients really connect to; None where there is no such client,
    or it could not be read."""
    rbd_devices: int | None = None
    ceph_filesystems: int | None = None
    module_uses: Mapping[str, int] | None = None
    """Of the modules ceph, libceph, rbd, nfs, nfsv4, sunrpc, cifs, sctp, those loaded, with their
    use counts."""
    tcp_fastopen: int | None = None
    """`net.ipv4.tcp_fastopen` of the host's network namespace: 0x1 client, 0x2 server."""
    fastopen_passive: int | None = None
    """TcpExt TCPFastOpenPassive: connections that the host accepted with TCP Fast Open."""
    fastopen_growth: int = 0
    """How many of them came since the reading before; 0 without one, or after a reboot."""
    sctp_associations: int | None = None
    kernel_log: tuple[CleanText, ...] | None = None
    """Lines of the kernel's log about wrong peers and servers that don't respond; None where the
    container may not read it (CAP_SYSLOG comes with 1.19)."""


@dataclass(frozen=True, slots=True)
class UdpPeer:
    """Connected UDP sockets of one network namespace with one remote address."""

    address: str
    port: int
    count: int = 1
    namespace: CleanText = CleanText("host")
    """`host`, or the name under /var/run/cilium/netns."""


@dataclass(frozen=True, slots=True)
class UdpSockets:
    """Connected UDP sockets: those with a remote address."""

    peers: tuple[UdpPeer, ...] = ()
    pod_namespaces_read: int | None = None
    """None where the pods' network namespaces can't be reached (before 1.16, or no right)."""
    is_truncated: bool = False


@dataclass(frozen=True, slots=True)
class NetDevice:
    """A device of the host with the neighbors that the agent put there."""

    name: CleanText
    index: int
    kind: CleanText = CleanText("")
    agent_neighbors: int = 0
    """Entries with the flag `extern_learn` or `managed`."""
    failed_neighbors: int = 0


@dataclass(frozen=True, slots=True)
class Neighbors:
    """Devices and neighbor entries of the host's network namespace."""

    devices: tuple[NetDevice, ...] = ()
    default_devices: tuple[CleanText, ...] = ()
    """Devices with a default route."""
    failed: tuple[tuple[str, CleanText], ...] = ()
    """Address and device of entries in state FAILED; bounded."""


class MapSurvival(StrEnum):
    """Whether pinned maps outlive the agent's container."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class BpfMount:
    """A bpf filesystem in the mount table of the agent's container."""

    path: CleanText
    propagation: CleanText
    """`shared`, `slave`, `shared, slave`, `unbindable` or `private`, as mount(8) says it."""
    source: CleanText = CleanText("")
    """The agent names its own mounts after their path (`mountFS` in pkg/bpf/bpffs_linux.go)."""
    device: CleanText = CleanText("")
    """Major and minor number: each `mount -t bpf` makes another filesystem, with another one."""


@dataclass(frozen=True, slots=True)
class BpfFilesystem:
    """Where the maps of one container's agent are pinned, and what becomes of them."""

    survival: MapSurvival
    why: CleanText
    """What the verdict follows from, or why there is none."""
    root: CleanText = CleanText("")
    """The mount point under which the maps are pinned; empty where that can't be told."""
    mounts: tuple[BpfMount, ...] = ()
    """Those that can be reached by their path."""
    container_id: ContainerId = ContainerId("")
    """The container that was read: what holds for it tells nothing of the next one."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """All of it, as one reading of one node."""

    clients: HostClients | None = None
    sockets: UdpSockets | None = None
    neighbors: Neighbors | None = None
    mounts: BpfFilesystem | None = None
    reasons: Mapping[str, CleanText] = field(default_factory=dict)
    """Part (`clients`, `sockets`, `neighbors`, `mounts`) -> why it could not be read."""
    read_at: Mapping[str, float] = field(default_factory=dict)
    """Part -> when its value was read, in seconds since the epoch: they differ in their pace."""
