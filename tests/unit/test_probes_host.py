"""The probes of what the host uses, under real shells against a root of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.probe_shells import SHELLS, Container, make_container
from tui.cilium.frames import EXIT_NOT_FOUND
from tui.cilium.hostclients import parse_clients
from tui.cilium.neighbors import parse_neighbors
from tui.cilium.sockets import parse_sockets
from tui.model.host import HostClients, Neighbors, NfsServer, UdpSockets
from tui.safety import clean

SERVERS = (
    b"NV SERVER   PORT USE HOSTNAME\n"
    b"v4 0a600a01  801   2 10.96.10.1\n"
    b"v3 fd00000000000000000000000000000a 801 1 nfs.example.com\n"
)
DEBUG_DATA = b"""Display Internal CIFS Data Structures for Debugging
---------------------------------------------------
CIFS Version 2.48
Servers:
1) ConnectionId: 0x1 Hostname: smb.example.com
\tSessions:
\t1) Address: 10.96.7.7:445 Uses: 1 Capability: 0x300067\tSession Status: 1
"""
NETSTAT = b"""TcpExt: SyncookiesSent TCPFastOpenActive TCPFastOpenPassive TCPSpuriousRtxHostQueues
TcpExt: 0 4 17 9
IpExt: InNoRoutes TCPFastOpenPassive
IpExt: 1 99
"""
MODULES = b"nfs 458752 2 nfsv4, Live 0x0\nsunrpc 700416 9 nfs, Live 0x0\nnfsd 1 1 - Live 0x0\n"
LOG = """echo '[1.0] libceph: wrong peer, want 10.0.1.7:6789/0, got 10.96.0.9:6789/0'
echo '[2.0] nfs: server 10.96.10.1 not responding, timed out'
echo '[3.0] eth0: link up'"""
UDP_TITLE = b"   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
ADDRESS = "/sys/kernel/sunrpc/xprt-switches/switch-{n}/xprt-{n}-tcp/dstaddr"


@pytest.fixture(params=SHELLS)
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Container:
    return make_container(str(request.param), tmp_path)


def clients(container: Container) -> HostClients:
    frame = container.run("clients")["clients"]
    assert (frame.exit_code, frame.stderr) == (0, b"")
    return parse_clients(frame.stdout)


def sockets(container: Container) -> UdpSockets:
    frame = container.run("sockets")["sockets"]
    assert (frame.exit_code, frame.stderr) == (0, b"")
    return parse_sockets(frame.stdout)


def test_everything_in_use_is_read(container: Container) -> None:
    container.file("/proc/net/nfsfs/servers", SERVERS)
    for number, text in enumerate((b"10.96.10.1\n", b"/run/rpcbind.sock\n", b"10.96.10.1\n")):
        container.file(ADDRESS.format(n=number), text)
    container.file("/proc/fs/cifs/DebugData", DEBUG_DATA)
    container.file("/sys/bus/rbd/devices/0/name")
    container.file("/sys/bus/rbd/devices/1/name")
    container.file("/sys/class/bdi/ceph-1/read_ahead_kb")
    container.file("/sys/class/bdi/254:0/read_ahead_kb")
    container.file("/proc/modules", MODULES)
    container.file("/proc/sys/net/ipv4/tcp_fastopen", b"3\n")
    container.file("/proc/net/netstat", NETSTAT)
    container.file("/proc/net/sctp/assocs", b" ASSOC SOCK\n a 1\n b 2\n")
    container.stub("dmesg", LOG)
    found = clients(container)
    assert found.nfs_servers == (
        NfsServer("10.96.10.1", 2049, 2, clean("10.96.10.1")),
        NfsServer("fd00::a", 2049, 1, clean("nfs.example.com")),
    )
    assert found.sunrpc_addresses == ("10.96.10.1",)
    assert found.smb_servers == ("smb.example.com", "10.96.7.7")
    assert (found.rbd_devices, found.ceph_filesystems) == (2, 1)
    assert found.module_uses == {"nfs": 2, "sunrpc": 9}
    assert (found.tcp_fastopen, found.fastopen_passive) == (3, 17)
    assert found.sctp_associations == 2
    assert [line[:5] for line in found.kernel_log or ()] == ["[1.0]", "[2.0]"]


TCP = b"""  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  inode
   0: 0100007F:0801 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4411 1 0 100
   1: 0A00000A:0385 1F00400A:0801 02 00000001:00000000 01:00000123 00000005 0 0 8810 2 0 20
   2: 0A00000A:0386 1E00400A:0801 01 00000000:00000000 00:00000000 00000000 0 0 8811 1 0 20
   3: 0A00000A:9C40 1D00400A:0801 01 00000000:00000000 00:00000000 00000000 1000 0 8812 1 0 20
   4: 0A00000A:0801 1C00400A:9C40 01 00000000:00000000 00:00000000 00000000 0 0 8813 1 0 20
