"""DSR NodePorts in front of servers that accept TCP Fast Open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tui.checks.check import About, Check
from tui.checks.phrases import counted
from tui.checks.proof.volumes import host_fact
from tui.checks.remedies.commands import helm_set, restart_agents
from tui.checks.view import NodeView
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
from tui.model.services import Service
from tui.model.workloads import FastOpenPod
from tui.safety import CleanText, clean

_ID = "dsr-tcp-fastopen"
_FEATURE = "tcp-fastopen"
_ANNOTATION = "bpf-lb-mode-annotation"
_SYSCTL = "cat /proc/sys/net/ipv4/tcp_fastopen"
_SERVER_BIT = 0x2
"""Listeners accept data with the first packet; 0x1 is the client's side and the kernel's default
(Documentation/networking/ip-sysctl.rst)."""
_DSR = ("dsr", "hybrid")
"""hybrid is DSR for TCP and SNAT for UDP."""


@dataclass(frozen=True, slots=True)
class _Servers:
    """What on this node may accept TCP Fast Open behind a DSR Service."""

    value: int | None
    """`net.ipv4.tcp_fastopen` of the host's namespace."""
    host_services: tuple[Service, ...]
    """DSR Services with a backend on the host's network of this node."""
    pods: tuple[tuple[FastOpenPod, Service], ...]
    """Pods with the server bit, each with a DSR Service that it backs."""
    idle_pods: tuple[FastOpenPod, ...]

    @property
    def is_host_open(self) -> bool:
        return self.value is not None and bool(self.value & _SERVER_BIT)

    @property
    def is_armed(self) -> bool:
        return bool(self.pods or (self.is_host_open and self.host_services))

    @property
    def objects(self) -> tuple[AffectedObject, ...]:
        services = list(self.host_services) if self.is_host_open else []
        services += [service for _, service in self.pods]
        names = dict.fromkeys(service.name for service in services)
        pods = (_object("Pod", pod.pod, f"tcp_fastopen={pod.value}") for pod, _ in self.pods)
        return (*(_object("Service", name) for name in names), *pods)


def _object(kind: str, path: str, detail: str = "") -> AffectedObject:
    namespace, _, name = path.partition("/")
    return AffectedObject(kind, clean(name), clean(namespace), clean(detail))


def _judge(view: NodeView) -> Iterator[Verdict]:
    kpr = view.kpr
    if kpr is not None and kpr.node_port is not None and not kpr.node_port.is_enabled:
        yield view.verdict(_ID, FindingSeverity.CLEAR, "BPF NodePort is off")
        return
    if kpr is not None and kpr.node_port is None and kpr.is_enabled is False:
        yield view.verdict(_ID, FindingSeverity.CLEAR, "the kube-proxy replacement is off")
        return
    mode = _mode(view)
    is_annotated = _takes_annotations(view)
    if mode is None and view.knows_config:
        mode = "snat"
    if mode == "snat" and (is_annotated is False or _none_asks(view)):
        why = "NodePort mode is snat" + (", and no Service asks for dsr" if is_annotated else "")
        yield view.verdict(_ID, FindingSeverity.CLEAR, why, evidence=tuple(_mode_of(view)))
        return
    if mode is None or (mode == "snat" and is_annotated is None):
        yield _unknown_mode(view, mode)
        return
    yield _judged(view, mode, bool(is_annotated))


def _mode(view: NodeView) -> str | None:
    """Return the NodePort mode that runs; None where nothing says it."""
    node_port = view.kpr.node_port if view.kpr is not None else None
    if node_port is not None and node_port.mode:
        return node_port.mode.lower()
    setting = view.setting("bpf-lb-mode") or view.setting("node-port-mode")
    return None if setting is None else setting.value.lower()


def _takes_annotations(view: NodeView) -> bool | None:
    """Tell whether Services choose their mode (1.17 and later, off by default)."""
    if view.release is not None and not view.release.at_least(1, 17):
        return False
    found = view.flag(_ANNOTATION)
    if found is not None:
        return found
    return False if view.cluster.facts.config_map.value is not None else None


def _none_asks(view: NodeView) -> bool:
    """Tell whether it is known that no Service is annotated with dsr."""
    services = view.cluster.balanced_services.get("TCP", ())
    is_known = view.cluster.facts.services.value is not None
    return is_known and all(one.forwarding_mode.lower() != "dsr" for one in services)


def _unknown_mode(view: NodeView, mode: str | None) -> Verdict:
    what = f"the option {_ANNOTATION}" if mode else "the NodePort mode"
    how = view.command(f"{view.binary} status --verbose; {view.binary} config -a")
    return view.verdict(
        _ID,
        FindingSeverity.UNKNOWN,
        f"{what} is not known",
        missing=(MissingEvidence(clean(what), how),),
    )


