"""The API server with the real fleet behind it."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.contract.api_client import PODS, running_client
from tests.contract.kubectl_runner import FAST, wait_until
from tui.cilium.frames import parse_frames
from tui.cilium.probes import exec_argv
from tui.simulator.execstream import V5
from tui.simulator.fleet import SCENARIOS, Fleet
from tui.simulator.fleetlike import FleetLike
from tui.simulator.objects import KubeObject
from tui.simulator.server import SimulatorServer

AGENTS = {"labelSelector": "k8s-app=cilium"}


def is_ready(pod: KubeObject) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
async def test_every_scenario_is_served(name: str) -> None:
    fleet: FleetLike = Fleet(SCENARIOS[name])
    server = SimulatorServer(fleet)
    server.faults.clear()
    async with server:
        parts = server.parts
        nodes = parts.store.list("nodes")
        agents = [
            pod
            for pod in parts.store.list("pods", "kube-system")
            if pod["metadata"]["labels"].get("k8s-app") == "cilium"
        ]
        assert nodes
        assert {pod["spec"]["nodeName"] for pod in agents} <= {
            node["metadata"]["name"] for node in nodes
        }
        assert parts.surface.kubernetes_version == SCENARIOS[name].kubernetes_version
        for daemon_set in parts.store.list("daemonsets"):
            assert daemon_set["status"]["desiredNumberScheduled"] > 0


async def test_a_deleted_agent_starts_anew() -> None:
    fleet = Fleet(SCENARIOS["healthy"])
    async with running_client(fleet, FAST) as client:
        before = (await client.json(PODS, params=AGENTS))["items"]
        old = next(pod for pod in before if is_ready(pod))
        await client.json(f"{PODS}/{old['metadata']['name']}", "DELETE")
        on_node = {"fieldSelector": f"spec.nodeName={old['spec']['nodeName']}", **AGENTS}

        def successor() -> KubeObject | None:
            for pod in client.store.list("pods", "kube-system"):
                same_node = pod["spec"].get("nodeName") == old["spec"]["nodeName"]
                is_agent = pod["metadata"]["labels"].get("k8s-app") == "cilium"
                if same_node and is_agent and pod["metadata"]["uid"] != old["metadata"]["uid"]:
                    return pod
            return None

        await wait_until(lambda: (pod := successor()) is not None and is_running(pod))
        (new,) = (await client.json(PODS, params=on_node))["items"]
        ids = [pod["status"]["containerStatuses"][0]["containerID"] for pod in (old, new)]
        assert ids[0] != ids[1]
        labels = [pod["metadata"]["labels"]["controller-revision-hash"] for pod in (old, new)]
        assert labels[0] == labels[1]


def is_running(pod: KubeObject) -> bool:
    statuses = pod["status"].get("containerStatuses") or []
    return any("running" in (item.get("state") or {}) for item in statuses)


async def test_a_sweep_gets_its_frames_and_the_log() -> None:
    async with running_client(Fleet(SCENARIOS["healthy"]), FAST) as client:
        pod = next(
            pod for pod in (await client.json(PODS, params=AGENTS))["items"] if is_running(pod)
        )
        path = f"{PODS}/{pod['metadata']['name']}"
        nonce = "0123456789abcdef"
        query = [("command", part) for part in exec_argv(nonce, ["maps"])]
        query += [("stdout", "true"), ("stderr", "true"), ("container", "cilium-agent")]
        async with client.session.ws_connect(
            f"{path}/exec", params=query, protocols=[V5], max_msg_size=0
        ) as socket, asyncio.timeout(20):  # fmt: skip
            frames = [message.data async for message in socket]
        output = [b"".join(f[1:] for f in frames if f[0] == channel) for channel in (1, 2)]
        assert json.loads(frames[-1][1:])["status"] == "Success"
        assert parse_frames(nonce, *output)["maps"].exit_code == 0
        async with client.session.get(f"{path}/log", params={"container": "cilium-agent"}) as log:
            assert (await log.read()).count(b"\n") > 0
