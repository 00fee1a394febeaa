"""What this machine's operator writes into its audit file, told to all others.

The one thing that a dashboard ever publishes; nothing that came from a topic leads here.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from tui.bus.wire.encoding import encode_letter
from tui.bus.wire.messages import AuditMessage, Envelope, Letter
from tui.bus.wire.post import LinkKind, Outgoing, Sends
from tui.bus.wire.topics import Topic, TopicKind
from tui.model.operations import AuditRecord
from tui.safety import CleanText

MOST_RECORDS = 1_000
"""Those that wait for the broker; the audit file has them all."""

RECORDS_IN_ONE = 20

RETOLD_AFTER_SECONDS = (3.0, 12.0, 40.0)
"""After a broken connection came back, what was told lately is told again: a broker that was
restarted has nobody to hand it to until the others are back, which takes them 30 s at most. The
records' ids tell them that it is not done twice."""

RETOLD_SECONDS = 900.0
MOST_RETOLD = 200


class TellsAudit(Sends, Protocol):
    """The half of a link that sends, and notices where that does not work."""

    def expect_echo(self, topic: str) -> None:
        """Warn when what is sent to this topic doesn't come back."""
        ...


class Responder:
    """Publishes audit records of one cluster after the other."""

    def __init__(
        self,
        sends: TellsAudit,
        sender: CleanText,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sends = sends
        self._sender = sender
        self._wall = wall
        self._monotonic = monotonic
        self._is_up = False
        self._told: deque[tuple[float, CleanText, AuditRecord]] = deque(maxlen=MOST_RETOLD)
        self._retell_at: list[float] = []
        self._run = secrets.token_hex(4)
        self._seq: dict[str, int] = {}
        self._waiting: deque[tuple[CleanText, AuditRecord]] = deque()
        self._expected: set[str] = set()
        self.dropped = 0
        """Records that were never sent, because too many waited."""

    def record(self, cluster: CleanText, record: AuditRecord) -> None:
        """Tell all others what was done to a cluster, now or once the broker is back."""
        if len(self._waiting) >= MOST_RECORDS:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append((cluster, record))
        self.flush()

    def flush(self) -> None:
        """Send what waits, where there is a connection; to be called every few seconds."""
        was_up, self._is_up = self._is_up, self._sends.state.kind is LinkKind.UP
        if not self._is_up:
            return
        now = self._monotonic()
        if not was_up:
            self._retell_at = [now + seconds for seconds in RETOLD_AFTER_SECONDS]
        if self._retell_at and now >= self._retell_at[0]:
            del self._retell_at[0]
            self._send_all(
                deque((one, what) for at, one, what in self._told if now - at < RETOLD_SECONDS)
            )
        self._told.extend((now, cluster, record) for cluster, record in self._waiting)
        self._send_all(self._waiting)

    def _send_all(self, waiting: deque[tuple[CleanText, AuditRecord]]) -> None:
        """Send records, those of one cluster together, and empty the queue."""
        while waiting:
            cluster = waiting[0][0]
            records: list[AuditRecord] = []
            while waiting and waiting[0][0] == cluster and len(records) < RECORDS_IN_ONE:
                records.append(waiting.popleft()[1])
            self._send(cluster, tuple(records))

    def _send(self, cluster: CleanText, records: tuple[AuditRecord, ...]) -> None:
        topic = str(Topic(TopicKind.AUDIT, cluster))
        if topic not in self._expected:
            self._expected.add(topic)
            self._sends.expect_echo(topic)
        seq = self._seq[topic] = self._seq.get(topic, 0) + 1
        envelope = Envelope(cluster, self._sender, self._run, seq, self._wall())
        payload = encode_letter(Letter(envelope, AuditMessage(records)))
        self._sends.send(Outgoing(topic, payload, qos=1))
