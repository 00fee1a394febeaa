"""Everything known of one node that is not in its panels."""

from __future__ import annotations

from collections.abc import Collection

from tui.model.agent import AgentStatus
from tui.model.names import NodeUid
from tui.model.nextstart import NextStart
from tui.model.node import AgentPhase, AgentPod
from tui.model.reading import ReadingState
from tui.model.snapshot import NodeFacts
from tui.screens import wording
from tui.screens.board import Board
from tui.screens.details import Detail
from tui.screens.faults import origins, readings
from tui.screens.fleet import NodeSummary
from tui.screens.marks import SEVERITY_TONES, phase_mark, severity_symbol
from tui.screens.next_start_lines import next_start_lines
from widgets.detail_lines import DetailLine, empty_line, heading, sentence, value
from widgets.tones import Span, Tone

MOST_COLLECTORS = 3
"""A node that moved has readings of the collector before, until each was made anew."""

_STATE_TONES = {
    ReadingState.KNOWN: Tone.OK,
    ReadingState.UNKNOWN: Tone.UNKNOWN,
    ReadingState.DENIED: Tone.WARNING,
    ReadingState.FAILED: Tone.ERROR,
}


def node_detail(node: NodeSummary, now: float, start: NextStart | None = None) -> Detail:
    """Return a node's identity, agent, next start, health, faults and how sections were read.

    Args:
        node: The node.
        now: What ages are measured at.
        start: What the agent would read if it started now; None while that is not judged.
    """
    facts = node.facts
    lines = []
    for fault in node.faults:
        text = f"{severity_symbol(fault.severity)} {fault.title}"
        lines.append(sentence(text, SEVERITY_TONES[fault.severity]))
        if fault.detail:
            lines.append(sentence(f"  {fault.detail}", Tone.MUTED))
    lines += [
        *([empty_line()] if lines else []),
        heading("Node"),
        value("address", facts.node.internal_ip or "unknown"),
        value("ready", {True: "yes", False: "no", None: "unknown"}[facts.node.is_ready]),
        value("kernel", facts.node.kernel_release or "unknown"),
        value("system", facts.node.os_image or "unknown"),
        value("kubelet", facts.node.kubelet_version or "unknown"),
        value("schedulable", "yes" if facts.node.is_schedulable else "no: cordoned"),
        value("uid", facts.node.uid),
    ]
    told = {fault.detail for fault in node.faults}
    lines += _agent_lines(facts.agent, now, told)
    if facts.status.value is not None:
        lines += _status_lines(facts.status.value)
    lines += next_start_lines(start, now)
    lines += [empty_line(), heading("Sections")]
    lines += _section_lines(node)
    if facts.swept_at is not None:
        lines.append(value("last answer", wording.ago(now - facts.swept_at)))
    lines += _collector_lines(facts, now)
    return Detail(node.name, tuple(lines))


def node_detail_of(uid: NodeUid, board: Board) -> Detail | None:
    """Return a node's detail from the newest facts, or None when it is gone."""
    node = board.node(uid)
    if node is None:
        return None
    return node_detail(node, board.now, board.snapshot.next_starts.get(uid))


def _section_lines(node: NodeSummary) -> list[DetailLine]:
    """Return how the sections were read; a reason that stands above is not told again."""
    told = " ".join(fault.detail for fault in node.faults)
    if node.facts.agent is not None:
        told = f"{told} {node.facts.agent.reason}"
    by_words: dict[tuple[ReadingState, str], list[str]] = {}
    for name, state, reason in readings(node.facts):
        is_news = bool(reason) and reason not in told
        by_words.setdefault((state, reason if is_news else ""), []).append(name)
    lines = []
    for (state, why), names in by_words.items():
        words = f"{state.value}: {why}" if why else state.value
        lines.append(value(", ".join(names), Span(words, _STATE_TONES[state])))
    error = node.facts.log_error
    if error:
        lines.append(value("log", Span("unreadable" if error in told else error, Tone.WARNING)))
    return lines


def _collector_lines(facts: NodeFacts, now: float) -> list[DetailLine]:
    """Return which collectors read the node, each with its latest reading; none where we did."""
    latest: dict[str, float] = {}
    for origin in origins(facts):
        if origin.collector_id:
            at = latest.get(origin.collector_id, origin.observed_at)
            latest[origin.collector_id] = max(at, origin.observed_at)
    by_age = sorted(latest.items(), key=lambda item: -item[1])
    return [
        value("read by" if not place else "before by", wording.cut(name, 80), wording.ago(now - at))
        for place, (name, at) in enumerate(by_age[:MOST_COLLECTORS])
    ]


def _agent_lines(agent: AgentPod | None, now: float, told: Collection[str]) -> list[DetailLine]:
    lines = [empty_line(), heading("Agent")]
    if agent is None:
        return [*lines, value("pod", Span("none on this node", Tone.ERROR))]
    mark = phase_mark(agent.phase)
    lines += [
        value("pod", f"{agent.namespace}/{agent.name}"),
        value("phase", Span(f"{mark.text} {agent.phase.value}", mark.tone)),
        value("image", agent.image or "unknown"),
        value("container", agent.container_id or "unknown"),
        value("restarts", wording.count(agent.restart_count)),
    ]
    if agent.reason and agent.reason not in told:
        lines.append(value("reason", agent.reason))
    if agent.started_at is not None:
        started = f"{wording.utc_stamp(agent.started_at)}, {wording.ago(now - agent.started_at)}"
        lines.append(value("started", started))
    if agent.phase is AgentPhase.CRASH_LOOP and agent.has_previous:
        lines.append(value("log", "the previous container's log is in panel 5"))
    return lines


def _status_lines(status: AgentStatus) -> list[DetailLine]:
    lines = [empty_line(), heading("What the agent says")]
    for name, component in (
        ("cilium", status.cilium),
        ("kubernetes", status.kubernetes),
        ("kvstore", status.kvstore),
    ):
        if component is not None:
            words = f"{component.state}: {component.message}" if component.message else None
            lines.append(value(name, words or component.state))
    failing = len(status.failing_controllers)
    lines.append(value("controllers", f"{failing} of {status.controllers_total} failing"))
    lines += [
        value(
            controller.name,
            Span(controller.message, Tone.WARNING),
            f"{controller.consecutive_failures} failures in a row",
        )
        for controller in status.failing_controllers
    ]
    for name, text in (
        ("masquerading", status.masquerading),
        ("encryption", status.encryption_mode),
        ("host routing", status.host_routing),
        ("attach mode", status.attach_mode),
    ):
        if text:
            lines.append(value(name, text))
    return lines
