"""The node table: one row a node, worst first."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tui.model.maps import MapUsage
from tui.model.names import NodeUid
from tui.model.node import AgentPhase
from tui.model.reading import ReadingState
from tui.screens import wording
from tui.screens.fleet import NodeStatus, NodeSummary
from tui.screens.map_pressure import map_pressure
from tui.screens.marks import (
    SEVERITY_TONES,
    phase_mark,
    severity_symbol,
    status_mark,
)
from tui.screens.node_gaps import unread_word
from tui.screens.severity import Severity
from tui.screens.verdicts import Issues, Pending
from widgets.bars import sparkline
from widgets.grid_rows import GridColumn, GridRow, SortKey
from widgets.symbols import symbols
from widgets.tones import CellText, Span, Tone

SPARK_CELLS = 6
_KERNEL_NUMBERS = re.compile(r"\d[\d.]*(?:-\d[\d.]*)*(?![^-.])")
AGING_SECONDS = 5.0
"""How long an unchanged node keeps the ages it shows; they are worded in coarser steps."""
_PHASE_WORDS = {AgentPhase.UNREACHABLE: "offline", AgentPhase.TERMINATING: "ending"}
NODE_COLUMNS = (
    GridColumn("status", "", 1, 1),
    GridColumn("node", "NODE", 8, 40, is_flexible=True),
    GridColumn("agent", "AGENT", 10, 13),
    GridColumn("version", "VERSION", 7, 12, priority=4),
    GridColumn("kernel", "KERNEL", 8, 18, priority=6),
    GridColumn("worst_map", "WORST MAP", 15, 24, priority=1, sorts_descending=True),
    GridColumn("fill", "FILL", 4, 4, align="right", sorts_descending=True),
    GridColumn("trend", "30 MIN", 6, 6, priority=7, is_sortable=False),
    GridColumn("missing", "MISSING", 7, 9, align="right", sorts_descending=True),
    GridColumn("pending", "PENDING", 7, 7, priority=3, sorts_descending=True),
    GridColumn("issues", "ISSUES", 6, 12, priority=2, sorts_descending=True),
    GridColumn("age", "AGE", 6, 8, align="right", priority=5, sorts_descending=True),
)
"""The node table's columns."""


class NodeRows:
    """Keep the rows of nodes that did not change, so that a snapshot of 5,000 nodes is cheap."""

    def __init__(self) -> None:
        self._kept: dict[NodeUid, tuple[NodeSummary, str, str, GridRow]] = {}
        self._aged_at = float("-inf")

    def rows(self, nodes: Iterable[NodeSummary], now: float, stale_seconds: float) -> list[GridRow]:
        """Return one row for each node, in the order given."""
        kept, fresh = self._kept, {}
        rows = []
        is_aging = abs(now - self._aged_at) >= AGING_SECONDS
        if is_aging:
            self._aged_at = now
        for node in nodes:
            old = kept.get(node.uid)
            if old is not None and old[0] is node and not is_aging:
                fresh[node.uid] = old
                rows.append(old[3])
                continue
            swept, agent = node_ages(node, now)
            if old is None or old[0] is not node or old[1] != swept or old[2] != agent:
                old = (node, swept, agent, node_row(node, now, stale_seconds))
            fresh[node.uid] = old
            rows.append(old[3])
        self._kept = fresh
        return rows


def node_ages(node: NodeSummary, now: float) -> tuple[str, str]:
    """Return the ages a row shows, in words: of the last sweep and of the agent."""
    facts = node.facts
    swept = "" if facts.swept_at is None else wording.coarse_age(now - facts.swept_at)
    started = None if facts.agent is None else facts.agent.started_at
    return swept, "" if started is None else wording.coarse_age(now - started)


def node_row(node: NodeSummary, now: float, stale_seconds: float) -> GridRow:
    """Return one node's row."""
    facts = node.facts
    swept, agent_age = node_ages(node, now)
    name_cell = Span(node.name, Tone.STRONG if node.status is NodeStatus.HARM else Tone.NORMAL)
    cells: tuple[CellText, ...] = (
        status_mark(node.status),
        name_cell,
        agent_cell(node, agent_age),
        _version_cell(node),
        Span(short_kernel(facts.node.kernel_release) or symbols().dash, Tone.MUTED),
        *_map_cells(node),
        missing_cell(node),
        pending_cell(node.pending),
        issues_cell(node.issues),
        _age_cell(swept, facts.swept_at is not None and now - facts.swept_at > stale_seconds),
    )
    return GridRow(
        node.uid,
        cells,
        _sort_keys(node),
        _fields(node),
        is_fault=node.status in (NodeStatus.HARM, NodeStatus.WARNING, NodeStatus.UNKNOWN),
    )


def _sort_keys(node: NodeSummary) -> dict[str, SortKey]:
    facts = node.facts
    coverage = facts.services.value
    started = None if facts.agent is None else facts.agent.started_at
    worst = node.worst_map
    return {
        "status": node.order,
        "agent": None if started is None else -started,
        "fill": None if worst is None else worst.ratio,
        "missing": None if coverage is None else coverage.missing_frontends,
        "pending": None if node.pending.count is None else _pending_order(node.pending),
        "issues": node.issues.active * 1_000 + node.issues.armed,
        "age": None if facts.swept_at is None else -facts.swept_at,
    }


