"""Services, pods and volumes that Cilium's limitations hurt, as a scenario asks for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tui.simulator.model import SimNode, number_from, uuid_from
from tui.simulator.objects import KubeObject, timestamp
from tui.simulator.scenarios import DAY, Scenario, Scene, SceneKind
from tui.simulator.seedservices import SERVICE_NETWORK, ServiceFactory, ServiceSpec

NFS_PORT = 2049
MONITOR_PORT = 6789
SCTP_PORT = 36412
CEPH_DRIVER = "rook-ceph.rbd.csi.ceph.com"
FAST_OPEN_VALUE = 3
"""`net.ipv4.tcp_fastopen`: client and server."""
_AGE_SECONDS = 30 * DAY

NFS = ServiceSpec(
    "storage", "nfs-server", f"{SERVICE_NETWORK}.250.1", (("nfs", NFS_PORT, NFS_PORT, "TCP"),), ()
)
SCTP = ServiceSpec(
    "telco", "mme-s1", f"{SERVICE_NETWORK}.250.2", (("s1ap", SCTP_PORT, SCTP_PORT, "SCTP"),), ()
)
UNMIRRORED = ServiceSpec(
    "db",
    "postgres-primary",
    f"{SERVICE_NETWORK}.250.3",
    (("postgres", 5432, 5432, "TCP"),),
    (),
    is_selected=False,
)
MONITORS = tuple(
    ServiceSpec(
        "rook-ceph",
        f"rook-ceph-mon-{letter}",
        f"{SERVICE_NETWORK}.250.{10 + number}",
        (("tcp-msgr1", MONITOR_PORT, MONITOR_PORT, "TCP"), ("tcp-msgr2", 3300, 3300, "TCP")),
        (),
    )
    for number, letter in enumerate("abc")
)
_SPECS: Mapping[SceneKind, tuple[ServiceSpec, ...]] = {
    SceneKind.NFS_VOLUME: (NFS,),
    SceneKind.SCTP_SERVICE: (SCTP,),
    SceneKind.UNMIRRORED_SERVICE: (UNMIRRORED,),
    SceneKind.CEPH_VOLUME: MONITORS,
}


def endpoints_of(spec: ServiceSpec, factory: ServiceFactory) -> tuple[str, ...]:
    """Return the pods behind a scene's Service."""
    count = 1 if spec is NFS or spec in MONITORS else 2
    return factory.endpoints(f"{spec.namespace}/{spec.name}", count)


def scene_services(scenario: Scenario, factory: ServiceFactory) -> list[KubeObject]:
    """Return the Services of all scenes with their EndpointSlices and Endpoints."""
    specs = dict.fromkeys(spec for scene in scenario.scenes for spec in _SPECS.get(scene.kind, ()))
    found: list[KubeObject] = []
    for spec in specs:
        service, piece, endpoints = factory.objects(_filled(spec, endpoints_of(spec, factory)))
        if spec is UNMIRRORED:
            # The label tells the mirroring controller to leave these Endpoints alone.
            labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
            found += [
                service,
                {**endpoints, "metadata": {**endpoints["metadata"], "labels": labels}},
            ]
        else:
            found += [service, piece, endpoints]
    return found


