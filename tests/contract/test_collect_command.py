"""`ciltop collect` as its user starts it: a simulated cluster, a real broker, real signals."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import Mosquitto, MosquittoFactory, free_port
from tui.demo.cluster import SimulatorProcess

LIMIT_SECONDS = 60.0
PREFIX = "ciltop/v1/prod"
NODES = 4


class Listener:
    """What `mosquitto_sub` hears, newest last; retained topics as the broker keeps them."""

    def __init__(self, broker: Mosquitto) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._process = subprocess.Popen(
            [
                *("mosquitto_sub", "-V", "5", "-p", str(broker.ports["mqtt"])),
                *("-t", "ciltop/#", "-F", "%t %x", "-q", "1"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                topic, _, payload = line.rstrip("\n").partition(" ")
                self.heard.append((topic, bytes.fromhex(payload)))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._reader.join(20)

    def newest(self) -> dict[str, bytes]:
        """Return the newest payload of each topic; empty where it was cleared."""
        return dict(list(self.heard))

    def kept(self) -> set[str]:
        """Return the topics that the broker keeps something on."""
        newest = self.newest().items()
        return {topic for topic, payload in newest if payload and "/warnings/" not in topic}

    def letters(self, topic: str) -> list[dict[str, Any]]:
        return [letter(payload) for one, payload in list(self.heard) if one == topic and payload]


def letter(payload: bytes) -> dict[str, Any]:
    text = gzip.decompress(payload) if payload.startswith(b"\x1f\x8b") else payload
    found: dict[str, Any] = json.loads(text)
    return found


@contextmanager
def listening(broker: Mosquitto) -> Iterator[Listener]:
    listener = Listener(broker)
    try:
        yield listener
    finally:
        listener.close()


def wait_for(
    what: Callable[[], object],
    process: subprocess.Popen[str] | None = None,
    seen: Callable[[], object] | None = None,
) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not what():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"it ended: {process.communicate()}")
        assert time.monotonic() < deadline, f"it did not come; {seen() if seen else ''}"
        time.sleep(0.05)


class Collectors:
    """The collectors of a test; all of them are gone after it."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self._kubeconfig = kubeconfig
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(
        self, url: str, *flags: str, env: dict[str, str] | None = None, cluster: str = "prod"
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tui", "collect", "--kubeconfig", str(self._kubeconfig)),
                *("--mqtt", url, "--cluster", cluster, "--interval", "2"),
                *("--presence-interval", "1", *flags),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "XDG_STATE_HOME": str(self._folder), **(env or {})},
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[Path]:
    with SimulatorProcess("healthy", NODES, 1) as simulator:
        simulator.wait_ready()
        yield simulator.kubeconfig


@pytest.fixture
def collectors(kubeconfig: Path, tmp_path: Path) -> Iterator[Collectors]:
    started = Collectors(kubeconfig, tmp_path)
    yield started
    started.end()


def url_of(broker: Mosquitto) -> str:
    return f"mqtt://127.0.0.1:{broker.ports['mqtt']}"


def owners(listener: Listener) -> dict[str, str]:
    """Return who told of each node last."""
    return {
        topic: letter(payload)["sender"]
        for topic, payload in listener.newest().items()
        if topic.endswith("/facts") and payload
    }


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=LIMIT_SECONDS)
    return process.returncode, errors


def check_letters(listener: Listener) -> None:
    for topic, payload in listener.newest().items():
        told = letter(payload)
        assert (told["schema"], told["cluster"], told["sender"]) == ("ciltop/1", "prod", "alpha")
        numbers = [one["seq"] for one in listener.letters(topic)]
        assert numbers == list(range(1, len(numbers) + 1)), topic
    for topic in owners(listener):
        assert listener.letters(topic)[0]["facts"]["status"]["state"] == "known"


