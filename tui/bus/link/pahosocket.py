"""The one way to the paho client inside `aiomqtt.Client`, for what aiomqtt 2.5 gives no way to.

- A WebSocket that takes only a part of a frame: paho 2.x takes the packet off its queue
  (`Client._packet_write`), is told that 0 bytes went out (`_WebsocketWrapper._send_impl`), and
  neither puts the packet back nor goes on: the next one is written as the rest of this frame, and
  the stream is broken. Messages longer than the socket's buffer show it.
- A connection that ends without a goodbye, or before the broker has answered: aiomqtt leaves its
  socket open then, and on the event loop.
- A broker that hangs up before it answers CONNECT, for which aiomqtt waits on, or just after that,
  which it forgets: `Client.__aenter__` begins with a new future of the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiomqtt
    from paho.mqtt.client import Client as PahoClient
    from paho.mqtt.client import SocketLike


def paho_of(client: aiomqtt.Client) -> PahoClient:
    """Return the client that does the work; only what paho documents is used of it."""
    return client._client


def is_open(client: aiomqtt.Client) -> bool:
    """Return whether there is a socket, from the end of TLS and WebSocket until it is closed."""
    sock = paho_of(client).socket()
    return sock is not None and sock.fileno() >= 0


def watch_socket(client: aiomqtt.Client, is_unwanted: Callable[[], bool]) -> asyncio.Future[None]:
    """Return what is done when the socket, once it was there, is closed by whomever.

    Args:
        client: one that has not connected yet.
        is_unwanted: asked by the thread that dials, whether the socket is to be closed at once:
            aiomqtt would go on with it when nobody waits for it any more.
    """
    loop = asyncio.get_running_loop()
    closed: asyncio.Future[None] = loop.create_future()
    paho = paho_of(client)
    aiomqtt_opens, aiomqtt_closes = paho.on_socket_open, paho.on_socket_close

    def opened(paho: PahoClient, user: Any, sock: SocketLike) -> None:
        if is_unwanted():
            sock.close()
            raise ConnectionAbortedError
        if aiomqtt_opens is not None:
            aiomqtt_opens(paho, user, sock)

    def note() -> None:
        if not closed.done():
            closed.set_result(None)

    def closes(paho: PahoClient, user: Any, sock: SocketLike) -> None:
        if aiomqtt_closes is not None:
            aiomqtt_closes(paho, user, sock)
        if not loop.is_closed():
            loop.call_soon_threadsafe(note)

    paho.on_socket_open, paho.on_socket_close = opened, closes
    return closed


def send_whole_frames(client: aiomqtt.Client) -> None:
    """Make a connected WebSocket finish what it took a part of, before anything else."""
    sock = paho_of(client).socket()
    if sock is None:
        return
    send = sock.send

    def send_whole(packet: bytes | bytearray) -> int:
        taken = send(packet)
        if packet and not taken:
            # Paho keeps the packet then, and comes again with it when the socket is writable.
            raise BlockingIOError
        return taken

    sock.send = send_whole  # type: ignore[method-assign, assignment]  # of this one object


def hang_up(client: aiomqtt.Client) -> None:
    """Close the connection without a goodbye; paho does it in the event loop's next turns."""
    paho = paho_of(client)
    sock = paho.socket()
    if sock is None or sock.fileno() < 0:
        return
    with (
        contextlib.suppress(OSError),
        socket.socket(fileno=os.dup(sock.fileno())) as twin,
    ):
        twin.shutdown(socket.SHUT_RDWR)
    # It can't be written any more, and paho closes what it can't write to. Reading alone would not
    # do: paho goes on for ever with a packet that it failed at.
    paho.disconnect()
