"""The report as Markdown, to paste into a ticket."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tui.model.findings import Finding, FindingSeverity
from tui.report.as_json import utc
from tui.report.report import Report

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~&!])")
_LOUD = (FindingSeverity.ACTIVE, FindingSeverity.ARMED, FindingSeverity.UNKNOWN)


def markdown_text(report: Report) -> str:
    """Return the report: a summary table, then each loud finding with its proof and the way out."""
    return "\n".join(_lines(report)) + "\n"


def finding_markdown(finding: Finding) -> str:
    """Return one finding, to paste into a ticket."""
    return "\n".join(_finding(finding)).strip() + "\n"


def escaped(text: str) -> str:
    """Return a text of the cluster that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", text)


def code(text: str) -> str:
    """Return a command as inline code, whatever backticks it holds."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _lines(report: Report) -> Iterator[str]:
    snapshot = report.snapshot
    cluster = snapshot.cluster
    yield f"# ciltop check: {escaped(cluster.context or cluster.server or 'cluster')}"
    yield ""
    version = cluster.kubernetes_version.value
    yield (
        f"{utc(snapshot.taken_at)}, Kubernetes {escaped(version or 'unknown')}, "
        f"{report.nodes_read} of {len(snapshot.nodes)} nodes read"
    )
    yield ""
    loud = [one for one in report.findings if one.severity in _LOUD]
    if loud:
        yield "| severity | check | nodes | summary |"
        yield "|---|---|---|---|"
        for one in loud:
            nodes = escaped(named(one))
            yield f"| {one.severity.value} | {one.id} | {nodes} | {escaped(one.summary)} |"
    else:
        yield "No finding."
    yield ""
    latent, clear = report.count(FindingSeverity.LATENT), report.count(FindingSeverity.CLEAR)
    yield f"{latent} latent, {clear} clear"
    for one in loud:
        yield ""
        yield from _finding(one)
    if report.gaps:
        yield ""
        yield "## Not read"
        yield ""
        for gap in report.gaps:
            yield f"- {escaped(gap.node or 'cluster')}: {escaped(gap.what)}: {escaped(gap.reason)}"


def named(finding: Finding, most: int = 5) -> str:
    """Name some nodes of a finding."""
    names = finding.node_names
    if not names:
        return "cluster"
    more = f" +{len(names) - most}" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _finding(finding: Finding) -> Iterator[str]:
    yield f"## {finding.severity.value}: {finding.id} ({escaped(named(finding))})"
    yield ""
    yield escaped(finding.summary)
    yield ""
    yield escaped(finding.why)
    if finding.objects:
        yield ""
        shown = [escaped(f"{one} {one.detail}".strip()) for one in finding.objects[:20]]
        more = finding.objects_total - len(shown)
        yield "Affected: " + ", ".join(shown) + (f" and {more} more" if more > 0 else "")
    yield from _section("Proof", [*_evidence(finding)])
    yield from _section(
        "Missing evidence",
        [f"{escaped(one.what)}: {escaped(one.how)}" for one in finding.missing],
    )
    yield from _remedy(finding)
    yield from _section("References", [escaped(one) for one in finding.references])


def _evidence(finding: Finding) -> Iterator[str]:
    for piece in finding.evidence:
        when = utc(piece.at) or ""
        node = escaped(piece.node_name or "cluster")
        yield f"{when} {node}: {escaped(piece.text)} ({code(piece.source)})"


def _remedy(finding: Finding) -> Iterator[str]:
    remedy = finding.remedy
    yield from _section("Now", [escaped(step) for step in remedy.now])
    yield from _section("Then", [escaped(step) for step in remedy.lasting])
    settings = [
        code(f"{one.key}: {one.value}") + (f" (Helm {code(one.helm)})" if one.helm else "")
        for one in remedy.settings
    ]
    yield from _section("Settings", settings)
    yield from _section("Commands", [code(one) for one in remedy.commands])
    if remedy.interrupts:
        yield from _section("Interrupts", [escaped(remedy.interrupts)])
    if remedy.test:
        yield from _section("Test the effect", [code(remedy.test)])


def _section(title: str, items: list[str]) -> Iterator[str]:
    if items:
        yield ""
        yield f"**{title}**"
        yield ""
        for item in items:
            yield f"- {item}"
