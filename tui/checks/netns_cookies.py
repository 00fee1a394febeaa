"""`netns-cookies`: kernels on which Cilium can't tell the host and pods apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tui.checks.check import About, Check
from tui.checks.proof.cookies import cookie_evidence, has_netns_cookie, missing_cookie
from tui.checks.proof.hostports import handles_host_ports, host_port_objects
from tui.checks.remedies.commands import drain
from tui.checks.view import NodeView
from tui.model.findings import (
    AffectedObject,
    Evidence,
    FindingSeverity,
    MissingEvidence,
    ProofKind,
    Remedy,
    Verdict,
)
from tui.model.services import Service
from tui.safety import CleanText, clean

ID = "netns-cookies"
HOSTNS_ONLY = "bpf-lb-sock-hostns-only"
"""The option, and the group of the finding that it was turned off."""

_OBJECTS_SHOWN = 50
_UPGRADE = CleanText(
    "run a kernel of 5.7 or later on the node (5.10 for Cilium 1.18 and later); no setting of"
    " Cilium replaces it"
)
_INTERRUPTS = CleanText("a kernel's upgrade drains and reboots the node")
_TEST = CleanText("in a pod on this node: nc -vz -w 3 127.0.0.1 NODE-PORT must fail")

ABOUT = About(
    id=ID,
    title=CleanText("Services are reachable on every pod's loopback address"),
    limitation=CleanText(
        "On kernels before 5.7 Cilium can't tell the host's network namespace from a pod's, so"
        " Kubernetes Services are reachable from all pods via the loopback address."
    ),
    why=CleanText(
        "Every pod reaches every NodePort, LoadBalancer and hostPort on its own 127.0.0.1, where an"
        " application may trust whoever connects and no other pod should be. "
        "Session affinity inside the cluster collapses to one backend, and bpf-lb-sock-hostns-only"
        " is turned off without a word in the status."
    ),
    proof=(
        CleanText(
            "the agent logged `Session affinity for host reachable services needs kernel 5.7.0 or"
            " newer`: printed only where its probe of the helper failed"
        ),
        CleanText("bpf_get_netns_cookie is not among the kernel's helpers"),
        CleanText("the kernel's release, where the distribution back-ports nothing"),
    ),
    releases=CleanText(
        "to 1.17 with socket-LB, on kernels before 5.7; 1.18 needs kernel 5.10 and dropped the code"
    ),
    remedy=Remedy(
        now=(
            CleanText(
                "don't trust the loopback address in pods on this node: let applications there ask"
                " for credentials"
            ),
        ),
        lasting=(_UPGRADE,),
        needs_restart=True,
        interrupts=_INTERRUPTS,
        test=_TEST,
    ),
    references=(
        CleanText("cilium/cilium#17454"),
        CleanText("https://docs.cilium.io/en/v1.17/network/kubernetes/kubeproxy-free/#limitations"),
    ),
)


def judge_node(view: NodeView) -> Iterable[Verdict]:
    """Judge whether the agent can tell the host from pods, and who is exposed where it can't."""
    fine = _fine(view)
    if fine:
        evidence = (cookie_evidence(view),) if has_netns_cookie(view) else ()
        return [view.verdict(ID, FindingSeverity.CLEAR, fine, evidence=evidence)]
    missing = tuple(_missing(view))
    if missing:
        text = "whether Services are reachable on the pods' loopback addresses is not known"
        evidence = (cookie_evidence(view),)
        return [view.verdict(ID, FindingSeverity.UNKNOWN, text, evidence=evidence, missing=missing)]
    return [_exposed(view), *_turned_off(view)]


def _fine(view: NodeView) -> str:
    """Return why nothing is wrong here, or the empty text."""
    if view.release is not None and view.release.at_least(1, 18):
        return f"{view.release} needs kernel 5.10, which has network namespace cookies"
    if view.socket_lb is False:
        return "socket load balancing is off"
    if has_netns_cookie(view):
        return "this kernel has network namespace cookies"
    return ""


def _missing(view: NodeView) -> Iterator[MissingEvidence]:
    if has_netns_cookie(view) is None:
        yield missing_cookie(view)
    if view.release is None:
        how = view.command(f"{view.binary} version")
        yield view.missing(view.facts.version, "the agent's release", how)
    if view.socket_lb is None:
        how = view.command(f"{view.binary} status --verbose -o json")
        yield view.missing(view.facts.status, "whether socket load balancing is on", how)


