"""NFS and SMB mounts from a Service, whose server's address a kernel bug lets socket-LB rewrite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tui.checks.check import About, Check
from tui.checks.commands import drain
from tui.checks.phrases import counted
from tui.checks.view import NodeView
from tui.checks.volumes import (
    UsedVolume,
    failure_evidence,
    has_socket_lb,
    host_fact,
    is_translated,
    missing_server,
    missing_services,
    missing_socket_lb,
    missing_volumes,
    mount_failures,
    used_volumes,
)
from tui.cilium.kernelreleases import SocketFixes, has_nfs_regression, socket_fixes
from tui.model.findings import (
    AffectedObject,
    Evidence,
    FindingSeverity,
    MissingEvidence,
    Remedy,
    Verdict,
)
from tui.model.host import NfsServer
from tui.model.services import Service
from tui.model.workloads import VolumeKind
from tui.safety import CleanText, clean

_ID = "nfs-socket-lb"
_SERVERS = "cat /proc/fs/nfsfs/servers"
_SMB = "cat /proc/fs/cifs/DebugData"
_SUNRPC = "cat /sys/kernel/sunrpc/xprt-switches/*/xprt-*/dstaddr"
_WORDS = ("nfs", "cifs", "smb")
_COMMITS = "0bdf399342c5 (SMB: cedc019b9f26; NFS over UDP: 86a7e0b69bd5, 01b2885d9415)"


@dataclass(slots=True)
class _Clients:
    """The in-kernel clients of a node that a kernel without the fixes would hurt."""

    fixes: SocketFixes
    volumes: list[UsedVolume] = field(default_factory=list)
    """Those whose server is a Service."""
    behind: list[Evidence] = field(default_factory=list)
    """Servers that the host holds by a Service's address."""
    stuck: list[Evidence] = field(default_factory=list)
    """Servers whose stored address was rewritten: the bug's own trace."""
    symptoms: list[Evidence] = field(default_factory=list)
    external: int = 0
    missing: list[MissingEvidence] = field(default_factory=list)
    kinds: set[VolumeKind] = field(default_factory=set)
    """Of what stands behind a Service."""

    @property
    def is_fixed(self) -> bool | None:
        """Whether the kernel keeps the addresses of all kinds that are used."""
        found = [_is_fixed(self.fixes, kind) for kind in self.kinds]
        if False in found:
            return False
        return None if None in found else True

    @property
    def objects(self) -> tuple[AffectedObject, ...]:
        services = {one.name: one for used in self.volumes for one in used.services}
        return (*(used.affected for used in self.volumes), *map(_service_object, services.values()))


def _service_object(service: Service) -> AffectedObject:
    namespace, _, name = service.name.partition("/")
    return AffectedObject("Service", CleanText(name), CleanText(namespace))


def _is_fixed(fixes: SocketFixes, kind: VolumeKind) -> bool | None:
    return fixes.for_smb if kind is VolumeKind.SMB else fixes.for_nfs


def _judge(view: NodeView) -> Iterator[Verdict]:
    fixes = socket_fixes(view.kernel)
    is_on = has_socket_lb(view)
    release = view.facts.node.kernel_release
    if is_on is False:
        yield view.verdict(_ID, FindingSeverity.CLEAR, "socket load balancing is off")
        return
    if fixes.for_nfs and fixes.for_smb:
        udp = "" if fixes.for_all else "; NFS over UDP needs 01b2885d9415 as well"
        other = (
            "; its NFS 4.1 'Protocol not supported' is another bug, fixed in the next point release"
            if has_nfs_regression(view.kernel)
            else ""
        )
        summary = f"kernel {release} keeps the server's address (0bdf399342c5){udp}{other}"
        yield view.verdict(
            _ID, FindingSeverity.CLEAR, summary, evidence=(_kernel_evidence(view, fixes),)
        )
        return
    yield _judged(view, _collected(view, fixes), is_on)


def _judged(view: NodeView, found: _Clients, is_on: bool | None) -> Verdict:
    release = view.facts.node.kernel_release
    evidence = (*found.stuck, *found.symptoms, *found.behind, *_volumes(view, found))
    kernel = _kernel_evidence(view, found.fixes)
    is_certain = is_on is True and found.is_fixed is False
    if found.stuck or (found.symptoms and is_certain):
        return view.verdict(
            _ID,
            FindingSeverity.ACTIVE,
            _active_summary(found),
            evidence=(*evidence, kernel),
            objects=found.objects,
            remedy=_remedy(view),
            harm=len(found.stuck) + len(found.symptoms),
        )
    count = max(len(found.volumes), len(found.behind), bool(found.symptoms))
    if count and is_certain:
        return view.verdict(
            _ID,
            FindingSeverity.ARMED,
            f"{counted(count, 'mount')} from Services of this cluster will hang once the backend"
            f" moves: kernel {release} lets socket load balancing overwrite the server's address",
            evidence=(*evidence, kernel),
            objects=found.objects,
            remedy=_remedy(view),
            harm=count,
        )
    missing = (*found.missing, *(_missing_gates(view, found, is_on) if count else ()))
    if missing:
        used = f"{counted(count, 'mount')} from Services" if count else "what is mounted from where"
        return view.verdict(
            _ID,
            FindingSeverity.UNKNOWN,
            f"{used}: not known whether kernel {release or '?'} or its use hurts them",
            evidence=(*evidence, kernel),
            objects=found.objects,
            missing=missing,
        )
    return _unused(view, found, kernel)