def _fields(node: NodeSummary) -> dict[str, str]:
    facts = node.facts
    agent = facts.agent
    return {
        "status": node.status.value,
        "ip": facts.node.internal_ip,
        "pod": "" if agent is None else agent.name,
        "phase": AgentPhase.MISSING.value if agent is None else agent.phase.value,
        "os": facts.node.os_image,
        "kernel": facts.node.kernel_release,
        "fault": ", ".join(fault.title for fault in node.faults),
    }


def short_kernel(release: str) -> str:
    """Return a kernel release without its flavour: `6.8.0-45` of `6.8.0-45-generic`."""
    match = _KERNEL_NUMBERS.match(release)
    return release if match is None else match[0]


def is_denied(node: NodeSummary) -> bool:
    """Return whether nothing on the node may be read."""
    facts = node.facts
    return ReadingState.DENIED in (facts.status.state, facts.maps.state)


def agent_cell(node: NodeSummary, agent_age: str) -> CellText:
    """Return the agent's state with its age, its restarts or the refusal."""
    agent = node.facts.agent
    if agent is None and not node.gaps:
        return Span(f"{symbols().loading} listing", Tone.MUTED)
    if agent is None:
        return Span(f"{symbols().active} none", Tone.ERROR)
    if agent.phase is AgentPhase.RUNNING and is_denied(node):
        return Span(f"{symbols().unknown} denied", Tone.UNKNOWN)
    mark = phase_mark(agent.phase)
    if agent.phase is AgentPhase.RUNNING:
        return (mark, Span(f" {agent_age or symbols().dash}"))
    if agent.phase is AgentPhase.CRASH_LOOP:
        words = f" crash {symbols().times}{agent.restart_count}"
    else:
        words = f" {_PHASE_WORDS.get(agent.phase, agent.phase.value)}"
    return (mark, Span(words, mark.tone))


def _version_cell(node: NodeSummary) -> CellText:
    version = node.facts.version.value
    if version is None:
        return Span(symbols().dash, Tone.MUTED)
    return Span(version.release)


def _map_cells(node: NodeSummary) -> tuple[CellText, CellText, CellText]:
    worst = node.worst_map
    if worst is None:
        words = unread_word(node.facts, is_agent_expected=bool(node.gaps))
        return Span(words, Tone.MUTED), Span(symbols().unknown, Tone.UNKNOWN), ""
    tone = map_tone(worst)
    name = wording.short_map(worst.name)
    spark = sparkline(worst.trend.ratios, SPARK_CELLS) if worst.trend.ratios else ""
    return (
        Span(name, tone if tone is not Tone.OK else Tone.NORMAL),
        Span(wording.percent(worst.ratio), tone),
        Span(spark, Tone.MUTED if tone is Tone.OK else tone),
    )


def map_tone(usage: MapUsage) -> Tone:
    """Return the tone of a map's numbers."""
    pressure = map_pressure(usage)
    if pressure is not None:
        return SEVERITY_TONES[pressure.severity]
    return Tone.UNKNOWN if usage.entries is None else Tone.OK


def missing_cell(node: NodeSummary) -> CellText:
    """Return missing over wanted frontends; unknown is not zero."""
    coverage = node.facts.services.value
    if coverage is None:
        return Span(symbols().unknown, Tone.UNKNOWN)
    words = f"{coverage.missing_frontends}/{coverage.wanted_frontends}"
    return Span(words, Tone.ERROR if coverage.missing_frontends > 0 else Tone.MUTED)


def _pending_order(pending: Pending) -> int:
    return (pending.count or 0) + 100_000 * pending.breaks


def pending_cell(pending: Pending) -> CellText:
    """Return how many keys the next agent start would change, and whether that breaks something."""
    table = symbols()
    if pending.breaks:
        number = "" if pending.count is None else f" {wording.count(pending.count)}"
        return Span(f"{table.armed}{number}", Tone.WARNING)
    if not pending.is_judged:
        return Span(table.loading, Tone.MUTED)
    if pending.count is None:
        return Span(table.unknown, Tone.UNKNOWN)
    return Span(wording.count(pending.count)) if pending.count else Span(table.dash, Tone.MUTED)


def issues_cell(issues: Issues) -> CellText:
    """Return how many findings and faults of each severity the node has."""
    spans: list[Span] = []
    for severity, number in (
        (Severity.HARM, issues.active),
        (Severity.WARNING, issues.armed),
        (Severity.UNKNOWN, issues.unread),
    ):
        if number:
            gap = " " if spans else ""
            words = f"{gap}{severity_symbol(severity)}{number}"
            spans.append(Span(words, SEVERITY_TONES[severity]))
    return tuple(spans)


def _age_cell(swept: str, is_stale: bool) -> CellText:
    if not swept:
        return Span(symbols().dash, Tone.MUTED)
    return Span(f"{symbols().stale} {swept}", Tone.STALE) if is_stale else Span(swept, Tone.MUTED)
