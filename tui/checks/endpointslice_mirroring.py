"""`endpointslice-mirroring`: Endpoints of Services without selectors that no slice mirrors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tui.checks.check import About, Check
from tui.checks.remedies.commands import restart_agents
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
from tui.model.reading import Reading
from tui.model.services import FaultKind, FrontendFault, Service
from tui.model.workloads import UnmirroredEndpoints
from tui.safety import CleanText, clean

T = TypeVar("T")

ID = "endpointslice-mirroring"
MIRRORED_ADDRESSES = 1_000
"""Of one subset: `--mirroring-max-endpoints-per-subset` of kube-controller-manager."""
OPTION = "enable-k8s-endpoint-slice"

_OBJECTS_SHOWN = 50
_EVIDENCE_SHOWN = 4
_VERSION = re.compile(r"v?(\d{1,3})\.(\d{1,4})")
_ENDPOINTS_RIGHT = CleanText(
    "allow `list` on endpoints and endpointslices: kubectl auth can-i list endpoints -A"
)
_SERVICES_RIGHT = CleanText("allow `list` on services: kubectl auth can-i list services -A")
_LIST = CleanText(
    "kubectl -n NAMESPACE get endpointslices -l kubernetes.io/service-name=NAME -o wide"
)
_TEST = CleanText("from a pod: nc -vz -w 3 NAME.NAMESPACE.svc PORT")
_WRITE_SLICE = CleanText(
    "write an EndpointSlice for the Service: label kubernetes.io/service-name=NAME, the same"
    " addresses and ports; agents use it within seconds"
)

ABOUT = About(
    id=ID,
    title=CleanText("Service without selector has no EndpointSlice"),
    limitation=CleanText(
        "Services without selectors don't work on Kubernetes 1.17 and 1.18, because agents read"
        " EndpointSlices only and nothing mirrors hand-written Endpoints into them."
    ),
    why=CleanText(
        "The Endpoints object has addresses and looks right, but agents read EndpointSlices only"
        " and program the Service without any backend. "
        "Every connection to the Service fails on every node, and nothing in the agents' logs says"
        " so."
    ),
    proof=(
        CleanText("Endpoints with addresses, a Service without selector, and no EndpointSlice"),
        CleanText("the agent holds the Service's frontends with no backend"),
        CleanText("Kubernetes 1.17 or 1.18, which have no EndpointSliceMirroring controller"),
        CleanText(
            "on later ones: the label endpointslice.kubernetes.io/skip-mirror, a leader-election"
            " annotation, or more than 1,000 addresses in a subset"
        ),
    ),
    releases=CleanText(
        "every release on Kubernetes 1.17 and 1.18, unless enable-k8s-endpoint-slice=false (to"
        " 1.18); on any Kubernetes for Endpoints that are not mirrored"
    ),
    remedy=Remedy(
        now=(_WRITE_SLICE,),
        lasting=(CleanText("upgrade Kubernetes to 1.19 or later, which mirrors Endpoints"),),
        commands=(_LIST,),
        needs_restart=False,
        interrupts=CleanText("nothing"),
        test=_TEST,
    ),
    references=(
        CleanText("cilium/cilium#12438"),
        CleanText("cilium/cilium#15142"),
        CleanText(
            "https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors"
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why Endpoints are not mirrored, and what ends it."""

    group: str
    text: str
    remedy: Remedy = Remedy()


_SKIPPED = _Reason(
    "skip-mirror",
    "their label endpointslice.kubernetes.io/skip-mirror is true",
    Remedy(
        now=(
            CleanText(
                "ask who set the label: a controller that writes its own EndpointSlices sets it,"
                " and then those are what is missing"
            ),
            CleanText("else remove the label: the slice is there within seconds"),
        ),
        commands=(
            CleanText(
                "kubectl -n NAMESPACE label endpoints NAME endpointslice.kubernetes.io/skip-mirror-"
            ),
            _LIST,
        ),
        needs_restart=False,
        interrupts=CleanText("nothing"),
        test=_TEST,
    ),
)
_LOCK = _Reason(
    "leader-election",
    "they carry a leader-election annotation, which excludes them from mirroring",
    Remedy(
        now=(
            _WRITE_SLICE,
            CleanText("or elect leaders with Leases, so that the annotation can go"),
        ),
        commands=(
            CleanText(
                "kubectl -n NAMESPACE annotate endpoints NAME"
                " control-plane.alpha.kubernetes.io/leader-"
            ),
            _LIST,
        ),
        needs_restart=False,
        interrupts=CleanText("a leader election of a client that still uses the annotation"),
        test=_TEST,
    ),
)
_TOO_MANY = _Reason(
    "over 1000 addresses",
    "only the first 1,000 addresses of a subset are mirrored",
    Remedy(
        now=(
            CleanText(
                "write EndpointSlices for all addresses (at most 1,000 each) and set the label"
                " endpointslice.kubernetes.io/skip-mirror=true on the Endpoints"
            ),
        ),
        lasting=(
            CleanText("or raise --mirroring-max-endpoints-per-subset of kube-controller-manager"),
        ),
        commands=(_LIST,),
        needs_restart=False,
        interrupts=CleanText("nothing"),
        test=_TEST,
    ),
)
_NOT_MIRRORED = _Reason("not mirrored", "no EndpointSlice mirrors them")


