"""The bare limit: what mosquitto_pub and mosquitto_sub do with payloads of the same length."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.mqtt_fleet import Member

TOPIC = "bare/facts"
SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Bare:
    """What some messages took on their way."""

    messages: int
    """That arrived."""
    wall_seconds: float
    pub_cpu_seconds: float
    sub_cpu_seconds: float
    broker_cpu_seconds: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.wall_seconds


def is_installed() -> bool:
    """Return whether both tools are here."""
    return bool(shutil.which("mosquitto_pub") and shutil.which("mosquitto_sub"))


def through(broker: Member, port: int, length: int, messages: int, qos: int) -> Bare:
    """Send so many messages of this length from one publisher to one subscriber."""
    before = broker.look().cpu_seconds
    sub = _subscriber(port, TOPIC, messages, qos)
    line = b"x" * length + b"\n"
    began_at = time.perf_counter()
    pub = subprocess.Popen(
        ["mosquitto_pub", "-p", str(port), "-t", TOPIC, "-q", str(qos), "-l"],
        stdin=subprocess.PIPE,
    )
    assert pub.stdin is not None
    for _ in range(messages):
        pub.stdin.write(line)
    pub.stdin.close()
    pub_cpu = _cpu_at_end(pub)
    arrived, sub_cpu, ended_at = _arrived(sub)
    taken = broker.look().cpu_seconds - before
    return Bare(arrived, ended_at - began_at, pub_cpu, sub_cpu, taken)


def retained(broker: Member, port: int, topics: str, messages: int) -> Bare:
    """Have a late subscriber get what the broker keeps."""
    before = broker.look().cpu_seconds
    began_at = time.perf_counter()
    sub = _subscriber(port, topics, messages, 0, delay_seconds=0.0)
    arrived, cpu, ended_at = _arrived(sub)
    taken = broker.look().cpu_seconds - before
    return Bare(arrived, ended_at - began_at, 0.0, cpu, taken)


def lengths(port: int, topics: str, messages: int) -> list[int]:
    """Return the lengths of what the broker keeps."""
    told = subprocess.run(_sub_argv(port, topics, messages, 0), capture_output=True, check=False)
    return sorted(int(line) for line in told.stdout.split())


def _sub_argv(port: int, topics: str, messages: int, qos: int) -> Sequence[str]:
    count = ("-C", str(messages), "-W", str(int(SECONDS)))
    return ["mosquitto_sub", "-p", str(port), "-t", topics, "-q", str(qos), *count, "-F", "%l"]


def _subscriber(
    port: int, topics: str, messages: int, qos: int, delay_seconds: float = 0.5
) -> subprocess.Popen[bytes]:
    sub = subprocess.Popen(_sub_argv(port, topics, messages, qos), stdout=subprocess.PIPE)
    # It does not say when the broker has granted its subscription.
    time.sleep(delay_seconds)
    return sub


def _arrived(sub: subprocess.Popen[bytes]) -> tuple[int, float, float]:
    assert sub.stdout is not None
    # Lengths and not payloads are written: a packed one may hold line feeds.
    count, ended_at = 0, time.perf_counter()
    while chunk := os.read(sub.stdout.fileno(), 1 << 20):
        count += chunk.count(b"\n")
        ended_at = time.perf_counter()
    return count, _cpu_at_end(sub), ended_at


def _cpu_at_end(process: subprocess.Popen[bytes]) -> float:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime
