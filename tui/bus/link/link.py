"""The connection to the broker: made anew whenever it breaks, and honest about why it is down."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.bus.link.address import BrokerAddress
from tui.bus.link.backoff import Backoff
from tui.bus.link.complaints import Complaints
from tui.bus.link.faults import FaultKind, LinkFault
from tui.bus.link.outbox import DEFAULT_BOUNDS, Bounds, Outbox
from tui.bus.wire.post import Incoming, LinkCounts, LinkKind, LinkState, Outgoing
from tui.safety import clean

if TYPE_CHECKING:
    from tui.bus.link.connection import Connection

_SHORT_LIVES = 3
"""Connections in a row that broke at once: then it is no accident."""
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Pace:
    """All times of a link, in seconds."""

    connect: float = 5.0
    """For the broker's answer to CONNECT; TCP and TLS before it have paho's 5 s."""
    keepalive: int = 6
    """A ping after so long in silence; without an answer as long again, the connection is over."""
    retry: tuple[float, float] = (1.0, 30.0)
    """First and longest wait for the next attempt."""
    retry_refused: tuple[float, float] = (15.0, 60.0)
    """The same where somebody has to change something."""
    stable: float = 10.0
    """A connection that held so long makes the failures before it forgotten."""
    echo: float = 5.0
    """For a message to come back."""
    ask_again: float = 60.0
    """Until a refused subscription is tried again."""
    farewell: float = 2.0
    """For the last messages to be taken."""


DEFAULT_PACE = Pace()


def fresh_client_id(name: str = "") -> str:
    """Return a client id that no other run has: a broker closes the older of two with one id."""
    middle = _NOT_IN_IDS.sub("-", name)[:48]
    return "-".join(part for part in ("ciltop", middle, secrets.token_hex(4)) if part)


class Link:
    """One connection to a broker, kept over breaks; implements `Sends`.

    Everything of it is called on one event loop, the one of `run`. `on_message` is called on it
    too, while the connection is read: what it is slow with, the broker has to wait for.
    """

    def __init__(  # noqa: PLR0913 - callbacks and pace are what tests and owners differ in
        self,
        address: BrokerAddress,
        *,
        client_id: str = "",
        will: Outgoing | None = None,
        will_delay_seconds: float = 0.0,
        on_message: Callable[[Incoming], None],
        on_state: Callable[[LinkState], None],
        pace: Pace = DEFAULT_PACE,
        bounds: Bounds = DEFAULT_BOUNDS,
    ) -> None:
        """Prepare the link; `run` connects.

        Args:
            address: where the broker is.
            client_id: fixed by the caller; empty makes a fresh one for this run.
            will: published by the broker when this link is gone without a goodbye.
            will_delay_seconds: how long the broker waits with it for us to come back; MQTT 5 only.
            on_message: takes what comes.
            on_state: takes each change of the state.
            pace: waiting times.
            bounds: how much may wait to be sent.
        """
        self._address = address
        self._client_id = client_id or fresh_client_id()
        self._is_id_fixed = bool(client_id)
        self._will = will
        self._will_delay_seconds = math.ceil(will_delay_seconds)
        self._on_message = on_message
        self._on_state = on_state
        self._pace = pace
        self._is_v5 = True
        self._state = LinkState(broker=clean(str(address)), since=time.monotonic())
        self._counts = LinkCounts()
        self._outbox = Outbox(self._counts, bounds)
        self._filters: dict[str, int] = {}
        self._complaints = Complaints(address, pace.echo, self._warn)
        self._connection: Connection | None = None
        self._is_flushing = False
        self._last: Sequence[Outgoing] | None = None
        self._closing = asyncio.Event()
        self._finished = asyncio.Event()
        self._finished.set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        """When a refused subscription is tried again, by its filter."""
        self._short_lives = 0
        self._has_been_up = False
        self._drained: asyncio.Event | None = None

    @property
    def state(self) -> LinkState:
        """How the connection stands."""
        return self._state

    @property
    def counts(self) -> LinkCounts:
        """What went through."""
        return self._counts

    @property
    def client_id(self) -> str:
        """Our id at the broker."""
        return self._client_id

    @property
    def waiting(self) -> int:
        """Messages that wait to be sent."""
        return len(self._outbox)

    # What the owner asks for

    def send(self, outgoing: Outgoing) -> None:
        """Queue it; never waits. What finds the queue full is counted and given up.

        Raises:
            ValueError: nothing can be published to such a topic.
        """
        if not outgoing.topic or "+" in outgoing.topic or "#" in outgoing.topic:
            raise ValueError(f"not a topic to publish to: {outgoing.topic[:80]!r}")
        self._outbox.put(outgoing)
        self._flush_soon()

    def will_replace(self, topic: str) -> bool:
        """Whether a state for this topic waits that nobody can have seen yet."""
        return self._outbox.has_unseen(topic)

    def subscribe(self, topic_filter: str, qos: int = 0) -> None:
        """Ask for topics, now and after each reconnect; retained ones come again each time."""
        self._filters[topic_filter] = qos
        if self._connection is not None:
            self._connection.subscribe({topic_filter: qos})

    def unsubscribe(self, topic_filter: str) -> None:
        """Ask for them no longer."""
        if self._filters.pop(topic_filter, None) is None:
            return
        self._complaints.forget_filter(topic_filter)
        if self._connection is not None:
            self._connection.unsubscribe(topic_filter)

    def expect_echo(self, topic: str) -> None:
        """Warn in the state's reason when what is sent to this topic doesn't come back.

        A broker that denies a write or a read may say nothing at all: MQTT 3.1.1 can't refuse a
        message, and Mosquitto's ACL file lets everybody subscribe. The caller subscribes to the
        topic itself, and sends to it now and then.
        """
        self._complaints.expect(topic)

    async def run(self) -> None:
        """Connect, and again, until `close` or until cancelled."""
        quick, slow = Backoff(*self._pace.retry), Backoff(*self._pace.retry_refused)
        self._finished.clear()
        try:
            while not self._closing.is_set():
                fault, lived = await self._live()
                if self._closing.is_set():
                    break
                if lived >= self._pace.stable:
                    quick.reset()
                    slow.reset()
                fault = self._judged(fault, lived)
                self._tell_down(fault)
                is_quick = fault.kind in (FaultKind.LOST, FaultKind.HUNG_UP, FaultKind.MUTE)
                wait = (quick if is_quick else slow).next_seconds()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), wait)
        finally:
            await self._disconnected()
            self._tell(LinkKind.DOWN, "closed")
            self._finished.set()

    async def close(self, last: Sequence[Outgoing] = ()) -> None:
        """Send the last messages, wait at most 2 s for their acks, and leave without a will."""
        self._last = last
        self._closing.set()
        await self._finished.wait()

    # One connection's life

    async def _live(self) -> tuple[LinkFault, float]:
        """Connect and stay; return why it ended and how long it held."""
        closing = asyncio.ensure_future(self._closing.wait())
        opening = asyncio.ensure_future(self._connect())
        try:
            await asyncio.wait((opening, closing), return_when=asyncio.FIRST_COMPLETED)
            if not opening.done():
                return LinkFault(FaultKind.LOST, "closed"), 0.0
            connection = opening.result()
            began = time.monotonic()
            self._up(connection)
            await asyncio.wait((connection.ended, closing), return_when=asyncio.FIRST_COMPLETED)
            if not connection.ended.done():
                await self._take_leave(connection)
            return connection.ended.result(), time.monotonic() - began
        except LinkFault as fault:
            return fault, 0.0
        finally:
            closing.cancel()
            opening.cancel()
            await self._disconnected()

    async def _connect(self) -> Connection:
        """Connect with MQTT 5, or with 3.1.1 where the broker knows no newer one."""
        try:
            return await self._open(self._is_v5)
        except LinkFault as fault:
            # A broker that once spoke MQTT 5 is slow when it is mute, not old.
            is_mute = fault.kind is FaultKind.MUTE and not self._has_been_up
            is_old = is_mute or fault.kind in (FaultKind.TOO_OLD, FaultKind.HUNG_UP)
            if not self._is_v5 or not is_old:
                raise
        connection = await self._open(is_v5=False)
        self._is_v5 = False
        return connection

    async def _open(self, is_v5: bool) -> Connection:
        # Aiomqtt is loaded only where there is a broker.
        from tui.bus.link.connection import Connection
        from tui.bus.link.greeting import Greeting

        pace = self._pace
        greeting = Greeting(
            self._client_id,
            is_v5,
            pace.keepalive,
            pace.connect,
            self._will,
            self._will_delay_seconds,
        )
        connection = Connection(self._address, greeting, self)
        await connection.open()
        return connection

    def _up(self, connection: Connection) -> None:
        if self._has_been_up:
            self._counts.reconnects += 1
        self._has_been_up = True
        self._connection = connection
        self._tell(LinkKind.UP, self._complaints.sentence)
        connection.subscribe(self._filters)
        self._flush_soon()

    async def _disconnected(self) -> None:
        """Forget the connection, and take back what it has not delivered."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._outbox.give_back(connection.undelivered)
        self._complaints.end()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        await connection.abort()

    async def _take_leave(self, connection: Connection) -> None:
        for outgoing in self._last or ():
            self._outbox.put_first(outgoing)
        until = time.monotonic() + self._pace.farewell
        self._drained = asyncio.Event()
        self._flush()
        self.was_delivered()
        waits = asyncio.ensure_future(self._drained.wait())
        left = max(0.0, until - time.monotonic())
        await asyncio.wait((connection.ended, waits), timeout=left, return_when="FIRST_COMPLETED")
        waits.cancel()
        await connection.close(max(0.5, until - time.monotonic()))

    # Sending

    def _flush_soon(self) -> None:
        """Send at the loop's next turn, so that many messages in a row are one piece of work."""
        if self._connection is not None and not self._is_flushing:
            self._is_flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flushing = False
        if self._connection is not None:
            self._connection.send(len(self._outbox))

    # What the connection asks for and tells

    def next_outgoing(self, may_need_acknowledgement: bool) -> Outgoing | None:
        """Return what to send next, if there is anything."""
        outgoing = self._outbox.take(may_need_acknowledgement)
        if outgoing is not None:
            self._counts.sent += 1
            self._counts.sent_bytes += len(outgoing.payload)
            self._complaints.was_sent(outgoing.topic)
        return outgoing

    def was_delivered(self) -> None:
        """Note that there is nothing more to say, where that is waited for."""
        connection, drained = self._connection, self._drained
        if drained and connection and connection.is_idle and not self._outbox:
            drained.set()

    def message_came(self, incoming: Incoming) -> None:
        """Hand a message on."""
        self._counts.received += 1
        self._complaints.came(incoming.topic)
        self._on_message(incoming)

    def was_subscribed(self, topic_filter: str, refusal: str) -> None:
        """Note a subscription that was granted or refused; the latter is tried again."""
        if topic_filter not in self._filters:
            return
        self._complaints.was_subscribed(topic_filter, refusal)
        if refusal:
            loop = asyncio.get_running_loop()
            if topic_filter in self._timers:
                self._timers[topic_filter].cancel()
            timer = loop.call_later(self._pace.ask_again, self._ask_again, topic_filter)
            self._timers[topic_filter] = timer

    def _ask_again(self, topic_filter: str) -> None:
        del self._timers[topic_filter]
        if self._connection is not None and topic_filter in self._filters:
            self._connection.subscribe({topic_filter: self._filters[topic_filter]})

    # The state

    def _judged(self, fault: LinkFault, lived: float) -> LinkFault:
        """Return the fault, as a fight over the client id where it looks like one.

        Mosquitto 2.0 says nothing to the one whose place is taken, nor does any broker to a client
        of MQTT 3.1.1.
        """
        is_short = fault.kind is FaultKind.LOST and 0 < lived < self._pace.stable
        self._short_lives = self._short_lives + 1 if is_short else 0
        if not self._is_id_fixed or self._short_lives < _SHORT_LIVES:
            return fault
        return LinkFault(
            FaultKind.TAKEN_OVER,
            f"{self._address}: breaks soon after each connect: does another client use our id "
            f"{self._client_id!r}?",
        )

    def _tell_down(self, fault: LinkFault) -> None:
        is_refused = fault.kind is FaultKind.REFUSED
        self._tell(LinkKind.REFUSED if is_refused else LinkKind.DOWN, fault.sentence)

    def _warn(self) -> None:
        if self._connection is not None:
            self._tell(LinkKind.UP, self._complaints.sentence)

    def _tell(self, kind: LinkKind, reason: str) -> None:
        before = self._state
        protocol = before.protocol
        if kind is LinkKind.UP:
            protocol = clean("MQTT 5" if self._is_v5 else "MQTT 3.1.1")
        since = before.since if kind is before.kind else time.monotonic()
        self._state = LinkState(kind, clean(reason), protocol, before.broker, since)
        if self._state != before:
            self._on_state(self._state)
