from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.checks_facts import (
    cluster_facts,
    entry,
    judged,
    known,
    kpr,
    node_facts,
    severity,
    status,
)
from tui.checks.neighbor_discovery_devices import CHECK
from tui.model.agent import AgentMetrics, AgentStatus, DropRate, NodePort
from tui.model.findings import FindingSeverity, ProofKind
from tui.model.host import HostFacts, Neighbors, NetDevice
from tui.model.reading import Reading
from tui.model.snapshot import NodeFacts
from tui.safety import CleanText, clean

ACTIVE, ARMED, UNKNOWN, LATENT, CLEAR = (
    FindingSeverity.ACTIVE,
    FindingSeverity.ARMED,
    FindingSeverity.UNKNOWN,
    FindingSeverity.LATENT,
    FindingSeverity.CLEAR,
)
ON = {"EnableRuntimeDeviceDetection": "true"}
OWN = (NetDevice(clean("cilium_net"), 4), NetDevice(clean("cilium_host"), 5))
ETH0 = NetDevice(clean("eth0"), 2, clean("physical"), 11)
EARLY = NetDevice(clean("eth1"), 3, clean("physical"))
LATE = replace(EARLY, index=40)


def neighbors(*devices: NetDevice) -> Neighbors:
    return Neighbors((*devices, *OWN))


def state(*names: str, **parts: Any) -> AgentStatus:
    devices = tuple(clean(name) for name in names or ("eth0", "eth1"))
    return status(kube_proxy_replacement=kpr(devices=devices), **parts)


def drops(packets: int, reason: str = "FIB lookup failed") -> AgentMetrics:
    rate = DropRate(clean(reason), clean("EGRESS"), packets, packets / 10, packets + 100)
    return AgentMetrics((rate,), interval_seconds=10.0)


def node(
    *devices: NetDevice, release: str | None = "1.17.5", dropped: int = 0, **parts: Any
) -> NodeFacts:
    held: dict[str, Any] = {"state": state(), "neighbors": neighbors(*devices), "config": {}}
    facts = node_facts(release, **(held | parts))
    return replace(facts, metrics=known(drops(dropped), "cilium metrics list"))


@pytest.mark.parametrize(
    ("release", "config", "expected"),
    [
        ("1.11.20", ON, CLEAR),
        ("1.12.0", ON, ARMED),
        ("1.12.0", {}, CLEAR),
        ("1.15.3", ON, ARMED),
        ("1.15.3", {"EnableRuntimeDeviceDetection": "false"}, CLEAR),
        ("1.16.0", {}, ARMED),
        ("1.16.0", {"EnableRuntimeDeviceDetection": "false"}, ARMED),
        ("1.17.14", {}, ARMED),
        ("1.17.14", {"EnableL2NeighDiscovery": "false"}, CLEAR),
        ("1.18.0", ON, CLEAR),
        ("1.18.0-rc.1", ON, CLEAR),
        ("1.20.0-dev", ON, CLEAR),
        (None, ON, UNKNOWN),
    ],
)
def test_release_and_settings_decide(
    release: str | None, config: dict[str, str], expected: FindingSeverity
) -> None:
    (verdict,) = judged(CHECK, node(ETH0, LATE, release=release, config=config))
    assert verdict.severity is expected
    if expected is UNKNOWN:
        assert verdict.missing[0].how.endswith("version")


def test_without_any_configuration_the_flag_is_unknown_and_not_off() -> None:
    (verdict,) = judged(CHECK, node(ETH0, LATE, release="1.15.3", config=None))
    assert verdict.severity is UNKNOWN
    assert "enable-runtime-device-detection" in verdict.missing[0].what
    held = cluster_facts({"enable-runtime-device-detection": "true"})
    assert severity(CHECK, node(ETH0, LATE, release="1.15.3", config=None), held) is ARMED


@pytest.mark.parametrize(
    ("devices", "dropped", "expected"),
    [
        ((ETH0, LATE), 50, ACTIVE),
        ((ETH0, LATE), 0, ARMED),
        ((ETH0, replace(LATE, agent_neighbors=3)), 50, LATENT),
        ((ETH0, EARLY), 0, LATENT),
        ((ETH0, EARLY), 50, LATENT),
        ((ETH0, replace(EARLY, failed_neighbors=2)), 50, ACTIVE),
        ((ETH0, replace(EARLY, failed_neighbors=2)), 0, LATENT),
        ((replace(ETH0, agent_neighbors=0), LATE), 50, LATENT),
        ((ETH0,), 0, ARMED),
        ((ETH0, replace(LATE, kind=clean("wireguard"))), 50, LATENT),
    ],
)
def test_devices_and_drops_decide(
    devices: tuple[NetDevice, ...], dropped: int, expected: FindingSeverity
) -> None:
    assert severity(CHECK, node(*devices, dropped=dropped)) is expected


def test_drops_of_another_reason_prove_nothing() -> None:
    facts = replace(node(ETH0, LATE), metrics=known(drops(50, "Policy denied")))
    assert severity(CHECK, facts) is ARMED


def test_without_the_agents_own_devices_nothing_is_called_late() -> None:
    facts = node(neighbors=Neighbors((ETH0, LATE)))
    assert severity(CHECK, facts) is LATENT


