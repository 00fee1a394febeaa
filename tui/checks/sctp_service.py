"""Services over SCTP, which the kube-proxy replacement handles in part or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tui.checks.check import About, Check
from tui.checks.phrases import counted
from tui.checks.remedies.commands import helm_set, restart_agents
from tui.checks.view import NodeView
from tui.model.agent import DropRate
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
from tui.model.services import Service, ServicePort
from tui.safety import CleanText, clean

_ID = "sctp-service"
_OPTION = "enable-sctp"
_NO_PROTOCOL = ("unknown l4 protocol", "unsupported protocol for nat masquerade")
"""Drop reasons 137, 142 and 168 (`pkg/monitor/api/drop.go`), in lower case."""
_BETA = "beta: one home only, no policies between pods and virtual IPs, no BPF masquerading"


@dataclass(frozen=True, slots=True)
class _Port:
    """One SCTP port of a Service, with what keeps it from working; empty where nothing does."""

    service: Service
    port: ServicePort
    faults: tuple[str, ...] = ()
    is_unresolved: bool = False
    """Whether its targetPort is a name that no endpoint resolves."""

    @property
    def affected(self) -> AffectedObject:
        namespace, _, name = self.service.name.partition("/")
        faults = f": {', '.join(self.faults)}" if self.faults else ""
        detail = clean(f"port {self.port.port}/SCTP{faults}", 300)
        return AffectedObject("Service", CleanText(name), CleanText(namespace), detail)


def _judge(view: NodeView) -> Iterator[Verdict]:
    services = view.cluster.facts.services
    if services.value is None:
        how = "the right to list services, then ciltop again"
        yield view.verdict(
            _ID,
            FindingSeverity.UNKNOWN,
            "whether any Service has an SCTP port is not known",
            missing=(view.missing(services, "the cluster's Services", how),),
        )
        return
    ports = [
        _Port(service, port)
        for service in view.cluster.balanced_services.get("SCTP", ())
        for port in service.ports
        if port.protocol.upper() == "SCTP"
    ]
    host_ports = [
        AffectedObject("Pod", CleanText(name), CleanText(space), clean(f"hostPort {one.port}/SCTP"))
        for one in view.cluster.host_ports_on(view.name)
        if one.protocol.upper() == "SCTP"
        for space, _, name in [one.pod.partition("/")]
    ]
    if not ports and not host_ports:
        summary = "no Service has an SCTP port; headless ones need no load balancing"
        yield view.verdict(_ID, FindingSeverity.CLEAR, summary)
        return
    yield _judge_used(view, ports, host_ports)


def _judge_used(view: NodeView, ports: list[_Port], host_ports: list[AffectedObject]) -> Verdict:
    used = _count(ports, host_ports)
    if view.release is None:
        missing = MissingEvidence(
            CleanText("the agent's release"), view.command("cilium-dbg version -o json")
        )
        return view.verdict(
            _ID, FindingSeverity.UNKNOWN, f"{used}; support came with 1.13", missing=(missing,)
        )
    if not view.release.at_least(1, 13):
        why = f"Cilium {view.release} does not load-balance SCTP (came with 1.13)"
        return _unsupported(view, ports, host_ports, why)
    is_on = _is_enabled(view)
    if is_on is None:
        how = view.command(f"{view.binary} config -a")
        missing = MissingEvidence(CleanText(f"the option {_OPTION}"), how)
        summary = f"{used}; whether {_OPTION} is on is not known"
        return view.verdict(_ID, FindingSeverity.UNKNOWN, summary, missing=(missing,))
    if not is_on:
        return _unsupported(view, ports, host_ports, f"{_OPTION} is off")
    return _enabled(view, [_examined(view, one) for one in ports], host_ports)


def _is_enabled(view: NodeView) -> bool | None:
    """Tell whether SCTP is on; the chart writes the key only where it is, the default is false.

    From 1.18 on, a key can be missing from what the agent prints: the ConfigMap then tells.
    """
    found = view.flag(_OPTION)
    if found is not None:
        return found
    is_listed = view.facts.config.value is not None and not (
        view.release is not None and view.release.at_least(1, 18)
    )
    return False if is_listed or view.cluster.facts.config_map.value is not None else None


def _examined(view: NodeView, one: _Port) -> _Port:
    """Find what an enabled SCTP still can't do: change a port (`configuration/sctp` of 1.18)."""
    port = one.port
    faults: list[str] = []
    targets: tuple[int, ...] = port.backend_ports
    is_unresolved = False
    if not targets and port.target_port and not port.target_port.isdecimal():
        is_unresolved = True
    elif not targets and port.target_port:
        targets = (int(port.target_port[:9]),)
    others = sorted({target for target in targets if target != port.port})
    if others:
        name = f" ({port.target_port})" if not port.target_port.isdecimal() else ""
        faults.append(f"targetPort {', '.join(map(str, others))}{name} differs")
    if _serves_node_ports(view):
        if port.node_port is not None:
            faults.append(f"nodePort {port.node_port}")
        elif one.service.type == "LoadBalancer":
            faults.append("type LoadBalancer")
    return _Port(one.service, port, tuple(faults), is_unresolved)


