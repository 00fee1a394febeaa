"""A proxy in front of a broker that loses connections, or knows no MQTT 5.

Mosquitto 2.0 can't be told to speak MQTT 3.1.1 only: `Proxy(refuses_v5=…)` in front of one answers
a CONNECT of MQTT 5 as such brokers do, and lets 3.1.1 through.
"""

from __future__ import annotations

import asyncio
import contextlib


class Proxy:
    """A TCP proxy on loopback that can stop forwarding without closing, or refuse MQTT 5."""

    def __init__(self, target_port: int, refuses_v5: str = "", *, host: str = "127.0.0.1") -> None:
        """Prepare it.

        Args:
            target_port: where it forwards to.
            refuses_v5: `connack` answers as Mosquitto 1.4 would, `close` hangs up without a word.
            host: where it listens.
        """
        self._host = host
        self.port = 0
        self.connections = 0
        self.refusals = 0
        self._target = target_port
        self._refuses_v5 = refuses_v5
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._flows = asyncio.Event()
        self._flows.set()
        self.holds = asyncio.Event()
        """Set when something came while it is frozen."""

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, self._host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    @property
    def away_ports(self) -> set[int]:
        """Ports by which the target knows the connections that came through here."""
        return {writer.get_extra_info("sockname")[1] for writer in self._writers}

    def freeze(self) -> None:
        """Forward nothing more, and close nothing: as a firewall that forgot the connection."""
        self._flows.clear()

    def thaw(self) -> None:
        """Forward again."""
        self._flows.set()

    async def cut(self) -> None:
        """Close all connections, as a network that resets them."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.append(writer)
        self.connections += 1
        # Cancelled at the test's end: asyncio's streams log a task of theirs that ends like this.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await self._until_protocol(reader) if self._refuses_v5 else b""
            if head.endswith(b"MQTT\x05"):
                await self._refuse(writer)
                return
            away_reader, away = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.append(away)
            away.write(head)
            await asyncio.gather(self._pump(reader, away), self._pump(away_reader, writer))

    async def _until_protocol(self, reader: asyncio.StreamReader) -> bytes:
        return await reader.readuntil(b"MQTT") + await reader.readexactly(1)

    async def _refuse(self, writer: asyncio.StreamWriter) -> None:
        self.refusals += 1
        if self._refuses_v5 == "connack":
            writer.write(b"\x20\x02\x00\x01")
            await writer.drain()
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            if not self._flows.is_set():
                self.holds.set()
            await self._flows.wait()
            writer.write(chunk)
            await writer.drain()
        writer.close()
