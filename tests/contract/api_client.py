"""A bare HTTP client for tests of the simulated API server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.contract.fake_fleet import FIXTURES, FakeFleet
from tests.contract.kubectl_runner import FAST
from tui.simulator.fleetlike import FleetLike
from tui.simulator.objects import ObjectStore
from tui.simulator.parts import Pace
from tui.simulator.server import SimulatorOptions, SimulatorServer

PODS = "/api/v1/namespaces/kube-system/pods"
POD = f"{PODS}/cilium-ftrpt"
CONFIG = "/api/v1/namespaces/kube-system/configmaps/cilium-config"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
MERGE = {"Content-Type": "application/merge-patch+json"}


@dataclass(frozen=True)
class Client:
    server: SimulatorServer
    session: aiohttp.ClientSession

    @property
    def store(self) -> ObjectStore:
        return self.server.parts.store

    async def json(
        self, path: str, method: str = "GET", status: int = 200, **options: Any
    ) -> dict[str, Any]:
        async with self.session.request(method, path, **options) as answer:
            assert answer.status == status, await answer.text()
            document: dict[str, Any] = await answer.json()
            return document

    async def fault(self, **fields: object) -> None:
        await self.json("/__ciltop/faults", "POST", json=fields)


@asynccontextmanager
async def running_client(
    fleet: FleetLike | None = None, pace: Pace = FAST
) -> AsyncIterator[Client]:
    options = SimulatorOptions(pace=pace)
    async with (
        SimulatorServer(fleet or FakeFleet(), options=options) as server,
        aiohttp.ClientSession(
            server.url, headers={"Authorization": f"Bearer {server.token}", "User-Agent": "curl/8"}
        ) as session,
    ):
        yield Client(server, session)


def recorded_answer(name: str) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Return the body and headers of a recorded answer."""
    head, _, body = (FIXTURES / name).read_text().replace("\r\n", "\n").partition("\n\n")
    document, _ = json.JSONDecoder().raw_decode(body)
    fields = [line.partition(": ") for line in head.splitlines()[1:]]
    return document, {name: value.strip() for name, _, value in fields}


def shape(value: object) -> object:
    """Return what an answer is made of: its keys and types, without the values."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__
