"""A collector killed with SIGKILL: who asks which node when, by the API server's own record."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web

from tests.broker_proxy import Proxy
from tests.brokers import Mosquitto, MosquittoFactory
from tests.contract.mqtt_faults_rig import eventually
from tui.bus.sharing.rendezvous import owner
from tui.simulator import api, execstream
from tui.simulator.fleet import SCENARIOS, Fleet
from tui.simulator.server import SimulatorServer

NODES = 8
INTERVAL_SECONDS = 1.5
SWEEP_SECONDS = 1.0
SLACK_SECONDS = 2.0 + SWEEP_SECONDS
"""One exec and one sweep, on a machine that does something else."""

QUIET = replace(SCENARIOS["healthy"], events=())


@dataclass(frozen=True)
class Asked:
    """One exec: who asked which node, and when."""

    by: str
    node: str
    at: float


@dataclass
class Shared:
    """A cluster behind one proxy for each collector, which tells them apart."""

    server: SimulatorServer
    proxies: Mapping[str, Proxy]
    folder: Path
    broker: Mosquitto
    asked: list[Asked] = field(default_factory=list)
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    @property
    def nodes(self) -> set[str]:
        return {item["metadata"]["name"] for item in self.server.parts.store.list("nodes")}

    def node_of(self, pod_name: str) -> str:
        for pod in self.server.parts.store.list("pods"):
            if pod["metadata"]["name"] == pod_name:
                return str(pod["spec"]["nodeName"])
        return ""

    def note(self, request: web.BaseRequest) -> None:
        assert request.transport is not None
        port = request.transport.get_extra_info("peername")[1]
        by = next((name for name, one in self.proxies.items() if port in one.away_ports), "")
        pod = request.path.split("/")[-2]
        self.asked.append(Asked(by, self.node_of(pod), time.monotonic()))

    async def start(self, name: str) -> None:
        kubeconfig = self.folder / f"kubeconfig-{name}"
        port = self.server.url.rsplit(":", 1)[1]
        text = self.server.kubeconfig().replace(f":{port}", f":{self.proxies[name].port}")
        kubeconfig.write_text(text, encoding="utf-8")
        url = f"mqtt://127.0.0.1:{self.broker.ports['mqtt']}"
        self.processes[name] = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tui", "collect", "--quiet", "--mqtt", url),
            *("--kubeconfig", str(kubeconfig), "--cluster", "prod", "--collector-id", name),
            *("--interval", str(SWEEP_SECONDS), "--presence-interval", str(INTERVAL_SECONDS)),
            stdin=asyncio.subprocess.DEVNULL,
        )

    def by(self, name: str, since: float = 0.0) -> dict[str, list[float]]:
        """Return when a collector asked each node."""
        found: dict[str, list[float]] = defaultdict(list)
        for one in self.asked:
            if one.by == name and one.at >= since:
                found[one.node].append(one.at)
        return found

    def is_asked(self, name: str, nodes: Sequence[str], since: float, times: int = 1) -> bool:
        asked = self.by(name, since)
        return all(len(asked[node]) >= times for node in nodes)


@asynccontextmanager
async def sharing(broker: Mosquitto, folder: Path) -> AsyncIterator[Shared]:
    server = SimulatorServer(Fleet(QUIET, NODES))
    server.faults.clear()
    async with server:
        target = int(server.url.rsplit(":", 1)[1])
        async with Proxy(target) as first, Proxy(target) as second:
            shared = Shared(server, {"alpha": first, "beta": second}, folder, broker)

            async def noted(request: web.BaseRequest, *arguments: object) -> web.StreamResponse:
                shared.note(request)
                return await execstream.serve_exec(request, *arguments)  # type: ignore[arg-type]  # handed on

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(api, "serve_exec", noted)
                try:
                    yield shared
                finally:
                    for process in shared.processes.values():
                        if process.returncode is None:
                            process.kill()
                        await process.wait()


async def test_the_nodes_of_a_killed_collector_move_and_come_back(
    mosquitto: MosquittoFactory, tmp_path: Path
) -> None:
    async with sharing(mosquitto(), tmp_path) as shared:
        for name in ("alpha", "beta"):
            await shared.start(name)
        own = {
            name: [node for node in shared.nodes if owner(node, ("alpha", "beta")) == name]
            for name in ("alpha", "beta")
        }
        assert all(own.values())

        def are_settled() -> bool:
            since = time.monotonic() - 2 * SWEEP_SECONDS
            return all(set(shared.by(name, since)) == set(nodes) for name, nodes in own.items())

        await eventually(are_settled, "each its share", lambda: shared.asked[-20:])
        shared.processes["alpha"].send_signal(signal.SIGKILL)
        killed_at = time.monotonic()
        await eventually(
            lambda: shared.is_asked("beta", own["alpha"], killed_at), "the orphans, by the other"
        )
        late = max(shared.by("beta", killed_at)[node][0] for node in own["alpha"]) - killed_at
        assert late <= 2 * INTERVAL_SECONDS + SLACK_SECONDS
        await shared.processes["alpha"].wait()
        back_at = time.monotonic()
        await shared.start("alpha")
        await eventually(
            lambda: shared.is_asked("alpha", own["alpha"], back_at, times=4), "its own again"
        )
        alpha, beta = shared.by("alpha", back_at), shared.by("beta", back_at)
        assert set(alpha) == set(own["alpha"]), "it takes no node that is not its own"
        twice = max(max(beta[node], default=0.0) - alpha[node][0] for node in own["alpha"])
        print(f"moved after {late:.2f} s; asked by both for {max(0.0, twice):.2f} s")  # noqa: T201 - shown with -s
        assert twice <= 2 * INTERVAL_SECONDS
