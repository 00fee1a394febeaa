"""The report as text for a terminal: findings worst first, each with its proof and the way out."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator

from tui.model.findings import Evidence, Finding, FindingSeverity
from tui.report.as_json import utc
from tui.report.finding_markdown import named
from tui.report.report import Report

MARKS = {
    FindingSeverity.ACTIVE: "✖",
    FindingSeverity.ARMED: "▲",
    FindingSeverity.UNKNOWN: "?",
    FindingSeverity.LATENT: "◇",
    FindingSeverity.CLEAR: "●",
}
ASCII_MARKS = {
    FindingSeverity.ACTIVE: "X",
    FindingSeverity.ARMED: "!",
    FindingSeverity.UNKNOWN: "?",
    FindingSeverity.LATENT: "-",
    FindingSeverity.CLEAR: "+",
}
_LOUD = (FindingSeverity.ACTIVE, FindingSeverity.ARMED)
EVIDENCE_SHOWN = 8
GAPS_SHOWN = 12
_LABEL = 12


def table_text(
    report: Report, width: int, *, is_whole: bool = False, is_ascii: bool = False
) -> str:
    """Return the report as lines of at most so many columns.

    Args:
        report: what was found.
        width: columns; at least 40 are used.
        is_whole: whether LATENT and CLEAR findings are told too, while others are ACTIVE.
        is_ascii: whether only ASCII symbols may be used.
    """
    marks = ASCII_MARKS if is_ascii else MARKS
    return "\n".join(_lines(report, max(40, width), marks, is_whole=is_whole)) + "\n"


def _lines(
    report: Report, width: int, marks: dict[FindingSeverity, str], *, is_whole: bool
) -> Iterator[str]:
    times = "×" if marks is MARKS else "x"
    yield from _wrapped(_title(report, times), width, "")
    is_loud = any(one.severity in _LOUD for one in report.findings)
    hidden: Counter[FindingSeverity] = Counter()
    for finding in report.findings:
        is_quiet = finding.severity is FindingSeverity.CLEAR or (
            is_loud and finding.severity is FindingSeverity.LATENT
        )
        if is_quiet and not is_whole:
            hidden[finding.severity] += 1
            continue
        yield ""
        yield from _finding(finding, width, marks)
    if len(report.findings) == sum(hidden.values()):
        yield ""
        yield f"{marks[FindingSeverity.CLEAR]} no finding"
    if hidden:
        yield ""
        words = [
            f"{hidden[severity]} {severity.value.lower()}"
            for severity in (FindingSeverity.LATENT, FindingSeverity.CLEAR)
            if hidden[severity]
        ]
        yield f"{', '.join(words)}: --all shows them"
    yield from _gap_lines(report, width)


def _title(report: Report, times: str) -> str:
    snapshot = report.snapshot
    cluster = snapshot.cluster
    releases = Counter(
        facts.version.value.release
        for facts in snapshot.nodes.values()
        if facts.version.value is not None
    )
    versions = ", ".join(
        f"{release} {times}{number}" for release, number in sorted(releases.items())
    )
    return (
        f"{cluster.context or cluster.server}: Cilium {versions or 'unknown'}, "
        f"Kubernetes {cluster.kubernetes_version.value or 'unknown'}, "
        f"{report.nodes_read} of {len(snapshot.nodes)} nodes read, {utc(snapshot.taken_at)}"
    )


def _finding(finding: Finding, width: int, marks: dict[FindingSeverity, str]) -> Iterator[str]:
    mark = marks[finding.severity]
    group = f" {finding.group}" if finding.group else ""
    yield from _wrapped(
        f"{mark} {finding.severity.value} {finding.id}{group}: {named(finding)}", width, "  "
    )
    yield from _wrapped(f"  {finding.summary}", width, "  ")
    if finding.severity is FindingSeverity.CLEAR:
        return
    if finding.objects:
        shown = ", ".join(f"{one} {one.detail}".strip() for one in finding.objects[:6])
        more = finding.objects_total - min(6, len(finding.objects))
        yield from _labelled("objects", shown + (f" +{more}" if more > 0 else ""), width)
    yield from _proof(finding, width)
    for missing in finding.missing:
        yield from _labelled("missing", f"{missing.what}: {missing.how}", width)
    if finding.severity is not FindingSeverity.UNKNOWN:
        yield from _remedy(finding, width)


def _proof(finding: Finding, width: int) -> Iterator[str]:
    for piece in finding.evidence[:EVIDENCE_SHOWN]:
        yield from _labelled("proof", _evidence(piece), width)
    if len(finding.evidence) > EVIDENCE_SHOWN:
        left = len(finding.evidence) - EVIDENCE_SHOWN
        yield from _labelled("", f"and {left} more: -o json has them", width)


def _evidence(piece: Evidence) -> str:
    where = " ".join(part for part in (utc(piece.at), piece.node_name) if part)
    return f"{where}: {piece.text} [{piece.source}]" if where else f"{piece.text} [{piece.source}]"


def _remedy(finding: Finding, width: int) -> Iterator[str]:
    remedy = finding.remedy
    for step in remedy.now:
        yield from _labelled("now", step, width)
    for step in remedy.lasting:
        yield from _labelled("then", step, width)
    for one in remedy.settings:
        helm = f" (Helm {one.helm})" if one.helm else ""
        yield from _labelled("setting", f"{one.key}: {one.value}{helm}", width)
    for command in remedy.commands:
        # A command must stay in one piece to be copied.
        yield f"  {'command':<{_LABEL}}{command}"
    if remedy.interrupts:
        yield from _labelled("interrupts", remedy.interrupts, width)
    if remedy.test:
        yield f"  {'test':<{_LABEL}}{remedy.test}"


def _gap_lines(report: Report, width: int) -> Iterator[str]:
    if not report.gaps:
        return
    yield ""
    yield "not read:"
    for gap in report.gaps[:GAPS_SHOWN]:
        yield from _wrapped(f"  {gap.node or 'cluster'}: {gap.what}: {gap.reason}", width, "    ")
    if len(report.gaps) > GAPS_SHOWN:
        yield f"  and {len(report.gaps) - GAPS_SHOWN} more: -o json has them"


def _labelled(label: str, text: str, width: int) -> list[str]:
    return _wrapped(f"  {label:<{_LABEL}}{text}", width, " " * (_LABEL + 2))


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text, width, subsequent_indent=indent, drop_whitespace=True, break_on_hyphens=False
    ) or [""]
