"""What a scene is drawn from: a simulated cluster, live or as a broker tells of it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from unittest import mock

from tests.brokers import PROGRAM, Mosquitto, Options, configure
from tests.pictures.scenes import Event, Scene
from tui.bus.link.address import BrokerAddress
from tui.bus.link.link import Link
from tui.bus.receiving.responder import Responder
from tui.cluster.access import ConnectionSettings
from tui.collect.live import LiveSource
from tui.collect.settings import CollectSettings
from tui.collect.thread import CollectorThread
from tui.config import load_config
from tui.demo.cluster import SimulatorProcess
from tui.launch import feed_of, operator_opener
from tui.model.names import NodeName
from tui.model.operations import AuditEvent, AuditRecord
from tui.operations.timing import Timing
from tui.responding.launch import broker_parts
from tui.safety import CleanText, clean
from tui.store import Mailbox

NO_CONFIG = Path("/nonexistent/config.toml")
HASTY = Timing(verify=30.0, quiet=5.0, soak=3.0)
"""A failure must not be waited for as long as on a real cluster."""
INTERVAL_SECONDS = 2.0

SHOWN, OTHER = "prod-eu-1", "prod-us-1"
COLLECTORS = ((SHOWN, "eu-c1"), (SHOWN, "eu-c2"), (OTHER, "us-c1"))
KILLED = "eu-c2"
STOP_SECONDS = 10.0

ME, MY_HOST = "anna", "bastion-2"
BEN, HIS_USER = clean("ben@laptop-7"), clean("oidc:ben")


class NoBrokerError(Exception):
    """Mosquitto is not installed here."""


class Stage:
    """The feed of the dashboard, and what may happen while it is looked at."""

    def __init__(self, mailbox: Mailbox, collector: CollectorThread) -> None:
        self.mailbox = mailbox
        self.collector = collector

    async def happen(self, event: Event) -> None:
        """Let something happen; nothing does by itself."""


@asynccontextmanager
async def opened(scene: Scene) -> AsyncIterator[Stage]:
    """Run what a scene needs, and end it.

    Raises:
        NoBrokerError: it needs a broker, and there is none.
    """
    opens = _brokered if scene.is_brokered else _live
    with SimulatorProcess(scene.scenario, scene.nodes, seed=1) as simulator:
        await asyncio.to_thread(simulator.wait_ready)
        if scene.fault is not None:
            await asyncio.to_thread(_set_fault, simulator.kubeconfig, scene.fault)
        async with opens(simulator.kubeconfig) as stage:
            try:
                yield stage
            finally:
                stage.collector.stop()


@asynccontextmanager
async def _live(kubeconfig: Path) -> AsyncIterator[Stage]:
    source = LiveSource(
        ConnectionSettings(kubeconfig=str(kubeconfig)),
        CollectSettings(interval_seconds=INTERVAL_SECONDS),
    )
    opener = operator_opener(load_config(NO_CONFIG, {}, {}), timing=HASTY)
    yield Stage(*feed_of(lambda: source, opener))


def _set_fault(kubeconfig: Path, fault: dict[str, object]) -> None:
    text = kubeconfig.read_text(encoding="utf-8")
    server = next(line.split()[1] for line in text.splitlines() if "server:" in line)
    request = urllib.request.Request(  # noqa: S310 - our own server on loopback
        f"{server}/__ciltop/faults", data=json.dumps(fault).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - as above
        pass


@asynccontextmanager
async def _brokered(kubeconfig: Path) -> AsyncIterator[Stage]:
    """Run a broker, collectors of two clusters, and a dashboard that may act on the first one."""
    if PROGRAM is None:
        raise NoBrokerError("mosquitto is not installed: apt-get install mosquitto")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        other = stack.enter_context(SimulatorProcess("shrunk", None, seed=2))
        await asyncio.to_thread(other.wait_ready)
        broker = Mosquitto(folder)
        configure(broker, Options(lines=("max_queued_messages 0",)))
        await asyncio.to_thread(broker.start)
        stack.callback(broker.stop)
        url = f"mqtt://127.0.0.1:{broker.ports['mqtt']}"
        kubeconfigs = {SHOWN: kubeconfig, OTHER: other.kubeconfig}
        collectors = {
            name: _collector(stack, url, kubeconfigs[cluster], cluster, name)
            for cluster, name in COLLECTORS
        }
        # Neither this machine nor its user belongs into a picture.
        stack.enter_context(mock.patch.dict(os.environ, {"LOGNAME": ME}))
        stack.enter_context(mock.patch("socket.gethostname", return_value=MY_HOST))
        flags = {"mqtt": url, "kubeconfig": str(kubeconfig), "cluster": SHOWN}
        parts = broker_parts(load_config(NO_CONFIG, flags, {}))
        yield BrokerStage(*feed_of(parts.open_source, parts.open_acting), broker, collectors)


def _collector(
    stack: ExitStack, url: str, kubeconfig: Path, cluster: str, name: str
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tui", "collect", "--quiet", "--mqtt", url),
            *("--kubeconfig", str(kubeconfig), "--cluster", cluster, "--collector-id", name),
            *("--interval", str(INTERVAL_SECONDS)),
        ],
        env={key: value for key, value in os.environ.items() if not key.startswith("CILTOP_")},
    )
    stack.callback(_stop, process)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class BrokerStage(Stage):
    """A dashboard over a broker."""

    def __init__(
        self,
        mailbox: Mailbox,
        collector: CollectorThread,
        broker: Mosquitto,
        collectors: dict[str, subprocess.Popen[bytes]],
    ) -> None:
        super().__init__(mailbox, collector)
        self._broker = broker
        self._collectors = collectors

    async def happen(self, event: Event) -> None:
        """Kill a collector or the broker, or have another responder do something."""
        match event:
            case Event.COLLECTOR_KILLED:
                self._collectors[KILLED].kill()
            case Event.BROKER_KILLED:
                await asyncio.to_thread(self._broker.kill)
            case Event.OTHER_ACTS:
                now = self.mailbox.latest.taken_at
                await _tell(self._broker.address(), _records_of_ben(now))
            case Event.NOTHING:
                pass


async def _tell(address: BrokerAddress, records: list[AuditRecord]) -> None:
    """Publish what another dashboard would, after its operator wrote it down."""
    link = Link(address, on_message=lambda _: None, on_state=lambda _: None)
    responder = Responder(link, BEN)
    running = asyncio.create_task(link.run())
    for record in records:
        responder.record(CleanText(SHOWN), record)
    for _ in range(100):
        responder.flush()
        await asyncio.sleep(0.05)
    await link.close()
    await asyncio.gather(running, return_exceptions=True)


def _records_of_ben(now: float) -> list[AuditRecord]:
    pod = clean("delete pods kube-system/cilium-7xk2p")
    story = (
        (70.0, AuditEvent.ARMED, "", "", ""),
        (48.0, AuditEvent.CONFIRMED, "Restart the agent of node-5", "", ""),
        (47.0, AuditEvent.AFTER_WRITE, "", str(pod), "done"),
        (14.0, AuditEvent.VERIFIED, "the agent of node-5 is healthy", "", "healthy"),
    )
    return [
        AuditRecord(
            now - ago,
            event,
            clean("eu-admin"),
            HIS_USER,
            BEN,
            operation_id="" if event is AuditEvent.ARMED else "k3q81m0c",
            kind="" if event is AuditEvent.ARMED else "restart",
            text=clean(text),
            target=clean(target),
            result=clean(result),
            node_name=NodeName("" if event is AuditEvent.ARMED else "node-5"),
            id=f"{number:016x}",
        )
        for number, (ago, event, text, target, result) in enumerate(story)
    ]
