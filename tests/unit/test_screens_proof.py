"""The command lines that prove what is shown."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from tests.ui import app_samples as samples
from tui.model.features import Feature, FeatureGroup, FeatureState, Proof
from tui.model.maps import CountOrigin
from tui.safety import clean
from tui.screens.details import feature_detail, map_detail, node_fault_detail
from tui.screens.fleet import NodeSummary, summarise_node
from tui.screens.proof import exec_line, feature_command
from widgets.detail_lines import DetailKind

START = "kubectl --context prod-eu-1 -n kube-system exec cilium-00003 -c cilium-agent -- "


def node() -> NodeSummary:
    """Return the broken node as the fleet summarises it."""
    return summarise_node(samples.broken(), samples.NOW, True, "prod-eu-1")


def raws(lines: object) -> list[str]:
    assert isinstance(lines, tuple)
    return [line.text for line in lines if line.kind is DetailKind.RAW]


def feature(proof: Proof, evidence: str) -> Feature:
    return Feature(
        "x",
        clean("X"),
        FeatureGroup.KERNEL,
        FeatureState.YES,
        clean("yes"),
        proof,
        clean(evidence),
    )


@pytest.mark.parametrize(
    ("proof", "evidence", "command"),
    [
        (
            Proof.CONFIG_FILE,
            "CONFIG_INET_DIAG=y in /host/proc/config.gz",
            "zgrep CONFIG_INET_DIAG /host/proc/config.gz",
        ),
        (
            Proof.CONFIG_FILE,
            "CONFIG_INET_DIAG is not set in /boot/config-6.1",
            "grep CONFIG_INET_DIAG /boot/config-6.1",
        ),
        (
            Proof.SYMBOL,
            "udp_diag_destroy in /proc/kallsyms",
            "grep udp_diag_destroy /proc/kallsyms",
        ),
        (Proof.MODULE_LIST, "udp_diag is loaded", "grep -w udp_diag /proc/modules"),
        (
            Proof.SYSCTL,
            "/proc/sys/net/ipv4/tcp_fastopen of the host",
            "cat /proc/sys/net/ipv4/tcp_fastopen",
        ),
        (Proof.STATUS, ".kube-proxy-replacement.mode", "cilium-dbg status -o json"),
        (Proof.AGENT_CONFIG, "bpf-lb-sock-hostns-only=false", "cilium-dbg config -a -o json"),
        (Proof.HOOK, "cil_sock4_connect", "bpftool -j cgroup tree /run/cilium/cgroupv2"),
        (Proof.KERNEL_RELEASE, "uname -r", "uname -r"),
        (
            Proof.HEADER,
            "HAVE_NETNS_COOKIE in /x/features.h",
            "grep HAVE_NETNS_COOKIE /x/features.h",
        ),
    ],
)
def test_feature_is_proved_by_its_own_source(proof: Proof, evidence: str, command: str) -> None:
    assert feature_command(node(), feature(proof, evidence)) == START + command


def test_log_line_and_node_object_are_proved_by_kubectl_itself() -> None:
    line = feature_command(node(), feature(Proof.LOG_LINE, "it's not supported"))
    assert line.startswith("kubectl --context prod-eu-1 -n kube-system logs cilium-00003")
    assert "it's not supported" in shlex.split(line)
    shown = feature_command(node(), feature(Proof.NODE_OBJECT, "status"))
    assert "get node node-3 -o jsonpath=" in shown


def test_pipes_run_in_the_agent_and_are_quoted_for_the_shell() -> None:
    line = exec_line(node(), "bpftool map dump pinned /x | grep -o '\"key\"' | wc -l")
    words = shlex.split(line)
    assert words[-3:-1] == ["sh", "-c"]
    assert words[-1] == "bpftool map dump pinned /x | grep -o '\"key\"' | wc -l"


def test_counted_map_shows_the_count_of_that_map() -> None:
    (usage, *_) = samples.full_maps()
    lines = raws(map_detail(node(), usage, samples.NOW).lines)
    assert any("globals/cilium_lb4_backends_v2" in line and "wc -l" in line for line in lines)
    assert any(line.endswith("get services,endpointslices -A") for line in lines)
    metric = replace(usage, origin=CountOrigin.METRIC)
    lines = raws(map_detail(node(), metric, samples.NOW).lines)
    assert "metrics list" in lines[0]


def test_finding_of_missing_services_lists_all_of_them_and_what_proves_it() -> None:
    broken = node()
    lines = raws(node_fault_detail(broken, broken.faults[0], samples.NOW).lines)
    named = [line for line in lines if line.startswith("default/")]
    assert len(named) == 16
    assert named[0] == "default/echo  10.96.255.40:80/TCP"
    assert START + "bpftool map dump pinned cilium_lb4_services_v2" in lines


def test_every_finding_of_every_sample_has_a_command() -> None:
    for facts in (samples.broken(), samples.filling(), samples.crashing(), samples.denied()):
        summary = summarise_node(facts, samples.NOW, True, "prod-eu-1")
        for fault in summary.faults:
            lines = raws(node_fault_detail(summary, fault, samples.NOW).lines)
            assert any(line.startswith("kubectl --context prod-eu-1") for line in lines), fault


def test_feature_detail_ends_with_its_command() -> None:
    shown = feature_detail(node(), feature(Proof.STATUS, "x"), samples.NOW)
    assert raws(shown.lines)[-1] == START + "cilium-dbg status -o json"
