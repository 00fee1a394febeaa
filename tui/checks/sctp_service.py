"""Services over SCTP, which the kube-proxy replacement handles in part or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tui.checks.check import About, Check
from tui.checks.phrases import counted
from tui.checks.proof.sctp_ports import (
    OPTION,
    ClusterSctp,
    SctpPort,
    cluster_sctp,
    config_map_evidence,
    examined,
    names,
    port_evidence,
    sctp_ports,
    used,
)
from tui.checks.remedies.commands import releases_of
from tui.checks.remedies.sctp import (
    OFF_NOW,
    RESTART,
    SWITCH,
    TEST,
    equal_ports,
    switch_on,
    upgrade,
    without_masquerading,
)
from tui.checks.view import ClusterView, NodeView
from tui.model.agent import DropRate
from tui.model.findings import (
    AffectedObject,
    Evidence,
    FindingSeverity,
    MissingEvidence,
    ProofKind,
    Remedy,
    Verdict,
)
from tui.safety import CleanText, clean

_ID = "sctp-service"
_EVERYWHERE = "all nodes"
"""Group of what no node can serve, told once for the cluster."""
_NO_PROTOCOL = ("unknown l4 protocol", "unsupported protocol for nat masquerade")
"""Drop reasons 137, 142 and 168 (`pkg/monitor/api/drop.go`), in lower case."""
_BETA = "beta: one home only, no policies between pods and virtual IPs, no BPF masquerading"


def _judge_cluster(view: ClusterView) -> Iterable[Verdict]:
    told = cluster_sctp(view)
    if told is None or not told.ports:
        return
    if told.is_off:
        summary = f"{used(told.ports)} that can't work on any node: {OPTION} is off"
        is_old = any(not release.at_least(1, 13) for release in releases_of(view))
        remedy = upgrade() if is_old else switch_on(view)
    else:
        summary = (
            f"{counted(len(told.ports), 'SCTP port')} of Services need rewriting, which Cilium"
            f" can't: {names(told.ports)}"
        )
        remedy = equal_ports()
    yield view.verdict(
        _ID,
        FindingSeverity.ACTIVE,
        summary,
        evidence=(config_map_evidence(view), *port_evidence(view, told.ports)),
        objects=tuple(one.affected for one in told.ports),
        remedy=remedy,
        harm=len(told.ports),
        group=_EVERYWHERE,
    )


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
    ports = sctp_ports(view.cluster)
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


def _judge_used(view: NodeView, ports: list[SctpPort], host_ports: list[AffectedObject]) -> Verdict:
    told = cluster_sctp(view.cluster)
    known = frozenset() if told is None else told.keys
    # What the cluster's finding tells of is no node's own, unless its agent runs with SCTP on.
    rest = [one for one in ports if one.key not in known]
    is_old = view.release is not None and not view.release.at_least(1, 13)
    is_on = _is_enabled(view)
    differs = told is not None and told.is_off and is_on is True and not is_old
    if told is not None and not (rest or host_ports or differs):
        return _told(view, told)
    summary = used(rest or ports, len(host_ports))
    if view.release is None:
        missing = MissingEvidence(
            CleanText("the agent's release"), view.command("cilium-dbg version -o json")
        )
        text = f"{summary}; support came with 1.13"
        return view.verdict(_ID, FindingSeverity.UNKNOWN, text, missing=(missing,))
    if is_old:
        why = f"Cilium {view.release} does not load-balance SCTP (came with 1.13)"
        return _unsupported(view, rest, host_ports, why)
    if is_on is None:
        how = view.command(f"{view.binary} config -a")
        missing = MissingEvidence(CleanText(f"the option {OPTION}"), how)
        text = f"{summary}; whether {OPTION} is on is not known"
        return view.verdict(_ID, FindingSeverity.UNKNOWN, text, missing=(missing,))
    if not is_on:
        return _unsupported(view, rest, host_ports, f"{OPTION} is off")
    return _enabled(view, ports, host_ports, told)


def _told(view: NodeView, told: ClusterSctp) -> Verdict:
    text = f"nothing of this node's own: the cluster's finding tells of {used(told.ports)}"
    return view.verdict(_ID, FindingSeverity.CLEAR, text)


def _is_enabled(view: NodeView) -> bool | None:
    """Tell whether SCTP is on; the chart writes the key only where it is, the default is false.

    From 1.18 on, a key can be missing from what the agent prints: the ConfigMap then tells.
    """
    found = view.flag(OPTION)
    if found is not None:
        return found
    is_listed = view.facts.config.value is not None and not (
        view.release is not None and view.release.at_least(1, 18)
    )
    return False if is_listed or view.cluster.facts.config_map.value is not None else None


def _serves_node_ports(view: NodeView) -> bool:
    """Tell whether NodePorts are Cilium's here and not kube-proxy's; unknown counts as Cilium's."""
    kpr = view.kpr
    if kpr is None:
        return True
    return kpr.is_enabled is not False if kpr.node_port is None else kpr.node_port.is_enabled


