"""The paho client inside aiomqtt's: that it is there, and what is changed at its WebSocket."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import socket
import struct
import threading

import aiomqtt
import pytest
from paho.mqtt.client import Client as PahoClient

from tui.bus.link.pahosocket import hang_up, is_open, paho_of, send_whole_frames, watch_socket

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LONG = [bytes([number]) * 200_000 for number in range(12)]


async def test_aiomqtt_keeps_its_paho_client_where_we_look_for_it() -> None:
    client = aiomqtt.Client("broker")
    assert isinstance(paho_of(client), PahoClient)
    assert not is_open(client)
    hang_up(client)
    for callback in (paho_of(client).on_socket_open, paho_of(client).on_socket_close):
        assert callback is not None


async def test_a_connection_that_nobody_wants_any_more_is_closed_by_the_thread_that_dialed() -> (
    None
):
    came = asyncio.Event()
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        client = aiomqtt.Client("127.0.0.1", server.sockets[0].getsockname()[1])
        watch_socket(client, lambda: True)
        with pytest.raises(aiomqtt.MqttError):
            await client.__aenter__()
        assert not is_open(client)
        await asyncio.wait_for(ended.wait(), 10)
        assert came.is_set()


class SlowReader:
    """A WebSocket for MQTT 3.1.1 that accepts, and reads nothing before it is told to."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.port = self._server.getsockname()[1]
        self.reads = threading.Event()
        self.payloads: list[bytes] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def join(self) -> None:
        self.reads.set()
        self._thread.join(30)
        self._server.close()

    def _serve(self) -> None:
        sock, _ = self._server.accept()
        with sock:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += sock.recv(1)
            key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
            accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
            sock.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            self._frame(sock)
            sock.sendall(b"\x82\x04\x20\x02\x00\x00")
            self.reads.wait(30)
            stream = b""
            while (payload := self._frame(sock)) is not None:
                stream += payload
            self.payloads = list(published(stream))

    def _frame(self, sock: socket.socket) -> bytes | None:
        head = exactly(sock, 2)
        if head is None or head[0] != 0x82:
            return None
        length = head[1] & 0x7F
        if length >= 126:
            more = exactly(sock, 2 if length == 126 else 8)
            length = int.from_bytes(more or b"", "big")
        body = exactly(sock, 4 + length)
        if body is None:
            return None
        mask = int.from_bytes((body[:4] * (length // 4 + 1))[:length], "big")
        return (int.from_bytes(body[4:], "big") ^ mask).to_bytes(length, "big")


def exactly(sock: socket.socket, length: int) -> bytes | None:
    got = b""
    while len(got) < length:
        piece = sock.recv(length - len(got))
        if not piece:
            return None
        got += piece
    return got


def published(stream: bytes) -> list[bytes]:
    """Return the payloads of the PUBLISH packets with QoS 0 in a stream of MQTT 3.1.1."""
    found, at = [], 0
    while at < len(stream):
        kind, length, shift = stream[at], 0, 0
        while True:
            at += 1
            length |= (stream[at] & 0x7F) << shift
            shift += 7
            if not stream[at] & 0x80:
                break
        body = stream[at + 1 : at + 1 + length]
        at += 1 + length
        if kind & 0xF0 == 0x30:
            found.append(body[2 + struct.unpack("!H", body[:2])[0] :])
    return found


async def through_a_full_websocket(is_mended: bool) -> list[bytes]:
    """Publish long messages while nobody reads; return what comes out."""
    reader = SlowReader()
    client = aiomqtt.Client(
        "127.0.0.1", reader.port, transport="websockets", websocket_path="/mqtt", timeout=2
    )
    try:
        await client.__aenter__()
        sock = paho_of(client).socket()
        assert sock is not None
        with socket.socket(fileno=os.dup(sock.fileno())) as twin:
            twin.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        if is_mended:
            send_whole_frames(client)
        sending = [asyncio.create_task(client.publish("t", payload)) for payload in LONG]
        # Paho's writer has run until the socket was full, and will be called again only then.
        for _ in range(100):
            await asyncio.sleep(0)
        reader.reads.set()
        await asyncio.wait(sending, timeout=5 if is_mended else 0.5)
        if is_mended:
            await client.__aexit__(None, None, None)
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
    finally:
        if is_open(client):
            closed = watch_socket(client, lambda: False)
            hang_up(client)
            await asyncio.wait((closed,), timeout=1)
        await asyncio.to_thread(reader.join)
    return reader.payloads


async def test_a_websocket_that_is_full_loses_nothing() -> None:
    assert await through_a_full_websocket(is_mended=True) == LONG


async def test_paho_alone_still_loses_some_there() -> None:
    """Once this fails, paho has mended it and `send_whole_frames` can go."""
    assert await through_a_full_websocket(is_mended=False) != LONG
