from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.checks_facts import (
    NOW,
    cluster_facts,
    judged,
    known,
    node_facts,
    severity,
    texts,
)
from tui.checks.endpointslice_mirroring import CHECK
from tui.checks.view import ClusterView
from tui.model.cluster import CiliumDaemonSet, CiliumNodeConfig, ClusterFacts
from tui.model.findings import FindingSeverity, ProofKind, Verdict
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
from tui.model.workloads import UnmirroredEndpoints
from tui.safety import CleanText, clean

ACTIVE, ARMED, UNKNOWN, LATENT, CLEAR = (
    FindingSeverity.ACTIVE,
    FindingSeverity.ARMED,
    FindingSeverity.UNKNOWN,
    FindingSeverity.LATENT,
    FindingSeverity.CLEAR,
)
OFF = {"enable-k8s-endpoint-slice": "false"}


def service(backends: int = 0, **parts: Any) -> Service:
    base = Service(
        clean("db/postgres"),
        clean("ClusterIP"),
        ("10.96.0.9",),
        (ServicePort(CleanText(""), 5432, "TCP"),),
        (Address("10.96.0.9", 5432, "TCP"),),
        tuple(Address(f"10.0.{n // 250}.{n % 250 + 1}", 5432) for n in range(backends)),
        has_selector=False,
    )
    return replace(base, **parts)


def endpoints(**parts: Any) -> UnmirroredEndpoints:
    return replace(UnmirroredEndpoints(clean("db/postgres"), 3, 3), **parts)


def cluster(
    version: str | None = "v1.28.4",
    *unmirrored: UnmirroredEndpoints,
    services: tuple[Service, ...] | None = None,
    **parts: Any,
) -> ClusterFacts:
    held = {
        "kubernetes_version": known(clean(version), "GET /version") if version else Reading(),
        "services": known((service(),) if services is None else services, "GET /api/v1/services"),
        "unmirrored": known(unmirrored, "GET /api/v1/endpoints"),
    }
    return cluster_facts(**(held | parts))


@pytest.mark.parametrize(
    ("version", "release", "config", "expected"),
    [
        ("v1.16.15", "1.11.7", {}, CLEAR),
        ("v1.17.0", "1.11.7", {}, ACTIVE),
        ("v1.18.20+k3s1", "1.17.5", {}, ACTIVE),
        ("v1.18.20", "1.18.6", {}, ACTIVE),
        ("v1.18.20", "1.17.5", OFF, CLEAR),
        ("v1.18.20", "1.18.6", OFF, CLEAR),
        ("v1.28.4", "1.18.6", OFF, CLEAR),
        ("v1.28.4", "1.19.0", OFF, ACTIVE),
        ("v1.28.4", None, OFF, UNKNOWN),
        ("v1.28.4", None, {}, ACTIVE),
        ("v1.19.0", "1.17.5", {}, ACTIVE),
        (None, "1.17.5", {}, ACTIVE),
    ],
)
def test_who_reads_endpoints_is_not_hurt(
    version: str | None, release: str | None, config: dict[str, str], expected: FindingSeverity
) -> None:
    facts = node_facts(release, config=config)
    assert severity(CHECK, facts, cluster(version, endpoints())) is expected


@pytest.mark.parametrize(
    ("version", "release", "expected"),
    [
        ("v1.16.15", "1.17.5", CLEAR),
        ("v1.17.17", "1.17.5", LATENT),
        ("v1.18.20", "1.18.6", LATENT),
        ("v1.18.20", "1.19.0", CLEAR),
        ("v1.19.0", "1.17.5", CLEAR),
        ("v2.18.0", "1.17.5", CLEAR),
        ("no version", "1.17.5", CLEAR),
        (None, "1.17.5", CLEAR),
    ],
)
def test_without_a_service_that_needs_it_kubernetes_1_17_and_1_18_are_latent(
    version: str | None, release: str, expected: FindingSeverity
) -> None:
    assert severity(CHECK, node_facts(release), cluster(version)) is expected


@pytest.mark.parametrize(
    "spoiler",
    [
        {"has_selector": True},
        {"is_headless": True},
        {"type": clean("ExternalName")},
        {"name": clean("db/other")},
    ],
)
def test_endpoints_that_no_service_without_selector_uses_hurt_nobody(
    spoiler: dict[str, Any],
) -> None:
    found = cluster("v1.28.4", endpoints(), services=(service(**spoiler),))
    assert severity(CHECK, node_facts(), found) is CLEAR


