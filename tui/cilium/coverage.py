"""Want against have: what the cluster's Services want of one node, and what its kernel holds.

It is the one check that shows an outage nothing else shows, so it must not cry wolf: what releases
and settings may add (HostPort, local redirects, several scopes, wildcard entries, leftovers without
a protocol) is no surplus, and what they may leave out is not missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tui.cilium.lbmaps import ANY, BackendState, HeldFrontend, HeldServices, Scope
from tui.cilium.nodeview import NodeView, node_view
from tui.cilium.releases import Release
from tui.cilium.wants import IpPort, PortBackends, WantedFrontend, WantedServices, family_of
from tui.model.agent import AgentStatus, EffectiveConfig
from tui.model.node import Node
from tui.model.services import Address, FaultKind, FrontendFault, FrontendKind, ServiceCoverage
from tui.safety import CleanText

MAX_FAULTS = 500
_SEVERITY = {kind: number for number, kind in enumerate(FaultKind)}
_EXTERNAL = (FrontendKind.LOAD_BALANCER, FrontendKind.EXTERNAL_IP, FrontendKind.NODE_PORT)
_FOREIGN = (FrontendKind.HOST_PORT, FrontendKind.LOCAL_REDIRECT, FrontendKind.OTHER)


@dataclass(frozen=True, slots=True)
class _Case:
    """One frontend of this node: the wants that share its entry, and the entries by scope."""

    address: Address
    wants: tuple[WantedFrontend, ...]
    held: tuple[HeldFrontend, ...]
    has_headless_slots: bool


def compare(
    wanted: WantedServices,
    held: HeldServices,
    node: Node,
    *,
    release: Release | None = None,
    status: AgentStatus | None = None,
    config: EffectiveConfig | None = None,
) -> ServiceCoverage:
    """Compare what the Services want with what one node's kernel holds.

    Both change while they are read: a fault that the next comparison does not confirm was a race.
    """
    view = node_view(held, node, release, status, config)
    by_ip_port: dict[IpPort, list[HeldFrontend]] = {}
    for frontend in held.frontends:
        by_ip_port.setdefault((frontend.address.ip, frontend.address.port), []).append(frontend)
    cases = list(_cases(wanted, held, view, by_ip_port))
    faults = [fault for case in cases if (fault := _judge(case, held, view)) is not None]
    faults.extend(_surplus(wanted, held, view))
    faults.sort(key=lambda fault: (_SEVERITY[fault.fault], fault.service, fault.frontend))
    active, found = _count_backends(cases, held, view)
    return ServiceCoverage(
        wanted_frontends=len(cases),
        held_frontends=sum(bool(case.held) for case in cases),
        wanted_backends=active,
        held_backends=found,
        faults=tuple(faults[:MAX_FAULTS]),
        faults_total=len(faults),
        wanted_service_entries=_wanted_entries(cases, held, view),
        want_resource_version=wanted.resource_version,
    )


def _count_backends(cases: Iterable[_Case], held: HeldServices, view: NodeView) -> tuple[int, int]:
    """Count the backends wanted, and those of them that the backend maps hold."""
    wanted = {
        (ip, port, want.protocol if view.tells_protocols_apart else ANY)
        for case in cases
        if not (case.held and all(_is_elsewhere(entry) for entry in case.held))
        for want in case.wants
        for ip, port in want.backends.active
    }
    have = {(one.ip, one.port, one.protocol) for one in held.backends.values()}
    if not view.tells_protocols_apart:
        have = {(ip, port, ANY) for ip, port, _ in have}
    found = sum(key in have or (key[0], key[1], ANY) in have for key in wanted)
    return len(wanted), found


def confirmed(previous: ServiceCoverage, current: ServiceCoverage) -> ServiceCoverage:
    """Drop the faults of `current` that `previous` does not have, but never a missing frontend.

    A dump of a busy node races with the API's watch: a backend that comes or goes is seen in one
    of them first. What stays wrong over two dumps is wrong.
    """
    known = {(fault.frontend, fault.fault) for fault in previous.faults}
    if previous.faults_total > len(previous.faults):
        return current
    faults = tuple(
        fault
        for fault in current.faults
        if fault.fault is FaultKind.MISSING or (fault.frontend, fault.fault) in known
    )
    dropped = len(current.faults) - len(faults)
    return replace(current, faults=faults, faults_total=current.faults_total - dropped)


def _cases(
    wanted: WantedServices,
    held: HeldServices,
    view: NodeView,
    by_ip_port: Mapping[IpPort, list[HeldFrontend]],
) -> Iterator[_Case]:
    """Yield every frontend this node should hold, once for each entry the maps have for it."""
    if not view.is_replacing and not held.frontends:
        return
    headless = {(one.ip, one.port) for one in held.headless_slots}
    for ip_port, wants in _wants(wanted, view):
        is_headless = ip_port in headless
        candidates = by_ip_port.get(ip_port, [])
        for protocol, sharing in _by_entry(wants, _are_apart(candidates, view)).items():
            entries = _matching(protocol, candidates)
            yield _Case(Address(*ip_port, protocol), sharing, entries, is_headless)


def _wants(wanted: WantedServices, view: NodeView) -> Iterator[tuple[IpPort, list[WantedFrontend]]]:
    for ip_port, group in wanted.frontends.items():
        wants = [want for want in group if _is_wanted(want, view)]
        if wants:
            yield ip_port, wants
    for (family, port), group in wanted.node_ports.items():
        wants = [want for want in group if _is_wanted(want, view)]
        if wants:
            for ip in view.node_port_ips[family]:
                yield (ip, port), wants


def _is_wanted(want: WantedFrontend, view: NodeView) -> bool:
    if want.is_optional or view.is_selective or want.family not in view.families:
        return False
    if want.kind is FrontendKind.EXTERNAL_IP:
        return view.has_external_ips
    return view.has_node_port or want.kind not in _EXTERNAL


def _are_apart(candidates: Sequence[HeldFrontend], view: NodeView) -> bool:
    """Tell whether each protocol has an entry of its own here.

    From 1.17 on it has, unless `bpf-lb-proto-diff` is off, or the entry is older than that.
    """
    is_shared = bool(candidates) and all(one.address.protocol == ANY for one in candidates)
    return view.tells_protocols_apart and not is_shared


def _by_entry(
    wants: Sequence[WantedFrontend], are_apart: bool
) -> dict[str, tuple[WantedFrontend, ...]]:
    """Group wants by the entry they share: before 1.17 TCP and UDP of one port share one."""
    if len(wants) == 1:
        return {wants[0].protocol: tuple(wants)}
    groups: dict[str, tuple[WantedFrontend, ...]] = {}
    for want in wants:
        protocol = want.protocol if are_apart else ANY
        groups[protocol] = (*groups.get(protocol, ()), want)
    return groups


def _matching(protocol: str, candidates: Sequence[HeldFrontend]) -> tuple[HeldFrontend, ...]:
    """Choose the entries the datapath finds: the protocol's own, else the one of ANY."""
    if protocol == ANY:
        return tuple(candidates)
    own = tuple(one for one in candidates if one.address.protocol == protocol)
    return own or tuple(one for one in candidates if one.address.protocol == ANY)


