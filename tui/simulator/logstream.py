"""Container logs: since, tail, limit, timestamps, previous, follow."""

from __future__ import annotations

import bisect
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tui.simulator.fleetlike import WrittenLine
from tui.simulator.objects import seconds_of
from tui.simulator.paths import is_true
from tui.simulator.statuses import bad_request

CHUNK_BYTES = 64 * 1024


Tick = Callable[[], Awaitable[None]]
"""Waits until the model's time has run on."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What a log request asks for."""

    is_following: bool
    is_previous: bool
    has_timestamps: bool
    since: float | None
    tail_lines: int | None
    limit_bytes: int | None

    @classmethod
    def parse(cls, query: Mapping[str, str], now: float) -> LogQuery:
        """Read the request's parameters.

        Raises:
            ApiFailure: one of them is malformed.
        """
        return cls(
            is_following=is_true(query.get("follow")),
            is_previous=is_true(query.get("previous")),
            has_timestamps=is_true(query.get("timestamps")),
            since=_since(query, now),
            tail_lines=_number(query, "tailLines"),
            limit_bytes=_number(query, "limitBytes"),
        )

    def first(self, lines: Sequence[WrittenLine]) -> int:
        """Return the index of the first line to send."""
        start = 0
        if self.since is not None:
            since = _microseconds(self.since)
            start = bisect.bisect_left(lines, since, key=lambda line: _microseconds(line.time))
        if self.tail_lines is not None:
            start = max(start, len(lines) - self.tail_lines)
        return start


async def log_chunks(
    query: LogQuery,
    read: Callable[[], Sequence[WrittenLine]],
    is_running: Callable[[], bool],
    tick: Tick,
) -> AsyncGenerator[bytes, None]:
    """Yield the log in chunks; a followed one ends when its container does."""
    lines = read()
    position = query.first(lines)
    left = query.limit_bytes
    while True:
        for chunk in line_chunks(lines, position, query.has_timestamps):
            if left is not None and len(chunk) >= left:
                yield chunk[:left]
                return
            left = None if left is None else left - len(chunk)
            yield chunk
        position = len(lines)
        if not query.is_following:
            return
        await tick()
        if not is_running():
            return
        lines = read()
        if len(lines) < position:
            return


def line_chunks(
    lines: Sequence[WrittenLine], position: int, has_timestamps: bool
) -> Iterator[bytes]:
    """Yield the lines from a position on, as they are sent."""
    parts: list[bytes] = []
    size = 0
    for index in range(position, len(lines)):
        line = lines[index]
        text = line.text + b"\n"
        if has_timestamps:
            text = _stamp(line.time) + text
        parts.append(text)
        size += len(text)
        if size >= CHUNK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def _microseconds(seconds: float) -> int:
    """Return a moment as it is printed, so that a printed one selects its own line."""
    return round(seconds * 1_000_000)


def _stamp(seconds: float) -> bytes:
    whole, fraction = divmod(_microseconds(seconds), 1_000_000)
    moment = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{fraction:06}000Z ".encode()


def _number(query: Mapping[str, str], key: str) -> int | None:
    text = query.get(key, "")
    if not text:
        return None
    if not text.isdecimal():
        raise bad_request(f'{key}: Invalid value: "{text}": must be greater than or equal to 0')
    return int(text)


def _since(query: Mapping[str, str], now: float) -> float | None:
    seconds, moment = _number(query, "sinceSeconds"), query.get("sinceTime", "")
    if seconds is not None and moment:
        raise bad_request("at most one of `sinceTime` or `sinceSeconds` may be specified")
    if seconds is not None:
        return now - seconds
    if not moment:
        return None
    found = seconds_of(moment)
    if found is None:
        raise bad_request(f'parsing time "{moment}" as "2006-01-02T15:04:05Z07:00": cannot parse')
    return found
