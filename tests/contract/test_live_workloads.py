"""What the live source reads of pods, volumes, events and Endpoints, and what it says when denied.

The objects are in the cluster before it is read: the reader looks once at start, then seldom.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.contract.live_rig import LiveRig, running
from tui.model.cluster import ClusterFacts
from tui.model.reading import ReadingState
from tui.model.services import Service
from tui.model.workloads import VolumeKind
from tui.simulator.objects import KubeObject, ObjectReaderWriter
from tui.simulator.server import SimulatorServer

OLD = "2026-01-01T00:00:00Z"
Fill = Callable[[ObjectReaderWriter], None]


def put(
    store: ObjectReaderWriter,
    plural: str,
    name: str,
    content: KubeObject,
    namespace: str = "shop",
    **metadata: object,
) -> None:
    place = {"namespace": namespace} if namespace else {}
    meta = {"name": name, "creationTimestamp": OLD, **place, **metadata}
    store.apply(plural, {**content, "metadata": meta})


def put_pod(store: ObjectReaderWriter, name: str, spec: KubeObject, phase: str = "Running") -> None:
    content = {"spec": {"nodeName": "node1", "containers": [], **spec}, "status": {"phase": phase}}
    put(store, "pods", name, {**content, "kind": "Pod", "apiVersion": "v1"})


def put_volume(store: ObjectReaderWriter, name: str, source: KubeObject, claim: str) -> None:
    spec = {"claimRef": {"namespace": "shop", "name": claim}, **source}
    content = {"kind": "PersistentVolume", "apiVersion": "v1", "spec": spec}
    put(store, "persistentvolumes", name, {**content, "status": {"phase": "Bound"}}, "")


def put_service(store: ObjectReaderWriter, name: str, spec: KubeObject, namespace: str) -> None:
    content = {"kind": "Service", "apiVersion": "v1", "spec": {"type": "ClusterIP", **spec}}
    put(store, "services", name, content, namespace)


def put_endpoints(store: ObjectReaderWriter, name: str, addresses: int, **metadata: object) -> None:
    ips = [{"ip": f"192.0.2.{number + 1}"} for number in range(addresses)]
    content = {"kind": "Endpoints", "apiVersion": "v1", "subsets": [{"addresses": ips}]}
    put(store, "endpoints", name, content, "shop", **metadata)


@asynccontextmanager
async def reading(
    tmp_path: Path, fill: Fill, denied: tuple[tuple[str, str], ...] = ()
) -> AsyncIterator[LiveRig]:
    """Read a cluster that was filled before, and wait for the reader's first round."""

    def before(server: SimulatorServer) -> None:
        fill(server.parts.store)
        for verb, resource in denied:
            server.permissions.deny(verb, resource)

    async with running(tmp_path, before=before) as rig:
        unknown = ReadingState.UNKNOWN

        def is_read() -> bool:
            cluster = rig.snapshot.cluster
            return unknown not in {
                cluster.workloads.state,
                cluster.mount_failures.state,
                cluster.unmirrored.state,
            }

        await rig.until(is_read, "the first round")
        yield rig


def claimed(claim: str) -> KubeObject:
    return {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]}


def fill_shop(store: ObjectReaderWriter) -> None:
    ports = [{"ports": [{"hostPort": 31000, "protocol": "TCP"}]}]
    put_pod(store, "edge", {"containers": ports})
    put_pod(store, "done", {"containers": ports}, "Succeeded")
    put_pod(store, "host", {"containers": ports, "hostNetwork": True})
    sysctls = {"sysctls": [{"name": "net.ipv4.tcp_fastopen", "value": "3"}]}
    put_pod(store, "fast", {"securityContext": sysctls})
    put_pod(store, "files", claimed("files"))
    put_pod(store, "blocks", claimed("blocks"))
    put_pod(store, "lost", claimed("lost"))
    put_volume(store, "pv-files", {"nfs": {"server": "nfs.shop.svc"}}, "files")
    ceph = {"driver": "rook-ceph.rbd.csi.ceph.com", "volumeAttributes": {"clusterID": "rook"}}
    put_volume(store, "pv-blocks", {"csi": ceph}, "blocks")
    other = {"driver": "rbd.csi.ceph.com", "volumeAttributes": {"clusterID": "elsewhere"}}
    put_volume(store, "pv-lost", {"csi": other}, "lost")
    put_volume(store, "pv-disk", {"awsElasticBlockStore": {}}, "lost")
    config = '[{"clusterID": "rook", "monitors": ["10.96.7.1:6789", "10.96.7.2:6789"]}]'
    put(
        store, "configmaps", "rook-ceph-csi-config",
        {"kind": "ConfigMap", "apiVersion": "v1", "data": {"csi-cluster-config-json": config}},
        "rook-ceph",
    )  # fmt: skip
    put(
        store, "volumeattachments", "csi-1",
        {
            "spec": {"nodeName": "node2", "source": {"persistentVolumeName": "pv-blocks"}},
            "status": {"attached": True},
        },
        "",
    )  # fmt: skip


