"""The rows of verdicts and findings: the Findings panel's and the Findings screen's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tui.model.findings import Finding, FindingSeverity, Verdict
from tui.model.names import NodeUid
from tui.screens import wording
from tui.screens.finding_book import FindingBook
from tui.screens.fleet import NodeSummary
from tui.screens.marks import status_mark, verdict_mark, verdict_tone
from tui.screens.mutes import Mute
from tui.screens.node_rows import issues_cell
from tui.screens.verdicts import FOLDED_UNKNOWNS, LOUD, Sight, verdict_key
from widgets.grid_rows import GridColumn, GridRow
from widgets.symbols import symbols
from widgets.tones import CellText, Span, Tone

PANEL_COLUMNS = (
    GridColumn("mark", "", 1, 1, is_sortable=False),
    GridColumn("severity", "SEVERITY", 8, 8, priority=1),
    GridColumn("check", "FINDING", 12, 28),
    GridColumn("summary", "SUMMARY", 30, 200, is_flexible=True),
    GridColumn("seen", "SEEN", 6, 8, align="right", priority=3),
    GridColumn("origin", "SEEN IN", 30, 44, priority=4),
)
"""The columns of one node's findings and faults."""
TABLE_COLUMNS = (
    GridColumn("mark", "", 1, 1, is_sortable=False),
    GridColumn("severity", "SEVERITY", 8, 8, priority=3),
    GridColumn("check", "FINDING", 26, 44),
    GridColumn("nodes", "NODES", 8, 24, sorts_descending=True),
    GridColumn("since", "SINCE", 6, 8, align="right", priority=4),
    GridColumn("summary", "SUMMARY", 20, 200, priority=5, is_flexible=True),
)
"""The columns of the cluster's findings."""
NODE_COLUMNS = (
    GridColumn("mark", "", 1, 1, is_sortable=False),
    GridColumn("node", "NODE", 8, 40),
    GridColumn("issues", "ISSUES", 6, 12, sorts_descending=True),
    GridColumn("check", "FINDINGS", 20, 200, is_flexible=True),
)
"""The columns of the nodes with findings."""
UNKNOWN_FOLD = "unknown|all"
"""Key of the row in which many verdicts stand that could not be given."""


def verdict_rows(
    sight: Sight[Verdict], book: FindingBook, now: float, *, is_all: bool
) -> list[GridRow]:
    """Return one node's verdicts in sight; many that could not be given are one row.

    Args:
        sight: What is in sight, worst first.
        book: Knows which are muted, and since when each finding stands.
        now: What ages are measured at.
        is_all: Whether every verdict stands in a row of its own.
    """
    unknown = [one for one in sight.shown if one.severity is FindingSeverity.UNKNOWN]
    is_folded = not is_all and len(unknown) > FOLDED_UNKNOWNS
    rows: list[GridRow] = []
    for verdict in sight.shown:
        if not is_folded or verdict.severity is not FindingSeverity.UNKNOWN:
            rows.append(_verdict_row(verdict, len(rows), book, now))
        elif verdict is unknown[0]:
            rows.append(_unknown_row(unknown, len(rows)))
    return rows


def verdict_row_key(verdict: Verdict) -> str:
    """Return the identity of a verdict's row: it may get better and worse under it."""
    return f"verdict|{verdict.check_id}|{verdict.group}"


def _verdict_row(verdict: Verdict, place: int, book: FindingBook, now: float) -> GridRow:
    key = verdict_key(verdict)
    mute, whole = book.muted.get(key), book.get(key)
    began = verdict.since or (None if whole is None else whole.first_seen)
    word = verdict.severity.value
    tone = verdict_tone(verdict.severity) if mute is None else Tone.MUTED
    is_loud = verdict.severity in LOUD and mute is None
    summary = verdict.summary if mute is None else f"muted: {mute.reason}"
    source = verdict.evidence[0].source if verdict.evidence else ""
    since = symbols().dash if began is None else wording.coarse_age(now - began)
    cells: tuple[CellText, ...] = (
        verdict_mark(verdict.severity) if mute is None else Span(symbols().dash, Tone.MUTED),
        Span(word, tone),
        _name_cell(verdict.check_id, verdict.group, is_muted=mute is not None),
        Span(wording.cut(summary), tone if is_loud else Tone.MUTED if mute else Tone.NORMAL),
        Span(since, Tone.MUTED),
        Span(wording.cut(source), Tone.MUTED),
    )
    return GridRow(
        verdict_row_key(verdict),
        cells,
        {"severity": place, "seen": None if began is None else -began},
        {"severity": word, "check": verdict.check_id, "subject": verdict.check_id},
        is_fault=is_loud,
    )


