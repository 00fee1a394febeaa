"""A finding opened: the verdict, the proof, the way out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tui.model.findings import (
    AffectedObject,
    Evidence,
    Finding,
    FindingSeverity,
    MissingEvidence,
    Remedy,
    Verdict,
)
from tui.model.names import NodeUid
from tui.screens import wording
from tui.screens.board import Board
from tui.screens.details import Detail
from tui.screens.finding_rows import nodes_words
from tui.screens.fleet import NodeSummary
from tui.screens.links import FINDING, NODE, Link
from tui.screens.marks import (
    SEVERITY_TONES,
    joined,
    severity_symbol,
    verdict_mark,
    verdict_tone,
)
from tui.screens.verdicts import LOUD, finding_of, uncovered, verdict_key
from widgets.detail_lines import DetailLine, empty_line, heading, raw, sentence, value
from widgets.tones import Span, Tone

PROOF_FIRST = 6
"""Pieces of proof that stand above the way out; the rest stands below it."""
NODES_SHOWN = 8
OBJECTS_SHOWN = 12
_UNTESTED = "Programmed state was read; the effect on traffic was not tested. This tests it:"


def finding_detail(finding: Finding, board: Board) -> Detail:
    """Return a finding of the cluster, with what each of its worst nodes says."""
    return Detail(finding_title(finding), tuple(_finding_lines(finding, board, len(finding.nodes))))


def verdict_detail(verdict: Verdict, board: Board) -> Detail:
    """Return what one check says of one node."""
    whole = board.findings.get(verdict_key(verdict))
    finding = finding_of(verdict, whole)
    lines = _finding_lines(finding, board, 0)
    if whole is not None and len(whole.nodes) > 1:
        others = f"{wording.counted(len(whole.nodes) - 1, 'more node')}: enter shows all"
        link = Link(FINDING, None, whole.key).as_line_key("whole")
        lines += [empty_line(), value("also on", others, key=link)]
    return Detail(finding_title(finding), tuple(lines))


def node_verdicts_detail(node: NodeSummary, verdicts: Sequence[Verdict], board: Board) -> Detail:
    """Return all that is loud on one node, each with its proof and its way out."""
    lines: list[DetailLine] = []
    loud = [one for one in verdicts if one.severity in LOUD]
    for place, verdict in enumerate(loud):
        finding = finding_of(verdict, board.findings.get(verdict_key(verdict)))
        lines += [empty_line()] if lines else []
        lines.append(heading(finding_title(finding)))
        lines += _head_lines(finding, board)
        lines += _proof_lines(finding.evidence[:PROOF_FIRST], board.now, str(place))
        lines += _remedy_lines(finding.remedy)
    faults = uncovered(node.faults, verdicts)
    if faults:
        lines += [*([empty_line()] if lines else []), heading("Seen beside them")]
    for fault in faults:
        text = f"{severity_symbol(fault.severity)} {fault.title}"
        lines.append(sentence(text, SEVERITY_TONES[fault.severity]))
    title = joined(wording.cut(node.name, 60), wording.counted(len(loud), "finding"))
    return Detail(title, tuple(lines))


def unknown_detail(name: str, judged: Iterable[Verdict | Finding]) -> Detail:
    """Return what could not be judged, each reason once with its checks.

    Args:
        name: The node's, or `cluster`.
        judged: The node's verdicts, or the cluster's findings.
    """
    by_reason: dict[tuple[MissingEvidence, ...], list[Verdict | Finding]] = {}
    for one in judged:
        if one.severity is FindingSeverity.UNKNOWN:
            by_reason.setdefault(one.missing, []).append(one)
    lines: list[DetailLine] = []
    for missing, unknown in by_reason.items():
        lines += [empty_line()] if lines else []
        lines.append(heading(", ".join(dict.fromkeys(map(_check_id, unknown)))))
        lines += [sentence(text) for text in dict.fromkeys(one.summary for one in unknown)]
        lines += _missing_lines(missing, is_titled=False)
    return Detail(joined(name, "what can't be judged"), tuple(lines))


def _check_id(one: Verdict | Finding) -> str:
    return one.id if isinstance(one, Finding) else one.check_id


def finding_title(finding: Finding) -> str:
    """Return severity, check and nodes: `✖ ACTIVE ▏ map-pressure ▏ node-3`."""
    about = wording.cut(wording.short_map(finding.group), 60)
    head = f"{verdict_mark(finding.severity).text} {finding.severity.value}"
    return joined(head, finding.id, about, nodes_words(finding))


def _finding_lines(finding: Finding, board: Board, nodes_total: int) -> list[DetailLine]:
    return [
        *_head_lines(finding, board),
        *_proof_lines(finding.evidence[:PROOF_FIRST], board.now),
        *_remedy_lines(finding.remedy),
        *_proof_lines(finding.evidence[PROOF_FIRST:], board.now, first=PROOF_FIRST + 1),
        *_missing_lines(finding.missing),
        *(_node_lines(finding, board) if nodes_total > 1 else ()),
        *_object_lines(finding.objects, finding.objects_total),
        *_reference_lines(finding, board.now),
    ]


def _head_lines(finding: Finding, board: Board) -> list[DetailLine]:
    """Return what is wrong and why it matters."""
    lines = []
    mute = board.findings.muted.get(finding.key)
    if mute is not None:
        when = wording.ago(board.now - mute.at)
        lines.append(sentence(f"muted {when}: {mute.reason} (m shows it again)", Tone.STALE))
    lines.append(sentence(finding.title, Tone.STRONG))
    tone = verdict_tone(finding.severity) if finding.severity in LOUD else Tone.NORMAL
    lines.append(sentence(finding.summary, tone))
    if finding.why:
        lines.append(sentence(finding.why))
    return lines


def _proof_lines(
    evidence: Sequence[Evidence], now: float, prefix: str = "", first: int = 1
) -> list[DetailLine]:
    """Return numbered pieces of proof; of pieces from one source, the last one names it.

    Args:
        evidence: What is shown.
        now: Tells today from another day.
        prefix: Tells these lines from those of another finding on the screen.
        first: Number of the first piece; those above 1 are the rest of a long proof.
    """
    if not evidence:
        return []
    title = "Proof (enter: go there)" if first == 1 else "More proof"
    lines = [empty_line(), heading(title)]
    following = [*(piece.source for piece in evidence[1:]), ""]
    for number, (piece, next_source) in enumerate(zip(evidence, following, strict=True), first):
        where = wording.cut(piece.node_name or "cluster", 12)
        label = f"{number:>2} {_moment(piece.at, now)} {where}"
        source = "" if piece.source == next_source else piece.source
        key = Link.to_proof(piece).as_line_key(f"{prefix}.{number}")
        lines.append(value(label, piece.text, source, key=key))
    return lines


def _moment(at: float | None, now: float) -> str:
    """Return a time of day, with the date where it is not today's."""
    if at is None:
        return " " * 8
    is_today = wording.utc_day(at) == wording.utc_day(now)
    return wording.utc_clock(at) if is_today else wording.utc_minute(at)


