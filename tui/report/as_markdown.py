"""The report as Markdown, to paste into a ticket."""

from __future__ import annotations

from collections.abc import Iterator

from tui.model.findings import FindingSeverity
from tui.report.as_json import utc
from tui.report.finding_markdown import finding_markdown, named, plain
from tui.report.report import Report

_LOUD = (FindingSeverity.ACTIVE, FindingSeverity.ARMED, FindingSeverity.UNKNOWN)


def markdown_text(report: Report) -> str:
    """Return the report: a summary table, then each loud finding with its proof and the way out."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    snapshot = report.snapshot
    cluster = snapshot.cluster
    yield f"# ciltop check: {plain(cluster.context or cluster.server or 'cluster')}"
    yield ""
    version = cluster.kubernetes_version.value
    yield (
        f"{utc(snapshot.taken_at)}, Kubernetes {plain(version or 'unknown')}, "
        f"{report.nodes_read} of {len(snapshot.nodes)} nodes read"
    )
    yield ""
    loud = [one for one in report.findings if one.severity in _LOUD]
    if loud:
        yield "| severity | check | nodes | summary |"
        yield "|---|---|---|---|"
        for one in loud:
            nodes = plain(named(one))
            yield f"| {one.severity.value} | {one.id} | {nodes} | {plain(one.summary)} |"
    else:
        yield "No finding."
    yield ""
    latent, clear = report.count(FindingSeverity.LATENT), report.count(FindingSeverity.CLEAR)
    yield f"{latent} latent, {clear} clear"
    for one in loud:
        yield ""
        yield finding_markdown(one, cluster.context).rstrip()
    if report.gaps:
        yield ""
        yield "## Not read"
        yield ""
        for gap in report.gaps:
            yield f"- {plain(gap.node or 'cluster')}: {plain(gap.what)}: {plain(gap.reason)}"