def _unused(view: NodeView, found: _Clients, kernel: Evidence) -> Verdict:
    release = view.facts.node.kernel_release
    others = f"; {counted(found.external, 'server')} of others" if found.external else ""
    if found.fixes.for_nfs:
        lacks = "lacks" if found.fixes.for_smb is False else "may lack"
        summary = (
            f"kernel {release} has the fix for NFS over TCP; it {lacks} that for SMB, but no SMB is"
            f" mounted from a Service{others}"
        )
    else:
        lacks = "lacks" if found.fixes.for_nfs is False else "may lack"
        summary = f"kernel {release} {lacks} the fix, but nothing is mounted from a Service{others}"
    return view.verdict(_ID, FindingSeverity.LATENT, summary, evidence=(kernel,))


def _active_summary(found: _Clients) -> str:
    if found.stuck:
        return (
            f"the address of {counted(len(found.stuck), 'server')} was overwritten with a"
            " backend's: mounts hang when that pod goes"
        )
    return (
        f"mounts from Services fail ({counted(len(found.symptoms), 'sign')}) on a kernel that lets"
        " socket load balancing overwrite the server's address"
    )


def _collected(view: NodeView, fixes: SocketFixes) -> _Clients:
    """Find the clients on the node whose kind's fix is not proven."""
    found = _Clients(fixes)
    kinds = {kind for kind in (VolumeKind.NFS, VolumeKind.SMB) if not _is_fixed(fixes, kind)}
    used = used_volumes(view, kinds)
    for one in used:
        if one.services:
            found.volumes.append(one)
            found.kinds.add(one.volume.kind)
        elif one.is_resolved:
            found.external += 1
        elif view.cluster.facts.services.value is not None:
            found.missing.append(missing_server(one))
    if VolumeKind.NFS in kinds:
        _read_nfs(view, found, used)
        _read_kernel_log(view, found)
    if VolumeKind.SMB in kinds:
        _read_smb(view, found)
    failures = mount_failures(view, found.volumes, _WORDS)
    found.symptoms.extend(failure_evidence(view, failures))
    if view.cluster.facts.services.value is None and (used or _has_clients(view) is not False):
        found.missing.append(missing_services(view))
    if _has_clients(view) is None:
        found.missing.extend(missing_volumes(view))
    return found


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


def _read_nfs(view: NodeView, found: _Clients, used: list[UsedVolume]) -> None:
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
            found.stuck.append(host_fact(view, text, _SUNRPC))


def _read_server(
    view: NodeView, found: _Clients, server: NfsServer, mounted_directly: set[str]
) -> None:
    cluster = view.cluster
    at = cluster.service_of_host(server.address)
    named = cluster.service_of_host(server.hostname) if server.hostname else None
    text = f"{server.hostname or 'server'} at {server.address}:{server.port}, {server.uses} uses"
    if at is not None and is_translated(at):
        found.behind.append(host_fact(view, f"NFS {text} = Service {at.name}", _SERVERS))
        found.kinds.add(VolumeKind.NFS)
        return
    origin = named if is_translated(named) else None
    if origin is None and not server.hostname and server.address not in mounted_directly:
        origin = _rewritten_from(found, server.address, VolumeKind.NFS)
        if origin is None and is_translated(cluster.service_of_backend.get(server.address)):
            found.missing.extend(missing_volumes(view))
    if origin is None:
        found.external += 1
        return
    found.kinds.add(VolumeKind.NFS)
    addresses = ", ".join(origin.cluster_ips)
    told = f"NFS {text}, but Service {origin.name} is {addresses}: the address was overwritten"
    found.stuck.append(host_fact(view, told, _SERVERS))


def _rewritten_from(found: _Clients, address: str, kind: VolumeKind) -> Service | None:
    """Return the Service that a volume here names and that an address is a backend of."""
    for used in found.volumes:
        if used.volume.kind is kind:
            for service in used.services:
                if any(backend.ip == address for backend in service.backends):
                    return service
    return None


