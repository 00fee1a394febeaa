"""Cut a stream of chunks into lines in linear time and bounded memory."""

from __future__ import annotations


class LineSplitter:
    """Collect chunks and give whole lines, each at most `limit_bytes` long.

    A longer line is cut and says its true length, so that one line can't fill the memory.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._held: list[bytes] = []
        self._kept_bytes = 0
        self._true_bytes = 0

    @property
    def held_bytes(self) -> int:
        """The length so far of the line whose end has not come."""
        return self._true_bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add a chunk and return the lines it completed, without their newline."""
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if len(chunk) > self._limit:
            lines[1:] = [self._cut(line, len(line)) for line in lines[1:]]
        if lines:
            self._hold(lines[0])
            lines[0] = self._take()
        if rest:
            self._hold(rest)
        return lines

    def finish(self) -> list[bytes]:
        """Return the last line where the stream ended without a newline."""
        return [self._take()] if self._true_bytes else []

    def _hold(self, part: bytes) -> None:
        room = self._limit - self._kept_bytes
        if room > 0:
            kept = part[:room]
            self._held.append(kept)
            self._kept_bytes += len(kept)
        self._true_bytes += len(part)

    def _take(self) -> bytes:
        line = self._cut(b"".join(self._held), self._true_bytes)
        self._held.clear()
        self._kept_bytes = self._true_bytes = 0
        return line

    def _cut(self, line: bytes, true_bytes: int) -> bytes:
        if true_bytes <= self._limit:
            return line
        return b"%b\xe2\x80\xa6 [%d bytes]" % (line[: self._limit], true_bytes)
