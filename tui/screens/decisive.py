"""The header's one line that matters: the worst node's verdict, its cause and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tui.model.cluster import CiliumConfigMap
from tui.model.snapshot import Snapshot
from tui.screens import wording
from tui.screens.faults import Fault
from tui.screens.fleet import NodeStatus, NodeSummary
from tui.screens.severity import Severity
from widgets.symbols import symbols

RECENT_CHANGE_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the line, whole and short."""

    whole: str
    short: str
    priority: int
    """The highest is shortened first, and left out first; 0 stays."""


def decisive_parts(nodes: Sequence[NodeSummary], snapshot: Snapshot) -> tuple[Part, ...]:
    """Return the worst node's worst faults and what changed lately.

    Args:
        nodes: Worst first.
        snapshot: Gives the moment and the last write of the configuration.
    """
    if not nodes or nodes[0].status not in (NodeStatus.HARM, NodeStatus.WARNING):
        return ()
    worst = nodes[0]
    loud = [fault for fault in worst.faults if fault.severity is worst.faults[0].severity]
    first, name = loud[0], wording.cut(worst.name, 60)
    parts = [Part(f"{name}: {first.title}", f"{name}: {first.short or first.title}", 0)]
    cause = next((fault for fault in loud if fault.subject is not first.subject), None)
    if cause is not None:
        parts.append(Part(cause.title, cause.short or cause.title, 1))
    others = sum(1 for node in nodes[1:] if node.status is worst.status)
    if others:
        state = "broken" if worst.status is NodeStatus.HARM else "in danger"
        whole = f"{wording.counted(others, 'more node')} {state}"
        parts.append(Part(whole, f"+{wording.counted(others, 'node')}", 2))
    return (*parts, *_recent_changes(worst, snapshot, first))


def _recent_changes(worst: NodeSummary, snapshot: Snapshot, first: Fault) -> list[Part]:
    changes = []
    config = snapshot.cluster.config_map.value or CiliumConfigMap({})
    if config.writes and first.severity is Severity.HARM:
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
