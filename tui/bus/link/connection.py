"""One connection to a broker, from CONNECT to its end: `aiomqtt.Client`, its errors explained."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import ssl
import time
from collections.abc import Coroutine, Mapping
from typing import Protocol

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from tui.bus.link.address import BrokerAddress
from tui.bus.link.faults import (
    FaultKind,
    LinkFault,
    connack_fault,
    connect_fault,
    disconnect_fault,
    lost_fault,
)
from tui.bus.link.greeting import Greeting, LastError, client_of, properties_of, read_credentials
from tui.bus.link.pahosocket import hang_up, is_open, send_whole_frames, watch_socket
from tui.bus.link.tls import names_of_certificate
from tui.bus.wire.keeping import held_seconds
from tui.bus.wire.post import Incoming, Outgoing

_LOG = logging.getLogger(__name__)

_AT_ONCE = 16
"""Messages handed to paho: they cross into the socket in one turn of the loop."""
_MOST_UNACKNOWLEDGED = 8
"""Of those with QoS 1; the least that a known broker allows is 10 (HiveMQ)."""
_REFUSAL_SECONDS = 0.1
_CLOSING_SECONDS = 1.0
_FIRST_FAILURE = 0x80
"""Reason codes from here on are failures (MQTT 5 §2.4, and 3.1.1's SUBACK)."""
_UNSPECIFIED, _PROTOCOL_ERROR, _KEEP_ALIVE = 128, 130, 141
"""Codes of MQTT 5 by which paho names ends of its own too: broken, not MQTT, silent."""


class Hears(Protocol):
    """Whom a connection serves; all of it on the event loop."""

    def next_outgoing(self, may_need_acknowledgement: bool) -> Outgoing | None:
        """Return what to send next, if there is anything."""

    def was_delivered(self) -> None:
        """A message has left, and has been taken by the broker where that was asked for."""

    def message_came(self, incoming: Incoming) -> None:
        """Take a message."""

    def was_subscribed(self, topic_filter: str, refusal: str) -> None:
        """Take the broker's answer to a subscription; an empty refusal is a yes."""


class Connection:
    """One connection; made anew for each attempt, and of no use after its end."""

    def __init__(self, address: BrokerAddress, greeting: Greeting, hears: Hears) -> None:
        self._address = address
        self._greeting = greeting
        self._hears = hears
        self._client: aiomqtt.Client | None = None
        loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[LinkFault] = loop.create_future()
        """Why it ended, when it has."""
        self._errors = LastError()
        self._tasks: set[asyncio.Task[None]] = set()
        self._senders = 0
        self._under_way: dict[int, Outgoing] = {}
        self._taken = 0
        self._is_broken = False

    # Connecting

    async def open(self) -> None:
        """Connect, and return when the broker has accepted us.

        Raises:
            LinkFault: it has not.
        """
        fault: LinkFault | None = None
        is_over = True
        try:
            await self._dial()
            is_over = False
        except Exception as error:  # noqa: BLE001 - what answers can make paho raise anything
            fault = await self._why_not_connected(error)
        finally:
            if is_over:
                await self.abort()
        if fault is not None:
            # Not from within the handler: the error has a socket that paho closes by forgetting it.
            raise fault

    async def _dial(self) -> None:
        address = self._address
        credentials = await asyncio.to_thread(read_credentials, address)
        client = client_of(
            address, self._greeting, credentials, self._errors.log, self._message_came
        )
        self._client = client
        self._closed = closed = watch_socket(client, self.ended.done)
        await self._enter(client, closed)
        if closed.done():
            words = "ended the connection as soon as it had accepted us"
            self._end(LinkFault(FaultKind.LOST, f"{address}: {words}"))
            return
        if address.uses_websocket:
            send_whole_frames(client)
        self._start(self._watch(client))

    async def _enter(self, client: aiomqtt.Client, closed: asyncio.Future[None]) -> None:
        """Connect; ends early where the broker hangs up, which aiomqtt would wait out."""
        entering = asyncio.ensure_future(client.__aenter__())
        try:
            await asyncio.wait((entering, closed), return_when=asyncio.FIRST_COMPLETED)
            # A refusal closes the socket too, and is told a few turns later.
            await asyncio.wait((entering,), timeout=_REFUSAL_SECONDS)
            if not entering.done():
                raise aiomqtt.MqttError
            await entering
        finally:
            if is_open(client) or closed.done():
                entering.cancel()
            # While the thread still dials nobody waits for it: it closes what it gets.
            entering.add_done_callback(lambda done: _forget(done, client, self.ended))
            # Its error would hold this frame, and this frame it, until the collector comes.
            del entering

    async def _why_not_connected(self, error: Exception) -> LinkFault:
        address, reason = self._address, error
        if isinstance(error, aiomqtt.MqttCodeError):
            return connack_fault(address, *_code_of(error))
        if isinstance(error, aiomqtt.MqttError):
            # What dialing raised, aiomqtt wraps with the same words.
            dialing = error.__context__
            if not isinstance(dialing, Exception) or str(dialing) != str(error):
                return self._why_no_answer()
            reason = dialing
        names = ""
        if isinstance(reason, ssl.SSLCertVerificationError):
            names = await asyncio.to_thread(names_of_certificate, address)
        return connect_fault(address, reason, names)

    def _why_no_answer(self) -> LinkFault:
        if self._client is not None and is_open(self._client):
            fault = connect_fault(self._address, TimeoutError())
            return LinkFault(FaultKind.MUTE, fault.sentence)
        return lost_fault(self._address, self._errors.error, had_answer=False)

    # The connection's life

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, client: aiomqtt.Client) -> None:
        """Wait for the end; messages don't come this way."""
        try:
            async for _ in client.messages:
                pass
        except aiomqtt.MqttError as error:
            self._end(self._why_ended(error.__cause__))

    def _why_ended(self, cause: BaseException | None) -> LinkFault:
        address, last = self._address, self._errors.error
        if cause is None:
            return LinkFault(FaultKind.LOST, f"{address}: ended the connection")
        if not isinstance(cause, aiomqtt.MqttCodeError):
            _LOG.warning("%s: what it sent is not MQTT", address, exc_info=cause)
            return lost_fault(address, cause, had_answer=True)
        code, said = _code_of(cause)
        if last is not None or code == _UNSPECIFIED:
            return lost_fault(address, last, had_answer=True)
        if code == _KEEP_ALIVE:
            return LinkFault(
                FaultKind.LOST, f"{address}: silent for too long: no answer, not even to our pings"
            )
        return disconnect_fault(address, code, said, self._greeting.client_id)

    def _end(self, fault: LinkFault) -> None:
        """End it once, for the first reason that there was."""
        if not self.ended.done():
            self.ended.set_result(fault)

    async def close(self, seconds: float) -> None:
        """Say goodbye, so that the broker sends no will; abort where that takes too long."""
        if self._client is not None and not self.ended.done():
            with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._client.__aexit__(None, None, None)
        await self.abort()

    async def abort(self) -> None:
        """Close the socket without a word; more than once does no harm."""
        self._end(LinkFault(FaultKind.LOST, f"{self._address}: given up"))
        for task in self._tasks:
            task.cancel()
        if self._client is None:
            return
        hang_up(self._client)
        if is_open(self._client):
            await asyncio.wait((self._closed,), timeout=_CLOSING_SECONDS)
        # Aiomqtt's own task ends in the turns after that.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    # Sending

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

    @property
    def undelivered(self) -> list[Outgoing]:
        """What the broker should have acknowledged and has not, in its order."""
        return [outgoing for outgoing in self._under_way.values() if outgoing.qos]

    def send(self, waiting: int) -> None:
        """Send what waits, so many messages, until there is nothing more."""
        client = self._client
        if client is None or self.ended.done():
            return
        for _ in range(min(_AT_ONCE - self._senders, waiting)):
            self._senders += 1
            self._start(self._send(client))

    async def _send(self, client: aiomqtt.Client) -> None:
        """Send one message after the other; several of these keep their order."""
        try:
            while not self._is_broken:
                may_wait = len(self.undelivered) < _MOST_UNACKNOWLEDGED
                outgoing = self._hears.next_outgoing(may_wait)
                if outgoing is None:
                    return
                await self._publish(client, outgoing)
        finally:
            self._senders -= 1

    async def _publish(self, client: aiomqtt.Client, outgoing: Outgoing) -> None:
        self._taken += 1
        number, properties = self._taken, None
        if outgoing.expiry_seconds is not None and self._greeting.is_v5:
            properties = properties_of(
                PacketTypes.PUBLISH, MessageExpiryInterval=outgoing.expiry_seconds
            )
        self._under_way[number] = outgoing
        try:
            # Without a limit: paho's pings find out about a broker that takes nothing more.
            await client.publish(
                outgoing.topic,
                outgoing.payload,
                outgoing.qos,
                outgoing.is_retained,
                properties,
                timeout=math.inf,
            )
        except aiomqtt.MqttError:
            self._is_broken = True
            return
        del self._under_way[number]
        self._hears.was_delivered()

    def subscribe(self, filters: Mapping[str, int]) -> None:
        """Ask for topics, in one packet; the answers come one by one."""
        if filters and self._client is not None:
            self._start(self._subscribe(self._client, dict(filters)))

    async def _subscribe(self, client: aiomqtt.Client, filters: dict[str, int]) -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            if self._greeting.is_v5:
                wanted = [(name, SubscribeOptions(qos=qos)) for name, qos in filters.items()]
                codes = await client.subscribe(wanted, timeout=math.inf)
            else:
                codes = await client.subscribe(list(filters.items()), timeout=math.inf)
            for name, code in zip(filters, codes, strict=False):
                value, said = _value_of(code)
                self._hears.was_subscribed(name, said.lower() if value >= _FIRST_FAILURE else "")

    def unsubscribe(self, topic_filter: str) -> None:
        """Ask for them no longer."""
        if self._client is not None:
            self._start(self._unsubscribe(self._client, topic_filter))

    async def _unsubscribe(self, client: aiomqtt.Client, topic_filter: str) -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            await client.unsubscribe(topic_filter, timeout=math.inf)

    # Receiving

    def _message_came(self, message: aiomqtt.Message) -> None:
        topic = message.topic.value
        left = getattr(message.properties, "MessageExpiryInterval", None)
        held = None if left is None else held_seconds(topic, left)
        incoming = Incoming(topic, bytes(message.payload), message.retain, time.monotonic(), held)
        try:
            self._hears.message_came(incoming)
        except Exception:  # noqa: BLE001 - the fault is the receiver's, the connection goes on
            # It must not look as if the broker had sent what is not MQTT.
            _LOG.exception("a message on %s was not taken", topic)


def _forget(
    entered: asyncio.Future[aiomqtt.Client],
    client: aiomqtt.Client,
    ended: asyncio.Future[LinkFault],
) -> None:
    """Close what came about after it was given up."""
    if not entered.cancelled():
        entered.exception()
    if ended.done():
        hang_up(client)


def _code_of(error: aiomqtt.MqttCodeError) -> tuple[int, str]:
    return _value_of(error.rc)


def _value_of(code: object) -> tuple[int, str]:
    """Return a code of MQTT 5 and what it is called."""
    if isinstance(code, ReasonCode):
        return code.value, str(code)
    return (code, f"code {code}") if isinstance(code, int) else (_UNSPECIFIED, "no code")
