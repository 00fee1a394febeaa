"""`masquerade-port-collision`: where BPF NodePort and iptables masquerading meet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.checks_facts import cluster_facts, judged, known, kpr, node_facts, severity, status
from tui.checks.masquerade_port_collision import ABOUT, CHECK
from tui.model.agent import AgentMetrics, DropRate, NodePort
from tui.model.findings import FindingSeverity
from tui.model.reading import Reading
from tui.model.services import Service, ServicePort
from tui.safety import clean

SNAT = NodePort(is_enabled=True, mode=clean("SNAT"), port_min=30_000, port_max=32_767)
OFF = NodePort(is_enabled=False)


def a_service(kind: str = "ClusterIP", node_port: int | None = None) -> Service:
    port = ServicePort(clean("http"), 80, "TCP", node_port)
    return Service(clean("shop/web"), clean(kind), ("10.96.0.9",), (port,), (), ())


def facts(masquerading: str, node_port: NodePort | None = SNAT, **parts: Any) -> Any:
    state = status(
        masquerading=clean(masquerading), kube_proxy_replacement=kpr(node_port=node_port)
    )
    return node_facts(state=state, **parts)


def services(*found: Service) -> Any:
    return cluster_facts(services=known(found, "GET /api/v1/services"))


@pytest.mark.parametrize(
    ("masquerading", "node_port", "service", "wanted"),
    [
        ("BPF", SNAT, a_service("NodePort", 30_080), FindingSeverity.CLEAR),
        ("Disabled", SNAT, a_service("NodePort", 30_080), FindingSeverity.CLEAR),
        ("iptables", OFF, a_service("NodePort", 30_080), FindingSeverity.CLEAR),
        ("IPTables", SNAT, a_service("NodePort", 30_080), FindingSeverity.LATENT),
        ("iptables", SNAT, a_service("LoadBalancer"), FindingSeverity.LATENT),
        ("iptables", SNAT, a_service(), FindingSeverity.LATENT),
        (
            "iptables",
            replace(SNAT, mode=clean("DSR")),
            a_service("NodePort", 30_080),
            FindingSeverity.LATENT,
        ),
        (
            "iptables",
            replace(SNAT, mode=clean("Hybrid")),
            a_service("NodePort", 30_080),
            FindingSeverity.LATENT,
        ),
    ],
)
def test_both_must_be_at_work(
    masquerading: str, node_port: NodePort, service: Service, wanted: FindingSeverity
) -> None:
    assert severity(CHECK, facts(masquerading, node_port), services(service)) is wanted


def test_external_ips_use_it_too() -> None:
    service = replace(a_service(), external_ips=("192.0.2.1",))
    (verdict,) = judged(CHECK, facts("iptables"), services(service))
    assert verdict.severity is FindingSeverity.LATENT
    assert "1 Service with a NodePort, LoadBalancer or external IP" in verdict.summary


@pytest.mark.parametrize(
    ("reason", "packets", "wanted"),
    [
        ("No mapping for NAT masquerade", 12, FindingSeverity.ARMED),
        ("No mapping for NAT masquerade", 0, FindingSeverity.LATENT),
        ("Policy denied", 12, FindingSeverity.LATENT),
    ],
)
def test_ports_that_run_out_arm_it(reason: str, packets: int, wanted: FindingSeverity) -> None:
    drop = DropRate(clean(reason), clean("EGRESS"), packets, packets / 10, 1_000)
    node = replace(facts("iptables"), metrics=known(AgentMetrics((drop,)), "metrics"))
    (verdict,) = judged(CHECK, node, services(a_service("NodePort", 30_080)))
    assert verdict.severity is wanted
    if wanted is FindingSeverity.ARMED:
        assert any(reason in piece.text for piece in verdict.evidence)


def test_services_that_cannot_be_read_are_named_as_missing() -> None:
    denied = cluster_facts(services=Reading.denied(clean("may not list services")))
    (verdict,) = judged(CHECK, facts("iptables"), denied)
    assert verdict.severity is FindingSeverity.LATENT
    assert "may not list services" in verdict.missing[0].what


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"EnableBPFMasquerade": "true"}, FindingSeverity.CLEAR),
        ({"EnableIPv4Masquerade": "false"}, FindingSeverity.CLEAR),
        ({"EnableBPFMasquerade": "false"}, FindingSeverity.LATENT),
        ({}, FindingSeverity.UNKNOWN),
    ],
)
def test_without_a_word_in_the_status_the_configuration_tells(
    config: dict[str, str], wanted: FindingSeverity
) -> None:
    node = facts("", config=config)
    assert severity(CHECK, node, services(a_service("NodePort", 30_080))) is wanted


def test_unknown_names_what_is_missing_and_how_to_get_it() -> None:
    (verdict,) = judged(CHECK, replace(facts(""), status=Reading()))
    assert verdict.severity is FindingSeverity.UNKNOWN
    assert "status -o json" in verdict.missing[0].how


@pytest.mark.parametrize(
    ("high", "protects", "is_found"),
    [(40_000, "false", True), (40_000, "true", False), (32_767, "false", False)],
)
def test_a_range_in_the_ephemeral_ports_that_nobody_reserves(
    high: int, protects: str, is_found: bool
) -> None:
    node = facts(
        "BPF",
        replace(SNAT, port_max=high),
        config={"enable-auto-protect-node-port-range": protects},
    )
    found = [one for one in judged(CHECK, node) if one.group == "node-port-range"]
    assert bool(found) is is_found
    if found:
        # Such an agent ends at its start where the two do overlap: this one runs.
        assert found[0].severity is FindingSeverity.LATENT
        assert "started with it" in found[0].summary
        assert f"30000-{high}" in found[0].summary
        assert "ip_local_port_range" in found[0].missing[0].how


@pytest.mark.parametrize(("running", "severity"), [("true", "ARMED"), ("false", "LATENT")])
def test_a_range_that_is_not_protected_from_the_next_start_on_is_armed(
    running: str, severity: str
) -> None:
    key = "enable-auto-protect-node-port-range"
    node = facts("BPF", replace(SNAT, port_max=40_000), config={key: running})
    judgement = judged(CHECK, node, cluster_facts({key: "false"}))
    found = [one for one in judgement if one.group == "node-port-range"]
    assert [one.severity.value for one in found] == [severity]


def test_the_finding_says_all_that_a_person_needs() -> None:
    cluster = services(a_service("NodePort", 30_080), replace(a_service(), name=clean("shop/db")))
    (verdict,) = judged(CHECK, facts("iptables"), cluster)
    assert [str(one) for one in verdict.objects] == ["Service shop/web"]
    assert verdict.objects[0].detail == "NodePort 30080"
    assert {one.source for one in verdict.evidence} == {
        "cilium status -o json",
        "GET /api/v1/services",
    }
    assert all(one.at for one in verdict.evidence)
    assert ABOUT.remedy.settings[0].helm == "bpf.masquerade=true"
    assert ABOUT.remedy.needs_restart
    assert ABOUT.remedy.interrupts
    assert "cilium/cilium#23604" in ABOUT.references
