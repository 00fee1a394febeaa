"""NFS and SMB mounts from a Service, whose server's address a kernel bug lets socket-LB rewrite."""

from __future__ import annotations

from collections.abc import Iterator

from tui.checks.check import About, Check
from tui.checks.phrases import counted
from tui.checks.proof.storage_clients import StorageClients, storage_clients
from tui.checks.proof.volumes import has_socket_lb, missing_socket_lb
from tui.checks.remedies.commands import drain
from tui.checks.view import NodeView
from tui.cilium.kernelreleases import SocketFixes, has_nfs_regression, socket_fixes
from tui.model.findings import (
    Evidence,
    FindingSeverity,
    MissingEvidence,
    Remedy,
    Verdict,
)
from tui.safety import CleanText, clean

_ID = "nfs-socket-lb"
_COMMITS = "0bdf399342c5 (SMB: cedc019b9f26; NFS over UDP: 86a7e0b69bd5, 01b2885d9415)"


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
    yield _judged(view, storage_clients(view, fixes), is_on)


def _judged(view: NodeView, found: StorageClients, is_on: bool | None) -> Verdict:
    release = view.facts.node.kernel_release
    evidence = (*found.symptoms, *found.behind, *_volumes(view, found))
    kernel = _kernel_evidence(view, found.fixes)
    is_certain = is_on is True and found.is_fixed is False
    if found.symptoms and is_certain:
        return view.verdict(
            _ID,
            FindingSeverity.ACTIVE,
            f"mounts from Services hang ({counted(len(found.symptoms), 'sign')}): kernel {release}"
            " lets socket load balancing overwrite the server's address",
            evidence=(*evidence, kernel),
            objects=found.objects,
            remedy=_remedy(view),
            harm=len(found.symptoms),
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


def _unused(view: NodeView, found: StorageClients, kernel: Evidence) -> Verdict:
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


def _missing_gates(
    view: NodeView, found: StorageClients, is_on: bool | None
) -> Iterator[MissingEvidence]:
    if is_on is None:
        yield missing_socket_lb(view)
    if found.is_fixed is None:
        release = view.facts.node.kernel_release or "its kernel"
        what = f"whether {release} has the commits {_COMMITS}"
        how = f"uname -r on {view.name}; look for the commits in that build's changelog"
        yield MissingEvidence(clean(what, 400), clean(how, 400))


def _volumes(view: NodeView, found: StorageClients) -> Iterator[Evidence]:
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
        CleanText("the client connects to a pod that is gone: /proc/net/tcp, ports 2049 and 445"),
        CleanText("`nfs: server ... not responding`, and FailedMount events without a refusal"),
        CleanText("volumes in use whose server is a Service, and a kernel without the commits"),
        CleanText("/proc/fs/nfsfs/servers: a Service's address; it stays as it was at the mount"),
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
