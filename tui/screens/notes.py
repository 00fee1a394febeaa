"""What a panel says instead of rows: loading, empty, denied, failed and stale are distinct."""

from __future__ import annotations

from typing import TypeVar

from tui.model.node import AgentPhase
from tui.model.reading import Reading, ReadingState
from tui.model.snapshot import Snapshot, SourceState
from tui.screens import wording
from tui.screens.board import Board
from tui.screens.fleet import NodeSummary
from tui.screens.room.words import MAY_READ, NO_CLUSTER, NO_COLLECTOR, START_ONE, is_brokered
from widgets.state_note import NoteKind, StateNote

T = TypeVar("T")

NO_NODE = StateNote(NoteKind.EMPTY, "no node is chosen")


def section_note(
    node: NodeSummary | None, reading: Reading[T], now: float, stale_seconds: float
) -> StateNote | None:
    """Return what to say above or instead of a section's rows; None while they are current."""
    if node is None:
        return NO_NODE
    age = reading.age_seconds(now)
    old = "" if age is None else f", shown as of {wording.ago(age)}"
    if reading.state is ReadingState.DENIED:
        return StateNote(
            NoteKind.DENIED, f"{wording.cut(reading.reason) or 'the API server refused'}{old}"
        )
    if reading.state is ReadingState.FAILED:
        kind = NoteKind.FAILED if reading.value is None else NoteKind.STALE
        return StateNote(kind, f"{wording.cut(reading.reason) or 'no answer'}{old}")
    if reading.state is ReadingState.UNKNOWN and reading.value is None:
        return _unread_note(node, reading.reason)
    swept_at = node.facts.swept_at
    if swept_at is not None and now - swept_at > stale_seconds:
        why = f": {wording.cut(node.facts.sweep_error)}" if node.facts.sweep_error else ""
        return StateNote(
            NoteKind.STALE, f"{node.name} last answered {wording.ago(now - swept_at)}{why}"
        )
    return None


def _unread_note(node: NodeSummary, reason: str) -> StateNote:
    if reason:
        return StateNote(NoteKind.UNKNOWN, wording.cut(reason))
    facts = node.facts
    if facts.sweep_error:
        return StateNote(NoteKind.FAILED, wording.cut(facts.sweep_error))
    if facts.agent is None:
        return StateNote(NoteKind.EMPTY, "no agent pod on this node")
    if facts.agent.phase is not AgentPhase.RUNNING:
        why = wording.cut(facts.agent.reason) or facts.agent.phase.value
        return StateNote(NoteKind.UNKNOWN, f"the agent does not run: {why}")
    return StateNote(NoteKind.LOADING, f"reading {wording.cut(node.name, 60)}")


def nodes_note(snapshot: Snapshot) -> StateNote | None:
    """Return what to say instead of the node table while it is empty."""
    if snapshot.nodes:
        return None
    if is_brokered(snapshot):
        return broker_note(snapshot)
    denied = next((gap for gap in snapshot.gaps.values() if gap.is_denied), None)
    if denied is not None:
        return StateNote(
            NoteKind.DENIED,
            wording.cut(f"can't {denied.what}: {denied.reason}"),
            "kubectl auth can-i --list shows what this user may do",
        )
    health = snapshot.health
    if health.state in (SourceState.LOST, SourceState.DEGRADED):
        return StateNote(
            NoteKind.FAILED, wording.cut(health.reason) or health.state.value, "it keeps trying"
        )
    where = wording.cut(snapshot.cluster.server or snapshot.cluster.context, 80)
    if not snapshot.is_complete:
        text = f"listing nodes and agents of {where}" if where else "connecting to the cluster"
        return StateNote(NoteKind.LOADING, text)
    return StateNote(NoteKind.EMPTY, f"no node at {where}" if where else "no node")


def broker_note(snapshot: Snapshot) -> StateNote:
    """Return what to say instead of rows while a broker tells of no cluster, or of no node."""
    health, chosen = snapshot.health, wording.cut(snapshot.room.chosen, 40)
    reason = wording.cut(health.reason)
    if health.state in (SourceState.LOST, SourceState.DEGRADED):
        remedy = _nobody_reads(snapshot) if reason.startswith(NO_COLLECTOR) else "it keeps trying"
        return StateNote(NoteKind.FAILED, reason or health.state.value, remedy)
    if health.state is SourceState.CONNECTING and not reason.startswith(NO_CLUSTER):
        waiting = f"waiting for what is known of {chosen}" if chosen else "connecting to the broker"
        return StateNote(NoteKind.LOADING, reason or waiting)
    if not chosen:
        return StateNote(NoteKind.EMPTY, "no collector is heard here", f"{START_ONE}; {MAY_READ}")
    return StateNote(NoteKind.EMPTY, f"no node of {chosen} was published")


def _nobody_reads(snapshot: Snapshot) -> str:
    """Return the way out where nobody reads the chosen cluster: perhaps its name is wrong."""
    room = snapshot.room
    others = [wording.cut(each.name, 40) for each in room.clusters if each.name != room.chosen]
    return f"C shows {wording.listed(others, 3)}; or {START_ONE}" if others else START_ONE


def log_note(node: NodeSummary | None, now: float) -> StateNote | None:
    """Return what to say above or instead of the log's lines."""
    if node is None:
        return NO_NODE
    facts = node.facts
    if facts.log_error:
        is_refusal = "pods/log" in facts.log_error or "forbidden" in facts.log_error.lower()
        kind = NoteKind.DENIED if is_refusal else NoteKind.FAILED
        return StateNote(kind, wording.cut(facts.log_error))
    if facts.logs:
        return None
    if facts.agent is None:
        return StateNote(NoteKind.EMPTY, "no agent pod on this node")
    if facts.swept_at is None:
        return StateNote(NoteKind.LOADING, f"reading the log of {node.name}")
    started = facts.agent.started_at
    since = "" if started is None else f", {wording.ago(now - started)}"
    return StateNote(NoteKind.EMPTY, f"no line kept since the agent's start{since}")


def findings_note(board: Board) -> StateNote | None:
    """Return what to say above or instead of the findings."""
    snapshot = board.snapshot
    health = snapshot.health
    if not snapshot.nodes:
        return nodes_note(snapshot)
    if not snapshot.findings:
        number = snapshot.unjudged_nodes or len(snapshot.nodes)
        return StateNote(NoteKind.LOADING, f"judging {wording.counted(number, 'node')}")
    if health.state is SourceState.LOST and health.last_good_at is not None:
        age = wording.ago(board.now - health.last_good_at)
        what = "nothing is heard" if is_brokered(snapshot) else "the API is lost"
        return StateNote(NoteKind.STALE, f"{what}, shown as of {age}")
    return None
