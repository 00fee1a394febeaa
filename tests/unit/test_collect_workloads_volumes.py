"""Which PersistentVolumes a client in the kernel mounts, from whom, and who uses them."""

from __future__ import annotations

import msgspec
import pytest

from tui.cluster.workload_kinds import PersistentVolume, VolumeAttachment
from tui.collect.volume_book import VolumeBook, ceph_monitors, hosts
from tui.model.names import NodeName
from tui.model.workloads import NetworkVolume, VolumeKind, VolumeUse
from tui.safety import clean

Json = dict[str, object]


def volume(spec: Json, name: str = "pv-1", phase: str = "Bound") -> PersistentVolume:
    claim = {"namespace": "shop", "name": "data"}
    content = {
        "metadata": {"name": name},
        "spec": {"claimRef": claim, "accessModes": ["ReadWriteMany"], **spec},
        "status": {"phase": phase},
    }
    return msgspec.convert(content, PersistentVolume)


def csi(driver: str, attributes: dict[str, str] | None = None, **more: object) -> Json:
    return {"csi": {"driver": driver, "volumeAttributes": attributes, **more}}


def taken(*items: PersistentVolume) -> VolumeBook:
    book = VolumeBook()
    for item in items:
        book.take(item)
    return book


def only(spec: Json) -> NetworkVolume | None:
    return taken(volume(spec)).volumes.get("pv-1")


@pytest.mark.parametrize(
    ("spec", "kind", "servers"),
    [
        ({"nfs": {"server": "nfs.storage.svc"}}, VolumeKind.NFS, ("nfs.storage.svc",)),
        ({"nfs": {"server": "[fd00::9]"}}, VolumeKind.NFS, ("fd00::9",)),
        ({"cephfs": {"monitors": ["10.0.0.1:6789"]}}, VolumeKind.CEPHFS, ("10.0.0.1",)),
        ({"rbd": {"monitors": ["a.b:6789", "c.d"]}}, VolumeKind.RBD, ("a.b", "c.d")),
        (csi("nfs.csi.k8s.io", {"server": "10.0.0.2"}), VolumeKind.NFS, ("10.0.0.2",)),
        (csi("team.nfs.csi.k8s.io", {"server": "x.y"}), VolumeKind.NFS, ("x.y",)),
        (csi("rook-ceph.nfs.csi.ceph.com", {"server": "n.s"}), VolumeKind.NFS, ("n.s",)),
        (csi("smb.csi.k8s.io", {"source": "//smb.shop.svc/share"}), VolumeKind.SMB,
         ("smb.shop.svc",)),
        (csi("smb.csi.k8s.io", {"source": "\\\\10.0.0.3\\share"}), VolumeKind.SMB, ("10.0.0.3",)),
        (csi("driver.longhorn.io", {}, volumeHandle="pvc-1"), VolumeKind.NFS,
         ("pvc-1.longhorn-system.svc",)),
        (csi("rbd.csi.ceph.com", {"monitors": "10.0.0.1:6789,10.0.0.2:6789"}), VolumeKind.RBD,
         ("10.0.0.1", "10.0.0.2")),
    ],
)  # fmt: skip
def test_network_volumes(spec: Json, kind: VolumeKind, servers: tuple[str, ...]) -> None:
    found = only(spec)
    assert found is not None
    assert (found.kind, found.servers, found.claim) == (kind, servers, "shop/data")
    assert found.reason == ""


@pytest.mark.parametrize(
    "spec",
    [
        {"hostPath": {"path": "/x"}},
        {"nfs": None, "awsElasticBlockStore": {"volumeID": "v"}},
        csi("ebs.csi.aws.com"),
        {**csi("driver.longhorn.io", {}, volumeHandle="p"), "accessModes": ["ReadWriteOnce"]},
        {**csi("driver.longhorn.io", {}, volumeHandle="p"), "volumeMode": "Block"},
        csi("driver.longhorn.io", {"migratable": "true"}, volumeHandle="p"),
        csi("cephfs.csi.ceph.com", {"mounter": "fuse", "clusterID": "a"}),
        csi("rbd.csi.ceph.com", {"mounter": "rbd-nbd", "clusterID": "a"}),
    ],
)
def test_volumes_that_no_kernel_client_mounts(spec: Json) -> None:
    assert only(spec) is None