def _remedy_lines(remedy: Remedy) -> list[DetailLine]:
    lines: list[DetailLine] = []
    for title, steps in (("Now", remedy.now), ("Then", remedy.lasting)):
        if steps:
            lines += [empty_line(), heading(Span(title, Tone.STRONG))]
            lines += [sentence(f"{number} {text}") for number, text in enumerate(steps, 1)]
    if remedy.settings:
        lines += [empty_line(), heading("Settings (cilium-config, Helm)")]
        lines += [
            value(setting.key, setting.value, f"Helm {setting.helm}" if setting.helm else "")
            for setting in remedy.settings
        ]
    if remedy.commands:
        lines += [empty_line(), heading("Commands (y copies; ciltop runs none)")]
        lines += [raw(command) for command in remedy.commands]
    costs = []
    if lines and (remedy.now or remedy.lasting or remedy.settings):
        words = {True: "needed", False: "not needed", None: "depends on the step"}
        costs.append(value("restart", words[remedy.needs_restart]))
    if remedy.interrupts:
        costs.append(value("interrupts", Span(remedy.interrupts, Tone.WARNING)))
    if costs:
        lines += [empty_line(), *costs]
    if remedy.test:
        lines += [empty_line(), sentence(_UNTESTED, Tone.MUTED), raw(remedy.test)]
    return lines


def _missing_lines(
    missing: Iterable[MissingEvidence], *, is_titled: bool = True
) -> list[DetailLine]:
    lines: list[DetailLine] = []
    for piece in missing:
        lines.append(sentence(f"? {piece.what}", Tone.UNKNOWN))
        if piece.how:
            lines.append(value("  how to get it", piece.how))
    if lines and is_titled:
        lines = [empty_line(), heading("Not known"), *lines]
    return lines


def _node_lines(finding: Finding, board: Board) -> list[DetailLine]:
    """Return the worst nodes, each with its own summary."""
    total = len(finding.nodes)
    lines = [empty_line(), heading(f"Nodes ({wording.count(total)}; enter: go there)")]
    for uid, name in list(zip(finding.nodes, finding.node_names, strict=True))[:NODES_SHOWN]:
        own = _own_verdict(finding, uid, board)
        said = "" if own is None else str(own.summary)
        lines.append(value(wording.cut(name, 60), said, key=Link(NODE, uid).as_line_key(uid)))
    if total > NODES_SHOWN:
        more = wording.counted(total - NODES_SHOWN, "more node")
        names = wording.listed(list(finding.node_names[NODES_SHOWN : NODES_SHOWN + 20]), 12)
        lines.append(sentence(f"{more}: {names}", Tone.MUTED))
    return lines


def _own_verdict(finding: Finding, uid: NodeUid, board: Board) -> Verdict | None:
    said = board.snapshot.verdicts.get(uid, ())
    return next((one for one in said if verdict_key(one) == finding.key), None)


def _object_lines(objects: Sequence[AffectedObject], total: int) -> list[DetailLine]:
    if not objects:
        return []
    lines = [empty_line(), heading(f"Objects ({wording.count(max(total, len(objects)))})")]
    for number, item in enumerate(objects[:OBJECTS_SHOWN]):
        key = Link.to_object(item).as_line_key(f"object{number}")
        place = f"{item.namespace}/{item.name}" if item.namespace else str(item.name)
        lines.append(value(item.kind, place, item.detail, key=key))
    hidden = max(total, len(objects)) - OBJECTS_SHOWN
    if hidden > 0:
        lines.append(sentence(f"{wording.count(hidden)} more", Tone.MUTED))
    return lines


def _reference_lines(finding: Finding, now: float) -> list[DetailLine]:
    lines = [empty_line()]
    for label, at in (("first seen", finding.first_seen), ("last seen", finding.last_seen)):
        if at is not None:
            lines.append(value(label, wording.utc_stamp(at), wording.ago(now - at)))
    lines += [value("reference", text) for text in finding.references]
    return lines if len(lines) > 1 else []
