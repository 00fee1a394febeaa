"""What the scenes of a scenario put on the hosts of their nodes."""

from __future__ import annotations

from collections.abc import Sequence

from tui.simulator.host import SimDevice, SimNfsServer, SimStoragePeer, SimUdpPeer
from tui.simulator.model import SimNode
from tui.simulator.scenarios import Scenario, Scene, SceneKind
from tui.simulator.seedscenes import FAST_OPEN_VALUE, NFS, endpoints_of, node_of
from tui.simulator.seedservices import ServiceFactory

FAST_OPEN_ACCEPTED = 4_711
GONE_POD = 99
"""Number of a pod that was a backend once."""


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
            server = f"{NFS.name}.{NFS.namespace}.svc.cluster.local"
            host.nfs_servers.append(SimNfsServer(NFS.cluster_ip, uses=2, hostname=server))
            backend = endpoints_of(NFS, factory)[0]
            if scene.values.get("moved"):
                # The hook wrote the first backend's address over the Service's, and the kernel
                # goes on asking there after that pod is gone.
                backend = factory.endpoint(f"{NFS.namespace}/{NFS.name}", GONE_POD)
            is_there = not scene.values.get("moved")
            host.storage_peers.append(SimStoragePeer(backend, is_established=is_there))
        case SceneKind.CEPH_VOLUME:
            host.rbd_devices += 1
        case SceneKind.FAST_OPEN:
            host.tcp_fastopen = FAST_OPEN_VALUE
            host.fastopen_passive = FAST_OPEN_ACCEPTED
        case SceneKind.LATE_DEVICE:
            index = 1 + max(device.index for device in host.devices)
            host.devices.append(SimDevice("eth1", index))
        case SceneKind.STALE_SOCKET:
            address = factory.endpoint("kube-dns", GONE_POD)
            host.udp_peers.append(SimUdpPeer(address, 53, count=3))
        case _:
            return
