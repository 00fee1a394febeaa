"""`service-map-drift`: the Services a node should translate against those its kernel holds.

It shows an outage that nothing else shows (design §0): agents Ready, status Ok, no recent line in
the log, and half of the frontends missing on one node. What is missing is stated as not
programmed; whether the rest works was not tested either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tui.checks.check import About, Check
from tui.checks.phrases import counted, service_object, some_of
from tui.checks.proof.bpffs import pinned
from tui.checks.proof.drift_cause import Cause, cause_of, effect_test
from tui.checks.proof.sources import stated
from tui.checks.remedies.restarting import RESTART_INTERRUPTS, is_stale
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
from tui.model.reading import Reading
from tui.model.services import FaultKind, FrontendFault, FrontendKind, ServiceCoverage
from tui.safety import CleanText, clean

_ID = "service-map-drift"
_HARM = (FaultKind.MISSING, FaultKind.NO_BACKENDS, FaultKind.WRONG_BACKENDS)
_FAULTS_SHOWN = 6
_OBJECTS = 200
_NAMES = 2
_SERVICES_MAP = "cilium_lb4_services_v2"

ABOUT = About(
    id=_ID,
    title=CleanText("Services missing or wrong in a node's kernel"),
    limitation=CleanText(
        "A node's load-balancing maps can lack Services, or keep backends that are gone, while its"
        " agent reports healthy: full maps, updates that failed, stale state after an API server"
        " reconnect (1.19.0 to 1.19.2)."
    ),
    why=CleanText(
        "Connections from this node through such a Service fail or reach a backend that is gone,"
        " and from other nodes they work. Neither agent health nor recent log lines show it."
    ),
    proof=(
        CleanText(
            "frontends and backends of the Services and EndpointSlices against a dump of the"
            " kernel's load-balancing maps, confirmed by a second dump"
        ),
        CleanText("the cause: a full map, failing updates in the log, the agent's release"),
    ),
    releases=CleanText(
        "Every release. Stale backends after an API server reconnect: 1.19.0 to 1.19.2, fixed in"
        " 1.19.3 (cilium/cilium#45198)."
    ),
    remedy=Remedy(
        now=(CleanText("restart the agent of that node alone: it writes all Services anew"),),
        needs_restart=True,
        interrupts=RESTART_INTERRUPTS,
        test=CleanText(
            "on that node: curl -m 3 http://CLUSTER-IP:PORT/ of a Service that it names"
        ),
    ),
    references=(
        CleanText("cilium/cilium#48050"),
        CleanText("cilium/cilium#45198"),
        CleanText("cilium/cilium#45981"),
        CleanText("cilium/cilium#45196"),
    ),
)


def _judge_node(view: NodeView) -> Iterable[Verdict]:
    reading = view.facts.services
    coverage = reading.value
    if coverage is None:
        yield _without_coverage(view)
        return
    broken = [fault for fault in coverage.faults if fault.fault in _HARM]
    found = []
    if broken or coverage.missing_frontends > 0:
        found.append(_broken(view, coverage, broken))
    affinity = [one for one in coverage.faults if one.fault is FaultKind.WRONG_AFFINITY]
    if affinity:
        found.append(_affinity(view, affinity))
    surplus = [one for one in coverage.faults if one.fault is FaultKind.SURPLUS]
    if surplus:
        found.append(_surplus(view, surplus))
    yield from found or [_whole(view, coverage)]


def _without_coverage(view: NodeView) -> Verdict:
    if view.kpr is not None and view.kpr.is_enabled is False and not view.socket_lb:
        why = "the kube-proxy replacement is off: kube-proxy translates what the maps lack"
        return view.verdict(_ID, FindingSeverity.CLEAR, why)
    return view.verdict(
        _ID,
        FindingSeverity.UNKNOWN,
        "what this node's kernel holds of the Services is not known",
        missing=_missing(view),
    )


def _dump(view: NodeView) -> str:
    return f"bpftool -j map dump pinned {pinned(view, _SERVICES_MAP)}"


def _missing(view: NodeView) -> tuple[MissingEvidence, ...]:
    dump = view.command(_dump(view))
    found = [view.missing(view.facts.services, "the node's load-balancing maps", dump)]
    wanted = view.cluster.facts.services
    if wanted.value is None:
        how = "kubectl get services,endpointslices.discovery.k8s.io -A"
        found.append(view.missing(wanted, "the Services and their EndpointSlices", how))
    return tuple(found)


def _broken(view: NodeView, coverage: ServiceCoverage, broken: Sequence[FrontendFault]) -> Verdict:
    cause = cause_of(view, coverage)
    listed = sum(fault.fault is FaultKind.MISSING for fault in broken)
    missing = max(listed, coverage.missing_frontends)
    wrong = [fault for fault in broken if fault.fault is not FaultKind.MISSING]
    is_harmless = _is_left_to_kube_proxy(view, broken)
    effect = "kube-proxy translates what the maps lack; " if is_harmless else ""
    return view.verdict(
        _ID,
        FindingSeverity.LATENT if is_harmless else FindingSeverity.ACTIVE,
        f"{_summary(coverage, broken, missing)}; {effect}{cause.text}",
        evidence=(_counts(view, coverage), *_evidence(view, broken), *cause.evidence),
        objects=_objects(broken),
        remedy=_remedy(view, cause, broken),
        missing=_freshness(view),
        since=cause.since,
        harm=max(1, missing + len(wrong)),
    )


def _is_left_to_kube_proxy(view: NodeView, broken: Sequence[FrontendFault]) -> bool:
    """Whether nothing but cluster IPs is missing where kube-proxy is there to translate them.

    With the replacement off the maps serve the packets of pods alone, at the pod's device: what
    they have nothing for goes on to the host untranslated (`lb4_lookup_service`, bpf_lxc.c).
    """
    proxy = view.kpr
    if not broken or proxy is None or proxy.is_enabled is not False:
        return False
    if proxy.socket_lb is not False:
        return False
    has_node_port = proxy.node_port is not None and proxy.node_port.is_enabled
    return not has_node_port and all(
        one.fault is FaultKind.MISSING and one.kind is FrontendKind.CLUSTER_IP for one in broken
    )


def _summary(coverage: ServiceCoverage, broken: Sequence[FrontendFault], missing: int) -> str:
    parts = []
    if missing:
        names = _names(broken, FaultKind.MISSING)
        text = f"{missing:,} of {counted(coverage.wanted_frontends, 'frontend')} not programmed"
        parts.append(f"{text}: {names}" if names else text)
    for kind, words in (
        (FaultKind.NO_BACKENDS, "without backends"),
        (FaultKind.WRONG_BACKENDS, "with wrong backends"),
    ):
        number = sum(fault.fault is kind for fault in broken)
        if number:
            parts.append(f"{counted(number, 'frontend')} {words}: {_names(broken, kind)}")
    if coverage.faults_total > len(coverage.faults):
        parts.append(f"only the first {len(coverage.faults):,} faults are listed")
    return "; ".join(parts)


def _names(broken: Sequence[FrontendFault], kind: FaultKind) -> str:
    return some_of((str(one.service) for one in broken if one.fault is kind), _NAMES)


def _counts(view: NodeView, coverage: ServiceCoverage) -> Evidence:
    text = (
        f"the kernel holds {coverage.held_frontends:,} of {coverage.wanted_frontends:,} frontends"
        f" and {coverage.held_backends:,} of {coverage.wanted_backends:,} backends"
    )
    first = next((str(one.service) for one in coverage.faults if one.service), "")
    return stated(view, view.facts.services, text, _dump(view), ProofKind.SERVICE, first)


def _evidence(view: NodeView, faults: Sequence[FrontendFault]) -> tuple[Evidence, ...]:
    """Return the first faults, those of different Services before more of one."""
    first = {fault.service: fault for fault in reversed(faults)}
    shown = [*reversed(first.values()), *(one for one in faults if one not in first.values())]
    return tuple(
        stated(
            view, view.facts.services, _words(one), _dump(view), ProofKind.SERVICE, str(one.service)
        )
        for one in shown[:_FAULTS_SHOWN]
    )


def _words(fault: FrontendFault) -> str:
    parts = [f"{fault.service} {fault.kind.value} {fault.frontend}: {fault.fault.value}".strip()]
    if fault.missing_backends:
        parts.append(f"lacks {some_of(map(str, fault.missing_backends), 3)}")
    if fault.surplus_backends:
        parts.append(f"still has {some_of(map(str, fault.surplus_backends), 3)}")
    if fault.detail:
        parts.append(str(fault.detail))
    return ", ".join(parts)


def _objects(faults: Sequence[FrontendFault]) -> tuple[AffectedObject, ...]:
    by_service: dict[str, list[FrontendFault]] = {}
    for fault in faults:
        by_service.setdefault(str(fault.service), []).append(fault)
    found = []
    for service, own in list(by_service.items())[:_OBJECTS]:
        ways = (f"{one.kind.value} {one.frontend} {one.fault.value}" for one in own)
        found.append(service_object(service, some_of(ways, 2)))
    return tuple(found)


def _remedy(view: NodeView, cause: Cause, broken: Sequence[FrontendFault]) -> Remedy:
    return Remedy(
        now=cause.remedy.now,
        lasting=cause.remedy.lasting,
        settings=cause.remedy.settings,
        commands=cause.remedy.commands,
        needs_restart=cause.remedy.needs_restart,
        interrupts=cause.remedy.interrupts,
        test=effect_test(view, broken),
    )


def _affinity(view: NodeView, faults: Sequence[FrontendFault]) -> Verdict:
    names = some_of((str(one.service) for one in faults), _NAMES)
    number = counted(len(faults), "frontend")
    return view.verdict(
        _ID,
        FindingSeverity.ARMED,
        f"{number} with another session affinity than the Service wants: {names}",
        evidence=_evidence(view, faults),
        objects=_objects(faults),
        harm=len(faults),
        group="affinity",
    )


def _surplus(view: NodeView, faults: Sequence[FrontendFault]) -> Verdict:
    """Judge frontends that no Service wants: ARMED where a Service of today owns the address."""
    used = [one for one in faults if _is_used(view, one)]
    number = counted(len(faults), "frontend")
    shown = some_of((f"{one.kind.value} {one.frontend}" for one in used or faults), _NAMES)
    words = f"{number} in the kernel that no Service wants: {shown}"
    if used:
        words += "; Services of today have the addresses, and their old ports still answer"
    severity = FindingSeverity.ARMED if used else FindingSeverity.LATENT
    owners = {str(one.frontend.ip): _owner(view, one) for one in used}
    return view.verdict(
        _ID,
        severity,
        words,
        evidence=_evidence(view, used or faults),
        objects=tuple(service_object(name) for name in dict.fromkeys(owners.values()) if name),
        remedy=_SURPLUS_REMEDY,
        harm=len(used),
        group="surplus",
    )


_SURPLUS_REMEDY = Remedy(
    now=(CleanText("nothing to do at once; a restart of the node's agent removes what is left"),),
    needs_restart=True,
    interrupts=RESTART_INTERRUPTS,
)


def _owner(view: NodeView, fault: FrontendFault) -> str:
    service = view.cluster.service_of_ip.get(fault.frontend.ip)
    return "" if service is None else str(service.name)


def _is_used(view: NodeView, fault: FrontendFault) -> bool:
    """Tell whether a Service owns the address; a node's own address is of no Service."""
    return fault.kind is not FrontendKind.NODE_PORT and bool(_owner(view, fault))


