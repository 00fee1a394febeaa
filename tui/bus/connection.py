"""One connection to a broker, from CONNECT to its end: paho's packets on our event loop.

Paho is driven through its interface for event loops. `aiomqtt`, which does the same, makes a task
for each message in and an event with a timer for each one out, hides the reason codes of PUBACK,
and waits out its whole deadline where a broker hangs up at CONNECT.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from tui.bus.address import BrokerAddress
from tui.bus.dialing import Greeting, MqttClient, dial_in_thread, properties_of
from tui.bus.faults import (
    FaultKind,
    LinkFault,
    connack_fault,
    connect_fault,
    disconnect_fault,
    lost_fault,
)
from tui.bus.keeping import held_seconds
from tui.bus.post import Incoming, Outgoing

_LOG = logging.getLogger(__name__)

_MOST_UNACKNOWLEDGED = 100
_BURST_PACKETS = 200
"""Read in one go, before others on the loop get their turn."""
_BURST_SECONDS = 0.003
_TICK_SECONDS = 1.0
_FIRST_FAILURE = 0x80
"""Reason codes from here on are failures (MQTT 5 §2.4, and 3.1.1's SUBACK)."""


class Hears(Protocol):
    """What a connection tells; all of it on the event loop."""

    def message_came(self, incoming: Incoming) -> None:
        """Take a message."""

    def was_acknowledged(self, outgoing: Outgoing, refusal: str) -> None:
        """Take the broker's answer to a message with QoS 1; an empty refusal is a yes."""

    def was_subscribed(self, topic_filter: str, refusal: str) -> None:
        """Take the broker's answer to a subscription."""

    def has_room(self) -> None:
        """More can be published."""


class Connection:
    """One connection; made anew for each attempt, and of no use after its end."""

    def __init__(self, address: BrokerAddress, greeting: Greeting, hears: Hears) -> None:
        self._address = address
        self._greeting = greeting
        self._hears = hears
        self._loop = asyncio.get_running_loop()
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[LinkFault] = self._loop.create_future()
        """Why it ended, when it has."""
        self._client = MqttClient(address, greeting)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._fileno = -1
        self._tick: asyncio.TimerHandle | None = None
        self._handled = 0
        self._unacknowledged: dict[int, Outgoing] = {}
        self._subscribing: dict[int, tuple[str, ...]] = {}
        self._limit = _MOST_UNACKNOWLEDGED

    # Connecting

    async def open(self) -> None:
        """Connect, and return when the broker has accepted us.

        Raises:
            LinkFault: it has not.
        """
        try:
            async with asyncio.timeout(self._greeting.connect_seconds):
                await dial_in_thread(self._client, self._address)
                self._watch()
                await self._accepted
        except TimeoutError as error:
            fault = connect_fault(self._address, error)
            is_mute = self._fileno >= 0
            raise LinkFault(FaultKind.MUTE, fault.sentence) if is_mute else fault from None
        finally:
            if not self._accepted.done() or self._accepted.cancelled() or self.ended.done():
                self.abort()

    def _watch(self) -> None:
        """Let the event loop drive the connected client."""
        sock = self._client.socket()
        if sock is None:
            raise lost_fault(self._address, self._client.last_error, had_answer=False)
        self._fileno = sock.fileno()
        self._client.on_socket_register_write = self._want_write
        self._client.on_socket_unregister_write = self._no_write
        self._client.on_socket_close = self._unwatch
        self._loop.add_reader(self._fileno, self._readable)
        if self._client.has_unsent:
            self._loop.add_writer(self._fileno, self._writable)
        self._tick = self._loop.call_later(_TICK_SECONDS, self._ticked)

    # Sending

    @property
    def is_writable(self) -> bool:
        """Whether all that was published has left this process."""
        return not self.ended.done() and not self._client.has_unsent

    @property
    def may_need_acknowledgement(self) -> bool:
        """Whether another message with QoS 1 may be under way."""
        return len(self._unacknowledged) < self._limit

    @property
    def unacknowledged(self) -> list[Outgoing]:
        """Messages with QoS 1 that the broker has not taken yet, in their order."""
        return list(self._unacknowledged.values())

    def publish(self, outgoing: Outgoing) -> None:
        """Hand a message to the socket's queue."""
        properties = None
        if outgoing.expiry_seconds is not None and self._greeting.is_v5:
            properties = properties_of(
                PacketTypes.PUBLISH, MessageExpiryInterval=outgoing.expiry_seconds
            )
        sent = self._client.publish(
            outgoing.topic, outgoing.payload, outgoing.qos, outgoing.is_retained, properties
        )
        if outgoing.qos:
            self._unacknowledged[sent.mid] = outgoing

    def subscribe(self, filters: Mapping[str, int]) -> None:
        """Ask for topics, in one packet; the answers come one by one."""
        if not filters:
            return
        if self._greeting.is_v5:
            _, mid = self._client.subscribe(
                [(name, SubscribeOptions(qos=qos)) for name, qos in filters.items()]
            )
        else:
            _, mid = self._client.subscribe(list(filters.items()))
        if mid is not None:
            self._subscribing[mid] = tuple(filters)

    def unsubscribe(self, topic_filter: str) -> None:
        """Ask for them no longer."""
        self._client.unsubscribe(topic_filter)

    async def close(self, seconds: float) -> None:
        """Say goodbye, so that the broker sends no will; abort where that takes too long."""
        if not self.ended.done():
            properties = None
            if self._greeting.is_v5:
                properties = properties_of(PacketTypes.DISCONNECT, SessionExpiryInterval=0)
            self._client.disconnect(properties=properties)
            await asyncio.wait([self.ended], timeout=seconds)
        self.abort()

    def abort(self) -> None:
        """Close the socket without a word."""
        self._end(LinkFault(FaultKind.LOST, f"{self._address}: given up"))

    def _end(self, fault: LinkFault) -> None:
        """End it once, for the first reason that there was."""
        if not self.ended.done():
            self.ended.set_result(fault)
        if not self._accepted.done():
            self._accepted.set_exception(fault)
            # Marks it as seen: a connection that is given up before its answer has no reader.
            self._accepted.exception()
        if self._tick is not None:
            self._tick.cancel()
        self._unwatch()
        self._client.close_socket()

    def _unwatch(self, *_: Any) -> None:
        """Leave the event loop while the descriptor is still open: the selector insists on it."""
        if self._fileno >= 0:
            self._loop.remove_reader(self._fileno)
            self._loop.remove_writer(self._fileno)
            self._fileno = -1

    # The event loop's calls

    def _step(self, step: Callable[[], int]) -> bool:
        """Let paho work; return whether the connection still stands."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - bytes of a broker can make paho raise anything
            _LOG.warning("%s: what it sent is not MQTT", self._address, exc_info=True)
            self._end(lost_fault(self._address, error, had_answer=self._accepted.done()))
        return not self.ended.done()

    def _readable(self) -> None:
        until = time.monotonic() + _BURST_SECONDS
        for _ in range(_BURST_PACKETS):
            before = self._handled
            if not self._step(self._client.loop_read):
                return
            if self._handled == before and not self._client.has_unread:
                return
            if time.monotonic() > until:
                break
        if self._client.has_unread:
            # The selector sees the socket only, not what TLS has read of it already.
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self.ended.done():
            self._readable()

    def _writable(self) -> None:
        if self._step(self._client.write) and not self._client.has_unsent:
            self._no_write()
            self._hears.has_room()

    def _want_write(self, *_: Any) -> None:
        if self._fileno >= 0:
            self._loop.add_writer(self._fileno, self._writable)

    def _no_write(self, *_: Any) -> None:
        if self._fileno >= 0 and not self._client.has_unsent:
            self._loop.remove_writer(self._fileno)

    def _ticked(self) -> None:
        self._tick = self._loop.call_later(_TICK_SECONDS, self._ticked)
        self._step(self._client.loop_misc)

    # Paho's calls

    def _on_connect(
        self, _client: Any, _user: Any, _flags: Any, code: ReasonCode, properties: Any
    ) -> None:
        self._handled += 1
        if code.value:
            self._end(connack_fault(self._address, code.value, str(code)))
        elif not self._accepted.done():
            maximum = getattr(properties, "ReceiveMaximum", None)
            self._limit = min(self._limit, maximum or self._limit)
            self._accepted.set_result(None)

    def _on_disconnect(
        self, _client: Any, _user: Any, flags: paho.DisconnectFlags, code: ReasonCode, _: Any
    ) -> None:
        had_answer = self._accepted.done()
        if flags.is_disconnect_packet_from_server:
            fault = disconnect_fault(self._address, code.value, str(code), self._greeting.client_id)
        elif self._client.last_error is None and "eep alive" in str(code):
            fault = LinkFault(
                FaultKind.LOST, f"{self._address}: nothing came from it, not even to our pings"
            )
        else:
            fault = lost_fault(self._address, self._client.last_error, had_answer=had_answer)
        self._end(fault)

    def _on_message(self, _client: Any, _user: Any, message: paho.MQTTMessage) -> None:
        self._handled += 1
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        left = getattr(message.properties, "MessageExpiryInterval", None)
        held = None if left is None else held_seconds(topic, left)
        incoming = Incoming(topic, bytes(message.payload), message.retain, time.monotonic(), held)
        try:
            self._hears.message_came(incoming)
        except Exception:  # noqa: BLE001 - the fault is the receiver's, the connection goes on
            # It must not look as if the broker had sent what is not MQTT.
            _LOG.exception("a message on %s was not taken", topic)

    def _on_publish(
        self, _client: Any, _user: Any, mid: int, code: ReasonCode, _properties: Any
    ) -> None:
        self._handled += 1
        outgoing = self._unacknowledged.pop(mid, None)
        if outgoing is not None:
            refusal = str(code).lower() if code.value >= _FIRST_FAILURE else ""
            self._hears.was_acknowledged(outgoing, refusal)

    def _on_subscribe(
        self, _client: Any, _user: Any, mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        self._handled += 1
        for name, code in zip(self._subscribing.pop(mid, ()), codes, strict=False):
            refusal = str(code).lower() if code.value >= _FIRST_FAILURE else ""
            self._hears.was_subscribed(name, refusal)
