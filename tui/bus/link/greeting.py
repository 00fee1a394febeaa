"""What is said at CONNECT, and the client that says it."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tui.bus.link.address import BrokerAddress
from tui.bus.link.tls import tls_context
from tui.bus.wire.post import Outgoing

PACKET_BYTES = 512 * 1024
"""The longest packet that we take; an MQTT 5 broker keeps longer ones from us."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What is said at CONNECT."""

    client_id: str
    is_v5: bool
    keepalive_seconds: int
    connect_seconds: float
    """For the broker's answer; paho gives TCP and TLS 5 s each."""
    will: Outgoing | None = None
    will_delay_seconds: int = 0
    """MQTT 5: how long the broker waits for us to come back before it publishes the will."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is read from files, anew for each connection."""

    password: str | None
    context: ssl.SSLContext | None


def read_credentials(address: BrokerAddress) -> Credentials:
    """Read password and certificates; blocks.

    Raises:
        ConfigError: one can't be read or is not what it should be.
    """
    password = None if address.user is None else address.read_password()
    return Credentials(password, tls_context(address) if address.uses_tls else None)


class LastError(logging.Handler):
    """Keeps the error of a read or write that paho tells its log and nobody else."""

    def __init__(self) -> None:
        super().__init__()
        self.error: BaseException | None = None
        self.log = logging.Logger("mqtt", logging.ERROR)
        self.log.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the exception of a record."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        for argument in arguments:
            if isinstance(argument, BaseException):
                self.error = argument


def client_of(
    address: BrokerAddress,
    greeting: Greeting,
    credentials: Credentials,
    log: logging.Logger,
    take: Callable[[aiomqtt.Message], None],
) -> aiomqtt.Client:
    """Return a client that has not connected yet.

    Args:
        address: where the broker is.
        greeting: what to say to it.
        credentials: password and certificates.
        log: where paho tells its errors.
        take: is handed each message while the connection is read; must not raise.
    """

    class Handed(asyncio.Queue[aiomqtt.Message]):
        """Keeps nothing: a task for each message that is taken out would cost more than it."""

        def put_nowait(self, item: aiomqtt.Message) -> None:
            take(item)

    is_v5 = greeting.is_v5
    client = aiomqtt.Client(
        address.host,
        address.port,
        username=address.user,
        password=credentials.password,
        logger=log,
        identifier=greeting.client_id,
        queue_type=Handed,
        protocol=aiomqtt.ProtocolVersion.V5 if is_v5 else aiomqtt.ProtocolVersion.V311,
        will=_will(greeting),
        clean_session=None if is_v5 else True,
        transport="websockets" if address.uses_websocket else "tcp",
        timeout=greeting.connect_seconds,
        keepalive=greeting.keepalive_seconds,
        properties=_properties(greeting),
        tls_context=credentials.context,
        socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
        websocket_path=address.path if address.uses_websocket else None,
        clean_start=greeting.will_delay_seconds == 0 if is_v5 else MQTT_CLEAN_START_FIRST_ONLY,
    )
    # Ours are bounded, there is nothing to warn of.
    client.pending_calls_threshold = sys.maxsize
    return client


def _properties(greeting: Greeting) -> Properties | None:
    if not greeting.is_v5:
        return None
    return properties_of(
        PacketTypes.CONNECT,
        MaximumPacketSize=PACKET_BYTES,
        # A session that ends with the connection would end the broker's wait for us too
        # (MQTT 5 §3.1.3.2.2).
        SessionExpiryInterval=greeting.will_delay_seconds,
    )


def _will(greeting: Greeting) -> aiomqtt.Will | None:
    will = greeting.will
    if will is None:
        return None
    properties = None
    if greeting.is_v5:
        properties = properties_of(
            PacketTypes.WILLMESSAGE,
            WillDelayInterval=greeting.will_delay_seconds,
            MessageExpiryInterval=will.expiry_seconds,
        )
    return aiomqtt.Will(will.topic, will.payload, will.qos, will.is_retained, properties)


def properties_of(packet: int, **values: int | None) -> Properties:
    """Return MQTT 5 properties of a kind of packet, by their names without spaces."""
    properties = Properties(packet)  # type: ignore[no-untyped-call]  # paho has no types there
    for name, value in values.items():
        if value is not None:
            setattr(properties, name, value)
    return properties
