"""In-kernel NFS and SMB clients of a node, as far as a Service stands before their server."""

from __future__ import annotations

from dataclasses import dataclass, field

from tui.checks.phrases import service_object
from tui.checks.proof.volumes import (
    UsedVolume,
    failure_evidence,
    host_fact,
    is_translated,
    missing_server,
    missing_services,
    missing_volumes,
    mount_failures,
    used_volumes,
)
from tui.checks.view import NodeView
from tui.cilium.kernelreleases import SocketFixes
from tui.model.findings import AffectedObject, Evidence, MissingEvidence
from tui.model.host import NfsServer
from tui.model.services import Service
from tui.model.workloads import VolumeKind

_SERVERS = "cat /proc/fs/nfsfs/servers"
_SMB = "cat /proc/fs/cifs/DebugData"
_SUNRPC = "cat /sys/kernel/sunrpc/xprt-switches/*/xprt-*/dstaddr"
_PEERS = "cat /proc/net/tcp /proc/net/tcp6"
_WORDS = ("nfs", "cifs", "smb")
_REFUSALS = (
    "access denied",
    "permission denied",
    "operation not permitted",
    "no such file",
    "bad option",
    "helper program",
    "not supported",
    "connection refused",
    "failed to resolve",
    "could not resolve",
    "wrong fs type",
)
"""What mount.nfs and mount.cifs say where a server answers, or nothing was asked."""


@dataclass(slots=True)
class StorageClients:
    """The in-kernel clients of a node that a kernel without the fixes would hurt."""

    fixes: SocketFixes
    volumes: list[UsedVolume] = field(default_factory=list)
    """Those whose server is a Service."""
    behind: list[Evidence] = field(default_factory=list)
    """Servers that the host holds by a Service's address, or that a Service's name led to."""
    symptoms: list[Evidence] = field(default_factory=list)
    """Clients that hang: the harm itself."""
    external: int = 0
    missing: list[MissingEvidence] = field(default_factory=list)
    kinds: set[VolumeKind] = field(default_factory=set)
    """Of what stands behind a Service."""
    services: dict[str, Service] = field(default_factory=dict)
    """Those that stand before a server, by name."""

    @property
    def is_fixed(self) -> bool | None:
        """Whether the kernel keeps the addresses of all kinds that are used."""
        found = [_is_fixed(self.fixes, kind) for kind in self.kinds]
        if False in found:
            return False
        return None if None in found else True

    @property
    def objects(self) -> tuple[AffectedObject, ...]:
        """Volumes and the Services before their servers."""
        services = map(service_object, self.services)
        return (*(used.affected for used in self.volumes), *services)

    def note(self, kind: VolumeKind, *services: Service) -> None:
        """Keep what stands before a server of some kind."""
        self.kinds.add(kind)
        self.services.update({str(one.name): one for one in services})


def _is_fixed(fixes: SocketFixes, kind: VolumeKind) -> bool | None:
    return fixes.for_smb if kind is VolumeKind.SMB else fixes.for_nfs


def storage_clients(view: NodeView, fixes: SocketFixes) -> StorageClients:
    """Find the clients on the node whose kind's fix is not proven."""
    found = StorageClients(fixes)
    kinds = {kind for kind in (VolumeKind.NFS, VolumeKind.SMB) if not _is_fixed(fixes, kind)}
    used = used_volumes(view, kinds)
    for one in used:
        if one.services:
            found.volumes.append(one)
            found.note(one.volume.kind, *one.services)
        elif one.is_resolved:
            found.external += 1
        elif view.cluster.facts.services.value is not None:
            found.missing.append(missing_server(one))
    if VolumeKind.NFS in kinds:
        _read_nfs(view, found, used)
        _read_kernel_log(view, found)
    if VolumeKind.SMB in kinds:
        _read_smb(view, found)
    _read_peers(view, found, {str(server) for one in used for server in one.volume.servers})
    served = [used for used in found.volumes if any(one.backends for one in used.services)]
    hanging = (one for one in mount_failures(view, served, _WORDS) if _is_hanging(one.message))
    found.symptoms.extend(failure_evidence(view, hanging))
    if view.cluster.facts.services.value is None and (used or _has_clients(view) is not False):
        found.missing.append(missing_services(view))
    if _has_clients(view) is None:
        found.missing.extend(missing_volumes(view))
    return found


def _is_hanging(message: str) -> bool:
    """Tell whether a mount failed for no reason of its own: a refusal is none of this bug."""
    told = message.lower()
    return not any(reason in told for reason in _REFUSALS)


def _has_clients(view: NodeView) -> bool | None:
    """Tell whether the host has NFS or SMB clients at all; None where it could not be read."""
    clients = view.host.clients
    if clients is None:
        return None
    if clients.nfs_servers or clients.smb_servers or clients.sunrpc_addresses:
        return True
    modules = clients.module_uses
    is_nfs_read = clients.nfs_servers is not None or (modules is not None and "nfs" not in modules)
    is_smb_read = clients.smb_servers is not None or (modules is not None and "cifs" not in modules)
    return False if is_nfs_read and is_smb_read else None


