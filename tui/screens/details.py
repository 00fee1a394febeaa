"""Everything known of one row, with the command, node and time that prove it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from tui.model.features import Feature
from tui.model.logs import LogEntry, LogGap
from tui.model.maps import MapUsage
from tui.model.reading import Reading
from tui.model.services import Address, FrontendFault, Service
from tui.screens import wording
from tui.screens.fault_rows import severity_word
from tui.screens.faults import Fault
from tui.screens.fleet import NodeSummary
from tui.screens.log_meaning import meaning_lines
from tui.screens.map_pressure import map_pressure
from tui.screens.map_rows import forecast_words, map_name, origin_words, window_words
from tui.screens.map_words import map_verdict
from tui.screens.marks import SEVERITY_TONES
from tui.screens.proof import exec_line, fault_commands, feature_command, map_commands
from tui.screens.service_rows import FAULT_SEVERITIES
from widgets.bars import sparkline
from widgets.detail_lines import DetailLine, empty_line, heading, raw, sentence, value
from widgets.tones import Span, Tone

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Detail:
    """A title and the lines below it."""

    title: str
    lines: tuple[DetailLine, ...]


def proof_lines(
    node: NodeSummary, reading: Reading[T], now: float, commands: Sequence[str] = ()
) -> list[DetailLine]:
    """Return where a value came from, why it is not newer, and the commands that prove it.

    Args:
        node: Where it was read.
        reading: The section the value stands in.
        now: What the age is measured at.
        commands: What proves the value itself; the section's own command where there is none.
    """
    lines = [empty_line(), heading("Where this comes from")]
    trouble = wording.reading_trouble(reading)
    if trouble:
        lines.append(value("now", Span(trouble, Tone.WARNING)))
    origin = reading.origin
    if origin is not None:
        seen = f"{wording.utc_stamp(origin.observed_at)}, {wording.ago(now - origin.observed_at)}"
        lines += [value("seen", seen), value("node", node.name)]
        if origin.collector_id:
            lines.append(value("collector", origin.collector_id))
        commands = commands or [exec_line(node, origin.source) or origin.source]
    return [*lines, *command_lines(commands)]


def command_lines(commands: Sequence[str]) -> list[DetailLine]:
    """Return command lines, each to be copied as it is."""
    if not commands:
        return []
    return [empty_line(), heading("Prove it yourself (y copies)"), *map(raw, commands)]


def map_detail(node: NodeSummary, usage: MapUsage, now: float) -> Detail:
    """Return all that is known of one map: what the agent says, sizes, wanted, trend."""
    pressure = map_pressure(usage)
    lines = []
    if pressure is not None:
        lines += [sentence(pressure.title, SEVERITY_TONES[pressure.severity]), empty_line()]
    lines += [
        heading("Numbers"),
        value("entries", wording.count(usage.entries), origin_words(usage)),
        value("max entries", wording.count(usage.max_entries)),
        value("fill", wording.percent(usage.ratio)),
    ]
    lines += _map_comparisons(usage)
    lines += [
        value("kind", f"{usage.kind.value}: {_full_means(usage)}"),
        value("preallocated", _yes_no(usage.is_preallocated)),
        value("memory", wording.size(usage.memory_bytes)),
    ]
    if usage.members > 1:
        members = f"{wording.count(usage.members)} maps; the fullest gives the numbers"
        lines.append(value("stands for", members))
    if usage.counted_at is not None:
        counted = f"{wording.utc_stamp(usage.counted_at)}, {wording.ago(now - usage.counted_at)}"
        lines.append(value("counted", counted))
    lines += _trend_lines(usage)
    if usage.note:
        lines += [empty_line(), sentence(usage.note, Tone.MUTED)]
    lines += proof_lines(node, node.facts.maps, now, map_commands(node, usage))
    return Detail(f"{node.name}: {map_name(usage)}", tuple(lines))


def _full_means(usage: MapUsage) -> str:
    return "a full map evicts" if usage.is_evicting else "a full map refuses entries"


def _yes_no(answer: bool | None) -> str:
    return "unknown" if answer is None else ("yes" if answer else "no")


def _map_comparisons(usage: MapUsage) -> list[DetailLine]:
    lines = []
    if usage.agent_entries is not None:
        misleads = "its cache, which misleads" if usage.agent_entries != usage.entries else ""
        lines.append(value("the agent says", wording.count(usage.agent_entries), misleads))
    if usage.wanted_entries is not None:
        wanted = wording.count(usage.wanted_entries)
        lines.append(value("wanted", wanted, "from the cluster's Services"))
    if usage.duplicate_entries is not None:
        duplicates = wording.count(usage.duplicate_entries)
        lines.append(value("duplicates", duplicates, "same address, port and protocol twice"))
    if usage.sync_failure:
        failing = Span(usage.sync_failure, Tone.ERROR)
        lines.append(value("sync fails", failing, f"controller bpf-map-sync-{usage.name}"))
    verdict = map_verdict(usage)
    if verdict:
        lines.append(value("verdict", verdict))
    return lines


def _trend_lines(usage: MapUsage) -> list[DetailLine]:
    trend = usage.trend
    if not trend.ratios:
        return [value("trend", "no history yet")]
    span = wording.age(trend.spacing_seconds * len(trend.ratios))
    lines = [value("trend", sparkline(trend.ratios, 30), f"last {span}")]
    forecast = forecast_words(usage)
    return [*lines, value("forecast", forecast, window_words(usage))] if forecast else lines


def _address_lines(title: str, addresses: tuple[Address, ...]) -> list[DetailLine]:
    if not addresses:
        return []
    return [
        empty_line(),
        heading(f"{title} ({len(addresses)})"),
        *(raw(str(address)) for address in addresses),
    ]


def fault_detail(
    node: NodeSummary, fault: FrontendFault, service: Service | None, now: float
) -> Detail:
    """Return one faulty frontend with the backends that are missing and too much."""
    tone = SEVERITY_TONES[FAULT_SEVERITIES[fault.fault]]
    name = fault.service or "no Service"
    lines = [
        sentence(f"{name}: {fault.fault.value} on {node.name}", tone),
        empty_line(),
        value("frontend", str(fault.frontend)),
        value("kind", fault.kind.value),
    ]
    if fault.detail:
        lines.append(value("detail", fault.detail))
    lines += _address_lines("Backends missing", fault.missing_backends)
    lines += _address_lines("Backends nobody wants", fault.surplus_backends)
    if service is not None:
        lines += _address_lines("Backends wanted", service.backends)
    lines += [
        empty_line(),
        sentence("Not programmed as wanted; the effect on traffic was not tested.", Tone.MUTED),
    ]
    lines += proof_lines(node, node.facts.services, now)
    return Detail(f"{node.name}: {name}", tuple(lines))


def service_detail(node: NodeSummary, service: Service, now: float) -> Detail:
    """Return one Service as the cluster wants it."""
    lines = [
        value("type", service.type),
        value("cluster IPs", ", ".join(service.cluster_ips) or "none"),
        value("session affinity", _yes_no(service.has_session_affinity)),
    ]
    lines += [
        value(
            "port", f"{port.port}/{port.protocol} {port.name}".rstrip(), _node_port(port.node_port)
        )
        for port in service.ports
    ]
    lines += _address_lines("Frontends wanted", service.frontends)
    lines += _address_lines("Backends wanted", service.backends)
    lines += proof_lines(node, node.facts.services, now)
    return Detail(f"{node.name}: {service.name}", tuple(lines))


def _node_port(port: int | None) -> str:
    return "" if port is None else f"NodePort {port}"


def feature_detail(node: NodeSummary, feature: Feature, now: float) -> Detail:
    """Return one feature with its evidence."""
    lines = [
        value("value", feature.value, tone=Tone.WARNING if feature.is_concern else Tone.NORMAL),
        value("state", feature.state.value),
        value("how known", feature.proof.value),
        value("key", feature.key),
        value("group", feature.group.value),
    ]
    if feature.evidence:
        lines += [empty_line(), heading("Evidence"), raw(feature.evidence)]
    if feature.needed_by:
        lines += [empty_line(), heading("What depends on it"), sentence(feature.needed_by)]
    lines += proof_lines(node, node.facts.features, now, [feature_command(node, feature)])
    return Detail(f"{node.name}: {feature.label}", tuple(lines))


def node_fault_detail(node: NodeSummary, fault: Fault, now: float) -> Detail:
    """Return one plain fault of a node with its proof."""
    lines = [
        sentence(fault.title, SEVERITY_TONES[fault.severity]),
        empty_line(),
        value("severity", severity_word(fault.severity)),
        value("node", node.name),
    ]
    if fault.detail:
        lines.append(value("detail", fault.detail))
    if fault.at is not None:
        seen = f"{wording.utc_stamp(fault.at)}, {wording.ago(now - fault.at)}"
        lines.append(value("seen", seen))
    if fault.origin:
        lines.append(value("seen in", fault.origin))
    lines += command_lines(fault_commands(node, fault))
    lines += _frontend_lines(node, fault)
    return Detail(f"{node.name}: {fault.title}", tuple(lines))


def _frontend_lines(node: NodeSummary, fault: Fault) -> list[DetailLine]:
    """Return every frontend that a fault stands for."""
    coverage = node.facts.services.value
    if coverage is None or fault.frontends is None:
        return []
    hit = [each for each in coverage.faults if each.fault is fault.frontends]
    lines = [empty_line(), heading(f"Frontends ({wording.count(len(hit))})")]
    lines += [raw(f"{each.service or '(no Service)'}  {each.frontend}") for each in hit]
    hidden = coverage.faults_total - len(coverage.faults)
    if hidden > 0:
        lines.append(sentence(f"{wording.count(hidden)} more faults are not listed", Tone.WARNING))
    untested = "Seen in the kernel's maps; the effect on traffic was not tested."
    return [*lines, sentence(untested, Tone.MUTED)]


def log_detail(node: NodeSummary, entry: LogEntry | LogGap) -> Detail:
    """Return a log line in full with all its fields, or what is known of a gap."""
    if isinstance(entry, LogGap):
        return Detail(
            f"{node.name}: gap in the log",
            (
                value("from", wording.utc_stamp(entry.started_at)),
                value("to", wording.utc_stamp(entry.ended_at)),
                value("lines lost", wording.count(entry.lost_lines)),
                value("reason", entry.reason),
            ),
        )
    line = entry.line
    lines = [raw(line.message), *meaning_lines(entry), empty_line(), heading("Fields")]
    lines += [
        value("time", wording.utc_stamp(line.time)),
        value("level", line.level.name),
        value("subsystem", line.subsystem or "not said"),
        value("node", node.name),
        value("container", entry.container_id),
    ]
    if entry.count > 1:
        last = f"last at {wording.utc_stamp(entry.last_time)}"
        lines.append(value("came", f"{wording.count(entry.count)} times", last))
    if entry.is_previous:
        lines.append(value("from", "the previous container"))
    lines += [value(key, text) for key, text in line.fields]
    return Detail(f"{node.name}: {line.level.name} line", tuple(lines))
