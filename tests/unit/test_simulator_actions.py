"""What agents do when somebody changes their configuration and deletes their pods."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec
import pytest

from tests.unit.simulator_rig import Rig, agent_of, coverage
from tui.cilium.logcatalogue import explain
from tui.cilium.loglines import parse_log_line
from tui.cluster import kinds
from tui.cluster.config_objects import daemonset
from tui.simulator.model import SimNode
from tui.simulator.nodenetwork import NodeNetwork
from tui.simulator.objects import KubeObject
from tui.simulator.scenarios import NodeGroup, Scenario, ServiceLoad

RELEASES = ("1.11.7", "1.17.5", "1.19.4")
BOOT = 6.0
SERVICES = "cilium_lb4_services_v2"
BASE = {"bpf-lb-map-max": "1024", "kube-proxy-replacement": "true", "enable-ipv4": "true"}


def rig_of(release: str) -> tuple[Rig, SimNode]:
    strict = {"kube-proxy-replacement": "strict"} if release == "1.11.7" else {}
    scenario = Scenario(
        name="actions",
        summary="",
        kubernetes_version="v1.31.4",
        groups=(NodeGroup("main", 2, release, "6.8.0-45-generic", config=strict),),
        services=ServiceLoad(30),
        config=BASE,
        noise_lines_per_hour=0.0,
        pre_stop={"cilium": ("/cni-uninstall.sh",)},
    )
    rig = Rig(scenario)
    return rig, rig.fleet.nodes[0]


def write_node_config(rig: Rig, node: SimNode, values: Mapping[str, str]) -> None:
    hostname = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}
    rig.store.apply(
        "ciliumnodeconfigs",
        {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNodeConfig",
            "metadata": {"name": "zz-ciltop-1", "namespace": "kube-system"},
            "spec": {"nodeSelector": {"matchExpressions": [hostname]}, "defaults": dict(values)},
        },
    )


def restart(rig: Rig, node: SimNode) -> None:
    rig.delete_pod(node)
    rig.run_for(BOOT)


def is_ready(pod: KubeObject) -> bool:
    conditions = pod["status"]["conditions"]
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def is_hostns_only(rig: Rig, node: SimNode) -> bool:
    if agent_of(node).release.minor == 11:
        config = json.loads(rig.command(node, "cilium", "config", "-a", "-o", "json"))
        return bool(config["BPFSocketLBHostnsOnly"])
    binary = agent_of(node).release.binary
    found = json.loads(rig.command(node, binary, "status", "-o", "json"))
    features = found["kube-proxy-replacement"]["features"]
    return bool(features.get("bpfSocketLBHostnsOnly"))


@pytest.mark.parametrize("release", RELEASES)
def test_a_cluster_wide_flip_reaches_the_agents_that_restart(release: str) -> None:
    rig, node = rig_of(release)
    other = rig.fleet.nodes[1]
    rig.patch_config(bpf_lb_sock_hostns_only="true")
    assert not is_hostns_only(rig, node)
    restart(rig, node)
    assert is_hostns_only(rig, node)
    assert not is_hostns_only(rig, other)
    rig.patch_config(bpf_lb_sock_hostns_only="false")
    restart(rig, node)
    assert not is_hostns_only(rig, node)


@pytest.mark.parametrize(
    ("release", "is_read"), [("1.11.7", False), ("1.17.5", True), ("1.19.4", True)]
)
def test_a_node_config_flips_its_node_where_the_release_reads_it(
    release: str, is_read: bool
) -> None:
    rig, node = rig_of(release)
    other = rig.fleet.nodes[1]
    write_node_config(rig, node, {"bpf-lb-sock-hostns-only": "true"})
    restart(rig, node)
    restart(rig, other)
    assert is_hostns_only(rig, node) is is_read
    assert not is_hostns_only(rig, other)


def edit_builder(rig: Rig, *command: str) -> None:
    found = rig.store.get("daemonsets", "kube-system", "cilium")
    assert found is not None
    spec = found["spec"]["template"]["spec"]
    builders = [{"name": "config", "command": list(command)}] if command else []
    template = {**found["spec"]["template"], "spec": {**spec, "initContainers": builders}}
    rig.store.apply("daemonsets", {**found, "spec": {**found["spec"], "template": template}})


BUILD = ("cilium-dbg", "build-config")


@pytest.mark.parametrize(
    "command",
    [
        (),
        (*BUILD, "--source=config-map:kube-system/cilium-config"),
        (*BUILD, "--allow-config-keys", "debug,bpf-lb-map-max"),
        (*BUILD, "--deny-config-keys=bpf-lb-sock-hostns-only"),
    ],
)
def test_a_daemonset_may_ignore_node_configs(command: tuple[str, ...]) -> None:
    rig, node = rig_of("1.19.4")
    edit_builder(rig, *command)
    write_node_config(rig, node, {"bpf-lb-sock-hostns-only": "true"})
    restart(rig, node)
    assert not is_hostns_only(rig, node)
    edit_builder(rig, *BUILD, "--source=config-map,cilium-node-config")
    restart(rig, node)
    assert is_hostns_only(rig, node)


def test_a_container_restart_keeps_what_the_init_container_merged() -> None:
    rig, node = rig_of("1.17.5")
    rig.patch_config(bpf_lb_sock_hostns_only="true")
    rig.fleet.restarter.restart_container(node, rig.now, 0)
    rig.run_for(BOOT)
    assert not is_hostns_only(rig, node)
    old, node = rig_of("1.11.7")
    old.patch_config(bpf_lb_sock_hostns_only="true")
    old.fleet.restarter.restart_container(node, old.now, 0)
    old.run_for(BOOT)
    assert is_hostns_only(old, node)


def sizes_of(rig: Rig, node: SimNode) -> dict[str, tuple[int, int]]:
    """Return the kernel's id and max entries of each pinned map."""
    shown = json.loads(rig.command(node, "bpftool", "-j", "-f", "map", "show"))
    return {
        pin.rpartition("/")[2]: (found["id"], found["max_entries"])
        for found in shown
        for pin in found.get("pinned") or ()
    }


