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
from tui.checks.hostip_loopback import CHECK
from tui.model.cluster import ClusterFacts
from tui.model.features import FeatureState
from tui.model.findings import FindingSeverity, ProofKind
from tui.model.names import NodeName
from tui.model.reading import Reading
from tui.model.snapshot import NodeFacts
from tui.model.workloads import HostPort, Workloads
from tui.safety import clean

ACTIVE, ARMED, UNKNOWN, CLEAR = (
    FindingSeverity.ACTIVE,
    FindingSeverity.ARMED,
    FindingSeverity.UNKNOWN,
    FindingSeverity.CLEAR,
)
OLD, NEW, RHEL = "5.4.0-90-generic", "5.15.0-91-generic", "4.18.0-553.el8_10.x86_64"
HANDLED = status(kube_proxy_replacement=kpr(host_port=True))


def host_port(host_ip: str = "127.0.0.1", **parts: Any) -> HostPort:
    base = HostPort(
        clean("web/side-1"),
        NodeName("node-1"),
        9090,
        host_ip=host_ip,
        workload=clean("DaemonSet/side"),
    )
    return replace(base, **parts)


def cluster(*ports: HostPort) -> ClusterFacts:
    return cluster_facts(workloads=known(Workloads(host_ports=ports), "GET /api/v1/pods"))


def node(release: str | None = "1.12.10", kernel: str = NEW, **parts: Any) -> NodeFacts:
    return node_facts(release, kernel, **({"state": HANDLED} | parts))


@pytest.mark.parametrize(
    ("release", "kernel", "expected"),
    [
        ("1.11.7", NEW, ACTIVE),
        ("1.12.19", NEW, ACTIVE),
        ("1.13.0", NEW, CLEAR),
        ("1.13.0", OLD, ACTIVE),
        ("1.17.14", OLD, ACTIVE),
        ("1.17.14", RHEL, UNKNOWN),
        ("1.17.14", "", UNKNOWN),
        ("1.18.0", OLD, CLEAR),
        ("1.18.0", RHEL, CLEAR),
        ("1.20.0-dev", NEW, CLEAR),
        (None, NEW, UNKNOWN),
    ],
)
def test_release_and_kernel_decide(
    release: str | None, kernel: str, expected: FindingSeverity
) -> None:
    (verdict,) = judged(CHECK, node(release, kernel), cluster(host_port()))
    assert verdict.severity is expected
    if expected is UNKNOWN:
        assert verdict.missing[0].what
        assert verdict.missing[0].how.startswith("kubectl -n kube-system exec")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (FeatureState.YES, CLEAR),
        (FeatureState.NO, ACTIVE),
        (FeatureState.UNKNOWN, UNKNOWN),
    ],
)
def test_the_kernels_feature_beats_its_number(
    state: FeatureState, expected: FindingSeverity
) -> None:
    facts = node("1.15.0", RHEL, features=(feature("netns-cookie", state),))
    assert severity(CHECK, facts, cluster(host_port())) is expected


def test_the_agents_own_probe_beats_the_feature() -> None:
    facts = node(
        "1.15.0",
        features=(feature("netns-cookie", FeatureState.YES),),
        logs=(entry("Session affinity for host reachable services needs", meaning="K6"),),
    )
    assert severity(CHECK, facts, cluster(host_port())) is ACTIVE


@pytest.mark.parametrize("host_ip", ["127.0.0.1", "127.8.0.3", "::1", "0:0::1"])
def test_the_whole_loopback_net_counts(host_ip: str) -> None:
    assert severity(CHECK, node(), cluster(host_port(host_ip))) is ACTIVE


@pytest.mark.parametrize("host_ip", ["", "0.0.0", "::", "10.0.0.1", "not an address", "[::1"])
def test_other_addresses_do_not(host_ip: str) -> None:
    assert severity(CHECK, node(), cluster(host_port(host_ip))) is CLEAR


