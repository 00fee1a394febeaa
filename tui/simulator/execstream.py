"""Exec over WebSocket: `v5.channel.k8s.io` and `v4.channel.k8s.io`.

Each binary message starts with its channel: 0 stdin, 1 stdout, 2 stderr, 3 the final Status,
4 a terminal's size; in v5 the message `FF 00` ends stdin.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec
from aiohttp import WSMsgType, web

from tui.simulator.fleetlike import CommandAnswer
from tui.simulator.objects import KubeObject
from tui.simulator.outlet import Outlet, StreamBrokenError
from tui.simulator.statuses import ApiFailure, bad_request

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
FRAME_BYTES = 32 * 1024
"""Largest payload of one message, as kubelet's copy buffer makes it."""
CLOSE_SECONDS = 1.0
QUIET_STDIN_SECONDS = 0.05
"""How long a command that does not read its stdin waits for what comes at once."""

_STDIN, _STDOUT, _STDERR, _ERROR = 0, 1, 2, 3
_V5_CLOSE = 255
_READERS = frozenset(
    {
        "ash", "awk", "bash", "cat", "dash", "grep", "head", "jq", "md5sum", "sed", "sh",
        "sha256sum", "sort", "tail", "tee", "wc", "xargs",
    }
)  # fmt: skip
"""Commands that wait for the end of their stdin."""
_LEAD_BYTE = re.compile(rb"[\xc2-\xf4]")
_MAX_CUTS = 10_000


@dataclass(frozen=True, slots=True)
class ExecCall:
    """What an exec request asks for."""

    argv: tuple[str, ...]
    has_stdin: bool
    has_stdout: bool
    has_stderr: bool
    is_tty: bool


@dataclass(frozen=True, slots=True)
class ExecPace:
    """How fast one exec goes, and how its output is cut."""

    extra_seconds: float = 0.0
    seconds_scale: float = 1.0
    """Multiplies the time the command takes; 0 answers at once."""
    has_split_utf8: bool = False


@dataclass(slots=True)
class _Stdin:
    parts: list[bytes] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


def is_websocket(request: web.BaseRequest) -> bool:
    """Return whether the request wants to become a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


async def serve_exec(
    request: web.BaseRequest,
    call: ExecCall,
    run: Callable[[bytes], CommandAnswer],
    outlet: Outlet,
    pace: ExecPace,
) -> web.StreamResponse:
    """Run the command and send what it prints; `run` gets its stdin."""
    socket = _new_socket(request)
    await socket.prepare(request)
    is_v5 = socket.ws_protocol == V5
    stdin = _Stdin()
    reader: asyncio.Task[None] | None = None
    try:
        if call.has_stdin:
            reader = asyncio.create_task(_read_stdin(socket, stdin, is_v5))
            await _await_stdin(call, stdin)
        answer = run(b"".join(stdin.parts))
        seconds = answer.seconds * pace.seconds_scale + pace.extra_seconds
        if seconds > 0:
            reader = reader or asyncio.create_task(_read_stdin(socket, stdin, is_v5))
            await asyncio.sleep(seconds)
        for frame in _frames(call, answer, pace.has_split_utf8):
            await _send(socket, outlet, frame)
        await _send(socket, outlet, bytes([_ERROR]) + msgspec.json.encode(_final_status(answer)))
    except ApiFailure as failure:
        await _send(socket, outlet, bytes([_ERROR]) + msgspec.json.encode(failure.status()))
    except StreamBrokenError:
        return socket
    finally:
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
    await socket.close()
    return socket


def _new_socket(request: web.BaseRequest) -> web.WebSocketResponse:
    if not is_websocket(request):
        raise bad_request(
            "unable to upgrade: the simulated API server streams over WebSocket only; "
            "use kubectl 1.30 or newer"
        )
    offered = {
        name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")
    }
    if not offered & {V5, V4}:
        raise bad_request(f"unable to negotiate protocol: client supports {sorted(offered)}")
    return web.WebSocketResponse(
        protocols=(V5, V4), compress=False, timeout=CLOSE_SECONDS, max_msg_size=0
    )


async def _read_stdin(socket: web.WebSocketResponse, stdin: _Stdin, is_v5: bool) -> None:
    """Gather stdin; reading also answers the client's pings."""
    async for message in socket:
        if message.type is not WSMsgType.BINARY or not message.data:
            continue
        channel, payload = message.data[0], message.data[1:]
        if channel == _STDIN:
            stdin.parts.append(payload)
        elif is_v5 and channel == _V5_CLOSE and payload[:1] == bytes([_STDIN]):
            stdin.ended.set()
    stdin.ended.set()


async def _await_stdin(call: ExecCall, stdin: _Stdin) -> None:
    """Wait for the end of stdin where the command does."""
    is_script = "-c" in call.argv
    name = call.argv[0].rpartition("/")[2]
    if name in _READERS and not is_script and not call.is_tty:
        await stdin.ended.wait()
        return
    try:
        await asyncio.wait_for(stdin.ended.wait(), QUIET_STDIN_SECONDS)
    except TimeoutError:
        return


def _frames(call: ExecCall, answer: CommandAnswer, has_split_utf8: bool) -> Iterator[bytes]:
    stdout, stderr = answer.stdout, answer.stderr
    if call.is_tty:
        stdout, stderr = (stdout + stderr).replace(b"\n", b"\r\n"), b""
    for channel, wanted, output in (
        (_STDOUT, call.has_stdout, stdout),
        (_STDERR, call.has_stderr, stderr),
    ):
        if wanted and output:
            prefix = bytes([channel])
            for start, end in _cuts(output, has_split_utf8):
                yield prefix + output[start:end]


def _cuts(output: bytes, has_split_utf8: bool) -> Iterator[tuple[int, int]]:
    """Yield the (start, end) of each frame; a split one ends inside a character."""
    start = 0
    if has_split_utf8:
        for count, match in enumerate(_LEAD_BYTE.finditer(output)):
            if count >= _MAX_CUTS:
                break
            yield start, match.end()
            start = match.end()
    while start < len(output):
        yield start, min(start + FRAME_BYTES, len(output))
        start += FRAME_BYTES


async def _send(socket: web.WebSocketResponse, outlet: Outlet, frame: bytes) -> None:
    await outlet.send(frame, socket.send_bytes, lambda size: frame[: max(1, size)])


def _final_status(answer: CommandAnswer) -> KubeObject:
    """Return the Status that ends the stream.

    Source: remotecommand in k8s.io/kubelet/pkg/cri/streaming.
    """
    if answer.exit_code == 0:
        return {"metadata": {}, "status": "Success"}
    code = str(answer.exit_code)
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": code}]},
    }
