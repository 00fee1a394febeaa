"""The files under /proc and /sys that tell what a simulated node's host uses."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from tui.cilium.probes import DEFAULT_ROOT
from tui.simulator.agents.bpfroot import bpf_root
from tui.simulator.host import SimHost, SimNeighbor, SimUdpPeer
from tui.simulator.model import Agent, SimNode, uuid_from
from tui.simulator.scenarios import QuirkKind
from tui.simulator.services import text_of

NETNS = "/var/run/cilium/netns"
SWITCHES = "/sys/kernel/sunrpc/xprt-switches"
DENIED_LOG = "dmesg: read kernel buffer failed: Operation not permitted\n"
_UDP_TITLE = (
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"
    "  timeout inode ref pointer drops             \n"
)
_UDP6_TITLE = (
    "  sl  local_address                         remote_address                        st"
    " tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
)
_SCTP_TITLE = " ASSOC     SOCK   STY SST ST HBKT ASSOC-ID TX_QUEUE RX_QUEUE UID INODE LPORT RPORT\n"
_TCP_EXT = (
    "SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts TW ListenOverflows ListenDrops"
    " TCPFastOpenActive TCPFastOpenActiveFail TCPFastOpenPassive TCPFastOpenPassiveFail"
    " TCPFastOpenListenOverflow TCPFastOpenCookieReqd TCPFastOpenBlackhole"
)


def files(node: SimNode, agent: Agent) -> dict[str, bytes]:
    """Return the files that exist on this node, by their path."""
    host = node.host
    modules = host.modules()
    found = {
        "/proc/modules": _modules(modules),
        "/proc/sys/net/ipv4/tcp_fastopen": f"{host.tcp_fastopen}\n",
        "/proc/net/netstat": _netstat(host),
        "/proc/net/udp": udp_table(host.udp_peers, "host", 4),
        "/proc/net/udp6": udp_table(host.udp_peers, "host", 6),
        "/proc/net/tcp": _tcp_table(host, 4),
        "/proc/net/tcp6": _tcp_table(host, 6),
        # The container's first process is its agent: it has the container's own mounts.
        "/proc/self/mountinfo": mount_table(node, agent),
        "/proc/1/mountinfo": mount_table(node, agent),
    }
    if "nfs" in modules:
        for folder in ("/proc/fs/nfsfs", "/proc/net/nfsfs"):
            found[f"{folder}/servers"] = nfs_servers(host)
    if node.kernel.at_least(5, 14):
        for number, address in enumerate(sunrpc_addresses(host)):
            found[f"{SWITCHES}/switch-{number}/xprt-{number}-tcp/dstaddr"] = f"{address}\n"
    if "cifs" in modules:
        found["/proc/fs/cifs/DebugData"] = _debug_data(host)
    if "sctp" in modules:
        found["/proc/net/sctp/assocs"] = _SCTP_TITLE + "".join(
            f"{number:8x} {number:8x} 2 1 3 {number:<5d}{number:4d} 0 0 0 {4000 + number} 3868 3868"
            f" {node.address_text} <-> *10.0.0.9\n"
            for number in range(1, host.sctp_associations + 1)
        )
    for device in host.devices:
        folder = f"/sys/class/net/{device.name}"
        found[f"{folder}/ifindex"] = f"{device.index}\n"
        kind = "" if device.kind in {"physical", "virtual"} else f"DEVTYPE={device.kind}\n"
        found[f"{folder}/uevent"] = f"{kind}INTERFACE={device.name}\nIFINDEX={device.index}\n"
        if device.kind == "physical":
            found[f"{folder}/device/vendor"] = "0x1af4\n"
    return {path: text.encode() for path, text in found.items()}


def folders(node: SimNode, agent: Agent) -> dict[str, list[str]]:
    """Return the folders that exist, with what is in them."""
    host = node.host
    modules = host.modules()
    found = {
        "/sys/class/net": sorted(device.name for device in host.devices),
        "/sys/class/bdi": [
            *(f"ceph-{number}" for number in range(1, host.ceph_filesystems + 1)),
            "254:0",
        ],
    }
    if "sunrpc" in modules:
        found["/proc/net/rpc"] = ["auth.unix.gid", "nfs"]
        if node.kernel.at_least(5, 14):
            found[SWITCHES] = [f"switch-{n}" for n in range(len(sunrpc_addresses(host)))]
    if "rbd" in modules:
        found["/sys/bus/rbd/devices"] = [str(number) for number in range(host.rbd_devices)]
    if has_netns_folder(agent):
        found[NETNS] = pod_namespaces(node)
    return found


def has_netns_folder(agent: Agent) -> bool:
    """Tell whether the chart mounts the pods' network namespaces (1.16 and later)."""
    return agent.release.minor >= 16