def _exposed(view: NodeView) -> Verdict:
    services = _services(view)
    ports = _host_ports(view)
    objects = (*(_service_object(one) for one in services[:_OBJECTS_SHOWN]), *ports)
    facts = (cookie_evidence(view), *_reach(view))
    if objects:
        return view.verdict(
            ID,
            FindingSeverity.ARMED,
            f"{len(services)} Services and {len(ports)} hostPorts, such as {objects[0]}, are"
            " reachable on 127.0.0.1 of every pod on this node: kernel"
            f" {view.facts.node.kernel_release} has no network namespace cookies",
            evidence=facts,
            objects=objects,
            remedy=_remedy(view),
            harm=len(services) + len(ports),
        )
    unread = tuple(_unread(view))
    if unread:
        text = "no network namespace cookies; whether a Service or a hostPort is exposed is unknown"
        return view.verdict(
            ID, FindingSeverity.UNKNOWN, text, evidence=facts, remedy=_remedy(view), missing=unread
        )
    text = "no network namespace cookies, but no NodePort, LoadBalancer or hostPort is there"
    return view.verdict(ID, FindingSeverity.LATENT, text, evidence=facts, remedy=_remedy(view))


def _services(view: NodeView) -> list[Service]:
    node_port = view.kpr.node_port if view.kpr is not None else None
    is_off = node_port is not None and not node_port.is_enabled
    return [] if is_off else view.cluster.exposed_services


def _service_object(service: Service) -> AffectedObject:
    namespace, _, name = service.name.rpartition("/")
    ports = ", ".join(str(port.node_port or port.port) for port in service.ports[:4])
    detail = clean(f"{service.type} {ports}", 120)
    return AffectedObject("Service", CleanText(name), CleanText(namespace), detail)


def _host_ports(view: NodeView) -> tuple[AffectedObject, ...]:
    if handles_host_ports(view) is False:
        return ()
    return host_port_objects(view.cluster.host_ports_on(view.name))


def _unread(view: NodeView) -> Iterator[MissingEvidence]:
    facts = view.cluster.facts
    if facts.services.value is None:
        how = "allow `list` on services: kubectl auth can-i list services -A"
        yield view.missing(facts.services, "Services of type NodePort and LoadBalancer", how)
    if facts.workloads.value is None:
        how = "allow `list` on pods in all namespaces: kubectl auth can-i list pods -A"
        yield view.missing(facts.workloads, "pods with a hostPort on this node", how)


def _reach(view: NodeView) -> Iterator[Evidence]:
    if view.kpr is not None and view.kpr.socket_lb is not None:
        text = f"socket load balancing is on {view.kpr.socket_lb_coverage}".rstrip()
        yield view.evidence(view.facts.status, text, ProofKind.FEATURE, "socket-lb")


def _remedy(view: NodeView) -> Remedy:
    return Remedy(
        now=ABOUT.remedy.now,
        lasting=(_UPGRADE,),
        commands=(drain(view),),
        needs_restart=True,
        interrupts=_INTERRUPTS,
        test=_TEST,
    )


def _turned_off(view: NodeView) -> Iterator[Verdict]:
    """Judge `bpf-lb-sock-hostns-only`, which such an agent turns off by itself.

    ACTIVE where the agent said so (K7): what somebody asked for is not in force now, and the status
    never tells that it was asked. Without the line it may wait for a restart that won't help.
    """
    logged = [one for one in view.logged("K7") if not one.is_previous]
    held = view.cluster.facts.config_map.value
    asked = held is not None and held.values.get(HOSTNS_ONLY, "").strip().lower() == "true"
    is_full = view.kpr is not None and view.kpr.socket_lb_coverage == "Full"
    if not logged and not (asked and is_full):
        return
    effect = "the agent turned it off" if logged else "agents turn it off on this kernel"
    facts = [view.log_evidence(entry) for entry in logged[:1]]
    if asked:
        text = f"{HOSTNS_ONLY}=true (ConfigMap)"
        piece = view.cluster.evidence(
            view.cluster.facts.config_map, text, ProofKind.CONFIG, HOSTNS_ONLY
        )
        facts.append(piece)
    yield view.verdict(
        ID,
        FindingSeverity.ACTIVE if logged else FindingSeverity.ARMED,
        f"{HOSTNS_ONLY} is set and {effect}: pods' connections go through the socket load balancer"
        " all the same",
        evidence=(*facts, *_reach(view), cookie_evidence(view)),
        remedy=Remedy(
            now=(
                CleanText(
                    "don't count on it on this node: Istio's redirection is bypassed, and sockets"
                    " of pods stay connected to deleted backends"
                ),
                CleanText("move workloads that need it to nodes with a newer kernel"),
            ),
            lasting=(_UPGRADE,),
            commands=(drain(view),),
            needs_restart=True,
            interrupts=_INTERRUPTS,
            test=view.command(f"{view.binary} status --verbose | grep 'Socket LB Coverage'"),
        ),
        harm=1,
        group=HOSTNS_ONLY,
    )


CHECK = Check(ABOUT, judge_node=judge_node)
