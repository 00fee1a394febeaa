"""What paho reads from and writes to: a socket that is read in large pieces."""

from __future__ import annotations

import socket
import ssl

_CHUNK_BYTES = 65_536


class BufferedSocket:
    """A connected socket that paho can ask for single bytes without a system call for each.

    What it raises is what a non-blocking socket raises: `BlockingIOError` and TLS's own.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.raw = sock
        self._received = b""
        self._position = 0

    @property
    def has_unread(self) -> bool:
        """Whether bytes are here that no selector sees."""
        if self._position < len(self._received):
            return True
        sock = self.raw
        return isinstance(sock, ssl.SSLSocket) and sock.fileno() >= 0 and sock.pending() > 0

    @property
    def has_unsent(self) -> bool:
        """Whether something waits for the socket to become writable."""
        return False

    def flush(self) -> None:
        """Send what waits, as far as the socket takes it."""

    def recv(self, most: int) -> bytes:
        """Return at most so many bytes; none at the end of the stream."""
        start = self._position
        if start >= len(self._received):
            self._received, start = self._read(), 0
        piece = self._received[start : start + most]
        self._position = start + len(piece)
        return piece

    def _read(self) -> bytes:
        return self.raw.recv(_CHUNK_BYTES)

    def send(self, buffer: bytes | bytearray) -> int:
        """Send as much as the socket takes, and return how much that was."""
        return self.raw.send(buffer)

    def fileno(self) -> int:
        """Return the descriptor for the selector."""
        return self.raw.fileno()

    def setblocking(self, flag: bool) -> None:
        """Make the socket wait or not."""
        self.raw.setblocking(flag)

    def close(self) -> None:
        """Close it; more than once does no harm."""
        self.raw.close()
