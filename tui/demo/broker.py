"""`ciltop demo --mqtt`: a broker and two collectors beside the simulated cluster, on loopback."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tui.config import Chosen, Config
from tui.demo.cluster import START_SECONDS, SimulatorProcess
from tui.demo.keeper import Program
from tui.errors import ConfigError, ConnectError

COLLECTORS = ("collector-a", "collector-b")
BROKER = "broker"
BROKER_RESTART_SECONDS = 8.0
COLLECTOR_RESTART_SECONDS = 30.0
"""What somebody kills to see what happens comes back, once it was seen."""

_SBIN = ("/usr/local/sbin", "/usr/sbin", "/opt/homebrew/sbin")
"""Where packages put daemons; not in everybody's PATH."""

_OF_BROKER = (
    "mqtt-user",
    "mqtt-password",
    "mqtt-password-file",
    "mqtt-ca",
    "mqtt-cert",
    "mqtt-key",
)
_ORIGIN = "demo"
_PAUSE_SECONDS = 0.02
_CONNECT_SECONDS = 0.5

# A late dashboard gets all retained messages at once: 1,000, Mosquitto's usual limit, loses the
# rest of them. What the broker may hold is limited in bytes instead.
_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
memory_limit 536870912
log_dest stderr
log_type error
log_type warning
"""


@dataclass(frozen=True, slots=True)
class DemoBroker:
    """A broker that is installed here."""

    name: str
    """With its version, for people."""
    command: str = ""
    """Mosquitto's program; empty for amqtt, which our own interpreter runs."""

    def program(self, folder: Path, port: int) -> Program:
        """Write the broker's configuration into a folder, and return how to run it."""
        if self.command:
            path = folder / "mosquitto.conf"
            path.write_text(_MOSQUITTO.format(port=port), encoding="utf-8")
            return _broker(self.command, "-c", str(path))
        path = folder / "amqtt.yaml"
        # JSON is YAML.
        path.write_text(json.dumps(_amqtt(port)), encoding="utf-8")
        return _broker(sys.executable, "-m", "amqtt.scripts.broker_script", "-c", str(path))


def _broker(*arguments: str) -> Program:
    return Program(BROKER, arguments, restart_seconds=BROKER_RESTART_SECONDS)


def _amqtt(port: int) -> Mapping[str, object]:
    anonymous = "amqtt.plugins.authentication.AnonymousAuthPlugin"
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {anonymous: {"allow_anonymous": True}},
    }


def find_broker() -> DemoBroker:
    """Return the broker to take: Mosquitto, else amqtt.

    Raises:
        ConfigError: neither is here; the message says how to get one.
    """
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), *_SBIN))
    command = shutil.which("mosquitto", path=places)
    if command is not None:
        return DemoBroker(f"mosquitto {_version(command)}".strip(), command)
    if importlib.util.find_spec("amqtt") is not None:
        from importlib.metadata import version

        return DemoBroker(f"amqtt {version('amqtt')}")
    raise ConfigError(
        "demo --mqtt: no broker here: install Mosquitto (apt-get install mosquitto, brew install "
        "mosquitto), or the one in Python (uv sync --extra amqtt, pip install 'ciltop[amqtt]')"
    )


def _version(command: str) -> str:
    """Return Mosquitto's version, as far as it says one; `-h` ends with exit code 3."""
    told = subprocess.run([command, "-h"], capture_output=True, text=True, check=False)  # noqa: S603 - found by name
    found = re.search(r"mosquitto version (\S+)", told.stdout)
    return found[1] if found else ""


class BrokerDemo(SimulatorProcess):
    """The simulated cluster, a broker, and collectors that share the nodes."""

    def __init__(
        self, scenario: str, nodes: int | None, seed: int, *, collect: Sequence[str] = ()
    ) -> None:
        """Prepare it.

        Args:
            scenario: of the simulated cluster.
            nodes: how many; None for the scenario's.
            seed: of the simulated cluster.
            collect: more arguments of the collectors.

        Raises:
            ConfigError: there is no broker.
        """
        self.broker = find_broker()
        self.port = _free_port()
        self._collect = collect
        super().__init__(scenario, nodes, seed)

    @property
    def url(self) -> str:
        """The broker's address."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def look_command(self) -> str:
        """What shows the topics in another terminal; not `-v`: node facts are compressed."""
        return f"mosquitto_sub -p {self.port} -t 'ciltop/#' -F '%t %l bytes'"

    def programs(self) -> Sequence[Program]:
        """Return what shall run."""
        # Neither somebody's config file nor their environment may lead to another broker.
        clean = ("env", *_unset(os.environ), f"XDG_CONFIG_HOME={self.folder}")
        collect = (
            *(*clean, sys.executable, "-m", "tui", "collect", "--mqtt", self.url),
            *("--kubeconfig", str(self.kubeconfig), *self._collect),
        )
        return [
            *super().programs(),
            self.broker.program(self.folder, self.port),
            *(
                Program(
                    name,
                    (*collect, "--collector-id", name),
                    str(self.kubeconfig),
                    self.port,
                    COLLECTOR_RESTART_SECONDS,
                )
                for name in COLLECTORS
            ),
        ]

    def wait_ready(self, timeout_seconds: float = START_SECONDS) -> None:
        """Return when the simulated cluster and the broker answer.

        Raises:
            ConnectError: one of them ended, or does not answer in time.
        """
        super().wait_ready(timeout_seconds)
        deadline = time.monotonic() + timeout_seconds
        while not self._answers():
            self.fail_if_ended(BROKER, self.broker.name)
            if time.monotonic() > deadline:
                raise ConnectError(f"{self.broker.name} did not answer")
            time.sleep(_PAUSE_SECONDS)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), _CONNECT_SECONDS):
                return True
        except OSError:
            return False

    def config(self, config: Config) -> Config:
        """Return the settings of a dashboard on this broker, which may act on this cluster."""
        ours: Mapping[str, str | None] = {
            "mqtt": self.url,
            "kubeconfig": str(self.kubeconfig),
            "context": None,
            **dict.fromkeys((*_OF_BROKER, "cluster")),
        }
        chosen = {key: Chosen(value, _ORIGIN) for key, value in ours.items()}
        return Config(config.path, {**config.chosen, **chosen}, config.contexts)


def _unset(environment: Mapping[str, str]) -> list[str]:
    return [word for name in environment if name.startswith("CILTOP_") for word in ("-u", name)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