@pytest.mark.parametrize("names", [("eth0",), ("eth0", "wg0"), ("eth0", "tun0", "cilium_vxlan")])
def test_a_single_device_with_a_link_layer_is_latent(names: tuple[str, ...]) -> None:
    facts = node(ETH0, state=state(*names))
    assert severity(CHECK, facts) is LATENT


@pytest.mark.parametrize(
    ("is_enabled", "routing", "expected"),
    [(False, "Legacy", CLEAR), (False, "BPF", LATENT), (True, "Legacy", ARMED)],
)
def test_discovery_needs_node_port_or_host_routing_in_bpf(
    is_enabled: bool, routing: str, expected: FindingSeverity
) -> None:
    proxy = kpr(devices=(clean("eth0"), clean("eth1")), node_port=NodePort(is_enabled=is_enabled))
    found = status(kube_proxy_replacement=proxy, host_routing=clean(routing))
    assert severity(CHECK, node(ETH0, LATE, state=found)) is expected


@pytest.mark.parametrize(
    ("kernel", "acceleration", "dropped", "expected"),
    [
        ("5.9.16", "Disabled", 0, ARMED),
        ("5.10.0", "Disabled", 0, LATENT),
        ("6.8.0-45-generic", "Disabled", 0, LATENT),
        ("6.8.0-45-generic", "Native", 0, ARMED),
        ("6.8.0-45-generic", "Best-Effort", 0, ARMED),
        ("6.8.0-45-generic", "", 0, ARMED),
        ("4.18.0-553.el8_10.x86_64", "Disabled", 0, ARMED),
        ("", "Disabled", 0, ARMED),
        # Drops prove it, whatever the kernel could do.
        ("6.8.0-45-generic", "Disabled", 50, ACTIVE),
    ],
)
def test_without_xdp_a_newer_kernel_resolves_neighbors_by_itself(
    kernel: str, acceleration: str, dropped: int, expected: FindingSeverity
) -> None:
    port = NodePort(is_enabled=True, acceleration=clean(acceleration))
    proxy = kpr(devices=(clean("eth0"), clean("eth1")), node_port=port)
    found = status(kube_proxy_replacement=proxy)
    facts = node(ETH0, LATE, state=found, kernel=kernel, dropped=dropped)
    assert severity(CHECK, facts) is expected
    gone = node(ETH0, state=found, kernel=kernel)
    assert severity(CHECK, gone) is (LATENT if expected is LATENT or dropped else ARMED)


def test_without_a_status_of_xdp_the_configuration_tells() -> None:
    for value, expected in (("disabled", LATENT), ("native", ARMED)):
        config = {"NodePortAcceleration": value}
        assert severity(CHECK, node(ETH0, LATE, config=config)) is expected


def test_neighbors_that_could_not_be_read_are_unknown_with_their_reason() -> None:
    unread = HostFacts(reasons={"neighbors": CleanText("ip: not found")})
    facts = replace(node(ETH0, LATE), host=known(unread))
    (verdict,) = judged(CHECK, facts)
    assert verdict.severity is UNKNOWN
    assert "ip: not found" in verdict.missing[0].what
    assert "ip -d neigh show" in verdict.missing[0].how


def test_devices_that_the_status_does_not_tell_are_unknown() -> None:
    facts = replace(node(ETH0, LATE), status=Reading())
    (verdict,) = judged(CHECK, facts)
    assert verdict.severity is UNKNOWN
    assert "status --verbose" in verdict.missing[0].how


def test_what_a_person_needs_is_there() -> None:
    line = entry("unable to determine next hop address for any neighbor", meaning="N1")
    (verdict,) = judged(CHECK, node(ETH0, LATE, dropped=50, logs=(line,)))
    assert "eth1 has none of the agent's neighbors (other devices: 11)" in verdict.summary
    assert "5.0 packets/s" in verdict.summary
    assert "`FIB lookup failed`" in verdict.summary
    assert verdict.harm == 1
    texts = [piece.text for piece in verdict.evidence]
    assert "devices of the agent: eth0, eth1" in texts
    assert "eth1: index 40, 0 neighbors of the agent, 0 in state FAILED" in texts
    assert "dropped: FIB lookup failed, EGRESS: +50 (150 in all)" in texts
    assert verdict.evidence[-1].proof is ProofKind.LOG
    assert all(piece.source for piece in verdict.evidence)
    assert verdict.evidence[1].source.startswith("ip -d neigh show")
    assert "restart the agent of node-1 alone" in verdict.remedy.now[0]
    assert verdict.remedy.commands == ("kubectl -n kube-system delete pod cilium-node-1",)
    (setting,) = verdict.remedy.settings
    assert (setting.key, setting.value, setting.helm) == (
        "devices",
        "eth0 eth1",
        "devices={eth0,eth1}",
    )
    assert verdict.remedy.needs_restart is True
    assert verdict.remedy.interrupts
    assert "ip neigh show dev eth1" in verdict.remedy.test


def test_a_device_that_is_gone_arms_it_and_is_named() -> None:
    (verdict,) = judged(CHECK, node(ETH0))
    assert "eth1" in verdict.summary
    assert "not on the host" in verdict.summary
