from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.checks_facts import (
    cluster_facts,
    entry,
    feature,
    judged,
    known,
    kpr,
    node_facts,
    severity,
    status,
)
from tui.checks.netns_cookies import CHECK, HOSTNS_ONLY
from tui.model.agent import NodePort
from tui.model.cluster import ClusterFacts
from tui.model.features import FeatureState
from tui.model.findings import FindingSeverity, ProofKind
from tui.model.names import NodeName
from tui.model.reading import Reading
from tui.model.services import Service, ServicePort
from tui.model.workloads import HostPort, Workloads
from tui.safety import CleanText, clean

ACTIVE, ARMED, UNKNOWN, LATENT, CLEAR = (
    FindingSeverity.ACTIVE,
    FindingSeverity.ARMED,
    FindingSeverity.UNKNOWN,
    FindingSeverity.LATENT,
    FindingSeverity.CLEAR,
)
OLD, NEW, RHEL = "5.4.0-90-generic", "5.7.0-1-generic", "4.18.0-553.el8_10.x86_64"
K6 = entry("Session affinity for host reachable services needs kernel 5.7.0", meaning="K6")
K7 = entry("Without network namespace cookie lookup functionality", meaning="K7")


def service(kind: str = "NodePort", name: str = "default/web") -> Service:
    port = ServicePort(CleanText(""), 80, "TCP", 30080)
    return Service(clean(name), clean(kind), ("10.96.0.1",), (port,), (), ())


def cluster(*services: Service, ports: tuple[HostPort, ...] = (), **parts: Any) -> ClusterFacts:
    held = {
        "services": known(services, "GET /api/v1/services"),
        "workloads": known(Workloads(host_ports=ports), "GET /api/v1/pods"),
    }
    return cluster_facts(**(held | parts))


@pytest.mark.parametrize(
    ("release", "kernel", "expected"),
    [
        ("1.11.7", OLD, ARMED),
        ("1.17.14", OLD, ARMED),
        ("1.18.0", OLD, CLEAR),
        ("1.18.0-pre.1", OLD, CLEAR),
        ("1.17.14", "5.6.19", ARMED),
        ("1.17.14", NEW, CLEAR),
        ("1.17.14", RHEL, UNKNOWN),
        ("1.18.0", RHEL, CLEAR),
        ("1.17.14", "", UNKNOWN),
        (None, OLD, UNKNOWN),
        (None, NEW, CLEAR),
    ],
)
def test_release_and_kernel_decide(
    release: str | None, kernel: str, expected: FindingSeverity
) -> None:
    verdict = judged(CHECK, node_facts(release, kernel), cluster(service()))[0]
    assert verdict.severity is expected
    if expected is UNKNOWN:
        assert verdict.missing
        assert all(piece.how for piece in verdict.missing)


@pytest.mark.parametrize(
    ("state", "expected"),
    [(FeatureState.YES, CLEAR), (FeatureState.NO, ARMED), (FeatureState.UNKNOWN, UNKNOWN)],
)
def test_a_back_port_is_told_by_the_feature(state: FeatureState, expected: FindingSeverity) -> None:
    facts = node_facts("1.16.3", RHEL, features=(feature("netns-cookie", state),))
    assert severity(CHECK, facts, cluster(service())) is expected


def test_the_agents_own_warning_is_definitive() -> None:
    has_it = (feature("netns-cookie", FeatureState.YES),)
    facts = node_facts("1.16.3", NEW, features=has_it, logs=(K6,))
    verdict = judged(CHECK, facts, cluster(service()))[0]
    assert verdict.severity is ARMED
    assert verdict.evidence[0].proof is ProofKind.LOG
    before = replace(K6, is_previous=True)
    facts = node_facts("1.16.3", NEW, features=has_it, logs=(before,))
    assert severity(CHECK, facts, cluster(service())) is CLEAR


def test_no_socket_load_balancing_no_harm() -> None:
    off = status(kube_proxy_replacement=kpr(socket_lb=False))
    (verdict,) = judged(CHECK, node_facts("1.16.3", OLD, state=off), cluster(service()))
    assert verdict.severity is CLEAR
    assert verdict.summary == "socket load balancing is off"


def test_unknown_socket_load_balancing_is_unknown() -> None:
    facts = replace(node_facts("1.16.3", OLD), status=Reading())
    (verdict,) = judged(CHECK, facts, cluster(service()))
    assert verdict.severity is UNKNOWN
    assert "socket load balancing" in verdict.missing[0].what


