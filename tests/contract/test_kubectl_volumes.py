"""Real kubectl on the volumes, attachments, events and revisions of the simulated cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.contract.kubectl_runner import running_kubectl

pytestmark = pytest.mark.kubectl

VOLUMES = b"""
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-nfs}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany, ReadOnlyMany]
  claimRef: {namespace: default, name: data}
  storageClassName: slow
  nfs: {server: nfs.default.svc, path: /}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: default}
spec: {accessModes: [ReadWriteMany], volumeName: pv-nfs, storageClassName: slow}
---
apiVersion: storage.k8s.io/v1
kind: VolumeAttachment
metadata: {name: csi-1}
spec: {attacher: rbd.csi.ceph.com, nodeName: node1, source: {persistentVolumeName: pv-nfs}}
---
apiVersion: v1
kind: Event
metadata: {name: web.1, namespace: default}
involvedObject: {kind: Pod, name: web, namespace: default}
reason: FailedMount
type: Warning
message: MountVolume.SetUp failed
count: 3
---
apiVersion: v1
kind: Event
metadata: {name: web.2, namespace: default}
involvedObject: {kind: Pod, name: web, namespace: default}
reason: Started
type: Normal
message: Started container
"""


async def test_volumes_are_created_patched_and_printed(tmp_path: Path) -> None:
    async with running_kubectl(tmp_path) as kubectl:
        await kubectl.ok("-n", "default", "apply", "-f", "-", stdin=VOLUMES)
        bound = {"status": {"phase": "Bound"}}
        claimed = {"status": {**bound["status"], "capacity": {"storage": "1Gi"},
                              "accessModes": ["ReadWriteMany"]}}  # fmt: skip
        await kubectl.ok("patch", "pv", "pv-nfs", "--subresource=status", "-p", json.dumps(bound))
        await kubectl.ok("-n", "default", "patch", "pvc", "data", "--subresource=status",
                         "-p", json.dumps(claimed))  # fmt: skip
        header, row = (await kubectl.ok("get", "pv")).splitlines()
        assert header.split()[:3] == ["NAME", "CAPACITY", "ACCESS"]
        assert row.split()[:7] == [
            "pv-nfs", "1Gi", "RWX,ROX", "Retain", "Bound", "default/data", "slow",
        ]  # fmt: skip
        header, row = (await kubectl.ok("-n", "default", "get", "pvc")).splitlines()
        assert header.split() == ["NAME", "STATUS", "VOLUME", "CAPACITY", "ACCESS", "MODES",
                                  "STORAGECLASS", "AGE"]  # fmt: skip
        assert row.split()[:6] == ["data", "Bound", "pv-nfs", "1Gi", "RWX", "slow"]
        header, row = (await kubectl.ok("get", "volumeattachments")).splitlines()
        assert header.split() == ["NAME", "ATTACHER", "PV", "NODE", "ATTACHED", "AGE"]
        assert row.split()[:5] == ["csi-1", "rbd.csi.ceph.com", "pv-nfs", "node1", "false"]


async def test_events_by_field_and_revisions(tmp_path: Path) -> None:
    async with running_kubectl(tmp_path) as kubectl:
        await kubectl.ok("-n", "default", "apply", "-f", "-", stdin=VOLUMES)
        chosen = "reason=FailedMount,involvedObject.kind=Pod"
        shown = (await kubectl.ok("get", "events", "-A", "--field-selector", chosen)).splitlines()
        assert len(shown) == 2
        assert "FailedMount" in shown[1]
        revisions = (await kubectl.ok("get", "controllerrevisions")).splitlines()
        assert revisions[0].split() == ["NAME", "CONTROLLER", "REVISION", "AGE"]
        assert "daemonset.apps/cilium" in revisions[1]


async def test_claims_and_attachments_are_explained_and_deleted(tmp_path: Path) -> None:
    async with running_kubectl(tmp_path) as kubectl:
        await kubectl.ok("-n", "default", "apply", "-f", "-", stdin=VOLUMES)
        listed = json.loads(await kubectl.ok("get", "pv,pvc", "-A", "-o", "json"))
        assert {item["kind"] for item in listed["items"]} == {
            "PersistentVolume",
            "PersistentVolumeClaim",
        }
        names = (await kubectl.ok("api-resources", "-o", "name")).split()
        assert {"persistentvolumeclaims", "volumeattachments.storage.k8s.io"} <= set(names)
        await kubectl.ok("delete", "volumeattachment", "csi-1")
        assert "csi-1" not in await kubectl.ok("get", "volumeattachments")
