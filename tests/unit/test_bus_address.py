from __future__ import annotations

import pickle
import re
import traceback
from pathlib import Path

import pytest

from tui.bus.link.address import BrokerAddress, broker_address
from tui.config import Config, describe, load_config
from tui.errors import ConfigError
from tui.safety.secret import Secret


def config(tmp_path: Path, environment: dict[str, str], **flags: str) -> Config:
    named = {key.replace("_", "-"): value for key, value in flags.items()}
    return load_config(tmp_path / "none.toml", named, environment)


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "shown"),
    [
        ("mqtt://broker", "broker", 1883, "", "mqtt://broker:1883"),
        ("MQTTS://broker.example/", "broker.example", 8883, "", "mqtts://broker.example:8883"),
        ("ws://broker", "broker", 80, "/mqtt", "ws://broker:80/mqtt"),
        ("wss://broker/bus?x=1", "broker", 443, "/bus?x=1", "wss://broker:443/bus?x=1"),
        ("wss://broker:8443/", "broker", 8443, "/", "wss://broker:8443/"),
        ("mqtt://[2001:db8::1]:1884", "2001:db8::1", 1884, "", "mqtt://[2001:db8::1]:1884"),
        ("mqtts://[::1]", "::1", 8883, "", "mqtts://[::1]:8883"),
    ],
)
def test_urls(tmp_path: Path, url: str, host: str, port: int, path: str, shown: str) -> None:
    address = broker_address(config(tmp_path, {}, mqtt=url))
    assert (address.host, address.port, address.path) == (host, port, path)
    assert str(address) == shown


@pytest.mark.parametrize(
    "url",
    [
        "broker",
        "broker:1883",
        "http://broker",
        "mqtt://",
        "mqtt://broker:99999",
        "mqtt://broker:0",
        "mqtt://broker:x",
        "mqtt://[::1",
        "mqtt://broker/path",
        "mqtts://broker?x=1",
    ],
)
def test_what_is_no_url_of_a_broker_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        broker_address(config(tmp_path, {}, mqtt=url))
    assert "--mqtt" in caught.value.message


def test_without_a_broker_the_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CILTOP_MQTT_URL"):
        broker_address(config(tmp_path, {}))


def test_credentials_come_from_the_environments_url(tmp_path: Path) -> None:
    made = config(tmp_path, {"CILTOP_MQTT_URL": "mqtts://us%40er:p%2Fw%40@broker"})
    address = broker_address(made)
    assert address.user == "us@er"
    assert address.read_password() == "p/w@"
    assert str(address) == "mqtts://broker:8883"
    printed = describe(made)
    assert "p/w@" not in printed
    assert "p%2Fw" not in printed
    assert re.search("mqtt-password +set, not shown +environment CILTOP_MQTT_URL", printed)


def test_a_url_whose_host_was_forgotten_shows_no_password(tmp_path: Path) -> None:
    printed = describe(config(tmp_path, {"CILTOP_MQTT_URL": "mqtt://user:hunter2"}))
    assert "hunter2" not in printed
    whole = describe(config(tmp_path, {"CILTOP_MQTT_URL": "ws://[::1]:8080/mqtt"}))
    assert "ws://[::1]:8080/mqtt" in whole


def test_a_password_on_the_command_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CILTOP_MQTT_PASSWORD") as caught:
        config(tmp_path, {}, mqtt="mqtt://user:hunter2@broker")
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    "url", ["mqtt://u:hunter/2@broker", "mqtt://u:hunter#2@broker", "mqtt://u:hunter2"]
)
def test_a_password_that_breaks_the_url_is_not_printed(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        broker_address(config(tmp_path, {"CILTOP_MQTT_URL": url}))
    assert "hunter" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("key", ["MQTT_USER", "MQTT_PASSWORD", "MQTT_PASSWORD_FILE"])
def test_credentials_given_twice_are_refused(tmp_path: Path, key: str) -> None:
    environment = {"CILTOP_MQTT_URL": "mqtt://u:p@broker", f"CILTOP_{key}": "other"}
    with pytest.raises(ConfigError, match="given twice"):
        config(tmp_path, environment)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"CILTOP_MQTT_PASSWORD": "x"}, "no mqtt-user"),
        (
            {
                "CILTOP_MQTT_USER": "u",
                "CILTOP_MQTT_PASSWORD": "x",
                "CILTOP_MQTT_PASSWORD_FILE": "y",
            },
            "leave one out",
        ),
        ({"CILTOP_MQTT_CA": "/dev/null"}, "does not encrypt: use mqtts://"),
        ({"CILTOP_MQTT_CERT": "/dev/null"}, "does not encrypt: use mqtts://"),
        ({"CILTOP_MQTT_KEY": "/dev/null"}, "mqtt-cert is not"),
    ],
)
def test_settings_without_effect_are_refused(
    tmp_path: Path, environment: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        broker_address(config(tmp_path, environment, mqtt="mqtt://broker"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mqtt-ca .*/ca.pem: no such file"):
        broker_address(config(tmp_path, {}, mqtt="wss://broker", mqtt_ca=str(tmp_path / "ca.pem")))


@pytest.mark.parametrize("text", ["s3cret", "s3cret\n", "s3cret\r\n"])
def test_a_password_file_is_read_anew_each_time(tmp_path: Path, text: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(text.encode())
    environment = {"CILTOP_MQTT_PASSWORD_FILE": str(path), "CILTOP_MQTT_USER": "u"}
    address = broker_address(config(tmp_path, environment, mqtt="mqtts://broker"))
    assert address.read_password() == "s3cret"
    path.write_text("renewed", encoding="utf-8")
    assert address.read_password() == "renewed"
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="is empty"):
        address.read_password()


def test_no_text_of_an_address_shows_its_password() -> None:
    address = BrokerAddress("mqtt", "broker", 1883, user="u", password=Secret("hunter2"))
    shown = f"{address} {address!r} {[address]} {address.warning} {address.password}"
    assert "hunter2" not in shown
    assert pickle.loads(pickle.dumps(address)) == address  # noqa: S301 - just pickled


@pytest.mark.parametrize(
    ("scheme", "host", "is_risky"),
    [
        ("mqtt", "broker", True),
        ("ws", "10.0.0.1", True),
        ("mqtt", "localhost", False),
        ("mqtt", "127.0.0.9", False),
        ("mqtt", "::1", False),
        ("mqtts", "broker", False),
        ("wss", "broker", False),
    ],
)
def test_an_unencrypted_password_is_warned_of(scheme: str, host: str, is_risky: bool) -> None:
    address = BrokerAddress(scheme, host, 1, user="u", password=Secret("p"))
    assert bool(address.warning) is is_risky
    assert BrokerAddress(scheme, host, 1).warning == ""