def judge_node(view: NodeView) -> Iterable[Verdict]:
    """Judge whether this node's agent sees the backends of Services without selectors."""
    reads_endpoints = _reads_endpoints(view)
    if reads_endpoints is not None:
        return [view.verdict(ID, FindingSeverity.CLEAR, reads_endpoints)]
    facts = view.cluster.facts
    if facts.unmirrored.value is None:
        what = "which Endpoints of Services without selectors no EndpointSlice mirrors"
        return [_unknown(view, facts.unmirrored, what, _ENDPOINTS_RIGHT)]
    if not facts.unmirrored.value:
        return [_nothing(view)]
    if facts.services.value is None:
        what = "which Services use the Endpoints that no EndpointSlice mirrors"
        return [_unknown(view, facts.services, what, _SERVICES_RIGHT)]
    broken = list(_broken(view))
    if broken and view.release is None and view.flag(OPTION) is False:
        what = f"the agent's release: to 1.18 {OPTION}=false has agents read Endpoints themselves"
        return [_unknown(view, view.facts.version, what, view.command(f"{view.binary} version"))]
    return broken or [_nothing(view)]


def _reads_endpoints(view: NodeView) -> str | None:
    """Return why this agent reads Endpoints themselves, or None where it reads slices.

    It uses EndpointSlices where the API server is 1.17 or later (pkg/k8s/version), unless
    `enable-k8s-endpoint-slice` is false; that key was removed in 1.19 (bd91c5acfc).
    """
    if view.flag(OPTION) is False and view.release is not None and not view.release.at_least(1, 19):
        setting = view.setting(OPTION)
        where = "" if setting is None or setting.is_effective else " in the ConfigMap"
        return f"{OPTION}=false{where}: agents of {view.release} read Endpoints themselves"
    version = _kubernetes(view)
    if version is not None and version < (1, 17):
        return f"on Kubernetes {version[0]}.{version[1]} agents read Endpoints themselves"
    return None


def _kubernetes(view: NodeView) -> tuple[int, int] | None:
    found = _VERSION.match((view.cluster.facts.kubernetes_version.value or "").strip())
    return None if found is None else (int(found.group(1)), int(found.group(2)))


def _lacks_mirroring(view: NodeView) -> bool:
    """Tell whether this is Kubernetes 1.17 or 1.18; agents from 1.19 on don't run there."""
    is_new_agent = view.release is not None and view.release.at_least(1, 19)
    return _kubernetes(view) in ((1, 17), (1, 18)) and not is_new_agent


def _nothing(view: NodeView) -> Verdict:
    if _lacks_mirroring(view):
        version = view.cluster.facts.kubernetes_version
        return view.verdict(
            ID,
            FindingSeverity.LATENT,
            f"Kubernetes {version.value} mirrors no Endpoints; no Service needs it now",
            evidence=(_version_evidence(view),),
        )
    text = "no Endpoints of a Service without selector lacks an EndpointSlice with its backends"
    return view.verdict(ID, FindingSeverity.CLEAR, text)


def _unknown(
    view: NodeView,
    reading: Reading[T],
    what: str,
    how: CleanText,
) -> Verdict:
    missing = view.missing(reading, what, how)
    text = "whether Services without selectors have backends is not known"
    return view.verdict(ID, FindingSeverity.UNKNOWN, text, missing=(missing,))


def _broken(view: NodeView) -> Iterator[Verdict]:
    groups: dict[tuple[str, FindingSeverity], list[tuple[UnmirroredEndpoints, Service]]] = {}
    reasons: dict[str, _Reason] = {}
    held = _held_anyway(view)
    for endpoints, service in view.cluster.unmirrored:
        severity = _severity(endpoints, service)
        if severity is None or str(endpoints.service) in held:
            continue
        reason = _reason(endpoints)
        reasons[reason.group] = reason
        groups.setdefault((reason.group, severity), []).append((endpoints, service))
    for (group, severity), found in groups.items():
        yield _verdict(view, reasons[group], severity, found)


def _severity(endpoints: UnmirroredEndpoints, service: Service) -> FindingSeverity | None:
    """Return how bad it is; None where slices that somebody wrote have the backends."""
    if not service.backends:
        return FindingSeverity.ACTIVE
    is_cut = endpoints.largest_subset > MIRRORED_ADDRESSES
    if is_cut and len({one.ip for one in service.backends}) < endpoints.addresses:
        return FindingSeverity.ARMED
    return None


def _reason(endpoints: UnmirroredEndpoints) -> _Reason:
    if endpoints.is_skipped:
        return _SKIPPED
    if endpoints.is_leader_lock:
        return _LOCK
    return _TOO_MANY if endpoints.largest_subset > MIRRORED_ADDRESSES else _NOT_MIRRORED


