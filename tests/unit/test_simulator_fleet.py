from __future__ import annotations

import json
import re
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.simulator_rig import NONCE, START, Rig, agent_of, coverage
from tui.cilium.frames import parse_frames
from tui.cilium.maps import parse_maps
from tui.cilium.probes import PROBES, exec_argv
from tui.cilium.status import parse_status
from tui.model.services import FaultKind
from tui.simulator.fleet import SCENARIOS, ContainerNotFoundError, Fleet
from tui.simulator.model import SimNode
from tui.simulator.scenarios import NodeGroup, QuirkKind

BACKENDS = "cilium_lb4_backends_v2"
SERVICES = "cilium_lb4_services_v2"


def test_a_healthy_cluster_is_judged_healthy_by_ciltop_itself() -> None:
    rig = Rig("healthy")
    for node in rig.fleet.nodes:
        found = coverage(rig, node)
        assert found.faults == ()
        assert found.held_frontends == found.wanted_frontends > 30
        assert found.held_backends == found.wanted_backends > 90


def test_shrunk_is_the_incident_that_was_walked_by_hand() -> None:
    rig = Rig("shrunk")
    node = rig.fleet.node("node3")
    found = coverage(rig, node)
    assert (found.missing_frontends, found.wanted_frontends) == (16, 32)
    assert (found.wanted_backends, found.wanted_service_entries) == (95, 127)
    missing = [fault.service for fault in found.faults if fault.fault is FaultKind.MISSING]
    assert missing[:2] == ["default/echo", "default/load-0"]
    counts = rig.probe(node, "counts")["counts"].stdout.decode()
    assert {f"{SERVICES} 64", f"{BACKENDS} 64"} <= set(counts.splitlines())
    listed = rig.command(node, "cilium", "map", "list")
    assert re.search(rf"^{BACKENDS} +75 +11 +true$", listed, re.MULTILINE)
    assert re.search(rf"^{SERVICES} +21 +5 +true$", listed, re.MULTILINE)


def test_shrunk_looks_well_to_everything_but_the_kernel() -> None:
    rig = Rig("shrunk")
    node = rig.fleet.node("node3")
    assert all(condition["status"] == "True" for condition in rig.pod(node)["status"]["conditions"])
    status = parse_status(rig.probe(node, "status")["status"].stdout)
    assert status.cilium.state == "Ok"
    failing = {found.synced_map: found.consecutive_failures for found in status.failing_controllers}
    assert failing[BACKENDS] in {61, 62}
    assert rig.command(node, "cilium", "status", "--brief").startswith("error in controller")
    others = [found for found in rig.fleet.nodes if found is not node]
    assert {agent_of(found).maps.balancer.capacity for found in others} == {1024}
    config = rig.store.get("configmaps", "kube-system", "cilium-config")
    assert config is not None
    assert config["data"]["bpf-lb-map-max"] == "64"
    newest = config["metadata"]["managedFields"][-1]
    assert newest["manager"] == "kubectl-patch"


def test_shrunk_logged_its_errors_in_one_second_at_the_start() -> None:
    rig = Rig("shrunk")
    node = rig.fleet.node("node3")
    lines = rig.fleet.log(node.pod_name, "cilium-agent", False)
    moments = [line.time for line in lines if b"Error while inserting" in line.text]
    assert len(moments) == 16
    assert max(moments) - min(moments) < 1.0
    assert START - max(moments) > 25 * 60
    full = [line for line in lines if b"the map is full, please consider" in line.text]
    assert len(full) == 11


def test_restarting_another_agent_of_shrunk_spreads_the_outage() -> None:
    rig = Rig("shrunk")
    node = rig.fleet.node("node1")
    assert coverage(rig, node).missing_frontends == 0
    rig.delete_pod(node)
    rig.run_for(6)
    assert agent_of(node).maps.balancer.capacity == 64
    assert coverage(rig, node).missing_frontends == 16


def test_a_larger_map_and_a_restart_bring_all_services_back() -> None:
    rig = Rig("shrunk")
    node = rig.fleet.node("node3")
    rig.patch_config(bpf_lb_map_max="256")
    rig.run_for(2)
    assert coverage(rig, node).missing_frontends == 16
    rig.delete_pod(node)
    assert not agent_of(node).maps.balancer.services
    rig.run_for(6)
    assert coverage(rig, node).faults == ()
    assert "--bpf-lb-map-max='256'" in "\n".join(rig.log(node))


