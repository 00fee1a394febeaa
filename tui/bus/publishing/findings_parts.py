"""The findings of a cluster that several collectors read: each one's part, and all of them merged.

The checks judge a node by its own facts and the cluster's, so that the findings of a share are a
part of the cluster's findings: those with the same key belong together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from tui.bus.wire.messages import FindingsMessage
from tui.model.findings import Finding, FindingSeverity, ProofKind
from tui.model.names import NodeName, NodeUid
from tui.safety import CleanText

MOST_NODES = 1_000
"""Nodes named in a finding that harms, or may."""

MOST_CALM_NODES = 50
"""Nodes named in a finding that harms nobody: it may hold the whole cluster."""

MOST_OBJECTS = 200
MOST_EVIDENCE = 24
MOST_MISSING = 8
MOST_FINDINGS = 1_000

_CALM = frozenset({FindingSeverity.LATENT, FindingSeverity.CLEAR})


def part_of(
    findings: Iterable[Finding],
    owns: Callable[[NodeUid], bool],
    nodes: int,
    nodes_total: int,
    collector: CleanText,
) -> FindingsMessage:
    """Return a collector's part: its findings with the nodes of its share.

    Args:
        findings: as its checks made them.
        owns: whether a node is of its share.
        nodes: how many of its nodes were judged.
        nodes_total: how many nodes the cluster has.
        collector: its id.
    """
    own = [one for one in (_within(finding, owns) for finding in findings) if one is not None]
    return message_of(own, nodes, nodes_total, (collector,))


def _within(finding: Finding, owns: Callable[[NodeUid], bool]) -> Finding | None:
    if not finding.nodes:
        return finding
    kept = [
        (uid, name)
        for uid, name in zip(finding.nodes, finding.node_names, strict=False)
        if owns(uid)
    ]
    if len(kept) == len(finding.nodes):
        return finding
    if not kept:
        return None
    return replace(
        finding,
        nodes=tuple(uid for uid, _ in kept),
        node_names=tuple(name for _, name in kept),
        evidence=tuple(
            one for one in finding.evidence if one.node_uid is None or owns(one.node_uid)
        ),
    )


def merged(parts: Mapping[str, FindingsMessage]) -> FindingsMessage:
    """Return the findings of the whole cluster.

    Args:
        parts: of each collector, by its id.
    """
    by_key: dict[str, list[Finding]] = {}
    for collector in sorted(parts):
        for finding in parts[collector].findings:
            by_key.setdefault(finding.key, []).append(finding)
    findings = sorted(
        (_union(pieces) for pieces in by_key.values()), key=lambda finding: finding.order
    )
    return message_of(
        findings,
        sum(part.nodes for part in parts.values()),
        max((part.nodes_total for part in parts.values()), default=0),
        tuple(CleanText(collector) for collector in sorted(parts)),
    )


def message_of(
    findings: Sequence[Finding], nodes: int, nodes_total: int, collectors: tuple[CleanText, ...]
) -> FindingsMessage:
    """Return a message of findings, worst first, none of them longer than it may be."""
    counts = Counter(finding.severity.value for finding in findings)
    truncated: dict[str, str] = {}
    if len(findings) > MOST_FINDINGS:
        truncated["findings"] = f"the worst {MOST_FINDINGS:,} of {len(findings):,}"
    shown = tuple(_bounded(finding, truncated) for finding in findings[:MOST_FINDINGS])
    return FindingsMessage(shown, dict(counts), nodes, nodes_total, collectors, truncated)


def _bounded(finding: Finding, truncated: dict[str, str]) -> Finding:
    most = MOST_CALM_NODES if finding.severity in _CALM else MOST_NODES
    total = finding.nodes_total or len(finding.nodes)
    if total > most:
        truncated[f"{finding.key}/nodes"] = f"{min(most, len(finding.nodes)):,} of {total:,}"
    elif len(finding.objects) <= MOST_OBJECTS and len(finding.evidence) <= MOST_EVIDENCE:
        return finding
    return replace(
        finding,
        nodes=finding.nodes[:most],
        node_names=finding.node_names[:most],
        nodes_total=total if total > most else 0,
        objects=finding.objects[:MOST_OBJECTS],
        evidence=finding.evidence[:MOST_EVIDENCE],
    )


def _union(pieces: Sequence[Finding]) -> Finding:
    """Return one finding for what several collectors say with the same key."""
    if len(pieces) == 1:
        return pieces[0]
    worst_first = sorted(pieces, key=lambda piece: -piece.harm)
    worst = worst_first[0]
    nodes: dict[NodeUid, NodeName] = {}
    for piece in worst_first:
        for uid, name in zip(piece.nodes, piece.node_names, strict=False):
            nodes.setdefault(uid, name)
    objects = dict.fromkeys(item for piece in worst_first for item in piece.objects)
    # What was left out of the parts is counted, even though nobody can tell two of them apart.
    unnamed = sum(max(0, piece.nodes_total - len(piece.nodes)) for piece in pieces)
    unlisted = sum(max(0, piece.objects_total - len(piece.objects)) for piece in pieces)
    evidence = dict.fromkeys(item for piece in worst_first for item in piece.evidence)
    missing = dict.fromkeys(item for piece in worst_first for item in piece.missing)
    first = [piece.first_seen for piece in pieces if piece.first_seen is not None]
    last = [piece.last_seen for piece in pieces if piece.last_seen is not None]
    is_of_nodes = any(piece.nodes for piece in pieces)
    return replace(
        worst,
        nodes=tuple(nodes),
        node_names=tuple(nodes.values()),
        nodes_total=len(nodes) + unnamed if unnamed else 0,
        objects=tuple(islice(objects, MOST_OBJECTS)),
        objects_total=len(objects) + unlisted,
        evidence=tuple(islice(evidence, MOST_EVIDENCE)),
        missing=tuple(islice(missing, MOST_MISSING)),
        first_seen=min(first, default=None),
        last_seen=max(last, default=None),
        # Of the cluster as a whole every collector says the same once.
        harm=sum(piece.harm for piece in pieces) if is_of_nodes else worst.harm,
    )


def by_our_clock(part: FindingsMessage, shift: float) -> FindingsMessage:
    """Return another collector's part with its times by our clock; those of log lines stay.

    Args:
        part: as it came.
        shift: what to add to its times.
    """
    if not shift:
        return part
    return replace(part, findings=tuple(_moved(one, shift) for one in part.findings))


def _moved(finding: Finding, shift: float) -> Finding:
    def moved(at: float | None) -> float | None:
        return None if at is None else max(0.0, at + shift)

    logged = {one.at for one in finding.evidence if one.proof is ProofKind.LOG}
    first, last = finding.first_seen, finding.last_seen
    return replace(
        finding,
        evidence=tuple(
            one if one.proof is ProofKind.LOG else replace(one, at=moved(one.at))
            for one in finding.evidence
        ),
        first_seen=first if first in logged else moved(first),
        last_seen=moved(last),
    )


def substance(message: FindingsMessage) -> tuple[object, ...]:
    """Return what tells two messages apart that are worth sending: proofs age all the time."""
    return (
        message.nodes,
        message.nodes_total,
        message.collectors,
        tuple(
            (
                one.key,
                one.summary,
                one.nodes,
                one.nodes_total,
                one.objects,
                one.objects_total,
                one.missing,
                one.harm,
                one.remedy,
            )
            for one in message.findings
        ),
    )


def severities(message: FindingsMessage) -> frozenset[str]:
    """Return what is to be told at once where it changes: which findings there are."""
    return frozenset(
        one.key for one in message.findings if one.severity is not FindingSeverity.CLEAR
    )
