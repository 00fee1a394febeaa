"""sctp-service: which SCTP Services can't work, on which release."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.checks_facts import (
    NOW,
    cluster_facts,
    judged,
    known,
    kpr,
    node_facts,
    severity,
    status,
    texts,
)
from tui.checks.sctp_service import CHECK
from tui.checks.view import ClusterView
from tui.model.agent import AgentMetrics, DropRate, NodePort
from tui.model.cluster import CiliumDaemonSet, CiliumNodeConfig, ClusterFacts
from tui.model.findings import FindingSeverity, Verdict
from tui.model.names import NodeName
from tui.model.reading import Reading
from tui.model.services import Service, ServicePort
from tui.model.workloads import HostPort, Workloads
from tui.safety import clean

ACTIVE, UNKNOWN, CLEAR = FindingSeverity.ACTIVE, FindingSeverity.UNKNOWN, FindingSeverity.CLEAR
ON = {"enable-sctp": "true"}


def port(number: int = 9100, target: str = "", protocol: str = "SCTP", **parts: Any) -> ServicePort:
    return ServicePort(clean("p"), number, protocol, target_port=clean(target), **parts)


def service(*ports: ServicePort, type_: str = "ClusterIP", **parts: Any) -> Service:
    return Service(
        clean("core/amf"), clean(type_), ("10.96.0.9",), ports or (port(),), (), (), **parts
    )


def cluster(*services: Service, config: dict[str, str] | None = None, **parts: Any) -> ClusterFacts:
    return cluster_facts(config, services=known(services, "GET /api/v1/services"), **parts)


@pytest.mark.parametrize(
    ("release", "config", "expected"),
    [
        ("1.11.7", {}, ACTIVE),
        ("1.12.19", ON, ACTIVE),
        ("1.13.0", {}, ACTIVE),
        ("1.13.0", {"enable-sctp": "false"}, ACTIVE),
        ("1.13.0", {"EnableSCTP": "false"}, ACTIVE),
        ("1.13.0", ON, CLEAR),
        ("1.17.5", {"EnableSCTP": "true"}, CLEAR),
        ("1.20.0-dev", ON, CLEAR),
        (None, {}, UNKNOWN),
    ],
)
def test_support_depends_on_release_and_option(
    release: str | None, config: dict[str, str], expected: FindingSeverity
) -> None:
    assert severity(CHECK, node_facts(release, config=config), cluster(service())) is expected


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (service(port(9100, "9100")), CLEAR),
        (service(port(9100, "9200")), ACTIVE),
        (service(port(9100, "s1", backend_ports=(9200,))), ACTIVE),
        (service(port(9100, "s1", backend_ports=(9100, 9200))), ACTIVE),
        (service(port(9100, "s1", backend_ports=(9100,))), CLEAR),
        (service(port(9100, "s1")), UNKNOWN),
        (service(port(9100, "", backend_ports=(9200,)), has_selector=False), ACTIVE),
        (service(port(node_port=30100), type_="NodePort"), ACTIVE),
        (service(type_="LoadBalancer"), ACTIVE),
        (service(port(9100, "9200"), is_headless=True), CLEAR),
        (service(port(9100, "9200", "TCP")), CLEAR),
        (service(port(53, "53", "TCP"), port(9100, "9200", "SCTP")), ACTIVE),
    ],
)
def test_no_port_is_rewritten(one: Service, expected: FindingSeverity) -> None:
    assert severity(CHECK, node_facts(config=ON), cluster(one)) is expected


def test_kube_proxy_serves_node_ports_where_the_replacement_does_not() -> None:
    state = status(kube_proxy_replacement=kpr(is_enabled=False))
    partial = status(kube_proxy_replacement=kpr(node_port=NodePort(is_enabled=False)))
    one = cluster(service(port(node_port=30100), type_="NodePort"))
    assert severity(CHECK, node_facts(config=ON, state=state), one) is CLEAR
    assert severity(CHECK, node_facts(config=ON, state=partial), one) is CLEAR
    rewritten = cluster(service(port(9100, "9200")))
    assert severity(CHECK, node_facts(config=ON, state=state), rewritten) is ACTIVE


def of_cluster(facts: ClusterFacts) -> list[Verdict]:
    assert CHECK.judge_cluster is not None
    return list(CHECK.judge_cluster(ClusterView(facts, NOW)))


@pytest.mark.parametrize(
    ("one", "config", "works"),
    [
        (service(), {}, False),
        (service(), {"enable-sctp": "false"}, False),
        (service(), ON, True),
        (service(port(9100, "9200")), ON, False),
        (service(port(9100, "9200"), is_headless=True), {}, True),
        (service(port(9100), type_="ExternalName"), {}, True),
        (service(port(node_port=30100), type_="NodePort"), ON, True),
        (
            service(port(node_port=30100), type_="NodePort"),
            ON | {"kube-proxy-replacement": "true"},
            False,
        ),
    ],
)
def test_what_no_node_can_serve_is_told_once_for_the_cluster(
    one: Service, config: dict[str, str], works: bool
) -> None:
    facts = cluster(one, config=config)
    assert [verdict.severity for verdict in of_cluster(facts)] == ([] if works else [ACTIVE])
    if works:
        return
    for release in ("1.12.19", "1.17.5", None):
        (verdict,) = judged(CHECK, node_facts(release, config={}), facts)
        assert verdict.severity is CLEAR
        assert "the cluster's finding tells of" in verdict.summary


def test_without_the_config_map_each_node_is_judged() -> None:
    assert of_cluster(cluster(service())) == []
    assert severity(CHECK, node_facts(config={}), cluster(service())) is ACTIVE
    assert of_cluster(cluster_facts({}, services=Reading())) == []


def test_where_another_layer_sets_the_option_each_node_is_judged() -> None:
    nodes = CiliumNodeConfig(clean("sctp"), clean("kube-system"), values=texts(ON))
    flags = CiliumDaemonSet(
        clean("cilium"), clean("kube-system"), args=(clean("--enable-sctp=true"),)
    )
    for parts in ({"node_configs": known((nodes,))}, {"daemonsets": known((flags,))}):
        facts = cluster(service(), config={}, **parts)
        assert of_cluster(facts) == []
        assert severity(CHECK, node_facts(config=ON), facts) is CLEAR
        assert severity(CHECK, node_facts(config={}), facts) is ACTIVE


def test_a_node_that_differs_from_the_cluster_is_judged_by_its_own() -> None:
    off = cluster(service(port(9100)), config={})
    assert severity(CHECK, node_facts(config=ON), off) is CLEAR
    off = cluster(service(port(9100, "9200")), config={})
    assert severity(CHECK, node_facts(config=ON), off) is ACTIVE
    on = cluster(service(port(9100)), config=ON)
    assert severity(CHECK, node_facts("1.12.19", config={}), on) is ACTIVE
    assert severity(CHECK, node_facts("1.13.0", config={"EnableSCTP": "false"}), on) is ACTIVE
    # A second port that the cluster's finding does not tell of.
    both = cluster(service(port(9100, "9200"), port(9300)), config=ON)
    (verdict,) = judged(CHECK, node_facts("1.12.19", config={}), both)
    assert [one.detail for one in verdict.objects] == ["port 9300/SCTP"]


@pytest.mark.parametrize(
    ("image", "helm"),
    [("quay.io/cilium/cilium:v1.12.4", False), ("quay.io/cilium/cilium:v1.17.5", True)],
)
def test_the_clusters_finding_says_all_that_is_needed(image: str, helm: bool) -> None:
    sets = (CiliumDaemonSet(clean("cilium"), clean("kube-system"), image=clean(image)),)
    (verdict,) = of_cluster(cluster(service(), config={}, daemonsets=known(sets)))
    assert (verdict.node_uid, verdict.group) == (None, "all nodes")
    assert verdict.summary == (
        "1 SCTP port of Services (core/amf) that can't work on any node: enable-sctp is off"
    )
    assert [one.text for one in verdict.evidence] == [
        "enable-sctp is not set: the default is false (ConfigMap)",
        "core/amf ClusterIP: port 9100/SCTP, targetPort 9100, endpoints' ports: none",
    ]
    assert verdict.objects[0].detail == "port 9100/SCTP"
    commands = " | ".join(verdict.remedy.commands)
    assert ("--version 1.17.5 --set sctp.enabled=true" in commands) is helm
    assert ("rollout restart daemonset/cilium" in commands) is helm
    assert any("upgrade" in one for one in verdict.remedy.lasting) is not helm
    assert "hostNetwork" in verdict.remedy.now[0]


@pytest.mark.parametrize(("release", "expected"), [("1.17.5", ACTIVE), ("1.18.0", UNKNOWN)])
def test_an_option_the_agent_does_not_print_is_unknown_from_1_18(
    release: str, expected: FindingSeverity
) -> None:
    facts = node_facts(release, config={"Debug": "false"})
    assert severity(CHECK, facts, cluster(service())) is expected
    (verdict,) = of_cluster(cluster(service(), config={"debug": "false"}))
    assert verdict.severity is ACTIVE


def test_nothing_is_known_without_services() -> None:
    refused = Reading[Any].denied(clean("services: list is denied"))
    (verdict,) = judged(CHECK, node_facts(), cluster_facts(services=refused))
    assert verdict.severity is UNKNOWN
    assert "denied" in verdict.missing[0].what


def test_host_ports_over_sctp_count_where_sctp_is_off() -> None:
    pods = Workloads(host_ports=(HostPort(clean("core/amf-0"), NodeName("node-1"), 38412, "SCTP"),))
    facts = cluster(workloads=known(pods))
    (verdict,) = judged(CHECK, node_facts(config={}), facts)
    assert verdict.severity is ACTIVE
    assert str(verdict.objects[0]) == "Pod core/amf-0"
    assert severity(CHECK, node_facts(config=ON), facts) is CLEAR
    assert severity(CHECK, node_facts(config={}, name="node-2"), facts) is CLEAR


def drop(reason: str, packets: int) -> DropRate:
    return DropRate(clean(reason), clean("EGRESS"), packets, packets / 5, 1000)


@pytest.mark.parametrize(("packets", "expected"), [(10, ACTIVE), (0, CLEAR)])
def test_only_drops_of_now_prove_that_masquerading_fails(
    packets: int, expected: FindingSeverity
) -> None:
    metrics = AgentMetrics((drop("Unsupported protocol for NAT masquerade", packets),))
    facts = replace(node_facts(config=ON), metrics=known(metrics, "cilium metrics list"))
    assert severity(CHECK, facts, cluster(service())) is expected
    assert severity(CHECK, facts, cluster()) is CLEAR


def test_a_person_is_told_all_that_is_needed() -> None:
    metrics = AgentMetrics((drop("CT: Unknown L4 protocol", 50),))
    facts = replace(node_facts(config={}), metrics=known(metrics, "cilium metrics list"))
    (verdict,) = judged(CHECK, facts, cluster(service()))
    assert "core/amf" in verdict.summary
    assert verdict.objects[0].detail == "port 9100/SCTP"
    texts = " | ".join(piece.text for piece in verdict.evidence)
    assert "enable-sctp is not set" in texts
    assert "port 9100/SCTP, targetPort 9100" in texts
    assert "CT: Unknown L4 protocol (EGRESS): 10.0/s" in texts
    remedy = verdict.remedy
    assert remedy.settings[0].helm == "sctp.enabled=true"
    assert "kubectl -n kube-system rollout restart daemonset/cilium" in remedy.commands
    assert remedy.needs_restart
    assert remedy.interrupts
    assert remedy.test
