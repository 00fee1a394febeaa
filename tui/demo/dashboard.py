"""Run `ciltop demo`; over a broker, say what was started and what the broker held."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from tui.config import Config

if TYPE_CHECKING:
    from tui.bus.link.address import BrokerAddress
    from tui.bus.wire.post import Incoming
    from tui.cluster.access import ConnectionSettings
    from tui.cluster.session import Session

_CONNECT_SECONDS = 1.0
_QUIET_SECONDS = 0.25
_MOST_SECONDS = 3.0


def run_demo(config: Config, arguments: argparse.Namespace) -> int:
    """Show a simulated cluster, live or as a broker tells of it; all else is other processes."""
    if arguments.mqtt:
        return _run_mqtt_demo(config, arguments)

    from tui.demo.cluster import SimulatorProcess
    from tui.launch import run_on_kubeconfig

    with SimulatorProcess(arguments.scenario, arguments.nodes, arguments.seed) as simulator:

        async def connect_when_ready(settings: ConnectionSettings) -> Session:
            from tui.cluster.connection import connect

            await asyncio.to_thread(simulator.wait_ready)
            return await connect(settings)

        return run_on_kubeconfig(config, str(simulator.kubeconfig), connect_when_ready)


def _run_mqtt_demo(config: Config, arguments: argparse.Namespace) -> int:
    """Show a simulated cluster as two collectors tell it to a broker, all on this machine.

    Raises:
        ConfigError: there is no broker here.
        ConnectError: something did not start.
    """
    from tui.bus.link.address import broker_address
    from tui.demo.broker import COLLECTORS, BrokerDemo
    from tui.responding.launch import run_broker

    collect = _collect_flags(config)
    with BrokerDemo(arguments.scenario, arguments.nodes, arguments.seed, collect=collect) as demo:
        where = f"{demo.broker.name} at {demo.url}"
        _say(f"broker: {where}, with {' and '.join(COLLECTORS)}; all ends with the dashboard")
        _say(f"  in another terminal: {demo.look_command}")
        demo.wait_ready()
        shown = demo.config(config)
        code = run_broker(shown, f"{where}; to look at its topics:\n{demo.look_command}")
        _say(f"the broker ({where}) held at the end:")
        _say(asyncio.run(_held(broker_address(shown))))
        return code


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _collect_flags(config: Config) -> list[str]:
    """Return what the dashboard was asked that is for those who read the cluster."""
    asked = {key: config.chosen[key] for key in ("interval", "max-execs")}
    return [
        word
        for key, chosen in asked.items()
        if chosen.value is not None and chosen.origin != "default"
        for word in (f"--{key}", str(chosen.value))
    ]


async def _held(address: BrokerAddress) -> str:
    """Return a table of what the broker holds for those who come late, by kind of topic."""
    from tui.bus.link.link import DEFAULT_PACE, Link

    held: dict[str, int] = {}
    news = asyncio.Event()

    def take(incoming: Incoming) -> None:
        if incoming.is_retained:
            held[incoming.topic] = len(incoming.payload)
            news.set()

    # A broker of the older MQTT may be mute at first; nobody shall wait for it at the end.
    pace = replace(DEFAULT_PACE, connect=_CONNECT_SECONDS)
    link = Link(address, on_message=take, on_state=lambda _: None, pace=pace)
    link.subscribe("ciltop/#", 1)
    running = asyncio.create_task(link.run(), name="look at the broker")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_MOST_SECONDS):
            await news.wait()
            while news.is_set():
                news.clear()
                await asyncio.sleep(_QUIET_SECONDS)
    await link.close()
    await asyncio.gather(running, return_exceptions=True)
    return _table(held)


def _table(held: Mapping[str, int]) -> str:
    from tui.bus.wire.topics import parse_topic

    kinds: dict[str, list[int]] = {}
    for topic, size in held.items():
        try:
            kind = parse_topic(topic).kind.value
        except ValueError:
            kind = "not ours"
        kinds.setdefault(kind, []).append(size)
    rows = [
        f"  {kind:<14} {len(sizes):>6,} messages {sum(sizes) / 1024:>9,.1f} KiB"
        for kind, sizes in sorted(kinds.items())
    ]
    return "\n".join(rows or ["  nothing: it did not answer"])
