"""Read and follow container logs as bytes, with the API's timestamps.

`kubernetes.aio` ends every follow after 300 s and then begins at the top; here a follow resumes
where it was, drops the lines it has already given, and says when it can't be sure.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from tui.cluster.backoff import Backoff
from tui.cluster.exec import quoted
from tui.cluster.lines import LineSplitter
from tui.cluster.lists import target_of
from tui.cluster.transport import Transport, deadline
from tui.errors import ClusterError, DeadlineError, ForbiddenError, NotFoundError
from tui.safety import CleanText, clean

MAX_LINE_BYTES = 64 << 10
MAX_READ_BYTES = 16 << 20
SILENCE_SECONDS = 180.0
"""A quiet log is normal, but a dead connection looks the same: resume after this long."""
_MAX_REMEMBERED = 50_000
_LOSS = clean("the log was rotated or its container replaced while the connection was down")


@dataclass(frozen=True, slots=True)
class LogTarget:
    """Whose log."""

    namespace: str
    pod: str
    container: str

    @property
    def path(self) -> str:
        """The API path of the log."""
        return f"/api/v1/namespaces/{quoted(self.namespace)}/pods/{quoted(self.pod)}/log"


@dataclass(frozen=True, slots=True)
class LogStart:
    """Where to begin, and how much at most."""

    since_time: float | None = None
    """Seconds since the epoch; the API cuts it to whole seconds."""
    since_seconds: int | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None
    is_previous: bool = False
    """The log of the container before the last restart."""
    has_timestamps: bool = True


@dataclass(frozen=True, slots=True)
class LogLoss:
    """A stretch between two lines in which others may have been lost."""

    started_at: float
    ended_at: float
    reason: CleanText


@dataclass(frozen=True, slots=True)
class LogPiece:
    """Lines of a followed log, or why there are none for a while."""

    lines: tuple[bytes, ...] = ()
    """Whole lines as the API sends them: `2026-11-22T07:40:43.123456789Z text`."""
    loss: LogLoss | None = None
    """A loss just before these lines."""
    trouble: CleanText = CleanText("")
    """Why the log can't be read now; the next piece without trouble ends it, lines or not."""
    is_denied: bool = False


def log_target(target: LogTarget, start: LogStart, *, is_follow: bool) -> str:
    """Return path and query of a log request."""
    since = start.since_time
    return target_of(
        target.path,
        {
            "container": target.container or None,
            "follow": "true" if is_follow else None,
            "timestamps": "true" if start.has_timestamps else None,
            "previous": "true" if start.is_previous else None,
            "sinceTime": _rfc3339(since) if since is not None else None,
            "sinceSeconds": start.since_seconds,
            "tailLines": start.tail_lines,
            "limitBytes": start.limit_bytes,
        },
    )


async def read_log(
    transport: Transport,
    target: LogTarget,
    start: LogStart,
    *,
    deadline_seconds: float = 30.0,
) -> bytes:
    """Return a bounded piece of a log.

    The bound is kept here too: some runtimes ignore `limitBytes`.
    """
    limit = start.limit_bytes or MAX_READ_BYTES
    chunks: list[bytes] = []
    size = 0
    async with (
        deadline(deadline_seconds, f"GET {target.path}"),
        transport.get(log_target(target, start, is_follow=False)) as response,
    ):
        async for chunk in response.content.iter_any():
            chunks.append(chunk[: limit - size])
            size += len(chunk)
            if size >= limit:
                response.close()
                break
    return b"".join(chunks)


async def stream_log(
    transport: Transport,
    target: LogTarget,
    start: LogStart,
    *,
    silence_seconds: float = SILENCE_SECONDS,
) -> AsyncGenerator[list[bytes], None]:
    """Yield whole lines as they come, on one connection, until it ends.

    The first batch is empty and comes as soon as the server accepts the request: a quiet log may
    have nothing to say for hours.

    Raises:
        DeadlineError: nothing came for `silence_seconds`.
    """
    splitter = LineSplitter(MAX_LINE_BYTES)
    async with transport.get(
        log_target(target, start, is_follow=True),
        silence_seconds=silence_seconds,
        is_compressed=False,
    ) as response:
        yield []
        async for chunk in response.content.iter_any():
            lines = splitter.feed(chunk)
            if lines:
                yield lines
    rest = splitter.finish()
    if rest:
        yield rest