def _read_smb(view: NodeView, found: _Clients) -> None:
    clients = view.host.clients
    for server in () if clients is None else clients.smb_servers or ():
        service = view.cluster.service_of_host(server)
        if service is not None and is_translated(service):
            found.behind.append(host_fact(view, f"SMB {server} = Service {service.name}", _SMB))
            found.kinds.add(VolumeKind.SMB)
            continue
        origin = _rewritten_from(found, server, VolumeKind.SMB)
        if origin is None:
            found.external += 1
            continue
        text = f"SMB {server}, a backend of Service {origin.name}: the address was overwritten"
        found.stuck.append(host_fact(view, text, _SMB))


def _read_kernel_log(view: NodeView, found: _Clients) -> None:
    clients = view.host.clients
    for line in () if clients is None else clients.kernel_log or ():
        _, _, rest = line.partition("nfs: server ")
        server = rest.partition(" ")[0]
        if server and is_translated(view.cluster.service_of_host(server)):
            found.symptoms.append(host_fact(view, line, "dmesg"))
            found.kinds.add(VolumeKind.NFS)


def _missing_gates(
    view: NodeView, found: _Clients, is_on: bool | None
) -> Iterator[MissingEvidence]:
    if is_on is None:
        yield missing_socket_lb(view)
    if found.is_fixed is None:
        release = view.facts.node.kernel_release or "its kernel"
        what = f"whether {release} has the commits {_COMMITS}"
        how = f"uname -r on {view.name}; look for the commits in that build's changelog"
        yield MissingEvidence(clean(what, 400), clean(how, 400))


def _volumes(view: NodeView, found: _Clients) -> Iterator[Evidence]:
    for one in found.volumes[:5]:
        yield one.evidence(view)


def _kernel_evidence(view: NodeView, fixes: SocketFixes) -> Evidence:
    words = {True: "has", False: "lacks", None: "may lack"}
    text = (
        f"kernel {view.facts.node.kernel_release or 'not known'} {words[fixes.for_nfs]} the fix for"
        f" NFS, {words[fixes.for_smb]} that for SMB"
    )
    return view.fact(text, "status.nodeInfo.kernelVersion of the Node")


_NOW = (
    CleanText("a hung mount: `umount -f -l <mount point>` on the node, then delete the pod"),
    CleanText("do not restart or move the NFS or SMB server's pod until the kernel is changed"),
)
_LASTING = (
    CleanText(
        "run a kernel with all four commits and reboot: 6.8, 6.6.11, 6.1.72, 5.15.147, 5.10.207,"
        " 5.4.267 or 4.19.305 and later; Ubuntu 5.4.0-187, 5.15.0-113, 6.5.0-41; RHEL"
        " 4.18.0-553.8.1.el8_10, 5.14.0-427.31.1.el9_4"
    ),
    CleanText("or mount by an address that is no Service's: an external server, a host's or pod's"),
    CleanText("bpf-lb-sock-hostns-only does not help: the host's own clients stay covered"),
)
_TEST = CleanText("delete the server's pod, then `ls` the mount: it must answer within a minute")


def _remedy(view: NodeView) -> Remedy:
    return Remedy(
        now=_NOW,
        lasting=_LASTING,
        commands=(drain(view), clean(f"kubectl uncordon {view.name}")),
        needs_restart=False,
        interrupts=CleanText("the node's pods: the kernel changes with a reboot, no agent restart"),
        test=_TEST,
    )


ABOUT = About(
    id=_ID,
    title=CleanText("NFS or SMB mounts from a Service"),
    limitation=CleanText(
        "NFS and SMB in the kernel need kernel commit 0bdf399342c5 under socket load balancing."
    ),
    why=CleanText(
        "The client's stored server address, the Service's, is overwritten with the backend's that"
        " was chosen. The first mount works; when the backend moves, it reconnects to an address"
        " where nobody is, and hangs."
    ),
    proof=(
        CleanText("/proc/fs/nfsfs/servers: a backend's address where the mount names a Service"),
        CleanText("volumes in use whose server is a Service, and a kernel without the commits"),
        CleanText("FailedMount events and `nfs: server ... not responding` for them"),
    ),
    releases=CleanText(
        "A kernel bug under every Cilium release. NFS over TCP is fixed in 6.6, 6.5.3, 6.4.16,"
        " 6.1.53, 5.15.132, 5.10.195, 5.4.257 and 4.19.295; all of it in 6.8, 6.6.11, 6.1.72,"
        " 5.15.147, 5.10.207, 5.4.267 and 4.19.305."
    ),
    remedy=Remedy(
        now=_NOW,
        lasting=_LASTING,
        needs_restart=False,
        interrupts=CleanText("the node's pods: the kernel changes with a reboot"),
        test=_TEST,
    ),
    references=(
        CleanText("https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/"),
        CleanText("cilium/cilium#21541"),
        CleanText("cilium/cilium#33395"),
    ),
)
CHECK = Check(ABOUT, judge_node=_judge)
