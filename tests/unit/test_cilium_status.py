from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.cilium_fixtures import WITH_STATUS, read
from tui.cilium.releases import Release
from tui.cilium.status import parse_status, parse_timestamp
from tui.cilium.version import parse_version
from tui.errors import ParseError


def encoded(**sections: Any) -> bytes:
    return json.dumps({"cilium": {"state": "Ok", "msg": "1.17.5 (v1.17.5-x)"}, **sections}).encode()


@pytest.mark.parametrize("version", WITH_STATUS)
def test_reads_the_status_of_every_agent(version: str) -> None:
    status = parse_status(read(version, "status.json"))
    assert status.cilium.state == "Ok"
    assert status.kvstore is not None
    assert status.controllers_total > 10
    assert status.encryption_mode == "Disabled"
    assert status.map_sizes["cilium_lb4_services_v2"] == 64
    assert status.map_sizes["policy"] == 16384
    assert status.map_sizes["cilium_lxc"] == 65535


def test_finds_the_controllers_that_fail() -> None:
    status = parse_status(read("1.11.7-k8s", "status.json"))
    assert [one.name for one in status.failing_controllers] == [
        "bpf-map-sync-cilium_lb4_backends_v2",
        "bpf-map-sync-cilium_lb4_services_v2",
    ]
    first = status.failing_controllers[0]
    assert (first.consecutive_failures, first.message) == (7, "18 map sync errors")
    assert first.synced_map == "cilium_lb4_backends_v2"
    assert first.last_failure_at == pytest.approx(1795332080.488)
    assert not parse_status(read("1.19.4-full", "status.json")).failing_controllers


def test_reads_old_and_new_spellings_of_kube_proxy_replacement() -> None:
    old = parse_status(read("1.11.7-k8s", "status.json")).kube_proxy_replacement
    new = parse_status(read("1.19.4", "status.json")).kube_proxy_replacement
    assert old is not None
    assert new is not None
    assert (old.mode, old.is_enabled, old.socket_lb) == ("Strict", True, True)
    assert (new.mode, new.is_enabled, new.socket_lb) == ("True", True, True)
    assert (old.socket_lb_coverage, new.socket_lb_coverage) == ("", "Full")
    assert (old.socket_lb_tracing, new.socket_lb_tracing) == (None, True)
    assert (old.graceful_termination, new.graceful_termination) == (True, None)
    assert new.devices == ("eth0",)
    assert new.direct_routing_device == "eth0"
    assert new.device_addresses == ("10.200.0.2", "fd00:200::2", "fe80::cc56:2bff:fe45:1a71")
    assert new.node_port is not None
    assert (new.node_port.mode, new.node_port.port_min, new.node_port.port_max) == (
        "SNAT",
        30000,
        32767,
    )
    assert new.node_port.dsr_mode == "IP Option/Extension"


@pytest.mark.parametrize("version", ["1.11.7", "1.17.5"])
def test_an_absent_replacement_is_unknown_not_off(version: str) -> None:
    assert parse_status(read(version, "status.json")).kube_proxy_replacement is None


@pytest.mark.parametrize(
    ("release", "features", "coverage"),
    [
        ("1.13.12", {"socketLB": {"enabled": True}, "bpfSocketLBHostnsOnly": True}, "Hostns-only"),
        ("1.14.16", {"socketLB": {"enabled": True}}, "Full"),
        ("1.13.12", {"socketLB": {"enabled": True}, "socketLBTracing": {}}, ""),
        ("1.17.5", {"socketLB": {}, "bpfSocketLBHostnsOnly": True}, ""),
    ],
)
def test_coverage_is_unknown_before_the_release_tells(
    release: str, features: dict[str, Any], coverage: str
) -> None:
    section = {"kube-proxy-replacement": {"mode": "True", "features": features}}
    status = parse_status(encoded(cilium={"state": "Ok", "msg": release}, **section))
    assert status.kube_proxy_replacement is not None
    assert status.kube_proxy_replacement.socket_lb_coverage == coverage


def test_reads_what_moved_between_releases() -> None:
    old, k8s, new = (
        parse_status(read(version, "status.json")) for version in ("1.11.7", "1.11.7-k8s", "1.19.4")
    )
    assert (old.host_routing, k8s.host_routing, new.host_routing) == ("BPF", "Legacy", "BPF")
    assert (old.masquerading, k8s.masquerading) == ("Disabled", "iptables")
    assert (old.attach_mode, new.attach_mode) == ("", "tcx")
    assert (old.routing, new.routing) == ("", "Tunnel vxlan")
    assert (old.dynamic_size_ratio, new.dynamic_size_ratio) == (None, 0.0025)


def test_a_map_name_changes_its_meaning_with_1_18() -> None:
    maps = {"bpf-maps": {"maps": [{"name": "Endpoint policy", "size": 7}]}}
    assert parse_status(encoded(**maps)).map_sizes == {"cilium_lxc": 7}
    assert parse_status(encoded(**maps), Release(1, 18, 0)).map_sizes == {"policy": 7}


def test_unhealthy_states_are_read_from_their_fields() -> None:
    status = parse_status(
        encoded(
            cilium={"state": "Failure", "msg": "1.19.4 (v1.19.4-827cf5537d)    Kvstore not ready"},
            kvstore={"state": "Failure", "msg": "Err: not able to connect\x1b[2J"},
            kubernetes=None,
            controllers=None,
        )
    )
    assert status.cilium.state == "Failure"
    assert status.kvstore is not None
    assert "\x1b" not in status.kvstore.message
    assert status.kubernetes is None
    assert status.controllers_total == 0


def test_a_section_of_another_shape_costs_itself_only() -> None:
    status = parse_status(
        encoded(
            **{
                "bpf-maps": [1, 2],
                "controllers": [{"name": 3}, "x", {"status": {"consecutive-failure-count": 2}}],
                "kube-proxy-replacement": "yes",
                "masquerading": 4,
                "encryption": {"mode": "IPsec"},
                "routing": {"inter-host-routing-mode": "Native"},
            }
        )
    )
    assert status.map_sizes == {}
    assert [one.name for one in status.failing_controllers] == ["(unnamed)"]
    assert status.kube_proxy_replacement is None
    assert status.masquerading == ""
    assert status.encryption_mode == "IPsec"
    assert status.routing == "Native"


def test_a_status_without_its_state_is_refused() -> None:
    with pytest.raises(ParseError, match="no `cilium` state"):
        parse_status(b'{"bpf-maps": {}}')


def test_the_zero_time_is_never() -> None:
    assert parse_timestamp("0001-01-01T00:00:00.000Z") is None
    assert parse_timestamp("2026-11-22T07:00:00.000Z") == 1795330800.0
    assert parse_timestamp("yesterday") is None


@pytest.mark.parametrize("version", WITH_STATUS)
@pytest.mark.parametrize("name", ["version.json", "version.txt"])
def test_reads_the_version_of_every_agent(version: str, name: str) -> None:
    found = parse_version(read(version, name))
    assert found.release == version[:6]
    assert found.is_daemon_up
    assert found.binary == ("cilium" if version.startswith("1.11") else "cilium-dbg")


@pytest.mark.parametrize("name", ["version.txt", "version-o-json.txt"])
@pytest.mark.parametrize("version", ["1.11.7", "1.19.4"])
def test_a_missing_daemon_is_not_up(version: str, name: str) -> None:
    found = parse_version(read(version, f"agent-down/{name}"))
    assert found.release == version
    assert not found.is_daemon_up


def test_a_version_without_its_client_is_refused() -> None:
    with pytest.raises(ParseError):
        parse_version(b'{"Daemon": null}')