def _read_nfs(view: NodeView, found: StorageClients, used: list[UsedVolume]) -> None:
    clients = view.host.clients
    if clients is None:
        return
    mounted_directly = {str(server) for one in used for server in one.volume.servers}
    for server in clients.nfs_servers or ():
        _read_server(view, found, server, mounted_directly)
    addresses = set(clients.sunrpc_addresses or ())
    addresses -= {one.address for one in clients.nfs_servers or ()}
    for address in sorted(addresses - mounted_directly):
        service = _rewritten_from(found, address, VolumeKind.NFS)
        if service is not None:
            text = f"sunrpc transport to {address}, a backend of Service {service.name}"
            found.behind.append(host_fact(view, text, _SUNRPC))


def _read_server(
    view: NodeView, found: StorageClients, server: NfsServer, mounted_directly: set[str]
) -> None:
    cluster = view.cluster
    at = cluster.service_of_host(server.address)
    named = cluster.service_of_host(server.hostname) if server.hostname else None
    text = f"{server.hostname or 'server'} at {server.address}:{server.port}, {server.uses} uses"
    if at is not None and is_translated(at):
        found.behind.append(host_fact(view, f"NFS {text} = Service {at.name}", _SERVERS))
        found.note(VolumeKind.NFS, at)
        return
    origin = None
    if named is not None and is_translated(named):
        origin = named if _has_backend(named, server.address) else None
    if origin is None and not server.hostname and server.address not in mounted_directly:
        origin = _rewritten_from(found, server.address, VolumeKind.NFS)
        if origin is None and is_translated(cluster.service_of_backend.get(server.address)):
            found.missing.extend(missing_volumes(view))
    if origin is None:
        found.external += 1
        return
    found.note(VolumeKind.NFS, origin)
    # Printed as it was at the mount (`xs_format_peer_addresses`): no trace of the bug by itself.
    told = f"NFS {text}, a backend of Service {origin.name} that the mount names"
    found.behind.append(host_fact(view, told, _SERVERS))


def _rewritten_from(found: StorageClients, address: str, kind: VolumeKind) -> Service | None:
    """Return the Service that a volume here names and that an address is a backend of."""
    for used in found.volumes:
        if used.volume.kind is kind:
            for service in used.services:
                if _has_backend(service, address):
                    return service
    return None


def _has_backend(service: Service, address: str) -> bool:
    return any(backend.ip == address for backend in service.backends)


def _read_peers(view: NodeView, found: StorageClients, mounted_directly: set[str]) -> None:
    """Find connections to a backend that is gone: the client can't find the Service again.

    nfsfs and sunrpc print the address as it was at the mount; the socket's own is the backend's,
    with the fix as well, until the client reconnects.
    """
    clients = view.host.clients
    if clients is None or not found.services:
        return
    known = mounted_directly | {one.address for one in clients.nfs_servers or ()}
    known |= set(clients.smb_servers or ()) | view.cluster.service_of_frontend.keys()
    names = ", ".join(sorted(found.services))
    for peer in clients.storage_peers or ():
        is_backend = any(_has_backend(one, peer.address) for one in found.services.values())
        if not (peer.is_established or is_backend or peer.address in known):
            text = f"still connects to {peer.address}:{peer.port}, no backend of {names} any more"
            found.symptoms.append(host_fact(view, text, _PEERS))


def _read_smb(view: NodeView, found: StorageClients) -> None:
    clients = view.host.clients
    for server in () if clients is None else clients.smb_servers or ():
        service = view.cluster.service_of_host(server)
        if service is not None and is_translated(service):
            found.behind.append(host_fact(view, f"SMB {server} = Service {service.name}", _SMB))
            found.note(VolumeKind.SMB, service)
            continue
        origin = _rewritten_from(found, server, VolumeKind.SMB)
        if origin is None:
            found.external += 1
            continue
        text = f"SMB {server}, a backend of Service {origin.name} that the volume names"
        found.behind.append(host_fact(view, text, _SMB))
        found.note(VolumeKind.SMB, origin)


def _read_kernel_log(view: NodeView, found: StorageClients) -> None:
    clients = view.host.clients
    for line in () if clients is None else clients.kernel_log or ():
        _, _, rest = line.partition("nfs: server ")
        server = rest.partition(" ")[0]
        service = view.cluster.service_of_host(server) if server else None
        if service is not None and is_translated(service):
            found.note(VolumeKind.NFS, service)
            # Without a backend the server is gone, whatever the kernel does.
            if service.backends:
                found.symptoms.append(host_fact(view, line, "dmesg"))
