from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.fake_fleet import FakeFleet
from tests.contract.kubectl_runner import Kubectl, running_kubectl, wait_until
from tui.simulator.objects import KubeObject

pytestmark = pytest.mark.kubectl

POD = "cilium-ftrpt"
NODE_CONFIG = b"""
apiVersion: cilium.io/v2alpha1
kind: CiliumNodeConfig
metadata: {name: bigger-maps, namespace: kube-system}
spec:
  nodeSelector: {matchLabels: {kubernetes.io/hostname: node3}}
  defaults: {bpf-lb-map-max: "131072"}
"""


async def get(kubectl: Kubectl, *args: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(await kubectl.ok("get", *args, "-o", "json"))
    return document


def config_of(kubectl: Kubectl) -> KubeObject:
    found = kubectl.server.parts.store.get("configmaps", "kube-system", "cilium-config")
    assert found is not None
    return found


async def test_three_kinds_of_patch_and_dry_run(tmp_path: Path) -> None:
    async with running_kubectl(tmp_path) as kubectl:
        before = config_of(kubectl)
        shown = await kubectl.ok(
            "patch", "cm", "cilium-config", "-p", '{"data":{"a":"1"}}', "--dry-run=server",
            "-o", "json",
        )  # fmt: skip
        assert json.loads(shown)["data"]["a"] == "1"
        assert config_of(kubectl) == before

        await kubectl.ok("patch", "cm", "cilium-config", "--type", "merge", "-p",
                         '{"data":{"debug":null,"a":"1"}}')  # fmt: skip
        assert config_of(kubectl)["data"]["a"] == "1"
        assert "debug" not in config_of(kubectl)["data"]
        await kubectl.ok("patch", "cm", "cilium-config", "--type", "json", "-p",
                         '[{"op":"test","path":"/data/a","value":"1"},'
                         '{"op":"replace","path":"/data/a","value":"2"}]')  # fmt: skip
        assert config_of(kubectl)["data"]["a"] == "2"
        managers = [entry["manager"] for entry in config_of(kubectl)["metadata"]["managedFields"]]
        assert managers == ["kubectl-client-side-apply", "kubectl-patch"]

        patch = {"spec": {"template": {"spec": {"containers": [
            {"name": "cilium-agent", "env": [{"name": "ADDED", "value": "1"}]}]}}}}  # fmt: skip
        await kubectl.ok("patch", "ds", "cilium", "-p", json.dumps(patch))
        containers = (await get(kubectl, "ds", "cilium"))["spec"]["template"]["spec"]["containers"]
        names = [item["name"] for item in containers[0]["env"]]
        assert len(containers) == 1
        assert {"ADDED", "K8S_NODE_NAME"} <= set(names)
        refused = await kubectl("patch", "cm", "cilium-config", "-p", '{"data":{"a":1}}')
        assert "cannot unmarshal number" in refused.err


async def test_a_deleted_agent_comes_back(tmp_path: Path) -> None:
    fleet = FakeFleet()
    async with running_kubectl(tmp_path, fleet) as kubectl:
        out = await kubectl.ok("delete", "pod", POD)
        assert out.startswith(f'pod "{POD}" deleted')
        await wait_until(lambda: fleet.replaced == 1)
        await kubectl.ok("wait", "--for=condition=Ready", "pod/cilium-new1", "--timeout=20s")
        pod = await get(kubectl, "pod", "cilium-new1")
        assert pod["spec"]["nodeName"] == "node1"
        assert pod["metadata"]["labels"]["controller-revision-hash"]
        await wait_until(lambda: ready_count(kubectl) == 3)


def ready_count(kubectl: Kubectl) -> int:
    found = kubectl.server.parts.store.get("daemonsets", "kube-system", "cilium")
    assert found is not None
    return int(found["status"]["numberReady"])


async def test_rollout_restart_replaces_every_agent(tmp_path: Path) -> None:
    fleet = FakeFleet()
    async with running_kubectl(tmp_path, fleet) as kubectl:
        await kubectl.ok("rollout", "restart", "ds/cilium")
        await kubectl.ok("rollout", "status", "ds/cilium", "--timeout=25s")
        assert fleet.replaced == 3
        revisions = kubectl.server.parts.store.list("controllerrevisions", "kube-system")
        newest = max(revisions, key=lambda item: int(item["revision"]))
        assert newest["revision"] == 5
        pods = await get(kubectl, "pods", "-l", "k8s-app=cilium")
        for pod in pods["items"]:
            labels, annotations = pod["metadata"]["labels"], pod["metadata"]["annotations"]
            assert (
                labels["controller-revision-hash"]
                == newest["metadata"]["labels"]["controller-revision-hash"]
            )
            assert annotations["kubectl.kubernetes.io/restartedAt"] > "2026-11-22T08"


async def test_node_config_namespaces_and_labels(tmp_path: Path) -> None:
    async with running_kubectl(tmp_path) as kubectl:
        out = await kubectl.ok("create", "-f", "-", stdin=NODE_CONFIG)
        assert out == "ciliumnodeconfig.cilium.io/bigger-maps created\n"
        again = await kubectl("create", "-f", "-", stdin=NODE_CONFIG)
        assert "already exists" in again.err
        config = await get(kubectl, "ciliumnodeconfigs.v2.cilium.io", "bigger-maps")
        assert config["apiVersion"] == "cilium.io/v2"
        assert config["spec"]["defaults"] == {"bpf-lb-map-max": "131072"}
        await kubectl.ok("label", "node", "node1", "node2", "stage=one")
        found = await kubectl.ok("get", "nodes", "-l", "stage in (one, two)", "-o", "name")
        assert found.split() == ["node/node1", "node/node2"]
        await kubectl.ok("create", "namespace", "other")
        assert "other" in await kubectl.ok("get", "ns")
        await kubectl.ok("delete", "ciliumnodeconfig", "bigger-maps")
        missing = await kubectl("get", "ciliumnodeconfig", "bigger-maps")
        assert 'ciliumnodeconfigs.cilium.io "bigger-maps" not found' in missing.err


async def test_old_cilium_has_no_node_config(tmp_path: Path) -> None:
    fleet = FakeFleet(cilium_version="1.11.7")
    async with running_kubectl(tmp_path, fleet) as kubectl:
        refused = await kubectl("get", "ciliumnodeconfigs")
        assert "doesn't have a resource type" in refused.err