def test_empty_endpoints_hurt_nobody() -> None:
    assert severity(CHECK, node_facts(), cluster("v1.28.4", endpoints(addresses=0))) is CLEAR
    assert severity(CHECK, node_facts(), cluster("v1.18.4", endpoints(addresses=0))) is LATENT


def test_slices_that_a_controller_wrote_are_fine() -> None:
    found = cluster("v1.18.20", endpoints(), services=(service(3),))
    assert severity(CHECK, node_facts(), found) is LATENT


@pytest.mark.parametrize(
    ("parts", "group", "word"),
    [
        ({"is_skipped": True}, "skip-mirror", "label endpoints postgres"),
        ({"is_leader_lock": True}, "leader-election", "annotate endpoints postgres"),
        ({"largest_subset": 1001, "addresses": 1001}, "over 1000 addresses", "get endpointslices"),
        ({}, "not mirrored", "get endpointslices"),
    ],
)
def test_the_reason_names_its_own_way_out(parts: dict[str, Any], group: str, word: str) -> None:
    (verdict,) = judged(CHECK, node_facts(), cluster("v1.28.4", endpoints(**parts)))
    assert verdict.severity is ACTIVE
    assert verdict.group == group
    assert word in verdict.remedy.commands[0]
    assert "-n db" in verdict.remedy.commands[0]
    assert verdict.remedy.now
    assert verdict.remedy.interrupts
    assert "postgres.db.svc" in verdict.remedy.test


@pytest.mark.parametrize(
    ("largest", "addresses", "backends", "expected"),
    [
        (1000, 1000, 1000, CLEAR),
        (1001, 1001, 1000, ARMED),
        (1001, 1001, 1001, CLEAR),
        (1001, 1001, 0, ACTIVE),
    ],
)
def test_addresses_past_a_thousand_are_lost(
    largest: int, addresses: int, backends: int, expected: FindingSeverity
) -> None:
    found = cluster(
        "v1.28.4",
        endpoints(largest_subset=largest, addresses=addresses),
        services=(service(backends),),
    )
    assert severity(CHECK, node_facts(), found) is expected


def test_what_a_person_needs_is_there_on_kubernetes_1_18() -> None:
    address = Address("10.96.0.9", 5432, "TCP")
    fault = FrontendFault(
        clean("db/postgres"), address, FrontendKind.CLUSTER_IP, FaultKind.NO_BACKENDS
    )
    facts = node_facts("1.17.5", coverage=ServiceCoverage(1, 1, 3, 0, (fault,), 1))
    (verdict,) = judged(CHECK, facts, cluster("v1.18.20", endpoints(manager=clean("patroni"))))
    assert "db/postgres has no backend" in verdict.summary
    assert "3 addresses" in verdict.summary
    assert "v1.18.20" in verdict.summary
    assert [str(one) for one in verdict.objects] == ["Service db/postgres"]
    listed, held, version = verdict.evidence
    assert "written by patroni" in listed.text
    assert (listed.source, listed.key) == ("GET /api/v1/endpoints", "Endpoints/db/postgres")
    assert held.proof is ProofKind.SERVICE
    assert "10.96.0.9:5432/TCP" in held.text
    assert (version.text, version.source) == ("Kubernetes v1.18.20", "GET /version")
    (setting,) = verdict.remedy.settings
    assert (setting.key, setting.value) == ("enable-k8s-endpoint-slice", "false")
    assert setting.helm == "extraConfig.enable-k8s-endpoint-slice=false"
    assert "rollout restart daemonset/cilium" in verdict.remedy.commands[1]
    assert verdict.remedy.needs_restart is False


def test_backends_that_the_kernel_holds_all_the_same_are_fine() -> None:
    address = Address("10.96.0.9", 5432, "TCP")
    fault = FrontendFault(
        clean("db/postgres"),
        address,
        FrontendKind.CLUSTER_IP,
        FaultKind.WRONG_BACKENDS,
        surplus_backends=(Address("10.0.0.7", 5432),),
    )
    facts = node_facts(coverage=ServiceCoverage(1, 1, 0, 1, (fault,), 1))
    (verdict,) = judged(CHECK, facts, cluster("v1.28.4", endpoints(is_skipped=True)))
    assert verdict.severity is CLEAR
    assert "kernel holds backends all the same" in verdict.summary