def pod_namespaces(node: SimNode) -> list[str]:
    """Return the names of the pods' network namespaces."""
    named = node.host.pod_namespaces
    if named is not None:
        return sorted(named)
    return sorted(f"cni-{uuid_from(f'{node.uid}/{one}')}" for one in node.endpoints()[1:])


def sunrpc_addresses(host: SimHost) -> list[str]:
    """Return the addresses of the transports."""
    named = host.sunrpc_addresses
    return [server.address for server in host.nfs_servers] if named is None else named


def _modules(modules: dict[str, int]) -> str:
    return "".join(
        f"{name} {16384 * (2 + uses)} {uses} - Live 0x0000000000000000\n"
        for name, uses in {"vxlan": 1, "xt_socket": 0, **modules}.items()
    )


def _netstat(host: SimHost) -> str:
    values = {"SyncookiesSent": 0, "TW": 1841, "TCPFastOpenPassive": host.fastopen_passive}
    numbers = " ".join(str(values.get(name, 0)) for name in _TCP_EXT.split())
    ip_ext = "IpExt: InNoRoutes InTruncatedPkts\nIpExt: 0 0\n"
    return f"TcpExt: {_TCP_EXT}\nTcpExt: {numbers}\n{ip_ext}"


def nfs_servers(host: SimHost) -> str:
    """Return /proc/fs/nfsfs/servers."""
    lines = ["NV SERVER   PORT USE HOSTNAME\n"]
    for server in host.nfs_servers:
        digits = ipaddress.ip_address(server.address).packed.hex()
        name = server.hostname or server.address
        lines.append(f"v4 {digits} {server.port:4x} {server.uses:3d} {name}\n")
    return "".join(lines)


def _debug_data(host: SimHost) -> str:
    text = "Display Internal CIFS Data Structures for Debugging\n"
    text += "---------------------------------------------------\nCIFS Version 2.48\nServers: \n"
    for number, server in enumerate(host.smb_servers, 1):
        text += f"{number}) ConnectionId: 0x{number:x} Hostname: {server} \n"
        text += f"\tSessions: \n\t1) Address: {server} Uses: 1 Capability: 0x300067\n"
    return text


def _hex_address(address: str, family: int) -> str:
    """Return an address as /proc/net/udp prints it on a little-endian machine."""
    packed = ipaddress.ip_address(address).packed
    words = [packed[at : at + 4][::-1].hex() for at in range(0, len(packed), 4)]
    return "".join(words).upper()


def udp_table(peers: Iterable[SimUdpPeer], namespace: str, family: int) -> str:
    """Return /proc/net/udp or udp6 of one namespace: a listener, then the connected sockets."""
    width = 8 if family == 4 else 32
    nobody = "0" * width + ":0000"
    rows = [("0" * width + ":2118", nobody, "07")]
    number = 40_000
    for peer in peers:
        is_of_family = (":" in peer.address) == (family == 6)
        if peer.namespace != namespace or not is_of_family:
            continue
        remote = f"{_hex_address(peer.address, family)}:{peer.port:04X}"
        for _ in range(peer.count):
            number += 1
            rows.append((f"{'0' * width}:{number:04X}", remote, "01"))
    title = _UDP_TITLE if family == 4 else _UDP6_TITLE
    return title + "".join(
        f"{slot:5d}: {local} {remote} {state} 00000000:00000000 00:00000000 00000000     0"
        f"        0 {30_000 + slot} 2 0000000000000000 0\n"
        for slot, (local, remote, state) in enumerate(rows, 700)
    )


