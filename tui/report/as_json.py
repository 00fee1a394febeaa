"""The report as JSON, schema `ciltop.check/1`; `docs/check.md` documents it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from tui.model.findings import AffectedObject, Evidence, Finding, MissingEvidence, Remedy
from tui.model.maps import CountOrigin, MapUsage
from tui.model.nextstart import NextStart
from tui.model.node import AgentPhase
from tui.model.snapshot import NodeFacts
from tui.report.report import Report, ReportGap

SCHEMA = "ciltop.check/1"

Json = dict[str, object]


def json_text(report: Report) -> str:
    """Return the report as indented JSON with a newline at its end."""
    return "".join(json_pieces(report))


def json_pieces(report: Report) -> Iterator[str]:
    """Yield the same text node by node: that of 5,000 nodes has 38 MB, its values take more."""
    # Text in JSON holds no line breaks: at the start of a line stands a key.
    before, key, after = _dumped(_outline(report)).partition('\n  "nodes": [')
    yield before + key
    ending = ""
    for node in _nodes(report):
        yield ending + "\n    " + _dumped(node).replace("\n", "\n    ")
        ending = ","
    yield ("\n  " if ending else "") + after + "\n"


def _dumped(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def projection(report: Report) -> Json:
    """Return the report as the plain values of the schema."""
    return {**_outline(report), "nodes": list(_nodes(report))}


def _nodes(report: Report) -> Iterator[Json]:
    next_starts = report.snapshot.next_starts
    for uid, facts in report.snapshot.nodes.items():
        yield _node(facts, next_starts.get(uid))


def _outline(report: Report) -> Json:
    """Return everything but the nodes, with their place in it."""
    snapshot = report.snapshot
    cluster = snapshot.cluster
    return {
        "schema": SCHEMA,
        "taken_at": utc(snapshot.taken_at),
        "is_complete": report.is_complete,
        "fail_on": report.fail_on.value,
        "exit_code": report.exit_code,
        "cluster": {
            "context": cluster.context,
            "server": cluster.server,
            "kubernetes_version": cluster.kubernetes_version.value,
            "cilium_namespace": cluster.cilium_namespace,
            "nodes": len(snapshot.nodes),
            "nodes_read": report.nodes_read,
        },
        "nodes": [],
        "findings": [_finding(finding) for finding in report.findings],
        "gaps": [_gap(gap) for gap in report.gaps],
    }


def utc(seconds: float | None) -> str | None:
    """Return a time as RFC 3339 in UTC with whole seconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _node(facts: NodeFacts, next_start: NextStart | None) -> Json:
    version = facts.version.value
    coverage = facts.services.value
    agent = facts.agent
    return {
        "name": facts.node.name,
        "cilium_version": None if version is None else version.release,
        "kernel": facts.node.kernel_release or None,
        "agent_state": (AgentPhase.MISSING if agent is None else agent.phase).value,
        "read_at": utc(facts.swept_at),
        "maps": [_map(usage) for usage in facts.maps.value or ()],
        "features": {one.key: one.value for one in facts.features.value or ()},
        "services": None
        if coverage is None
        else {
            "wanted_frontends": coverage.wanted_frontends,
            "missing_frontends": coverage.missing_frontends,
            "faults": coverage.faults_total,
        },
        "next_start": None if next_start is None else _next_start(next_start),
    }


def _map(usage: MapUsage) -> Json:
    is_counted = usage.origin is not CountOrigin.NONE
    return {
        "name": usage.name,
        "kind": usage.kind.value,
        "entries": usage.entries if is_counted else None,
        "max_entries": usage.max_entries,
        "ratio": None if usage.ratio is None else round(usage.ratio, 4),
        "origin": usage.origin.value,
        "agent_entries": usage.agent_entries,
        "wanted_entries": usage.wanted_entries,
        "duplicate_entries": usage.duplicate_entries,
    }


def _next_start(start: NextStart) -> Json:
    return {
        "is_known": start.is_known,
        "pending": [
            {"key": one.key, "running": one.running, "next": one.next, "source": one.source}
            for one in start.pending
        ],
        "maps": [
            {
                "name": fit.name,
                "max_now": fit.max_now,
                "max_next": fit.max_next,
                "wanted": fit.wanted,
            }
            for fit in start.maps
        ],
        "blockers": list(start.blockers),
        "image_next": start.image_next or None,
    }


def _finding(finding: Finding) -> Json:
    return {
        "id": finding.id,
        "severity": finding.severity.value,
        "title": finding.title,
        "summary": finding.summary,
        "why": finding.why,
        "group": finding.group,
        "nodes": list(finding.node_names),
        "objects": [_object(one) for one in finding.objects],
        "objects_total": finding.objects_total,
        "evidence": [_evidence(one) for one in finding.evidence],
        "missing": [_missing(one) for one in finding.missing],
        "remedy": _remedy(finding.remedy),
        "references": list(finding.references),
        "first_seen": utc(finding.first_seen),
        "last_seen": utc(finding.last_seen),
    }


def _object(item: AffectedObject) -> Json:
    return {
        "kind": item.kind,
        "namespace": item.namespace or None,
        "name": item.name,
        "detail": item.detail,
    }


def _evidence(piece: Evidence) -> Json:
    return {
        "source": piece.source,
        "node": piece.node_name or None,
        "time": utc(piece.at),
        "text": piece.text,
    }


def _missing(piece: MissingEvidence) -> Json:
    return {"what": piece.what, "how": piece.how}


def _remedy(remedy: Remedy) -> Json:
    return {
        "now": list(remedy.now),
        "lasting": list(remedy.lasting),
        "settings": [
            {"key": one.key, "value": one.value, "helm": one.helm or None}
            for one in remedy.settings
        ],
        "commands": list(remedy.commands),
        "needs_restart": remedy.needs_restart,
        "interrupts": remedy.interrupts,
        "test": remedy.test,
    }


def _gap(gap: ReportGap) -> Json:
    return {
        "what": gap.what,
        "node": gap.node or None,
        "reason": gap.reason,
        "is_denied": gap.is_denied,
    }