def test_what_a_person_needs_is_there() -> None:
    facts = node(logs=(entry("The requested loopback address for hostIP", meaning="K2"),))
    (verdict,) = judged(CHECK, facts, cluster(host_port("::1")))
    assert "[::1]:9090" in verdict.summary
    assert "1.12.10" in verdict.summary
    assert verdict.group == "DaemonSet/web/side"
    assert verdict.objects[0].detail == "hostPort 9090/TCP on ::1"
    assert [piece.proof for piece in verdict.evidence] == [
        ProofKind.OBJECT,
        ProofKind.AGENT,
        ProofKind.LOG,
    ]
    assert all(piece.source for piece in verdict.evidence)
    remedy = CHECK.about.remedy
    assert remedy.now
    assert remedy.lasting
    assert remedy.commands
    assert remedy.interrupts
    assert "127.0.0.1" in remedy.test


def test_a_release_that_only_the_image_tells_has_the_pods_as_its_source() -> None:
    facts = replace(node("1.12.10"), version=Reading())
    (verdict,) = judged(CHECK, facts, cluster(host_port()))
    assert verdict.severity is ACTIVE
    release = next(piece for piece in verdict.evidence if "the agent runs 1.12.10" in piece.text)
    assert "quay.io/cilium/cilium:v1.12.10" in release.text
    assert release.source == "GET /api/v1/pods"


def test_a_refusal_that_is_logged_beats_the_release() -> None:
    line = entry("The requested loopback address for hostIP is not supported", meaning="K2")
    assert severity(CHECK, node("1.18.6", logs=(line,)), cluster(host_port())) is ACTIVE
    gone = replace(line, is_previous=True)
    assert severity(CHECK, node("1.18.6", logs=(gone,)), cluster(host_port())) is CLEAR


def test_host_ports_of_the_portmap_plugin_are_fine() -> None:
    off = status(kube_proxy_replacement=kpr(host_port=False))
    assert severity(CHECK, node(state=off), cluster(host_port())) is CLEAR


def test_who_handles_host_ports_may_be_unknown() -> None:
    facts = replace(node(), status=Reading())
    (verdict,) = judged(CHECK, facts, cluster(host_port()))
    assert verdict.severity is UNKNOWN
    assert "hostPort" in verdict.missing[0].what


def test_pods_of_other_nodes_do_not_count() -> None:
    assert severity(CHECK, node(), cluster(host_port(node_name=NodeName("node-2")))) is CLEAR


@pytest.mark.parametrize(("is_logged", "expected"), [(True, ACTIVE), (False, ARMED)])
def test_a_port_bound_to_both_kinds_of_addresses_loses_one_from_1_19(
    is_logged: bool, expected: FindingSeverity
) -> None:
    logs = (entry("service with LoopbackHostPort not supported", meaning="K3"),)
    both = cluster(host_port(), host_port("10.0.0.1"))
    facts = node("1.19.4", logs=logs if is_logged else ())
    (verdict,) = judged(CHECK, facts, both)
    assert verdict.severity is expected
    assert "10.0.0.1:9090" in verdict.summary
    assert "two hostPorts" in verdict.remedy.now[0]
    assert severity(CHECK, node("1.18.6", logs=logs), both) is CLEAR
    apart = cluster(host_port(), host_port("10.0.0.1", port=9091))
    assert severity(CHECK, facts, apart) is CLEAR


@pytest.mark.parametrize(
    ("release", "is_logged", "expected"),
    [("1.12.10", False, UNKNOWN), ("1.12.10", True, ARMED), ("1.18.0", False, CLEAR)],
)
def test_denied_pods_name_the_missing_right(
    release: str, is_logged: bool, expected: FindingSeverity
) -> None:
    line = entry("The requested loopback address for hostIP", meaning="K2")
    facts = node(release, logs=(line,) if is_logged else ())
    denied = cluster_facts(workloads=Reading[Workloads].denied(clean("may not list pods")))
    (verdict,) = judged(CHECK, facts, denied)
    assert verdict.severity is expected
    if expected is not CLEAR:
        assert "may not list pods" in verdict.missing[0].what
        assert "kubectl auth can-i list pods" in verdict.missing[0].how
