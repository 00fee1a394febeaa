"""What proves whether a node's maps outlive a restart: its mount table, and its log (M25)."""

from __future__ import annotations

from collections.abc import Iterator

from tui.checks.proof.drift_evidence import when
from tui.checks.view import NodeView
from tui.cilium.probes import command_text, pin_path
from tui.model.findings import Evidence
from tui.model.host import BpfFilesystem, MapSurvival
from tui.model.logs import LogEntry
from tui.safety import CleanText, clean

_PART = "mounts"
_OTHER_CONTAINER = CleanText("the mount table was read in the container of before")
_UNREAD = CleanText("the mount table was not read yet")


def mount_table(view: NodeView) -> BpfFilesystem:
    """Return what the mount table of the running container says; unknown for any other one."""
    found, agent = view.host.mounts, view.facts.agent
    if found is None:
        reason = view.host.reasons.get(_PART) or view.facts.host.reason or _UNREAD
        return BpfFilesystem(MapSurvival.UNKNOWN, reason)
    if agent is not None and agent.container_id != found.container_id:
        return BpfFilesystem(MapSurvival.UNKNOWN, _OTHER_CONTAINER)
    return found


def pinned(view: NodeView, map_name: str) -> str:
    """Return where the agent pins a map; under the usual bpffs where its own is not known."""
    mounts = view.host.mounts
    return pin_path(map_name, "" if mounts is None else mounts.root)


def mount_text(view: NodeView, table: BpfFilesystem) -> CleanText:
    """Tell what the mount table shows, from where and from when."""
    at = when(view.host.read_at.get(_PART))
    return clean(f"{table.why}; {command_text(_PART)} on {view.name}{at and f', {at}'}", 500)


def log_text(view: NodeView, entry: LogEntry) -> CleanText:
    """Tell what the log said, from where and from when."""
    evidence = view.log_evidence(entry)
    at = when(evidence.at)
    message = f"log: {entry.line.message}; {evidence.source} on {view.name}"
    return clean(f"{message}{at and f', {at}'}", 500)


def bpffs_evidence(view: NodeView) -> Iterator[Evidence]:
    """Yield what proves that a restart wipes the maps; nothing where they are proven to stay."""
    table = mount_table(view)
    if table.survival is MapSurvival.NO:
        text = f"any restart wipes every map: {table.why}"
        at = view.host.read_at.get(_PART)
        yield view.fact(text, view.command(command_text(_PART)), at)
    if table.survival is not MapSurvival.YES:
        said = (entry for entry in view.logged("M25") if not entry.is_previous)
        yield from map(view.log_evidence, list(said)[:1])
