"""DaemonSets, their revisions and the ConfigMap, from a real cluster's objects."""

from __future__ import annotations

import msgspec

from tests.contract.cluster_server import fixture
from tui.cluster import kinds
from tui.cluster.config_objects import (
    ControllerRevision,
    config_map,
    config_writes,
    daemonset,
    revision,
)
from tui.cluster.lists import Page
from tui.cluster.objects import agent_pod
from tui.model.cluster import CiliumDaemonSet


def test_recorded_daemonset_and_config_map() -> None:
    sets = msgspec.json.decode(fixture("daemonset.json"), type=kinds.DaemonSet)
    found = daemonset(sets)
    assert (found.name, found.namespace) == ("cilium", "kube-system")
    assert found.desired == found.ready == 3
    assert found.image.startswith("quay.io/cilium/cilium:")
    assert found.args == ("/usr/local/bin/agent-run", "--config-dir=/tmp/cilium/config-map")
    assert (found.has_config_builder, found.config_builder_args) == (False, ())
    assert (found.update_strategy, found.max_unavailable) == ("RollingUpdate", "2")
    assert found.labels == {"k8s-app": "cilium"}
    assert found.writes
    assert "kube-controller-manager" not in {write.manager for write in found.writes}
    config = config_map(msgspec.json.decode(fixture("configmap.json"), type=kinds.ConfigMap))
    assert config.values["bpf-lb-map-max"] == "1024"
    assert config.writes[0].manager == "kubectl-client-side-apply"
    assert config.resource_version == "1962"


def test_a_template_with_a_config_builder() -> None:
    def built(command: list[str], args: list[str]) -> CiliumDaemonSet:
        template = {
            "initContainers": [
                {"name": "mount-cgroup", "command": ["sh", "-ec", "nsenter"]},
                {"name": "config", "command": command, "args": args},
            ],
            "containers": [{"name": "cilium-agent", "image": "quay.io/cilium/cilium:v1.17.5"}],
        }
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}}
        content = {"spec": {"template": {"spec": template}, "updateStrategy": strategy}}
        return daemonset(msgspec.convert(content, kinds.DaemonSet))

    found = built(["cilium-dbg", "build-config"], ["--source=cilium-node-config:kube-system/a"])
    assert found.has_config_builder
    assert found.config_builder_args[-1] == "--source=cilium-node-config:kube-system/a"
    assert found.max_unavailable == "10%"
    assert built(["sh", "-c", "cilium build-config"], []).has_config_builder
    assert not built(["sh", "-c", "echo rebuild-config"], []).has_config_builder


def test_a_template_whose_init_container_removes_state() -> None:
    def variable(name: str, key: str, config_map: str = "cilium-config") -> dict[str, object]:
        ref = {"name": config_map, "key": key, "optional": True}
        return {"name": name, "valueFrom": {"configMapKeyRef": ref}}

    env = [
        variable("CILIUM_ALL_STATE", "clean-cilium-state"),
        variable("CILIUM_BPF_STATE", "clean-cilium-bpf-state"),
        variable("WRITE_CNI_CONF_WHEN_READY", "write-cni-conf-when-ready"),
        {"name": "CLEAN_CILIUM_STATE", "value": "true"},
        {"name": "KUBERNETES_SERVICE_HOST", "valueFrom": {"fieldRef": {"fieldPath": "x"}}},
    ]
    template = {
        "initContainers": [{"name": "config"}, {"name": "clean-cilium-state", "env": env}],
        "containers": [{"name": "cilium-agent", "env": [variable("CILIUM_BPF_STATE", "other")]}],
    }
    content = {"spec": {"template": {"spec": template}}}
    found = daemonset(msgspec.convert(content, kinds.DaemonSet)).cleaning
    assert [(one.variable, one.config_map, one.key, one.value) for one in found or ()] == [
        ("CILIUM_ALL_STATE", "cilium-config", "clean-cilium-state", ""),
        ("CILIUM_BPF_STATE", "cilium-config", "clean-cilium-bpf-state", ""),
        ("CLEAN_CILIUM_STATE", "", "", "true"),
    ]
    assert {one.container for one in found or ()} == {"clean-cilium-state"}
    assert daemonset(kinds.DaemonSet()).cleaning == ()


def test_recorded_revisions() -> None:
    page = msgspec.json.decode(fixture("controllerrevisions.json"), type=Page[ControllerRevision])
    found = [revision(item) for item in page.items or ()]
    assert found
    assert {one.daemonset for one in found} == {"cilium"}
    assert all(one.image == "quay.io/cilium/cilium:v1.11.7" for one in found)
    agents = msgspec.json.decode(fixture("pods-agents.json"), type=Page[kinds.Pod])
    hashes = {agent_pod(item).revision for item in agents.items or ()}
    assert hashes <= {one.hash for one in found}
    assert all(one.created_at and one.revision > 0 for one in found)


def test_writers_newest_first() -> None:
    meta = msgspec.convert(
        {
            "managedFields": [
                {"manager": "helm", "time": "2026-01-01T00:00:00Z"},
                {"manager": "kubectl-patch", "time": "2026-01-02T00:00:00Z"},
                {"manager": "broken", "time": "yesterday"},
                {"manager": "timeless"},
            ]
        },
        kinds.WrittenMeta,
    )
    assert [write.manager for write in config_writes(meta)] == ["kubectl-patch", "helm"]
