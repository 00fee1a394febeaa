"""dsr-tcp-fastopen: DSR in front of servers that accept TCP Fast Open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.checks_facts import (
    cluster_facts,
    feature,
    judged,
    known,
    kpr,
    node_facts,
    severity,
    status,
)
from tui.checks.dsr_tcp_fastopen import CHECK
from tui.model.agent import AgentStatus, NodePort
from tui.model.cluster import ClusterFacts
from tui.model.features import FeatureState
from tui.model.findings import FindingSeverity
from tui.model.host import HostClients
from tui.model.names import NodeName
from tui.model.reading import Reading
from tui.model.services import Address, Service, ServicePort
from tui.model.snapshot import NodeFacts
from tui.model.workloads import FastOpenPod, Workloads
from tui.safety import CleanText, clean

ACTIVE, ARMED, UNKNOWN, LATENT, CLEAR = FindingSeverity
NODE_IP, POD_IP = "192.0.2.7", "10.0.1.7"


def proxy(mode: str = "DSR", **parts: Any) -> AgentStatus:
    return status(
        kube_proxy_replacement=kpr(
            node_port=NodePort(is_enabled=True, mode=CleanText(mode)), **parts
        )
    )


def node(value: int | None = 3, grown: int = 0, release: str = "1.17.5", **parts: Any) -> NodeFacts:
    held = HostClients(tcp_fastopen=value, fastopen_passive=12, fastopen_growth=grown)
    state = parts.pop("state", None) or proxy()
    facts = node_facts(release, state=state, clients=held, **parts)
    return replace(facts, node=replace(facts.node, internal_ip=clean(NODE_IP)))


def service(backend: str = NODE_IP, kind: str = "NodePort", **parts: Any) -> Service:
    base = Service(
        clean("shop/web"),
        clean(kind),
        ("10.96.0.8",),
        (ServicePort(clean("http"), 80, "TCP", 30080),),
        (),
        (Address(backend, 8080, "TCP"),),
        selector=(("app", "web"),),
    )
    return replace(base, **parts)


def cluster(*services: Service, config: dict[str, str] | None = None, **parts: Any) -> ClusterFacts:
    base: dict[str, Any] = {
        "services": known(services, "GET /api/v1/services"),
        "workloads": known(Workloads(), "GET /api/v1/pods"),
    }
    return cluster_facts({} if config is None else config, **(base | parts))


@pytest.mark.parametrize(
    ("value", "grown", "expected"),
    [
        (0, 0, CLEAR),
        (1, 9, CLEAR),
        (2, 0, ARMED),
        (3, 0, ARMED),
        (3, 12, ACTIVE),
        (0x403, 0, ARMED),
        (None, 0, UNKNOWN),
    ],
)
def test_only_the_server_bit_counts(
    value: int | None, grown: int, expected: FindingSeverity
) -> None:
    assert severity(CHECK, node(value, grown), cluster(service())) is expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("DSR", ARMED), ("Hybrid", ARMED), ("dsr", ARMED), ("SNAT", CLEAR)],
)
@pytest.mark.parametrize("release", ["1.11.7", "1.16.0", "1.20.0-dev"])
def test_the_mode_that_runs_decides_on_every_release(
    release: str, mode: str, expected: FindingSeverity
) -> None:
    assert severity(CHECK, node(release=release, state=proxy(mode)), cluster(service())) is expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"bpf-lb-mode": "dsr"}, ARMED),
        ({"node-port-mode": "hybrid"}, ARMED),
        ({"bpf-lb-mode": "snat"}, CLEAR),
        ({"debug": "false"}, CLEAR),
        (None, UNKNOWN),
    ],
)
def test_without_a_status_the_configuration_tells_the_mode(
    config: dict[str, str] | None, expected: FindingSeverity
) -> None:
    facts = replace(node(), status=Reading.unknown(clean("the agent does not answer")))
    held = replace(cluster(service()), config_map=cluster_facts(config).config_map)
    assert severity(CHECK, facts, held) is expected


def test_node_ports_that_are_not_ciliums_are_clear() -> None:
    off = status(kube_proxy_replacement=kpr(is_enabled=False, socket_lb=False))
    none = status(kube_proxy_replacement=kpr(node_port=NodePort(is_enabled=False)))
    for state in (off, none):
        assert severity(CHECK, node(state=state), cluster(service())) is CLEAR


@pytest.mark.parametrize(
    ("release", "flag", "mode", "asked", "expected"),
    [
        ("1.17.5", "true", "SNAT", "dsr", ARMED),
        ("1.17.5", "true", "SNAT", "", CLEAR),
        ("1.17.5", "false", "SNAT", "dsr", CLEAR),
        ("1.17.5", "true", "DSR", "snat", LATENT),
        ("1.17.5", "false", "DSR", "snat", ARMED),
        ("1.16.3", "true", "SNAT", "dsr", CLEAR),
    ],
)
def test_services_choose_their_mode_from_1_17_on(
    release: str, flag: str, mode: str, asked: str, expected: FindingSeverity
) -> None:
    one = service(forwarding_mode=clean(asked))
    held = cluster(one, config={"bpf-lb-mode-annotation": flag})
    assert severity(CHECK, node(release=release, state=proxy(mode)), held) is expected


def test_the_running_option_is_found_by_its_go_name() -> None:
    one = service(forwarding_mode=clean("dsr"))
    facts = node(state=proxy("SNAT"), config={"LoadBalancerModeAnnotation": "true"})
    assert severity(CHECK, facts, replace(cluster(one), config_map=Reading())) is ARMED
    facts = node(state=proxy("SNAT"), config={"Debug": "false"})
    denied = replace(cluster(one), config_map=Reading())
    assert severity(CHECK, facts, denied) is UNKNOWN
    assert severity(CHECK, facts, replace(cluster(service()), config_map=Reading())) is CLEAR


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (service(), ARMED),
        (service(kind="LoadBalancer"), ARMED),
        (service(kind="ClusterIP", external_ips=("198.51.100.1",)), ARMED),
        (service(kind="ClusterIP", ports=(ServicePort(clean("http"), 80, "TCP"),)), LATENT),
        (service(is_external_local=True), LATENT),
        (service(kind="LoadBalancer", is_external_local=True), LATENT),
        (service(POD_IP), LATENT),
        (service("192.0.2.8"), LATENT),
        (service(ports=(ServicePort(clean("dns"), 53, "UDP", 30053),)), LATENT),
    ],
)
def test_a_backend_of_an_exposed_service_must_be_in_that_namespace(
    one: Service, expected: FindingSeverity
) -> None:
    assert severity(CHECK, node(), cluster(one)) is expected


def pod(value: str = "3", node_name: str = "node-1", **labels: str) -> FastOpenPod:
    held = tuple(sorted((labels or {"app": "web", "rev": "2"}).items()))
    return FastOpenPod(clean("shop/web-0"), NodeName(node_name), clean(value), held)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (pod(), ARMED),
        (pod("0x3"), ARMED),
        (pod("1"), CLEAR),
        (pod("many"), CLEAR),
        (pod(app="cache"), LATENT),
        (replace(pod(), pod=clean("other/web-0")), LATENT),
        (pod(node_name="node-2"), CLEAR),
    ],
)
def test_pods_that_open_it_for_themselves(one: FastOpenPod, expected: FindingSeverity) -> None:
    workloads = known(Workloads(fast_open_pods=(one,)))
    held = cluster(service(POD_IP), workloads=workloads)
    assert severity(CHECK, node(1), held) is expected


def test_the_counter_of_the_host_says_nothing_of_pods() -> None:
    workloads = known(Workloads(fast_open_pods=(pod(),)))
    assert severity(CHECK, node(1, 50), cluster(service(POD_IP), workloads=workloads)) is ARMED


def test_what_is_denied_is_unknown_unless_the_sysctl_settles_it() -> None:
    denied = Reading[Any].denied(clean("services: list is denied"))
    (verdict,) = judged(CHECK, node(3), cluster(services=denied))
    assert verdict.severity is UNKNOWN
    assert "services: list is denied" in verdict.missing[0].what
    assert severity(CHECK, node(1), cluster(services=denied)) is CLEAR
    no_pods = Reading[Any].denied(clean("pods: list is denied"))
    assert severity(CHECK, node(1), cluster(service(POD_IP), workloads=no_pods)) is UNKNOWN
    assert severity(CHECK, node(3), cluster(service(), workloads=no_pods)) is ARMED


def test_the_kernel_feature_stands_in_for_the_hosts_sysctl() -> None:
    row = feature("tcp-fastopen", FeatureState.VALUE, "3")
    assert severity(CHECK, node(None, features=(row,)), cluster(service())) is ARMED


def test_dsr_without_exposed_services_is_latent() -> None:
    assert severity(CHECK, node(3), cluster()) is LATENT
    assert severity(CHECK, node(None), cluster()) is LATENT


def test_a_person_is_told_all_that_is_needed() -> None:
    (verdict,) = judged(CHECK, node(3, 4), cluster(service()))
    assert "TCP Fast Open (4 since the reading before)" in verdict.summary
    assert [str(one) for one in verdict.objects] == ["Service shop/web"]
    texts = " | ".join(piece.text for piece in verdict.evidence)
    assert "NodePort mode DSR" in texts
    assert "net.ipv4.tcp_fastopen=3 on the host: server bit 0x2 set" in texts
    assert "TCPFastOpenPassive 12 since the node started, 4 more" in texts
    assert "shop/web (NodePort) has a backend" in texts
    remedy = verdict.remedy
    assert remedy.now[0].startswith("take the server side back")
    assert remedy.settings[0].helm == "loadBalancer.mode=snat"
    assert "lose" in remedy.interrupts
    assert any("rollout restart" in one for one in remedy.commands)
    assert remedy.test
