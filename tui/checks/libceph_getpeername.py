"""Ceph mounts in the kernel whose monitors are Services, without the getpeername hook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from tui.checks.check import About, Check
from tui.checks.phrases import counted
from tui.checks.proof.volumes import (
    UsedVolume,
    failure_evidence,
    has_socket_lb,
    host_fact,
    missing_server,
    missing_services,
    missing_socket_lb,
    missing_volumes,
    mount_failures,
    used_volumes,
)
from tui.checks.remedies.commands import drain
from tui.checks.view import NodeView
from tui.cilium.kernelreleases import has_feature_of
from tui.model.features import FeatureState, Proof
from tui.model.findings import (
    AffectedObject,
    ConfigSetting,
    Evidence,
    FindingSeverity,
    MissingEvidence,
    ProofKind,
    Remedy,
    Verdict,
)
from tui.model.workloads import MountFailure, VolumeKind
from tui.safety import CleanText, clean

_ID = "libceph-getpeername"
_FEATURE = "getpeername-hook"
_KINDS = frozenset({VolumeKind.RBD, VolumeKind.CEPHFS})
_WORDS = ("ceph", "rbd")
_WRONG_PEER = re.compile(r"wrong peer, want (\S+), got (\S+)")
_WRONG_MONITOR = re.compile(r"libceph: mon\d+ .*wrong peer at address")
_CGROUP = "bpftool cgroup tree /run/cilium/cgroupv2"


@dataclass(slots=True)
class _Ceph:
    """What of Ceph the node's kernel has in use."""

    behind: list[UsedVolume] = field(default_factory=list)
    """Volumes whose monitors are Services."""
    open: list[UsedVolume] = field(default_factory=list)
    """Volumes whose monitors are not known."""
    external: list[UsedVolume] = field(default_factory=list)
    wrong_peers: list[CleanText] = field(default_factory=list)
    """Lines of the kernel's log."""
    in_kernel: str = ""
    """What the host itself has in use; empty where nothing."""
    missing: list[MissingEvidence] = field(default_factory=list)

    @property
    def objects(self) -> tuple[AffectedObject, ...]:
        services = {one.name: one for used in self.behind for one in used.services}
        names = (name.partition("/") for name in services)
        return (
            *(used.affected for used in (*self.behind, *self.open)),
            *(AffectedObject("Service", CleanText(n), CleanText(space)) for space, _, n in names),
        )


def _judge(view: NodeView) -> Iterator[Verdict]:
    is_on = has_socket_lb(view)
    if is_on is False:
        yield view.verdict(_ID, FindingSeverity.CLEAR, "socket load balancing is off")
        return
    has_hook, hook = _hook(view)
    if has_hook:
        summary = f"the getpeername hook is there: {hook.text}"
        yield view.verdict(_ID, FindingSeverity.CLEAR, summary, evidence=(hook,))
        return
    yield _judged(view, _ceph_of(view), hook, has_hook is False and is_on is True)


def _hook(view: NodeView) -> tuple[bool | None, Evidence]:
    """Tell whether the hook is attached, else whether the kernel has it (mainline 5.8).

    The agent probes it without a word: on failure it clears EnableSocketLBPeer.
    """
    found = view.features.get(_FEATURE)
    if found is not None and found.state in (FeatureState.YES, FeatureState.NO):
        source = _CGROUP if found.proof is Proof.HOOK else "uname -r"
        origin = view.facts.features.origin
        at = None if origin is None else origin.observed_at
        told = found.evidence or found.value
        hook = view.fact(told, view.command(source), at, ProofKind.FEATURE, _FEATURE)
        return found.state is FeatureState.YES, hook
    release = view.facts.node.kernel_release or "not known"
    text = f"kernel {release} against 5.8, the first with the hook"
    evidence = view.fact(text, "status.nodeInfo.kernelVersion of the Node")
    return has_feature_of(view.kernel, 5, 8), evidence


def _ceph_of(view: NodeView) -> _Ceph:
    found = _Ceph()
    used = used_volumes(view, _KINDS)
    for one in used:
        if one.services:
            found.behind.append(one)
        elif one.is_resolved:
            found.external.append(one)
        else:
            found.open.append(one)
            if one.volume.servers:
                found.missing.append(missing_services(view))
            else:
                found.missing.append(missing_server(one))
    _read_host(view, found)
    if found.in_kernel and not used:
        found.missing.extend(_missing_monitors(view))
    elif not used and _has_no_client(view) is not True:
        found.missing.extend(missing_volumes(view))
    return found


