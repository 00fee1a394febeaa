"""One judgement of a cluster: the findings that were asked for, and what could not be read."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from tui.model.findings import Finding, FindingSeverity
from tui.model.reading import Reading, ReadingState
from tui.model.snapshot import NodeFacts, Snapshot
from tui.safety import CleanText, clean

EXIT_CLEAN = 0
EXIT_FINDINGS = 1
EXIT_UNREAD = 3


@dataclass(frozen=True, slots=True)
class ReportGap:
    """Something that could not be read, and why: the judgement leaves it out."""

    what: CleanText
    reason: CleanText
    node: CleanText = CleanText("")
    is_denied: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What one collection found."""

    snapshot: Snapshot
    findings: tuple[Finding, ...]
    """Worst first, as selected; CLEAR ones included."""
    gaps: tuple[ReportGap, ...]
    fail_on: FindingSeverity
    is_complete: bool = True
    """Whether the first reading was done in time."""

    @property
    def failing(self) -> tuple[Finding, ...]:
        """The findings at or above the level."""
        return tuple(one for one in self.findings if one.severity.is_at_least(self.fail_on))

    @property
    def nodes_read(self) -> int:
        """Nodes whose agent answered."""
        return sum(facts.swept_at is not None for facts in self.snapshot.nodes.values())

    @property
    def exit_code(self) -> int:
        """0 clean, 1 findings at or above the level, 3 where no node could be read."""
        if self.failing:
            return EXIT_FINDINGS
        return EXIT_CLEAN if self.nodes_read else EXIT_UNREAD

    def count(self, severity: FindingSeverity) -> int:
        """Return how many findings have a severity."""
        return sum(one.severity is severity for one in self.findings)


def make_report(
    snapshot: Snapshot,
    *,
    fail_on: FindingSeverity = FindingSeverity.ARMED,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    is_complete: bool = True,
) -> Report:
    """Return the report of a snapshot.

    Args:
        snapshot: what was read, already judged.
        fail_on: the level from which the exit code is 1.
        only: ids of the checks to report; empty for all.
        skip: ids of the checks to leave out.
        is_complete: whether the collection was done in time.
    """
    chosen = tuple(
        one for one in snapshot.findings if (not only or one.id in only) and one.id not in skip
    )
    gaps = tuple(_gaps(snapshot, is_complete=is_complete))
    return Report(snapshot, chosen, gaps, fail_on, is_complete)


def _gaps(snapshot: Snapshot, *, is_complete: bool) -> Iterator[ReportGap]:
    if not is_complete:
        left = clean(f"not done in time, still unread: {', '.join(unread_parts(snapshot))}")
        yield ReportGap(CleanText("first reading"), left)
    said = set()
    for gap in snapshot.gaps.values():
        said.add(gap.reason)
        yield ReportGap(gap.what, gap.reason, is_denied=gap.is_denied)
    for name, reading in cluster_readings(snapshot):
        is_denied = reading.state is ReadingState.DENIED
        if (is_denied or reading.state is ReadingState.FAILED) and reading.reason not in said:
            yield ReportGap(CleanText(name), reading.reason, is_denied=is_denied)
    for facts in snapshot.nodes.values():
        yield from _node_gaps(facts)


def _node_gaps(facts: NodeFacts) -> Iterator[ReportGap]:
    """Yield what is not known of a node, one gap for all parts with one reason."""
    node = clean(facts.node.name)
    by_reason: dict[tuple[CleanText, bool], list[str]] = {}
    for name, reading in node_readings(facts):
        if reading.is_known:
            continue
        reason = reading.reason or facts.sweep_error or CleanText("not read")
        by_reason.setdefault((reason, reading.state is ReadingState.DENIED), []).append(name)
    if facts.log_error:
        by_reason.setdefault((facts.log_error, False), []).append("log")
    for (reason, is_denied), names in by_reason.items():
        yield ReportGap(clean(", ".join(names)), reason, node, is_denied)


def unread_parts(snapshot: Snapshot) -> list[str]:
    """Name what was not read yet and is not known to be unreadable; empty once all was read."""
    health = snapshot.health
    parts = [] if snapshot.is_complete else ["the lists of nodes and pods"]
    if health.nodes_unread:
        parts.append(f"{health.nodes_unread:,} nodes")
    if health.logs_unread:
        parts.append(f"{health.logs_unread:,} logs")
    parts += [
        name
        for name, reading in cluster_readings(snapshot)
        if reading.state is ReadingState.UNKNOWN and not reading.reason
    ]
    return parts


def cluster_readings(snapshot: Snapshot) -> tuple[tuple[str, Reading[Any]], ...]:
    """Return the parts of the cluster's facts by name."""
    facts = snapshot.cluster
    return (
        ("Kubernetes version", facts.kubernetes_version),
        ("DaemonSets", facts.daemonsets),
        ("ConfigMap cilium-config", facts.config_map),
        ("Services", facts.services),
        ("CiliumNodeConfigs", facts.node_configs),
        ("ControllerRevisions", facts.revisions),
        ("pods and volumes", facts.workloads),
        ("FailedMount events", facts.mount_failures),
        ("Endpoints without slices", facts.unmirrored),
    )


def node_readings(facts: NodeFacts) -> tuple[tuple[str, Reading[Any]], ...]:
    """Return the parts of a node's facts by name."""
    return (
        ("version", facts.version),
        ("status", facts.status),
        ("metrics", facts.metrics),
        ("maps", facts.maps),
        ("services", facts.services),
        ("features", facts.features),
        ("config", facts.config),
    )
