"""`udp-stale-backends`: connected UDP sockets go on sending to a backend that was deleted.

Agents end such sockets from 1.15 in the host's network namespace and from 1.16 in pods'
(21c2608ebc, d2f642ae1b), by netlink where the kernel has CONFIG_INET_DIAG_DESTROY, from 1.19 also
by `bpf_sock_destroy` (100f8bc179). All of it needs the socket in `cilium_lb{4,6}_reverse_sk`, an
LRU map: once it is full, sockets that are open are forgotten and outlive their backend
(cilium/cilium#42649).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tui.checks.check import About, Check
from tui.checks.phrases import counted, service_object, some_of
from tui.checks.proof.sources import log_lines, of_running_agent, services_evidence
from tui.checks.proof.udp_peers import StalePeer, stale_peers
from tui.checks.proof.udp_termination import (
    KERNEL_OPTIONS,
    Hole,
    holes_of,
    is_host_only,
    kernel_ends_sockets,
    lacks_netlink,
    reverse_sk_rows,
)
from tui.checks.view import NodeView
from tui.model.findings import (
    AffectedObject,
    ConfigSetting,
    Evidence,
    FindingSeverity,
    MissingEvidence,
    Remedy,
    Verdict,
)
from tui.safety import CleanText, clean

_ID = "udp-stale-backends"
_OBJECTS = 50
_PEERS = 6
_RECENT_SECONDS = 3_600.0
_NAMES = 3

_RESTART_CLIENTS = CleanText(
    "restart the pods that send UDP to the Service (resolvers, proxies, collectors): a new socket"
    " gets a backend of today"
)
_HOSTNS_ONLY = ConfigSetting(
    "bpf-lb-sock-hostns-only", CleanText("true"), "socketLB.hostNamespaceOnly=true"
)
_HOSTNS_STEP = CleanText(
    "keep socket-LB to the host (bpf-lb-sock-hostns-only=true): pods' UDP is then translated packet"
    " by packet; needs network namespace cookies up to 1.17 and more conntrack entries"
)
_INTERRUPTS = CleanText(
    "The clients' restart. For hostns-only each agent restarts and compiles all endpoints anew;"
    " sockets that are pinned already stay so until their client reconnects."
)

ABOUT = About(
    id=_ID,
    title=CleanText("UDP sockets pinned to deleted backends"),
    limitation=CleanText(
        "With socket-LB, pods that send connected UDP can go on sending to a Service's backend"
        " after it is deleted, unless the agent (1.15 host, 1.16 pods) and the kernel"
        " (CONFIG_INET_DIAG_DESTROY) end their sockets."
    ),
    why=CleanText(
        "Such a client, often a DNS resolver or a proxy, gets no answers until it reconnects, while"
        " the Service is healthy for all others. Nothing in its own log or in the Service shows"
        " why."
    ),
    proof=(
        CleanText("a connected UDP socket to an address that only the node's map still lists"),
        CleanText("log lines: sockets to a deleted backend could not be ended"),
        CleanText("release, bpf-lb-sock-terminate-pod-connections and the kernel's options"),
        CleanText("the fill of cilium_lb4_reverse_sk, without which no socket is found"),
    ),
    releases=CleanText(
        "Every release with socket-LB. Up to 1.14 no socket is ended, 1.15 ends the host's, 1.16"
        " and later pods' too; needs CONFIG_INET_DIAG, CONFIG_INET_UDP_DIAG and"
        " CONFIG_INET_DIAG_DESTROY, or bpf_sock_destroy (kernel 6.5) from 1.19."
    ),
    remedy=Remedy(
        now=(_RESTART_CLIENTS,),
        lasting=(
            CleanText("upgrade to 1.16 or later, on a kernel with the options it needs"),
            _HOSTNS_STEP,
            CleanText("NodeLocal DNS keeps pods' DNS away from the Service"),
        ),
        settings=(_HOSTNS_ONLY,),
        needs_restart=True,
        interrupts=_INTERRUPTS,
        test=CleanText("ss -u -n -e state established"),
    ),
    references=(
        CleanText("https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/"),
        CleanText("cilium/cilium#42649"),
        CleanText("cilium/cilium#28820"),
        CleanText("cilium/cilium#27300"),
    ),
)


def _judge_node(view: NodeView) -> Iterable[Verdict]:
    is_replacing = view.kpr is None or view.kpr.is_enabled is not False
    if view.socket_lb is False or (view.socket_lb is None and not is_replacing):
        yield view.verdict(_ID, FindingSeverity.CLEAR, "socket load balancing is off")
        return
    if view.socket_lb is None:
        how = view.command(f"{view.binary} status -o json")
        missing = (view.missing(view.facts.status, "whether socket-LB is on", how),)
        text = "whether socket load balancing is on is not known"
        yield view.verdict(_ID, FindingSeverity.UNKNOWN, text, missing=missing)
        return
    yield _with_socket_lb(view)


def _with_socket_lb(view: NodeView) -> Verdict:
    host_only = is_host_only(view)
    peers = [one for one in stale_peers(view) if not host_only or one.peer.namespace == "host"]
    proved = [one for one in peers if one.is_proved]
    if proved:
        return _active(view, proved)
    failed = _failed_termination(view)
    if failed is not None:
        return failed
    holes = holes_of(view)
    if not holes:
        return _without_hole(view, peers)
    return _with_holes(view, holes, peers)


def _active(view: NodeView, proved: Sequence[StalePeer]) -> Verdict:
    sockets = sum(one.peer.count for one in proved)
    remotes = some_of((one.remote for one in proved), _NAMES)
    services = dict.fromkeys(one.service for one in proved if one.service)
    of = f" of {some_of(services, _NAMES)}" if services else ""
    return view.verdict(
        _ID,
        FindingSeverity.ACTIVE,
        f"{counted(sockets, 'connected UDP socket')} still send to deleted backends{of}: {remotes}",
        evidence=(
            *_peer_evidence(view, proved),
            *log_lines(view, of_running_agent(view, "S2", "S1")),
        ),
        objects=tuple(service_object(name, "its clients are pinned") for name in services),
        remedy=_remedy(view, holes_of(view)),
        harm=sockets,
    )


def _peer_evidence(view: NodeView, peers: Sequence[StalePeer]) -> tuple[Evidence, ...]:
    return tuple(
        view.fact(
            f"{counted(one.peer.count, 'UDP socket')} in {one.peer.namespace} to {one.remote}:"
            f" {one.why}",
            "cat /proc/net/udp /proc/net/udp6",
            view.facts.host.origin.observed_at if view.facts.host.origin is not None else None,
        )
        for one in peers[:_PEERS]
    )


def _failed_termination(view: NodeView) -> Verdict | None:
    """Believe the agent that it could not end sockets, until sockets read later show none."""
    lines = [
        entry
        for entry in of_running_agent(view, "S2")
        if view.now - (entry.last_time or entry.line.time) <= _RECENT_SECONDS
    ]
    sockets = view.host.sockets
    were_read = (
        sockets is not None and sockets.pod_namespaces_read is not None and not sockets.is_truncated
    )
    if not lines or were_read:
        return None
    return view.verdict(
        _ID,
        FindingSeverity.ACTIVE,
        "the agent found sockets to a deleted backend and could not end them",
        evidence=log_lines(view, lines),
        objects=_consumers(view),
        remedy=_remedy(view, holes_of(view)),
        missing=(_missing_sockets(view),),
        since=min(entry.line.time for entry in lines),
        harm=sum(entry.count for entry in lines),
    )


def _missing_sockets(view: NodeView) -> MissingEvidence:
    how = view.command("cat /proc/net/udp /proc/net/udp6")
    reason = view.host.reasons.get("sockets", "")
    why = f" ({reason})" if reason else ""
    return MissingEvidence(clean(f"the connected UDP sockets of the node's pods{why}", 300), how)


def _consumers(view: NodeView) -> tuple[AffectedObject, ...]:
    return tuple(
        service_object(
            str(one.name), f"UDP port {next(p.port for p in one.ports if p.protocol == 'UDP')}"
        )
        for one in view.cluster.udp_services[:_OBJECTS]
        if any(port.protocol == "UDP" for port in one.ports)
    )


def _with_holes(view: NodeView, holes: Sequence[Hole], peers: Sequence[StalePeer]) -> Verdict:
    why = "; ".join(hole.text for hole in holes)
    evidence = (
        *(piece for hole in holes for piece in hole.evidence),
        *_peer_evidence(view, peers),
    )
    listed = view.cluster.facts.services
    services = view.cluster.udp_services
    if not services:
        missing: tuple[MissingEvidence, ...] = ()
        text = f"{why}; no Service has a UDP port"
        if listed.value is None:
            missing = (view.missing(listed, "the Services", "kubectl get services -A"),)
            text = f"{why}; which Services have a UDP port is not known"
        return view.verdict(_ID, FindingSeverity.LATENT, text, evidence=evidence, missing=missing)
    severity = (
        FindingSeverity.LATENT if all(hole.is_minor for hole in holes) else FindingSeverity.ARMED
    )
    names = some_of((str(one.name) for one in services), _NAMES)
    suspects = ""
    if peers:
        sockets = sum(one.peer.count for one in peers)
        suspects = f"; {counted(sockets, 'socket')} may be pinned already: {peers[0].remote}"
    used = services_evidence(view, f"Services with a UDP port: {names}", str(services[0].name))
    return view.verdict(
        _ID,
        severity,
        f"{why}; UDP Services: {names}{suspects}",
        evidence=(*evidence, used),
        objects=_consumers(view),
        remedy=_remedy(view, holes),
        harm=sum(one.peer.count for one in peers),
    )


def _without_hole(view: NodeView, peers: Sequence[StalePeer]) -> Verdict:
    if is_host_only(view):
        text = "socket-LB is kept to the host: pods' UDP is translated packet by packet"
        return view.verdict(_ID, FindingSeverity.CLEAR, text)
    if view.release is None or kernel_ends_sockets(view) is None:
        what = "the agent's release" if view.release is None else f"whether {KERNEL_OPTIONS}"
        how = "zgrep INET_ /proc/config.gz; grep INET_ /boot/config-$(uname -r)"
        if view.release is None:
            how = view.command(f"{view.binary} version -o json")
        elif lacks_netlink(view):
            what = "whether the kernel has bpf_sock_destroy (6.5), as it lacks the options"
            how = view.command("grep -w bpf_sock_destroy /proc/kallsyms")
        lacking = (MissingEvidence(clean(what, 300), clean(how, 300)),)
        text = "whether sockets to deleted backends are ended is not known"
        return view.verdict(_ID, FindingSeverity.UNKNOWN, text, missing=lacking)
    if peers:
        sockets = sum(one.peer.count for one in peers)
        text = (
            f"{counted(sockets, 'UDP socket')} to addresses that no Service has:"
            f" {some_of((one.remote for one in peers), _NAMES)}; {view.release} ends sockets to"
            " deleted backends, so they may be connections to pods themselves"
        )
        evidence = _peer_evidence(view, peers)
        return view.verdict(_ID, FindingSeverity.LATENT, text, evidence=evidence)
    unread = [usage for usage in reverse_sk_rows(view) if usage.ratio is None]
    missing = tuple(
        MissingEvidence(
            clean(f"the fill of {usage.name}: sockets it evicts are not ended", 300),
            view.command("bpftool -j -f map show"),
        )
        for usage in unread
    )
    text = f"{view.release} ends sockets of host and pods to deleted backends, and the kernel can"
    return view.verdict(_ID, FindingSeverity.CLEAR, text, missing=missing)


def _remedy(view: NodeView, holes: Sequence[Hole]) -> Remedy:
    """Return the general remedy with the steps against the holes that are open here."""
    general = ABOUT.remedy
    steps = [step for hole in holes for step in hole.lasting]
    settings = [setting for hole in holes for setting in hole.settings]
    if not is_host_only(view):
        steps.append(_HOSTNS_STEP)
        settings.append(_HOSTNS_ONLY)
    return Remedy(
        now=general.now,
        lasting=(*steps, general.lasting[-1]),
        settings=tuple(settings),
        needs_restart=general.needs_restart,
        interrupts=general.interrupts,
        test=view.command("cat /proc/net/udp /proc/net/udp6"),
    )


CHECK = Check(ABOUT, judge_node=_judge_node)
