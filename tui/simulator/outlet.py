"""The way of an answer to the client, where stream faults break it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from tui.simulator.faults import Fault, FaultKind

Write = Callable[[bytes], Awaitable[None]]

_LINGER_ZERO = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: close() sends a reset instead of an orderly end."""


class StreamBrokenError(Exception):
    """A fault broke the connection: there is nothing more to send."""


class Outlet:
    """Passes bytes on until the fault's turn comes."""

    def __init__(self, request: web.BaseRequest, fault: Fault | None) -> None:
        self._request = request
        self._fault = fault
        self._left = fault.after_bytes if fault else 0

    async def send(self, chunk: bytes, write: Write, cut: Callable[[int], bytes]) -> None:
        """Write the chunk, or what the fault lets through of it: `cut(size)`.

        Raises:
            StreamBrokenError: the connection was broken on purpose.
        """
        if self._fault is None:
            await write(chunk)
            return
        if self._left and len(chunk) <= self._left:
            self._left -= len(chunk)
            await write(chunk)
            return
        if self._left:
            await write(cut(self._left))
            self._left = 0
        await self.break_off(self._fault)

    async def break_off(self, fault: Fault) -> None:
        """Break the connection in the fault's way."""
        transport = self._request.transport
        if fault.kind is FaultKind.STALL:
            await asyncio.Event().wait()
        elif transport is not None and fault.kind is FaultKind.RESET:
            raw = transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            transport.abort()
        elif transport is not None:
            transport.close()
        raise StreamBrokenError


async def send_broken(
    request: web.BaseRequest, answer: web.Response, fault: Fault
) -> web.StreamResponse:
    """Send an answer that was complete, broken by the fault; its full length is announced."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(body)
    outlet = Outlet(request, fault)
    if fault.kind is FaultKind.RESET and not fault.after_bytes:
        await _break_quietly(outlet, fault)
        return response
    await response.prepare(request)
    try:
        await outlet.send(body, response.write, partial(prefix_of, body))
        await response.write_eof()
    except StreamBrokenError:
        pass
    return response


async def _break_quietly(outlet: Outlet, fault: Fault) -> None:
    try:
        await outlet.break_off(fault)
    except StreamBrokenError:
        return


def prefix_of(chunk: bytes, size: int) -> bytes:
    """Return the start of a chunk."""
    return chunk[:size]
