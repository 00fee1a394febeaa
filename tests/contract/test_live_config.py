"""What the live source reads of the agents' configuration: every source of it, and its history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.contract.live_rig import THREE_NODES, running
from tui.model.reading import ReadingState
from tui.simulator.objects import KubeObject
from tui.simulator.scenarios import NodeGroup

OLD_ONLY = replace(
    THREE_NODES, groups=(NodeGroup("old", 1, "1.11.7", "6.18.44", "cilium-old", {}),)
)

NODE_CONFIG: KubeObject = {
    "kind": "CiliumNodeConfig",
    "apiVersion": "cilium.io/v2",
    "metadata": {
        "name": "canary",
        "namespace": "kube-system",
        "managedFields": [
            {"manager": "helm", "operation": "Update", "time": "2026-11-22T07:00:00Z"},
            {"manager": "kubectl-edit", "operation": "Update", "time": "2026-11-22T08:00:00Z"},
        ],
    },
    "spec": {
        "defaults": {"bpf-lb-map-max": "1024"},
        "nodeSelector": {
            "matchLabels": {"pool": "canary"},
            "matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}],
        },
    },
}


async def test_node_configs_are_followed(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.until(lambda: rig.snapshot.cluster.node_configs.is_known, "node configs")
        assert not rig.snapshot.cluster.node_configs.value
        rig.server.parts.store.apply("ciliumnodeconfigs", NODE_CONFIG)
        elsewhere = {**NODE_CONFIG["metadata"], "namespace": "default"}
        rig.server.parts.store.apply("ciliumnodeconfigs", {**NODE_CONFIG, "metadata": elsewhere})
        await rig.until(lambda: bool(rig.snapshot.cluster.node_configs.value), "the new one")
        (found,) = rig.snapshot.cluster.node_configs.value or ()
        assert (found.name, found.namespace) == ("canary", "kube-system")
        assert found.values == {"bpf-lb-map-max": "1024"}
        assert found.match_labels == {"pool": "canary"}
        (term,) = found.match_expressions
        assert (term.key, term.operator, term.values) == ("zone", "In", ("a", "b"))
        assert [write.manager for write in found.writes] == ["kubectl-edit", "helm"]
        assert found.created_at is not None
        rig.server.parts.store.delete("ciliumnodeconfigs", "kube-system", "canary")
        await rig.until(lambda: rig.snapshot.cluster.node_configs.value == (), "its end")


async def test_a_cilium_without_node_configs_has_none_and_no_gap(tmp_path: Path) -> None:
    async with running(tmp_path, OLD_ONLY) as rig:
        await rig.until(lambda: rig.snapshot.cluster.node_configs.is_known, "node configs")
        assert rig.snapshot.cluster.node_configs.value == ()
        assert "ciliumnodeconfigs" not in rig.snapshot.gaps


async def test_denied_kinds_are_gaps_and_all_else_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        for resource in ("ciliumnodeconfigs", "controllerrevisions"):
            rig.server.permissions.deny("*", resource)
        denied = ReadingState.DENIED
        await rig.until(
            lambda: (
                rig.snapshot.cluster.node_configs.state is denied
                and rig.snapshot.cluster.revisions.state is denied
            ),
            "both refusals",
        )
        assert rig.snapshot.gaps.keys() >= {"ciliumnodeconfigs", "controllerrevisions"}
        cluster = rig.snapshot.cluster
        assert "list ciliumnodeconfigs" in cluster.node_configs.reason
        assert "list controllerrevisions" in cluster.revisions.reason
        await rig.until_read()
        assert rig.snapshot.cluster.daemonsets.is_known


async def test_revisions_carry_the_images_a_daemonset_went_through(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.until(lambda: bool(rig.snapshot.cluster.revisions.value), "revisions")
        found = rig.snapshot.cluster.revisions.value or ()
        images = {str(one.daemonset): str(one.image) for one in found}
        assert images.keys() == {"cilium", "cilium-old"}
        assert images["cilium-old"].startswith("quay.io/cilium/cilium:v1.11.7")
        await rig.until_read()
        agents = {facts.agent.revision for facts in rig.nodes if facts.agent is not None}
        assert agents <= {one.hash for one in found}, "the hash is what the pods carry"


async def test_a_daemonsets_template_says_how_agents_start(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.until(lambda: rig.snapshot.cluster.daemonsets.is_known, "daemonsets")
        sets = {str(one.name): one for one in rig.snapshot.cluster.daemonsets.value or ()}
        assert any("--config-dir" in word for word in sets["cilium-old"].args)
        assert sets["cilium-old"].update_strategy == "RollingUpdate"
        assert sets["cilium-old"].max_unavailable


async def test_a_nodes_own_overrides_are_read(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.until(lambda: len(rig.nodes) == 3, "nodes")
        name = rig.nodes[0].node.name
        before = rig.server.parts.store.get("nodes", None, name)
        assert before is not None
        metadata = before["metadata"]
        label = {"config.cilium.io/mtu": "1400", "config.cilium.io/debug": "false"}
        changed = {
            **metadata,
            "labels": {**metadata["labels"], **label},
            "annotations": {"config.cilium.io/debug": "true", "other": "x"},
        }
        rig.server.parts.store.apply("nodes", {**before, "metadata": changed})
        await rig.until(lambda: bool(rig.node().node.config_overrides), "overrides")
        assert rig.node().node.config_overrides == {"mtu": "1400", "debug": "true"}
        assert rig.node().node.labels["config.cilium.io/mtu"] == "1400"
        assert "kubernetes.io/hostname" in rig.node().node.labels
