"""`service-map-drift`: what is missing, why on this node, and what helps against that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.check_maps import BACKENDS, SERVICES, a_map
from tests.unit.checks_facts import (
    NOW,
    cluster_facts,
    entry,
    judged,
    known,
    kpr,
    node_facts,
    severity,
    status,
)
from tui.checks.service_map_drift import ABOUT, CHECK
from tui.model.agent import NodePort
from tui.model.findings import FindingSeverity, ProofKind, Verdict
from tui.model.node import AgentPhase
from tui.model.reading import Reading
from tui.model.services import (
    Address,
    FaultKind,
    FrontendFault,
    FrontendKind,
    Service,
    ServiceCoverage,
    ServicePort,
)
from tui.safety import clean

ACTIVE, ARMED, UNKNOWN, LATENT, CLEAR = FindingSeverity
VIP = Address("10.96.255.40", 80, "TCP")
POD = Address("10.0.1.7", 8080, "TCP")


def a_fault(
    service: str = "default/echo",
    kind: FaultKind = FaultKind.MISSING,
    address: Address = VIP,
    **parts: Any,
) -> FrontendFault:
    frontend = parts.pop("frontend_kind", FrontendKind.CLUSTER_IP)
    return FrontendFault(clean(service), address, frontend, kind, **parts)


def a_coverage(*faults: FrontendFault, wanted: int = 32, **parts: Any) -> ServiceCoverage:
    missing = sum(one.fault is FaultKind.MISSING for one in faults)
    whole = ServiceCoverage(wanted, wanted - missing, 95, 64, faults, len(faults))
    return replace(whole, **parts)


def of(coverage: ServiceCoverage | None, **parts: Any) -> list[Verdict]:
    cluster = parts.pop("cluster", None)
    return judged(CHECK, node_facts(coverage=coverage, **parts), cluster)


def missing_16() -> ServiceCoverage:
    names = ["default/echo", *(f"default/load-{number}" for number in range(15))]
    return a_coverage(*(a_fault(name) for name in names))


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        (a_fault(), ACTIVE),
        (a_fault(kind=FaultKind.NO_BACKENDS), ACTIVE),
        (a_fault(kind=FaultKind.WRONG_BACKENDS, surplus_backends=(POD,)), ACTIVE),
        (a_fault(kind=FaultKind.WRONG_AFFINITY), ARMED),
        (a_fault("", FaultKind.SURPLUS), LATENT),
    ],
)
def test_each_fault_has_its_severity(fault: FrontendFault, wanted: FindingSeverity) -> None:
    (verdict,) = of(a_coverage(fault))
    assert verdict.severity is wanted


def test_nothing_wrong_is_clear_with_the_numbers() -> None:
    (verdict,) = of(a_coverage())
    assert verdict.severity is CLEAR
    assert "32 frontends" in verdict.summary


def test_what_is_missing_is_named() -> None:
    (verdict,) = of(missing_16())
    expected = "16 of 32 frontends not programmed: default/echo, default/load-0 +14"
    assert verdict.summary.startswith(expected)
    assert verdict.harm == 16
    assert len(verdict.objects) == 16
    first = verdict.objects[0]
    assert (first.kind, first.namespace, first.name) == ("Service", "default", "echo")
    assert "10.96.255.40:80/TCP missing" in first.detail


def test_faults_of_several_kinds_are_one_finding_with_all_their_harm() -> None:
    (verdict,) = of(
        a_coverage(
            a_fault(),
            a_fault("shop/db", FaultKind.WRONG_BACKENDS, surplus_backends=(POD,)),
            a_fault("shop/web", FaultKind.NO_BACKENDS),
        )
    )
    assert verdict.harm == 3
    for words in ("default/echo", "1 frontend with wrong backends: shop/db", "shop/web"):
        assert words in verdict.summary
    assert any("still has 10.0.1.7:8080/TCP" in one.text for one in verdict.evidence)


def test_surplus_beside_missing_is_a_finding_of_its_own() -> None:
    found = of(a_coverage(a_fault(), a_fault("", FaultKind.SURPLUS)))
    assert [(one.severity, one.group) for one in found] == [(ACTIVE, ""), (LATENT, "surplus")]


def test_a_surplus_port_of_a_service_of_today_is_armed() -> None:
    port = ServicePort(clean("http"), 443, "TCP")
    service = Service(clean("default/echo"), clean("ClusterIP"), ("10.96.255.40",), (port,), (), ())
    cluster = cluster_facts(services=known((service,)))
    (verdict,) = of(a_coverage(a_fault("", FaultKind.SURPLUS)), cluster=cluster)
    assert verdict.severity is ARMED
    assert [str(one) for one in verdict.objects] == ["Service default/echo"]


def test_faults_past_the_limit_are_said_to_be_more() -> None:
    coverage = replace(missing_16(), faults_total=900, held_frontends=0, wanted_frontends=1_000)
    (verdict,) = of(coverage)
    assert "1,000 of 1,000 frontends" in verdict.summary
    assert "only the first 16 faults are listed" in verdict.summary
    assert verdict.harm == 1_000


def test_a_full_map_is_the_cause_and_its_size_the_remedy() -> None:
    maps = (
        a_map(SERVICES, 20),
        a_map(BACKENDS, 64, wanted_entries=95, duplicate_entries=0),
    )
    (verdict,) = of(missing_16(), maps=maps)
    assert f"{BACKENDS} is full: 64 of 64, 95 wanted (see map-pressure)" in verdict.summary
    assert "see map-pressure" in verdict.remedy.now[0]
    assert verdict.remedy.settings[0].value == "256"
    assert any(one.proof is ProofKind.MAP for one in verdict.evidence)


def test_a_leaked_map_points_to_the_leak() -> None:
    maps = (a_map(BACKENDS, 64, wanted_entries=20, duplicate_entries=40),)
    (verdict,) = of(missing_16(), maps=maps)
    assert "see backend-leak" in verdict.summary


def test_a_full_map_of_another_kind_is_no_cause() -> None:
    (verdict,) = of(missing_16(), maps=(a_map("cilium_policy_v2_*", 64),))
    assert "no map is full" in verdict.summary


@pytest.mark.parametrize(
    ("release", "is_known_fault"),
    [("1.18.9", False), ("1.19.0", True), ("1.19.2", True), ("1.19.3", False), (None, False)],
)
def test_stale_backends_after_a_reconnect_by_release(
    release: str | None, is_known_fault: bool
) -> None:
    fault = a_fault("shop/db", FaultKind.WRONG_BACKENDS, surplus_backends=(POD,))
    (verdict,) = of(a_coverage(fault), release=release)
    assert verdict.severity is ACTIVE
    assert ("fixed in 1.19.3" in verdict.summary) is is_known_fault
    assert any("1.19.3" in step for step in verdict.remedy.lasting) is is_known_fault
    assert verdict.remedy.commands == ("kubectl -n kube-system delete pod cilium-node-1",)


def test_a_missing_frontend_of_1_19_0_is_not_the_stale_backends_fault() -> None:
    (verdict,) = of(missing_16(), release="1.19.0")
    assert "1.19.3" not in verdict.summary


@pytest.mark.parametrize(("age", "is_shown"), [(60.0, True), (90_000.0, False)])
def test_updates_that_fail_now_are_the_evidence(age: float, is_shown: bool) -> None:
    line = entry("Updating frontend failed", "no such file", meaning="L6", at=NOW - age)
    line = replace(line, last_time=NOW - age)
    (verdict,) = of(missing_16(), logs=(line,))
    assert ("the log says that updates fail" in verdict.summary) is is_shown
    assert any(one.proof is ProofKind.LOG for one in verdict.evidence) is is_shown


def test_a_node_whose_next_start_breaks_is_not_to_be_restarted() -> None:
    maps = (a_map(BACKENDS, 70, 1_024, wanted_entries=95),)
    running = {"bpf-lb-map-max": "1024"}
    cluster = cluster_facts({"bpf-lb-map-max": "64", "kube-proxy-replacement": "true"})
    (verdict,) = of(missing_16(), maps=maps, config=running, cluster=cluster)
    assert "do NOT restart the agent of node-1" in verdict.remedy.now[0]
    assert "1,024 → 64, 95 wanted" in verdict.remedy.now[0]
    assert verdict.remedy.commands == ()


def test_a_size_that_the_remedy_sets_is_no_reason_against_the_restart() -> None:
    maps = (a_map(BACKENDS, 128, 128, wanted_entries=300),)
    running = {"bpf-lb-map-max": "128"}
    cluster = cluster_facts({"bpf-lb-map-max": "64", "kube-proxy-replacement": "true"})
    (verdict,) = of(missing_16(), maps=maps, config=running, cluster=cluster)
    assert verdict.remedy.settings[0].value == "1024"
    assert not any("do NOT" in step for step in verdict.remedy.now)


def test_an_agent_that_is_down_comes_first() -> None:
    (verdict,) = of(missing_16(), phase=AgentPhase.CRASH_LOOP)
    assert "crash-loop" in verdict.summary
    assert "get the agent running first" in verdict.remedy.now[0]
    assert not any("delete pod" in command for command in verdict.remedy.commands)
    assert any("--previous" in command for command in verdict.remedy.commands)


def test_an_agent_that_has_just_started_may_still_be_writing() -> None:
    facts = node_facts(coverage=missing_16())
    assert facts.agent is not None
    young = replace(facts, agent=replace(facts.agent, started_at=NOW - 20.0))
    assert "started 20 s ago" in judged(CHECK, young)[0].summary


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (Address("10.96.255.40", 80, "TCP"), "curl -m 3 10.96.255.40:80"),
        (Address("fd00::9", 80, "TCP"), "curl -m 3 [fd00::9]:80"),
        (Address("10.96.0.10", 53, "UDP"), "nslookup"),
        (Address("10.96.0.11", 123, "UDP"), ""),
    ],
)
def test_the_effect_is_to_be_tested_by_a_command(address: Address, words: str) -> None:
    (verdict,) = of(a_coverage(a_fault(address=address)))
    test = verdict.remedy.test
    assert words in test
    assert bool(test) is bool(words)
    assert not test or test.startswith("kubectl")


def test_coverage_that_could_not_be_read_is_unknown_with_the_way_to_get_it() -> None:
    denied: Reading[Any] = Reading.denied(clean("may not list endpointslices"))
    facts = replace(node_facts(), services=denied)
    (verdict,) = judged(CHECK, facts, cluster_facts(services=denied))
    assert verdict.severity is UNKNOWN
    assert "may not list endpointslices" in verdict.missing[0].what
    assert "bpftool -j map dump pinned" in verdict.missing[0].how
    assert "kubectl get services" in verdict.missing[1].how


def test_without_a_kube_proxy_replacement_nothing_is_wanted() -> None:
    off = status(kube_proxy_replacement=kpr(is_enabled=False, socket_lb=False))
    assert severity(CHECK, node_facts(state=off)) is CLEAR
    assert of(a_coverage(wanted=0), state=off)[0].severity is CLEAR


OFF = kpr(mode=clean("False"), is_enabled=False, socket_lb=False, node_port=NodePort(False))


@pytest.mark.parametrize(
    ("fault", "proxy", "wanted"),
    [
        (a_fault(), OFF, LATENT),
        (a_fault(kind=FaultKind.NO_BACKENDS), OFF, ACTIVE),
        (a_fault(kind=FaultKind.WRONG_BACKENDS, surplus_backends=(POD,)), OFF, ACTIVE),
        (a_fault(frontend_kind=FrontendKind.NODE_PORT), OFF, ACTIVE),
        (a_fault(), replace(OFF, node_port=NodePort(True)), ACTIVE),
        (a_fault(), replace(OFF, socket_lb=True), ACTIVE),
        (a_fault(), replace(OFF, mode=clean("Partial"), is_enabled=True), ACTIVE),
    ],
)
def test_what_is_missing_beside_kube_proxy_is_translated_by_it(
    fault: FrontendFault, proxy: Any, wanted: FindingSeverity
) -> None:
    """Pods' packets are looked up in the maps, and go on untranslated where they have nothing."""
    (verdict,) = of(a_coverage(fault), state=status(kube_proxy_replacement=proxy))
    assert verdict.severity is wanted
    assert ("kube-proxy translates" in verdict.summary) is (wanted is LATENT)


