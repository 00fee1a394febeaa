"""`ciltop demo --mqtt` with real brokers: what it starts, what it says, and that nothing stays."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest

from tests.contract.test_command_line import LIMIT_SECONDS, Terminal, _processes_of
from tui.bus.link.address import broker_address
from tui.cli import main
from tui.config import load_config
from tui.demo import broker as demo_broker
from tui.demo.broker import COLLECTORS, BrokerDemo, find_broker
from tui.demo.dashboard import _collect_flags, _held
from tui.errors import ConfigError, ConnectError

SCENARIO = "healthy"
NODES = 4


def without_mosquitto(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(demo_broker, "_SBIN", ())


@pytest.fixture(params=["mosquitto", "amqtt"])
def broker(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = str(request.param)
    if name == "mosquitto" and not find_broker_named(name):
        pytest.skip("mosquitto is not installed")
    if name == "amqtt":
        if importlib.util.find_spec("amqtt") is None:
            pytest.skip("amqtt is not installed: uv sync --extra amqtt")
        for tool in ("env", "ps"):
            place = shutil.which(tool)
            assert place is not None
            (tmp_path / tool).symlink_to(place)
        without_mosquitto(monkeypatch, tmp_path)
    return name


def find_broker_named(name: str) -> bool:
    try:
        return find_broker().name.startswith(name)
    except ConfigError:
        return False


def wait_told(demo: BrokerDemo) -> None:
    """Wait until the broker holds all that a late dashboard needs."""
    config = demo.config(load_config(Path(os.devnull), {}, {}))
    deadline = time.monotonic() + 1.5 * LIMIT_SECONDS  # amqtt is slow
    while True:
        table = asyncio.run(_held(broker_address(config)))
        counts = dict(re.findall(r"(\S+) +(\d+) messages", table))
        is_whole = counts.keys() >= {"cluster", "findings"}
        if is_whole and counts["facts"] == str(NODES) and counts["collector"] == "2":
            return
        assert time.monotonic() < deadline, table


def test_two_collectors_tell_the_broker_of_all_nodes(broker: str, tmp_path: Path) -> None:
    with BrokerDemo(SCENARIO, NODES, 1) as demo:
        assert demo.broker.name.startswith(broker)
        demo.wait_ready()
        wait_told(demo)
        folder = demo.folder
        listed = " ".join(_processes_of(folder))
        assert all(name in listed for name in COLLECTORS)
    assert not folder.exists()
    assert not _processes_of(folder)


def test_the_dashboard_says_which_broker_and_leaves_nothing_behind(tmp_path: Path) -> None:
    if not find_broker_named("mosquitto"):
        pytest.skip("mosquitto is not installed")
    arguments = ("demo", "--mqtt", "--scenario", SCENARIO, "--nodes", str(NODES))
    terminal = Terminal(*arguments, TMPDIR=str(tmp_path))
    terminal.read_until("broker: mosquitto")
    terminal.read_until("mosquitto_sub -p")
    terminal.read_until(f"{NODES} nodes")
    terminal.press("q")
    terminal.read_until("held at the end")
    assert terminal.exit_code() == 0
    assert f"facts               {NODES} messages" in terminal.seen.decode()
    assert not list(tmp_path.glob("ciltop-demo-*"))
    assert not _processes_of(tmp_path)


def test_killed_it_leaves_nothing_behind(tmp_path: Path) -> None:
    if not find_broker_named("mosquitto"):
        pytest.skip("mosquitto is not installed")
    terminal = Terminal("demo", "--mqtt", "--scenario", SCENARIO, TMPDIR=str(tmp_path))
    terminal.read_until("collectors")
    terminal.kill(signal.SIGKILL)
    deadline = time.monotonic() + LIMIT_SECONDS
    while list(tmp_path.glob("ciltop-demo-*")) or _processes_of(tmp_path):
        assert time.monotonic() < deadline, _processes_of(tmp_path)
        time.sleep(0.05)


def test_without_any_broker_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_mosquitto(monkeypatch, tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ConfigError, match=r"apt-get install mosquitto.*--extra amqtt") as error:
        BrokerDemo(SCENARIO, None, 1)
    assert error.value.exit_code == 2
    assert not list(tmp_path.glob("ciltop-demo-*"))


def test_a_broker_that_does_not_start_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "mosquitto"
    program.write_text("#!/bin/sh\necho 'no port for me' >&2\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with (
        BrokerDemo(SCENARIO, NODES, 1) as demo,
        pytest.raises(ConnectError, match="mosquitto ended at its start: no port for me"),
    ):
        demo.wait_ready()


def test_nobodys_own_broker_is_touched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not find_broker_named("mosquitto"):
        pytest.skip("mosquitto is not installed")
    environment = {
        "CILTOP_MQTT_URL": "mqtts://me:secret@prod.example",
        "CILTOP_CLUSTER": "prod",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    config = load_config(Path(os.devnull), {"interval": 7.0}, environment)
    demo = BrokerDemo(SCENARIO, NODES, 1, collect=_collect_flags(config))
    try:
        shown = demo.config(config)
        assert shown.text("mqtt") == demo.url
        assert demo.url.startswith("mqtt://127.0.0.1:")
        assert shown.secret("mqtt-password") is None
        assert shown.text("mqtt-user") is None
        assert shown.text("cluster") is None
        collect = demo.programs()[-1].arguments
        for name in environment:
            assert collect[collect.index(name) - 1] == "-u"
        assert collect[collect.index("--interval") + 1] == "7.0"
        assert "prod.example" not in " ".join(collect)
    finally:
        shutil.rmtree(demo.folder)


def test_mosquitto_listens_on_loopback_alone(tmp_path: Path) -> None:
    demo_broker.DemoBroker("mosquitto", "/usr/sbin/mosquitto").program(tmp_path, 1234)
    text = (tmp_path / "mosquitto.conf").read_text(encoding="utf-8")
    assert re.findall(r"^listener .*$", text, re.MULTILINE) == ["listener 1234 127.0.0.1"]
    assert "persistence false" in text


def test_mqtt_of_the_demo_takes_no_url(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--mqtt", "mqtt://elsewhere.example"])
    assert ended.value.code == 2
    assert "mqtt://elsewhere.example" in capsys.readouterr().err
