"""What the scenes of a scenario put on the hosts of their nodes."""

from __future__ import annotations

from collections.abc import Sequence

from tui.simulator.host import SimDevice, SimNfsServer, SimUdpPeer
from tui.simulator.model import SimNode
from tui.simulator.scenarios import Scenario, Scene, SceneKind
from tui.simulator.seedscenes import FAST_OPEN_VALUE, NFS, endpoints_of, node_of
from tui.simulator.seedservices import ServiceFactory

FAST_OPEN_ACCEPTED = 4_711
GONE_DNS_POD = 99
"""Number of a kube-dns pod that was a backend once."""


def furnish_hosts(scenario: Scenario, nodes: Sequence[SimNode], factory: ServiceFactory) -> None:
    """Let the hosts use what the scenes say."""
    for scene in scenario.scenes:
        node = node_of(scene, nodes)
        if node is not None:
            _furnish(scene, node, factory)


def _furnish(scene: Scene, node: SimNode, factory: ServiceFactory) -> None:
    host = node.host
    match scene.kind:
        case SceneKind.NFS_VOLUME:
            # The hook wrote the backend's address over the Service's: the bug at work.
            is_moved = bool(scene.values.get("moved"))
            address = endpoints_of(NFS, factory)[0] if is_moved else NFS.cluster_ip
            server = f"{NFS.name}.{NFS.namespace}.svc.cluster.local"
            host.nfs_servers.append(SimNfsServer(address, uses=2, hostname=server))
        case SceneKind.CEPH_VOLUME:
            host.rbd_devices += 1
        case SceneKind.FAST_OPEN:
            host.tcp_fastopen = FAST_OPEN_VALUE
            host.fastopen_passive = FAST_OPEN_ACCEPTED
        case SceneKind.LATE_DEVICE:
            index = 1 + max(device.index for device in host.devices)
            host.devices.append(SimDevice("eth1", index))
        case SceneKind.STALE_SOCKET:
            address = factory.endpoint("kube-dns", GONE_DNS_POD)
            host.udp_peers.append(SimUdpPeer(address, 53, count=3))
        case _:
            return
