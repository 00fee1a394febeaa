"""Frames over a real socket pair that takes and gives only a part at a time."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.bus.address import BrokerAddress
from tui.bus.websocket import WebSocket, frame

Pair = tuple[WebSocket, socket.socket]
BROKER = BrokerAddress("ws", "broker", 80, "/mqtt")


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield WebSocket(ours), theirs


def unmasked(opcode: int, payload: bytes) -> bytes:
    """Return a frame as a server sends it."""
    if len(payload) < 126:
        return bytes([0x80 | opcode, len(payload)]) + payload
    return bytes([0x80 | opcode, 126]) + len(payload).to_bytes(2, "big") + payload


def plain(framed: bytes) -> tuple[int, bytes]:
    """Take one client's frame apart."""
    length, begin = framed[1] & 0x7F, 2
    if length >= 126:
        begin = 4 if length == 126 else 10
        length = int.from_bytes(framed[2:begin], "big")
    key, masked = framed[begin : begin + 4], framed[begin + 4 :]
    assert len(masked) == length
    return framed[0] & 0x0F, bytes(byte ^ key[at % 4] for at, byte in enumerate(masked))


@given(st.binary(max_size=70_000))
def test_a_frame_holds_what_was_put_in(payload: bytes) -> None:
    assert plain(frame(0x2, payload)) == (0x2, payload)


def test_frames_are_a_stream_of_bytes_however_they_are_cut(pair: Pair) -> None:
    ours, theirs = pair
    sent = unmasked(2, b"abc") + unmasked(0, b"") + unmasked(9, b"hi") + unmasked(0, b"x" * 300)
    got = b""
    for at in range(len(sent)):
        theirs.send(sent[at : at + 1])
        try:
            got += ours.recv(1)
        except BlockingIOError:
            continue
    while ours.has_unread:
        got += ours.recv(1_000)
    assert got == b"abc" + b"x" * 300
    assert plain(theirs.recv(100)) == (0xA, b"hi")


def test_a_frame_that_the_socket_takes_in_parts_arrives_whole(pair: Pair) -> None:
    ours, theirs = pair
    payload = bytes(range(256)) * 20_000
    assert (ours.send(payload), ours.has_unsent) == (len(payload), True)
    with pytest.raises(BlockingIOError):
        ours.send(b"next")
    got = b""
    while len(got) < len(payload) + 14:
        got += theirs.recv(1 << 20)
        with contextlib.suppress(BlockingIOError):
            ours.flush()
    assert not ours.has_unsent
    assert plain(got) == (0x2, payload)


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x82\x81abcdx",  # masked by a server
        b"\x81\x01x",  # text
        b"\x83\x01x",  # an opcode that is none
        b"\x89\x7e\x01\x00",  # a long ping
        b"\x82\x7f" + b"\xff" * 8,  # 16 EiB
    ],
)
def test_frames_that_no_broker_sends_end_the_connection(pair: Pair, hostile: bytes) -> None:
    ours, theirs = pair
    theirs.send(hostile)
    with pytest.raises(ConnectionError):
        ours.recv(1)


def test_a_close_frame_is_the_end(pair: Pair) -> None:
    ours, theirs = pair
    theirs.send(unmasked(2, b"x") + unmasked(8, b"\x03\xe8"))
    assert ours.recv(10) == b"x"
    assert ours.recv(10) == b""


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "404"),
        (b"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: wrong\r\n\r\n", "another one"),
        (b"x" * 40_000, "without an end"),
        (b"", "hung up"),
    ],
)
def test_what_is_no_websocket_is_told(answer: bytes, words: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def serve() -> None:
            theirs.recv(10_000)
            theirs.sendall(answer)
            theirs.shutdown(socket.SHUT_WR)

        server = threading.Thread(target=serve)
        server.start()
        with pytest.raises(ConnectionError, match=words):
            WebSocket(ours).shake_hands(BROKER)
        ours.close()
        server.join(10)