async def test_pods_and_their_volumes(tmp_path: Path) -> None:
    async with reading(tmp_path, fill_shop) as rig:
        cluster = rig.snapshot.cluster
        found = cluster.workloads.value
        assert found is not None
        ours = [one for one in found.host_ports if one.pod.startswith("shop/")]
        assert [(one.pod, one.node_name, one.port) for one in ours] == [
            ("shop/edge", "node1", 31000)
        ]
        assert [(one.pod, one.value) for one in found.fast_open_pods] == [("shop/fast", "3")]
        volumes = {one.key: one for one in found.volumes}
        assert volumes.keys() == {"pv-files", "pv-blocks", "pv-lost"}
        assert volumes["pv-files"].servers == ("nfs.shop.svc",)
        assert volumes["pv-blocks"].kind is VolumeKind.RBD
        assert volumes["pv-blocks"].servers == ("10.96.7.1", "10.96.7.2")
        assert "clusterID elsewhere" in volumes["pv-lost"].reason
        assert "ceph-csi-config" in volumes["pv-lost"].reason
        uses = {(use.volume, str(use.node_name), str(use.pod)) for use in found.volume_uses}
        assert uses == {
            ("pv-files", "node1", "shop/files"),
            ("pv-blocks", "node1", "shop/blocks"),
            ("pv-blocks", "node2", ""),
            ("pv-lost", "node1", "shop/lost"),
        }
        assert found.pods_total > 6
        assert cluster.volumes_reason == ""
        assert rig.snapshot.gaps == {}


async def test_without_claims_no_volume_is_asked_for(tmp_path: Path) -> None:
    refused = (("*", "persistentvolumes"), ("*", "volumeattachments"))

    def fill(store: ObjectReaderWriter) -> None:
        put_pod(store, "a", {"volumes": [{"name": "n", "nfs": {"server": "nfs.shop.svc"}}]})

    async with reading(tmp_path, fill, refused) as rig:
        cluster = rig.snapshot.cluster
        assert cluster.workloads.value is not None
        assert [one.key for one in cluster.workloads.value.volumes] == ["shop/a/n"]
        assert cluster.volumes_reason == ""
        assert rig.snapshot.gaps == {}


@pytest.mark.parametrize(
    ("resource", "verb"), [("persistentvolumes", "list"), ("volumeattachments", "list")]
)
async def test_volumes_that_are_denied_leave_the_pods(
    tmp_path: Path, resource: str, verb: str
) -> None:
    async with reading(tmp_path, fill_shop, (("*", resource),)) as rig:
        cluster = rig.snapshot.cluster
        assert f"not allowed to {verb} {resource}" in cluster.volumes_reason
        assert cluster.workloads.is_known
        assert cluster.workloads.value is not None
        assert cluster.workloads.value.host_ports
        assert rig.snapshot.gaps[resource].is_denied
        assert cluster.mount_failures.is_known


async def test_a_drivers_config_map_that_is_denied_is_the_volumes_reason(tmp_path: Path) -> None:
    async with reading(tmp_path, fill_shop, (("*", "configmaps"),)) as rig:
        workloads = rig.snapshot.cluster.workloads.value
        assert workloads is not None
        volumes = {one.key: one for one in workloads.volumes}
        assert volumes["pv-blocks"].servers == ()
        assert "configmaps" in volumes["pv-blocks"].reason
        assert volumes["pv-files"].servers == ("nfs.shop.svc",)


def states(cluster: ClusterFacts) -> dict[str, ReadingState]:
    return {
        "pods": cluster.workloads.state,
        "events": cluster.mount_failures.state,
        "endpoints": cluster.unmirrored.state,
    }


@pytest.mark.parametrize(
    ("resource", "gap"),
    [("events", "events"), ("endpoints", "endpoints")],
)
async def test_each_list_is_denied_alone(tmp_path: Path, resource: str, gap: str) -> None:
    def fill(store: ObjectReaderWriter) -> None:
        put_service(store, "db", {"clusterIP": "10.96.9.9"}, "shop")

    async with reading(tmp_path, fill, (("*", resource),)) as rig:
        found = states(rig.snapshot.cluster)
        assert found.pop(resource) is ReadingState.DENIED
        assert set(found.values()) == {ReadingState.KNOWN}
        assert rig.snapshot.gaps[gap].is_denied
        assert resource in rig.snapshot.gaps[gap].reason


async def test_pods_that_are_denied_everywhere_but_where_agents_run(tmp_path: Path) -> None:
    def deny(server: SimulatorServer) -> None:
        server.permissions.deny("list", "pods", namespace="")

    async with running(tmp_path, before=deny) as rig:
        await rig.until(
            lambda: rig.snapshot.cluster.workloads.state is ReadingState.DENIED, "the refusal"
        )
        assert "list pods" in rig.snapshot.cluster.workloads.reason
        assert rig.snapshot.gaps["workload pods"].is_denied
        await rig.until(lambda: rig.snapshot.cluster.mount_failures.is_known, "the events")
        await rig.until_read()