"""


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/proc/net/nfsfs/servers", SERVERS),
        ("/proc/fs/cifs/DebugData", DEBUG_DATA),
        ("/proc/net/nfsfs/servers", b"NV SERVER   PORT USE HOSTNAME\n"),
    ],
)
def test_connections_of_the_kernels_clients_show_the_backend(
    container: Container, path: str, content: bytes
) -> None:
    container.file("/proc/net/tcp", TCP)
    container.file(path, content)
    peers = clients(container).storage_peers
    if b"\nv" not in content and b"\n1" not in content:
        assert peers is None
        return
    assert [(one.address, one.is_established) for one in peers or ()] == [
        ("10.64.0.31", False),
        ("10.64.0.30", True),
    ]


def test_an_idle_host_has_none_and_an_unreadable_one_is_unknown(container: Container) -> None:
    unknown = clients(container)
    assert unknown.module_uses is None
    assert (unknown.nfs_servers, unknown.sunrpc_addresses, unknown.smb_servers) == ((), (), ())
    assert (unknown.rbd_devices, unknown.ceph_filesystems) == (None, None)
    assert (unknown.tcp_fastopen, unknown.fastopen_passive, unknown.kernel_log) == (None,) * 3
    container.file("/proc/modules", b"ext4 1 1 - Live 0x0\n")
    container.file("/sys/class/bdi/254:0/read_ahead_kb")
    container.stub("dmesg", "echo nothing of interest")
    idle = clients(container)
    assert (idle.rbd_devices, idle.ceph_filesystems, idle.sctp_associations) == (0, 0, 0)
    assert (idle.module_uses, idle.kernel_log) == ({}, ())


def test_a_loaded_module_without_its_file_is_unknown(container: Container) -> None:
    container.file("/proc/modules", b"nfs 1 1 - Live\ncifs 1 1 - Live\nsctp 1 0 - Live\n")
    container.file("/proc/net/rpc/nfs")
    found = clients(container)
    assert (found.nfs_servers, found.smb_servers, found.sctp_associations) == (None, None, None)
    assert found.sunrpc_addresses is None


def test_a_denied_kernel_log_is_unknown(container: Container) -> None:
    container.stub(
        "dmesg", "echo 'dmesg: read kernel buffer failed: Operation not permitted' >&2; exit 1"
    )
    assert clients(container).kernel_log is None


def test_the_kernel_log_is_bounded(container: Container) -> None:
    container.stub(
        "dmesg",
        'i=0; while [ $i -lt 200 ]; do echo "[$i] nfs: server $i not responding"; i=$((i+1)); done',
    )
    lines = clients(container).kernel_log or ()
    assert len(lines) == 30
    assert lines[-1].startswith("[199]")


def udp(*remotes: str) -> bytes:
    rows = [
        f"  {slot}: 0100007F:A000 {remote} 01 00000000:00000000 00:00000000 00000000 0 0 1 2\n"
        for slot, remote in enumerate(remotes)
    ]
    return UDP_TITLE + "".join(rows).encode()


def test_connected_sockets_are_counted_by_their_remote_address(container: Container) -> None:
    container.file(
        "/proc/net/udp", udp("00000000:0000", "0A00600A:0035", "0A00600A:0035", "0300000A:1F90")
    )
    mapped = "0000000000000000FFFF00000A00600A:0035"
    real = "000000FD000000000000000001000000:0035"
    container.file("/proc/net/udp6", udp("0" * 32 + ":0000", mapped, real))
    found = sockets(container)
    assert [(peer.address, peer.port, peer.count) for peer in found.peers] == [
        ("10.0.0.3", 8080, 1),
        ("10.96.0.10", 53, 2),
        ("10.96.0.10", 53, 1),
        ("fd00::1", 53, 1),
    ]
    assert {peer.namespace for peer in found.peers} == {"host"}
    assert (found.pod_namespaces_read, found.is_truncated) == (None, False)


NSENTER = """p=${1#--net=}; shift
case "$p" in */denied) echo "nsenter: reassociate: Operation not permitted" >&2; exit 1 ;; esac
[ "$*" = "cat /proc/net/udp /proc/net/udp6" ] || exit 9
cat "$CILTOP_ROOT/pods/${p##*/}" """


def test_pods_sockets_are_read_in_their_namespaces(container: Container) -> None:
    container.file("/proc/net/udp", udp())
    container.stub("nsenter", NSENTER)
    for name, remote in (("cni-a", "0A00600A:0035"), ("cni-b", "00000000:0000")):
        container.file(f"/var/run/cilium/netns/{name}")
        container.file(f"/pods/{name}", udp(remote))
    container.file("/var/run/cilium/netns/denied")
    found = sockets(container)
    assert found.pod_namespaces_read == 2
    (peer,) = found.peers
    assert (peer.namespace, peer.address, peer.port) == ("cni-a", "10.96.0.10", 53)


@pytest.mark.parametrize("names", [["denied"], []])
def test_namespaces_that_cant_be_entered_are_unknown(
    container: Container, names: list[str]
) -> None:
    container.file("/proc/net/udp", udp())
    for name in names:
        container.file(f"/var/run/cilium/netns/{name}")
    (container.root / "var/run/cilium/netns").mkdir(parents=True, exist_ok=True)
    container.stub("nsenter", NSENTER)
    # An empty folder is a node without pods.
    assert sockets(container).pod_namespaces_read == (None if names else 0)


def test_without_nsenter_pods_are_unknown(container: Container) -> None:
    (container.path / "bin" / "nsenter").unlink(missing_ok=True)
    container.file("/proc/net/udp", udp())
    container.file("/var/run/cilium/netns/cni-a")
    assert sockets(container).pod_namespaces_read is None


def test_many_remote_addresses_are_cut_at_the_source(container: Container) -> None:
    container.file("/proc/net/udp", udp(*(f"{n:08X}:0035" for n in range(1, 3000))))
    frame = container.run("sockets")["sockets"]
    assert len(frame.stdout) < 8_000
    found = parse_sockets(frame.stdout)
    assert (len(found.peers), found.is_truncated) == (200, True)


def test_an_unreadable_host_is_no_host_without_sockets(container: Container) -> None:
    frame = container.run("sockets")["sockets"]
    assert b"# host" not in frame.stdout


IP = """case "$*" in
"-o neigh")
  echo "10.0.0.1 dev eth0 lladdr 02:00:00:00:00:01  REACHABLE "
  echo "10.0.0.2 dev eth0 lladdr 02:00:00:00:00:02 managed extern_learn  REACHABLE "
  echo "10.0.0.3 dev eth0 lladdr 02:00:00:00:00:03 extern_learn  STALE "
  echo "10.1.0.9 dev eth1 managed extern_learn  FAILED "
  echo "10.64.0.9 dev lxc1234  FAILED "
  echo "fe80::1 dev eth1  FAILED " ;;
