"""libceph-getpeername: Ceph clients of the kernel with monitors behind Services."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.checks_facts import (
    cluster_facts,
    feature,
    judged,
    known,
    kpr,
    node_facts,
    severity,
    status,
)
from tui.checks.libceph_getpeername import CHECK
from tui.model.cluster import ClusterFacts
from tui.model.features import FeatureState
from tui.model.findings import FindingSeverity
from tui.model.host import HostClients
from tui.model.names import NodeName
from tui.model.reading import Reading
from tui.model.services import Address, Service
from tui.model.snapshot import NodeFacts
from tui.model.workloads import MountFailure, NetworkVolume, VolumeKind, VolumeUse, Workloads
from tui.safety import clean

ACTIVE, ARMED, UNKNOWN, LATENT, CLEAR = FindingSeverity
OLD, RHEL = "5.4.0-90-generic", "4.18.0-553.el8_10.x86_64"
VIP = "10.96.1.1"
NODE = NodeName("node-1")
WRONG_PEER = "libceph: wrong peer, want 10.0.1.7:6789/0, got 10.96.1.1:6789/0"


def monitor(**parts: Any) -> Service:
    base = Service(
        clean("rook-ceph/rook-ceph-mon-a"),
        clean("ClusterIP"),
        (VIP,),
        (),
        (Address(VIP, 6789, "TCP"),),
        (Address("10.0.1.7", 6789, "TCP"),),
    )
    return replace(base, **parts)


def volume(*servers: str, kind: VolumeKind = VolumeKind.RBD, **parts: Any) -> NetworkVolume:
    return replace(NetworkVolume("pvc-1", kind, tuple(map(clean, servers))), **parts)


def cluster(*volumes: NetworkVolume, service: Service | None = None, **parts: Any) -> ClusterFacts:
    uses = tuple(VolumeUse(one.key, NODE, clean("shop/db-0")) for one in volumes)
    base: dict[str, Any] = {
        "workloads": known(Workloads(volumes=volumes, volume_uses=uses), "GET /api/v1/pods"),
        "services": known((service or monitor(),), "GET /api/v1/services"),
    }
    return cluster_facts({}, **(base | parts))


def clients(**parts: Any) -> HostClients:
    base = HostClients(
        nfs_servers=(),
        sunrpc_addresses=(),
        smb_servers=(),
        rbd_devices=0,
        ceph_filesystems=0,
        module_uses={},
        kernel_log=(),
    )
    return replace(base, **parts)


def node(
    kernel: str = OLD,
    hook: FeatureState | None = None,
    held: HostClients | None = None,
    **parts: Any,
) -> NodeFacts:
    rows = () if hook is None else (feature("getpeername-hook", hook),)
    return node_facts("1.17.5", kernel, features=rows, clients=held, **parts)


@pytest.mark.parametrize(
    ("kernel", "hook", "expected"),
    [
        ("5.4.0-90-generic", None, ARMED),
        ("5.7.19", None, ARMED),
        ("5.8.0", None, CLEAR),
        ("5.10.0", None, CLEAR),
        (RHEL, None, UNKNOWN),
        (RHEL, FeatureState.UNKNOWN, UNKNOWN),
        (RHEL, FeatureState.NO, ARMED),
        (RHEL, FeatureState.YES, CLEAR),
        (OLD, FeatureState.YES, CLEAR),
        # Socket hooks are attached and this one is not, whatever the kernel could do.
        ("6.8.0-45-generic", FeatureState.NO, ARMED),
        ("", None, UNKNOWN),
    ],
)
def test_the_attached_hook_goes_before_the_kernels_release(
    kernel: str, hook: FeatureState | None, expected: FindingSeverity
) -> None:
    assert severity(CHECK, node(kernel, hook), cluster(volume(VIP))) is expected


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        (kpr(socket_lb=False), CLEAR),
        (kpr(socket_lb_coverage=clean("Hostns-only")), ARMED),
        (None, UNKNOWN),
    ],
)
def test_hostns_only_does_not_help(proxy: Any, expected: FindingSeverity) -> None:
    facts = node(state=status(kube_proxy_replacement=proxy))
    assert severity(CHECK, facts, cluster(volume(VIP))) is expected


@pytest.mark.parametrize(
    ("one", "service", "expected"),
    [
        (volume(VIP), monitor(), ARMED),
        (volume("10.9.9.9", VIP), monitor(), ARMED),
        (volume(VIP, kind=VolumeKind.CEPHFS), monitor(), ARMED),
        (volume("rook-ceph-mon-a.rook-ceph.svc"), monitor(), ARMED),
        (volume("192.0.2.1", "192.0.2.2"), monitor(), LATENT),
        (volume("rook-ceph-mon-a.rook-ceph.svc"), monitor(is_headless=True), LATENT),
        (volume(reason=clean("ConfigMap rook-ceph-csi-config can't be read")), None, UNKNOWN),
        (volume(VIP, kind=VolumeKind.NFS), monitor(), LATENT),
    ],
)
def test_monitors_must_be_services_to_be_hurt(
    one: NetworkVolume, service: Service | None, expected: FindingSeverity
) -> None:
    assert severity(CHECK, node(), cluster(one, service=service)) is expected


def failure(message: str) -> MountFailure:
    return MountFailure(clean("shop/db-0"), NODE, clean(message), 4, 999_000.0)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('MountVolume.MountDevice failed for volume "pvc-1" : rbd: map failed', ACTIVE),
        ("Unable to attach or mount volumes: unmounted volumes=[d]: timed out", ACTIVE),
        ('MountVolume.SetUp failed for volume "token" : object not registered', ARMED),
    ],
)
def test_failed_mounts_of_ceph_volumes_are_harm(message: str, expected: FindingSeverity) -> None:
    events = known((failure(message),), "GET /api/v1/events")
    assert severity(CHECK, node(), cluster(volume(VIP), mount_failures=events)) is expected
    external = cluster(volume("192.0.2.1"), mount_failures=events)
    assert severity(CHECK, node(), external) is LATENT
    unproven = cluster(volume(VIP), mount_failures=events)
    assert severity(CHECK, node(RHEL), unproven) is UNKNOWN


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (WRONG_PEER, ACTIVE),
        ("libceph: mon0 (1)10.96.1.1:6789 wrong peer at address", ACTIVE),
        ("libceph: wrong peer, want (1)10.0.0.72:30243/0, got (1)10.102.4.224:6789/0", ACTIVE),
        ("libceph: wrong peer, want (1)[fd00::7]:6789/0, got (1)[fd00::1:1]:6789/0", ACTIVE),
        # An OSD that restarted: its address is the same, its nonce is not.
        ("libceph: wrong peer, want (1)10.0.1.9:6801/2314, got (1)10.0.1.9:6801/9876", LATENT),
        ("libceph: osd3 (1)10.0.1.9:6801 wrong peer at address", LATENT),
        ("libceph: wrong peer, want", LATENT),
        ("nfs: server 10.96.1.1 not responding", LATENT),
    ],
)
def test_the_kernels_log_proves_it_alone(line: str, expected: FindingSeverity) -> None:
    held = clients(kernel_log=(clean(line),))
    assert severity(CHECK, node(held=held), cluster()) is expected
    assert severity(CHECK, node(hook=FeatureState.YES, held=held), cluster()) is CLEAR


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (clients(), LATENT),
        (clients(module_uses={"libceph": 0, "rbd": 0, "ceph": 0}), LATENT),
        # rbd holds libceph, whether a device is mapped or not.
        (clients(module_uses={"libceph": 1, "rbd": 0}), LATENT),
        (clients(module_uses={"libceph": 1, "rbd": 2}), UNKNOWN),
        (clients(rbd_devices=2), UNKNOWN),
        (clients(ceph_filesystems=1), UNKNOWN),
    ],
)
def test_clients_that_no_volume_explains(held: HostClients, expected: FindingSeverity) -> None:
    assert severity(CHECK, node(held=held), cluster()) is expected
    denied = Reading[Any].denied(clean("pods: list is denied"))
    assert severity(CHECK, node(held=held), cluster(workloads=denied)) is expected


def test_nothing_is_known_without_pods_and_the_host() -> None:
    denied = Reading[Any].denied(clean("pods: list is denied"))
    (verdict,) = judged(CHECK, node(), cluster(workloads=denied))
    assert verdict.severity is UNKNOWN
    assert "pods: list is denied" in verdict.missing[0].what
    held = cluster(volumes_reason=clean("persistentvolumes: list is denied"))
    assert severity(CHECK, node(), held) is UNKNOWN
    assert severity(CHECK, node(held=clients()), held) is LATENT
    assert severity(CHECK, node(), cluster()) is LATENT


def test_monitors_can_t_be_told_without_services() -> None:
    denied = Reading[Any].denied(clean("services: list is denied"))
    (verdict,) = judged(CHECK, node(), cluster(volume(VIP), services=denied))
    assert verdict.severity is UNKNOWN
    assert "services: list is denied" in verdict.missing[0].what


def test_a_person_is_told_all_that_is_needed() -> None:
    held = clients(kernel_log=(clean(WRONG_PEER),), rbd_devices=1, module_uses={"rbd": 1})
    facts = node(hook=FeatureState.NO, held=held)
    (verdict,) = judged(CHECK, facts, cluster(volume(VIP)))
    assert "wrong peer" in verdict.summary
    assert {str(one) for one in verdict.objects} == {
        "PersistentVolume pvc-1",
        "Service rook-ceph/rook-ceph-mon-a",
    }
    texts = " | ".join(piece.text for piece in verdict.evidence)
    assert "1 rbd device, module rbd in use 1×" in texts
    assert "Service rook-ceph/rook-ceph-mon-a" in texts
    assert verdict.evidence[-1].key == "getpeername-hook"
    remedy = verdict.remedy
    assert any("hostns-only does not help" in one for one in remedy.lasting)
    assert [one.helm for one in remedy.settings] == [
        "kubeProxyReplacement=false",
        "socketLB.enabled=false",
    ]
    assert not any("helm" in one or "rollout" in one for one in remedy.commands)
    assert remedy.commands[0].startswith("kubectl drain node-1")
    assert remedy.interrupts
    assert remedy.test


@pytest.mark.parametrize(
    ("release", "keys", "value"),
    [
        ("1.11.7", ["kube-proxy-replacement", "enable-host-reachable-services"], "disabled"),
        ("1.12.0", ["kube-proxy-replacement", "bpf-lb-sock"], "disabled"),
        ("1.13.18", ["kube-proxy-replacement", "bpf-lb-sock"], "disabled"),
        ("1.14.0", ["kube-proxy-replacement", "bpf-lb-sock"], "false"),
    ],
)
def test_the_settings_are_legal_in_the_release(release: str, keys: list[str], value: str) -> None:
    facts = node_facts(release, OLD, features=(feature("getpeername-hook", FeatureState.NO),))
    (verdict,) = judged(CHECK, facts, cluster(volume(VIP)))
    assert [one.key for one in verdict.remedy.settings] == keys
    assert verdict.remedy.settings[0].value == value


def test_the_missing_hook_list_is_asked_for_by_its_command() -> None:
    (verdict,) = judged(CHECK, node(RHEL), cluster(volume(VIP)))
    assert verdict.missing[0].how.endswith("bpftool cgroup tree /run/cilium/cgroupv2")
