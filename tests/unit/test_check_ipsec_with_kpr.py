"""ipsec-with-kpr: what agents up to 1.15 refuse, seen in the log and before a restart."""

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
from tui.checks.ipsec_with_kpr import CHECK
from tui.model.agent import NodePort
from tui.model.cluster import CiliumDaemonSet, CiliumNodeConfig, ClusterFacts
from tui.model.findings import FindingSeverity
from tui.model.logs import LogEntry
from tui.model.node import AgentPhase
from tui.model.reading import Reading
from tui.model.snapshot import NodeFacts
from tui.safety import clean

ACTIVE, ARMED, UNKNOWN, LATENT, CLEAR = FindingSeverity
BOTH = {"enable-ipsec": "true", "kube-proxy-replacement": "strict"}
K5 = "unable to initialize kube-proxy replacement options"
ARGUMENTS = (clean("cilium-agent"), clean("--config-dir=/tmp/cilium/config-map"))
REFUSAL = "IPSec cannot be used with BPF NodePort"


def daemonsets(release: str) -> Reading[Any]:
    image = clean(f"quay.io/cilium/cilium:v{release}")
    one = CiliumDaemonSet(clean("cilium"), clean("kube-system"), image=image, args=ARGUMENTS)
    return known((one,), "GET /apis/apps/v1/daemonsets")


def cluster(config: dict[str, str] | None, release: str | None = None) -> ClusterFacts:
    facts = cluster_facts(config)
    return replace(facts, daemonsets=daemonsets(release)) if release else facts


def down(
    release: str | None = "1.14.16",
    phase: AgentPhase = AgentPhase.CRASH_LOOP,
    logs: tuple[LogEntry, ...] = (),
) -> NodeFacts:
    facts = node_facts(release, phase=phase, logs=logs)
    silent = Reading[Any].unknown(clean("the agent does not run"))
    return replace(facts, status=silent, version=silent)


@pytest.mark.parametrize(
    ("release", "line"),
    [
        ("1.11.7", entry("unable to initialize Kube proxy replacement options", f"{REFUSAL}.")),
        ("1.13.12", entry(K5, REFUSAL)),
        ("1.14.16", entry(K5, REFUSAL)),
        ("1.15.0", entry(K5, REFUSAL)),
        (None, entry(REFUSAL)),
    ],
)
def test_a_crash_loop_with_the_refusal_is_active(release: str | None, line: LogEntry) -> None:
    for meaning in ("K4", "K5"):
        facts = down(release, logs=(replace(line, meaning=meaning),))
        assert severity(CHECK, facts, cluster(None)) is ACTIVE


@pytest.mark.parametrize(
    ("release", "config", "expected"),
    [
        ("1.15.9", BOTH, ACTIVE),
        ("1.16.0", BOTH, CLEAR),
        ("1.14.16", {"enable-ipsec": "false", "kube-proxy-replacement": "true"}, CLEAR),
        ("1.14.16", None, UNKNOWN),
        (None, BOTH, UNKNOWN),
    ],
)
def test_a_crash_loop_without_a_line_is_judged_by_what_it_reads(
    release: str | None, config: dict[str, str] | None, expected: FindingSeverity
) -> None:
    assert severity(CHECK, down(release), cluster(config)) is expected


def test_other_reasons_of_the_same_failure_are_not_blamed_on_ipsec() -> None:
    line = entry(K5, "BPF NodePort services needs kernel 4.17.0 or newer.", meaning="K5")
    held = cluster({"enable-ipsec": "false"})
    assert severity(CHECK, down(logs=(line,)), held) is CLEAR


def test_a_line_of_a_container_that_is_gone_is_not_news() -> None:
    line = entry(K5, REFUSAL, meaning="K4", at=NOW - 7200.0)
    facts = node_facts("1.14.16", config={"EnableIPSec": "false"}, logs=(line,))
    held = cluster({"enable-ipsec": "false", "kube-proxy-replacement": "true"})
    assert severity(CHECK, facts, held) is CLEAR


