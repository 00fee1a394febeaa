"""Marks beside the agent's own word: taint, stale checks, cilium-health, events, full maps."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.unit.operations_facts import ct_map, lb_map
from tests.unit.test_operations_health import OK, after, facts_now, known, mark
from tui.cilium.status import parse_status
from tui.cluster import kinds
from tui.cluster.objects import node
from tui.model.agent import AgentStatus, ComponentState, EffectiveConfig
from tui.model.reading import Reading
from tui.model.snapshot import NodeFacts
from tui.operations.health import baseline_of
from tui.operations.patient import Patient
from tui.safety import clean

TAINT = clean("node.cilium.io/agent-not-ready")
FAILURE = ComponentState(clean("Failure"), clean("no answer of the prober"))


def tainted(*keys: str) -> NodeFacts:
    facts = facts_now()
    return replace(facts, node=replace(facts.node, taints=tuple(map(clean, keys))))


def saying(status: AgentStatus) -> NodeFacts:
    facts = facts_now()
    return replace(facts, status=known(facts, status))


def compared(before: NodeFacts, now: NodeFacts) -> Patient:
    """Return a node against the baseline that was taken of it; its pod is another one now."""
    agent = before.agent
    assert agent is not None
    assert agent.started_at is not None
    baseline = baseline_of(before, agent.started_at - 5.0)
    return after(now, replace(baseline, pod_uid=None))


def test_the_taint_of_an_agent_that_is_not_ready_must_be_gone() -> None:
    assert mark(after(tainted()), "taint").is_satisfied
    assert mark(after(tainted("node.kubernetes.io/unschedulable")), "taint").is_satisfied
    held = mark(after(tainted(TAINT)), "taint")
    assert held.mark.is_met is False
    assert held.mark.text == f"the node has the taint {TAINT}"
    assert mark(compared(tainted(TAINT), tainted(TAINT)), "taint").mark.is_met is True


@pytest.mark.parametrize("option", ["agent-not-ready-taint-key", "AgentNotReadyNodeTaintKey"])
def test_the_taints_key_is_an_option(option: str) -> None:
    config = EffectiveConfig({option: clean("lab/no-agent")})
    for key, is_met in (("lab/no-agent", False), (TAINT, True)):
        facts = tainted(key)
        facts = replace(facts, config=known(facts, config))
        assert mark(after(facts), "taint").mark.is_met is is_met


def test_the_taint_is_no_word_of_the_agent_before() -> None:
    patient = after(tainted())
    agent = patient.facts.agent
    assert agent is not None
    same = replace(patient, baseline=replace(patient.baseline, pod_uid=agent.uid))
    assert mark(same, "taint").mark.is_met is None


def test_a_check_of_the_agents_own_that_is_stale_is_not_ok() -> None:
    found = mark(after(saying(replace(OK, stale=(clean("check-locks"),)))), "agent-ok")
    assert found.mark.is_met is False
    assert "no fresh result of check-locks" in found.mark.text


@pytest.mark.parametrize(
    ("before", "now", "is_met", "is_satisfied"),
    [
        (OK, OK, True, True),
        (OK, replace(OK, health=ComponentState(clean("Ok"))), True, True),
        (OK, replace(OK, health=ComponentState(clean("Disabled"))), True, True),
        (OK, replace(OK, health=FAILURE), False, False),
        (replace(OK, health=FAILURE), replace(OK, health=FAILURE), True, True),
        (None, replace(OK, health=FAILURE), None, True),
        (OK, replace(OK, has_monitor=True), True, True),
        (replace(OK, has_monitor=True), OK, False, False),
    ],
)
def test_cilium_health_and_events_against_before(
    before: AgentStatus | None, now: AgentStatus, is_met: bool | None, is_satisfied: bool
) -> None:
    old = saying(before) if before is not None else replace(facts_now(), status=Reading())
    found = mark(compared(old, saying(now)), "health")
    assert (found.mark.is_met, found.is_satisfied) == (is_met, is_satisfied)


@pytest.mark.parametrize(
    ("before", "now", "is_met"),
    [
        ([lb_map(10, 1024)], [lb_map(900, 1024)], True),
        ([lb_map(10, 1024)], [lb_map(1000, 1024)], False),
        ([lb_map(1000, 1024)], [lb_map(1010, 1024)], True),
        ([], [ct_map(1.0)], True),
        (None, [lb_map(1000, 1024)], None),
        ([], None, None),
    ],
)
def test_maps_that_are_nearly_full_against_before(
    before: list[Any] | None, now: list[Any] | None, is_met: bool | None
) -> None:
    facts = facts_now()
    old, new = (
        replace(facts, maps=Reading() if maps is None else known(facts, tuple(maps)))
        for maps in (before, now)
    )
    found = mark(compared(old, new), "map-pressure")
    assert found.mark.is_met is is_met
    assert found.is_satisfied is (is_met is True or before is None)


def test_the_status_tells_of_stale_checks_cilium_health_and_events() -> None:
    base: dict[str, Any] = {"cilium": {"state": "Ok"}, "cluster": {"nodes": None}}
    plain = parse_status(json.dumps(base).encode())
    assert (plain.stale, plain.health, plain.has_monitor) == ((), None, False)
    full = {
        **base,
        "stale": {"check-locks": "2026-01-01T00:00:00Z"},
        "cluster": {"ciliumHealth": {"state": "Failure", "msg": "no answer of the prober"}},
        "nodeMonitor": {"cpus": 2, "npages": 64, "pagesize": 4096},
    }
    found = parse_status(json.dumps(full).encode())
    assert (found.stale, found.health, found.has_monitor) == (("check-locks",), FAILURE, True)
    odd = parse_status(json.dumps({**base, "stale": [1], "cluster": 7}).encode())
    assert (odd.stale, odd.health) == ((), None)


def test_a_nodes_taints_are_read() -> None:
    spec = {"taints": [{"key": TAINT, "effect": "NoSchedule", "value": None}, {"effect": "x"}]}
    item = msgspec.convert({"metadata": {"name": "a", "uid": "u"}, "spec": spec}, kinds.Node)
    assert node(item).taints == (TAINT, "")
    assert node(msgspec.convert({"metadata": {"uid": "u"}}, kinds.Node)).taints == ()
