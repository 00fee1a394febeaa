"""`hostport-nodeport-range`: hostPorts that Cilium ignores, NodePorts outside of its range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tui.checks.check import About, Check
from tui.checks.proof.hostports import (
    handles_host_ports,
    host_port_evidence,
    host_port_objects,
    workload_of,
)
from tui.checks.proof.portrange import PortRange, node_port_range
from tui.checks.view import NodeView
from tui.model.findings import (
    AffectedObject,
    ConfigSetting,
    Evidence,
    FindingSeverity,
    ProofKind,
    Remedy,
    Verdict,
)
from tui.model.workloads import HostPort
from tui.safety import CleanText, clean

ID = "hostport-nodeport-range"
NODE_PORTS = "NodePort Services"
"""The group of Services whose NodePorts lie outside of the agent's range."""

_OBJECTS_SHOWN = 50
_EVIDENCE_SHOWN = 4
_RIGHT = CleanText("allow `list` on pods in all namespaces: kubectl auth can-i list pods -A")
_SERVICES_RIGHT = CleanText("allow `list` on services: kubectl auth can-i list services -A")
_TEST = CleanText("from another machine: nc -vz -w 3 NODE-IP HOST-PORT")

_NOW = (
    CleanText("give the workload a hostPort outside of the NodePort range"),
    CleanText("or expose it with a Service of type NodePort instead"),
)
_LIST = CleanText(
    "kubectl get pods -A -o custom-columns=NS:.metadata.namespace,POD:.metadata.name,"
    "HOSTPORT:.spec.containers[*].ports[*].hostPort"
)
_INTERRUPTS = CleanText(
    "a new hostPort replaces the workload's pods; a new range needs every agent restarted, and"
    " NodePorts outside of it stop working"
)

ABOUT = About(
    id=ID,
    title=CleanText("hostPort inside the NodePort range is ignored"),
    limitation=CleanText(
        "A hostPort that lies in the NodePort range is ignored, with a warning in the agent's log."
    ),
    why=CleanText(
        "The pod runs and is Ready, but nothing listens on its hostPort, on no node it runs on. "
        "Only a warning in the agent's log tells of it, written once when the pod started."
    ),
    proof=(
        CleanText("a pod's hostPort lies between portMin and portMax of its own node's agent"),
        CleanText(
            "the agent logged `The requested hostPort … is colliding with the configured NodePort"
            " range`"
        ),
        CleanText("a Service has a NodePort outside of the agent's range"),
    ),
    releases=CleanText("every release, where Cilium handles hostPorts"),
    remedy=Remedy(
        now=_NOW,
        lasting=(
            CleanText(
                "if the port can't change, shrink node-port-range (nodePort.range in Helm) on all"
                " nodes, together with the API server's --service-node-port-range"
            ),
        ),
        commands=(_LIST,),
        needs_restart=False,
        interrupts=_INTERRUPTS,
        test=_TEST,
    ),
    references=(
        CleanText(
            "https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/#container-hostport-support"
        ),
        CleanText("kubermatic/kubermatic#11963"),
    ),
)


def judge_node(view: NodeView) -> Iterable[Verdict]:
    """Judge the hostPorts of the node's pods, and the cluster's NodePorts, by its agent's range."""
    ports = node_port_range(view)
    handled = handles_host_ports(view)
    if handled is False:
        text = "Cilium does not handle hostPorts on this node; the portmap CNI plugin may"
        yield view.verdict(ID, FindingSeverity.CLEAR, text)
    else:
        yield from _host_ports(view, ports, is_handled=handled)
    yield from _node_ports(view, ports)


def _host_ports(view: NodeView, ports: PortRange, *, is_handled: bool | None) -> Iterator[Verdict]:
    if view.cluster.facts.workloads.value is None:
        yield _without_pods(view)
        return
    on_node = view.cluster.host_ports_on(view.name)
    colliding: dict[str, list[HostPort]] = {}
    for one in on_node:
        if one.port in ports:
            colliding.setdefault(workload_of(one), []).append(one)
    if not colliding:
        text = "no pod on this node has a hostPort"
        if on_node:
            text = f"none of {len(on_node)} hostPorts on this node is in the NodePort range {ports}"
        yield view.verdict(ID, FindingSeverity.CLEAR, text, evidence=(ports.evidence(view),))
    for workload, found in colliding.items():
        yield (_ignored if is_handled else _unclear)(view, ports, workload, found)


def _ignored(view: NodeView, ports: PortRange, workload: str, found: Sequence[HostPort]) -> Verdict:
    numbers = ", ".join(sorted({f"{one.port}/{one.protocol}" for one in found})[:8])
    return view.verdict(
        ID,
        FindingSeverity.ACTIVE,
        f"hostPort {numbers} of {workload} is in the NodePort range {ports}: Cilium ignores it",
        evidence=(
            *host_port_evidence(view, found[:_EVIDENCE_SHOWN]),
            ports.evidence(view),
            *_logged(view, found),
        ),
        objects=host_port_objects(found),
        remedy=_ignored_remedy(ports, {one.port for one in found}),
        harm=len(found),
        group=workload,
    )


def _ignored_remedy(ports: PortRange, numbers: set[int]) -> Remedy:
    below, above = (ports.low, min(numbers) - 1), (max(numbers) + 1, ports.high)
    low, high = max(below, above, key=lambda part: part[1] - part[0])
    if low > high:
        return Remedy(_NOW, commands=(_LIST,), needs_restart=False, interrupts=_INTERRUPTS)
    return Remedy(
        now=_NOW,
        lasting=(
            clean(
                f"if the port can't change, shrink node-port-range to {low},{high} on all nodes,"
                f" with --service-node-port-range={low}-{high} at the API server, and restart the"
                " agents"
            ),
        ),
        settings=(_range_setting(low, high),),
        commands=(_LIST,),
        needs_restart=False,
        interrupts=_INTERRUPTS,
        test=_TEST,
    )


