"""What is kept of pods, and what of it matters."""

from __future__ import annotations

import msgspec
import pytest

from tui.cluster.workload_kinds import WorkloadPod
from tui.collect.workload_book import PodFindings, workload_of
from tui.model.workloads import VolumeKind

Json = dict[str, object]


def pod(spec: Json, phase: str = "Running", **metadata: object) -> WorkloadPod:
    content = {
        "metadata": {"name": "web-0", "namespace": "shop", **metadata},
        "spec": {"nodeName": "node1", **spec},
        "status": {"phase": phase},
    }
    return msgspec.convert(content, WorkloadPod)


def sifted(*pods: WorkloadPod) -> PodFindings:
    found = PodFindings()
    for one in pods:
        found.take(one)
    return found


def owner(kind: str, name: str) -> list[Json]:
    return [{"kind": kind, "name": name, "controller": True}]


PORTS: Json = {
    "initContainers": [{"ports": [{"hostPort": 8080, "hostIP": "127.0.0.1"}]}],
    "containers": [
        {"ports": [{"containerPort": 80}, {"hostPort": 31000, "protocol": "UDP"}]},
        {"ports": None},
    ],
}


def test_host_ports_of_containers_and_init_containers() -> None:
    found = sifted(pod(PORTS, ownerReferences=owner("DaemonSet", "edge")))
    assert [(one.port, one.protocol, one.host_ip) for one in found.host_ports] == [
        (8080, "TCP", "127.0.0.1"),
        (31000, "UDP", ""),
    ]
    first = found.host_ports[0]
    assert (first.pod, first.node_name, first.workload) == ("shop/web-0", "node1", "DaemonSet/edge")
    assert found.pods_total == 1


@pytest.mark.parametrize(
    ("spec", "phase", "counted"),
    [
        ({**PORTS, "hostNetwork": True}, "Running", 1),
        (PORTS, "Succeeded", 0),
        (PORTS, "Failed", 0),
        ({**PORTS, "nodeName": None}, "Pending", 1),
        ({"containers": [{"ports": [{"containerPort": 80}]}]}, "Running", 1),
    ],
)
def test_pods_that_hold_no_host_port(spec: Json, phase: str, counted: int) -> None:
    found = sifted(pod(spec, phase))
    assert found.host_ports == []
    assert found.pods_total == counted


@pytest.mark.parametrize(
    ("kind", "name", "labels", "expected"),
    [
        ("ReplicaSet", "web-7d4b9c8f5d", {"pod-template-hash": "7d4b9c8f5d"}, "Deployment/web"),
        ("ReplicaSet", "web-7d4b9c8f5d", {}, "Deployment/web"),
        ("ReplicaSet", "web-api", {}, "ReplicaSet/web-api"),
        ("ReplicaSet", "web", {"pod-template-hash": "7d4b9c8f5d"}, "ReplicaSet/web"),
        ("StatefulSet", "db", {}, "StatefulSet/db"),
    ],
)
def test_workloads(kind: str, name: str, labels: Json, expected: str) -> None:
    assert workload_of(pod({}, labels=labels, ownerReferences=owner(kind, name))) == expected


def test_a_pod_of_its_own_and_the_controller_among_owners() -> None:
    assert workload_of(pod({})) == ""
    owners: list[Json] = [{"kind": "Node", "name": "n"}, *owner("Job", "backup")]
    assert workload_of(pod({}, ownerReferences=owners)) == "Job/backup"


def test_volumes_written_into_pods() -> None:
    csi = {"driver": "nfs.csi.k8s.io", "volumeAttributes": {"server": "10.0.0.9"}}
    volumes = [
        {"name": "a", "nfs": {"server": "nfs.storage.svc.cluster.local", "path": "/"}},
        {"name": "b", "cephfs": {"monitors": ["10.96.0.5:6789", "10.96.0.6:6789"]}},
        {"name": "c", "rbd": {"monitors": ["[fd00::5]:6789"], "image": "x"}},
        {"name": "d", "csi": csi},
        {"name": "e", "configMap": {"name": "x"}},
        {"name": "f", "csi": {"driver": "secrets-store.csi.k8s.io"}},
    ]  # fmt: skip
    found = sifted(pod({"volumes": volumes, "hostNetwork": True}))
    assert [(one.key, one.kind, one.servers) for one in found.inline_volumes] == [
        ("shop/web-0/a", VolumeKind.NFS, ("nfs.storage.svc.cluster.local",)),
        ("shop/web-0/b", VolumeKind.CEPHFS, ("10.96.0.5", "10.96.0.6")),
        ("shop/web-0/c", VolumeKind.RBD, ("fd00::5",)),
        ("shop/web-0/d", VolumeKind.NFS, ("10.0.0.9",)),
    ]
    assert [use.volume for use in found.uses] == [one.key for one in found.inline_volumes]
    assert {(use.node_name, use.pod) for use in found.uses} == {("node1", "shop/web-0")}


def test_claims_of_pods_also_ephemeral_ones() -> None:
    volumes: list[Json] = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}},
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}},
    ]
    found = sifted(pod({"volumes": volumes}))
    assert set(found.claims) == {("shop", "data-web-0"), ("shop", "web-0-scratch")}
    assert found.uses == []


def test_pods_that_set_fast_open() -> None:
    sysctls = [
        {"name": "net.core.somaxconn", "value": "1024"},
        {"name": "net.ipv4.tcp_fastopen", "value": "3"},
    ]
    found = sifted(pod({"securityContext": {"sysctls": sysctls}}, labels={"b": "2", "a": "1"}))
    (one,) = found.fast_open_pods
    assert (one.pod, one.node_name, one.value) == ("shop/web-0", "node1", "3")
    assert one.labels == (("a", "1"), ("b", "2"))


def test_text_of_the_cluster_is_cleaned() -> None:
    found = sifted(pod(PORTS, ownerReferences=owner("Evil\x1b[31m", "x")))
    assert all("\x1b" not in one.workload for one in found.host_ports)


def test_repeated_names_are_kept_in_memory_once() -> None:
    found = sifted(*(pod(PORTS, ownerReferences=owner("DaemonSet", "e")) for _ in "ab"))
    first, last = found.host_ports[0], found.host_ports[-1]
    assert first.node_name is last.node_name
    assert first.workload is last.workload
