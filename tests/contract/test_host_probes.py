"""What a simulated host uses, seen by the probes, by the script, by a person, and live."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.agent_rig import RELEASES, fleet, node_of, run
from tests.contract.live_rig import running
from tests.unit.probe_shells import Container, make_container
from tui.checks.proof.bpffs import mount_table
from tui.checks.view import ClusterView, NodeView
from tui.cilium.frames import parse_frames
from tui.cilium.hostclients import parse_clients
from tui.cilium.hostmounts import parse_mounts
from tui.cilium.neighbors import parse_neighbors
from tui.cilium.probes import exec_argv, new_nonce
from tui.cilium.sockets import parse_sockets
from tui.model.cluster import ClusterFacts
from tui.model.host import HostFacts, MapSurvival
from tui.model.snapshot import NodeFacts
from tui.simulator.agents import hostfiles
from tui.simulator.config import interned
from tui.simulator.fleet import Fleet
from tui.simulator.host import (
    SimDevice,
    SimHost,
    SimNeighbor,
    SimNfsServer,
    SimStoragePeer,
    SimUdpPeer,
)

PROBES = ("clients", "sockets", "neighbors", "mounts")
PARSERS = {
    "clients": parse_clients,
    "sockets": parse_sockets,
    "neighbors": parse_neighbors,
    "mounts": parse_mounts,
}


def fill(host: SimHost) -> None:
    """Have one node use everything."""
    host.nfs_servers = [SimNfsServer("10.96.8.1", hostname="nfs.storage"), SimNfsServer("fd00::7")]
    host.smb_servers = ["smb.example.com", "10.96.7.7"]
    host.storage_peers = [
        SimStoragePeer("10.64.0.31", is_established=False),
        SimStoragePeer("fd00::31", 445),
    ]
    host.rbd_devices, host.ceph_filesystems, host.sctp_associations = 2, 1, 3
    host.tcp_fastopen, host.fastopen_passive = 3, 17
    host.kernel_log = ["nfs: server nfs.storage not responding, timed out", "eth1: link is up"]
    host.can_read_kernel_log = True
    host.pod_namespaces = ["cni-a", "cni-b"]
    host.udp_peers = [
        SimUdpPeer("10.96.0.10", count=3),
        SimUdpPeer("10.64.0.9", 8125),
        SimUdpPeer("fd00::a"),
        SimUdpPeer("10.64.0.10", namespace="cni-b"),
    ]
    host.devices.append(SimDevice("eth1", 31, has_default_route=True))
    host.neighbors = [
        SimNeighbor("192.0.2.1", "eth0"),
        SimNeighbor("192.0.2.2", "eth1", "FAILED"),
        SimNeighbor("192.0.2.3", "eth1", "FAILED", is_agents=False),
        SimNeighbor("192.0.2.4", "eth1", "STALE", is_agents=False),
    ]


def answers(found: Fleet, release: str) -> dict[str, bytes]:
    nonce = new_nonce()
    result = run(found, release, exec_argv(nonce, PROBES))
    frames = parse_frames(nonce, result.stdout, result.stderr)
    assert {frame.exit_code for frame in frames.values()} == {0}
    return {name: frame.stdout for name, frame in frames.items()}


def container_of(found: Fleet, release: str, path: Path) -> Container:
    """Lay out the files of a simulated node for the real script."""
    node = node_of(found, release)
    agent = node.agent
    assert agent is not None
    container = make_container("dash", path)
    for name, content in hostfiles.files(node, agent).items():
        container.file(name, content)
    for folder, names in hostfiles.folders(node, agent).items():
        for name in names:
            if not (container.root / folder.lstrip("/") / name).exists():
                container.file(f"{folder}/{name}")
        (container.root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    container.pin("cilium_lxc")
    neigh = "".join(map(hostfiles.neighbor_line, hostfiles.neighbors(node, agent)))
    routes = "".join(hostfiles.default_routes(node))
    container.stub(
        "ip",
        f'case "$*" in "-o neigh") printf %s {shlex.quote(neigh)} ;;'
        f' "-o route"*) printf %s {shlex.quote(routes)} ;; esac',
    )
    lines = hostfiles.kernel_log(node, agent)
    log = "exit 1" if lines is None else f"printf %s {shlex.quote(''.join(lines))}"
    container.stub("dmesg", log)
    spaces = [
        f"*/{name}) printf %s "
        + shlex.quote(
            "".join(hostfiles.udp_table(node.host.udp_peers, name, family) for family in (4, 6))
        )
        + " ;;"
        for name in hostfiles.pod_namespaces(node)
    ]
    container.stub("nsenter", f'case "$1" in {" ".join(spaces)} esac')
    return container


@pytest.mark.parametrize("is_used", [False, True])
@pytest.mark.parametrize("release", RELEASES)
def test_the_script_and_the_model_give_the_same_answers(
    release: str, is_used: bool, tmp_path: Path
) -> None:
    found = fleet()
    if is_used:
        fill(node_of(found, release).host)
    modelled = answers(found, release)
    container = container_of(found, release, tmp_path)
    root = str(container.root).encode()
    for name, frame in container.run(*PROBES).items():
        assert frame.exit_code == 0, frame.stderr
        scripted = frame.stdout.replace(root, b"")
        assert sorted(scripted.splitlines()) == sorted(modelled[name].splitlines())
        assert PARSERS[name](scripted) == PARSERS[name](modelled[name])


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_is_in_use_by_default(release: str) -> None:
    found = answers(fleet(), release)
    clients = parse_clients(found["clients"])
    assert (clients.nfs_servers, clients.sunrpc_addresses, clients.smb_servers) == ((), (), ())
    assert (clients.rbd_devices, clients.ceph_filesystems, clients.sctp_associations) == (0, 0, 0)
    assert (clients.tcp_fastopen, clients.fastopen_passive) == (1, 0)
    assert clients.kernel_log == (() if release == "1.19.4" else None)
    sockets = parse_sockets(found["sockets"])
    assert sockets.peers == ()
    assert (sockets.pod_namespaces_read is None) == (release == "1.11.7")
    neighbors = parse_neighbors(found["neighbors"])
    assert neighbors.default_devices == ("eth0",)
    assert neighbors.failed == ()
    agents = {str(one.name): one.agent_neighbors for one in neighbors.devices}
    assert agents["eth0"] == (2 if release == "1.17.5" else 0)


def test_a_person_sees_what_the_probes_say() -> None:
    found = fleet()
    release = "1.17.5"
    fill(node_of(found, release).host)

    def typed(text: str) -> str:
        result = run(found, release, text.split())
        assert result.exit_code == 0, result.stderr
        return result.stdout.decode()

    for folder in ("/proc/fs/nfsfs", "/proc/net/nfsfs"):
        assert "v4 0a600801  801   1 nfs.storage\n" in typed(f"cat {folder}/servers")
    dstaddr = typed("cat /sys/kernel/sunrpc/xprt-switches/switch-0/xprt-0-tcp/dstaddr")
    assert dstaddr == "10.96.8.1\n"
    assert "1F00400A:0801 02" in typed("cat /proc/net/tcp")
    assert "Hostname: smb.example.com" in typed("cat /proc/fs/cifs/DebugData")
    assert "0A00600A:0035" in typed("cat /proc/net/udp")
    namespace = "/var/run/cilium/netns/cni-b"
    assert "0A00400A:0035" in typed(f"nsenter --net={namespace} cat /proc/net/udp")
    assert typed("ls /var/run/cilium/netns") == "cni-a\ncni-b\n"
    assert typed("ls /sys/bus/rbd/devices") == "0\n1\n"
    assert typed("cat /proc/sys/net/ipv4/tcp_fastopen") == "3\n"
    assert "rbd " in typed("cat /proc/modules")
    assert "192.0.2.2 dev eth1 managed extern_learn  FAILED" in typed("ip neigh show dev eth1")
    assert '"dst":"192.0.2.1"' in typed("ip -j neigh")
    assert "dev eth1" in typed("ip route show default")
    assert "not responding" in typed("dmesg")
    denied = run(found, "1.11.7", ["dmesg"])
    assert (denied.exit_code, denied.stdout) == (1, b"")
    assert run(found, "1.11.7", ["cat", "/proc/fs/cifs/DebugData"]).exit_code == 1


async def test_host_facts_are_read_live(tmp_path: Path) -> None:
    def prepare(found: Fleet) -> None:
        for node in found.nodes:
            node.host.nfs_servers = [SimNfsServer("10.96.8.1")]
            node.host.udp_peers = [SimUdpPeer("10.96.0.10")]

    async with running(tmp_path, prepare=prepare) as rig:

        def facts_of(facts: NodeFacts) -> HostFacts:
            return facts.host.value or HostFacts()

        await rig.until(
            lambda: (
                len(rig.nodes) == 3
                and all(facts_of(one).clients and facts_of(one).sockets for one in rig.nodes)
            ),
            "host facts of all nodes",
        )
        for facts in rig.nodes:
            host = facts_of(facts)
            assert host.clients is not None
            assert [one.address for one in host.clients.nfs_servers or ()] == ["10.96.8.1"]
            assert host.sockets is not None
            assert [peer.port for peer in host.sockets.peers] == [53]
            # 1.11.7 and 1.19.4: neither needs them.
            assert host.neighbors is None
            assert "1.12 to 1.17" in host.reasons["neighbors"]
            assert set(host.read_at) == {"clients", "sockets", "mounts"}
            assert all(abs(time.time() - at) < 60 for at in host.read_at.values())
            assert facts.host.origin is not None
            assert facts.host.origin.source.startswith("cat /proc/")


@pytest.mark.parametrize("release", RELEASES)
def test_the_mounts_tell_whether_maps_outlive_a_restart(release: str, tmp_path: Path) -> None:
    found = fleet()
    node = node_of(found, release)
    mounts = parse_mounts(answers(found, release)["mounts"])
    assert (mounts.survival, mounts.root) == (MapSurvival.YES, "/sys/fs/bpf")
    found.misbehave(node.name, "bpffs-unmounted", {}, "")
    modelled = answers(found, release)["mounts"]
    mounts = parse_mounts(modelled)
    assert (mounts.survival, mounts.root) == (MapSurvival.NO, "/sys/fs/bpf")
    scripted = container_of(found, release, tmp_path).run("mounts")["mounts"].stdout
    assert scripted == modelled
    seen = run(found, release, ["cat", "/proc/self/mountinfo"]).stdout
    assert b" /sys/fs/bpf rw,relatime - bpf /sys/fs/bpf rw" in seen


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("is_own", [True, False])
def test_maps_in_another_bpffs_are_found_by_script_and_person(
    release: str, is_own: bool, tmp_path: Path
) -> None:
    found, root = fleet(), "/run/cilium/bpffs" if is_own else "/mnt/maps"
    node = node_of(found, release)
    if is_own:
        found.misbehave(node.name, "bpffs-unmounted", {}, root)
    else:
        assert node.agent is not None
        values = {**node.agent.config.values, "bpf-root": root}
        node.agent = replace(node.agent, config=interned(tuple(values.items())))
    modelled = answers(found, release)["mounts"]
    mounts = parse_mounts(modelled)
    wanted = MapSurvival.NO if is_own else MapSurvival.YES
    assert (mounts.survival, mounts.root) == (wanted, root)
    container = container_of(found, release, tmp_path)
    container.unpin()
    container.file(f"{root}/tc/globals/cilium_lxc")
    assert container.run("mounts")["mounts"].stdout == modelled
    (shown,) = json.loads(
        run(
            found, release, f"bpftool -j -f map show pinned {root}/tc/globals/cilium_lxc".split()
        ).stdout.join((b"[", b"]"))
    )
    assert shown["max_entries"]
    usual = "bpftool -j map show pinned /sys/fs/bpf/tc/globals/cilium_lxc"
    assert run(found, release, usual.split()).exit_code == 255
    assert b"cilium_lxc\n" in run(found, release, ["ls", f"{root}/tc/globals"]).stdout


async def test_maps_in_another_bpffs_are_read_live_and_say_where(tmp_path: Path) -> None:
    root = "/run/cilium/bpffs"

    def prepare(found: Fleet) -> None:
        for node in found.nodes:
            found.misbehave(node.name, "bpffs-unmounted", {}, root)

    async with running(tmp_path, prepare=prepare) as rig:
        await rig.until(
            lambda: len(rig.nodes) == 3 and all(one.maps.value for one in rig.nodes),
            "maps of all nodes",
        )
        await rig.until(
            lambda: all(
                one.services.origin is not None and one.services.value is not None
                for one in rig.nodes
            ),
            "Services of all nodes",
        )
        for facts in rig.nodes:
            assert "cilium_lxc" in {str(one.name) for one in facts.maps.value or ()}
            assert facts.services.origin is not None
            assert f" {root}/tc/globals/cilium_lb4_" in facts.services.origin.source


async def test_a_node_without_bpffs_is_known_when_its_log_is_gone(tmp_path: Path) -> None:
    def prepare(found: Fleet) -> None:
        for node in found.nodes:
            # A log is written when somebody first asks for it: here before the quirk.
            found.restarter.ensure_log(node, time.time())
            found.misbehave(node.name, "bpffs-unmounted", {}, "")

    async with running(tmp_path, prepare=prepare) as rig:
        await rig.until(
            lambda: (
                len(rig.nodes) == 3
                and all(one.host.value and one.host.value.mounts for one in rig.nodes)
            ),
            "mounts of all nodes",
        )
        for facts in rig.nodes:
            # These agents started before: their logs hold no line of it.
            assert not NodeView(facts, ClusterView(ClusterFacts(), 0.0)).logged("M25")
            assert facts.host.value is not None
            assert facts.host.value.mounts is not None
            assert facts.agent is not None
            assert facts.host.value.mounts.container_id == facts.agent.container_id
            view = NodeView(facts, ClusterView(ClusterFacts(), 0.0))
            assert mount_table(view).survival is MapSurvival.NO
