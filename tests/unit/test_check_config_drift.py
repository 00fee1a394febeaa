"""`config-drift`: each severity, and what a person needs to act."""

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
from tui.checks.config_drift import CHECK
from tui.model.cluster import (
    CiliumConfigMap,
    CiliumDaemonSet,
    CiliumNodeConfig,
    ClusterFacts,
    ConfigWrite,
)
from tui.model.findings import FindingSeverity, ProofKind
from tui.model.host import BpfFilesystem, HostFacts, MapSurvival
from tui.model.maps import MapKind, MapUsage
from tui.model.names import ContainerId
from tui.model.node import AgentPhase
from tui.model.reading import Reading
from tui.model.services import ServiceCoverage
from tui.model.snapshot import NodeFacts
from tui.safety import clean

ACTIVE, ARMED, UNKNOWN = (
    FindingSeverity.ACTIVE,
    FindingSeverity.ARMED,
    FindingSeverity.UNKNOWN,
)
LATENT, CLEAR = FindingSeverity.LATENT, FindingSeverity.CLEAR
C1 = ContainerId("c1")
SERVICES, BACKENDS = "cilium_lb4_services_v2", "cilium_lb4_backends_v2"


def usage(name: str, size: int, entries: int | None = 0, wanted: int | None = None) -> MapUsage:
    return MapUsage(clean(name), MapKind.HASH, size, entries, wanted_entries=wanted)


def lb_maps(size: int, services: int = 127, backends: int = 95) -> tuple[MapUsage, ...]:
    return (
        usage(SERVICES, size, min(size, services), services),
        usage(BACKENDS, size, min(size, backends), backends),
    )


def cluster(
    values: dict[str, str] | None = None,
    *,
    arguments: tuple[str, ...] = (),
    writer: str = "kubectl-patch",
    age: float = 1985.0,
    **parts: object,
) -> ClusterFacts:
    words = ("cilium-agent", "--config-dir=/tmp/cilium/config-map", *arguments)
    daemonset = CiliumDaemonSet(
        clean("cilium"),
        clean("kube-system"),
        args=tuple(map(clean, words)),
        has_config_builder=True,
    )
    texts = {key: clean(value) for key, value in (values or {}).items()}
    held = CiliumConfigMap(texts, writes=(ConfigWrite(clean(writer), NOW - age),))
    facts = cluster_facts(daemonsets=known((daemonset,)), node_configs=known(()))
    path = "GET /api/v1/namespaces/kube-system/configmaps/cilium-config"
    return replace(facts, config_map=known(held, path), **parts)  # type: ignore[arg-type]  # fields of ClusterFacts


def node(
    config: dict[str, str] | None = None,
    maps: tuple[MapUsage, ...] = (),
    release: str = "1.11.7",
    **parts: object,
) -> NodeFacts:
    return node_facts(release, config=config or {"LBMapEntries": "1024"}, maps=maps, **parts)  # type: ignore[arg-type]  # parts of node_facts


def test_a_next_start_that_shrinks_a_map_below_what_is_wanted_is_armed() -> None:
    found = judged(CHECK, node(maps=lb_maps(1024)), cluster({"bpf-lb-map-max": "64"}))
    assert [one.severity for one in found] == [ARMED]
    verdict = found[0]
    assert "1024 → 64, 127 are needed" in verdict.summary
    assert verdict.remedy.now[0].startswith("do NOT restart")
    assert "1024 → 64, need 127" in verdict.remedy.now[0]
    assert [(one.key, one.value, one.helm) for one in verdict.remedy.settings] == [
        ("bpf-lb-map-max", "1024", "bpf.lbMapMax=1024")
    ]
    assert verdict.remedy.needs_restart is False
    assert "patch configmap cilium-config" in verdict.remedy.commands[0]
    assert SERVICES in verdict.remedy.test
    assert verdict.harm == 63
    assert verdict.group == "bpf-lb-map-max"
    assert verdict.since == NOW - 1985.0
    pending = next(one for one in verdict.evidence if one.proof is ProofKind.CONFIG)
    assert "runs 1024, next start reads 64 from ConfigMap cilium-config" in pending.text
    assert "written by kubectl-patch at 1970-01-12 " in pending.text
    assert pending.source == "GET /api/v1/namespaces/kube-system/configmaps/cilium-config"
    assert pending.at == NOW - 1985.0
    assert {one.key for one in verdict.evidence if one.proof is ProofKind.MAP} == {
        SERVICES,
        BACKENDS,
    }