def test_everything_documented_is_published_and_cleared_at_the_end(
    mosquitto: MosquittoFactory, collectors: Collectors
) -> None:
    broker = mosquitto()
    port = free_port()
    wanted = {f"{PREFIX}/{word}" for word in ("cluster", "findings")} | {
        f"{PREFIX}/collector/alpha",
        f"{PREFIX}/findings/alpha",
    }
    with listening(broker) as listener:
        process = collectors.start(
            url_of(broker), "--collector-id", "alpha", "--metrics-port", str(port)
        )
        wait_for(
            lambda: len(owners(listener)) == NODES and wanted <= listener.newest().keys(),
            process,
            listener.kept,
        )
        check_letters(listener)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert f"ciltop_share_nodes {NODES}.0" in answer.read().decode()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=10) as answer:
            assert answer.read() == b"ok\n"
        process.send_signal(signal.SIGTERM)
        code, errors = ended(process)
        assert code == 0, errors
        wait_for(lambda: not listener.kept(), None, listener.kept)
        assert listener.letters(f"{PREFIX}/collector/alpha")[-1]["state"] == "gone"
    lines = [line.split(" ", 1)[1] for line in errors.splitlines()]
    assert "collector alpha of cluster prod" in lines
    assert f"broker {url_of(broker)} up with MQTT 5" in lines
    assert "SIGTERM: leaving" in lines


def test_two_share_the_nodes_and_one_goes_on_alone(
    mosquitto: MosquittoFactory, collectors: Collectors
) -> None:
    broker = mosquitto()
    with listening(broker) as listener:
        first = collectors.start(url_of(broker), "--collector-id", "alpha")
        second = collectors.start(url_of(broker), "--collector-id", "gamma")
        wait_for(lambda: set(owners(listener).values()) == {"alpha", "gamma"}, first)
        shared = owners(listener)
        first.kill()
        wait_for(lambda: set(owners(listener).values()) == {"gamma"}, second)
        assert owners(listener).keys() == shared.keys()
        # Nobody was told that a node left.
        for topic in shared:
            assert all(one["facts"] is not None for one in listener.letters(topic))
        second.send_signal(signal.SIGINT)
        assert ended(second)[0] == 0


def test_who_leaves_others_behind_leaves_the_nodes_to_them(
    mosquitto: MosquittoFactory, collectors: Collectors
) -> None:
    broker = mosquitto()
    with listening(broker) as listener:
        first = collectors.start(url_of(broker), "--collector-id", "alpha")
        collectors.start(url_of(broker), "--collector-id", "gamma")
        wait_for(lambda: set(owners(listener).values()) == {"alpha", "gamma"}, first)
        first.send_signal(signal.SIGTERM)
        assert ended(first)[0] == 0
        wait_for(lambda: set(owners(listener).values()) == {"gamma"})
        assert not listener.newest()[f"{PREFIX}/findings/alpha"]
        assert all(payload for topic, payload in listener.heard if topic.endswith("/facts"))


def test_a_broker_that_is_down_is_waited_for(
    mosquitto: MosquittoFactory, collectors: Collectors
) -> None:
    broker = mosquitto()
    broker.stop()
    process = collectors.start(url_of(broker), "--collector-id", "alpha")
    assert process.stderr is not None
    seen: list[str] = []
    while not any("down" in line for line in seen):
        line = process.stderr.readline()
        assert line, seen
        seen.append(line)
    broker.start()
    with listening(broker) as listener:
        wait_for(lambda: len(owners(listener)) == NODES, process)
        process.send_signal(signal.SIGTERM)
        code, errors = ended(process)
    assert code == 0
    assert " up with MQTT 5" in errors


def test_wrong_credentials_end_it_with_one_clear_sentence(
    mosquitto: MosquittoFactory, collectors: Collectors
) -> None:
    broker = mosquitto(users={"collector": "right"})
    secret = {"CILTOP_MQTT_PASSWORD": "wr0ng-pass", "CILTOP_MQTT_USER": "collector"}
    code, errors = ended(collectors.start(url_of(broker), "--quiet", env=secret))
    assert code == 3
    [line] = errors.splitlines()
    assert line.startswith(f"ciltop: broker {url_of(broker)} refused: ")
    assert "wr0ng-pass" not in errors


def test_without_a_broker_or_a_kubeconfig_it_says_what_is_missing(tmp_path: Path) -> None:
    def run(*flags: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "tui", "collect", *flags],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=LIMIT_SECONDS,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        )
        return done.returncode, done.stderr

    code, errors = run()
    assert code == 2
    assert "--mqtt" in errors
    code, errors = run("--mqtt", "mqtt://127.0.0.1:1", "--kubeconfig", str(tmp_path / "none"))
    assert code == 3
    assert str(tmp_path / "none") in errors
