from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import aiohttp
import pytest

from tests.contract.api_client import POD, Client, running_client
from tests.contract.fake_fleet import FakeFleet, Line
from tui.simulator.execstream import FRAME_BYTES, V4, V5
from tui.simulator.logstream import LogQuery, line_chunks
from tui.simulator.parts import Pace


@dataclass
class Streams:
    frames: list[bytes] = field(default_factory=list)
    status: dict[str, Any] | None = None

    def of(self, channel: int) -> bytes:
        return b"".join(frame[1:] for frame in self.frames if frame[0] == channel)


@asynccontextmanager
async def exec_socket(
    client: Client, argv: Sequence[str], *, protocol: str = V5, **query: str
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    params = [("command", part) for part in argv]
    params += list({"stdout": "true", "stderr": "true", **query}.items())
    async with client.session.ws_connect(
        f"{POD}/exec", params=params, protocols=[protocol], max_msg_size=0
    ) as socket:
        assert socket.protocol == protocol
        yield socket


async def drain(socket: aiohttp.ClientWebSocketResponse) -> Streams:
    streams = Streams()
    async with asyncio.timeout(20):
        async for message in socket:
            assert message.type is aiohttp.WSMsgType.BINARY
            if message.data[0] == 3:
                streams.status = json.loads(message.data[1:])
            else:
                streams.frames.append(message.data)
    return streams


@pytest.mark.parametrize("protocol", [V5, V4])
async def test_streams_and_exit_code(protocol: str) -> None:
    async with running_client() as client:
        async with exec_socket(client, ["exit", "7"], protocol=protocol) as socket:
            streams = await drain(socket)
        assert (streams.of(1), streams.of(2)) == (b"out\n", b"err\n")
        assert streams.status is not None
        assert streams.status["reason"] == "NonZeroExitCode"
        assert streams.status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]
        async with exec_socket(client, ["true"], stderr="false") as socket:
            assert (await drain(socket)).status == {"metadata": {}, "status": "Success"}


async def test_stdin_ends_with_the_half_close_of_v5() -> None:
    async with running_client() as client, exec_socket(client, ["cat"], stdin="true") as socket:
        for part in (b"\0one ", b"\0two", b"\xff\0"):
            await socket.send_bytes(part)
        assert (await drain(socket)).of(1) == b"one two"


async def test_a_command_that_reads_no_stdin_does_not_wait_for_it() -> None:
    async with running_client() as client, exec_socket(client, ["id"], stdin="true") as socket:
        assert (await drain(socket)).of(1) == b"id\n"


async def test_long_output_comes_in_frames_and_can_be_split_inside_characters() -> None:
    async with running_client() as client:
        async with exec_socket(client, ["print", "50000"]) as socket:
            streams = await drain(socket)
        assert max(map(len, streams.frames)) == FRAME_BYTES + 1
        assert streams.of(1).decode() == "ü" * 50_000
        await client.fault(kind="split-utf8", verb="exec")
        async with exec_socket(client, ["print", "20"]) as socket:
            streams = await drain(socket)
        assert streams.of(1).decode() == "ü" * 20
        with pytest.raises(UnicodeDecodeError):
            streams.frames[0][1:].decode()


async def test_a_slow_node_answers_late_and_pings_are_answered() -> None:
    async with running_client() as client:
        await client.fault(conditions={"slow_nodes": {"node1": 0.3}})
        start = monotonic()
        async with exec_socket(client, ["true"]) as socket:
            await socket.ping()
            assert (await drain(socket)).status is not None
        assert monotonic() - start >= 0.3
    async with running_client(pace=Pace(exec_scale=0.0)) as client:
        start = monotonic()
        async with exec_socket(client, ["sleep", "30"]) as socket:
            assert (await drain(socket)).of(1) == b"slept\n"
        assert monotonic() - start < 10


async def test_many_execs_at_once() -> None:
    async with running_client() as client:

        async def one(number: int) -> bytes:
            async with exec_socket(client, ["n", str(number)]) as socket:
                return (await drain(socket)).of(1)

        found = await asyncio.gather(*(one(number) for number in range(100)))
        assert found == [b"n %d\n" % number for number in range(100)]


async def test_a_container_that_does_not_run_is_not_found() -> None:
    async with running_client() as client:
        pod = client.store.get("pods", "kube-system", "cilium-ftrpt")
        assert pod is not None
        client.store.apply("pods", {**pod, "status": {"phase": "Pending"}})
        async with client.session.get(f"{POD}/exec?command=true") as answer:
            assert answer.status == 500
            assert 'container not found ("cilium-agent")' in (await answer.json())["message"]
        client.server.permissions.deny("get", "pods/exec")
        refused = await client.json(f"{POD}/exec?command=true", status=403)
        assert refused["message"] == (
            'pods "cilium-ftrpt" is forbidden: User "kubernetes-admin" cannot get resource '
            '"pods/exec" in API group "" in the namespace "kube-system"'
        )


@pytest.mark.parametrize("kind", ["truncate", "reset", "stall"])
async def test_broken_streams_have_no_status(kind: str) -> None:
    async with running_client() as client:
        await client.fault(kind=kind, verb="exec", after_bytes=10_000)
        async with exec_socket(client, ["print", "50000"]) as socket:
            first = await socket.receive(timeout=10)
            assert first.data == (b"\x01" + "ü".encode() * 50_000)[:10_000]
            if kind == "stall":
                with pytest.raises(TimeoutError):
                    await socket.receive(timeout=0.2)
            else:
                last = await socket.receive(timeout=10)
                assert last.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
                assert socket.close_code != 1000


async def test_logs_have_limits_and_ranges() -> None:
    async with running_client() as client:
        async with client.session.get(f"{POD}/log?limitBytes=10") as answer:
            assert await answer.read() == b"level=info"
        async with client.session.get(f"{POD}/log?tailLines=0") as answer:
            assert await answer.read() == b""
        both = await client.json(
            f"{POD}/log?sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z", status=400
        )
        assert "at most one of" in both["message"]
        async with client.session.get(f"{POD}/log?timestamps=true&tailLines=1") as answer:
            stamp = (await answer.text()).split()[0]
        query = {"sinceTime": stamp}
        async with client.session.get(f"{POD}/log", params=query) as answer:
            assert await answer.read() == b"level=info msg=line4\n"


@pytest.mark.parametrize("time", [1_795_332_420.1234565, 1_795_332_420.9999999, 0.0000005])
def test_a_printed_time_selects_its_own_line(time: float) -> None:
    (chunk,) = line_chunks([Line(time, b"x")], 0, has_timestamps=True)
    query = LogQuery.parse({"sinceTime": chunk.split()[0].decode()}, now=0.0)
    assert query.first([Line(time - 0.001, b"w"), Line(time, b"x")]) == 1


async def test_a_followed_log_grows_and_can_be_cut() -> None:
    fleet = FakeFleet()
    async with running_client(fleet) as client:
        await client.fault(kind="reset", verb="log", after_bytes=200)
        async with client.session.get(f"{POD}/log?follow=true&tailLines=1") as answer:
            assert await answer.content.readexactly(21) == b"level=info msg=line4\n"
            fleet.add_log("cilium-ftrpt", 20)
            assert (await answer.content.readexactly(21)).endswith(b"line5\n")
            with pytest.raises(aiohttp.ClientError):
                await answer.content.read()