@pytest.mark.parametrize("release", RELEASES)
def test_a_resized_map_comes_back_empty_and_fills(release: str) -> None:
    rig, node = rig_of(release)
    before = agent_of(node).maps.balancer
    rig.patch_config(bpf_lb_map_max="2048")
    rig.delete_pod(node)
    assert not agent_of(node).maps.balancer.services
    rig.run_for(BOOT)
    after = agent_of(node).maps.balancer
    assert after.capacity == 2048
    assert after.services.keys() == before.services.keys()
    assert not coverage(rig, node).missing_frontends


@pytest.mark.parametrize("release", RELEASES)
def test_one_map_can_be_sized_by_itself_where_the_release_knows_how(release: str) -> None:
    rig, node = rig_of(release)
    before = sizes_of(rig, node)
    rig.patch_config(bpf_lb_service_map_max="4096")
    rig.delete_pod(node)
    balancer = agent_of(node).maps.balancer
    knows = release != "1.11.7"
    assert bool(balancer.services) is not knows
    assert balancer.backends
    rig.run_for(BOOT)
    after = sizes_of(rig, node)
    reverse = "cilium_lb4_reverse_nat"
    assert after[SERVICES][1] == (4096 if knows else 1024)
    assert after[reverse][1] == before[reverse][1]
    status = json.loads(rig.command(node, agent_of(node).release.binary, "status", "-o", "json"))
    named = {found["name"]: found["size"] for found in status["bpf-maps"]["maps"]}
    assert named["IPv4 service"] == (4096 if knows else 1024)
    assert named["IPv4 service backend"] == 1024
    assert not coverage(rig, node).missing_frontends


def test_a_small_map_of_its_own_leaves_services_out() -> None:
    rig, node = rig_of("1.17.5")
    rig.patch_config(bpf_lb_service_map_max="40", bpf_lb_rev_nat_map_max="1000")
    restart(rig, node)
    assert coverage(rig, node).missing_frontends
    rig.patch_config(bpf_lb_service_map_max="0")
    restart(rig, node)
    assert not coverage(rig, node).missing_frontends


@pytest.mark.parametrize("release", RELEASES)
def test_an_agent_that_never_gets_ready(release: str) -> None:
    rig, node = rig_of(release)
    rig.fleet.misbehave(node.name, "never-ready", {"starts": 1}, "")
    restart(rig, node)
    rig.run_for(120, step=5)
    assert not is_ready(rig.pod(node))
    assert rig.pod(node)["status"]["containerStatuses"][0]["state"].keys() == {"running"}
    argv = (agent_of(node).release.binary, "status")
    answer = rig.fleet.exec(node.pod_name, "cilium-agent", argv, b"")
    assert answer.exit_code != 0
    told = [found for found in rig.store.list("events") if found["reason"] == "Unhealthy"]
    assert node.pod_name in {found["involvedObject"]["name"] for found in told}
    restart(rig, node)
    assert is_ready(rig.pod(node))
    assert not coverage(rig, node).missing_frontends


