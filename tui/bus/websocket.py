"""MQTT through a WebSocket (RFC 6455, MQTT 5 §6): binary frames, for a socket that never waits.

Paho's own forgets a packet whose frame the socket takes only a part of, and then counts the rest
as another packet: with messages longer than the socket's buffer the stream breaks.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import ssl
import struct

from tui.bus.address import BrokerAddress
from tui.bus.sockets import BufferedSocket

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MOST_HEADER_BYTES = 16_384
_LONGEST_FRAME = 16 * 2**20
"""Brokers put one packet or one buffer into a frame; a longer one is not meant for us."""
_CONTINUATION, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x2, 0x8, 0x9, 0xA


class WebSocket(BufferedSocket):
    """A stream of bytes in WebSocket frames, after `shake_hands`."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._incoming = bytearray()
        self._frame_left = 0
        """Bytes of the current frame that have not come yet."""
        self._outgoing = bytearray()

    def shake_hands(self, address: BrokerAddress) -> None:
        """Ask for the WebSocket; blocks.

        Raises:
            ConnectionError: what answers is no WebSocket for MQTT.
        """
        key = base64.b64encode(os.urandom(16))
        scheme = "https" if address.uses_tls else "http"
        lines = (
            f"GET {address.path} HTTP/1.1",
            f"Host: {address.host_and_port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Origin: {scheme}://{address.host_and_port}",
            f"Sec-WebSocket-Key: {key.decode()}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: mqtt",
            "\r\n",
        )
        self.raw.sendall("\r\n".join(lines).encode())
        status, headers = self._read_answer()
        if status.split(" ")[1:2] != ["101"]:
            raise ConnectionError(f"no WebSocket at {address.path}: {status[:80]}")
        # RFC 6455 §4.1 names this digest; it proves no secret.
        digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
        if headers.get("sec-websocket-accept") != base64.b64encode(digest).decode():
            raise ConnectionError(f"no WebSocket at {address.path}: its answer is for another one")
        if headers.get("sec-websocket-protocol", "mqtt").lower() != "mqtt":
            raise ConnectionError(f"the WebSocket at {address.path} is not for MQTT")

    def _read_answer(self) -> tuple[str, dict[str, str]]:
        while b"\r\n\r\n" not in self._incoming:
            chunk = self.raw.recv(4_096)
            if not chunk or len(self._incoming) > _MOST_HEADER_BYTES:
                raise ConnectionError("no WebSocket: it hung up or answers without an end")
            self._incoming += chunk
        head, _, rest = bytes(self._incoming).partition(b"\r\n\r\n")
        self._incoming = bytearray(rest)
        status, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return status, {name.strip().lower(): value.strip() for name, _, value in pairs}

    @property
    def has_unread(self) -> bool:
        """Whether bytes are here that no selector sees."""
        return super().has_unread or bool(self._incoming and self._frame_left)

    @property
    def has_unsent(self) -> bool:
        """Whether a part of a frame waits for the socket to become writable."""
        return bool(self._outgoing)

    def flush(self) -> None:
        """Send what waits, as far as the socket takes it."""
        while self._outgoing:
            del self._outgoing[: self.raw.send(self._outgoing)]

    def send(self, buffer: bytes | bytearray) -> int:
        """Take all of it as one frame, unless a part of an earlier one still waits."""
        self.flush()
        self._outgoing += frame(_BINARY, bytes(buffer))
        self._flush_some()
        return len(buffer)

    def _flush_some(self) -> None:
        try:
            self.flush()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return

    def _read(self) -> bytes:
        """Return the next bytes of payload; none at the end."""
        while True:
            if self._frame_left and self._incoming:
                payload = bytes(self._incoming[: self._frame_left])
                del self._incoming[: len(payload)]
                self._frame_left -= len(payload)
                return payload
            if not self._frame_left and self._next_frame():
                return b""
            if self._frame_left and self._incoming:
                continue
            chunk = super()._read()
            if not chunk:
                return b""
            self._incoming += chunk

    def _next_frame(self) -> bool:
        """Take the headers and control frames that have come; return whether it is the end."""
        while (header := _header(self._incoming)) is not None:
            opcode, begin, length = header
            if opcode in (_CONTINUATION, _BINARY):
                del self._incoming[:begin]
                self._frame_left = length
                if length:
                    return False
                continue
            if opcode == _CLOSE:
                return True
            if len(self._incoming) < begin + length:
                return False
            payload = bytes(self._incoming[begin : begin + length])
            del self._incoming[: begin + length]
            # What does not fit now goes out with the next packet; our own pings see to one.
            if opcode == _PING and len(self._outgoing) < _LONGEST_FRAME:
                self._outgoing += frame(_PONG, payload)
                self._flush_some()
        return False


def _header(received: bytearray) -> tuple[int, int, int] | None:
    """Return opcode, where the payload begins, and its length; None while too little has come.

    Raises:
        ConnectionError: no broker frames like this.
    """
    if len(received) < 2:
        return None
    opcode, length, begin = received[0] & 0x0F, received[1] & 0x7F, 2
    if length == 126:
        begin = 4
    elif length == 127:
        begin = 10
    if len(received) < begin:
        return None
    if begin > 2:
        length = int.from_bytes(received[2:begin], "big")
    is_control = opcode in (_CLOSE, _PING, _PONG)
    is_known = is_control or opcode in (_CONTINUATION, _BINARY)
    is_masked = bool(received[1] & 0x80)
    if not is_known or is_masked or length > (125 if is_control else _LONGEST_FRAME):
        raise ConnectionError("a WebSocket frame that no MQTT broker sends")
    return opcode, begin, length


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one whole frame of a client: masked, as RFC 6455 §5.3 demands."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | length)
    elif length < 65_536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, length)
    key = os.urandom(4)
    mask = int.from_bytes((key * (length // 4 + 1))[:length], "big")
    masked = (int.from_bytes(payload, "big") ^ mask).to_bytes(length, "big")
    return head + key + masked