def test_where_a_ceph_driver_is_looked_for() -> None:
    secret = {"namespace": "ceph-secrets", "name": "s"}
    rook = csi("rook-ceph.rbd.csi.ceph.com", {"clusterID": "rook"}, nodeStageSecretRef=secret)
    plain = csi("cephfs.csi.ceph.com", {"clusterID": "plain"})
    book = taken(volume(rook, "a"), volume(plain, "b"))
    assert book.clusters["a"].namespaces == ("rook-ceph", "ceph-secrets")
    assert book.clusters["b"].namespaces == ()
    assert book.volumes["a"].kind is VolumeKind.RBD
    for name in book.clusters:
        book.resolve(name, {"rook": (clean("10.96.0.5"),)}, "nobody knows it")
    assert book.volumes["a"].servers == ("10.96.0.5",)
    assert book.volumes["a"].reason == ""
    assert book.volumes["b"].servers == ()
    assert book.volumes["b"].reason == "the monitors of clusterID plain: nobody knows it"


def test_monitors_of_a_drivers_config_map() -> None:
    text = """[{"clusterID": "a", "monitors": ["10.0.0.1:6789", "v2:10.0.0.2:3300"]},
               {"clusterID": "b", "namespace": "rook-ceph", "monitors": null}]"""
    assert ceph_monitors(text) == {"a": ("10.0.0.1", "10.0.0.2")}


@pytest.mark.parametrize("text", ["", "{}", "[", '[{"clusterID": 1}]', "[" * 100_000])
def test_a_config_map_that_can_not_be_read_tells_nothing(text: str) -> None:
    assert ceph_monitors(text) == {}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1:6789", ("10.0.0.1",)),
        ("10.0.0.1", ("10.0.0.1",)),
        ("v1:10.0.0.1:6789/0", ("10.0.0.1",)),
        ("[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]", ("10.0.0.1",)),
        ("[v2:[fd00::1]:3300/0,v1:[fd00::1]:6789/0]", ("fd00::1",)),
        ("[fd00::1]:6789", ("fd00::1",)),
        ("fd00::1", ("fd00::1",)),
        ("mon-a.rook-ceph.svc:6789", ("mon-a.rook-ceph.svc",)),
        ("10.0.0.1, 10.0.0.2:6789", ("10.0.0.1", "10.0.0.2")),
        ("", ()),
    ],
)
def test_monitor_addresses(address: str, expected: tuple[str, ...]) -> None:
    assert hosts([address]) == expected


def attachment(name: str = "pv-1", node: str = "node1", attached: bool = True) -> VolumeAttachment:
    content = {
        "spec": {"nodeName": node, "source": {"persistentVolumeName": name}},
        "status": {"attached": attached},
    }
    return msgspec.convert(content, VolumeAttachment)


def test_who_uses_a_volume() -> None:
    book = taken(volume({"nfs": {"server": "s"}}))
    by_pod = VolumeUse("", NodeName("node1"), clean("shop/web-0"))
    uses = list(book.uses_of({("shop", "data"): [by_pod], ("shop", "other"): [by_pod]}))
    assert uses == [VolumeUse("pv-1", NodeName("node1"), clean("shop/web-0"))]
    known = {(use.volume, str(use.node_name)) for use in uses}
    assert book.attached(attachment(), known) is None, "the pod says so already"
    assert book.attached(attachment(node="node2"), known) == VolumeUse("pv-1", NodeName("node2"))
    assert book.attached(attachment(node="node2", attached=False), known) is None
    assert book.attached(attachment("another"), known) is None


def test_a_released_volume_is_not_its_old_claims() -> None:
    nfs: Json = {"nfs": {"server": "s"}}
    book = taken(volume(nfs, "old", "Released"), volume(nfs, "new"))
    assert book.by_claim == {("shop", "data"): "new"}
    assert [one.key for one in book.mattering([])] == ["new"]
    attached = VolumeUse("old", NodeName("node1"))
    assert {one.key for one in book.mattering([attached])} == {"old", "new"}