def _age_at(reading: Reading[ServiceCoverage]) -> float | None:
    return reading.origin.observed_at if reading.origin is not None else None


def _freshness(view: NodeView) -> tuple[MissingEvidence, ...]:
    """Say that the maps could not be read again, where that is so."""
    reading = view.facts.services
    return () if reading.is_known else _missing(view)[:1]


def _whole(view: NodeView, coverage: ServiceCoverage) -> Verdict:
    reading = view.facts.services
    at = _age_at(reading)
    agent = view.facts.agent
    started = agent.started_at if agent is not None else None
    is_of_another = at is not None and started is not None and started > at
    if (not reading.is_known and is_stale(view, at)) or is_of_another:
        why = "the agent has started since" if is_of_another else "that is too long ago"
        text = f"all Services were in the kernel when the maps were last read, but {why}"
        return view.verdict(_ID, FindingSeverity.UNKNOWN, text, missing=_missing(view))
    if coverage.wanted_frontends == 0:
        is_off = view.kpr is not None and view.kpr.is_enabled is False
        why = "the kube-proxy replacement is off" if is_off else "no Service wants anything of it"
        return view.verdict(_ID, FindingSeverity.CLEAR, why)
    text = (
        f"all {counted(coverage.wanted_frontends, 'frontend')} and"
        f" {counted(coverage.wanted_backends, 'backend')} are in the kernel"
    )
    evidence = (_counts(view, coverage),)
    return view.verdict(_ID, FindingSeverity.CLEAR, clean(text), evidence=evidence)


CHECK = Check(ABOUT, judge_node=_judge_node)
