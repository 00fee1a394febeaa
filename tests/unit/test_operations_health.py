"""Marks of being healthy again: what turns each true, false or leaves it unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.collect_clock import VirtualClock
from tests.unit.operations_fakes import FakeCluster, uid_of
from tui.model.agent import (
    AgentMetrics,
    AgentStatus,
    ComponentState,
    DropRate,
    EffectiveConfig,
    FailingController,
    KubeProxyReplacement,
)
from tui.model.logs import LogEntry, LogLevel, LogLine
from tui.model.maps import MapKind, MapUsage
from tui.model.names import ContainerId, PodUid
from tui.model.node import AgentPhase
from tui.model.operations import HealthMark
from tui.model.reading import Reading
from tui.model.services import ServiceCoverage
from tui.model.snapshot import NodeFacts
from tui.operations.health import baseline_of, conditions, crash_reason, merged
from tui.operations.patient import Baseline, Condition, Patient, Wanted
from tui.operations.wanted import wanted_marks
from tui.safety import clean

OK = AgentStatus(ComponentState(clean("Ok")))


def facts_now() -> NodeFacts:
    return FakeCluster(VirtualClock(), 1).nodes[uid_of(1)]


def after(facts: NodeFacts, baseline: Baseline | None = None, **parts: Any) -> Patient:
    """Return a node whose pod is new and whose readings are all of it."""
    agent = facts.agent
    assert agent is not None
    assert agent.started_at is not None
    made = baseline or Baseline(
        agent.started_at - 5.0, PodUid("old"), True, 0, 0.0, full_maps=frozenset()
    )
    known = {"now": agent.started_at + 60.0, "unready_endpoints": 0, **parts}
    wanted = known.pop("wanted", Wanted())
    return Patient(facts, made, wanted, quiet_seconds=30.0, **known)


def mark(patient: Patient, mark_id: str) -> Condition:
    return next(one for one in conditions(patient) if one.mark.id == mark_id)


def known(facts: NodeFacts, value: Any) -> Reading[Any]:
    return replace(facts.status, value=value)


def entry(message: str, at: float, container: ContainerId) -> LogEntry:
    line = LogLine(at, LogLevel.ERROR, clean(message))
    return LogEntry(uid_of(1), container, line, 1, at)


def test_a_node_that_is_well_has_all_its_marks() -> None:
    found = conditions(after(facts_now()))
    assert [one.mark.text for one in found if not one.is_satisfied] == []
    assert {one.mark.is_met for one in found} == {True}


def test_readings_of_the_old_agent_prove_nothing() -> None:
    facts = facts_now()
    assert facts.agent is not None
    same_pod = after(facts, Baseline(0.0, facts.agent.uid, True, 0, 0.0))
    assert mark(same_pod, "agent-ok").mark.is_met is None
    assert mark(same_pod, "pod-ready").mark.is_met is False
    earlier = after(facts, Baseline(facts.agent.started_at or 0.0 + 1e9, PodUid("old"), True, 0))
    later = replace(earlier, baseline=replace(earlier.baseline, at=1e12))
    assert mark(later, "agent-ok").mark.is_met is None
    other = replace(facts, agent=replace(facts.agent, container_id=ContainerId("newer")))
    assert mark(after(other), "frontends").mark.is_met is None


@pytest.mark.parametrize(
    ("changed", "mark_id", "is_met"),
    [
        ({"cilium": ComponentState(clean("Failure"), clean("no kvstore"))}, "agent-ok", False),
        ({"kubernetes": ComponentState(clean("Failure"))}, "agent-ok", False),
        ({"kubernetes": ComponentState(clean("Ok"))}, "agent-ok", True),
        (
            {"failing_controllers": (FailingController(clean("a"), 2, clean("b")),)},
            "controllers",
            False,
        ),
    ],
)
def test_what_the_agent_says(changed: dict[str, Any], mark_id: str, is_met: bool) -> None:
    facts = facts_now()
    ill = replace(facts, status=known(facts, replace(OK, **changed)))
    assert mark(after(ill), mark_id).mark.is_met is is_met


def test_a_node_not_ready_before_need_not_be_now() -> None:
    facts = facts_now()
    down = replace(facts, node=replace(facts.node, is_ready=False))
    assert mark(after(down), "node-ready").mark.is_met is False
    before = replace(after(down).baseline, is_node_ready=False)
    assert mark(after(down, before), "node-ready").mark.is_met is True


@pytest.mark.parametrize(
    ("before", "missing", "is_complete", "is_met"),
    [
        (0, 0, False, True),
        (0, 1, False, False),
        (7, 7, False, True),
        (7, 8, False, False),
        (7, 7, True, False),
        (7, 0, True, True),
        (None, 0, False, True),
        (None, 3, False, False),
    ],
)
def test_frontends_against_before(
    before: int | None, missing: int, is_complete: bool, is_met: bool
) -> None:
    facts = facts_now()
    coverage = ServiceCoverage(10, 10 - missing, 0, 0)
    facts = replace(facts, services=known(facts, coverage))
    patient = after(facts, wanted=Wanted({}, is_complete))
    patient = replace(patient, baseline=replace(patient.baseline, missing_frontends=before))
    assert mark(patient, "frontends").mark.is_met is is_met


@pytest.mark.parametrize(
    ("before", "now", "interval", "is_met"),
    [
        (0.0, 0.0, 10.0, True),
        (0.0, 3.0, 0.5, True),
        (0.0, 50.0, 10.0, False),
        (100.0, 105.0, 10.0, True),
        (100.0, 200.0, 10.0, False),
        (0.0, 50.0, None, None),
    ],
)
def test_drops_against_before(
    before: float, now: float, interval: float | None, is_met: bool | None
) -> None:
    facts = facts_now()
    drop = DropRate(clean("Stale"), clean("INGRESS"), 1, now, 1)
    facts = replace(facts, metrics=known(facts, AgentMetrics((drop,), interval_seconds=interval)))
    patient = after(facts)
    patient = replace(patient, baseline=replace(patient.baseline, drops_per_second=before))
    assert mark(patient, "drops").mark.is_met is is_met


def test_what_was_not_known_before_is_not_waited_for() -> None:
    patient = after(facts_now())
    blind = replace(patient, baseline=replace(patient.baseline, drops_per_second=None))
    assert mark(blind, "drops").mark.is_met is None
    assert mark(blind, "drops").is_satisfied


def test_error_lines_that_are_new_hold_it_up_until_it_is_quiet() -> None:
    facts = facts_now()
    agent = facts.agent
    assert agent is not None
    now = (agent.started_at or 0.0) + 60.0
    loud = replace(facts, logs=(entry("cannot attach", now - 10.0, agent.container_id),))
    assert mark(after(loud), "log").mark.is_met is False
    quiet = replace(facts, logs=(entry("cannot attach", now - 40.0, agent.container_id),))
    assert mark(after(quiet), "log").mark.is_met is True
    known_before = replace(after(loud).baseline, errors=frozenset({"cannot attach"}))
    assert mark(after(loud, known_before), "log").mark.is_met is True
    old = entry("cannot attach", now - 10.0, ContainerId("old"))
    assert mark(after(replace(facts, logs=(old, *facts.logs))), "log").mark.is_met is True
    assert mark(after(replace(facts, logs=(old,))), "log").mark.is_met is None
    assert mark(after(replace(facts, logs=())), "log").mark.is_met is None
    behind = Baseline(now - 10.0, PodUid("old"), True, 0, 0.0)
    assert mark(after(facts, behind), "log").mark.is_met is None
    assert mark(after(facts, now=(agent.started_at or 0.0) + 5.0), "log").mark.is_met is None
    denied = mark(after(replace(facts, log_error=clean("forbidden"))), "log")
    assert denied.is_satisfied
    assert "forbidden" in denied.mark.text


def test_endpoints_that_cannot_be_asked_hold_up_nothing_and_say_why() -> None:
    facts = facts_now()
    assert not mark(after(facts, unready_endpoints=None), "endpoints").is_satisfied
    blind = after(facts, unready_endpoints=None, endpoints_reason=clean("no right to exec"))
    assert mark(blind, "endpoints").is_satisfied
    assert "no right to exec" in mark(blind, "endpoints").mark.text
    assert mark(after(facts, unready_endpoints=2), "endpoints").mark.is_met is False


def test_endpoints_that_could_be_asked_before_must_be_known() -> None:
    baseline = replace(after(facts_now()).baseline, unready_endpoints=0)
    reason = clean("exit code 1")
    mute = after(facts_now(), baseline, unready_endpoints=None, endpoints_reason=reason)
    assert not mark(mute, "endpoints").is_satisfied


def test_a_baseline_is_what_is_known_and_nothing_else() -> None:
    facts = facts_now()
    found = baseline_of(facts, 5.0, 1)
    assert (found.missing_frontends, found.drops_per_second, found.unready_endpoints) == (0, 0.0, 1)
    blind = baseline_of(replace(facts, services=Reading(), metrics=Reading(), agent=None), 5.0)
    assert (blind.missing_frontends, blind.drops_per_second, blind.pod_uid) == (None, None, None)


def test_a_crash_loop_of_the_old_pod_is_no_crash_of_the_new_one() -> None:
    facts = facts_now()
    assert facts.agent is not None
    crashed = replace(facts, agent=replace(facts.agent, phase=AgentPhase.CRASH_LOOP))
    assert crash_reason(Baseline(0.0, facts.agent.uid), crashed) is None
    assert "starts and crashes" in str(crash_reason(Baseline(0.0, PodUid("old")), crashed))
    twice = replace(facts, agent=replace(facts.agent, restart_count=1))
    assert crash_reason(Baseline(0.0, PodUid("old")), twice) is None


def test_marks_keep_the_moment_since_which_they_are_as_they_are() -> None:
    met = Condition(HealthMark("a", clean("x"), True))
    first = tuple(merged((), [met], 10.0))
    second = tuple(merged(first, [met], 20.0))
    third = tuple(merged(second, [Condition(HealthMark("a", clean("y"), False))], 30.0))
    assert [first[0].at, second[0].at, third[0].at] == [10.0, 10.0, 30.0]


def proxied(coverage: str) -> AgentStatus:
    proxy = KubeProxyReplacement(clean("True"), True, socket_lb_coverage=clean(coverage))
    return replace(OK, kube_proxy_replacement=proxy)


@pytest.mark.parametrize(
    ("value", "coverage", "config", "is_met"),
    [
        ("true", "Hostns-only", {}, True),
        ("true", "Full", {"BPFSocketLBHostnsOnly": "true"}, False),
        ("false", "Full", {}, True),
        ("true", "", {"BPFSocketLBHostnsOnly": "true"}, True),
        ("true", "", {"BPFSocketLBHostnsOnly": "false"}, False),
        ("true", "", {}, None),
        ("true", "Hostns-only", None, None),
    ],
)
def test_coverage_is_the_agents_own_word(
    value: str, coverage: str, config: dict[str, str] | None, is_met: bool | None
) -> None:
    held = None if config is None else EffectiveConfig({k: clean(v) for k, v in config.items()})
    found = list(wanted_marks({"bpf-lb-sock-hostns-only": value}, proxied(coverage), held, ()))
    assert [one.is_met for one in found] == [is_met]


@pytest.mark.parametrize(
    ("sizes", "is_met"),
    [((1024, 1024), True), ((1024, 512), False), ((), None)],
)
def test_a_size_is_what_the_kernels_maps_have(sizes: tuple[int, ...], is_met: bool | None) -> None:
    names = ("cilium_lb4_services_v2", "cilium_lb6_services_v2")
    maps = tuple(
        MapUsage(clean(name), MapKind.HASH, size) for name, size in zip(names, sizes, strict=False)
    )
    found = list(wanted_marks({"bpf-lb-map-max": "1024"}, OK, EffectiveConfig({}), maps))
    assert [one.is_met for one in found] == [is_met]


def test_other_settings_are_asked_of_the_running_configuration() -> None:
    config = EffectiveConfig({"CTMapEntriesGlobalTCP": clean("4096")})
    values = {"bpf-ct-global-tcp-max": "4096", "bpf-nat-global-max": "1"}
    assert [one.is_met for one in wanted_marks(values, OK, config, ())] == [True, None]