def test_a_start_that_read_a_size_too_small_is_active_while_services_are_missing() -> None:
    facts = node({"LBMapEntries": "64"}, lb_maps(64), coverage=ServiceCoverage(32, 16, 95, 40))
    facts = replace(facts, agent=replace(facts.agent, started_at=NOW - 1980.0))  # type: ignore[type-var]  # an agent is there
    verdict = judged(CHECK, facts, cluster({"bpf-lb-map-max": "64"}))[0]
    assert verdict.severity is ACTIVE
    assert "started 5 s after kubectl-patch wrote cilium-config" in verdict.summary
    assert "bpf-lb-map-max=64" in verdict.summary
    assert "16 of 32 frontends are missing" in verdict.summary
    assert verdict.harm == 16
    assert [(one.key, one.value) for one in verdict.remedy.settings] == [("bpf-lb-map-max", "256")]
    assert verdict.remedy.needs_restart is True
    assert verdict.remedy.commands[1] == "kubectl -n kube-system delete pod cilium-node-1"
    assert verdict.remedy.interrupts
    all_there = replace(facts, services=known(ServiceCoverage(32, 32, 95, 95)))
    assert severity(CHECK, all_there, cluster({"bpf-lb-map-max": "64"})) is CLEAR
    long_ago = cluster({"bpf-lb-map-max": "64"}, age=90 * 86_400.0)
    assert severity(CHECK, facts, long_ago) is CLEAR


def test_a_pinned_map_of_another_size_than_the_agent_runs_with_is_active() -> None:
    facts = node({"LBMapEntries": "64"}, lb_maps(1024))
    verdict = judged(CHECK, facts, cluster({"bpf-lb-map-max": "64"}))[0]
    assert verdict.severity is ACTIVE
    assert "pinned with 1024 entries, the agent runs with bpf-lb-map-max=64" in verdict.summary
    assert facts.config.origin is not None
    other = replace(facts.config.origin, container_id=ContainerId("c0"))
    stale = replace(facts, config=replace(facts.config, origin=other))
    assert severity(CHECK, stale, cluster({"bpf-lb-map-max": "1024"})) is not ACTIVE


def test_a_size_that_a_node_config_gave_is_set_there() -> None:
    canary = CiliumNodeConfig(
        clean("canary"), clean("kube-system"), values={"bpf-lb-map-max": clean("64")}
    )
    facts = node(
        {"LBMapEntries": "64"}, lb_maps(64), "1.14.16", coverage=ServiceCoverage(32, 16, 95, 40)
    )
    facts = replace(facts, agent=replace(facts.agent, started_at=NOW - 1980.0))  # type: ignore[type-var]  # an agent is there
    held = cluster({"bpf-lb-map-max": "65536"}, node_configs=known((canary,)))
    verdict = judged(CHECK, facts, held)[0]
    assert verdict.severity is ACTIVE
    assert "CiliumNodeConfig canary, which wins" in verdict.remedy.now[0]
    assert "patch ciliumnodeconfig canary" in verdict.remedy.commands[0]


def test_no_remedy_restarts_an_agent_that_would_not_start() -> None:
    values = {"bpf-lb-map-max": "64", "enable-ipsec": "true", "kube-proxy-replacement": "strict"}
    facts = node({"LBMapEntries": "64"}, lb_maps(64), coverage=ServiceCoverage(32, 16, 95, 40))
    facts = replace(facts, agent=replace(facts.agent, started_at=NOW - 1980.0))  # type: ignore[type-var]  # an agent is there
    remedy = judged(CHECK, facts, cluster(values))[0].remedy
    assert "do NOT restart" in remedy.now[1]
    assert not any("delete pod" in one for one in remedy.commands)
    pinned = node({"LBMapEntries": "64"}, lb_maps(1024))
    remedy = judged(CHECK, pinned, cluster(values))[0].remedy
    assert "do NOT restart" in remedy.now[1]
    assert not any("delete pod" in one for one in remedy.commands)


def test_maps_of_a_family_that_is_off_are_no_contradiction() -> None:
    maps = (*lb_maps(64, 10, 10), usage("cilium_lb6_services_v2", 1024))
    values = {"bpf-lb-map-max": "64", "enable-ipv6": "false"}
    off = node({"LBMapEntries": "64", "EnableIPv6": "false"}, maps)
    assert severity(CHECK, off, cluster(values)) is not ACTIVE
    on = node({"LBMapEntries": "64", "EnableIPv6": "true"}, maps)
    assert severity(CHECK, on, cluster(values)) is ACTIVE