def _held_anyway(view: NodeView) -> set[str]:
    """Return the Services for which this node's kernel holds backends that no slice has.

    Somebody put them there with `cilium service update` (to 1.17), or another cluster has them.
    """
    coverage = view.facts.services.value
    faults = () if coverage is None else coverage.faults
    return {str(one.service) for one in faults if one.service and one.surplus_backends}


def _verdict(
    view: NodeView,
    reason: _Reason,
    severity: FindingSeverity,
    found: Sequence[tuple[UnmirroredEndpoints, Service]],
) -> Verdict:
    first = found[0][0]
    more = f" +{len(found) - 1}" if len(found) > 1 else ""
    effect = "has no backend" if severity is FindingSeverity.ACTIVE else "lacks backends"
    text = reason.text
    if reason is _NOT_MIRRORED and _lacks_mirroring(view):
        text = f"Kubernetes {view.cluster.facts.kubernetes_version.value} mirrors none"
    return view.verdict(
        ID,
        severity,
        f"{first.service}{more} {effect} in Cilium although its Endpoints have"
        f" {first.addresses} addresses: {text}",
        evidence=tuple(_evidence(view, found)),
        objects=tuple(_objects(found)),
        remedy=_named(_remedy(view, reason), str(first.service)),
        harm=len(found),
        group=reason.group,
    )


def _objects(
    found: Sequence[tuple[UnmirroredEndpoints, Service]],
) -> Iterator[AffectedObject]:
    for endpoints, service in found[:_OBJECTS_SHOWN]:
        namespace, _, name = endpoints.service.rpartition("/")
        detail = f"{len(service.backends)} backends, {endpoints.addresses} addresses in Endpoints"
        yield AffectedObject("Service", CleanText(name), CleanText(namespace), clean(detail))


def _evidence(
    view: NodeView, found: Sequence[tuple[UnmirroredEndpoints, Service]]
) -> Iterator[Evidence]:
    reading = view.cluster.facts.unmirrored
    faults = {str(one.service): one for one in _faults(view)}
    for endpoints, service in found[:_EVIDENCE_SHOWN]:
        writer = f", written by {endpoints.manager}" if endpoints.manager else ""
        text = (
            f"Endpoints {endpoints.service}: {endpoints.addresses} addresses{writer};"
            f" EndpointSlices: {len(service.backends)} backends"
        )
        key = f"Endpoints/{endpoints.service}"
        origin = reading.origin
        source = "GET /api/v1/endpoints" if origin is None else origin.source
        at = None if origin is None else origin.observed_at
        yield view.fact(text, source, at, ProofKind.OBJECT, key)
        fault = faults.get(str(endpoints.service))
        if fault is not None:
            text = f"{fault.frontend} of {fault.service}: {fault.fault.value} on this node"
            yield view.evidence(view.facts.services, text, ProofKind.SERVICE, str(fault.service))
    if _lacks_mirroring(view):
        yield _version_evidence(view)


def _faults(view: NodeView) -> Iterator[FrontendFault]:
    coverage = view.facts.services.value
    for one in () if coverage is None else coverage.faults:
        if one.fault in (FaultKind.NO_BACKENDS, FaultKind.MISSING) and one.service:
            yield one


def _version_evidence(view: NodeView) -> Evidence:
    reading = view.cluster.facts.kubernetes_version
    origin = reading.origin
    source = "GET /version" if origin is None else origin.source
    at = None if origin is None else origin.observed_at
    return view.fact(f"Kubernetes {reading.value}", source, at, ProofKind.OBJECT)


def _remedy(view: NodeView, reason: _Reason) -> Remedy:
    """Return the reason's remedy; on Kubernetes 1.17 and 1.18 the agents can read Endpoints."""
    if not _lacks_mirroring(view):
        return reason.remedy if reason.remedy != Remedy() else ABOUT.remedy
    return Remedy(
        now=(_WRITE_SLICE,),
        lasting=(
            CleanText("upgrade Kubernetes to 1.19 or later, which mirrors Endpoints"),
            CleanText(f"or set {OPTION}=false and restart the agents (Cilium to 1.18)"),
        ),
        settings=(ConfigSetting(OPTION, CleanText("false"), f"extraConfig.{OPTION}=false"),),
        commands=(_LIST, restart_agents(view)),
        needs_restart=False,
        interrupts=CleanText("a slice interrupts nothing; the setting restarts every agent"),
        test=_TEST,
    )


def _named(remedy: Remedy, service: str) -> Remedy:
    """Put a Service's own names into the commands."""
    namespace, _, name = service.rpartition("/")

    def named(text: CleanText) -> CleanText:
        return clean(text.replace("NAMESPACE", namespace).replace("NAME", name), 600)

    commands = tuple(named(command) for command in remedy.commands)
    now = tuple(named(step) for step in remedy.now)
    return replace(remedy, now=now, commands=commands, test=named(remedy.test))


CHECK = Check(ABOUT, judge_node=judge_node)