def _enabled(
    view: NodeView,
    ports: list[SctpPort],
    host_ports: list[AffectedObject],
    told: ClusterSctp | None,
) -> Verdict:
    serves = _serves_node_ports(view)
    found = [examined(one, serves_node_ports=serves) for one in ports]
    known = frozenset() if told is None or told.is_off else told.keys
    broken = [one for one in found if one.faults and one.key not in known]
    shown = broken or found
    evidence = (*_setting(view), *port_evidence(view.cluster, shown), *_drop_evidence(view))
    if broken:
        return view.verdict(
            _ID,
            FindingSeverity.ACTIVE,
            f"{counted(len(broken), 'SCTP port')} of Services need rewriting, which Cilium can't:"
            f" {names(broken)}",
            evidence=evidence,
            objects=tuple(one.affected for one in broken),
            remedy=equal_ports(),
            harm=len(broken),
        )
    drops = _drops(view, "masquerade")
    if drops:
        return _masqueraded(view, found, drops, evidence)
    unresolved = [one for one in found if one.is_unresolved and one.key not in known]
    if unresolved:
        return _unresolved(view, unresolved, evidence)
    if told is not None and known:
        return _told(view, told)
    note = "; an SCTP hostPort works only where it is the containerPort" if host_ports else ""
    summary = f"SCTP is on and every port is its targetPort ({_BETA}){note}"
    return view.verdict(_ID, FindingSeverity.CLEAR, summary, evidence=evidence)


def _unresolved(
    view: NodeView, unresolved: list[SctpPort], evidence: tuple[Evidence, ...]
) -> Verdict:
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


def _masqueraded(
    view: NodeView, ports: list[SctpPort], drops: list[DropRate], evidence: tuple[Evidence, ...]
) -> Verdict:
    rate = sum(one.per_second for one in drops)
    return view.verdict(
        _ID,
        FindingSeverity.ACTIVE,
        f"{rate:.1f} packets/s dropped as 'Unsupported protocol for NAT masquerade' with SCTP in"
        " use: BPF masquerading can't translate it",
        evidence=evidence,
        objects=tuple(one.affected for one in ports),
        remedy=without_masquerading(view),
        harm=1,
    )


def _unsupported(
    view: NodeView, ports: list[SctpPort], host_ports: list[AffectedObject], why: str
) -> Verdict:
    is_old = view.release is not None and not view.release.at_least(1, 13)
    return view.verdict(
        _ID,
        FindingSeverity.ACTIVE,
        f"{used(ports, len(host_ports))} that can't work: {why}",
        evidence=(*_setting(view), *port_evidence(view.cluster, ports), *_drop_evidence(view)),
        objects=(*(one.affected for one in ports), *host_ports),
        remedy=upgrade() if is_old else switch_on(view),
        harm=len(ports) + len(host_ports),
    )


def _setting(view: NodeView) -> tuple[Evidence, ...]:
    found = view.setting(OPTION)
    if found is not None:
        return (view.setting_evidence(OPTION, found),)
    if view.release is not None and not view.release.at_least(1, 13):
        return (view.fact(f"Cilium {view.release}", view.command(f"{view.binary} version")),)
    text = f"{OPTION} is not set: the default is false"
    held = view.cluster.facts.config_map
    if held.value is not None:
        return (view.cluster.evidence(held, text, ProofKind.CONFIG, OPTION),)
    return (view.evidence(view.facts.config, text, ProofKind.CONFIG, OPTION),)


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
        now=(OFF_NOW,),
        lasting=(
            CleanText("switch SCTP on (1.13 and later) and set every targetPort to its port"),
        ),
        settings=(SWITCH,),
        needs_restart=True,
        interrupts=RESTART,
        test=TEST,
    ),
    references=(
        CleanText("https://docs.cilium.io/en/stable/configuration/sctp/"),
        CleanText("cilium/cilium#20033"),
        CleanText("cilium/cilium#38540"),
        CleanText("cilium/cilium#32412"),
    ),
)
CHECK = Check(ABOUT, judge_node=_judge, judge_cluster=_judge_cluster)
