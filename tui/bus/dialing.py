"""The part of a connection that blocks: TCP, TLS, the WebSocket and CONNECT, in a thread."""

from __future__ import annotations

import asyncio
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
from tui.bus.tls import names_of_certificate, tls_context

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
            transport="websockets" if address.uses_websocket else "tcp",
            reconnect_on_failure=False,
        )
        self.connected: socket.socket | None = None
        self._address = address
        self._greeting = greeting
        self._errors = _LastError()
        logger = logging.Logger("mqtt", logging.ERROR)
        logger.addHandler(self._errors)
        self.enable_logger(logger)
        # Ours is the only bound, so that nothing waits where nobody counts it.
        self.max_inflight_messages_set(0)
        if address.uses_websocket:
            self.ws_set_options(address.path, self._websocket_headers)

    @property
    def last_error(self) -> BaseException | None:
        """What the socket raised last."""
        return self._errors.error

    @property
    def has_decrypted(self) -> bool:
        """Whether TLS holds bytes that it has read already, which no selector sees."""
        sock = self.connected
        return isinstance(sock, ssl.SSLSocket) and sock.fileno() >= 0 and sock.pending() > 0

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

    def _create_socket_connection(self) -> socket.socket:
        address = self._address
        context = tls_context(address) if address.uses_tls else None
        plain = socket.create_connection(
            (address.host, address.port), self._greeting.connect_seconds
        )
        self.connected = plain
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self.connected = context.wrap_socket(plain, server_hostname=address.host)
        return self.connected

    def _websocket_headers(self, headers: dict[str, str]) -> dict[str, str]:
        # Paho knows nothing of our TLS and writes IPv6 without brackets.
        scheme = "https" if self._address.uses_tls else "http"
        place = self._address.host_and_port
        return headers | {"Host": place, "Origin": f"{scheme}://{place}"}


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
