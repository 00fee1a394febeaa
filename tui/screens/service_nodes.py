"""One Service on every node: held, missing, wrong or unknown (`:svc`)."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tui.model.reading import ReadingState
from tui.model.services import FaultKind, FrontendFault, Service
from tui.screens import wording
from tui.screens.fleet import NodeSummary
from tui.screens.node_gaps import unread_word
from tui.screens.service_rows import fault_detail
from widgets.grid_rows import GridColumn, GridRow
from widgets.symbols import symbols
from widgets.tones import CellText, Span, Tone

SERVICE_NODE_COLUMNS = (
    GridColumn("state", "", 1, 1),
    GridColumn("node", "NODE", 8, 40),
    GridColumn("verdict", "ON THIS NODE", 12, 16),
    GridColumn("frontends", "FRONTENDS", 9, 10, align="right", priority=2),
    GridColumn("detail", "DETAIL", 16, 80, priority=1, is_flexible=True),
    GridColumn("version", "VERSION", 7, 12, priority=4),
    GridColumn("age", "READ", 4, 8, align="right", priority=3),
)
"""The columns of `:svc`."""


class Verdict(StrEnum):
    """How one node holds a Service, worst first."""

    MISSING = "missing"
    NO_BACKENDS = "no backends"
    WRONG_BACKENDS = "wrong backends"
    WRONG_AFFINITY = "wrong affinity"
    UNKNOWN = "unknown"
    OK = "held"


_PLACES = {verdict: place for place, verdict in enumerate(Verdict)}
_TONES = {
    Verdict.MISSING: Tone.ERROR,
    Verdict.NO_BACKENDS: Tone.ERROR,
    Verdict.WRONG_BACKENDS: Tone.ERROR,
    Verdict.WRONG_AFFINITY: Tone.WARNING,
    Verdict.UNKNOWN: Tone.UNKNOWN,
    Verdict.OK: Tone.OK,
}
_OF_FAULT = {
    FaultKind.MISSING: Verdict.MISSING,
    FaultKind.NO_BACKENDS: Verdict.NO_BACKENDS,
    FaultKind.WRONG_BACKENDS: Verdict.WRONG_BACKENDS,
    FaultKind.WRONG_AFFINITY: Verdict.WRONG_AFFINITY,
}


@dataclass(frozen=True, slots=True)
class ServiceQuery:
    """What was asked for: a name, or an address with or without a port."""

    text: str
    ip: str = ""
    port: int | None = None


def parse_query(text: str) -> ServiceQuery:
    """Return what `:svc` was asked for: NAME, NAMESPACE/NAME, IP, IP:port or [IPv6]:port."""
    text = text.strip()
    host, port = _host_and_port(text)
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        return ServiceQuery(text)
    return ServiceQuery(text, address, port)


def _host_and_port(text: str) -> tuple[str, int | None]:
    text = text.split("/", 1)[0] if text.count(".") == 3 or text.startswith("[") else text
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, _port(rest.removeprefix(":"))
    if text.count(":") == 1:
        host, _, rest = text.partition(":")
        return host, _port(rest)
    return text, None


def _port(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= 5 else None


def matching_services(services: Sequence[Service], query: ServiceQuery) -> list[Service]:
    """Return the Services a query means: by address, by exact name, else by part of a name."""
    if query.ip:
        return [service for service in services if _has_address(service, query)]
    wanted = query.text.casefold()
    exact = [
        service
        for service in services
        if wanted in (service.name.casefold(), service.name.casefold().rpartition("/")[2])
    ]
    return exact or [service for service in services if wanted in service.name.casefold()]


def _has_address(service: Service, query: ServiceQuery) -> bool:
    if query.port is None and query.ip in service.cluster_ips:
        return True
    return any(
        address.ip == query.ip and query.port in (None, address.port)
        for address in service.frontends
    )


def want_lines(service: Service) -> tuple[str, str]:
    """Return what every node should hold: frontends and backends."""
    divider = f" {symbols().divider} "
    affinity = ["session affinity"] if service.has_session_affinity else []
    node_ports = [str(port.node_port) for port in service.ports if port.node_port is not None]
    ports = [f"NodePort {', '.join(node_ports)}"] if node_ports else []
    frontends = wording.listed([str(address) for address in service.frontends], 3)
    backends = wording.listed([str(address) for address in service.backends], 4)
    first = divider.join([f"{service.type}", frontends or "no frontends", *ports, *affinity])
    number = wording.counted(len(service.backends), "backend")
    return first, f"{number}: {backends}" if backends else "no backends: nothing to send to"


def service_node_rows(service: Service, nodes: Iterable[NodeSummary], now: float) -> list[GridRow]:
    """Return one row for each node, the nodes that lack the Service first."""
    judged = [(*judge(service, node), node) for node in nodes]
    judged.sort(key=lambda item: (_PLACES[item[0]], item[2].order))
    return [_row(service, node, verdict, detail, now) for verdict, detail, node in judged]


def verdict_counts(rows: Iterable[GridRow]) -> Counter[str]:
    """Return how many nodes have each verdict."""
    return Counter(row.fields["state"] for row in rows)


def _faults_of(service: Service, node: NodeSummary) -> list[FrontendFault]:
    coverage = node.facts.services.value
    faults = () if coverage is None else coverage.faults
    hit = [fault for fault in faults if fault.service == service.name and fault.fault in _OF_FAULT]
    return sorted(hit, key=lambda fault: _PLACES[_OF_FAULT[fault.fault]])


def judge(service: Service, node: NodeSummary) -> tuple[Verdict, str]:
    """Return how a node holds a Service, with the detail that says why.

    The list of faults is bounded: a Service that is not in a cut list is unknown, not held.
    """
    reading = node.facts.services
    coverage = reading.value
    if coverage is None:
        reason = wording.reading_trouble(reading)
        if not reason and node.facts.agent is None:
            reason = "no agent on this node"
        return Verdict.UNKNOWN, reason or reading.reason or unread_word(node.facts)
    faults = _faults_of(service, node)
    if faults:
        worst = faults[0]
        return _OF_FAULT[worst.fault], fault_detail(worst) or str(worst.frontend)
    if coverage.faults_total > len(coverage.faults):
        hidden = wording.count(coverage.faults_total - len(coverage.faults))
        return Verdict.UNKNOWN, f"{hidden} faults of this node are not listed"
    if reading.state is not ReadingState.KNOWN:
        return Verdict.OK, f"at the last answer; now {wording.reading_trouble(reading)}"
    return Verdict.OK, ""


def _row(service: Service, node: NodeSummary, verdict: Verdict, detail: str, now: float) -> GridRow:
    tone = _TONES[verdict]
    age = node.facts.services.age_seconds(now)
    version = node.facts.version.value
    cells: tuple[CellText, ...] = (
        Span(verdict_symbol(verdict), tone),
        Span(node.name, Tone.NORMAL if verdict is Verdict.OK else Tone.STRONG),
        Span(verdict.value, tone),
        _frontends_cell(service, node, verdict),
        Span(detail, Tone.MUTED),
        Span(symbols().dash if version is None else version.release, Tone.MUTED),
        Span(symbols().dash if age is None else wording.coarse_age(age), Tone.MUTED),
    )
    return GridRow(
        node.uid,
        cells,
        {"state": (_PLACES[verdict], node.name), "verdict": (_PLACES[verdict], node.name)},
        {"state": verdict.value},
        is_fault=verdict is not Verdict.OK,
    )


def _frontends_cell(service: Service, node: NodeSummary, verdict: Verdict) -> CellText:
    wanted = len(service.frontends)
    if verdict is Verdict.UNKNOWN:
        return Span(f"?/{wanted}", Tone.UNKNOWN)
    clusterwide = {str(address) for address in service.frontends}
    missing = sum(
        1
        for fault in _faults_of(service, node)
        if fault.fault is FaultKind.MISSING and str(fault.frontend) in clusterwide
    )
    return f"{wanted - missing}/{wanted}"


def verdict_symbol(verdict: Verdict) -> str:
    """Return the symbol of a verdict."""
    table = symbols()
    if verdict is Verdict.OK:
        return table.check
    if verdict is Verdict.UNKNOWN:
        return table.unknown
    return table.armed if verdict is Verdict.WRONG_AFFINITY else table.active