def test_several_services_are_one_finding_with_all_of_them() -> None:
    second = service(name=clean("db/redis"))
    found = cluster(
        "v1.28.4",
        endpoints(is_skipped=True),
        endpoints(is_skipped=True, service=clean("db/redis")),
        services=(service(), second),
    )
    (verdict,) = judged(CHECK, node_facts(), found)
    assert verdict.harm == 2
    assert "db/postgres +1" in verdict.summary
    assert len(verdict.objects) == 2


def of_cluster(facts: ClusterFacts) -> list[Verdict]:
    assert CHECK.judge_cluster is not None
    return list(CHECK.judge_cluster(ClusterView(facts, NOW)))


def with_config(facts: ClusterFacts, **values: str) -> ClusterFacts:
    return replace(facts, config_map=cluster_facts(values).config_map)


def test_a_service_that_no_agent_can_serve_is_told_once_for_the_cluster() -> None:
    facts = with_config(cluster("v1.28.4", endpoints(is_skipped=True)))
    (verdict,) = of_cluster(facts)
    assert (verdict.severity, verdict.node_uid, verdict.group) == (ACTIVE, None, "skip-mirror")
    assert "db/postgres has no backend" in verdict.summary
    (listed,) = verdict.evidence
    assert (listed.node_uid, listed.source) == (None, "GET /api/v1/endpoints")
    assert "label endpoints postgres" in verdict.remedy.commands[0]
    (verdict,) = judged(CHECK, node_facts(), facts)
    assert verdict.severity is CLEAR
    assert "the cluster's finding tells of 1 Service that no agent" in verdict.summary


def test_the_clusters_remedy_names_its_daemonsets() -> None:
    sets = (CiliumDaemonSet(clean("cilium"), clean("kube-system")),)
    facts = replace(cluster("v1.18.20", endpoints()), daemonsets=known(sets))
    (verdict,) = of_cluster(with_config(facts))
    assert "v1.18.20 mirrors none" in verdict.summary
    assert verdict.evidence[-1].text == "Kubernetes v1.18.20"
    assert verdict.remedy.commands[1] == ("kubectl -n kube-system rollout restart daemonset/cilium")


@pytest.mark.parametrize(
    "facts",
    [
        cluster("v1.28.4", endpoints()),
        with_config(cluster("v1.28.4", endpoints()), **OFF),
        with_config(cluster("v1.16.15", endpoints())),
        with_config(cluster("v1.28.4")),
        with_config(replace(cluster("v1.28.4", endpoints()), unmirrored=Reading())),
        with_config(replace(cluster("v1.28.4", endpoints()), services=Reading())),
    ],
)
def test_what_depends_on_the_node_is_not_told_for_the_cluster(facts: ClusterFacts) -> None:
    assert of_cluster(facts) == []


def test_where_another_layer_sets_the_option_each_node_is_judged() -> None:
    nodes = CiliumNodeConfig(clean("old"), clean("kube-system"), values=texts(OFF))
    facts = replace(with_config(cluster("v1.28.4", endpoints())), node_configs=known((nodes,)))
    assert of_cluster(facts) == []
    assert severity(CHECK, node_facts("1.17.5", config={}), facts) is ACTIVE


def test_a_node_that_differs_says_so() -> None:
    facts = with_config(cluster("v1.28.4", endpoints()))
    (verdict,) = judged(CHECK, node_facts("1.17.5", config=OFF), facts)
    assert verdict.severity is CLEAR
    assert "agents of 1.17.5 read Endpoints themselves" in verdict.summary
    off = with_config(cluster("v1.28.4", endpoints()), **OFF)
    assert severity(CHECK, node_facts("1.17.5"), off) is CLEAR
    assert severity(CHECK, node_facts("1.19.0"), off) is ACTIVE


@pytest.mark.parametrize(
    ("field", "right"), [("unmirrored", "list endpoints"), ("services", "list services")]
)
def test_what_is_denied_is_named(field: str, right: str) -> None:
    denied = Reading[Any].denied(clean("may not list it"))
    parts: dict[str, Any] = {field: denied}
    found = replace(cluster("v1.28.4", endpoints()), **parts)
    (verdict,) = judged(CHECK, node_facts(), found)
    assert verdict.severity is UNKNOWN
    assert "may not list it" in verdict.missing[0].what
    assert right in verdict.missing[0].how
