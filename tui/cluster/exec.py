"""Run a command in a container over a WebSocket, keeping bytes, stderr and exit code.

`kubernetes.aio` decodes each frame as UTF-8, which fails on a character split over two frames,
mixes stderr into stdout, drops the exit code, offers only v4 and knows no deadline. The protocols
are those of kubelet: the first byte of a message is the channel; in v5 `FF 00` ends stdin
(https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets).
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from tui.cluster.answers import Status, parse_status
from tui.cluster.transport import Transport
from tui.errors import CommandMissingError, DeadlineError, ExecError, ForbiddenError

if TYPE_CHECKING:
    from aiohttp.client_ws import ClientWebSocketResponse

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io")
HEARTBEAT_SECONDS = 15.0
"""A ping this often; without any byte for half of it afterwards the connection is dead."""
LINGER_SECONDS = 2.0
"""How long the server may take to close after the exit code."""
STDOUT_LIMIT_BYTES = 160 << 20
STDERR_LIMIT_BYTES = 4 << 20
_STDIN, _STDOUT, _STDERR, _STATUS = 0, 1, 2, 3
_END_OF_STDIN = bytes((0xFF, _STDIN))
_STDIN_CHUNK_BYTES = 32 << 10
_EXIT_CODE = re.compile(r"exit (?:code|status):? *(\d+)|in Docker Container: (\d+)")
_MISSING_COMMAND = re.compile(
    r"executable file not found|no such file or directory|stat [^:]*: no such", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command left."""

    exit_code: int | None
    """None where output beyond the limit was not waited for."""
    stdout: bytes
    stderr: bytes
    is_truncated: bool
    seconds: float


class _EnoughError(Exception):
    """So much came beyond the limit that its end is not waited for."""


class _Collected:
    """One output stream up to its limit."""

    __slots__ = ("chunks", "dropped_bytes", "limit_bytes", "size_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self.chunks: list[bytes] = []
        self.limit_bytes = limit_bytes
        self.size_bytes = 0
        self.dropped_bytes = 0

    def add(self, message: bytes) -> None:
        """Keep a message's payload: all but its first byte."""
        size = len(message) - 1
        room = self.limit_bytes - self.size_bytes
        if size > room:
            self.dropped_bytes += size - room
            size = room
        if size > 0:
            self.chunks.append(message[1 : size + 1])
            self.size_bytes += size

    def value(self) -> bytes:
        """Return all that was kept."""
        return self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)