def _through_dsr(services: Iterable[Service], mode: str, is_annotated: bool) -> Iterator[Service]:
    """Yield the TCP Services that clients outside reach through DSR.

    With `externalTrafficPolicy: Local` a node answers from its own pods: nothing is returned past
    the node that was asked.
    """
    for one in services:
        if one.is_external_local:
            continue
        own_mode = one.forwarding_mode.lower() if is_annotated else ""
        if (own_mode or mode) in _DSR and any(port.protocol.upper() == "TCP" for port in one.ports):
            yield one


def _servers_of(view: NodeView, mode: str, is_annotated: bool) -> _Servers:
    node = view.facts.node
    cluster = view.cluster
    own = sorted({str(node.internal_ip), *map(str, node.addresses)})
    on_host = (one for ip in own for one in cluster.exposed_by_backend.get(ip, ()))
    host = {one.name: one for one in _through_dsr(on_host, mode, is_annotated)}
    exposed = cluster.external_services
    backing, idle = list[tuple[FastOpenPod, Service]](), list[FastOpenPod]()
    workloads = view.cluster.facts.workloads.value
    for pod in () if workloads is None else workloads.fast_open_pods:
        value = _number(pod.value)
        if pod.node_name != view.name or value is None or not value & _SERVER_BIT:
            continue
        behind = (one for one in exposed if _is_backed_by(one, pod))
        service = next(_through_dsr(behind, mode, is_annotated), None)
        if service is None:
            idle.append(pod)
        else:
            backing.append((pod, service))
    return _Servers(_host_value(view), tuple(host.values()), tuple(backing), tuple(idle))


def _is_backed_by(service: Service, pod: FastOpenPod) -> bool:
    namespace = service.name.partition("/")[0]
    is_near = pod.pod.partition("/")[0] == namespace
    return is_near and bool(service.selector) and set(service.selector) <= set(pod.labels)


def _host_value(view: NodeView) -> int | None:
    clients = view.host.clients
    if clients is not None and clients.tcp_fastopen is not None:
        return clients.tcp_fastopen
    found = view.features.get(_FEATURE)
    return None if found is None else _number(found.value)


def _number(text: str) -> int | None:
    """Read a sysctl's value, which may be written in hexadecimal."""
    try:
        return int(text.strip()[:18], 0)
    except ValueError:
        return None


def _judged(view: NodeView, mode: str, is_annotated: bool) -> Verdict:
    services = _through_dsr(view.cluster.external_services, mode, is_annotated)
    is_exposed = next(services, None) is not None
    found = _servers_of(view, mode, is_annotated)
    evidence = (*_mode_of(view), *_evidence(view, found))
    what = f"NodePort mode {mode}" if mode in _DSR else "Services annotated with dsr"
    if found.is_armed:
        return _armed(view, found, what, evidence)
    missing = tuple(_missing(view, found, is_exposed))
    if missing:
        return view.verdict(
            _ID,
            FindingSeverity.UNKNOWN,
            f"{what}: whether a server behind it accepts TCP Fast Open is not known",
            evidence=evidence,
            missing=missing,
        )
    if found.is_host_open or found.idle_pods or found.value is None:
        value = "not read" if found.value is None else found.value
        why = (
            "no backend of an exposed Service is on the host's network"
            if is_exposed
            else "no Service is reached from outside that way"
        )
        summary = f"{what}; tcp_fastopen of the host: {value}, but {why}"
        if found.idle_pods:
            summary += f"; {counted(len(found.idle_pods), 'pod')} with the server bit behind none"
        return view.verdict(_ID, FindingSeverity.LATENT, summary, evidence=evidence)
    side = "client side only, the kernel's default" if found.value == 1 else "no server side"
    summary = f"{what}, but no server accepts TCP Fast Open: tcp_fastopen={found.value} ({side})"
    return view.verdict(_ID, FindingSeverity.CLEAR, summary, evidence=evidence)


def _armed(view: NodeView, found: _Servers, what: str, evidence: tuple[Evidence, ...]) -> Verdict:
    clients = view.host.clients
    grown = clients.fastopen_growth if clients is not None else 0
    is_host = found.is_host_open and bool(found.host_services)
    parts = {"evidence": evidence, "objects": found.objects, "remedy": _remedy(view)}
    places = (
        [f"{counted(len(found.host_services), 'Service')} on the host's network"] if is_host else []
    )
    places += [counted(len(found.pods), "pod")] if found.pods else []
    if is_host and grown:
        summary = (
            f"{what}, and the host accepts connections with TCP Fast Open ({grown:,} since the"
            f" reading before), with {places[0]} behind it"
        )
        return view.verdict(
            _ID, FindingSeverity.ACTIVE, summary, harm=len(found.host_services), **parts
        )
    summary = f"{what} in front of servers that accept TCP Fast Open: {' and '.join(places)}"
    return view.verdict(_ID, FindingSeverity.ARMED, summary, harm=len(found.objects), **parts)


