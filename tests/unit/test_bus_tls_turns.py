"""A stream over TLS leaves others on the event loop their turns."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections import Counter

import aiomqtt

from tests.brokers import Certificates, broker_certificates
from tui.bus.link.address import BrokerAddress
from tui.bus.link.tls import FairSocket, tls_context

__all__ = ["broker_certificates"]

MESSAGES = 3_000
PUBLISH = b"\x30\x8a\x02" + b"\x00\x01t" + b"x" * 263


class Streamer:
    """A broker over TLS that sends messages whose ends are not those of TLS records."""

    def __init__(self, certificates: Certificates) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificates.server, certificates.server_key)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.has_sent = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(30)
        self._server.close()

    def _serve(self) -> None:
        plain, _ = self._server.accept()
        with self._context.wrap_socket(plain, server_side=True) as sock:
            sock.recv(1_000)
            sock.sendall(b"\x20\x02\x00\x00")
            sock.recv(1_000)
            sock.sendall(PUBLISH * MESSAGES)
            self.has_sent.set()
            while sock.recv(1_000):
                pass


async def longest_run(certificates: Certificates, context: ssl.SSLContext) -> int:
    """Return how many messages came in one turn of the loop, at most."""
    streamer = Streamer(certificates)
    turn = 0
    came: Counter[int] = Counter()
    done = asyncio.Event()

    class Counting(asyncio.Queue[aiomqtt.Message]):
        def put_nowait(self, item: aiomqtt.Message) -> None:
            came[turn] += 1
            if came.total() == MESSAGES:
                done.set()

    client = aiomqtt.Client("127.0.0.1", streamer.port, tls_context=context, queue_type=Counting)
    try:
        async with client:
            await client.publish("t", b"go")
            # What the kernel holds of it lies there when the reading begins.
            streamer.has_sent.wait(1)
            while not done.is_set():
                turn += 1
                await asyncio.sleep(0)
    finally:
        await asyncio.to_thread(streamer.join)
    return max(came.values())


async def test_a_stream_over_tls_is_read_in_short_turns(broker_certificates: Certificates) -> None:
    context = tls_context(BrokerAddress("mqtts", "broker", 1, ca=broker_certificates.ca))
    assert context.sslsocket_class is FairSocket
    fair = await longest_run(broker_certificates, context)
    context.sslsocket_class = ssl.SSLSocket
    greedy = await longest_run(broker_certificates, context)
    assert fair < MESSAGES / 2 < greedy, f"at most {fair} in a turn, {greedy} without"
