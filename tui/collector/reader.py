"""The half of a collector that reads the cluster, on a thread and loop of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tui.bus.publishing.tee import LogTee, TeeSource
from tui.collect.acting import OffersSession
from tui.collect.thread import CollectorThread
from tui.config import Config
from tui.errors import CiltopError, ClusterError, ForbiddenError
from tui.launch import live_source
from tui.model.names import NodeName
from tui.model.snapshot import Snapshot, Source
from tui.store import Mailbox, Store

if TYPE_CHECKING:
    from tui.cluster.session import Session

HANG_SECONDS = 30.0
UID_PATH = "/api/v1/namespaces/kube-system"
UID_RETRY_SECONDS = 30.0
UID_ATTEMPTS = 5


class Pulse:
    """Proof that a loop on another thread comes round."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat_at: float | None = None

    def begin(self) -> None:
        """Beat on the loop that this is called on."""
        self._beat(asyncio.get_running_loop())

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._beat_at = self._clock()
        loop.call_later(1.0, self._beat, loop)

    @property
    def silent_seconds(self) -> float:
        """How long the loop did not come round; 0 before it began."""
        return 0.0 if self._beat_at is None else self._clock() - self._beat_at


class ClusterReader:
    """Reads a share of the cluster's nodes: none of them until it is told which."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._pulse = Pulse()
        self._mailbox = Mailbox()
        self._thread = CollectorThread(self._open, Store(), self._mailbox)
        self._has_begun = False
        self._uid_task: asyncio.Task[None] | None = None
        self.tee = LogTee()
        self.cluster_uid = ""
        """Of the Namespace kube-system; empty where it can't be read."""

    def start(self) -> None:
        """Begin to read; returns at once."""
        self._thread.share(_owns_nothing)
        self._thread.start()
        self._has_begun = True

    def share(self, owns: Callable[[NodeName], bool]) -> None:
        """Read these nodes from now on."""
        self._thread.share(owns)

    def stop(self) -> None:
        """Stop reading; waits for the thread, a bounded time."""
        self._thread.stop()

    @property
    def snapshot(self) -> Snapshot:
        """What is known now."""
        return self._mailbox.latest

    @property
    def error(self) -> CiltopError | None:
        """Why the source could not work at all."""
        return self._thread.error

    @property
    def fault(self) -> str:
        """Why the loop that reads the cluster does not live; empty while it does."""
        if self.has_ended:
            error = self._thread.error
            return str(error.message if error else self.snapshot.health.reason) or "reading ended"
        silent = self._pulse.silent_seconds
        return f"the loop that reads hangs since {silent:.0f} s" if silent > HANG_SECONDS else ""

    @property
    def has_ended(self) -> bool:
        """Whether the thread is over, whatever ended it."""
        return self._has_begun and not self._thread.is_alive

    def _open(self) -> Source:
        self._pulse.begin()
        source = live_source(self._config, self._config.text("kubeconfig"))
        if isinstance(source, OffersSession):
            source.on_session = self._note_session
        return TeeSource(source, self.tee.offer)

    def _note_session(self, session: Session) -> None:
        self._uid_task = asyncio.get_running_loop().create_task(
            self._read_uid(session), name="read the cluster's UID"
        )

    async def _read_uid(self, session: Session) -> None:
        """Learn what is the same for every collector of this cluster, where it may be read."""
        from tui.cluster.kinds import KubeObject

        for _ in range(UID_ATTEMPTS):
            try:
                found = await session.get_json(UID_PATH, KubeObject)
            except ForbiddenError:
                return
            except ClusterError:
                await asyncio.sleep(UID_RETRY_SECONDS)
            else:
                self.cluster_uid = found.metadata.uid
                return


def _owns_nothing(name: NodeName) -> bool:
    return False