def test_a_leak_fills_the_map_within_two_minutes_and_the_real_lines_appear() -> None:
    rig = Rig("mixed")
    node = rig.node_with(QuirkKind.LEAK)
    balancer = agent_of(node).maps.balancer
    assert len(balancer.backends) == int(0.55 * balancer.capacity)
    rig.run_for(60)
    assert 0.75 < len(balancer.backends) / balancer.capacity < 0.85
    assert not any("the map is full" in line for line in rig.log(node))
    rig.run_for(60)
    assert len(balancer.backends) == balancer.capacity
    rig.run_for(30)
    lines = [line for line in rig.log(node) if "the map is full" in line]
    assert any(
        re.search(rf"Unable to update element for {BACKENDS} map with file descriptor 15", line)
        for line in lines
    )
    found = coverage(rig, node)
    assert found.missing_frontends > 0
    others = [found for found in rig.fleet.nodes if found.group == "old" and found is not node]
    assert all(coverage(rig, found).missing_frontends == 0 for found in others)


def test_a_leak_shows_as_duplicates_that_the_agent_does_not_know_of() -> None:
    rig = Rig("leak")
    node = rig.node_with(QuirkKind.LEAK)
    rig.run_for(30)
    balancer = agent_of(node).maps.balancer
    assert len(balancer.backends) - len(set(balancer.backends.values())) > 300
    known = balancer.agent_backend_count()
    assert known < len(balancer.backends) / 2
    listed = rig.command(node, "cilium", "map", "list")
    assert re.search(rf"^{BACKENDS} +{known} +0 +true$", listed, re.MULTILINE)


def test_a_restart_does_not_end_a_leak_but_a_resize_flushes_it() -> None:
    rig = Rig("leak")
    node = rig.node_with(QuirkKind.LEAK)
    rig.run_for(30)
    before = len(agent_of(node).maps.balancer.leaked)
    rig.delete_pod(node)
    assert len(agent_of(node).maps.balancer.leaked) == before
    rig.patch_config(bpf_lb_map_max="2048")
    rig.delete_pod(node)
    assert not agent_of(node).maps.balancer.backends


def test_accounting_follows_the_entries_on_new_kernels_only() -> None:
    rig = Rig("leak")
    leaking = rig.node_with(QuirkKind.LEAK)
    old = next(node for node in rig.fleet.nodes if node.group == "older")
    before = _memory(rig, leaking)
    rig.run_for(20)
    added = len(agent_of(leaking).maps.balancer.backends)
    size = agent_of(leaking).maps.balancer.capacity
    assert _memory(rig, leaking) == 896 + 16 * size + added * 72 > before
    assert _memory(rig, old) == _up(16 * size + size * 64)


def _up(size: int) -> int:
    return -(-size // 4096) * 4096


def _memory(rig: Rig, node: SimNode) -> int:
    maps = parse_maps(rig.probe(node, "maps")["maps"].stdout)
    return next(entry.memory_bytes or 0 for entry in maps if entry.pin == BACKENDS)


def test_agents_follow_a_change_of_services_within_two_seconds() -> None:
    rig = Rig("healthy")
    service = rig.store.get("services", "shop", "web-9")
    assert service is not None
    rig.store.delete("services", "shop", "web-9")
    rig.run_for(1.5)
    for node in rig.fleet.nodes:
        assert coverage(rig, node).faults == ()
        assert service["spec"]["clusterIP"] not in rig.command(
            node, agent_of(node).release.binary, "bpf", "lb", "list"
        )


def test_a_restart_reads_config_and_node_overrides_that_match() -> None:
    rig = Rig("mixed")
    new = next(node for node in rig.fleet.nodes if node.group == "new")
    old = next(node for node in rig.fleet.nodes if node.group == "old")
    override = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNodeConfig",
        "metadata": {"name": "hostns", "namespace": "kube-system"},
        "spec": {
            "nodeSelector": {"matchLabels": {"kubernetes.io/os": "linux"}},
            "defaults": {"bpf-lb-sock-hostns-only": "true"},
        },
    }
    rig.store.apply("ciliumnodeconfigs", override)
    binary = agent_of(new).release.binary
    assert not _hostns_only(rig.command(new, binary, "status", "-o", "json"))
    for node in (new, old):
        rig.delete_pod(node)
    rig.run_for(6)
    assert _hostns_only(rig.command(new, binary, "status", "-o", "json"))
    assert agent_of(old).config.get("bpf-lb-sock-hostns-only") == ""