def test_an_old_reading_keeps_its_faults_and_loses_its_all_is_well() -> None:
    failed: Reading[Any] = Reading.failed(clean("timed out"))
    whole = node_facts(coverage=a_coverage())
    stale = replace(whole, services=failed.keeping(whole.services))
    assert severity(CHECK, stale) is CLEAR
    assert severity(CHECK, stale, now=NOW + 900.0) is UNKNOWN
    broken = node_facts(coverage=missing_16())
    stale = replace(broken, services=failed.keeping(broken.services))
    (verdict,) = judged(CHECK, stale, now=NOW + 900.0)
    assert verdict.severity is ACTIVE
    assert "timed out" in verdict.missing[0].what


def test_a_dump_from_before_the_agents_start_proves_nothing_good() -> None:
    facts = node_facts(coverage=a_coverage())
    assert facts.agent is not None
    restarted = replace(facts, agent=replace(facts.agent, started_at=NOW))
    (verdict,) = judged(CHECK, restarted)
    assert verdict.severity is UNKNOWN
    assert "the agent has started since" in verdict.summary


def test_the_finding_says_all_that_a_person_needs() -> None:
    (verdict,) = of(missing_16())
    counts = verdict.evidence[0]
    assert counts.text == "the kernel holds 16 of 32 frontends and 64 of 95 backends"
    assert (counts.source, counts.proof, counts.key) == (
        "bpftool map dump",
        ProofKind.SERVICE,
        "default/echo",
    )
    assert counts.at == NOW - 5.0
    assert verdict.remedy.needs_restart
    assert "starts no new pods" in verdict.remedy.interrupts
    assert "alone" in verdict.remedy.now[0]
    assert ABOUT.references