def _serves_node_ports(view: NodeView) -> bool:
    """Tell whether NodePorts are Cilium's here and not kube-proxy's; unknown counts as Cilium's."""
    kpr = view.kpr
    if kpr is None:
        return True
    return kpr.is_enabled is not False if kpr.node_port is None else kpr.node_port.is_enabled


def _enabled(view: NodeView, ports: list[_Port], host_ports: list[AffectedObject]) -> Verdict:
    broken = [one for one in ports if one.faults]
    evidence = (*_setting(view), *_service_evidence(view, broken or ports), *_drop_evidence(view))
    if broken:
        summary = (
            f"{counted(len(broken), 'SCTP port')} of Services need rewriting, which Cilium can't"
        )
        return view.verdict(
            _ID,
            FindingSeverity.ACTIVE,
            f"{summary}: {_names(broken)}",
            evidence=evidence,
            objects=tuple(one.affected for one in broken),
            remedy=_equal_ports(view),
            harm=len(broken),
        )
    drops = _drops(view, "masquerade")
    if drops:
        return _masqueraded(view, ports, drops, evidence)
    unresolved = [one for one in ports if one.is_unresolved]
    if unresolved:
        first = unresolved[0]
        what = f"the number behind targetPort {first.port.target_port} of {first.service.name}"
        namespace, _, name = first.service.name.partition("/")
        how = f"kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}"
        return view.verdict(
            _ID,
            FindingSeverity.UNKNOWN,
            f"{counted(len(unresolved), 'SCTP port')} with a named targetPort and no endpoints",
            evidence=evidence,
            missing=(MissingEvidence(clean(what), clean(how)),),
        )
    note = "; an SCTP hostPort works only where it is the containerPort" if host_ports else ""
    summary = f"SCTP is on and every port is its targetPort ({_BETA}){note}"
    return view.verdict(_ID, FindingSeverity.CLEAR, summary, evidence=evidence)


def _masqueraded(
    view: NodeView, ports: list[_Port], drops: list[DropRate], evidence: tuple[Evidence, ...]
) -> Verdict:
    rate = sum(one.per_second for one in drops)
    return view.verdict(
        _ID,
        FindingSeverity.ACTIVE,
        f"{rate:.1f} packets/s dropped as 'Unsupported protocol for NAT masquerade' with SCTP in"
        " use: BPF masquerading can't translate it",
        evidence=evidence,
        objects=tuple(one.affected for one in ports),
        remedy=_without_masquerading(view),
        harm=1,
    )


def _unsupported(
    view: NodeView, ports: list[_Port], host_ports: list[AffectedObject], why: str
) -> Verdict:
    is_old = view.release is not None and not view.release.at_least(1, 13)
    return view.verdict(
        _ID,
        FindingSeverity.ACTIVE,
        f"{_count(ports, host_ports)} that can't work: {why}",
        evidence=(*_setting(view), *_service_evidence(view, ports), *_drop_evidence(view)),
        objects=(*(one.affected for one in ports), *host_ports),
        remedy=_upgrade(view) if is_old else _switch_on(view),
        harm=len(ports) + len(host_ports),
    )


def _count(ports: list[_Port], host_ports: list[AffectedObject]) -> str:
    parts = []
    if ports:
        parts.append(f"{counted(len(ports), 'SCTP port')} of Services ({_names(ports)})")
    if host_ports:
        parts.append(counted(len(host_ports), "SCTP hostPort"))
    return " and ".join(parts)


def _names(ports: list[_Port]) -> str:
    names = list(dict.fromkeys(str(one.service.name) for one in ports))
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")


def _setting(view: NodeView) -> tuple[Evidence, ...]:
    found = view.setting(_OPTION)
    if found is not None:
        return (view.setting_evidence(_OPTION, found),)
    if view.release is not None and not view.release.at_least(1, 13):
        return (view.fact(f"Cilium {view.release}", view.command(f"{view.binary} version")),)
    text = f"{_OPTION} is not set: the default is false"
    held = view.cluster.facts.config_map
    if held.value is not None:
        return (view.cluster.evidence(held, text, ProofKind.CONFIG, _OPTION),)
    return (view.evidence(view.facts.config, text, ProofKind.CONFIG, _OPTION),)


def _service_evidence(view: NodeView, ports: list[_Port]) -> Iterator[Evidence]:
    for one in ports[:5]:
        port = one.port
        targets = ", ".join(map(str, port.backend_ports)) or "none"
        node_port = f", nodePort {port.node_port}" if port.node_port is not None else ""
        text = (
            f"{one.service.name} {one.service.type}: port {port.port}/SCTP, targetPort"
            f" {port.target_port or port.port}, endpoints' ports: {targets}{node_port}"
        )
        key = str(one.service.name)
        yield view.cluster.evidence(view.cluster.facts.services, text, ProofKind.SERVICE, key)