def _is_elsewhere(entry: HeldFrontend) -> bool:
    """Tell whether something else than the Service's endpoints decides on its backends."""
    return entry.kind in _FOREIGN or entry.is_l7_redirect or entry.is_nat46x64


def _judge(case: _Case, held: HeldServices, view: NodeView) -> FrontendFault | None:
    want = case.wants[0]
    if not case.held:
        detail = "slots without a frontend entry" if case.has_headless_slots else ""
        return _fault(case, FaultKind.MISSING, detail=detail)
    for entry in case.held:
        if _is_elsewhere(entry):
            continue
        fault = _judge_backends(case, entry, held, view)
        if fault is not None:
            return fault
    is_checked = view.has_session_affinity and len(case.wants) == 1
    wrong = [
        entry
        for entry in case.held
        if entry.has_session_affinity != want.has_session_affinity and not _is_elsewhere(entry)
    ]
    if is_checked and wrong:
        has = "ClientIP" if want.has_session_affinity else "no"
        return _fault(case, FaultKind.WRONG_AFFINITY, detail=f"the Service wants {has} affinity")
    return None


def _fault(
    case: _Case,
    kind: FaultKind,
    *,
    missing: Iterable[IpPort] = (),
    surplus: Iterable[IpPort] = (),
    detail: str = "",
) -> FrontendFault:
    want = case.wants[0]
    return FrontendFault(
        service=want.service,
        frontend=case.address,
        kind=want.kind,
        fault=kind,
        missing_backends=_backend_addresses(missing, case.address.protocol),
        surplus_backends=_backend_addresses(surplus, case.address.protocol),
        detail=CleanText(detail),
    )


def _backend_addresses(ip_ports: Iterable[IpPort], protocol: str) -> tuple[Address, ...]:
    return tuple(Address(ip, port, protocol) for ip, port in sorted(ip_ports))