def _missing(view: NodeView, found: _Servers, is_exposed: bool) -> Iterator[MissingEvidence]:
    facts = view.cluster.facts
    if facts.services.value is None:
        if found.is_host_open or found.idle_pods or found.value is None:
            how = "kubectl auth can-i list services -A; then ciltop again"
            yield view.missing(facts.services, "which Services are reached from outside", how)
        return
    if found.value is None and found.host_services:
        how = view.command(_SYSCTL)
        yield MissingEvidence(CleanText("net.ipv4.tcp_fastopen of the host"), how)
    if is_exposed and facts.workloads.value is None:
        how = "kubectl auth can-i list pods -A; then ciltop again"
        yield view.missing(facts.workloads, "pods that set net.ipv4.tcp_fastopen", how)


def _mode_of(view: NodeView) -> Iterator[Evidence]:
    node_port = view.kpr.node_port if view.kpr is not None else None
    if node_port is not None and node_port.mode:
        yield view.evidence(view.facts.status, f"NodePort mode {node_port.mode}")
    for option in ("bpf-lb-mode", "node-port-mode", _ANNOTATION):
        setting = view.setting(option)
        if setting is not None:
            yield view.setting_evidence(option, setting)


def _evidence(view: NodeView, found: _Servers) -> Iterator[Evidence]:
    if found.value is not None:
        bit = "set" if found.is_host_open else "not set"
        text = f"net.ipv4.tcp_fastopen={found.value} on the host: server bit 0x2 {bit}"
        yield host_fact(view, text, _SYSCTL)
    clients = view.host.clients
    if clients is not None and clients.fastopen_passive is not None:
        grown = clients.fastopen_growth
        more = f", {grown:,} more than at the reading before" if grown else ""
        text = f"TCPFastOpenPassive {clients.fastopen_passive} since the node started{more}"
        yield host_fact(view, text, "cat /proc/net/netstat")
    facts = view.cluster.facts
    for service in found.host_services[:5]:
        text = f"{service.name} ({service.type}) has a backend on this node's own network"
        yield view.cluster.evidence(facts.services, text, ProofKind.SERVICE, str(service.name))
    for pod, service in found.pods[:5]:
        text = f"pod {pod.pod} sets net.ipv4.tcp_fastopen={pod.value} and backs {service.name}"
        key = f"Pod/{pod.pod}"
        yield view.cluster.evidence(facts.workloads, text, ProofKind.OBJECT, key)


_NOW = (
    CleanText("take the server side back: `sysctl -w net.ipv4.tcp_fastopen=1` on the node"),
    CleanText("pods: set net.ipv4.tcp_fastopen=1 in securityContext.sysctls, then restart them"),
)
_LASTING = (
    CleanText("run NodePorts with SNAT on all nodes; the servers then see the node's address"),
    CleanText("Services annotated with dsr: take service.cilium.io/forwarding-mode away"),
    CleanText("pods that set it in an init container are not seen by this check: look there too"),
)
_SETTINGS = (ConfigSetting("bpf-lb-mode", CleanText("snat"), "loadBalancer.mode=snat"),)
_INTERRUPTS = CleanText(
    "the sysctl: nothing. SNAT: connections through NodePorts and load balancers, and servers lose"
    " their clients' addresses; nodes differ in mode until all agents have restarted"
)
_TEST = CleanText("curl --tcp-fastopen http://<another node>:<nodePort>/ from outside, twice")


def _remedy(view: NodeView) -> Remedy:
    return Remedy(
        now=_NOW,
        lasting=_LASTING,
        settings=_SETTINGS,
        commands=(
            CleanText("sysctl -w net.ipv4.tcp_fastopen=1"),
            helm_set(view, "loadBalancer.mode=snat"),
            restart_agents(view),
        ),
        interrupts=_INTERRUPTS,
        test=_TEST,
    )


ABOUT = About(
    id=_ID,
    title=CleanText("DSR with TCP Fast Open"),
    limitation=CleanText("DSR NodePorts don't operate well with TCP Fast Open."),
    why=CleanText(
        "With TCP Fast Open a connection's first packet carries data already, and Cilium's datapath"
        " knows nothing of it. Such connections through DSR may stall while others work; Cilium's"
        " documentation recommends SNAT."
    ),
    proof=(
        CleanText("NodePort mode DSR or Hybrid, or a Service annotated with dsr (1.17 and later)"),
        CleanText(
            "net.ipv4.tcp_fastopen with bit 0x2 where a backend of an exposed Service is, unless"
            " its externalTrafficPolicy is Local"
        ),
        CleanText("TCPFastOpenPassive of the host grows: connections really come that way"),
    ),
    releases=CleanText("Every release, every kernel; tcp_fastopen of 0 or 1 is harmless."),
    remedy=Remedy(
        now=_NOW, lasting=_LASTING, settings=_SETTINGS, interrupts=_INTERRUPTS, test=_TEST
    ),
    references=(CleanText("https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/"),),
)
CHECK = Check(ABOUT, judge_node=_judge)
