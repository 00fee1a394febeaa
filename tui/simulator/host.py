"""What a simulated node's host uses beside Cilium: NFS, Ceph, SMB, SCTP, UDP sockets, neighbors.

Nothing is in use unless a scenario says so; whatever is changed here shows in the probes' answers
and in the files that a person reads with `kubectl exec`, at the next look.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SimNfsServer:
    """A server that the kernel's NFS client holds; one line of /proc/fs/nfsfs/servers."""

    address: str
    """As the kernel prints it: a Service's ClusterIP, a pod's address, or one outside."""
    port: int = 2049
    uses: int = 1
    hostname: str = ""
    """What the mount named; the address where it is empty."""


@dataclass(frozen=True, slots=True)
class SimStoragePeer:
    """A connection of the kernel's NFS or SMB client; a row of /proc/net/tcp or tcp6."""

    address: str
    """The backend's: the kernel's socket shows what the socket load balancer chose."""
    port: int = 2049
    is_established: bool = True
    """False: the backend is gone, and the client tries again and again (SYN_SENT)."""


@dataclass(frozen=True, slots=True)
class SimUdpPeer:
    """Connected UDP sockets with one remote address; a row each in /proc/net/udp or udp6."""

    address: str
    port: int = 53
    count: int = 1
    namespace: str = "host"
    """`host`, or a name of `SimHost.pod_namespaces`; pods' show on 1.16 and later only."""


@dataclass(frozen=True, slots=True)
class SimDevice:
    """A network device of the host, beside the pods' (lxc...)."""

    name: str
    index: int
    """A device that came after the agent's start has a higher one than all others."""
    kind: str = "physical"
    """`physical`, `virtual`, or the kernel's DEVTYPE (`bond`, `vlan`, `vxlan`, `wireguard`)."""
    has_default_route: bool = False


@dataclass(frozen=True, slots=True)
class SimNeighbor:
    """An entry of the neighbor table."""

    address: str
    device: str
    state: str = "REACHABLE"
    """Or STALE, PERMANENT, FAILED: the latter has no link address."""
    is_agents: bool = True
    """Put there by the agent's neighbor discovery: flags `managed extern_learn`."""


LOOPBACK = SimDevice("lo", 1, "virtual")
FIRST_DEVICE = SimDevice("eth0", 2, has_default_route=True)
CILIUM_DEVICES = (
    SimDevice("cilium_net", 3, "veth"),
    SimDevice("cilium_host", 4, "veth"),
    SimDevice("cilium_vxlan", 5, "vxlan"),
)


def _devices() -> list[SimDevice]:
    return [LOOPBACK, FIRST_DEVICE, *CILIUM_DEVICES]


@dataclass(slots=True)
class SimHost:
    """What one node's host uses; change the fields in place, at any time."""

    nfs_servers: list[SimNfsServer] = field(default_factory=list)
    """Loads the modules nfs and nfsv4 by itself."""
    sunrpc_addresses: list[str] | None = None
    """Addresses in sysfs (kernel 5.14 and later); None: those of `nfs_servers`."""
    smb_servers: list[str] = field(default_factory=list)
    """Names or addresses in /proc/fs/cifs/DebugData; loads cifs."""
    storage_peers: list[SimStoragePeer] = field(default_factory=list)
    """Shown by the probe only with servers of NFS or SMB; what a mount of a Service's ClusterIP
    connects to is a backend."""
    rbd_devices: int = 0
    """Mapped rbd images; loads rbd and libceph."""
    ceph_filesystems: int = 0
    """Mounted CephFS; loads ceph and libceph."""
    module_uses: dict[str, int] = field(default_factory=lambda: {"sunrpc": 1, "nfs": 0})
    """Use counts in /proc/modules; what the clients above load is added to it."""
    tcp_fastopen: int = 1
    """`net.ipv4.tcp_fastopen` of the host: 1, the kernel's default, is client only; 3 is both."""
    fastopen_passive: int = 0
    """Connections accepted with TCP Fast Open since boot."""
    sctp_associations: int = 0
    """Associations of the host's network namespace; loads sctp."""
    kernel_log: list[str] = field(default_factory=list)
    """Messages without their time, such as `nfs: server 10.96.1.2 not responding, timed out`."""
    can_read_kernel_log: bool | None = None
    """None: as the release's chart grants it (CAP_SYSLOG from 1.19 on)."""
    udp_peers: list[SimUdpPeer] = field(default_factory=list)
    pod_namespaces: list[str] | None = None
    """Names under /var/run/cilium/netns, which the chart mounts from 1.16 on; None: one a pod."""
    devices: list[SimDevice] = field(default_factory=_devices)
    neighbors: list[SimNeighbor] | None = None
    """None: the gateway, and two nodes that the agent (1.12 to 1.17) keeps on the first device."""

    def modules(self) -> dict[str, int]:
        """Return all loaded modules with their use counts."""
        found = dict(self.module_uses)
        for count, names in (
            (len(self.nfs_servers), ("nfs", "nfsv4")),
            (len(self.nfs_servers), ("sunrpc",)),
            (self.rbd_devices, ("rbd", "libceph")),
            (self.ceph_filesystems, ("ceph", "libceph")),
            (len(self.smb_servers), ("cifs",)),
            (self.sctp_associations, ("sctp",)),
        ):
            for name in names if count else ():
                found[name] = found.get(name, 0) + count
        return found
