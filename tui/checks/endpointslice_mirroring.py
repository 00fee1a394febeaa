"""`endpointslice-mirroring`: Endpoints of Services without selectors that no slice mirrors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from tui.checks.check import About, Check
from tui.checks.phrases import counted
from tui.checks.proof.overrides import is_set_elsewhere
from tui.checks.remedies.commands import restart_agents
from tui.checks.remedies.mirroring import (
    LEADER_LOCK,
    LIST,
    NOT_MIRRORED,
    SKIPPED,
    TEST,
    TOO_MANY,
    WRITE_SLICE,
    Reason,
    named_remedy,
)
from tui.checks.view import ClusterView, NodeView
from tui.cilium.config import find_flag
from tui.model.agent import EffectiveConfig
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

_OBJECT = ProofKind.OBJECT
_View = NodeView | ClusterView
_Unmirrored = tuple[UnmirroredEndpoints, Service]

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
        now=(WRITE_SLICE,),
        lasting=(CleanText("upgrade Kubernetes to 1.19 or later, which mirrors Endpoints"),),
        commands=(LIST,),
        needs_restart=False,
        interrupts=CleanText("nothing"),
        test=TEST,
    ),
    references=(
        CleanText("cilium/cilium#12438"),
        CleanText("cilium/cilium#15142"),
        CleanText(
            "https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors"
        ),
    ),
)


def judge_node(view: NodeView) -> Iterable[Verdict]:
    """Judge whether this node's agent sees the backends of Services without selectors."""
    reads_endpoints = _reads_endpoints(view)
    if reads_endpoints is not None:
        return [view.verdict(ID, FindingSeverity.CLEAR, reads_endpoints)]
    facts = view.cluster.facts
    if facts.unmirrored.value is None:
        what = "which Endpoints of Services without selectors no EndpointSlice mirrors"
        return [_unknown(view, facts.unmirrored, what, _ENDPOINTS_RIGHT)]
    if facts.unmirrored.value and facts.services.value is None:
        what = "which Services use the Endpoints that no EndpointSlice mirrors"
        return [_unknown(view, facts.services, what, _SERVICES_RIGHT)]
    found = list(_unserved(view.cluster))
    return _judged(view, found) if found else [_nothing(view)]


def _judged(view: NodeView, found: Sequence[_Unmirrored]) -> Iterable[Verdict]:
    held = _held_anyway(view)
    left = [one for one in found if str(one[0].service) not in held]
    if not left:
        return [_held(view, len(found))]
    if view.release is None and view.flag(OPTION) is False:
        what = f"the agent's release: to 1.18 {OPTION}=false has agents read Endpoints themselves"
        return [_unknown(view, view.facts.version, what, view.command(f"{view.binary} version"))]
    return [_told(view, len(left))] if _is_of_cluster(view.cluster) else _broken(view, left)


def judge_cluster(view: ClusterView) -> Iterable[Verdict]:
    """Judge once what no agent can mend: Services that have no backends for any of them."""
    if not _is_of_cluster(view):
        return ()
    return _broken(view, list(_unserved(view)))


def _is_of_cluster(cluster: ClusterView) -> bool:
    """Tell whether all agents read slices, unless a node's own setting says otherwise.

    With `enable-k8s-endpoint-slice=false` in the ConfigMap it depends on each agent's release, and
    where another layer names it, on the node.
    """
    facts = cluster.facts
    if facts.config_map.value is None or facts.services.value is None:
        return False
    if is_set_elsewhere(cluster, OPTION):
        return False
    if find_flag(EffectiveConfig(facts.config_map.value.values), OPTION) is False:
        return False
    version = _kubernetes(cluster)
    return facts.unmirrored.value is not None and (version is None or version >= (1, 17))


def _told(view: NodeView, services: int) -> Verdict:
    text = (
        "nothing of this node's own: the cluster's finding tells of"
        f" {counted(services, 'Service')} that no agent has backends for"
    )
    return view.verdict(ID, FindingSeverity.CLEAR, text)


def _held(view: NodeView, services: int) -> Verdict:
    text = (
        f"{counted(services, 'Service')} without EndpointSlices, but this node's kernel holds"
        " backends all the same"
    )
    return view.verdict(ID, FindingSeverity.CLEAR, text)


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


def _kubernetes(view: _View) -> tuple[int, int] | None:
    facts = _cluster(view).facts
    found = _VERSION.match((facts.kubernetes_version.value or "").strip())
    return None if found is None else (int(found.group(1)), int(found.group(2)))


def _cluster(view: _View) -> ClusterView:
    return view.cluster if isinstance(view, NodeView) else view


def _lacks_mirroring(view: _View) -> bool:
    """Tell whether this is Kubernetes 1.17 or 1.18; agents from 1.19 on don't run there."""
    release = view.release if isinstance(view, NodeView) else None
    is_new_agent = release is not None and release.at_least(1, 19)
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


def _unserved(cluster: ClusterView) -> Iterator[_Unmirrored]:
    for endpoints, service in cluster.unmirrored:
        if _severity(endpoints, service) is not None:
            yield endpoints, service


def _broken(view: _View, found: Iterable[_Unmirrored]) -> Iterator[Verdict]:
    groups: dict[tuple[str, FindingSeverity], list[_Unmirrored]] = {}
    reasons: dict[str, Reason] = {}
    for endpoints, service in found:
        severity = _severity(endpoints, service)
        if severity is None:
            continue
        reason = _reason(endpoints)
        reasons[reason.group] = reason
        groups.setdefault((reason.group, severity), []).append((endpoints, service))
    for (group, severity), members in groups.items():
        yield _verdict(view, reasons[group], severity, members)


