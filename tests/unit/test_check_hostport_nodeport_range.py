from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

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
from tui.checks.hostport_nodeport_range import CHECK, NODE_PORTS
from tui.model.agent import AgentStatus, NodePort
from tui.model.cluster import ClusterFacts
from tui.model.findings import FindingSeverity, ProofKind, Verdict
from tui.model.names import NodeName
from tui.model.reading import Reading
from tui.model.services import Service, ServicePort
from tui.model.workloads import HostPort, Workloads
from tui.safety import CleanText, clean

ACTIVE, ARMED, UNKNOWN, CLEAR = (
    FindingSeverity.ACTIVE,
    FindingSeverity.ARMED,
    FindingSeverity.UNKNOWN,
    FindingSeverity.CLEAR,
)
RELEASES = ["1.11.7", "1.12.10", "1.14.16", "1.17.5", "1.18.6", "1.19.4", "1.20.0-dev"]


def host_port(port: int = 31000, **parts: Any) -> HostPort:
    base = HostPort(
        clean("web/front-1"), NodeName("node-1"), port, workload=clean("DaemonSet/front")
    )
    return replace(base, **parts)


def cluster(*ports: HostPort, node_ports: tuple[int, ...] = (), **parts: Any) -> ClusterFacts:
    services = tuple(
        Service(
            clean(f"default/echo-{port}"),
            clean("NodePort"),
            ("10.96.0.1",),
            (ServicePort(CleanText(""), 80, "TCP", port),),
            (),
            (),
        )
        for port in node_ports
    )
    held = {
        "workloads": known(Workloads(host_ports=ports), "GET /api/v1/pods"),
        "services": known(services, "GET /api/v1/services"),
    }
    return cluster_facts(**(held | parts))


def agent_status(low: int | None = 30000, high: int | None = 32767, **parts: Any) -> AgentStatus:
    node_port = NodePort(is_enabled=True, port_min=low, port_max=high)
    return status(
        kube_proxy_replacement=kpr(**({"node_port": node_port, "host_port": True} | parts))
    )


def of_group(verdicts: list[Verdict], group: str) -> list[Verdict]:
    return [one for one in verdicts if one.group == group]


@pytest.mark.parametrize("release", RELEASES)
def test_a_colliding_host_port_is_active_on_every_release(release: str) -> None:
    facts = node_facts(release, state=agent_status())
    assert severity(CHECK, facts, cluster(host_port())) is ACTIVE


@pytest.mark.parametrize(
    ("port", "expected"),
    [(29999, CLEAR), (30000, ACTIVE), (32767, ACTIVE), (32768, CLEAR), (8080, CLEAR)],
)
def test_both_ends_of_the_range_collide(port: int, expected: FindingSeverity) -> None:
    facts = node_facts(state=agent_status())
    assert severity(CHECK, facts, cluster(host_port(port))) is expected


def test_what_a_person_needs_is_there() -> None:
    facts = node_facts(state=agent_status())
    (verdict,) = judged(CHECK, facts, cluster(host_port(), host_port(31001)))
    assert "31000/TCP, 31001/TCP" in verdict.summary
    assert "30000-32767" in verdict.summary
    assert verdict.group == "DaemonSet/web/front"
    assert verdict.harm == 2
    assert [str(one) for one in verdict.objects] == ["Pod web/front-1"] * 2
    assert verdict.objects[0].detail == "hostPort 31000/TCP"
    pod, _, reach = verdict.evidence
    assert (pod.source, pod.proof, pod.key) == (
        "GET /api/v1/pods",
        ProofKind.OBJECT,
        "Pod/web/front-1",
    )
    assert pod.node_name == "node-1"
    assert (reach.source, reach.text) == ("cilium status -o json", "portMin 30000, portMax 32767")
    (setting,) = verdict.remedy.settings
    assert (setting.key, setting.value) == ("node-port-range", "31002,32767")
    assert setting.helm == "nodePort.range=31002\\,32767"
    assert verdict.remedy.now
    assert verdict.remedy.commands
    assert "restart" in verdict.remedy.interrupts
    assert "nc -vz" in verdict.remedy.test