def _drops(view: NodeView, fragment: str = "") -> list[DropRate]:
    metrics = view.facts.metrics.value
    return [
        one
        for one in (() if metrics is None else metrics.drops)
        if any(reason in one.reason.lower() for reason in _NO_PROTOCOL)
        and fragment in one.reason.lower()
        and one.packets > 0
    ]


def _drop_evidence(view: NodeView) -> Iterator[Evidence]:
    for one in _drops(view):
        text = f"{one.reason} ({one.direction}): {one.per_second:.1f}/s, {one.packets} since last"
        yield view.evidence(view.facts.metrics, text)


def _switch_on(view: NodeView) -> Remedy:
    return Remedy(
        now=(CleanText("reach the backends by their pod IPs, or run them with hostNetwork"),),
        lasting=(CleanText("switch SCTP on, and give each port a targetPort equal to it"),),
        settings=(ConfigSetting(_OPTION, CleanText("true"), "sctp.enabled=true"),),
        commands=(helm_set(view, "sctp.enabled=true"), restart_agents(view)),
        needs_restart=True,
        interrupts=CleanText("agents restart node after node; established traffic goes on"),
        test=_TEST,
    )


def _upgrade(view: NodeView) -> Remedy:
    return Remedy(
        now=(CleanText("reach the backends by their pod IPs, or run them with hostNetwork"),),
        lasting=(
            CleanText("upgrade Cilium to 1.13 or later, one minor release at a time"),
            CleanText("then switch SCTP on, with every targetPort equal to its port"),
        ),
        settings=(ConfigSetting(_OPTION, CleanText("true"), "sctp.enabled=true"),),
        commands=(restart_agents(view),),
        needs_restart=True,
        interrupts=CleanText("the upgrade restarts every agent"),
        test=_TEST,
    )


def _equal_ports(view: NodeView) -> Remedy:
    return Remedy(
        now=(
            CleanText("set targetPort to the port's number, and let the pods listen there"),
            CleanText("from outside, reach pods by IP or hostNetwork instead of a NodePort"),
        ),
        lasting=(CleanText("for telecom workloads, give pods a second interface (Multus)"),),
        commands=(CleanText("kubectl -n <namespace> edit service <name>"),),
        needs_restart=False,
        interrupts=CleanText("the Service's own connections"),
        test=_TEST,
    )


def _without_masquerading(view: NodeView) -> Remedy:
    return Remedy(
        now=(
            CleanText(
                "route the peers without masquerading: ipv4NativeRoutingCIDR, or the"
                " nonMasqueradeCIDRs of the ip-masq-agent"
            ),
        ),
        lasting=(CleanText("masquerade with iptables instead of BPF"),),
        settings=(
            ConfigSetting("enable-bpf-masquerade", CleanText("false"), "bpf.masquerade=false"),
        ),
        commands=(helm_set(view, "bpf.masquerade=false"), restart_agents(view)),
        needs_restart=True,
        interrupts=CleanText("connections that are masqueraded now"),
        test=_TEST,
    )


_TEST = CleanText("ncat --sctp <cluster IP> <port> from a pod, while `monitor --type drop` runs")

ABOUT = About(
    id=_ID,
    title=CleanText("SCTP Services that can't work"),
    limitation=CleanText(
        "The kube-proxy replacement supports TCP and UDP only; SCTP came as a beta with 1.13 and"
        " never has its ports rewritten."
    ),
    why=CleanText(
        "Packets of such a Service are dropped or leave with the wrong port, so that its clients"
        " never connect. Nothing in the agent's log tells of it."
    ),
    proof=(
        CleanText("Services with ports of protocol SCTP that are not headless"),
        CleanText("the option enable-sctp as the agent runs it"),
        CleanText("port against targetPort, resolved through the EndpointSlices; nodePort"),
        CleanText("drops: Unknown L4 protocol, Unsupported protocol for NAT masquerade, as rates"),
    ),
    releases=CleanText(
        "1.11 and 1.12: no SCTP at all. 1.13 and later: with enable-sctp, and only where the port"
        " is the targetPort."
    ),
    remedy=Remedy(
        now=(CleanText("reach the backends by their pod IPs, or run them with hostNetwork"),),
        lasting=(
            CleanText("switch SCTP on (1.13 and later) and set every targetPort to its port"),
        ),
        settings=(ConfigSetting(_OPTION, CleanText("true"), "sctp.enabled=true"),),
        needs_restart=True,
        interrupts=CleanText("agents restart node after node; established traffic goes on"),
        test=_TEST,
    ),
    references=(
        CleanText("https://docs.cilium.io/en/stable/configuration/sctp/"),
        CleanText("cilium/cilium#20033"),
        CleanText("cilium/cilium#38540"),
        CleanText("cilium/cilium#32412"),
    ),
)
CHECK = Check(ABOUT, judge_node=_judge)