def _judge_backends(
    case: _Case, entry: HeldFrontend, held: HeldServices, view: NodeView
) -> FrontendFault | None:
    have: set[IpPort] = set()
    dangling = 0
    for number in entry.backend_ids:
        backend = held.backends.get(number)
        if backend is None:
            dangling += 1
        elif backend.state != BackendState.TERMINATING or _may(case, (backend.ip, backend.port)):
            have.add((backend.ip, backend.port))
    missing = min((_must(want, entry, view) - have for want in case.wants), key=len)
    resting = view.resting | _quarantined(entry, held)
    missing -= resting
    is_open = any(want.backends.is_open for want in case.wants)
    surplus = set() if is_open else {one for one in have if not _may(case, one)}
    if not have and all(_needs_any(want, entry, view, resting) for want in case.wants):
        return _fault(case, FaultKind.NO_BACKENDS, missing=missing)
    if not missing and not surplus:
        return None
    detail = f"{dangling} slots point to no backend" if dangling else ""
    return _fault(case, FaultKind.WRONG_BACKENDS, missing=missing, surplus=surplus, detail=detail)


def _may(case: _Case, ip_port: IpPort) -> bool:
    return any(
        ip_port in want.backends.active or ip_port in want.backends.fallback for want in case.wants
    )


def _is_local(want: WantedFrontend, entry: HeldFrontend) -> bool:
    """Tell whether a traffic policy may keep this entry to the node's own backends."""
    is_external_entry = entry.scope == Scope.EXTERNAL and want.kind in _EXTERNAL
    return (want.is_external_local and is_external_entry) or (
        want.is_internal_local
        and (entry.scope == Scope.INTERNAL or want.kind is FrontendKind.CLUSTER_IP)
    )


def _must(want: WantedFrontend, entry: HeldFrontend, view: NodeView) -> frozenset[IpPort]:
    """Name the backends this entry has to have."""
    backends: PortBackends = want.backends
    if backends.is_partial:
        return frozenset()
    if _is_local(want, entry):
        return backends.by_node.get(view.name, frozenset())
    return backends.active


def _quarantined(entry: HeldFrontend, held: HeldServices) -> frozenset[IpPort]:
    """Name the backends that failed this frontend's health check."""
    found = (held.backends.get(number) for number in entry.quarantined_ids)
    return frozenset((one.ip, one.port) for one in found if one is not None)


def _needs_any(
    want: WantedFrontend, entry: HeldFrontend, view: NodeView, resting: frozenset[IpPort]
) -> bool:
    """Tell whether an entry without backends is wrong, zone hints or not."""
    expected = want.backends.active if want.backends.is_partial else _must(want, entry, view)
    return bool(expected - resting)


def _surplus(wanted: WantedServices, held: HeldServices, view: NodeView) -> Iterator[FrontendFault]:
    """Yield the frontends that no Service wants, each once however many scopes it has."""
    seen: set[Address] = set()
    for entry in held.frontends:
        address = entry.address
        if entry.kind in _FOREIGN or address in seen or _is_known(wanted, entry, view):
            continue
        seen.add(address)
        yield FrontendFault(CleanText(""), address, entry.kind, FaultKind.SURPLUS)


def _is_known(wanted: WantedServices, entry: HeldFrontend, view: NodeView) -> bool:
    ip, port, protocol = entry.address.ip, entry.address.port, entry.address.protocol
    if family_of(ip) not in view.families or port in wanted.tolerated_ports:
        return True
    wants = (
        wanted.node_ports.get((family_of(ip), port), ())
        if entry.kind is FrontendKind.NODE_PORT
        else wanted.frontends.get((ip, port), ())
    )
    if protocol == ANY or not view.tells_protocols_apart:
        return bool(wants)
    return any(want.protocol in {protocol, ANY} for want in wants)


def _wanted_entries(cases: Iterable[_Case], held: HeldServices, view: NodeView) -> int:
    """Count the slots all of it needs: one a frontend and one a backend of it (domain B2).

    A frontend with one Local policy has an entry for each scope; HostPorts and local redirects
    keep what they hold; from 1.18 each frontend IP has one more for the ports no Service has.
    """
    total = 0
    ips: set[str] = set()
    for case in cases:
        want = max(case.wants, key=lambda one: len(one.backends.active))
        is_double = want.is_external_local != want.is_internal_local and want.kind in (
            FrontendKind.NODE_PORT,
            FrontendKind.LOAD_BALANCER,
        )
        for scope in (Scope.EXTERNAL, Scope.INTERNAL) if is_double else (Scope.EXTERNAL,):
            entry = HeldFrontend(case.address, want.kind, scope)
            local = want.backends.by_node.get(view.name, frozenset())
            backends = local if _is_local(want, entry) else want.backends.active
            total += 1 + len(backends or want.backends.fallback)
        if want.kind in (FrontendKind.CLUSTER_IP, FrontendKind.LOAD_BALANCER):
            ips.add(case.address.ip)
    total += sum(1 + len(one.backend_ids) for one in held.frontends if one.kind in _FOREIGN)
    return total + (len(ips) if held.wildcards else 0)