@pytest.mark.parametrize("phase", [AgentPhase.MISSING, AgentPhase.PENDING, AgentPhase.TERMINATING])
def test_an_agent_that_is_not_there_yet_would_not_start(phase: AgentPhase) -> None:
    assert severity(CHECK, down(phase=phase), cluster(BOTH)) is ARMED


PROBE = {"enable-ipsec": "true", "kube-proxy-replacement": "probe"}


@pytest.mark.parametrize("release", ["1.11.7", "1.12.10"])
def test_probe_mode_runs_without_node_port(release: str) -> None:
    line = entry(f"{REFUSAL}. Disabling BPF NodePort feature.", meaning="K4", at=NOW - 60.0)
    facts = node_facts(release, config={"KubeProxyReplacement": "probe"}, logs=(line,))
    (verdict,) = judged(CHECK, facts, cluster(PROBE))
    assert verdict.severity is ACTIVE
    assert "disabled BPF NodePort" in verdict.summary
    assert "log" in verdict.evidence[0].text
    proxy = kpr(mode=clean("Probe"), node_port=NodePort(is_enabled=False))
    state = status(encryption_mode=clean("IPsec"), kube_proxy_replacement=proxy)
    assert severity(CHECK, node_facts(release, state=state), cluster(PROBE)) is ACTIVE


def test_probe_mode_before_the_restart_is_armed() -> None:
    facts = node_facts("1.12.10", config={"EnableIPSec": "false"})
    (verdict,) = judged(CHECK, facts, cluster(PROBE))
    assert verdict.severity is ARMED
    assert "would disable BPF NodePort" in verdict.summary


@pytest.mark.parametrize(
    ("release", "config", "expected"),
    [
        ("1.11.7", BOTH, ARMED),
        ("1.13.0", BOTH, ARMED),
        ("1.14.0", {"enable-ipsec": "true", "kube-proxy-replacement": "true"}, ARMED),
        ("1.15.12", {"enable-ipsec": "true", "kube-proxy-replacement": "true"}, ARMED),
        ("1.16.0", {"enable-ipsec": "true", "kube-proxy-replacement": "true"}, CLEAR),
        ("1.16.0-rc.1", {"enable-ipsec": "true", "kube-proxy-replacement": "true"}, CLEAR),
        ("1.19.4", {"enable-ipsec": "true", "kube-proxy-replacement": "true"}, CLEAR),
        ("1.13.0", {"enable-ipsec": "true", "kube-proxy-replacement": "partial"}, CLEAR),
        ("1.14.0", {"enable-ipsec": "true", "kube-proxy-replacement": "false"}, CLEAR),
        ("1.14.0", {"enable-ipsec": "true"}, CLEAR),
        (
            "1.13.0",
            {
                "enable-ipsec": "true",
                "kube-proxy-replacement": "partial",
                "enable-node-port": "true",
            },
            ARMED,
        ),
        (
            # Under IPsec the agent does not switch NodePort on by itself.
            "1.14.0",
            {
                "enable-ipsec": "true",
                "kube-proxy-replacement": "false",
                "enable-envoy-config": "true",
            },
            CLEAR,
        ),
        ("1.14.0", {"enable-wireguard": "true", "kube-proxy-replacement": "true"}, CLEAR),
    ],
)
def test_the_next_start_of_a_running_agent(
    release: str, config: dict[str, str], expected: FindingSeverity
) -> None:
    running = {"EnableIPSec": "false", "KubeProxyReplacement": "strict"}
    if config.get("kube-proxy-replacement") in ("partial", "false", None):
        running["KubeProxyReplacement"] = "partial"
    facts = node_facts(release, config=running)
    assert severity(CHECK, facts, cluster(config, release)) is expected
    # Without the DaemonSet, the ConfigMap alone tells.
    assert severity(CHECK, facts, cluster(config)) is expected