def test_every_start_hangs_until_the_node_is_cured() -> None:
    rig, node = rig_of("1.17.5")
    rig.fleet.misbehave(node.name, "never-ready", {}, "")
    for _ in range(2):
        restart(rig, node)
        assert not is_ready(rig.pod(node))
    rig.fleet.cure(node.name, "never-ready")
    restart(rig, node)
    assert is_ready(rig.pod(node))
    with pytest.raises(LookupError):
        rig.fleet.cure("nope", "never-ready")
    with pytest.raises(ValueError, match="burning"):
        rig.fleet.misbehave(node.name, "burning", {}, "")


@pytest.mark.parametrize("release", RELEASES)
def test_an_agent_crashes_because_of_a_change(release: str) -> None:
    rig, node = rig_of(release)
    rig.fleet.misbehave(node.name, "crash-on", {}, "bpf-lb-sock-hostns-only=true")
    restart(rig, node)
    assert is_ready(rig.pod(node))
    rig.patch_config(bpf_lb_sock_hostns_only="true")
    restart(rig, node)
    rig.run_for(60, step=1)
    status = rig.pod(node)["status"]["containerStatuses"][0]
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["restartCount"] >= 2
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert any("fatal" in line for line in rig.log(node, previous=True)[-1:])
    rig.patch_config(bpf_lb_sock_hostns_only="false")
    restart(rig, node)
    assert is_ready(rig.pod(node))


@pytest.mark.parametrize("release", RELEASES)
def test_a_host_without_bpffs_is_warned_of_and_loses_its_maps(release: str) -> None:
    rig, node = rig_of(release)
    rig.fleet.misbehave(node.name, "bpffs-unmounted", {}, "")
    ids = sizes_of(rig, node)
    rig.delete_pod(node)
    assert not agent_of(node).maps.balancer.services
    rig.run_for(BOOT)
    assert not coverage(rig, node).missing_frontends
    assert sizes_of(rig, node)[SERVICES][0] != ids[SERVICES][0]
    texts = rig.log(node)
    meant = [explain(parse_log_line(text)) for text in texts]
    assert "M25" in {meaning.id for meaning in meant if meaning}
    banner = next(n for n, text in enumerate(texts) if "BPF filesystem is not mounted" in text)
    assert "WARNING" in texts[banner - 1]
    assert "Ensure that the BPF filesystem is mounted in the host." in texts[banner + 1]
    assert any("Mounting BPF filesystem" in text for text in texts)
    assert not any("Detected mounted" in text for text in texts)


@pytest.mark.parametrize("key", ["clean-cilium-bpf-state", "clean-cilium-state"])
@pytest.mark.parametrize("release", RELEASES)
def test_a_key_that_cleans_state_wipes_at_a_new_pod_and_not_at_a_restart(
    release: str, key: str
) -> None:
    rig, node = rig_of(release)
    found = rig.store.get("configmaps", "kube-system", "cilium-config")
    assert found is not None
    rig.store.apply("configmaps", {**found, "data": {**found["data"], key: "true"}})
    ids = sizes_of(rig, node)
    rig.fleet.restarter.restart_container(node, rig.now, 1)
    assert agent_of(node).maps.balancer.services
    assert sizes_of(rig, node)[SERVICES] == ids[SERVICES]
    rig.delete_pod(node)
    assert not agent_of(node).maps.balancer.services
    rig.run_for(BOOT)
    assert not coverage(rig, node).missing_frontends
    assert sizes_of(rig, node)[SERVICES][0] != ids[SERVICES][0]
    spec = rig.store.get("daemonsets", "kube-system", "cilium")
    seen = daemonset(msgspec.convert(spec, kinds.DaemonSet)).cleaning or ()
    assert key in {one.key for one in seen}


def ready_condition(rig: Rig, node: SimNode) -> KubeObject:
    found = rig.store.get("nodes", None, node.name)
    assert found is not None
    return next(item for item in found["status"]["conditions"] if item["type"] == "Ready")


def test_a_hook_that_removes_the_network_makes_its_node_not_ready() -> None:
    rig, node = rig_of("1.11.7")
    NodeNetwork(rig.store)
    pod = rig.pod(node)
    assert pod["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    ending = {**pod["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    rig.store.apply("pods", {**pod, "metadata": ending})
    assert ready_condition(rig, node)["status"] == "False"
    assert "cni plugin not initialized" in ready_condition(rig, node)["message"]
    rig.delete_pod(node)
    assert ready_condition(rig, node)["status"] == "False"
    rig.run_for(BOOT)
    assert ready_condition(rig, node)["status"] == "True"