def _tcp_table(host: SimHost, family: int) -> str:
    """Return /proc/net/tcp or tcp6: a program's listener, then the kernel's connections.

    One that still connects has sent its first packet again, five times by now.
    """
    nobody = "0" * (8 if family == 4 else 32)
    rows = [(f"{nobody}:0016", f"{nobody}:0000", "0A", 0)]
    rows += [
        (
            f"{nobody}:{900 + number:04X}",
            f"{_hex_address(peer.address, family)}:{peer.port:04X}",
            "01" if peer.is_established else "02",
            0 if peer.is_established else 5,
        )
        for number, peer in enumerate(host.storage_peers)
        if (":" in peer.address) == (family == 6)
    ]
    title = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"
    return f"{title}  timeout inode\n" + "".join(
        f"{slot:4d}: {local} {remote} {state} 00000000:00000000 00:00000000 {sent_again:08X}     0"
        f"        0 {21_034 + slot} 1 0000000000000000 20 4 30 10 -1\n"
        for slot, (local, remote, state, sent_again) in enumerate(rows)
    )


def neighbors(node: SimNode, agent: Agent) -> list[SimNeighbor]:
    """Return the neighbor table."""
    named = node.host.neighbors
    if named is not None:
        return named
    device = next((one.name for one in node.host.devices if one.has_default_route), "eth0")
    keeps_neighbors = 12 <= agent.release.minor <= 17
    gateway = SimNeighbor(text_of(node.address & ~0xFF | 1), device, "REACHABLE", is_agents=False)
    others = [
        SimNeighbor(text_of(node.address ^ bit), device, is_agents=keeps_neighbors)
        for bit in (1, 2)
    ]
    return [gateway, *others]


def neighbor_line(neighbor: SimNeighbor) -> str:
    """Return one line of `ip neigh`."""
    link = "" if neighbor.state == "FAILED" else f" lladdr {_link_address(neighbor.address)}"
    flags = " managed extern_learn" if neighbor.is_agents else ""
    return f"{neighbor.address} dev {neighbor.device}{link}{flags}  {neighbor.state} \n"


def _link_address(address: str) -> str:
    packed = ipaddress.ip_address(address).packed[-4:]
    return "02:fc:" + ":".join(f"{byte:02x}" for byte in packed)


def mount_table(node: SimNode, agent: Agent) -> str:
    """Return /proc/self/mountinfo of the agent's container, the few mounts that matter.

    With bpffs on the host it is the host's own, and so is what `bpf-root` names. Without, the agent
    mounted one over a folder of the host's sysfs, which goes nowhere as the runtime bound it as a
    slave, or at a path of its own.
    """
    root = bpf_root(node, agent)
    lines = [
        "117 79 0:55 / / rw,relatime - overlay overlay rw",
        "118 117 0:56 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw",
        "119 117 0:22 / /sys rw,nosuid,nodev,noexec,relatime - sysfs sysfs rw",
        "120 117 0:24 /cilium /run/cilium rw,nosuid,nodev - tmpfs tmpfs rw,mode=755",
    ]
    if node.quirk(QuirkKind.BPFFS_UNMOUNTED):
        parent = 121 if root == DEFAULT_ROOT else 120
        lines += [
            "121 119 0:22 /fs/bpf /sys/fs/bpf rw,relatime master:4 - sysfs sysfs rw",
            f"80 {parent} 0:57 / {root} rw,relatime - bpf {root} rw",
        ]
    else:
        options = "rw,nosuid,nodev,noexec,relatime shared:22"
        lines.append(f"121 119 0:31 / /sys/fs/bpf {options} - bpf bpf rw,mode=700")
        if root != DEFAULT_ROOT:
            lines.append(f"122 117 0:58 / {root} {options} - bpf bpf rw,mode=700")
    if has_netns_folder(agent):
        folder = NETNS.removeprefix("/var")
        lines += [
            f"{200 + number} 120 0:4 net:[{4026532000 + number}] {folder}/{name} rw master:9"
            " - nsfs nsfs rw"
            for number, name in enumerate(pod_namespaces(node))
        ]
    return "".join(f"{line}\n" for line in lines)


def default_routes(node: SimNode) -> list[str]:
    """Return the lines of `ip route show default`."""
    gateway = text_of(node.address & ~0xFF | 1)
    return [
        f"default via {gateway} dev {device.name} proto dhcp src {node.address_text} metric 100 \n"
        for device in node.host.devices
        if device.has_default_route
    ]


def kernel_log(node: SimNode, agent: Agent) -> list[str] | None:
    """Return the lines of dmesg; None where the container may not read it."""
    allowed = node.host.can_read_kernel_log
    if not (agent.release.minor >= 19 if allowed is None else allowed):
        return None
    lines = [f"Linux version {node.kernel.release}", *node.host.kernel_log]
    return [f"[{number * 977.25:12.6f}] {text}\n" for number, text in enumerate(lines)]