def canary(ipsec: str) -> Reading[Any]:
    one = CiliumNodeConfig(
        clean("canary"),
        clean("kube-system"),
        values={"enable-ipsec": clean(ipsec)},
        match_labels={"group": "canary"},
    )
    return known((one,), "GET /apis/cilium.io/v2/ciliumnodeconfigs")


def layered(release: str, config: dict[str, str], ipsec: str) -> ClusterFacts:
    facts = cluster(config)
    image = clean(f"quay.io/cilium/cilium:v{release}")
    one = CiliumDaemonSet(
        clean("cilium"),
        clean("kube-system"),
        image=image,
        args=ARGUMENTS,
        has_config_builder=True,
    )
    return replace(facts, daemonsets=known((one,)), node_configs=canary(ipsec))


def test_a_node_config_that_brings_ipsec_is_the_one_to_change() -> None:
    running = {"EnableIPSec": "false", "KubeProxyReplacement": "true"}
    facts = node_facts("1.14.16", config=running, labels={"group": "canary"})
    held = layered("1.14.16", {"kube-proxy-replacement": "true"}, "true")
    (verdict,) = judged(CHECK, facts, held)
    assert verdict.severity is ARMED
    assert "enable-ipsec=true at the next start (CiliumNodeConfig" in verdict.evidence[0].text
    assert "get ciliumnodeconfig canary" in verdict.evidence[0].source
    assert verdict.remedy.commands[0] == (
        "kubectl -n kube-system patch ciliumnodeconfig canary --type merge"
        ' -p \'{"spec":{"defaults":{"enable-ipsec":"false"}}}\''
    )
    other = node_facts("1.14.16", config=running)
    assert severity(CHECK, other, held) is CLEAR


def test_an_argument_of_the_daemonset_that_brings_ipsec_is_the_one_to_change() -> None:
    running = {"EnableIPSec": "false", "KubeProxyReplacement": "true"}
    held = cluster({"kube-proxy-replacement": "true"}, "1.14.16")
    (one,) = held.daemonsets.value or ()
    brought = replace(one, args=(*one.args, clean("--enable-ipsec=true")))
    held = replace(held, daemonsets=known((brought,)))
    (verdict,) = judged(CHECK, node_facts("1.14.16", config=running), held)
    assert verdict.severity is ARMED
    assert verdict.evidence[0].source == "kubectl -n kube-system get daemonset cilium -o yaml"
    assert "kubectl -n kube-system edit daemonset cilium " in verdict.remedy.commands[0]


def test_a_node_config_that_takes_ipsec_away_clears_an_agent_that_is_down() -> None:
    config = {"enable-ipsec": "true", "kube-proxy-replacement": "true"}
    facts = down("1.14.16", AgentPhase.PENDING)
    facts = replace(facts, node=replace(facts.node, labels={"group": "canary"}))
    assert severity(CHECK, facts, layered("1.14.16", config, "false")) is CLEAR
    assert severity(CHECK, facts, layered("1.14.16", config, "true")) is ARMED


def test_an_older_image_that_starts_next_is_armed() -> None:
    config = {"enable-ipsec": "true", "kube-proxy-replacement": "true"}
    running = {"EnableIPSec": "true", "KubeProxyReplacement": "true"}
    facts = node_facts("1.16.3", config=running)
    (verdict,) = judged(CHECK, facts, cluster(config, "1.15.6"))
    assert verdict.severity is ARMED
    # IPsec is in use: it stays, and the image goes back.
    assert verdict.remedy.commands == ("kubectl -n kube-system rollout undo daemonset/cilium",)
    assert not any("enable-ipsec" in one for one in verdict.remedy.now)
    assert verdict.remedy.settings == ()
    assert severity(CHECK, facts, cluster(config, "1.16.3")) is CLEAR


