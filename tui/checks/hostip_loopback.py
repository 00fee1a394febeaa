"""`hostip-loopback`: hostPorts that are bound to the loopback address, and ignored by Cilium."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from tui.checks.check import About, Check
from tui.checks.proof.cookies import cookie_evidence, has_netns_cookie, missing_cookie
from tui.checks.proof.hostports import (
    handles_host_ports,
    host_port_evidence,
    host_port_objects,
    workload_of,
)
from tui.checks.proof.releasefacts import release_evidence
from tui.checks.view import NodeView
from tui.model.findings import (
    Evidence,
    FindingSeverity,
    MissingEvidence,
    Remedy,
    Verdict,
)
from tui.model.logs import LogEntry
from tui.model.workloads import HostPort
from tui.safety import CleanText

ID = "hostip-loopback"
_EVIDENCE_SHOWN = 4
_RIGHT = CleanText("allow `list` on pods in all namespaces: kubectl auth can-i list pods -A")
_LIST = CleanText(
    "kubectl get pods -A -o custom-columns=NS:.metadata.namespace,POD:.metadata.name,"
    "HOSTIP:.spec.containers[*].ports[*].hostIP"
)
_TEST = CleanText("on the node itself: curl -m 3 http://127.0.0.1:HOST-PORT/")

ABOUT = About(
    id=ID,
    title=CleanText("hostIP on the loopback address is ignored"),
    limitation=CleanText(
        "A hostPort whose hostIP is the loopback address is ignored, with a warning in the agent's"
        " log."
    ),
    why=CleanText(
        "The pod runs and is Ready, but a client on the node that connects to 127.0.0.1 or ::1"
        " finds nothing there. "
        "Moved to another hostIP the port would be open to the network, which the loopback address"
        " was to prevent."
    ),
    proof=(
        CleanText(
            "a pod's hostPort has a hostIP of 127.0.0.0/8 or ::1, on a release or a kernel that"
            " can't bind it"
        ),
        CleanText(
            "the agent logged `The requested loopback address for hostIP … is not supported`"
        ),
        CleanText(
            "1.19 logged `service with LoopbackHostPort not supported for port with non-loopback"
            " address`, and a pod has hostPorts of both kinds"
        ),
    ),
    releases=CleanText(
        "to 1.12 always; 1.13 to 1.17 on kernels without network namespace cookies (before 5.7);"
        " 1.18 and later work"
    ),
    remedy=Remedy(
        now=(
            CleanText("run what needs the loopback address with hostNetwork: true"),
            CleanText("or reach the pod through a Service instead of 127.0.0.1"),
        ),
        lasting=(CleanText("upgrade Cilium to 1.13 or later on kernels from 5.8 on, or to 1.18"),),
        commands=(_LIST,),
        needs_restart=None,
        interrupts=CleanText(
            "a changed pod template replaces the workload's pods; a kernel's upgrade drains the"
            " node"
        ),
        test=_TEST,
    ),
    references=(
        CleanText(
            "https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/#container-hostport-support"
        ),
        CleanText("cilium/cilium commit 40fc0909fa: Allow hostports with localhost hostIPs"),
    ),
)


@dataclass(frozen=True, slots=True)
class _Gate:
    """Whether this node's agent ignores loopback hostPorts, and why."""

    severity: FindingSeverity
    reason: str
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[MissingEvidence, ...] = ()


def judge_node(view: NodeView) -> Iterable[Verdict]:
    """Judge the hostPorts of the node's pods that ask for a loopback address."""
    gate = _gate(view)
    handled = handles_host_ports(view)
    if handled is False:
        text = "Cilium does not handle hostPorts on this node; the portmap CNI plugin may"
        return [view.verdict(ID, FindingSeverity.CLEAR, text)]
    if view.cluster.facts.workloads.value is None:
        return [_without_pods(view, gate)]
    on_node = view.cluster.host_ports_on(view.name)
    found = _by_workload(on_node)
    if not found:
        text = "no pod on this node has a hostPort"
        if on_node:
            text = f"none of {len(on_node)} hostPorts on this node has a loopback hostIP"
        return [view.verdict(ID, FindingSeverity.CLEAR, text)]
    if gate.severity is FindingSeverity.CLEAR:
        if view.release is not None and view.release.at_least(1, 19):
            mixed = list(_mixed(view, on_node))
            if mixed:
                return mixed
        text = f"loopback hostPorts work here: {gate.reason}"
        return [view.verdict(ID, FindingSeverity.CLEAR, text, evidence=gate.evidence)]
    if handled is None and gate.severity is FindingSeverity.ACTIVE:
        gate = _Gate(FindingSeverity.UNKNOWN, gate.reason, gate.evidence, (_who(view),))
    return [_ignored(view, gate, *one) for one in found.items()]


def _gate(view: NodeView) -> _Gate:
    refused = [one for one in view.logged("K2") if not one.is_previous]
    logged = tuple(view.log_evidence(entry) for entry in refused[:1])
    release = view.release
    if release is None:
        missing = MissingEvidence(
            CleanText("the agent's release"), view.command(f"{view.binary} version")
        )
        return _Gate(FindingSeverity.UNKNOWN, "the release is not known", logged, (missing,))
    if not release.at_least(1, 13):
        text = f"{release} never binds a loopback hostIP, 1.13 was the first"
        return _Gate(FindingSeverity.ACTIVE, text, (release_evidence(view), *logged))
    if logged:
        text = f"the agent of {release} says that it refused one"
        return _Gate(FindingSeverity.ACTIVE, text, logged)
    if release.at_least(1, 18):
        return _Gate(FindingSeverity.CLEAR, f"{release} binds them on every kernel it runs on")
    return _by_cookie(view)


