"""Real agents' configurations, flags and maps: nothing is pending that nobody changed."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.unit.checks_facts import cluster_facts, known, node_facts
from tests.unit.cilium_fixtures import OUTPUTS, read
from tui.cilium.config import parse_config
from tui.cilium.map_catalogue import family_of
from tui.cilium.maps import parse_maps
from tui.cilium.nextstart import next_start, running_sizing
from tui.model.agent import EffectiveConfig
from tui.model.cluster import CiliumDaemonSet, ClusterFacts
from tui.model.maps import MapUsage
from tui.model.nextstart import NextStart
from tui.safety import clean

AGENTS = {"1.11.7": "1.11.7", "1.11.7-full": "1.11.7", "1.11.7-k8s": "1.11.7"}
AGENTS |= {"1.17.5": "1.17.5", "1.19.4": "1.19.4"}
_FLAG = re.compile(r"--([a-z0-9-]+)='([^']*)'")


LOGS = {"1.11.7": "1.11.7/agent-phaseA.log", "1.11.7-full": "1.11.7/agent.log"}
SIZED_BY_MEMORY = ("bpf-neigh-global-max", "bpf-sock-rev-map-max")
"""Logged with their defaults although the agent sizes them otherwise."""


def flags(version: str) -> dict[str, str]:
    """Return every flag that a real agent logged at its start, defaults included."""
    text = (OUTPUTS / LOGS.get(version, f"{version}/agent.log")).read_text()
    found = {name: value.replace('\\"', '"') for name, value in _FLAG.findall(text)}
    return {name: value for name, value in found.items() if name not in SIZED_BY_MEMORY}


def config(version: str, name: str = "config-a-json.json") -> EffectiveConfig:
    return parse_config(read(version, name))


def usages(version: str) -> tuple[MapUsage, ...]:
    return tuple(
        MapUsage(clean(one.pin), one.kind, one.max_entries)
        for one in parse_maps(read(version, "bpftool-map-show-f.json"))
    )


def daemonset(*arguments: str, **parts: object) -> CiliumDaemonSet:
    words = ("cilium-agent", "--config-dir=/tmp/cilium/config-map", *arguments)
    made = CiliumDaemonSet(clean("cilium"), clean("kube-system"), args=tuple(map(clean, words)))
    return replace(made, **parts)  # type: ignore[arg-type]  # fields of CiliumDaemonSet


def cluster(values: dict[str, str], *arguments: str, **parts: object) -> ClusterFacts:
    return cluster_facts(
        values,
        daemonsets=known((daemonset(*arguments, **parts),)),
        node_configs=known(()),
    )


def started(
    version: str, values: dict[str, str], *arguments: str, file: str = "config-a-json.json"
) -> NextStart:
    facts = node_facts(AGENTS[version])
    return next_start(
        facts.node,
        facts.agent,
        config(version, file),
        usages(version),
        cluster(values, *arguments, has_config_builder=True),
    )


@pytest.mark.parametrize("file", ["config-a-json.json", "config-a.txt"])
@pytest.mark.parametrize("version", AGENTS)
def test_what_an_agent_was_started_with_is_not_pending(version: str, file: str) -> None:
    found = started(version, flags(version), file=file)
    assert [(one.key, one.running, one.next) for one in found.pending] == []
    assert found.maps == ()
    assert found.blockers == ()
    assert found.is_known


@pytest.mark.parametrize("version", AGENTS)
def test_real_maps_are_as_large_as_the_running_configuration_says(version: str) -> None:
    sizing = running_sizing(config(version))
    for usage in usages(version):
        size = sizing.of(usage)
        assert size is None or size.max_entries == usage.max_entries or size.is_default, usage
        if family_of(str(usage.name)).key == "ct-tcp":
            assert size is not None


@pytest.mark.parametrize("version", AGENTS)
def test_a_smaller_size_is_pending_on_every_release(version: str) -> None:
    sizes = {"bpf-ct-global-tcp-max": "65536", "bpf-ct-global-any-max": "65536"}
    sizes |= {"bpf-nat-global-max": "65536", "bpf-lb-map-max": "32"}
    sizes |= {"bpf-map-dynamic-size-ratio": "0.0025"}
    found = started(version, sizes)
    assert [(one.key, one.running, one.next) for one in found.pending] == [
        ("bpf-lb-map-max", "64", "32")
    ]
    names = {str(fit.name) for fit in found.maps}
    assert {"cilium_lb4_services_v2", "cilium_lb4_reverse_nat"} <= names
    assert all((fit.max_now, fit.max_next) == (64, 32) for fit in found.maps)