@pytest.mark.parametrize(("release", "expected"), [("1.15.9", ARMED), ("1.16.0", LATENT)])
def test_ipsec_with_replacement_keeps_agents_up_to_1_15_from_starting(
    release: str, expected: FindingSeverity
) -> None:
    values = {"enable-ipsec": "true", "kube-proxy-replacement": "true"}
    facts = node({"EnableIPSec": "false", "KubeProxyReplacement": "true"}, release=release)
    verdict = judged(CHECK, facts, cluster(values))[0]
    assert verdict.severity is expected
    if expected is ARMED:
        assert "IPSec cannot be used with BPF NodePort" in verdict.summary
        assert "they would not start" in verdict.remedy.now[0]
        assert [(one.key, one.value) for one in verdict.remedy.settings] == [
            ("enable-ipsec", "false")
        ]


def test_a_crash_loop_on_a_refused_value_is_active() -> None:
    facts = node(release="1.16.0", phase=AgentPhase.CRASH_LOOP)
    verdict = judged(CHECK, facts, cluster({"kube-proxy-replacement": "strict"}))[0]
    assert verdict.severity is ACTIVE
    assert "kube-proxy-replacement=strict" in verdict.summary
    assert verdict.remedy.needs_restart is True
    assert verdict.remedy.commands[-1] == "kubectl -n kube-system delete pod cilium-node-1"
    # What an older image printed before the upgrade proves nothing of the one that crashes.
    before = {"KubeProxyReplacement": "strict"}
    facts = node(before, release="1.16.0", phase=AgentPhase.CRASH_LOOP)
    assert severity(CHECK, facts, cluster({"kube-proxy-replacement": "strict"})) is ACTIVE


def test_harmless_keys_are_latent_and_an_ignored_node_config_is_said() -> None:
    canary = CiliumNodeConfig(
        clean("canary"), clean("kube-system"), values={"debug": clean("true")}
    )
    facts = node({"LBMapEntries": "1024", "Debug": "false"})
    log = entry("Mismatch found", meaning="G1")
    verdict = judged(
        CHECK,
        replace(facts, logs=(log,)),
        cluster({"debug": "true"}, node_configs=known((canary,))),
    )[0]
    assert verdict.severity is LATENT
    assert "1 key pending: debug" in verdict.summary
    assert "takes no effect: CiliumNodeConfig canary" in verdict.summary
    texts = [one.text for one in verdict.evidence]
    assert any("CiliumNodeConfig canary: debug takes no effect: 1.11.7" in text for text in texts)
    assert any("Mismatch found" in text for text in texts)


def test_a_larger_size_is_latent_and_a_size_still_too_small_is_armed() -> None:
    facts = node(maps=lb_maps(1024))
    assert severity(CHECK, facts, cluster({"bpf-lb-map-max": "2048"})) is LATENT
    full = node({"LBMapEntries": "64"}, lb_maps(64))
    verdict = judged(CHECK, full, cluster({"bpf-lb-map-max": "100"}))[0]
    assert verdict.severity is ARMED
    assert verdict.remedy.settings[0].value == "256"


def test_what_is_not_read_is_unknown_and_says_how_to_get_it() -> None:
    reading = Reading[CiliumConfigMap].denied(clean("get configmaps: forbidden"))
    denied = replace(cluster_facts(), config_map=reading)
    verdict = judged(CHECK, node(), denied)[0]
    assert verdict.severity is UNKNOWN
    assert "forbidden" in verdict.missing[0].what
    assert "get configmap cilium-config" in verdict.missing[0].how
    silent = replace(node(), config=Reading())
    verdict = judged(CHECK, silent, cluster({"debug": "true"}))[0]
    assert verdict.severity is UNKNOWN
    assert "config -a" in verdict.missing[-1].how


@pytest.mark.parametrize(
    ("part", "how"),
    [("node_configs", "`list` on ciliumnodeconfigs"), ("daemonsets", "`list` on daemonsets")],
)
def test_a_layer_that_was_not_read_is_unknown_though_nothing_else_is_pending(
    part: str, how: str
) -> None:
    denied: dict[str, Any] = {part: Reading.denied(clean("forbidden"))}
    facts = node({"LBMapEntries": "1024"}, lb_maps(1024), "1.14.16")
    held = cluster({"bpf-lb-map-max": "1024"})
    assert severity(CHECK, facts, held) is CLEAR
    verdict = judged(CHECK, facts, replace(held, **denied))[0]
    assert verdict.severity is FindingSeverity.UNKNOWN
    assert how in verdict.missing[0].how