class ExecCall:
    """One command in one container."""

    def __init__(
        self,
        transport: Transport,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
    ) -> None:
        self._transport = transport
        self._name = f"{namespace}/{pod} container {container}"
        self._path = f"/api/v1/namespaces/{quoted(namespace)}/pods/{quoted(pod)}/exec"
        self._query = f"container={quoted(container)}&stdout=true&stderr=true"
        self._command = command_query(argv)

    async def run(
        self,
        *,
        stdin: bytes | None = None,
        deadline_seconds: float,
        stdout_limit: int = STDOUT_LIMIT_BYTES,
    ) -> ExecResult:
        """Run it to its end.

        Raises:
            DeadlineError: it did not end in time; what came until then is in the error.
            ExecError: the stream broke, or the command could not be started.
            ForbiddenError: exec is not allowed.
        """
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        stdout, stderr = _Collected(stdout_limit), _Collected(STDERR_LIMIT_BYTES)
        try:
            async with asyncio.timeout(deadline_seconds):
                exit_code: int | None = await self._converse(stdin, stdout, stderr)
        except _EnoughError:
            exit_code = None
        except TimeoutError as error:
            late = DeadlineError(f"exec in {self._name} did not end within {deadline_seconds:g} s")
            late.stdout, late.stderr = stdout.value(), stderr.value()
            raise late from error
        except ForbiddenError as error:
            raise _exec_denied(error, self._name) from error
        except ExecError as error:
            error.stdout, error.stderr = stdout.value(), stderr.value()
            raise
        return ExecResult(
            exit_code=exit_code,
            stdout=stdout.value(),
            stderr=stderr.value(),
            is_truncated=bool(stdout.dropped_bytes or stderr.dropped_bytes),
            seconds=loop.time() - began_at,
        )

    async def _converse(self, stdin: bytes | None, stdout: _Collected, stderr: _Collected) -> int:
        more = "&stdin=true" if stdin is not None else ""
        target = f"{self._path}?{self._query}{more}{self._command}"
        async with self._transport.websocket(target, PROTOCOLS, HEARTBEAT_SECONDS) as channel:
            if stdin is None:
                return await self._receive(channel, stdout, stderr)
            sending = asyncio.create_task(_send_stdin(channel, stdin), name="exec-stdin")
            try:
                return await self._receive(channel, stdout, stderr)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _receive(
        self, channel: ClientWebSocketResponse[bool], stdout: _Collected, stderr: _Collected
    ) -> int:
        from aiohttp import WSMsgType

        status: list[bytes] = []
        while True:
            try:
                message = await channel.receive(LINGER_SECONDS if status else None)
            except TimeoutError:
                return self._exit_code(b"".join(status))
            if message.type is not WSMsgType.BINARY and message.type is not WSMsgType.TEXT:
                return self._ended(channel, message.type, b"".join(status))
            content: bytes = message.data
            if not content:
                continue
            number = content[0]
            if number == _STDOUT:
                stdout.add(content)
                if stdout.dropped_bytes > stdout.limit_bytes:
                    raise _EnoughError
            elif number == _STDERR:
                stderr.add(content)
            elif number == _STATUS and len(content) > 1:
                status.append(content[1:])

    def _ended(self, channel: ClientWebSocketResponse[bool], kind: object, status: bytes) -> int:
        """Judge a stream that ended without a status frame."""
        from aiohttp import WSMsgType

        if status:
            return self._exit_code(status)
        if kind is WSMsgType.ERROR:
            raise ExecError(f"exec in {self._name}: the connection broke: {channel.exception()}")
        if channel.protocol in {PROTOCOLS[-1], None} and channel.close_code == 1000:
            return 0  # without a version the protocol says nothing on success
        raise ExecError(
            f"exec in {self._name}: the stream ended (code {channel.close_code}) "
            "before the command's exit code came"
        )

    def _exit_code(self, raw: bytes) -> int:
        status = parse_status(raw)
        if status is None:
            text = raw.decode("utf-8", "replace")
            match = _EXIT_CODE.search(text)
            if match:
                return int(match.group(1) or match.group(2))
            raise self._not_run(text)
        if status.status == "Success":
            return 0
        code = _code_of_causes(status)
        if code is not None:
            return code
        raise self._not_run(status.message or status.reason or "no reason was given")

    def _not_run(self, said: str) -> ExecError:
        if _MISSING_COMMAND.search(said):
            return CommandMissingError(f"exec in {self._name}: no such program there: {said}")
        return ExecError(f"exec in {self._name} failed: {said}")


def _code_of_causes(status: Status) -> int | None:
    causes = status.details.causes if status.details is not None else None
    for cause in causes or ():
        if cause.reason == "ExitCode" and cause.message.lstrip("-").isdigit():
            return int(cause.message)
    return None


async def _send_stdin(channel: ClientWebSocketResponse[bool], stdin: bytes) -> None:
    """Send stdin and its end; only v5 can say the end, before it a reader waits for more."""
    view = memoryview(stdin)
    for start in range(0, len(stdin), _STDIN_CHUNK_BYTES):
        chunk = view[start : start + _STDIN_CHUNK_BYTES]
        await channel.send_bytes(bytes((_STDIN,)) + chunk)
    if channel.protocol == PROTOCOLS[0]:
        await channel.send_bytes(_END_OF_STDIN)


def _exec_denied(error: ForbiddenError, name: str) -> ForbiddenError:
    return ForbiddenError(
        f"not allowed to {error.verb} pods/exec (403), in {name}: exec needs `get pods/exec` "
        "before Kubernetes 1.35 and `create pods/exec` from 1.35 on; ask for both",
        error.verb,
        "pods/exec",
    )


def command_query(argv: Sequence[str]) -> str:
    """Return the part of an exec's query that names the command."""
    return "".join([f"&command={_quoted_argument(argument)}" for argument in argv])


@functools.lru_cache(maxsize=256)
def quoted(text: str) -> str:
    """Quote for a URL's path or query."""
    return quote(text, safe="")


@functools.lru_cache(maxsize=256)
def _quoted_argument(text: str) -> str:
    """Quote for a query's value; the probe scripts are few and cost a millisecond each.

    Proxies refuse long request lines (nginx: 8 KiB), so that what a query may hold as it is stays:
    blanks as `+`, and the marks of RFC 3986 (section 3.4) that Go's `url.ParseQuery` takes too.
    """
    return quote_plus(text, safe="!$()*,/:?@")