async def test_failed_mounts(tmp_path: Path) -> None:
    def event(store: ObjectReaderWriter, name: str, reason: str, **more: object) -> None:
        about = {"kind": "Pod", "namespace": "shop", "name": "files"}
        content = {"kind": "Event", "apiVersion": "v1", "involvedObject": about, "reason": reason}
        put(store, "events", name, {**content, **more})

    def fill(store: ObjectReaderWriter) -> None:
        event(
            store, "a", "FailedMount", message="mount.nfs: Connection timed out", count=7,
            source={"component": "kubelet", "host": "node2"}, lastTimestamp="2026-01-02T00:00:00Z",
        )  # fmt: skip
        event(
            store, "b", "FailedMount", message="second", source={}, lastTimestamp=None,
            reportingInstance="node3", eventTime="2026-01-03T00:00:00.5Z",
            series={"count": 4, "lastObservedTime": "2026-01-04T00:00:00Z"},
        )  # fmt: skip
        event(store, "c", "Pulled", message="fine")

    async with reading(tmp_path, fill) as rig:
        found = rig.snapshot.cluster.mount_failures.value or ()
        assert [(one.node_name, one.count, one.message) for one in found] == [
            ("node3", 4, "second"),
            ("node2", 7, "mount.nfs: Connection timed out"),
        ]
        assert {one.pod for one in found} == {"shop/files"}
        assert found[1].last_at == 1_767_312_000.0


async def test_endpoints_that_nothing_mirrors(tmp_path: Path) -> None:
    def fill(store: ObjectReaderWriter) -> None:
        for name in ("skipped", "locked", "plain", "empty", "absent"):
            put_service(store, name, {"clusterIP": "10.96.9.9"}, "shop")
        put_service(store, "headless", {"clusterIP": "None"}, "shop")
        put_service(store, "named", {"type": "ExternalName"}, "shop")
        put_service(store, "chosen", {"clusterIP": "10.96.9.8", "selector": {"a": "b"}}, "shop")
        skip = {"endpointslice.kubernetes.io/skip-mirror": "true"}
        writer = [{"manager": "patroni", "operation": "Update", "time": OLD}]
        put_endpoints(store, "skipped", 2, labels=skip, managedFields=writer)
        lock = {"control-plane.alpha.kubernetes.io/leader": "{}"}
        put_endpoints(store, "locked", 1, annotations=lock)
        put_endpoints(store, "plain", 3)
        put_endpoints(store, "empty", 0)
        for name in ("headless", "named", "chosen"):
            put_endpoints(store, name, 1)

    async with reading(tmp_path, fill) as rig:
        found = {str(one.service): one for one in rig.snapshot.cluster.unmirrored.value or ()}
        assert found.keys() == {"shop/skipped", "shop/locked", "shop/plain"}
        assert found["shop/skipped"].is_skipped
        assert found["shop/skipped"].manager == "patroni"
        assert found["shop/locked"].is_leader_lock
        assert (found["shop/plain"].addresses, found["shop/plain"].largest_subset) == (3, 3)


def service(rig: LiveRig, name: str) -> Service | None:
    services = rig.snapshot.cluster.services.value or ()
    return next((one for one in services if one.name == name), None)


async def test_what_a_service_says_of_itself(tmp_path: Path) -> None:
    def fill(store: ObjectReaderWriter) -> None:
        ports = [
            {"name": "sig", "port": 2905, "targetPort": "m3ua", "protocol": "SCTP"},
            {"name": "web", "port": 80, "targetPort": 8080},
        ]
        spec = {"clusterIP": "10.96.9.7", "ports": ports, "externalIPs": ["192.0.2.9"]}
        content = {"kind": "Service", "apiVersion": "v1", "spec": {"type": "ClusterIP", **spec}}
        mode = {"service.cilium.io/forwarding-mode": "dsr"}
        put(store, "services", "sgw", content, annotations=mode)
        put_service(store, "alone", {"clusterIP": "None", "selector": {"a": "b"}}, "shop")
        slice_ports = [{"name": "sig", "port": 2906, "protocol": "SCTP"},
                       {"name": "web", "port": 8080, "protocol": "TCP"}]  # fmt: skip
        slices = {
            "kind": "EndpointSlice",
            "apiVersion": "discovery.k8s.io/v1",
            "addressType": "IPv4",
            "ports": slice_ports,
            "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}],
        }
        label = {"kubernetes.io/service-name": "sgw"}
        put(store, "endpointslices", "sgw-1", slices, labels=label)

    async with reading(tmp_path, fill) as rig:
        await rig.until(lambda: service(rig, "shop/sgw") is not None, "the Service")
        found = service(rig, "shop/sgw")
        assert found is not None
        assert not found.has_selector
        assert not found.is_headless
        assert found.forwarding_mode == "dsr"
        assert found.external_ips == ("192.0.2.9",)
        ports = [(one.protocol, one.target_port, one.backend_ports) for one in found.ports]
        assert ports == [("SCTP", "m3ua", (2906,)), ("TCP", "8080", (8080,))]
        alone = service(rig, "shop/alone")
        assert alone is not None
        assert alone.is_headless
        assert alone.has_selector
