"""Scenes, CiliumNodeConfigs and DaemonSet edits: what a scenario says is what its cluster has."""

from __future__ import annotations

from tests.unit.simulator_rig import Rig
from tui.simulator.nodeconfigs import HOSTNAME_LABEL
from tui.simulator.objects import KubeObject
from tui.simulator.scenarios import QuirkKind
from tui.simulator.seedpods import template_flags


def members(rig: Rig, group: str) -> list[str]:
    return [node.name for node in rig.fleet.nodes if node.group == group]


def named(rig: Rig, plural: str, name: str) -> KubeObject:
    return next(found for found in rig.store.list(plural) if found["metadata"]["name"] == name)


def test_a_node_config_that_was_read_is_what_the_agents_run() -> None:
    rig = Rig("mixed")
    config = named(rig, "ciliumnodeconfigs", "ingress-dsr")
    selector = config["spec"]["nodeSelector"]["matchLabels"]
    for node in rig.fleet.nodes:
        assert node.agent is not None
        is_chosen = selector.items() <= dict(node.labels).items()
        assert is_chosen is (node.group == "mid")
        if is_chosen and not node.is_looping:
            assert node.agent.config.get("bpf-lb-mode") == "dsr"


def test_a_node_config_that_was_not_read_waits_for_a_restart() -> None:
    rig = Rig("mixed")
    config = named(rig, "ciliumnodeconfigs", "smaller-maps")
    name = config["spec"]["nodeSelector"]["matchLabels"][HOSTNAME_LABEL]
    node = rig.fleet.node(name)
    assert node.agent is not None
    assert node.agent.config.get("bpf-lb-map-max") == "1024"
    rig.delete_pod(node)
    rig.run_for(6)
    assert node.agent.config.get("bpf-lb-map-max") == "128"


def test_an_edited_daemonset_leaves_its_pods_on_the_revision_of_before() -> None:
    rig = Rig("mixed")
    daemonset = named(rig, "daemonsets", "cilium-old")
    assert template_flags(daemonset["spec"]["template"])["enable-ipsec"] == "true"
    assert daemonset["spec"]["updateStrategy"]["type"] == "OnDelete"
    revisions = [
        found
        for found in rig.store.list("controllerrevisions")
        if found["metadata"]["name"].startswith("cilium-old-")
    ]
    by_number = {found["revision"]: found["metadata"]["labels"] for found in revisions}
    assert sorted(by_number) == [1, 2]
    for name in members(rig, "old"):
        pod = rig.pod(rig.fleet.node(name))
        key = "controller-revision-hash"
        assert pod["metadata"]["labels"][key] == by_number[1][key]


def test_an_agent_of_an_edited_daemonset_does_not_come_back() -> None:
    rig = Rig("mixed")
    node = rig.fleet.node(members(rig, "old")[0])
    rig.delete_pod(node)
    rig.run_for(6)
    assert node.is_looping
    assert "IPSec cannot be used with BPF NodePort" in rig.log(node)[-1]


def test_stale_services_end_with_a_restart() -> None:
    rig = Rig("mixed")
    node = rig.node_with(QuirkKind.STALE_SERVICES)
    assert node.agent is not None
    wanted = rig.fleet.wanted.of(node.agent.release)
    backends = {backend for frontend in wanted for backend in frontend.backends}
    missing = backends - set(node.agent.maps.balancer.backends.values())
    assert missing
    rig.run_for(40)
    assert missing - set(node.agent.maps.balancer.backends.values())
    rig.delete_pod(node)
    rig.run_for(6)
    wanted = rig.fleet.wanted.of(node.agent.release)
    backends = {backend for frontend in wanted for backend in frontend.backends}
    assert not backends - set(node.agent.maps.balancer.backends.values())


def test_the_volumes_lead_from_pod_to_server() -> None:
    rig = Rig("mixed")
    pods = [found for found in rig.store.list("pods") if found["spec"].get("volumes")]
    mounting = {
        volume["persistentVolumeClaim"]["claimName"]: found["spec"]["nodeName"]
        for found in pods
        for volume in found["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert mounting.keys() == {"reports", "orders"}
    volumes = {
        found["spec"]["claimRef"]["name"]: found["spec"]
        for found in rig.store.list("persistentvolumes")
    }
    assert volumes["reports"]["nfs"]["server"] == "nfs-server.storage.svc.cluster.local"
    assert volumes["orders"]["csi"]["driver"].endswith("rbd.csi.ceph.com")
    services = {
        found["spec"]["clusterIP"]
        for found in rig.store.list("services")
        if found["metadata"]["namespace"] == "rook-ceph"
    }
    config = named(rig, "configmaps", "rook-ceph-csi-config")
    assert all(address in config["data"]["csi-cluster-config-json"] for address in services)


def test_the_unmirrored_service_has_endpoints_and_no_slice() -> None:
    rig = Rig("mixed")
    endpoints = named(rig, "endpoints", "postgres-primary")
    assert endpoints["metadata"]["labels"]["endpointslice.kubernetes.io/skip-mirror"] == "true"
    slices = [
        found["metadata"]["labels"].get("kubernetes.io/service-name")
        for found in rig.store.list("endpointslices")
    ]
    assert "postgres-primary" not in slices