def _range_setting(low: int, high: int) -> ConfigSetting:
    return ConfigSetting(
        "node-port-range", clean(f"{low},{high}"), f"nodePort.range={low}\\,{high}"
    )


def _unclear(view: NodeView, ports: PortRange, workload: str, found: Sequence[HostPort]) -> Verdict:
    missing = view.missing(
        view.facts.status,
        "whether Cilium handles hostPorts on this node",
        f"features.hostPort.enabled in: {view.command(f'{view.binary} status --verbose -o json')}",
    )
    return view.verdict(
        ID,
        FindingSeverity.UNKNOWN,
        f"a hostPort of {workload} is in the NodePort range {ports}, if Cilium handles hostPorts",
        evidence=(*host_port_evidence(view, found[:_EVIDENCE_SHOWN]), ports.evidence(view)),
        objects=host_port_objects(found),
        missing=(missing,),
        group=workload,
    )


def _logged(view: NodeView, found: Sequence[HostPort]) -> Iterator[Evidence]:
    """Yield the newest lines of the agent that name one of these ports, and at most two."""
    numbers = {str(one.port) for one in found}
    shown = 0
    for entry in view.logged("K1"):
        words = entry.line.message.replace(",", " ").split()
        values = (str(value) for key, value in entry.line.fields if key == "hostPort")
        if shown < 2 and not numbers.isdisjoint((*words, *values)):
            shown += 1
            yield view.log_evidence(entry)


def _without_pods(view: NodeView) -> Verdict:
    """Say what the log alone tells: it warns once, and the pod may be gone since."""
    logged = [entry for entry in view.logged("K1") if not entry.is_previous]
    missing = view.missing(
        view.cluster.facts.workloads, "which pods have a hostPort on this node", _RIGHT
    )
    if logged:
        return view.verdict(
            ID,
            FindingSeverity.ARMED,
            "the agent logged that it ignores a hostPort; whether the pod still runs is not known",
            evidence=tuple(view.log_evidence(entry) for entry in logged[:_EVIDENCE_SHOWN]),
            missing=(missing,),
            harm=len(logged),
        )
    text = "the pods' hostPorts are not known"
    return view.verdict(ID, FindingSeverity.UNKNOWN, text, missing=(missing,))


def _node_ports(view: NodeView, ports: PortRange) -> Iterator[Verdict]:
    """Compare the cluster's NodePorts with the range: the API server's may be another one.

    The socket load balancer looks NodePorts up on a node's own addresses only inside the range
    (`sock4_wildcard_lookup` in bpf/bpf_sock.c), and masquerading takes ports above it.
    """
    node_port = view.kpr.node_port if view.kpr is not None else None
    if node_port is None or not node_port.is_enabled:
        return
    services = view.cluster.facts.services
    if services.value is None:
        missing = view.missing(services, "the Services' NodePorts", _SERVICES_RIGHT)
        text = "whether the API server gives out NodePorts outside of the agent's range"
        yield view.verdict(ID, FindingSeverity.UNKNOWN, text, missing=(missing,), group=NODE_PORTS)
        return
    outside = view.cluster.node_ports_outside(ports.low, ports.high)
    if outside:
        yield _outside(view, ports, outside)


def _outside(view: NodeView, ports: PortRange, outside: Sequence[tuple[int, CleanText]]) -> Verdict:
    objects = tuple(
        AffectedObject("Service", *_split(name), clean(f"nodePort {port}"))
        for port, name in outside[:_OBJECTS_SHOWN]
    )
    listed = tuple(
        view.evidence(
            view.cluster.facts.services,
            f"Service {name} has nodePort {port}",
            ProofKind.SERVICE,
            str(name),
        )
        for port, name in outside[:_EVIDENCE_SHOWN]
    )
    return view.verdict(
        ID,
        FindingSeverity.ARMED,
        f"{len(outside)} NodePorts lie outside of the agent's range {ports}, such as"
        f" {outside[0][0]} of {outside[0][1]}",
        evidence=(ports.evidence(view), *listed),
        objects=objects,
        remedy=_outside_remedy(ports, outside),
        harm=len(outside),
        group=NODE_PORTS,
    )


def _split(name: str) -> tuple[CleanText, CleanText]:
    """Return a Service's name and its namespace."""
    namespace, _, own = name.rpartition("/")
    return CleanText(own), CleanText(namespace)


def _outside_remedy(ports: PortRange, outside: Sequence[tuple[int, CleanText]]) -> Remedy:
    low, high = min(ports.low, outside[0][0]), max(ports.high, outside[-1][0])
    return Remedy(
        now=(
            CleanText(
                "read --service-node-port-range in the API server's arguments: it and"
                " node-port-range must be the same"
            ),
        ),
        lasting=(
            clean(
                f"set node-port-range to the API server's range, which must hold {low}-{high},"
                " and restart the agents one after the other"
            ),
        ),
        settings=(_range_setting(low, high),),
        commands=(
            CleanText(
                "kubectl -n kube-system get pods -l component=kube-apiserver -o yaml"
                " | grep service-node-port-range"
            ),
        ),
        needs_restart=True,
        interrupts=CleanText(
            "an agent's restart: new endpoints on its node wait, traffic through it goes on"
        ),
        test=CleanText("from a pod: nc -vz -w 3 NODE-IP NODE-PORT"),
    )


CHECK = Check(ABOUT, judge_node=judge_node)
