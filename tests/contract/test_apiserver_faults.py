from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic

import aiohttp
import msgspec
import pytest

from tests.contract.api_client import POD, PODS, Client, running_client
from tests.contract.fake_fleet import FakeFleet
from tui.simulator.faults import Fault, FaultKind
from tui.simulator.server import SimulatorServer, run_simulator

NODES = "/api/v1/nodes"


async def status_of(client: Client, path: str) -> int:
    async with client.session.get(path) as answer:
        return answer.status


async def test_codes_come_as_often_as_ordered() -> None:
    async with running_client() as client:
        await client.fault(kind="status", status=503, path="/nodes", verb="list", count=2)
        assert await status_of(client, PODS) == 200
        codes = [await status_of(client, NODES) for _ in range(3)]
        assert codes == [503, 503, 200]
        client.server.faults.add(Fault(FaultKind.STATUS, status=429, retry_after_seconds=7))
        async with client.session.get(NODES) as answer:
            assert answer.headers["Retry-After"] == "7"
            assert (await answer.json())["details"] == {"retryAfterSeconds": 7}
        shown = await client.json("/__ciltop/faults")
        assert shown["faults"] == [{"kind": "status", "status": 429, "retry_after_seconds": 7}]
        await client.json("/__ciltop/faults", "DELETE")
        assert await status_of(client, NODES) == 200


async def test_latency_and_html() -> None:
    async with running_client() as client:
        await client.fault(kind="latency", seconds=0.2, count=1)
        start = monotonic()
        await status_of(client, NODES)
        assert monotonic() - start >= 0.2
        await client.fault(kind="html")
        async with client.session.get(NODES) as answer:
            assert (answer.status, answer.content_type) == (502, "text/html")


async def test_half_open_sockets_stay_silent() -> None:
    async with running_client() as client:
        await client.fault(kind="half-open", count=1)
        limit = aiohttp.ClientTimeout(total=0.3)
        with pytest.raises(TimeoutError):
            async with client.session.get(NODES, timeout=limit):
                pass
        assert await status_of(client, NODES) == 200


@pytest.mark.parametrize(
    ("kind", "after_bytes"), [("truncate", 50), ("reset", 50), ("reset", 0), ("truncate", 0)]
)
async def test_broken_answers_are_noticed(kind: str, after_bytes: int) -> None:
    async with running_client() as client:
        # Without a count: aiohttp repeats a GET whose reused connection broke.
        await client.fault(kind=kind, after_bytes=after_bytes, verb="list")
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientConnectionError)):
            await read_all(client, NODES)
        await client.json("/__ciltop/faults", "DELETE")
        assert await read_all(client, NODES)


async def read_all(client: Client, path: str) -> bytes:
    async with client.session.get(path) as answer:
        return await answer.read()


async def test_a_stalled_answer_keeps_its_connection() -> None:
    async with running_client() as client:
        await client.fault(kind="stall", after_bytes=50, count=1)
        async with client.session.get(NODES) as answer:
            assert len(await answer.content.readexactly(50)) == 50
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await answer.content.read(1)


async def test_a_fleet_brings_its_conditions() -> None:
    conditions: dict[str, object] = {
        "latency_seconds": 0.001, "error_rate": 0.5, "watch_drop_seconds": 0.05,
        "denied_exec_nodes": ["node1"],
    }  # fmt: skip
    async with running_client(FakeFleet(faults=conditions)) as client:
        codes = {await status_of(client, NODES) for _ in range(40)}
        assert {200, 429, 500, 503} == codes
        client.server.faults.conditions.error_rate = 0.0
        async with asyncio.timeout(10), client.session.get(f"{NODES}?watch=1") as answer:
            assert (await answer.content.read()).count(b"ADDED") == 3
        refused = await client.json(f"{POD}/exec?command=true", status=403)
        assert "pods/exec" in refused["message"]
    with pytest.raises(msgspec.ValidationError):
        SimulatorServer(FakeFleet(faults={"earthquakes": 1}))


async def test_nonsense_is_refused() -> None:
    async with running_client() as client:
        for wrong in ({"kind": "earthquake"}, {"deny": [["get"]]}, {"unknown": 1},
                      {"kind": "status", "path": "("}):  # fmt: skip
            answer = await client.json("/__ciltop/faults", "POST", 400, json=wrong)
            assert answer["reason"] == "BadRequest"


async def test_run_simulator_ends_when_told(tmp_path: Path) -> None:
    stop = asyncio.Event()
    seen: list[str] = []

    def on_ready(server: SimulatorServer) -> None:
        seen.append(server.kubeconfig())
        stop.set()

    async with asyncio.timeout(20):
        await run_simulator(SimulatorServer(FakeFleet()), on_ready, stop)
    assert "server: http://127.0.0.1:" in seen[0]


async def test_a_broken_model_ends_the_simulator() -> None:
    class Broken(FakeFleet):
        def advance(self, now: float) -> None:
            raise ArithmeticError("the model broke")

    with pytest.raises(ArithmeticError):
        async with asyncio.timeout(20):
            await run_simulator(SimulatorServer(Broken()), lambda server: None)
