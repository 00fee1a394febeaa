"""The header's one line that matters: the worst node's verdict, its cause and what changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tui.checks.timeline.causes import decisive
from tui.model.cluster import CiliumConfigMap
from tui.model.snapshot import Snapshot
from tui.model.timeline import ChangeKind
from tui.screens import wording
from tui.screens.fleet import NodeStatus, NodeSummary
from tui.screens.severity import Severity
from tui.screens.verdicts import screen_severity, uncovered, verdict_key
from widgets.symbols import symbols

RECENT_CHANGE_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the line, whole and short."""

    whole: str
    short: str
    priority: int
    """The highest is shortened first, and left out first; 0 stays."""


def decisive_parts(
    nodes: Sequence[NodeSummary], snapshot: Snapshot, muted: Collection[str] = ()
) -> tuple[Part, ...]:
    """Return what is worst on the worst node, and what explains it.

    Args:
        nodes: Worst first.
        snapshot: Gives the moment, the findings and the changes.
        muted: Keys of findings that are not told.
    """
    if not nodes or nodes[0].status not in (NodeStatus.HARM, NodeStatus.WARNING):
        return ()
    worst = nodes[0]
    loud = _loud_words(worst, snapshot, muted)
    if not loud:
        return ()
    first, name = loud[0], wording.cut(worst.name, 60)
    parts = [Part(f"{name}: {first.whole}", f"{name}: {first.short}", 0)]
    parts += loud[1:2]
    others = sum(1 for node in nodes[1:] if node.status is worst.status)
    if others:
        state = "broken" if worst.status is NodeStatus.HARM else "in danger"
        whole = f"{wording.counted(others, 'more node')} {state}"
        parts.append(Part(whole, f"+{wording.counted(others, 'node')}", 2))
    return (*parts, *_changes(worst, snapshot))


def _loud_words(node: NodeSummary, snapshot: Snapshot, muted: Collection[str]) -> list[Part]:
    """Return what is as bad as the node's status: its faults, whose words are short, or verdicts.

    Of faults that one panel proves, the first is enough.
    """
    said = snapshot.verdicts.get(node.uid, ())
    hushed = [one for one in said if verdict_key(one) in muted]
    severity = Severity.HARM if node.status is NodeStatus.HARM else Severity.WARNING
    told: dict[str, Part] = {}
    for fault in uncovered(node.faults, hushed):
        if fault.severity is severity:
            part = Part(fault.title, fault.short or fault.title, 1)
            told.setdefault(fault.subject.value, part)
    for one in said if not told else ():
        if screen_severity(one.severity) is severity and verdict_key(one) not in muted:
            told.setdefault(one.check_id, Part(wording.cut(one.summary, 160), one.check_id, 1))
    return list(told.values())


def _changes(worst: NodeSummary, snapshot: Snapshot) -> list[Part]:
    """Return the change that explains what is ACTIVE, or the last one, and the agent's start."""
    explaining = _explaining_change(snapshot)
    recent = _recent_changes(worst, snapshot)
    return [*explaining, *(part for part in recent if not explaining or part.priority == 4)]


def _explaining_change(snapshot: Snapshot) -> list[Part]:
    """Return the change that explains what is ACTIVE, where the checks know one."""
    change = decisive(snapshot)
    if change is None or change.kind is ChangeKind.AGENT:
        return []
    since = snapshot.taken_at - change.at
    who = wording.cut(change.who, 30)
    short = f"{change.kind.value} by {who}" if who else wording.cut(change.text, 40)
    return [
        Part(
            f"{wording.cut(change.text, 120)}, {wording.ago(since)}",
            f"{short} {wording.age(since)}",
            3,
        )
    ]


def _recent_changes(worst: NodeSummary, snapshot: Snapshot) -> list[Part]:
    changes = []
    config = snapshot.cluster.config_map.value or CiliumConfigMap({})
    if config.writes and worst.status is NodeStatus.HARM:
        since = snapshot.taken_at - config.writes[0].at
        if since <= RECENT_CHANGE_SECONDS:
            writer = wording.cut(config.writes[0].manager, 30)
            whole = f"cilium-config written by {writer} {wording.ago(since)}"
            changes.append(Part(whole, f"config by {writer} {wording.age(since)}", 3))
    agent = worst.facts.agent
    if agent is not None and agent.started_at is not None:
        since = snapshot.taken_at - agent.started_at
        if since <= RECENT_CHANGE_SECONDS:
            age = wording.age(since)
            changes.append(Part(f"agent started {age} ago", f"agent {age}", 4))
    return changes


def decisive_text(parts: Sequence[Part], columns: int) -> str:
    """Return the line that fits: parts are shortened first, then left out."""
    kept = [(part.whole, part) for part in parts]
    places = sorted(range(len(kept)), key=lambda at: -parts[at].priority)
    for at in places:
        if _cells(kept) <= columns:
            break
        kept[at] = (parts[at].short, parts[at])
    while _cells(kept) > columns and len(kept) > 1:
        kept.remove(max(kept, key=lambda item: item[1].priority))
    return _joined(kept)


def _joined(kept: Sequence[tuple[str, Part]]) -> str:
    return f" {symbols().divider} ".join(text for text, _ in kept)


def _cells(kept: Sequence[tuple[str, Part]]) -> int:
    return cell_len(_joined(kept))
