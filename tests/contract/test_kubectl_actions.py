"""What a person does with kubectl in an incident, against agents that really follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.api_client import running_client
from tests.contract.kubectl_runner import Kubectl, running_kubectl, wait_until
from tui.simulator.fleet import SCENARIOS, Fleet
from tui.simulator.model import SimNode
from tui.simulator.objects import KubeObject, ObjectStore
from tui.simulator.scenarios import QuirkKind

pytestmark = pytest.mark.kubectl

NODE_CONFIG = """
apiVersion: cilium.io/v2
kind: CiliumNodeConfig
metadata: {{name: zz-ciltop-1, namespace: kube-system}}
spec:
  nodeSelector:
    matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [{node}]}}]
  defaults: {{bpf-lb-sock-hostns-only: "true"}}
"""


def container_state(store: ObjectStore, node: SimNode) -> KubeObject:
    pod = store.get("pods", "kube-system", node.pod_name)
    state: KubeObject = pod["status"]["containerStatuses"][0]["state"] if pod else {}
    return {} if (state.get("waiting") or {}).get("reason") == "ContainerCreating" else state


async def restart(kubectl: Kubectl, node: SimNode) -> None:
    old = node.pod_name
    await kubectl.ok("delete", "pod", old, "--wait=false")
    await wait_until(lambda: node.pod_name != old)
    new = node.pod_name
    await wait_until(lambda: kubectl.server.parts.store.get("pods", "kube-system", new) is not None)


async def wait_ready(kubectl: Kubectl, node: SimNode) -> None:
    await kubectl.ok("wait", "--for=condition=Ready", f"pod/{node.pod_name}", "--timeout=20s")


async def status_of(kubectl: Kubectl, node: SimNode) -> str:
    assert node.agent is not None
    binary = node.agent.release.binary
    return await kubectl.ok("exec", node.pod_name, "-c", "cilium-agent", "--", binary, "status",
                            "--verbose")  # fmt: skip


async def test_a_node_config_flips_one_node(tmp_path: Path) -> None:
    fleet = Fleet(SCENARIOS["healthy"])
    async with running_kubectl(tmp_path, fleet) as kubectl:
        node = next(found for found in fleet.nodes if found.group == "new")
        assert "Hostns-only" not in await status_of(kubectl, node)
        text = NODE_CONFIG.format(node=node.name)
        await kubectl.ok("create", "-f", "-", stdin=text.encode())
        await restart(kubectl, node)
        await wait_ready(kubectl, node)
        assert "Hostns-only" in await status_of(kubectl, node)


async def test_a_larger_map_heals_the_shrunk_node(tmp_path: Path) -> None:
    fleet = Fleet(SCENARIOS["shrunk"])
    async with running_kubectl(tmp_path, fleet) as kubectl:
        node = next(found for found in fleet.nodes if found.quirk(QuirkKind.SHRUNK))
        assert node.agent is not None
        assert node.agent.maps.balancer.failures
        await kubectl.ok("patch", "cm", "cilium-config", "--type", "merge", "-p",
                         '{"data":{"bpf-lb-map-max":"512"}}')  # fmt: skip
        await restart(kubectl, node)
        await wait_ready(kubectl, node)
        assert node.agent.maps.balancer.capacity == 512
        assert not node.agent.maps.balancer.failures
        others = [found for found in fleet.nodes if found is not node]
        sizes = {found.agent.maps.balancer.capacity for found in others if found.agent}
        assert sizes == {1024}


async def test_an_agent_that_crashes_says_so_to_kubectl(tmp_path: Path) -> None:
    fleet = Fleet(SCENARIOS["healthy"])
    async with running_kubectl(tmp_path, fleet) as kubectl:
        node = fleet.nodes[1]
        fleet.misbehave(node.name, "crash-on", {}, "bpf-lb-sock-hostns-only=true")
        await kubectl.ok("patch", "cm", "cilium-config", "--type", "merge", "-p",
                         '{"data":{"bpf-lb-sock-hostns-only":"true"}}')  # fmt: skip
        await restart(kubectl, node)
        store = kubectl.server.parts.store
        await wait_until(lambda: "waiting" in container_state(store, node))
        shown = await kubectl.ok("get", "pod", node.pod_name)
        assert "CrashLoopBackOff" in shown
        log = await kubectl.ok("logs", node.pod_name, "-c", "cilium-agent")
        assert "level=fatal" in log


async def test_a_pod_of_a_lost_node_stays_until_it_is_forced(tmp_path: Path) -> None:
    fleet = Fleet(SCENARIOS["mixed"])
    async with running_kubectl(tmp_path, fleet) as kubectl:
        node = next(found for found in fleet.nodes if found.quirk(QuirkKind.NODE_NOT_READY))
        old = node.pod_name
        await kubectl.ok("delete", "pod", old, "--wait=false")
        late = await kubectl("wait", "--for=delete", f"pod/{old}", "--timeout=2s")
        assert "timed out" in late.err
        await kubectl.ok("delete", "pod", old, "--force")
        await wait_until(lambda: node.pod_name != old)


async def test_quirks_are_set_from_another_process() -> None:
    fleet = Fleet(SCENARIOS["healthy"])
    node = fleet.nodes[0]
    async with running_client(fleet) as client:
        await client.fault(
            quirk={"node": node.name, "kind": "never-ready", "values": {"starts": 1}}
        )
        assert node.quirk(QuirkKind.NEVER_READY)
        await client.fault(cure=[node.name, "never-ready"])
        assert not node.quirk(QuirkKind.NEVER_READY)
        for order in (
            {"quirk": {"node": node.name, "kind": "burning"}},
            {"quirk": {"node": "nope", "kind": "never-ready"}},
            {"cure": ["nope"]},
            {"replace": ["configmaps"]},
        ):
            await client.json("/__ciltop/faults", "POST", 400, json=order)