def _name_cell(check_id: str, group: str, *, is_muted: bool = False) -> CellText:
    name = Span(check_id, Tone.MUTED if is_muted else Tone.NORMAL)
    about = wording.cut(wording.short_map(group), 60)
    return (name, Span(f" {about}", Tone.MUTED)) if about else name


def _unknown_row(unknown: Sequence[Verdict], place: int) -> GridRow:
    ids = list(dict.fromkeys(verdict.check_id for verdict in unknown))
    first = next((piece.what for one in unknown for piece in one.missing), unknown[0].summary)
    cells: tuple[CellText, ...] = (
        verdict_mark(FindingSeverity.UNKNOWN),
        Span(FindingSeverity.UNKNOWN.value, Tone.UNKNOWN),
        Span(f"{len(ids)} checks", Tone.UNKNOWN),
        f"can't tell: {wording.cut(first, 120)}",
        Span(symbols().dash, Tone.MUTED),
        Span(", ".join(ids), Tone.MUTED),
    )
    fields = {"severity": FindingSeverity.UNKNOWN.value, "check": ", ".join(ids), "subject": ""}
    return GridRow(UNKNOWN_FOLD, cells, {"severity": place, "seen": None}, fields)


class FindingRows:
    """Keep the rows of findings that did not change."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Finding, str, Mute | None, int, GridRow]] = {}
        self._rows: list[GridRow] = []

    def rows(
        self, findings: Sequence[Finding], muted: Mapping[str, Mute], now: float, *, is_all: bool
    ) -> list[GridRow]:
        """Return one row for each finding, in the order given; the same list while none changed.

        Args:
            findings: What is in sight.
            muted: The muted findings, with their reasons.
            now: What ages are measured at.
            is_all: Whether many that could not be judged stand in rows of their own.
        """
        kept = self._kept
        fresh: dict[str, tuple[Finding, str, Mute | None, int, GridRow]] = {}
        unknown = [one for one in findings if one.severity is FindingSeverity.UNKNOWN]
        is_folded = not is_all and len(unknown) > FOLDED_UNKNOWNS
        for place, finding in enumerate(findings):
            if is_folded and finding.severity is FindingSeverity.UNKNOWN:
                fresh.setdefault(UNKNOWN_FOLD, self._fold(unknown, place))
                continue
            since = _since(finding, now)
            mute = muted.get(finding.key)
            old = kept.get(finding.key)
            if old is None or old[0] is not finding or old[1:4] != (since, mute, place):
                row = _finding_row(finding, since, mute, place)
                old = (finding, since, mute, place, row)
            fresh[finding.key] = old
        self._kept = fresh
        rows = [old[4] for old in fresh.values()]
        is_same = len(rows) == len(self._rows) and all(
            new is old for new, old in zip(rows, self._rows, strict=True)
        )
        if not is_same:
            self._rows = rows
        return self._rows

    def _fold(
        self, unknown: Sequence[Finding], place: int
    ) -> tuple[Finding, str, Mute | None, int, GridRow]:
        """Return the row of what could not be judged, the same one while nothing changed."""
        ids = list(dict.fromkeys(one.id for one in unknown))
        nodes = len({uid for one in unknown for uid in one.nodes})
        about = f"{len(ids)}|{nodes}"
        old = self._kept.get(UNKNOWN_FOLD)
        if old is not None and old[1] == about and old[0].id == unknown[0].id and old[3] == place:
            return old
        return (unknown[0], about, None, place, _fold_row(unknown, ids, nodes, place))


def _fold_row(unknown: Sequence[Finding], ids: Sequence[str], nodes: int, place: int) -> GridRow:
    first = next((piece.what for one in unknown for piece in one.missing), unknown[0].summary)
    word = FindingSeverity.UNKNOWN.value
    cells: tuple[CellText, ...] = (
        verdict_mark(FindingSeverity.UNKNOWN),
        Span(word, Tone.UNKNOWN),
        Span(f"{len(ids)} checks can't tell", Tone.UNKNOWN),
        Span(wording.counted(nodes, "node") if nodes else "cluster", Tone.MUTED),
        Span(symbols().dash, Tone.MUTED),
        Span(wording.cut(first), Tone.MUTED),
    )
    names = " ".join({name for one in unknown for name in one.node_names})
    fields = {"severity": word, "check": ", ".join(ids), "node": names, "object": "", "title": ""}
    sort_keys = {"severity": place, "nodes": nodes, "since": 0.0}
    return GridRow(UNKNOWN_FOLD, cells, sort_keys, fields)


def _since(finding: Finding, now: float) -> str:
    at = finding.first_seen
    return symbols().dash if at is None else wording.coarse_age(now - at)


def _finding_row(finding: Finding, since: str, mute: Mute | None, place: int) -> GridRow:
    word = finding.severity.value
    tone = verdict_tone(finding.severity) if mute is None else Tone.MUTED
    summary = finding.summary if mute is None else f"muted: {mute.reason}"
    cells: tuple[CellText, ...] = (
        verdict_mark(finding.severity) if mute is None else Span(symbols().dash, Tone.MUTED),
        Span(word, tone),
        _name_cell(finding.id, finding.group, is_muted=mute is not None),
        Span(nodes_words(finding), Tone.MUTED if mute else Tone.NORMAL),
        Span(since, Tone.MUTED),
        Span(wording.cut(summary), Tone.MUTED),
    )
    return GridRow(
        finding.key,
        cells,
        {"severity": place, "nodes": len(finding.nodes), "since": -(finding.first_seen or 0.0)},
        {
            "severity": word,
            "check": finding.id,
            "node": " ".join(finding.node_names),
            "object": " ".join(str(item) for item in finding.objects),
            "title": finding.title,
        },
        is_fault=finding.severity in LOUD and mute is None,
    )


def nodes_words(finding: Finding) -> str:
    """Return which nodes a finding is about, in few words."""
    if not finding.nodes:
        return "cluster"
    if len(finding.nodes) == 1:
        return wording.cut(finding.node_names[0], 60)
    return wording.counted(len(finding.nodes), "node")


class NodeFindingRows:
    """Keep the rows of nodes whose verdicts did not change."""

    def __init__(self) -> None:
        self._kept: dict[NodeUid, tuple[NodeSummary, tuple[Verdict, ...], GridRow]] = {}

    def rows(
        self,
        nodes: Sequence[NodeSummary],
        verdicts: Mapping[NodeUid, tuple[Verdict, ...]],
        muted: Mapping[str, Mute],
    ) -> list[GridRow]:
        """Return one row for each node that has something loud, in the order given."""
        kept, fresh = self._kept, {}
        for node in nodes:
            if not node.issues.active and not node.issues.armed:
                continue
            said = verdicts.get(node.uid, ())
            old = kept.get(node.uid)
            if old is None or old[0] is not node or old[1] is not said:
                old = (node, said, _node_row(node, said, muted))
            fresh[node.uid] = old
        self._kept = fresh
        return [old[2] for old in fresh.values()]


def _node_row(node: NodeSummary, verdicts: Sequence[Verdict], muted: Mapping[str, Mute]) -> GridRow:
    loud = [one for one in verdicts if one.severity in LOUD and (verdict_key(one) not in muted)]
    names: dict[str, Span] = {}
    for one in loud:
        names.setdefault(one.check_id, Span(one.check_id, verdict_tone(one.severity)))
    spans: list[Span] = []
    for name in names.values():
        spans += [Span(", ", Tone.MUTED), name] if spans else [name]
    if not spans:
        spans = [Span(node.faults[0].title if node.faults else "", Tone.WARNING)]
    return GridRow(
        node.uid,
        (status_mark(node.status), node.name, issues_cell(node.issues), tuple(spans)),
        {"issues": node.issues.active * 1_000 + node.issues.armed},
        {"severity": " ".join(one.severity.value for one in loud), "node": node.name},
        is_fault=True,
    )