def split_timestamp(line: bytes) -> tuple[float | None, bytes]:
    """Split the API's timestamp from a line; None where there is none."""
    stamp, space, text = line.partition(b" ")
    at = _stamp_seconds(stamp) if len(stamp) >= 20 and stamp[10:11] == b"T" else None
    if at is None:
        return None, line
    return at, text if space else b""


@dataclass(slots=True)
class _Seen:
    """The lines of the last whole second, to know them again after resuming."""

    second: int = 0
    last_at: float = 0.0
    lines: Counter[int] = field(default_factory=Counter)

    def add(self, at: float, line: bytes) -> None:
        """Remember a line that was given."""
        second = int(at)
        if second > self.second:
            self.second = second
            self.lines.clear()
        if second == self.second and len(self.lines) < _MAX_REMEMBERED:
            self.lines[hash(line)] += 1
        self.last_at = max(self.last_at, at)


class LogFollower:
    """Follow one container's log across broken connections."""

    def __init__(
        self,
        transport: Transport,
        target: LogTarget,
        start: LogStart,
        *,
        silence_seconds: float = SILENCE_SECONDS,
        backoff: Backoff | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._transport = transport
        self._target = target
        self._start = replace(start, has_timestamps=True, is_previous=False)
        self._silence = silence_seconds
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        self._seen = _Seen()
        self._is_troubled = False

    async def pieces(self) -> AsyncGenerator[LogPiece, None]:
        """Yield lines and losses until the pod is gone or the task is cancelled.

        Raises:
            NotFoundError: the pod is gone.
        """
        while True:
            opened_at = time.monotonic()
            try:
                async with aclosing(self._connection()) as pieces:
                    async for piece in pieces:
                        if piece.lines:
                            self._backoff.reset()
                        yield piece
            except NotFoundError:
                raise
            except DeadlineError:
                if time.monotonic() - opened_at >= self._silence / 2:
                    continue
            except ClusterError as error:
                denied = isinstance(error, ForbiddenError)
                self._is_troubled = True
                yield LogPiece(trouble=error.message, is_denied=denied)
            # An ended stream is no error: the container may be between two starts.
            await self._sleep(self._backoff.next_seconds())

    async def _connection(self) -> AsyncGenerator[LogPiece, None]:
        start = self._start
        if self._seen.last_at:
            start = LogStart(since_time=float(self._seen.second))
        overlap = _Overlap(self._seen)
        async with aclosing(
            stream_log(self._transport, self._target, start, silence_seconds=self._silence)
        ) as batches:
            async for batch in batches:
                fresh = [line for line in batch if overlap.is_fresh(line)]
                if self._is_troubled and not fresh:
                    self._is_troubled = False
                    yield LogPiece()
                elif fresh:
                    self._is_troubled = False
                    yield LogPiece(tuple(fresh), overlap.take_loss())


class _Overlap:
    """Tell a resumed connection's new lines from those of the second it began again at."""

    def __init__(self, seen: _Seen) -> None:
        self._seen = seen
        self._known = Counter(seen.lines)
        self._last_at = seen.last_at
        self._is_past = not seen.last_at
        self._is_joined = not seen.last_at
        self._loss: LogLoss | None = None

    def is_fresh(self, line: bytes) -> bool:
        """Tell whether a line was not given before, and remember it."""
        at, _ = split_timestamp(line)
        if not self._is_past:
            if self._known[hash(line)] > 0:
                self._known[hash(line)] -= 1
                self._is_joined = True
                return False
            self._is_past = at is not None and int(at) > int(self._last_at)
            if self._is_past and not self._is_joined and at is not None:
                self._loss = LogLoss(self._last_at, at, _LOSS)
        if at is not None:
            self._seen.add(at, line)
        return True

    def take_loss(self) -> LogLoss | None:
        """Return the loss before the lines so far, once."""
        loss, self._loss = self._loss, None
        return loss


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _stamp_seconds(stamp: bytes) -> float | None:
    """Read RFC 3339 with nanoseconds; the whole second is cached, lines come in bursts."""
    whole = stamp[:19]
    rest = stamp[19:]
    digits = b""
    if rest[:1] == b".":
        digits = rest[1:10]
        while digits and not digits.isdigit():
            digits = digits[:-1]
        rest = rest[1 + len(digits) :]
    base = _whole_second(whole, rest)
    if base is None:
        return None
    return base + (int(digits) / 10 ** len(digits) if digits else 0.0)


@functools.lru_cache(maxsize=1024)
def _whole_second(whole: bytes, zone: bytes) -> float | None:
    try:
        return datetime.fromisoformat((whole + zone).decode("ascii")).timestamp()
    except ValueError:
        return None
