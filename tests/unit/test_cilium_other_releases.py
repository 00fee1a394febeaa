"""Outputs of releases and clusters that no fixture holds; each sample names where it comes from."""

from __future__ import annotations

import pytest

from tui.cilium.config import find_flag, find_value, parse_config
from tui.cilium.map_catalogue import live_pins
from tui.cilium.maps import parse_maps
from tui.cilium.metrics import parse_metrics
from tui.cilium.output import without_log_lines
from tui.cilium.releases import Release, parse_release
from tui.cilium.status import parse_status
from tui.cilium.version import parse_version
from tui.errors import ParseError

WARNING = b'time=2026-01-02T03:04:05.6Z level=warn msg="Unable to read config" error="a b"\n'
"""slog's default logger writes to stdout: seen as a fatal line of 1.19's `bpf` commands."""


def test_log_lines_before_an_answer_are_no_part_of_it() -> None:
    status = parse_status(WARNING + WARNING + b'{"cilium":{"state":"Ok"}}')
    assert status.cilium.state == "Ok"
    assert parse_version(WARNING + b'{"Client":{"Version":"1.18.2"}}').release == "1.18.2"
    config = parse_config(WARNING + b'{"EnableIPv4":true}')
    assert find_flag(config, "enable-ipv4") is True
    series = b'[{"name":"cilium_drop_count_total","value":2}]'
    assert parse_metrics(b"level=info subsys=x msg=y\n" + series).values["drop_count_total"]


def test_json_log_lines_are_left_out_too() -> None:
    """1.19 with `log-opt: format=json`, as pull request 44961 shows it."""
    line = (
        b'{"time":"2026-03-23T12:45:08.49Z","level":"info","msg":"Running","subsys":"cilium-dbg"}\n'
    )
    assert parse_status(line + line + b'{"cilium":{"state":"Ok"}}').cilium.state == "Ok"
    with pytest.raises(ParseError):
        parse_status(line)


@pytest.mark.parametrize("name", ["policy_*", "policy_v2_*", "cilium_policy_v2_*"])
def test_the_policy_maps_series_is_known_by_either_name(name: str) -> None:
    series = b'[{"name":"cilium_bpf_map_pressure","labels":{"map_name":"%s"},"value":0.5}]'
    (found,) = parse_metrics(series % name.encode()).pressures
    assert found == name.removeprefix("cilium_")


@pytest.mark.parametrize("text", [WARNING, b"level=fatal msg=dead subsys=bpf", b"", b"\n"])
def test_log_lines_alone_are_named(text: bytes) -> None:
    assert without_log_lines(text) == text
    with pytest.raises(ParseError):
        parse_status(text)


def test_features_without_a_mode_are_still_read() -> None:
    """daemon/cmd/status.go: settings outside its switch leave the mode empty, and so left out."""
    status = parse_status(
        b'{"cilium":{"state":"Ok"},"kube-proxy-replacement":'
        b'{"features":{"nodePort":{"enabled":true,"mode":"SNAT"},"socketLB":{}}}}'
    )
    proxy = status.kube_proxy_replacement
    assert proxy is not None
    assert (proxy.mode, proxy.is_enabled, proxy.socket_lb) == ("", None, False)
    assert proxy.node_port is not None
    assert proxy.node_port.is_enabled


def test_a_status_of_nulls_is_unknown_and_not_off() -> None:
    status = parse_status(
        b'{"cilium":{"state":"Ok","msg":null},"controllers":null,"bpf-maps":null,"kubernetes":null,'
        b'"kube-proxy-replacement":{"mode":"True","deviceList":[null,{"name":null,"ip":null}],'
        b'"features":{"nodePort":null,"socketLB":null,"sessionAffinity":null}},'
        b'"masquerading":null,"encryption":{"mode":null},"routing":null}'
    )
    proxy = status.kube_proxy_replacement
    assert proxy is not None
    assert (proxy.node_port, proxy.socket_lb, proxy.session_affinity) == (None, None, None)
    assert (status.controllers_total, status.map_sizes, status.kubernetes) == (0, {}, None)
    assert (status.masquerading, status.encryption_mode, status.routing) == ("", "", "")


def test_numbers_may_be_text() -> None:
    """bpftool before 5.0 prints `bytes_memlock` as read from fdinfo; int64s may be quoted."""
    (one,) = parse_maps(
        b'[{"id":"7","type":"hash","flags":"129","bytes_key":12,"bytes_value":12,'
        b'"max_entries":"65536","bytes_memlock":"5665968","frozen":0,"btf_id":3,'
        b'"pinned":["/sys/fs/bpf/tc/globals/cilium_lb4_services_v2"],'
        b'"pids":[{"pid":1,"comm":"cilium-agent"}]}]'
    )
    assert (one.max_entries, one.memory_bytes, one.is_preallocated) == (65_536, 5_665_968, False)


def test_old_policy_maps_are_live_again_after_a_downgrade() -> None:
    pins = {"cilium_policy_00012", "cilium_policy_v2_00012"}
    assert live_pins(pins, Release(1, 16, 9)) == {"cilium_policy_00012"}
    assert live_pins(pins, Release(1, 17, 0)) == {"cilium_policy_v2_00012"}
    assert live_pins(pins) == {"cilium_policy_v2_00012"}
    assert live_pins({"cilium_policy_v2_00012"}, Release(1, 16, 9)) == {"cilium_policy_v2_00012"}


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("1.12.19 (v1.12.19-7b6a9a5f)", (1, 12, 19)),
        ("v1.13.90", (1, 14, 0)),
        ("v1.14.19-eksbuild.1", (1, 14, 19)),
        ("1.15.0-pre.3", (1, 15, 0)),
        ("v1.16.0-rc.2", (1, 16, 0)),
        ("1.18.0 (v1.18.0-12fe0b6d)", (1, 18, 0)),
        ("1.20.0-dev", (1, 20, 0)),
        ("1.11.4-gke.41", (1, 11, 4)),
    ],
)
def test_versions_as_builds_name_themselves(text: str, release: tuple[int, int, int]) -> None:
    found = parse_release(text)
    assert found is not None
    assert (found.major, found.minor, found.patch) == release


def test_spellings_between_the_releases() -> None:
    """pkg/option/config.go: 1.14 split `Tunnel`, 1.13 renamed the socket load balancer."""
    old = parse_config(b'{"EnableHostReachableServices":true,"Tunnel":"vxlan"}')
    new = parse_config(b'{"EnableSocketLB":true,"RoutingMode":"tunnel","TunnelProtocol":"geneve"}')
    assert find_flag(old, "bpf-lb-sock") is find_flag(new, "bpf-lb-sock") is True
    assert (find_value(old, "tunnel"), find_value(new, "tunnel")) == ("vxlan", "geneve")
    assert find_value(new, "routing-mode") == "tunnel"