def _read_host(view: NodeView, found: _Ceph) -> None:
    """Read the kernel's own clients; libceph's use count says only that rbd or ceph is loaded."""
    clients = view.host.clients
    if clients is None:
        return
    uses = clients.module_uses or {}
    parts = [
        counted(clients.rbd_devices, "rbd device") if clients.rbd_devices else "",
        counted(clients.ceph_filesystems, "CephFS mount") if clients.ceph_filesystems else "",
        *(f"module {name} in use {uses[name]}×" for name in ("rbd", "ceph") if uses.get(name)),
    ]
    found.in_kernel = ", ".join(filter(None, parts))
    found.wrong_peers = [line for line in clients.kernel_log or () if _is_wrong_peer(line)]


def _is_wrong_peer(line: str) -> bool:
    """Tell whether libceph found another address than it asked for (`process_banner`).

    After an OSD's restart it is the same address with another nonce: that is Ceph's daily life.
    """
    told = _WRONG_PEER.search(line) if "libceph" in line else None
    if told is None:
        return bool(_WRONG_MONITOR.search(line))
    return _address(told.group(1)) != _address(told.group(2))


def _address(text: str) -> str:
    """Return the address in `(1)10.0.1.7:6789/0` or `(1)[fd00::1]:6789/0`."""
    host = text.partition(")")[2] or text
    host = host.rpartition("/")[0] or host
    host = (host.rpartition(":")[0] or host).strip("[]")
    try:
        return str(ip_address(host))
    except ValueError:
        return host


def _has_no_client(view: NodeView) -> bool | None:
    """Tell whether the host has no Ceph client; None where it could not be read."""
    clients = view.host.clients
    if clients is None:
        return None
    modules = clients.module_uses
    if modules is not None and not (modules.get("rbd") or modules.get("ceph")):
        return True
    known = (clients.rbd_devices, clients.ceph_filesystems)
    return None if None in known else not any(known)


def _missing_monitors(view: NodeView) -> Iterator[MissingEvidence]:
    missing = tuple(missing_volumes(view))
    if missing:
        yield from missing
    else:
        what = "the monitors of the Ceph clients, which no volume of the cluster explains"
        how = f"on {view.name}: cat /sys/bus/rbd/devices/*/config_info; mount -t ceph"
        yield MissingEvidence(CleanText(what), clean(how))


def _judged(view: NodeView, found: _Ceph, hook: Evidence, is_certain: bool) -> Verdict:
    failures = mount_failures(view, (*found.behind, *found.open), _WORDS)
    evidence = (*_evidence(view, found, failures), hook)
    parts = {"evidence": evidence, "objects": found.objects, "remedy": _remedy(view)}
    if found.wrong_peers or (failures and is_certain):
        harm = len(found.wrong_peers) + len(failures)
        summary = _active_summary(found, failures)
        return view.verdict(_ID, FindingSeverity.ACTIVE, summary, harm=harm, **parts)
    if found.behind and is_certain:
        summary = (
            f"{counted(len(found.behind), 'Ceph volume')} with monitors behind Services, and no"
            " getpeername hook in the kernel: the next mount or reconnect fails"
        )
        return view.verdict(_ID, FindingSeverity.ARMED, summary, harm=len(found.behind), **parts)
    gates = _missing_gates(view, hook) if found.behind else ()
    missing = tuple(dict.fromkeys((*found.missing, *gates)))
    if missing:
        used = counted(len(found.behind) + len(found.open), "Ceph volume") if found.objects else ""
        subject = used or found.in_kernel or "whether anything uses Ceph"
        summary = f"{subject}: not known whether a missing getpeername hook hurts"
        return view.verdict(
            _ID,
            FindingSeverity.UNKNOWN,
            summary,
            evidence=evidence,
            objects=found.objects,
            missing=missing,
        )
    lacks = "no getpeername hook" if is_certain else "the getpeername hook is not proven"
    why = (
        f"the monitors of {counted(len(found.external), 'Ceph volume')} are no Services here"
        if found.external
        else "nothing uses Ceph here"
    )
    return view.verdict(_ID, FindingSeverity.LATENT, f"{lacks}, but {why}", evidence=(hook,))


def _active_summary(found: _Ceph, failures: list[MountFailure]) -> str:
    if found.wrong_peers:
        return f"libceph refuses its monitors: {found.wrong_peers[-1]}"
    pods = sorted({str(one.pod) for one in failures})
    return f"Ceph volumes of {counted(len(pods), 'pod')} can't be mounted: {', '.join(pods[:3])}"