def _by_cookie(view: NodeView) -> _Gate:
    has_cookie = has_netns_cookie(view)
    fact = cookie_evidence(view)
    if has_cookie:
        text = "this kernel has network namespace cookies, all that 1.13 to 1.17 need"
        return _Gate(FindingSeverity.CLEAR, text, (fact,))
    if has_cookie is False:
        text = "this kernel has no network namespace cookies, which 1.13 to 1.17 need"
        return _Gate(FindingSeverity.ACTIVE, text, (release_evidence(view), fact))
    missing = missing_cookie(view)
    text = "whether this kernel has network namespace cookies is not known"
    return _Gate(FindingSeverity.UNKNOWN, text, (fact,), (missing,))


def _who(view: NodeView) -> MissingEvidence:
    return view.missing(
        view.facts.status,
        "whether Cilium handles hostPorts on this node",
        f"features.hostPort.enabled in: {view.command(f'{view.binary} status --verbose -o json')}",
    )


def is_loopback(host_ip: str) -> bool:
    """Tell whether a hostIP is in 127.0.0.0/8 or ::1; what is no address is not."""
    try:
        return ip_address(host_ip.strip()).is_loopback
    except ValueError:
        return False


def _by_workload(ports: Iterable[HostPort]) -> Mapping[str, list[HostPort]]:
    found: dict[str, list[HostPort]] = {}
    for one in ports:
        if is_loopback(one.host_ip):
            found.setdefault(workload_of(one), []).append(one)
    return found


def _ignored(view: NodeView, gate: _Gate, workload: str, found: Sequence[HostPort]) -> Verdict:
    named = ", ".join(sorted({_bound(one) for one in found})[:4])
    verb = "ignored" if gate.severity is FindingSeverity.ACTIVE else "perhaps ignored"
    return view.verdict(
        ID,
        gate.severity,
        f"hostPort {named} of {workload} is {verb}: {gate.reason}",
        evidence=(*host_port_evidence(view, found[:_EVIDENCE_SHOWN]), *gate.evidence),
        objects=host_port_objects(found),
        missing=gate.missing,
        harm=len(found),
        group=workload,
    )


def _bound(port: HostPort) -> str:
    host = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip
    return f"{host}:{port.port}"


def _mixed(view: NodeView, ports: Iterable[HostPort]) -> Iterator[Verdict]:
    """Judge hostPorts that a pod binds to the loopback address and to another one.

    From 1.19 on the second is dropped where the pod names it after the loopback one, with K3
    (pkg/loadbalancer/reflectors/k8s.go).
    """
    by_port: dict[tuple[str, int, str], list[HostPort]] = {}
    for one in ports:
        if one.host_ip:
            by_port.setdefault((one.pod, one.port, one.protocol), []).append(one)
    logged = [entry for entry in view.logged("K3") if not entry.is_previous]
    for found in by_port.values():
        if len({is_loopback(one.host_ip) for one in found}) == 2:
            yield _dropped(view, found, logged)


def _dropped(view: NodeView, found: Sequence[HostPort], logged: Sequence[LogEntry]) -> Verdict:
    others = ", ".join(_bound(one) for one in found if not is_loopback(one.host_ip))
    severity = FindingSeverity.ACTIVE if logged else FindingSeverity.ARMED
    end = "is dropped" if logged else "is dropped if the pod names it after the loopback one"
    return view.verdict(
        ID,
        severity,
        f"hostPort {others} of {found[0].pod} {end}: the pod also binds it to the loopback address",
        evidence=(
            *host_port_evidence(view, found[:_EVIDENCE_SHOWN]),
            *(view.log_evidence(entry) for entry in logged[:1]),
        ),
        objects=host_port_objects(found),
        remedy=Remedy(
            now=(
                CleanText("give the two hostIPs two hostPorts, or one hostPort without any hostIP"),
            ),
            commands=(_LIST,),
            needs_restart=False,
            interrupts=CleanText("a changed pod template replaces the workload's pods"),
            test=_TEST,
        ),
        harm=1,
        group=workload_of(found[0]),
    )


def _without_pods(view: NodeView, gate: _Gate) -> Verdict:
    if gate.severity is FindingSeverity.CLEAR:
        text = f"loopback hostPorts would work here: {gate.reason}"
        return view.verdict(ID, FindingSeverity.CLEAR, text, evidence=gate.evidence)
    missing = view.missing(
        view.cluster.facts.workloads, "which pods have a loopback hostIP on this node", _RIGHT
    )
    logged = [entry for entry in view.logged("K2") if not entry.is_previous]
    if logged:
        return view.verdict(
            ID,
            FindingSeverity.ARMED,
            "the agent logged that it ignores a loopback hostIP; whether the pod still runs is not"
            " known",
            evidence=tuple(view.log_evidence(entry) for entry in logged[:_EVIDENCE_SHOWN]),
            missing=(missing,),
            harm=len(logged),
        )
    text = f"the pods' hostIPs are not known, and {gate.reason}"
    return view.verdict(
        ID,
        FindingSeverity.UNKNOWN,
        text,
        evidence=gate.evidence,
        missing=(missing, *gate.missing),
    )


CHECK = Check(ABOUT, judge_node=judge_node)