"-o route show default") echo "default via 10.0.0.1 dev eth0 proto dhcp metric 100 " ;;
"-o -6 route show default")
  printf 'default proto ra \\\\\\tnexthop via fe80::1 dev eth1 weight 1\\n' ;;
*) exit 9 ;;
esac"""


def neighbors(container: Container) -> Neighbors:
    frame = container.run("neighbors")["neighbors"]
    assert (frame.exit_code, frame.stderr) == (0, b"")
    return parse_neighbors(frame.stdout)


def put_devices(container: Container) -> None:
    devices = {"lo": 1, "eth0": 2, "bond0": 7, "lxc1234": 20, "eth1": 31}
    for name, index in devices.items():
        folder = f"/sys/class/net/{name}"
        container.file(f"{folder}/ifindex", f"{index}\n".encode())
        kind = b"DEVTYPE=bond\n" if name == "bond0" else b""
        container.file(f"{folder}/uevent", kind + f"INTERFACE={name}\n".encode())
        if name.startswith("eth"):
            container.file(f"{folder}/device/vendor")
    container.file("/sys/class/net/bonding_masters", b"bond0\n")


def test_devices_and_their_neighbors_are_read(container: Container) -> None:
    put_devices(container)
    container.stub("ip", IP)
    found = neighbors(container)
    rows = [
        (one.name, one.index, one.kind, one.agent_neighbors, one.failed_neighbors)
        for one in found.devices
    ]
    assert rows == [
        ("lo", 1, "virtual", 0, 0),
        ("eth0", 2, "physical", 2, 0),
        ("bond0", 7, "bond", 0, 0),
        ("eth1", 31, "physical", 1, 2),
    ]
    assert found.default_devices == ("eth0", "eth1")
    assert found.failed == (("10.1.0.9", "eth1"), ("fe80::1", "eth1"))


def test_without_ip_or_with_a_failing_one_nothing_is_claimed(container: Container) -> None:
    put_devices(container)
    (container.path / "bin" / "ip").unlink(missing_ok=True)
    assert container.run("neighbors")["neighbors"].exit_code == EXIT_NOT_FOUND
    container.stub("ip", "echo 'Cannot open netlink socket' >&2; exit 1")
    frame = container.run("neighbors")["neighbors"]
    assert frame.exit_code == 1
    assert b"netlink" in frame.stderr
