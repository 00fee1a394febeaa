"""Runs the installed kubectl against the simulated cluster."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.fake_fleet import FakeFleet
from tui.simulator.fleetlike import FleetLike
from tui.simulator.parts import Pace
from tui.simulator.podlife import PodTiming
from tui.simulator.server import SimulatorOptions, SimulatorServer

FAST = Pace(advance_seconds=0.05, pods=PodTiming(0.1, 0.05, 0.05, 0.1))
DEADLINE_SECONDS = 30.0


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Kubectl:
    server: SimulatorServer
    folder: Path

    async def __call__(self, *args: str, stdin: bytes = b"") -> Outcome:
        process = await self.start(*args)
        async with asyncio.timeout(DEADLINE_SECONDS):
            out, err = await process.communicate(stdin)
        return Outcome(process.returncode or 0, out.decode(), err.decode())

    async def ok(self, *args: str, stdin: bytes = b"") -> str:
        outcome = await self(*args, stdin=stdin)
        assert outcome.code == 0, outcome.err
        return outcome.out

    async def start(self, *args: str) -> asyncio.subprocess.Process:
        kubeconfig = self.folder / "config"
        await asyncio.to_thread(kubeconfig.write_text, self.server.kubeconfig())
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KUBECONFIG": str(kubeconfig),
        }
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            "kubectl", "-n", "kube-system", *args,
            stdin=pipe, stdout=pipe, stderr=pipe, env=environment,
        )  # fmt: skip


async def wait_until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not is_true():  # noqa: ASYNC110 - a test polls what has no event of its own
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running_kubectl(
    folder: Path, fleet: FleetLike | None = None, tls: bool = False
) -> AsyncIterator[Kubectl]:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    options = SimulatorOptions(pace=FAST)
    async with SimulatorServer(fleet or FakeFleet(), tls=tls, options=options) as server:
        yield Kubectl(server, folder)
