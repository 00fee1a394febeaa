"""What best explains what is ACTIVE: the change that came just before it.

An agent reads its configuration at start only, so of all writes only the last one before its start
can explain what it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tui.checks.timeline.changes import cluster_changes, node_changes
from tui.model.findings import Finding, FindingSeverity
from tui.model.snapshot import NodeFacts, Snapshot
from tui.model.timeline import ChangeKind, TimelineEntry
from tui.safety import CleanText, clean

FINDINGS_ASKED = 6
EXPLAINS_SECONDS = 86_400.0
"""A write this long before a start, and a start this long before the harm, still explain it."""

FOLLOWS_SECONDS = 3600.0
"""An agent that starts this soon after a write is told as following it."""

_SLACK_SECONDS = 120.0
_EXPLAINING = (ChangeKind.AGENT, ChangeKind.NODE)
"""Kinds of a node's own changes that explain harm, best first; a log line is a symptom."""

_READ_AT_START = frozenset(
    {"service-map-drift", "map-pressure", "config-drift", "ipsec-with-kpr", "udp-stale-backends"}
)
"""Checks whose harm can come from what the agent read when it started."""


def decisive(snapshot: Snapshot) -> TimelineEntry | None:
    """Return the change that best explains what is ACTIVE, or None.

    First a write of the configuration or a rollout just before the start of a harmed node's agent,
    then that start itself, then the node's last condition before the harm. The text holds no age:
    `at` has the moment.
    """
    active = [one for one in snapshot.findings if one.severity is FindingSeverity.ACTIVE]
    harmed = [
        (finding, snapshot.nodes[uid])
        for finding in active[:FINDINGS_ASKED]
        for uid in finding.nodes[:1]
        if uid in snapshot.nodes
    ]
    if not harmed:
        return None
    writes = list(cluster_changes(snapshot.cluster))
    for finding, facts in harmed:
        found = _before_start(finding, facts, writes)
        if found is not None:
            return replace(found, is_decisive=True)
    for finding, facts in harmed:
        own = _own_change(finding, facts, snapshot.taken_at)
        if own is not None:
            return replace(own, is_decisive=True)
    return None


def _before_start(
    finding: Finding, facts: NodeFacts, writes: Sequence[TimelineEntry]
) -> TimelineEntry | None:
    agent = facts.agent
    if agent is None or agent.started_at is None or finding.id not in _READ_AT_START:
        return None
    if not _explains(agent.started_at, finding):
        return None
    found = _last_before(writes, agent.started_at, EXPLAINS_SECONDS)
    if found is None:
        return None
    gap = span(agent.started_at - found.at)
    text = f"{found.text}, {gap} before the agent of {facts.node.name} started"
    return replace(found, text=clean(text, 400))


def _explains(started_at: float, finding: Finding) -> bool:
    began = finding.first_seen
    return began is None or -_SLACK_SECONDS <= began - started_at <= EXPLAINS_SECONDS


def _last_before(
    entries: Sequence[TimelineEntry], at: float, within: float
) -> TimelineEntry | None:
    near = [one for one in entries if one.at <= at and at - one.at <= within]
    return max(near, key=lambda one: one.at, default=None)


def _own_change(finding: Finding, facts: NodeFacts, now: float) -> TimelineEntry | None:
    """Return the harmed node's last change before the harm, the start of its agent first."""
    began = finding.first_seen if finding.first_seen is not None else now
    near = [
        change.entry
        for change in node_changes(facts, now)
        if began - FOLLOWS_SECONDS <= change.at <= began + _SLACK_SECONDS
        and change.entry.kind in _EXPLAINING
    ]
    return min(near, key=lambda one: (_EXPLAINING.index(one.kind), -one.at), default=None)


def started_text(entry: TimelineEntry, writes: Sequence[TimelineEntry]) -> CleanText:
    """Return what to say of one agent's start, with the write that it followed at once."""
    write = _last_before(writes, entry.at, FOLLOWS_SECONDS)
    if write is None or "started" not in entry.text:
        return entry.text
    return clean(f"{entry.text}, {span(entry.at - write.at)} after {write.text}", 400)


def span(seconds: float) -> str:
    """Word a stretch of time in one unit."""
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} m" if seconds < 7200 else f"{seconds / 3600:.0f} h"
