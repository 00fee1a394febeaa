"""The report as JUnit XML, for CI systems: one case a check."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from tui.model.findings import Finding, FindingSeverity
from tui.report.as_json import utc
from tui.report.report import Report


def junit_text(report: Report) -> str:
    """Return the report as one test suite.

    A check fails where a finding of it is at or above the level, and is skipped where evidence is
    missing; what is left out of the judgement is in `system-err`.
    """
    by_check: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_check.setdefault(finding.id, []).append(finding)
    suite = Element(
        "testsuite",
        name="ciltop check",
        hostname=str(report.snapshot.cluster.context or report.snapshot.cluster.server),
        timestamp=(utc(report.snapshot.taken_at) or "").removesuffix("Z"),
        tests=str(len(by_check)),
        errors="0",
    )
    failing = frozenset(report.failing)
    failures = skipped = 0
    for check_id, findings in sorted(by_check.items()):
        case = SubElement(suite, "testcase", classname="ciltop", name=check_id, time="0")
        bad = [finding for finding in findings if finding in failing]
        unknown = [one for one in findings if one.severity is FindingSeverity.UNKNOWN]
        if bad:
            failures += 1
            failure = SubElement(
                case, "failure", type=bad[0].severity.value, message=str(bad[0].summary)
            )
            failure.text = "\n\n".join(_text(finding) for finding in bad)
        elif unknown:
            skipped += 1
            SubElement(case, "skipped", message=str(unknown[0].summary))
        others = [one for one in findings if one not in failing]
        if others:
            SubElement(case, "system-out").text = "\n".join(map(_line, others))
    suite.set("failures", str(failures))
    suite.set("skipped", str(skipped))
    if report.gaps:
        lines = (f"{gap.node or 'cluster'}: {gap.what}: {gap.reason}" for gap in report.gaps)
        SubElement(suite, "system-err").text = "\n".join(lines)
    root = Element("testsuites")
    root.append(suite)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _line(finding: Finding) -> str:
    return f"{finding.severity.value} {_nodes(finding)}: {finding.summary}"


def _nodes(finding: Finding) -> str:
    return ", ".join(finding.node_names) or "cluster"


def _text(finding: Finding) -> str:
    return "\n".join(
        (_line(finding), *_evidence(finding), *(f"now: {s}" for s in finding.remedy.now))
    )


def _evidence(finding: Finding) -> Iterable[str]:
    return (
        f"{utc(piece.at) or '-'} {piece.node_name or 'cluster'} {piece.source}: {piece.text}"
        for piece in finding.evidence
    )