def test_what_the_agent_runs_counts_where_the_config_map_is_denied() -> None:
    running = {"EnableIPSec": "true", "KubeProxyReplacement": "strict"}
    assert severity(CHECK, node_facts("1.14.0", config=running), cluster(None)) is ARMED
    off = {"EnableIPSec": "false", "KubeProxyReplacement": "strict"}
    (verdict,) = judged(CHECK, node_facts("1.14.0", config=off), cluster(None))
    assert verdict.severity is UNKNOWN
    assert "running: IPsec is off" in verdict.summary
    assert "ConfigMap" in verdict.missing[0].what


def test_support_tells_what_ipsec_still_costs() -> None:
    state = status(encryption_mode=clean("IPsec"), host_routing=clean("Legacy"))
    (verdict,) = judged(CHECK, node_facts("1.17.5", state=state), cluster(BOTH))
    assert verdict.severity is CLEAR
    assert verdict.summary.startswith("supported since 1.16.0")
    assert "host routing" in verdict.summary
    assert "host routing Legacy" in verdict.evidence[0].text


def test_a_person_is_told_all_that_is_needed() -> None:
    line = entry(K5, REFUSAL, meaning="K4", at=NOW - 300.0, count=7)
    (verdict,) = judged(CHECK, down(logs=(line,)), cluster(BOTH))
    assert "Cilium 1.14.16 refuses enable-ipsec=true with" in verdict.summary
    assert verdict.since == NOW - 300.0
    assert str(verdict.objects[0]) == "Pod kube-system/cilium-node-1"
    texts = " | ".join(piece.text for piece in verdict.evidence)
    assert REFUSAL in texts
    assert "cilium-node-1 is crash-loop" in texts
    assert "enable-ipsec=true (ConfigMap)" in texts
    remedy = verdict.remedy
    assert remedy.now[0].startswith("restart no other agent")
    assert remedy.commands[0] == (
        "kubectl -n kube-system patch configmap cilium-config --type merge"
        ' -p \'{"data":{"enable-ipsec":"false"}}\''
    )
    # A container that starts again in the same pod reads what its init container wrote.
    assert "delete this agent's pod" in remedy.now[2]
    assert remedy.commands[1:] == ("kubectl -n kube-system delete pod cilium-node-1",)
    assert remedy.settings[1].helm == "encryption.type=wireguard"
    assert remedy.needs_restart
    assert remedy.interrupts
    assert remedy.test


def test_what_waits_for_a_restart_is_taken_back_without_one() -> None:
    facts = node_facts("1.14.16", config={"EnableIPSec": "false", "KubeProxyReplacement": "strict"})
    (verdict,) = judged(CHECK, facts, cluster(BOTH))
    assert verdict.severity is ARMED
    assert verdict.remedy.now[0].startswith("restart no agent")
    assert not any("restart" in one or "helm" in one for one in verdict.remedy.commands)
    assert verdict.remedy.needs_restart is False


def test_a_node_config_that_stopped_an_agent_is_the_one_to_change() -> None:
    facts = down("1.14.16")
    facts = replace(facts, node=replace(facts.node, labels={"group": "canary"}))
    held = layered("1.14.16", {"kube-proxy-replacement": "true"}, "true")
    (verdict,) = judged(CHECK, facts, held)
    assert verdict.severity is ACTIVE
    assert any("CiliumNodeConfig canary" in one.text for one in verdict.evidence)
    assert "patch ciliumnodeconfig canary" in verdict.remedy.commands[0]


def test_node_port_that_disabled_mode_switches_off_goes_with_ipsec() -> None:
    config = {
        "enable-ipsec": "true",
        "kube-proxy-replacement": "disabled",
        "enable-node-port": "true",
    }
    facts = node_facts("1.13.0", config={"EnableIPSec": "false"})
    assert severity(CHECK, facts, cluster(config, "1.13.0")) is CLEAR
