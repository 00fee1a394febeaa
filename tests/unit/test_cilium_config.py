from __future__ import annotations

import pytest

from tests.unit.cilium_fixtures import read
from tui.cilium.config import SPELLINGS, find_flag, find_number, find_value, parse_config
from tui.errors import ParseError

VERSIONS = ("1.11.7-k8s", "1.17.5", "1.19.4")


@pytest.mark.parametrize("version", VERSIONS)
def test_json_and_text_tell_the_same_options(version: str) -> None:
    in_json = parse_config(read(version, "config-a-json.json"))
    in_text = parse_config(read(version, "config-a.txt"))
    options = {name: find_value(in_json, name) for name in SPELLINGS}
    assert {name: find_value(in_text, name) for name in SPELLINGS} == options
    assert in_json.values["options.DropNotification"] == "Enabled"
    assert in_text.values["options.DropNotification"] == "Enabled"


@pytest.mark.parametrize("version", VERSIONS)
def test_when_the_options_were_read_is_no_option(version: str) -> None:
    output = read(version, "config-a-json.json")
    assert b"CreationTime" in output
    assert "CreationTime" not in parse_config(output).values


def test_finds_options_under_each_releases_spelling() -> None:
    old, middle, new = (parse_config(read(name, "config-a-json.json")) for name in VERSIONS)
    assert find_number(old, "bpf-lb-map-max") == 64
    assert find_number(middle, "bpf-lb-map-max") == 64
    assert find_number(new, "bpf-lb-map-max") is None
    assert [find_flag(one, "bpf-lb-sock") for one in (old, middle, new)] == [True, True, None]
    assert [find_flag(one, "bpf-lb-sock-hostns-only") for one in (old, middle, new)] == [False] * 3
    assert find_value(old, "kube-proxy-replacement") == "strict"
    assert find_value(middle, "kube-proxy-replacement") == "true"
    assert find_value(old, "devices") == "eth0"
    assert find_value(old, "no-such-option") is None


def test_values_of_any_type_become_text() -> None:
    config = parse_config(
        b'{"A":{"B":{"C":1}},"D":["x","y"],"E":null,"F":1.5,"G":true,"H":[{"a":1}],"I":{},"J":""}'
    )
    assert config.values == {
        "A.B.C": "1",
        "D": "x,y",
        "E": "",
        "F": "1.5",
        "G": "true",
        "H": '[{"a": 1}]',
        "I": "",
        "J": "",
    }


def test_the_text_form_keeps_the_members_of_a_map_apart() -> None:
    text = (
        b"#### Read-only configurations ####\n"
        b"MetricsConfig\n"
        b"\tBPFMapOps                 : Enabled\n"
        b"LBMapEntries                      : 64\n"
        b"Devices                           : [eth0 eth1]\n"
        b"Nothing                           : <nil>\n"
        b"##### Read-write configurations #####\n"
        b"Debug                             : Disabled\n"
    )
    assert parse_config(text).values == {
        "MetricsConfig.BPFMapOps": "Enabled",
        "LBMapEntries": "64",
        "Devices": "eth0,eth1",
        "Nothing": "",
        "options.Debug": "Disabled",
    }


@pytest.mark.parametrize("value", ["", "many", "-1", "9" * 30])
def test_a_number_that_is_none_is_not_guessed(value: str) -> None:
    config = parse_config(f'{{"LBMapEntries":"{value}"}}'.encode())
    assert find_number(config, "bpf-lb-map-max") is None
    assert find_flag(config, "bpf-lb-map-max") is None


@pytest.mark.parametrize("name", ["config-get.txt", "status.txt"])
def test_other_text_is_refused(name: str) -> None:
    with pytest.raises(ParseError):
        parse_config(read("1.19.4", name))


def test_usage_is_named() -> None:
    with pytest.raises(ParseError, match="usage"):
        parse_config(read("1.11.7", "config-get.txt"))
