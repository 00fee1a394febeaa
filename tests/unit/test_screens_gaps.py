"""What could not be read: each reason once, one short word in the node table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ui import app_samples as samples
from tui.model.node import AgentPhase
from tui.model.reading import Reading
from tui.model.snapshot import NodeFacts
from tui.safety import clean
from tui.screens.board import Board
from tui.screens.fleet import summarise_node
from tui.screens.gap_lines import gaps_detail
from tui.screens.header_view import header_view
from tui.screens.node_detail import node_detail
from tui.screens.node_gaps import NodeGap, node_gaps, unread_word
from widgets.tones import text_of


def in_phase(phase: AgentPhase) -> NodeFacts:
    """Return a node whose agent is in a phase and was never read."""
    facts = NodeFacts(samples.node(5), samples.agent(5))
    assert facts.agent is not None
    return replace(facts, agent=replace(facts.agent, phase=phase, reason=clean("why")))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (samples.denied(), "denied"),
        (in_phase(AgentPhase.CRASH_LOOP), "crash loop"),
        (in_phase(AgentPhase.UNREACHABLE), "offline"),
        (in_phase(AgentPhase.PENDING), "agent down"),
        (in_phase(AgentPhase.NOT_READY), "agent down"),
        (in_phase(AgentPhase.RUNNING), "waiting"),
        (replace(in_phase(AgentPhase.RUNNING), sweep_error=clean("no shell")), "exec failed"),
        (replace(in_phase(AgentPhase.RUNNING), agent=None), "agent down"),
    ],
)
def test_node_that_was_not_read_has_one_short_word(facts: NodeFacts, expected: str) -> None:
    assert unread_word(facts) == expected


def test_sections_of_one_reason_are_one_gap_and_a_healthy_node_has_none() -> None:
    why = "needs create pods/exec in kube-system"
    assert node_gaps(samples.healthy(2), True) == ()
    assert node_gaps(in_phase(AgentPhase.RUNNING), True) == ()
    assert node_gaps(samples.denied(), True) == (
        NodeGap("status, maps, services, features, version, metrics", "denied", why),
        NodeGap("log", "failed", "needs get pods/log in kube-system"),
    )


def test_section_that_a_release_can_not_give_is_a_gap_with_its_reason() -> None:
    facts = replace(samples.healthy(2), services=Reading.unknown(clean("no bpftool")))
    assert node_gaps(facts, True) == (NodeGap("services", "unknown", "no bpftool"),)


def test_missing_agent_is_a_gap_once_the_pods_are_listed() -> None:
    facts = replace(samples.healthy(2), agent=None)
    assert node_gaps(facts, False) == ()
    assert [gap.word for gap in node_gaps(facts, True)] == ["agent down"]


def test_gaps_list_every_node_and_the_header_counts_them() -> None:
    board = Board(lambda: samples.NOW)
    board.take(samples.incident())
    lines = [f"{line.label} {text_of(line.value)}" for line in gaps_detail(board).lines]
    assert "node-11 denied: needs create pods/exec in kube-system" in lines
    assert "node-9 crash loop: CrashLoopBackOff, exit code 1" in lines
    header = header_view(board.snapshot, board.summary, board.now, paused_at=None)
    words = " ".join(text_of(item.spans) for item in header.items)
    assert "2 gaps :gaps" in words


def test_cluster_without_cilium_has_not_lost_the_api() -> None:
    lost = samples.lost()
    reason = clean("no Cilium found: no pods with k8s-app=cilium")
    board = Board(lambda: samples.NOW)
    board.take(replace(lost, nodes={}, health=replace(lost.health, reason=reason)))
    header = header_view(board.snapshot, board.summary, board.now, paused_at=None)
    assert "lost the API" not in text_of(header.headline)
    assert "no Cilium found" in text_of(header.headline)


@pytest.mark.parametrize("facts", [samples.denied(), samples.crashing()], ids=["denied", "crash"])
def test_detail_of_a_node_says_each_reason_once(facts: NodeFacts) -> None:
    node = summarise_node(facts, samples.NOW, True)
    lines = [text_of(line.value) for line in node_detail(node, samples.NOW).lines]
    for reason in ("needs create pods/exec", "CrashLoopBackOff", "container not running"):
        assert sum(reason in line for line in lines) <= 1, (reason, lines)


def test_fuller_node_stands_above_among_equals() -> None:
    fuller, full = (
        replace(
            samples.healthy(number),
            maps=Reading.known(
                (samples.lru_map("cilium_ct4_global", entries, 100),), samples.origin("maps", 1)
            ),
        )
        for number, entries in ((8, 99), (6, 94))
    )
    nodes = [summarise_node(facts, samples.NOW, True) for facts in (full, fuller)]
    assert [node.name for node in sorted(nodes, key=lambda node: node.order)] == [
        "node-8",
        "node-6",
    ]
