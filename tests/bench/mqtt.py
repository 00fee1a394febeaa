"""A fleet over one broker: what it costs, how late it is, and whether it stays so.

`python -m tests.bench mqtt` takes five minutes. `python -m tests.bench.mqtt --nodes 5000 --minutes
10` is the same at length. Simulated cluster, collectors, broker and dashboards share this machine:
what costs CPU is told as CPU, and rates that need more than there is are those of replayed facts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import mqtt_bare as bare
from tests.bench import mqtt_tables as tables
from tests.bench.measure import heading, say
from tests.bench.mqtt_fleet import Fleet, Member, machine_cpu_seconds, wait_until
from tui.bus.wire.topics import TopicKind, filter_of

CLUSTER = "fleet"
REPLAYED = f"{CLUSTER}-replay"
LATE_NODES = tables.LATE_NODES
COLLECTORS = 4
REPLAY_RATES = (100.0, 400.0)
REPLAY_SECONDS = 12.0
BARE_MESSAGES = 20_000
QUEUED = "max_queued_messages 20000"
"""What docs/mqtt.md asks for: more than the nodes of all clusters."""

LOOK_SECONDS = 5.0
WARM_SECONDS = 20.0
KEY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Size:
    """How large and how long it is."""

    nodes: int = 1_000
    seconds: float = 45.0
    first_seconds: float = 120.0
    """The longest that the first sweep may take."""
    is_judging_awaited: bool = False
    """Whether a late dashboard is waited for until all nodes are judged: about a minute."""


def measure() -> None:
    """Print the short version."""
    run(Size())


def run(size: Size) -> None:
    """Print all of it."""
    heading(
        f"MQTT: {size.nodes:,} nodes, {COLLECTORS} collectors, 3 dashboards, one broker",
        f"late dashboard <= {tables.LATE_SECONDS:g} s at {LATE_NODES:,} nodes, no loop held > "
        f"{tables.HOLD_MS:g} ms, no growth",
    )
    if not bare.is_installed():
        say("  mosquitto-clients is not installed: not measured")
        return
    with (
        tempfile.TemporaryDirectory(prefix="ciltop-bench-") as folder,
        Fleet(Path(folder)) as fleet,
    ):
        broker = fleet.broker(QUEUED)
        _steady(fleet, broker, size)
        payload = _payloads(fleet.port)
        _replay(fleet, broker)
        _late(fleet, broker, size)
        _bare(fleet, broker, payload)


# The whole way, from the simulated agents to the dashboards


def _steady(fleet: Fleet, broker: Member, size: Size) -> None:
    kubeconfig = fleet.cluster(size.nodes)
    read = ("--kubeconfig", str(kubeconfig), "--mqtt", fleet.url, "--cluster", CLUSTER)
    collectors = [
        fleet.member(f"collector-{number}", "collect", *read, "--collector-id", f"c{number}")
        for number in range(1, COLLECTORS + 1)
    ]
    began_at = time.monotonic()

    def has_read_all() -> bool:
        return sum(int(one.figures().get("reported", 0)) for one in collectors) >= size.nodes

    wait_until(has_read_all, "the first sweep did not end", size.first_seconds)
    say(f"  first sweep of all nodes ended after {time.monotonic() - began_at:.0f} s")
    dashboards = [
        fleet.member(f"dashboard-{number}", "dashboard", fleet.url, CLUSTER, str(size.nodes))
        for number in (1, 2)
    ]
    screens = fleet.screens("screens", "--mqtt", fleet.url, "--cluster", CLUSTER)
    time.sleep(WARM_SECONDS)
    everybody = [member for member in fleet.members if member.process.poll() is None]
    began, busy = time.monotonic(), machine_cpu_seconds()
    painted = list(_watched(fleet, everybody, size.seconds))
    busy, seconds = machine_cpu_seconds() - busy, time.monotonic() - began
    others = busy - tables.cpu(everybody)
    say(
        f"  for {seconds:.0f} s the machine of {os.cpu_count()} cores used "
        f"{busy / seconds:.2f} of them, {others / seconds:.2f} for what is not of this bench"
    )
    tables.tell_processes(everybody)
    tables.tell_traffic(collectors, [*dashboards, screens], broker)
    tables.tell_lags([*dashboards, screens])
    tables.tell_holds({"collector": collectors, "dashboard": dashboards, "screens": [screens]})
    tables.tell_keys(painted)
    for member in [*collectors, *dashboards, screens]:
        fleet.stop(member)


def _watched(fleet: Fleet, members: Sequence[Member], seconds: float) -> Iterator[float]:
    """Look at all of them for so long; yield what a key took to be painted, now and then."""
    until = time.monotonic() + seconds
    presses = 0
    while True:
        for member in members:
            member.look()
        if time.monotonic() >= until:
            return
        next_at = time.monotonic() + max(LOOK_SECONDS, seconds / 200)
        while time.monotonic() < min(until, next_at):
            key = b"j" if presses % 20 < 10 else b"k"
            presses += 1
            painted = fleet.press(key, KEY_SECONDS)
            if painted is not None:
                yield painted
            time.sleep(0.5)


# Replayed facts: what one publisher and one dashboard can take


@contextmanager
def _stopped(fleet: Fleet, members: list[Member]) -> Iterator[None]:
    try:
        yield
    finally:
        for member in members:
            fleet.stop(member)


def _replay(fleet: Fleet, broker: Member) -> None:
    for rate in REPLAY_RATES:
        begun: list[Member] = []
        with _stopped(fleet, begun):
            name = f"replay-{rate:.0f}"
            arguments = (fleet.url, CLUSTER, str(LATE_NODES), str(rate))
            publisher = fleet.member(name, "replay", *arguments)
            begun.append(publisher)
            _until_all_sent(publisher)
            dashboard = fleet.member(f"{name}-dashboard", "dashboard", fleet.url, REPLAYED)
            begun.append(dashboard)
            time.sleep(WARM_SECONDS / 2)
            for member in (publisher, dashboard, broker):
                member.looks.clear()
                member.look()
            time.sleep(REPLAY_SECONDS)
            for member in (publisher, dashboard, broker):
                member.look()
            tables.tell_replay(rate, publisher, dashboard, broker)


def _until_all_sent(publisher: Member) -> None:
    wait_until(
        lambda: publisher.figures().get("facts", 0) >= LATE_NODES,
        "the replayed facts were not sent",
    )
    time.sleep(1)


# A dashboard that comes late


def _late(fleet: Fleet, broker: Member, size: Size) -> None:
    begun: list[Member] = []
    with _stopped(fleet, begun):
        arguments = (fleet.url, CLUSTER, str(LATE_NODES), "0")
        begun.append(fleet.member("late-publisher", "replay", *arguments))
        _until_all_sent(begun[0])
        taken = []
        for number in range(3):
            name = f"late-{number}"
            late = fleet.member(name, "dashboard", fleet.url, REPLAYED, str(LATE_NODES))
            begun.append(late)
            is_last = number == 2
            wanted = "judged" if is_last and size.is_judging_awaited else "live"
            wait_until(_has_reached(late, wanted), f"{name}: {wanted} was not reached", 180)
            taken.append(late.figures()["reached"])
            late.looks.clear()
            late.look()
            late.look()
            fleet.stop(late)
        facts = filter_of(TopicKind.FACTS, REPLAYED)
        limit = bare.retained(broker, fleet.port, facts, LATE_NODES)
        tables.tell_late(taken, limit)
        tables.tell_late_holds(begun[1:])


def _has_reached(member: Member, wanted: str) -> Callable[[], bool]:
    return lambda: bool(wanted in member.figures().get("reached", {}))


# The bare limit


def _payloads(port: int) -> int:
    """Print what the broker keeps; return the usual length."""
    found = bare.lengths(port, filter_of(TopicKind.FACTS, CLUSTER), 1_000)
    usual = int(statistics.median(found))
    say(
        f"  {'kept of a node, bytes':<60} median {usual:,}, p95 {found[int(len(found) * 0.95)]:,}, "
        f"longest {found[-1]:,}"
    )
    return usual


def _bare(fleet: Fleet, broker: Member, length: int) -> None:
    for qos in (0, 1):
        found = bare.through(broker, fleet.port, length, BARE_MESSAGES, qos)
        say(
            f"  mosquitto_pub | mosquitto_sub, QoS {qos}, {length:,} bytes: {found.rate:,.0f}/s; "
            f"CPU of a message: pub {found.pub_cpu_seconds / BARE_MESSAGES * 1e6:.0f} us, sub "
            f"{found.sub_cpu_seconds / max(1, found.messages) * 1e6:.0f} us, broker "
            f"{found.broker_cpu_seconds / BARE_MESSAGES * 1e6:.0f} us; "
            f"{found.messages:,} of {BARE_MESSAGES:,} arrived"
        )


def main() -> None:
    """Measure as long as it was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=5_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    chosen = parser.parse_args(sys.argv[1:])
    seconds = chosen.minutes * 60
    run(Size(chosen.nodes, seconds, first_seconds=900.0, is_judging_awaited=True))


if __name__ == "__main__":
    main()
