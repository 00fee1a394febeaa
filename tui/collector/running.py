"""Run a collector: its reader, its link to the broker, and what it publishes."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
from contextlib import suppress

from tui import __version__
from tui.bus.link.address import BrokerAddress
from tui.bus.sharing.presence import Identity
from tui.bus.wire.post import LinkKind
from tui.collect.clock import SystemClock
from tui.collector.bus import CollectorBus
from tui.collector.naming import cluster_name
from tui.collector.notices import Notices
from tui.collector.reader import ClusterReader
from tui.config import Config
from tui.errors import CiltopError
from tui.report.prometheus import CollectorStatus
from tui.safety import clean

NAME_SECONDS = 10.0
"""How long a ConfigMap that can't be read is waited for, once nodes and pods are known."""

LOOK_SECONDS = 0.2


class Collecting:
    """One collector: a thread that reads, and this loop, which publishes what is read."""

    def __init__(
        self,
        config: Config,
        address: BrokerAddress,
        context: str | None,
        own_id: str,
        notices: Notices,
    ) -> None:
        self._config = config
        self._address = address
        self._context = context
        self._notices = notices
        self._clock = SystemClock()
        self._identity = Identity(
            id=own_id,
            run=secrets.token_hex(8),
            host=clean(socket.gethostname()),
            version=clean(__version__),
            started_at=self._clock.time(),
            interval_seconds=config.number("presence-interval") or 5.0,
        )
        self._reader = ClusterReader(config)
        self._cluster = ""
        self._bus: CollectorBus | None = None
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Collect and publish until a signal comes; return the exit code.

        Raises:
            CiltopError: the cluster can't be read at all, or the broker refused the first
                connection.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._leave, number)
        self._reader.start()
        try:
            if await self._find_name():
                await self._publish()
        finally:
            await asyncio.to_thread(self._reader.stop)
        return 0

    def _leave(self, number: signal.Signals) -> None:
        self._notices.say("signal", f"{number.name}: leaving")
        self._stop.set()
        # A second one ends at once.
        asyncio.get_running_loop().remove_signal_handler(number)

    async def _find_name(self) -> bool:
        """Wait until the cluster's name is known; return False where a signal came first."""
        known_since: float | None = None
        while not self._stop.is_set():
            self._refuse_ended()
            snapshot, now = self._reader.snapshot, self._clock.monotonic()
            if snapshot.is_complete and known_since is None:
                known_since = now
            is_last = known_since is not None and now - known_since >= NAME_SECONDS
            chosen = self._config.text("cluster")
            named = cluster_name(chosen, snapshot.cluster, self._context, is_last=is_last)
            if named is not None:
                self._cluster = named.name
                self._notices.say("name", named.warning)
                return True
            self._say_source()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), LOOK_SECONDS)
        return False

    async def _publish(self) -> None:
        self._notices.say(
            "start", f"collector {self._identity.id} of cluster {clean(self._cluster)}"
        )
        self._bus = bus = CollectorBus(
            self._address, self._cluster, self._identity, self._reader, self._clock, self._notices
        )
        stopping = asyncio.create_task(self._stop.wait(), name="wait for a signal")
        watching = asyncio.create_task(self._watch(), name="watch the reader")
        running = asyncio.create_task(bus.run(), name="publish")
        tasks = (stopping, watching, running)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in (watching, running):
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _watch(self) -> None:
        """Return when the reader can't go on, with its error."""
        while True:
            self._refuse_ended()
            self._say_source()
            await asyncio.sleep(LOOK_SECONDS)

    def _refuse_ended(self) -> None:
        if self._reader.error is not None:
            raise self._reader.error
        if self._reader.has_ended:
            raise CiltopError(f"collecting ended: {self._reader.fault}")

    def _say_source(self) -> None:
        health = self._reader.snapshot.health
        reason = f": {health.reason}" if health.reason else ""
        self._notices.say("source", f"cluster {health.state.value}{reason}")

    def status(self) -> CollectorStatus:
        """Return what is known of this collector now; may be called from any thread."""
        common = CollectorStatus(
            self._reader.snapshot,
            __version__,
            self._identity.id,
            self._cluster,
            links=tuple(kind.value for kind in LinkKind),
            fault=self._reader.fault,
        )
        return common if self._bus is None else self._bus.status(common)