def _filled(spec: ServiceSpec, endpoints: tuple[str, ...]) -> ServiceSpec:
    return ServiceSpec(
        spec.namespace, spec.name, spec.cluster_ip, spec.ports, endpoints, spec.type,
        is_selected=spec.is_selected,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a scene plays, and when it began."""

    scene: Scene
    node: SimNode
    created: str


def node_of(scene: Scene, nodes: Sequence[SimNode]) -> SimNode | None:
    """Return the node that a scene plays on, if its group has any."""
    members = [node for node in nodes if node.group == scene.group]
    return members[scene.offset % len(members)] if members else None


def scene_objects(scenario: Scenario, nodes: Sequence[SimNode], now: float) -> Iterator[KubeObject]:
    """Yield the pods, volumes and what belongs to them."""
    for scene in scenario.scenes:
        node = node_of(scene, nodes)
        make = _MAKERS.get(scene.kind)
        if node is not None and make is not None:
            yield from make(_Place(scene, node, timestamp(now - _AGE_SECONDS)))


def scene_namespaces(scenario: Scenario) -> list[str]:
    """Return the namespaces that the scenes need."""
    names = {spec.namespace for scene in scenario.scenes for spec in _SPECS.get(scene.kind, ())}
    if any(scene.kind is SceneKind.HOST_PORT for scene in scenario.scenes):
        names.add("edge")
    return sorted(names)


def _host_port(place: _Place) -> Iterator[KubeObject]:
    port = int(place.scene.values["port"])
    entry: KubeObject = {"containerPort": 8080, "hostPort": port, "protocol": "TCP"}
    if place.scene.text:
        entry["hostIP"] = place.scene.text
    owner = f"edge-{port}"
    yield _pod(place, "edge", owner, "DaemonSet", {"ports": [entry]})


def _fast_open(place: _Place) -> Iterator[KubeObject]:
    """Yield a pod behind an exposed Service of the load that lets its server take Fast Open."""
    sysctl = {"name": "net.ipv4.tcp_fastopen", "value": str(FAST_OPEN_VALUE)}
    security = {"securityContext": {"sysctls": [sysctl]}}
    yield _pod(place, "shop", place.scene.text, "ReplicaSet", security)


def _nfs_volume(place: _Place) -> Iterator[KubeObject]:
    server = f"{NFS.name}.{NFS.namespace}.svc.cluster.local"
    yield _volume("reports-nfs", "reports", place, {"nfs": {"server": server, "path": "/reports"}})
    yield _claim("reports", "reports-nfs", place, "ReadWriteMany")
    yield _pod(place, "shop", "reports", "StatefulSet", _mounting("reports"))


def _ceph_volume(place: _Place) -> Iterator[KubeObject]:
    monitors = [f"{spec.cluster_ip}:{MONITOR_PORT}" for spec in MONITORS]
    config = [{"clusterID": "rook-ceph", "monitors": monitors}]
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata("rook-ceph-csi-config", "rook-ceph", place.created),
        "data": {"csi-cluster-config-json": json.dumps(config)},
    }
    csi = {
        "driver": CEPH_DRIVER,
        "volumeHandle": "0001-0009-rook-ceph-0000000000000001-orders",
        "fsType": "ext4",
        "volumeAttributes": {"clusterID": "rook-ceph", "pool": "replicapool"},
    }
    yield _volume("pvc-orders", "orders", place, {"csi": csi})
    yield _claim("orders", "pvc-orders", place, "ReadWriteOnce")
    yield {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": _metadata("csi-" + "4f1c" * 8, "", place.created),
        "spec": {
            "attacher": CEPH_DRIVER,
            "nodeName": place.node.name,
            "source": {"persistentVolumeName": "pvc-orders"},
        },
        "status": {"attached": True},
    }
    yield _pod(place, "shop", "orders", "StatefulSet", _mounting("orders"))


def _mounting(claim: str) -> KubeObject:
    return {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]}


def _volume(name: str, claim: str, place: _Place, source: KubeObject) -> KubeObject:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": _metadata(name, "", place.created),
        "spec": {
            "capacity": {"storage": "20Gi"},
            "accessModes": ["ReadWriteMany" if "nfs" in source else "ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": "shop",
                "name": claim,
            },
            **source,
        },
        "status": {"phase": "Bound"},
    }


def _claim(name: str, volume: str, place: _Place, mode: str) -> KubeObject:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(name, "shop", place.created),
        "spec": {
            "accessModes": [mode],
            "resources": {"requests": {"storage": "20Gi"}},
            "volumeName": volume,
        },
        "status": {"phase": "Bound", "accessModes": [mode], "capacity": {"storage": "20Gi"}},
    }


def _pod(
    place: _Place, namespace: str, owner: str, owner_kind: str, parts: KubeObject
) -> KubeObject:
    """Return a running pod on the scene's node; `parts` are `ports` and fields of the spec."""
    seed = f"{namespace}/{owner}/{place.node.name}"
    end = "0" if owner_kind == "StatefulSet" else uuid_from(seed)[:5]
    container: KubeObject = {"name": owner, "image": f"registry.example.com/{owner}:1"}
    if "ports" in parts:
        container["ports"] = parts["ports"]
    metadata = _metadata(f"{owner}-{end}", namespace, place.created)
    metadata |= {
        "labels": {"app": owner},
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": owner_kind,
                "name": owner,
                "uid": uuid_from(f"{owner_kind}/{namespace}/{owner}"),
                "controller": True,
            }
        ],
    }
    spec: KubeObject = {"nodeName": place.node.name, "containers": [container]}
    spec |= {key: value for key, value in parts.items() if key != "ports"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec,
        "status": _running(place, container, seed),
    }


def _running(place: _Place, container: KubeObject, seed: str) -> KubeObject:
    """Return the status of a pod with one container that runs."""
    network = place.node.pod_cidr.removesuffix("0/24")
    address = f"{network}{200 + number_from(seed) % 50}"
    since = place.created
    return {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}],
        "hostIP": place.node.address_text,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": since,
        "containerStatuses": [
            {
                "name": container["name"],
                "state": {"running": {"startedAt": since}},
                "lastState": {},
                "ready": True,
                "restartCount": 0,
                "image": container["image"],
                "imageID": f"sha256:{uuid_from(seed).replace('-', '')}",
                "containerID": f"containerd://{uuid_from(seed).replace('-', '')}",
            }
        ],
    }


def _metadata(name: str, namespace: str, created: str) -> KubeObject:
    found: KubeObject = {
        "name": name,
        "uid": uuid_from(f"{namespace}/{name}"),
        "creationTimestamp": created,
    }
    if namespace:
        found["namespace"] = namespace
    return found


_MAKERS: Mapping[SceneKind, Callable[[_Place], Iterator[KubeObject]]] = {
    SceneKind.FAST_OPEN: _fast_open,
    SceneKind.HOST_PORT: _host_port,
    SceneKind.NFS_VOLUME: _nfs_volume,
    SceneKind.CEPH_VOLUME: _ceph_volume,
}