def _hostns_only(text: str) -> bool:
    features = json.loads(text)["kube-proxy-replacement"]["features"]
    return bool(features.get("bpfSocketLBHostnsOnly"))


def test_a_restart_gives_a_new_container_that_is_down_until_it_is_ready() -> None:
    rig = Rig("healthy")
    node = rig.fleet.nodes[0]
    before = agent_of(node).container_id
    rig.delete_pod(node)
    assert agent_of(node).container_id != before
    assert rig.probe(node, "status")["status"].exit_code == 69
    assert rig.probe(node, "maps")["maps"].exit_code == 0
    assert not rig.pod(node)["status"]["containerStatuses"][0]["ready"]
    rig.run_for(6)
    status = rig.pod(node)["status"]["containerStatuses"][0]
    assert status["ready"]
    assert status["containerID"] == agent_of(node).container_id
    lines = rig.log(node)
    assert sum("Daemon initialization completed" in line for line in lines) == 1
    assert any("--kube-proxy-replacement=" in line for line in lines)


def test_a_crash_loop_keeps_the_previous_log_and_ends_with_its_cause() -> None:
    rig = Rig("mixed")
    node = rig.node_with(QuirkKind.CRASH_LOOP)
    waiting = rig.pod(node)["status"]["containerStatuses"][0]
    assert waiting["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert waiting["restartCount"] == 7
    with pytest.raises(ContainerNotFoundError):
        rig.command(node, "cilium-dbg", "status")
    assert "specified NAT tables size 1048576" in rig.log(node)[-1]
    assert "specified NAT tables size 1048576" in rig.log(node, previous=True)[-1]
    rig.run_for(330)
    assert rig.pod(node)["status"]["containerStatuses"][0]["restartCount"] > 7
    override = next(
        found
        for found in rig.store.list("ciliumnodeconfigs")
        if "bpf-nat-global-max" in found["spec"]["defaults"]
    )
    rig.store.delete("ciliumnodeconfigs", "kube-system", override["metadata"]["name"])
    rig.delete_pod(node)
    rig.run_for(6)
    assert rig.pod(node)["status"]["containerStatuses"][0]["ready"]


def test_the_same_seed_gives_the_same_run_and_another_one_does_not() -> None:
    runs: list[tuple[list[str], list[str], list[list[str]]]] = []
    for seed in (1, 1, 2):
        rig = Rig("mixed", seed=seed)
        rig.run_for(40, step=0.5 if runs else 1.0)
        names = [node.name for node in rig.fleet.nodes]
        logs = [rig.log(node) for node in rig.fleet.nodes]
        runs.append((names, [agent_of(node).container_id for node in rig.fleet.nodes], logs))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_every_scenario_answers_every_probe() -> None:
    names = [name for name in PROBES if not name.endswith("=")] + [f"count={SERVICES}"]
    for scenario in SCENARIOS:
        rig = Rig(scenario)
        rig.run_for(5)
        answered = 0
        for node in rig.fleet.nodes:
            try:
                frames = rig.probe(node, *names)
            except ContainerNotFoundError:
                assert node.is_looping
                continue
            answered += frames.keys() >= set(names)
            assert {frame.exit_code for frame in frames.values()} <= {0, 66, 69, None}
        assert answered >= len(rig.fleet.nodes) - 3


def test_unknown_scripts_are_refused() -> None:
    rig = Rig("healthy")
    node = rig.fleet.nodes[0]
    argv = exec_argv(NONCE, ["status"])
    argv[2] += "\ntouch /tmp/owned"
    result = rig.fleet.exec(node.pod_name, "cilium-agent", argv, b"")
    assert result.exit_code == 126
    assert result.stdout == b""
    result = rig.fleet.exec(node.pod_name, "cilium-agent", ["sh", "-c", "id"], b"")
    assert (result.exit_code, result.stdout) == (126, b"")
    result = rig.fleet.exec(node.pod_name, "cilium-agent", ["python3"], b"")
    assert b"executable file not found" in result.stderr


def test_unknown_probes_cost_their_own_frame_only() -> None:
    rig = Rig("healthy")
    node = rig.fleet.nodes[0]
    argv = [*exec_argv(NONCE, ["version"]), "nonsense"]
    result = rig.fleet.exec(node.pod_name, "cilium-agent", argv, b"")
    frames = parse_frames(NONCE, result.stdout, result.stderr)
    assert (frames["version"].exit_code, frames["nonsense"].exit_code) == (0, 64)


def test_1_19_logs_its_failing_frontends_again_and_again() -> None:
    base = SCENARIOS["healthy"]
    group = NodeGroup("new", 1, "1.19.4", "6.18.44")
    small = replace(base, groups=(group,), config={**base.config, "bpf-lb-map-max": "64"})
    rig = Rig(small)
    rig.run_for(5)
    node = rig.fleet.nodes[0]
    first = _updating(rig.log(node))
    rig.run_for(130)
    assert _updating(rig.log(node)) > first > 0
    status = parse_status(rig.probe(node, "status")["status"].stdout)
    assert status.failing_controllers == ()


def _updating(lines: list[str]) -> int:
    return sum("Updating frontend failed" in line for line in lines)


def test_logs_mix_the_formats_that_a_release_mixes() -> None:
    rig = Rig("storm")
    rig.run_for(20)
    node = next(node for node in rig.fleet.nodes[::4] if node.group == "main")
    lines = rig.log(node)
    assert any(line.startswith('time="') for line in lines)
    assert any(line.startswith("time=2") for line in lines)
    assert any(line.startswith('{"level":"warn"') for line in lines)
    assert len(lines) > 1000


def test_5000_nodes_are_small() -> None:
    tracemalloc.start()
    try:
        fleet = Fleet(SCENARIOS["mixed"], 5000, 1, lambda: START)
        objects = fleet.seed_objects()
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(fleet.nodes) == 5000
    agents = [
        found
        for found in objects
        if found["kind"] == "Pod" and found["metadata"]["namespace"] == "kube-system"
    ]
    assert len(agents) == 5000
    assert used < 150 * 2**20
    assert len({id(node.agent.maps) for node in fleet.nodes if node.agent}) < 600


def test_big_fleets_answer_with_their_own_names() -> None:
    rig = Rig("healthy", nodes=600)
    for node in rig.fleet.nodes[::150]:
        found = json.loads(rig.probe(node, "status")["status"].stdout)
        assert found["cluster"]["self"] == node.name
        addresses = found["kube-proxy-replacement"]["deviceList"][0]["ip"]
        assert node.address_text in addresses
        assert all(
            address.startswith(node.pod_cidr.removesuffix("0/24"))
            for address in found["ipam"]["ipv4"]
        )


WORDS = st.sampled_from(
    [
        *("status", "version", "metrics", "list", "ls", "map", "get", "bpf", "lb", "ct", "global"),
        *("service", "config", "endpoint", "node", "encrypt", "help", "nodeid", "maglev"),
        *("-o", "json", "-o=json", "--output", "-p", "[", "(?i", "bpf_map", "--brief", "-a"),
        *("--verbose", "--backends", "--revnat", "--frontends", "--source-ranges", "-d", "-n"),
        *("--help", "-h", "-", "--", "", "\x1b[31m", "cilium_lb4_backends_v2", "show", "pinned"),
        *("dump", "cgroup", "tree", "feature", "probe", "-j", "-f", "/sys/fs/bpf/tc/globals/x"),
    ]
)
PROGRAMS = st.sampled_from(["cilium", "cilium-dbg", "bpftool", "cat", "ls", "uname", "sh", "", "x"])


@pytest.fixture(scope="module")
def calm() -> Rig:
    return Rig("healthy")


@given(program=PROGRAMS, words=st.lists(WORDS, max_size=7))
@settings(max_examples=150, deadline=None)
def test_any_command_line_gets_an_answer(calm: Rig, program: str, words: list[str]) -> None:
    for node in calm.fleet.nodes:
        result = calm.fleet.exec(node.pod_name, "cilium-agent", [program, *words], b"")
        assert 0 <= result.exit_code <= 255
        assert result.seconds < 20