@pytest.mark.parametrize(("mode", "expected"), [("False", LATENT), ("True", CLEAR)])
def test_the_status_tells_the_mode_that_newer_agents_print_nowhere_else(
    mode: str, expected: FindingSeverity
) -> None:
    state = status(kube_proxy_replacement=kpr(mode=clean(mode)))
    facts = node({"EnableIPv4": "true"}, release="1.19.4", state=state)
    verdict = judged(CHECK, facts, cluster({"kube-proxy-replacement": "true"}))[0]
    assert verdict.severity is expected
    assert ("kube-proxy-replacement" in verdict.summary) is (expected is LATENT)


@pytest.mark.parametrize(
    ("held", "expected"), [("maglev", LATENT), ("random", CLEAR), (None, CLEAR)]
)
def test_the_drift_checker_is_believed_while_what_it_saw_is_there(
    held: str | None, expected: FindingSeverity
) -> None:
    """1.19 prints `bpf-lb-algorithm` nowhere; the line is written once, when the key changes."""
    log = entry("Mismatch found", meaning="G1")
    fields = (("key", "bpf-lb-algorithm"), ("actual", "random"), ("expectedValue", "maglev"))
    named = tuple((clean(name), clean(value)) for name, value in fields)
    log = replace(log, line=replace(log.line, fields=named))
    facts = node({"EnableIPv4": "true"}, release="1.19.4", logs=(log,))
    values = {} if held is None else {"bpf-lb-algorithm": held}
    verdict = judged(CHECK, facts, cluster(values))[0]
    assert verdict.severity is expected
    words = "drift checker found bpf-lb-algorithm (runs random, next start maglev)"
    assert (words in verdict.summary) is (expected is LATENT)


def test_nothing_pending_is_clear() -> None:
    facts = node({"LBMapEntries": "1024", "Debug": "false"}, lb_maps(1024))
    values = {"bpf-lb-map-max": "1024", "debug": "false"}
    verdict = judged(CHECK, facts, cluster(values))[0]
    assert verdict.severity is CLEAR
    assert "would read what runs now" in verdict.summary


def test_what_stops_and_what_shrinks_are_two_findings() -> None:
    values = {"bpf-lb-map-max": "64", "enable-ipsec": "true", "kube-proxy-replacement": "strict"}
    facts = node({"LBMapEntries": "1024", "EnableIPSec": "false"}, lb_maps(1024))
    found = judged(CHECK, facts, cluster(values))
    assert [(one.severity, one.group) for one in found] == [
        (ARMED, "start refused: enable-ipsec"),
        (ARMED, "bpf-lb-map-max"),
    ]
    small = CiliumNodeConfig(
        clean("small"), clean("kube-system"), values={"bpf-lb-map-max": clean("64")}
    )
    one = cluster({"bpf-lb-map-max": "1024"}, node_configs=known((small,)))
    verdict = judged(CHECK, node(maps=lb_maps(1024), release="1.17.5"), one)[0]
    assert verdict.group == "bpf-lb-map-max from CiliumNodeConfig small"
    assert "patch ciliumnodeconfig small" in verdict.remedy.commands[0]


def test_a_node_without_an_agent_is_unknown() -> None:
    facts = replace(node(), agent=None, config=Reading())
    assert severity(CHECK, facts, cluster({"debug": "true"})) is UNKNOWN


def test_evidence_says_that_any_restart_wipes_the_maps() -> None:
    pending = cluster({"bpf-lb-map-max": "64"})
    said = entry("BPF filesystem is not mounted. This will lead to", meaning="M25")
    facts = node(maps=lb_maps(1024), logs=(said,))
    (verdict,) = judged(CHECK, facts, pending)
    (log,) = [one for one in verdict.evidence if one.proof is ProofKind.LOG]
    assert "BPF filesystem is not mounted" in log.text
    for survival, is_told in ((MapSurvival.NO, True), (MapSurvival.YES, False)):
        table = BpfFilesystem(survival, clean("inside the container"), container_id=C1)
        host = HostFacts(mounts=table, read_at={"mounts": NOW - 9.0})
        (verdict,) = judged(CHECK, replace(facts, host=known(host)), pending)
        found = [one for one in verdict.evidence if "any restart wipes every map" in one.text]
        assert bool(found) is is_told
        assert [(one.at, one.node_name) for one in found] == [(NOW - 9.0, "node-1")] * is_told
        assert all("/proc/self/mountinfo" in one.source for one in found)
        assert any(one.proof is ProofKind.LOG for one in verdict.evidence) is is_told