def test_each_workload_is_a_finding_of_its_own() -> None:
    alone = host_port(30001, pod=clean("web/alone"), workload=CleanText(""))
    verdicts = judged(CHECK, node_facts(state=agent_status()), cluster(host_port(), alone))
    assert {one.group for one in verdicts} == {"DaemonSet/web/front", "Pod/web/alone"}


def test_pods_of_other_nodes_do_not_count() -> None:
    elsewhere = host_port(node_name=NodeName("node-2"))
    assert severity(CHECK, node_facts(state=agent_status()), cluster(elsewhere)) is CLEAR


@pytest.mark.parametrize(
    ("config", "config_map", "expected"),
    [
        (None, {"node-port-range": "20000,22767"}, CLEAR),
        (None, {"node-port-range": "31000-31000"}, ACTIVE),
        (None, {"node-port-range": "gibberish"}, ACTIVE),
        (None, {"node-port-range": "40000,30000"}, ACTIVE),
        ({"NodePortMin": "20000", "NodePortMax": "22767"}, {"node-port-range": "1,65535"}, CLEAR),
        ({"NodePortMin": "30000", "NodePortMax": "32767"}, {"node-port-range": "1,2"}, ACTIVE),
        (None, None, ACTIVE),
    ],
)
def test_without_a_status_the_configuration_tells_the_range(
    config: dict[str, str] | None, config_map: dict[str, str] | None, expected: FindingSeverity
) -> None:
    facts = node_facts(config=config, state=agent_status(None, None))
    known_cluster = cluster(host_port())
    held = cluster_facts(config_map)
    found = replace(known_cluster, config_map=held.config_map)
    assert severity(CHECK, facts, found) is expected


def test_the_agents_own_range_decides_and_not_the_default() -> None:
    facts = node_facts(state=agent_status(20000, 22767))
    assert severity(CHECK, facts, cluster(host_port(20500))) is ACTIVE
    assert severity(CHECK, facts, cluster(host_port(31000))) is CLEAR


def test_host_ports_of_the_portmap_plugin_are_fine() -> None:
    facts = node_facts(state=agent_status(host_port=False))
    verdict = judged(CHECK, facts, cluster(host_port()))[0]
    assert verdict.severity is CLEAR
    assert "portmap" in verdict.summary


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"kube-proxy-replacement": "strict"}, ACTIVE),
        ({"kube-proxy-replacement": "true"}, ACTIVE),
        ({"kube-proxy-replacement": "partial", "enable-host-port": "true"}, ACTIVE),
        ({"kube-proxy-replacement": "partial", "enable-host-port": "false"}, CLEAR),
        ({"kube-proxy-replacement": "false"}, CLEAR),
        ({"kube-proxy-replacement": "partial"}, UNKNOWN),
        ({}, UNKNOWN),
    ],
)
def test_without_a_status_the_configuration_tells_who_handles_host_ports(
    config: dict[str, str], expected: FindingSeverity
) -> None:
    facts = replace(node_facts(config=config or None), status=Reading())
    verdict = judged(CHECK, facts, cluster(host_port()))[0]
    assert verdict.severity is expected
    if expected is UNKNOWN:
        assert "hostPort" in verdict.missing[0].what
        assert "status --verbose -o json" in verdict.missing[0].how


def test_nobody_is_alarmed_where_no_host_port_could_collide() -> None:
    facts = replace(node_facts(), status=Reading())
    assert severity(CHECK, facts, cluster(host_port(8080))) is CLEAR