def _severity(endpoints: UnmirroredEndpoints, service: Service) -> FindingSeverity | None:
    """Return how bad it is; None where slices that somebody wrote have the backends."""
    if not service.backends:
        return FindingSeverity.ACTIVE
    is_cut = endpoints.largest_subset > MIRRORED_ADDRESSES
    if is_cut and len({one.ip for one in service.backends}) < endpoints.addresses:
        return FindingSeverity.ARMED
    return None


def _reason(endpoints: UnmirroredEndpoints) -> Reason:
    if endpoints.is_skipped:
        return SKIPPED
    if endpoints.is_leader_lock:
        return LEADER_LOCK
    return TOO_MANY if endpoints.largest_subset > MIRRORED_ADDRESSES else NOT_MIRRORED


def _held_anyway(view: NodeView) -> set[str]:
    """Return the Services for which this node's kernel holds backends that no slice has.

    Somebody put them there with `cilium service update` (to 1.17), or another cluster has them.
    """
    coverage = view.facts.services.value
    faults = () if coverage is None else coverage.faults
    return {str(one.service) for one in faults if one.service and one.surplus_backends}


def _verdict(
    view: _View, reason: Reason, severity: FindingSeverity, found: Sequence[_Unmirrored]
) -> Verdict:
    first = found[0][0]
    more = f" +{len(found) - 1}" if len(found) > 1 else ""
    effect = "has no backend" if severity is FindingSeverity.ACTIVE else "lacks backends"
    text = reason.text
    if reason is NOT_MIRRORED and _lacks_mirroring(view):
        text = f"Kubernetes {_cluster(view).facts.kubernetes_version.value} mirrors none"
    return view.verdict(
        ID,
        severity,
        f"{first.service}{more} {effect} in Cilium although its Endpoints have"
        f" {first.addresses} addresses: {text}",
        evidence=tuple(_evidence(view, found)),
        objects=tuple(_objects(found)),
        remedy=named_remedy(_remedy(view, reason), str(first.service)),
        harm=len(found),
        group=reason.group,
    )


def _objects(found: Sequence[_Unmirrored]) -> Iterator[AffectedObject]:
    for endpoints, service in found[:_OBJECTS_SHOWN]:
        namespace, _, name = endpoints.service.rpartition("/")
        detail = f"{len(service.backends)} backends, {endpoints.addresses} addresses in Endpoints"
        yield AffectedObject("Service", CleanText(name), CleanText(namespace), clean(detail))


def _evidence(view: _View, found: Sequence[_Unmirrored]) -> Iterator[Evidence]:
    faults = {str(one.service): one for one in _faults(view)} if isinstance(view, NodeView) else {}
    for endpoints, service in found[:_EVIDENCE_SHOWN]:
        writer = f", written by {endpoints.manager}" if endpoints.manager else ""
        text = (
            f"Endpoints {endpoints.service}: {endpoints.addresses} addresses{writer};"
            f" EndpointSlices: {len(service.backends)} backends"
        )
        reading = _cluster(view).facts.unmirrored
        yield _fact(view, reading, text, "GET /api/v1/endpoints", f"Endpoints/{endpoints.service}")
        fault = faults.get(str(endpoints.service))
        if fault is not None and isinstance(view, NodeView):
            text = f"{fault.frontend} of {fault.service}: {fault.fault.value} on this node"
            yield view.evidence(view.facts.services, text, ProofKind.SERVICE, str(fault.service))
    if _lacks_mirroring(view):
        yield _version_evidence(view)


def _fact(view: _View, reading: Reading[T], text: str, source: str, key: str = "") -> Evidence:
    origin = reading.origin
    at = None
    if origin is not None:
        source, at = origin.source, origin.observed_at
    node = view.facts.node if isinstance(view, NodeView) else None
    if node is None:
        return Evidence(clean(text, 600), clean(source, 300), at=at, proof=_OBJECT, key=key)
    return Evidence(
        clean(text, 600), clean(source, 300), node.uid, node.name, at, proof=_OBJECT, key=key
    )


def _faults(view: NodeView) -> Iterator[FrontendFault]:
    coverage = view.facts.services.value
    for one in () if coverage is None else coverage.faults:
        if one.fault in (FaultKind.NO_BACKENDS, FaultKind.MISSING) and one.service:
            yield one


def _version_evidence(view: _View) -> Evidence:
    reading = _cluster(view).facts.kubernetes_version
    return _fact(view, reading, f"Kubernetes {reading.value}", "GET /version")


def _remedy(view: _View, reason: Reason) -> Remedy:
    """Return the reason's remedy; on Kubernetes 1.17 and 1.18 the agents can read Endpoints."""
    if not _lacks_mirroring(view):
        return reason.remedy if reason.remedy != Remedy() else ABOUT.remedy
    return Remedy(
        now=(WRITE_SLICE,),
        lasting=(
            CleanText("upgrade Kubernetes to 1.19 or later, which mirrors Endpoints"),
            CleanText(f"or set {OPTION}=false and restart the agents (Cilium to 1.18)"),
        ),
        settings=(ConfigSetting(OPTION, CleanText("false"), f"extraConfig.{OPTION}=false"),),
        commands=(LIST, restart_agents(view)),
        needs_restart=False,
        interrupts=CleanText("a slice interrupts nothing; the setting restarts every agent"),
        test=TEST,
    )


CHECK = Check(ABOUT, judge_node=judge_node, judge_cluster=judge_cluster)