def _evidence(view: NodeView, found: _Ceph, failures: list[MountFailure]) -> Iterator[Evidence]:
    for line in found.wrong_peers[-3:]:
        yield host_fact(view, line, "dmesg")
    yield from failure_evidence(view, failures)
    for one in (*found.behind, *found.open)[:5]:
        yield one.evidence(view)
    if found.in_kernel:
        source = "ls /sys/bus/rbd/devices /sys/class/bdi; cat /proc/modules"
        yield host_fact(view, found.in_kernel, source)


def _missing_gates(view: NodeView, hook: Evidence) -> Iterator[MissingEvidence]:
    if has_socket_lb(view) is None:
        yield missing_socket_lb(view)
    if view.feature(_FEATURE) is not FeatureState.NO:
        what = f"whether the hook is attached ({hook.text}; distributions bring it to old kernels)"
        yield MissingEvidence(clean(what, 400), view.command(_CGROUP))


_NOW = (
    CleanText("let Ceph's monitors be reached by host addresses (Rook: `hostNetwork: true`)"),
    CleanText("or use the user-space clients: rbd-nbd, ceph-fuse; test them first"),
)
_LASTING = (
    CleanText("run a kernel of 5.8 or later, or a distribution's with the hook, and reboot"),
    CleanText(
        "or do without socket load balancing: kube-proxy-replacement=true forces it on, so that"
        " kube-proxy must serve the host again"
    ),
    CleanText("bpf-lb-sock-hostns-only does not help: libceph connects from the host's namespace"),
)
_SETTINGS = (
    ConfigSetting("kube-proxy-replacement", CleanText("false"), "kubeProxyReplacement=false"),
    ConfigSetting("bpf-lb-sock", CleanText("false"), "socketLB.enabled=false"),
)
_SETTINGS_1_12 = (
    ConfigSetting("kube-proxy-replacement", CleanText("disabled"), "kubeProxyReplacement=disabled"),
    ConfigSetting("bpf-lb-sock", CleanText("false"), "socketLB.enabled=false"),
)
"""Of 1.12 and 1.13, where `false` is no legal value."""
_SETTINGS_1_11 = (
    _SETTINGS_1_12[0],
    ConfigSetting(
        "enable-host-reachable-services", CleanText("false"), "hostServices.enabled=false"
    ),
)
_INTERRUPTS = CleanText(
    "a new kernel: the node's pods. Without socket load balancing: agents restart, and every"
    " Service needs kube-proxy first"
)
_TEST = CleanText("`bpftool cgroup tree /run/cilium/cgroupv2` names getpeername4; mount a volume")


def _remedy(view: NodeView) -> Remedy:
    return Remedy(
        now=_NOW,
        lasting=_LASTING,
        settings=_settings(view),
        # No command for the settings: without kube-proxy they would take every Service away.
        commands=(
            drain(view),
            clean(f"kubectl uncordon {view.name}"),
            CleanText("kubectl -n kube-system get daemonset kube-proxy"),
        ),
        interrupts=_INTERRUPTS,
        test=_TEST,
    )


def _settings(view: NodeView) -> tuple[ConfigSetting, ...]:
    if view.release is None or view.release.at_least(1, 14):
        return _SETTINGS
    return _SETTINGS_1_12 if view.release.at_least(1, 12) else _SETTINGS_1_11


ABOUT = About(
    id=_ID,
    title=CleanText("Ceph volumes without the getpeername hook"),
    limitation=CleanText(
        "libceph under socket load balancing needs the getpeername hook of kernel 5.8 and later."
    ),
    why=CleanText(
        "libceph asks the socket whom it talks to and gets the backend's address instead of the"
        " Service's, takes it for a wrong peer and hangs up. RBD and CephFS mounts then fail."
    ),
    proof=(
        CleanText("the kernel's log: libceph: wrong peer, want ..., got another address"),
        CleanText("FailedMount events of pods with RBD or CephFS volumes"),
        CleanText(
            "getpeername4 and getpeername6 in `bpftool cgroup tree`, else the kernel release"
        ),
        CleanText("volumes in use whose monitors are Services; rbd devices and CephFS mounts"),
    ),
    releases=CleanText(
        "Every release, on kernels before 5.8 without a back-port. 1.18 and later need kernel 5.10,"
        " which leaves RHEL's 4.18."
    ),
    remedy=Remedy(
        now=_NOW, lasting=_LASTING, settings=_SETTINGS, interrupts=_INTERRUPTS, test=_TEST
    ),
    references=(
        CleanText("https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/"),
        CleanText("rook/rook#4752"),
    ),
)
CHECK = Check(ABOUT, judge_node=_judge)