@pytest.mark.parametrize(
    ("kind", "expected"), [("NodePort", ARMED), ("LoadBalancer", ARMED), ("ClusterIP", LATENT)]
)
def test_a_service_with_a_port_on_the_nodes_arms_it(kind: str, expected: FindingSeverity) -> None:
    assert severity(CHECK, node_facts("1.16.3", OLD), cluster(service(kind))) is expected


def test_a_host_port_of_this_node_arms_it() -> None:
    port = HostPort(clean("web/front-1"), NodeName("node-1"), 443)
    facts = node_facts("1.16.3", OLD)
    assert severity(CHECK, facts, cluster(ports=(port,))) is ARMED
    elsewhere = replace(port, node_name=NodeName("node-2"))
    assert severity(CHECK, facts, cluster(ports=(elsewhere,))) is LATENT


def test_kube_proxys_node_ports_and_portmaps_host_ports_do_not_count() -> None:
    off = kpr(node_port=NodePort(is_enabled=False), host_port=False)
    facts = node_facts("1.16.3", OLD, state=status(kube_proxy_replacement=off))
    port = HostPort(clean("web/front-1"), NodeName("node-1"), 443)
    assert severity(CHECK, facts, cluster(service(), ports=(port,))) is LATENT


@pytest.mark.parametrize("field", ["services", "workloads"])
def test_consumers_that_may_not_be_listed_are_named(field: str) -> None:
    denied = Reading[Any].denied(clean("may not list it"))
    parts: dict[str, Any] = {field: denied}
    (verdict,) = judged(CHECK, node_facts("1.16.3", OLD), replace(cluster(), **parts))
    assert verdict.severity is UNKNOWN
    assert "may not list it" in verdict.missing[0].what
    assert "kubectl auth can-i list" in verdict.missing[0].how


def test_what_a_person_needs_is_there() -> None:
    facts = node_facts("1.16.3", OLD)
    (verdict,) = judged(CHECK, facts, cluster(service(), service("LoadBalancer", "default/lb")))
    assert "2 Services and 0 hostPorts" in verdict.summary
    assert "Service default/web" in verdict.summary
    assert OLD in verdict.summary
    assert verdict.harm == 2
    assert verdict.objects[0].detail == "NodePort 30080"
    assert verdict.evidence[0].text == f"kernel {OLD}"
    assert verdict.evidence[0].source == "GET /api/v1/nodes"
    assert "kubectl drain node-1" in verdict.remedy.commands[0]
    assert verdict.remedy.now
    assert verdict.remedy.interrupts
    assert "127.0.0.1" in verdict.remedy.test


@pytest.mark.parametrize(
    ("config_map", "coverage", "is_logged", "expected"),
    [
        ({}, "Full", False, None),
        ({}, "Full", True, ACTIVE),
        ({HOSTNS_ONLY: "true"}, "Full", True, ACTIVE),
        ({HOSTNS_ONLY: "true"}, "Full", False, ARMED),
        ({HOSTNS_ONLY: "true"}, "", False, None),
        ({HOSTNS_ONLY: "true"}, "Hostns-only", False, None),
        ({HOSTNS_ONLY: "false"}, "Full", False, None),
    ],
)
def test_hostns_only_that_was_turned_off_is_active(
    config_map: dict[str, str], coverage: str, is_logged: bool, expected: FindingSeverity | None
) -> None:
    state = status(kube_proxy_replacement=kpr(socket_lb_coverage=clean(coverage)))
    facts = node_facts("1.16.3", OLD, state=state, logs=(K7,) if is_logged else ())
    held = cluster_facts(config_map).config_map
    verdicts = judged(CHECK, facts, replace(cluster(service()), config_map=held))
    found = [one for one in verdicts if one.group == HOSTNS_ONLY]
    assert [one.severity for one in found] == ([expected] if expected else [])
    for verdict in found:
        assert "Socket LB Coverage" in verdict.remedy.test
        assert verdict.remedy.now
        assert any(piece.text.endswith("on Full") for piece in verdict.evidence)


def test_hostns_only_in_force_on_a_new_kernel_is_fine() -> None:
    state = status(kube_proxy_replacement=kpr(socket_lb_coverage=clean("Full")))
    held = cluster_facts({HOSTNS_ONLY: "true"}).config_map
    verdicts = judged(
        CHECK, node_facts("1.16.3", NEW, state=state), replace(cluster(), config_map=held)
    )
    assert [one.severity for one in verdicts] == [CLEAR]
