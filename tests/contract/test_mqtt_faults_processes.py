"""Faults as a person meets them: the commands themselves, real signals, a real terminal."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from tests.brokers import MosquittoFactory, free_port
from tests.contract.test_broker_dashboard import telling
from tests.contract.test_collect_command import (
    NODES,
    Collectors,
    collectors,
    ended,
    kubeconfig,
    listening,
    owners,
    url_of,
    wait_for,
)
from tests.contract.test_command_line import Terminal
from tests.unit.bus_source_rig import Sender

__all__ = ["collectors", "kubeconfig"]


def metrics(port: int) -> str:
    """Return a collector's metrics; empty while it does not serve them yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


def swept(port: int) -> list[float]:
    found = re.findall(r"^ciltop_node_swept_timestamp_seconds\{.*\} (\S+)$", metrics(port), re.M)
    return sorted(map(float, found))


@contextmanager
def dashboard(url: str, folder: Path) -> Iterator[Terminal]:
    terminal = Terminal(
        *("--mqtt", url, "--cluster", "prod"), HOME=str(folder), KUBECONFIG=str(folder / "none")
    )
    try:
        yield terminal
    finally:
        terminal.kill(signal.SIGKILL)


def test_without_a_broker_it_keeps_collecting_and_says_so(
    mosquitto: MosquittoFactory, collectors: Collectors
) -> None:
    broker = mosquitto()
    broker.stop()
    port = free_port()
    process = collectors.start(
        url_of(broker), "--collector-id", "alpha", "--metrics-port", str(port)
    )
    wait_for(lambda: len(swept(port)) == NODES, process, lambda: metrics(port))
    before = swept(port)
    assert f"ciltop_share_nodes {NODES}.0" in metrics(port)
    wait_for(lambda: swept(port)[0] > before[-1], process)
    assert 'ciltop_link_state{ciltop_link_state="down"} 1.0' in metrics(port)
    process.send_signal(signal.SIGTERM)
    code, errors = ended(process)
    assert code == 0
    assert f"broker {url_of(broker)} down: nothing listens there" in errors
    assert "the broker was not reached: reading the whole cluster until it is" in errors


def test_a_wrong_ca_is_refused_and_nothing_is_sent(
    mosquitto: MosquittoFactory, collectors: Collectors, tmp_path: Path
) -> None:
    broker = mosquitto(has_tls=True)
    assert broker.certificates is not None
    url = f"mqtts://127.0.0.1:{broker.ports['mqtts']}"
    wrong = ("--mqtt-ca", str(broker.certificates.wrong_ca))
    with listening(broker) as listener:
        code, errors = ended(collectors.start(url, "--quiet", *wrong))
        assert code == 3
        [line] = errors.splitlines()
        assert line.startswith(f"ciltop: broker {url} refused: ")
        assert "certificate" in line
        terminal = Terminal(
            *("--mqtt", url, *wrong), HOME=str(tmp_path), KUBECONFIG=str(tmp_path / "none")
        )
        terminal.read_until("certificate")
        terminal.press("q")
        assert terminal.exit_code() == 3
        assert not listener.heard
        right = collectors.start(url, "--mqtt-ca", str(broker.certificates.ca))
        wait_for(lambda: len(owners(listener)) == NODES, right)


def test_wrong_credentials_are_told_and_not_tried_again_and_again(
    mosquitto: MosquittoFactory, tmp_path: Path
) -> None:
    broker = mosquitto(users={"responder": "right"})
    terminal = Terminal(
        *("--mqtt", url_of(broker)),
        HOME=str(tmp_path),
        KUBECONFIG=str(tmp_path / "none"),
        CILTOP_MQTT_USER="responder",
        CILTOP_MQTT_PASSWORD="wr0ng-pass",
    )
    terminal.read_until("responder")
    tried = sum("New connection from" in line for line in broker.lines)
    terminal.press("?")
    terminal.read_until("Help")
    assert sum("New connection from" in line for line in broker.lines) == tried <= 2
    terminal.kill(signal.SIGTERM)
    assert "wr0ng-pass" not in terminal.seen.decode(errors="replace")


def test_both_say_that_the_broker_died_and_go_on_when_it_is_back(
    mosquitto: MosquittoFactory, collectors: Collectors, tmp_path: Path
) -> None:
    broker = mosquitto()
    port = free_port()
    process = collectors.start(
        url_of(broker), "--collector-id", "alpha", "--metrics-port", str(port)
    )
    with dashboard(url_of(broker), tmp_path) as terminal:
        terminal.read_until("collectors 1/1")
        broker.kill()
        terminal.read_until("nothing listens there")
        wait_for(lambda: 'state="down"} 1.0' in metrics(port), process)
        before = swept(port)
        terminal.seen = b""
        broker.start()
        terminal.read_until("collectors 1/1")
        wait_for(lambda: swept(port)[0] > before[-1], process)
    process.send_signal(signal.SIGTERM)
    code, errors = ended(process)
    assert code == 0
    told = re.findall(r"^\S+ broker \S+ (up|down)", errors, re.M)
    assert [word for word, _ in groupby(told)] == ["up", "down", "up", "down"], errors


FLEET = 300
ROUNDS = 40
GROWTH_BYTES = 40 << 20
"""Of a process that suddenly reads thousands of messages; what it missed is many times as much."""


async def test_a_suspended_dashboard_stays_small_and_catches_up(
    mosquitto: MosquittoFactory, tmp_path: Path
) -> None:
    broker = mosquitto(lines=("max_queued_messages 1000",))
    sender = Sender(cluster="prod")
    async with telling(broker, sender) as teller:
        teller.say_all(FLEET)
        await teller.done()
        with dashboard(url_of(broker), tmp_path) as terminal:
            await asyncio.to_thread(terminal.read_until, f"{FLEET} nodes")
            await asyncio.to_thread(terminal.read_until, "collectors 1/1")
            before = resident_bytes(terminal.pid)
            os.kill(terminal.pid, signal.SIGSTOP)
            for _ in range(ROUNDS):
                teller.say_all(FLEET)
                await teller.done()
            await asyncio.to_thread(broker.wait_for_line, "has exceeded timeout")
            teller.say_all(FLEET + 1)
            terminal.seen = b""
            os.kill(terminal.pid, signal.SIGCONT)
            continued_at = time.monotonic()
            await asyncio.to_thread(terminal.read_until, f"{FLEET + 1} nodes")
            caught_up = time.monotonic() - continued_at
            grown = resident_bytes(terminal.pid) - before
            print(f"caught up after {caught_up:.1f} s, {grown / 2**20:.1f} MiB more")  # noqa: T201 - shown with -s
            assert grown < GROWTH_BYTES


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()
