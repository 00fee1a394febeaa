"""The part of a connection that blocks: TCP, TLS, the WebSocket and CONNECT, in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from dataclasses import dataclass

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tui.bus.address import BrokerAddress
from tui.bus.faults import LinkFault, connect_fault
from tui.bus.post import Outgoing
from tui.bus.sockets import BufferedSocket
from tui.bus.tls import names_of_certificate, tls_context
from tui.bus.websocket import WebSocket

PACKET_BYTES = 512 * 1024
"""The longest packet that we take; an MQTT 5 broker keeps longer ones from us."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What is said at CONNECT."""

    client_id: str
    is_v5: bool
    keepalive_seconds: int
    connect_seconds: float
    will: Outgoing | None = None
    will_delay_seconds: int = 0
    """MQTT 5: how long the broker waits for us to come back before it publishes the will."""


class MqttClient(paho.Client):
    """Paho's client on a socket of ours: TLS that tells its errors, nothing left open."""

    def __init__(self, address: BrokerAddress, greeting: Greeting) -> None:
        version = MQTTProtocolVersion.MQTTv5 if greeting.is_v5 else MQTTProtocolVersion.MQTTv311
        super().__init__(
            CallbackAPIVersion.VERSION2,
            greeting.client_id,
            clean_session=None if greeting.is_v5 else True,
            protocol=version,
            reconnect_on_failure=False,
        )
        self.connected: BufferedSocket | None = None
        self._address = address
        self._greeting = greeting
        self._errors = _LastError()
        logger = logging.Logger("mqtt", logging.ERROR)
        logger.addHandler(self._errors)
        self.enable_logger(logger)
        # Ours is the only bound, so that nothing waits where nobody counts it.
        self.max_inflight_messages_set(0)

    @property
    def last_error(self) -> BaseException | None:
        """What the socket raised last."""
        return self._errors.error

    @property
    def has_unread(self) -> bool:
        """Whether bytes are here already, which no selector sees."""
        return self.connected is not None and self.connected.has_unread

    @property
    def has_unsent(self) -> bool:
        """Whether anything waits for the socket to become writable."""
        return self.want_write() or (self.connected is not None and self.connected.has_unsent)

    def write(self) -> int:
        """Write what waits, as far as the socket takes it."""
        if self.connected is not None:
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self.connected.flush()
        return self.loop_write()

    def close_socket(self) -> None:
        """Close it without a word; more than once does no harm."""
        if self.connected is not None:
            self.connected.close()

    def dial(self) -> None:
        """Set up TCP, TLS and the WebSocket, and send CONNECT; blocks."""
        address, greeting = self._address, self._greeting
        if address.user is not None:
            self.username_pw_set(address.user, address.read_password())
        if greeting.will is not None:
            self._set_will(greeting.will)
        if not greeting.is_v5:
            self.connect(address.host, address.port, greeting.keepalive_seconds)
            return
        self.connect(
            address.host,
            address.port,
            greeting.keepalive_seconds,
            clean_start=greeting.will_delay_seconds == 0,
            # A session that ends with the connection would end the broker's wait for us too
            # (MQTT 5 §3.1.3.2.2).
            properties=properties_of(
                PacketTypes.CONNECT,
                MaximumPacketSize=PACKET_BYTES,
                SessionExpiryInterval=greeting.will_delay_seconds,
            ),
        )

    def _set_will(self, will: Outgoing) -> None:
        properties = None
        if self._greeting.is_v5:
            properties = properties_of(
                PacketTypes.WILLMESSAGE,
                WillDelayInterval=self._greeting.will_delay_seconds,
                MessageExpiryInterval=will.expiry_seconds,
            )
        self.will_set(will.topic, will.payload, will.qos, will.is_retained, properties)

    def _create_socket(self) -> BufferedSocket:
        address = self._address
        context = tls_context(address) if address.uses_tls else None
        place = (address.host, address.port)
        sock = socket.create_connection(place, self._greeting.connect_seconds)
        # Kept before anything can fail, so that it is closed then.
        self.connected = BufferedSocket(sock)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            sock = context.wrap_socket(sock, server_hostname=address.host)
            self.connected = BufferedSocket(sock)
        if address.uses_websocket:
            websocket = WebSocket(sock)
            websocket.shake_hands(address)
            self.connected = websocket
        return self.connected


class _LastError(logging.Handler):
    """Keeps the error of a read or write that paho tells its log and nobody else."""

    def __init__(self) -> None:
        super().__init__()
        self.error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the exception of a record."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        for argument in arguments:
            if isinstance(argument, BaseException):
                self.error = argument


def properties_of(packet: int, **values: int | None) -> Properties:
    """Return MQTT 5 properties of a kind of packet, by their names without spaces."""
    properties = Properties(packet)  # type: ignore[no-untyped-call]  # paho has no types there
    for name, value in values.items():
        if value is not None:
            setattr(properties, name, value)
    return properties


async def dial_in_thread(client: MqttClient, address: BrokerAddress) -> None:
    """Dial in a thread that nobody has to wait for, not even the end of the program.

    Raises:
        LinkFault: there is no connection.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish(fault: LinkFault | None) -> None:
        if done.done():
            # Cancelled meanwhile: nobody wants the connection any more.
            client.close_socket()
        elif fault is not None:
            done.set_exception(fault)
        else:
            done.set_result(None)

    def run() -> None:
        fault = _fault_of(client, address)
        try:
            loop.call_soon_threadsafe(finish, fault)
        except RuntimeError:
            # The loop was closed meanwhile.
            client.close_socket()

    threading.Thread(target=run, name="mqtt-connect", daemon=True).start()
    await done


def _fault_of(client: MqttClient, address: BrokerAddress) -> LinkFault | None:
    try:
        client.dial()
    except Exception as error:  # noqa: BLE001 - told as the reason of the failure
        client.close_socket()
        is_untrusted = isinstance(error, ssl.SSLCertVerificationError)
        return connect_fault(address, error, names_of_certificate(address) if is_untrusted else "")
    return None