def test_denied_pods_name_the_missing_right() -> None:
    denied = Reading[Workloads].denied(clean("may not list pods"))
    verdict = judged(CHECK, node_facts(state=agent_status()), cluster(workloads=denied))[0]
    assert verdict.severity is UNKNOWN
    assert "may not list pods" in verdict.missing[0].what
    assert "kubectl auth can-i list pods" in verdict.missing[0].how


@pytest.mark.parametrize("is_previous", [False, True])
def test_a_warning_without_pods_arms_it_unless_it_is_of_the_previous_container(
    is_previous: bool,
) -> None:
    line = "The requested hostPort 31000 is colliding with the configured NodePort range"
    logged = replace(entry(line, meaning="K1"), is_previous=is_previous)
    facts = node_facts(state=agent_status(), logs=(logged,))
    denied = Reading[Workloads].denied(clean("may not list pods"))
    verdict = judged(CHECK, facts, cluster(workloads=denied))[0]
    assert verdict.severity is (UNKNOWN if is_previous else ARMED)
    assert verdict.missing


def test_the_warning_of_that_port_corroborates_in_both_formats() -> None:
    old = entry(
        "The requested hostPort 31000 is colliding with the configured NodePort range"
        " [30000, 32767]. Ignoring.",
        meaning="K1",
    )
    other = entry("The requested hostPort 30999 is colliding", meaning="K1")
    new = entry("The requested hostPort is colliding. Ignoring.", meaning="K1", at=NOW - 5.0)
    new = replace(
        new, line=replace(new.line, fields=((CleanText("hostPort"), CleanText("31000")),))
    )
    facts = node_facts(state=agent_status(), logs=(old, other, new))
    (verdict,) = judged(CHECK, facts, cluster(host_port()))
    logs = [piece for piece in verdict.evidence if piece.proof is ProofKind.LOG]
    assert [piece.at for piece in logs] == [NOW - 5.0, NOW - 60.0]


def test_a_warning_alone_is_no_harm_when_no_pod_has_the_port() -> None:
    logged = entry("The requested hostPort 31000 is colliding", meaning="K1")
    assert severity(CHECK, node_facts(state=agent_status(), logs=(logged,)), cluster()) is CLEAR


def test_node_ports_outside_of_the_agents_range_are_armed() -> None:
    facts = node_facts(state=agent_status())
    verdicts = judged(CHECK, facts, cluster(node_ports=(30100, 28000, 33000)))
    (verdict,) = of_group(verdicts, NODE_PORTS)
    assert verdict.severity is ARMED
    assert verdict.harm == 2
    assert "28000 of default/echo-28000" in verdict.summary
    assert [str(one) for one in verdict.objects] == [
        "Service default/echo-28000",
        "Service default/echo-33000",
    ]
    assert verdict.remedy.settings[0].value == "28000,33000"
    assert verdict.remedy.needs_restart is True
    assert verdict.evidence[1].key == "default/echo-28000"


@pytest.mark.parametrize("ports", [(), (30000,), (32767,)])
def test_node_ports_inside_of_the_range_are_no_finding(ports: tuple[int, ...]) -> None:
    verdicts = judged(CHECK, node_facts(state=agent_status()), cluster(node_ports=ports))
    assert [one.severity for one in verdicts] == [CLEAR]


def test_kube_proxy_serves_node_ports_where_cilium_does_not() -> None:
    off = NodePort(is_enabled=False, port_min=30000, port_max=32767)
    facts = node_facts(state=agent_status(node_port=off))
    assert not of_group(judged(CHECK, facts, cluster(node_ports=(28000,))), NODE_PORTS)


def test_denied_services_are_unknown_and_named() -> None:
    denied = Reading[tuple[Service, ...]].denied(clean("may not list services"))
    verdicts = judged(CHECK, node_facts(state=agent_status()), cluster(services=denied))
    (verdict,) = of_group(verdicts, NODE_PORTS)
    assert verdict.severity is UNKNOWN
    assert "list services" in verdict.missing[0].how
