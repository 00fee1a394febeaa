"""nfs-socket-lb: mounts from Services on kernels that let their server's address be overwritten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.checks_facts import cluster_facts, judged, known, kpr, node_facts, severity, status
from tui.checks.nfs_socket_lb import CHECK
from tui.model.cluster import ClusterFacts
from tui.model.findings import FindingSeverity
from tui.model.host import HostClients, NfsServer, StoragePeer
from tui.model.names import NodeName
from tui.model.reading import Reading
from tui.model.services import Address, Service
from tui.model.snapshot import NodeFacts
from tui.model.workloads import MountFailure, NetworkVolume, VolumeKind, VolumeUse, Workloads
from tui.safety import clean

ACTIVE, ARMED, UNKNOWN, LATENT, CLEAR = FindingSeverity
BAD = "5.15.131"
VIP, BACKEND = "10.96.7.7", "10.0.3.9"
NODE = NodeName("node-1")


def service(name: str = "storage/nfs", **parts: Any) -> Service:
    base = Service(
        clean(name),
        clean("ClusterIP"),
        (VIP,),
        (),
        (Address(VIP, 2049, "TCP"),),
        (Address(BACKEND, 2049, "TCP"),),
    )
    return replace(base, **parts)


def volume(server: str = VIP, kind: VolumeKind = VolumeKind.NFS, **parts: Any) -> NetworkVolume:
    servers = (clean(server),) if server else ()
    return replace(NetworkVolume("pv-1", kind, servers), **parts)


def cluster(
    *volumes: NetworkVolume, services: tuple[Service, ...] | None = None, **parts: Any
) -> ClusterFacts:
    uses = tuple(VolumeUse(one.key, NODE, clean("shop/web-0")) for one in volumes)
    base: dict[str, Any] = {
        "workloads": known(Workloads(volumes=volumes, volume_uses=uses), "GET /api/v1/pods"),
        "services": known((service(),) if services is None else services, "GET /api/v1/services"),
    }
    return cluster_facts({}, **(base | parts))


def clients(*servers: NfsServer, **parts: Any) -> HostClients:
    base = HostClients(
        nfs_servers=servers,
        sunrpc_addresses=(),
        smb_servers=(),
        rbd_devices=0,
        ceph_filesystems=0,
        module_uses={"nfs": 1},
        kernel_log=(),
    )
    return replace(base, **parts)


def node(kernel: str = BAD, held: HostClients | None = None, **parts: Any) -> NodeFacts:
    return node_facts(kernel=kernel, clients=held, **parts)


def failure(message: str, pod: str = "shop/web-0") -> MountFailure:
    return MountFailure(clean(pod), NODE, clean(message), 3, 999_000.0)


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        ("5.15.131", ARMED),
        ("5.15.132", LATENT),
        ("5.15.147", CLEAR),
        ("6.5.2", ARMED),
        ("6.5.3", LATENT),
        ("6.6.0", CLEAR),
        ("5.10.194", ARMED),
        ("5.10.198", LATENT),
        ("5.15.0-112-generic", ARMED),
        ("5.15.0-113-generic", CLEAR),
        ("5.15.0-1063-aws", UNKNOWN),
        ("4.18.0-553.el8_10.x86_64", ARMED),
        ("4.18.0-553.8.1.el8_10.x86_64", CLEAR),
        ("5.14.0-427.31.1.el9_4.x86_64", CLEAR),
        ("5.14.0-503.11.1.el9_5.x86_64", CLEAR),
        # CentOS Stream: between two of RHEL's minor releases its number proves nothing.
        ("5.14.0-430.el9.x86_64", UNKNOWN),
        ("5.14.0-522.el9.x86_64", CLEAR),
        ("5.14.0-362.el9.x86_64", ARMED),
        ("", UNKNOWN),
    ],
)
def test_the_kernel_decides_for_a_volume_behind_a_service(
    kernel: str, expected: FindingSeverity
) -> None:
    assert severity(CHECK, node(kernel), cluster(volume())) is expected


def test_a_kernel_with_the_fix_for_nfs_alone_says_so() -> None:
    (verdict,) = judged(CHECK, node("5.15.132"), cluster(volume()))
    assert "has the fix for NFS over TCP; it lacks that for SMB" in verdict.summary


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        ("5.15.132", ARMED),
        ("5.15.135", UNKNOWN),
        ("5.15.147", CLEAR),
        ("6.1.53", ARMED),
        ("6.1.57", CLEAR),
        ("6.6.0", CLEAR),
    ],
)
def test_smb_needs_its_own_commit(kernel: str, expected: FindingSeverity) -> None:
    held = cluster(volume(kind=VolumeKind.SMB))
    assert severity(CHECK, node(kernel), held) is expected


def test_another_regression_is_named_and_not_blamed() -> None:
    (verdict,) = judged(CHECK, node("6.6.0"), cluster(volume()))
    assert "UDP" in verdict.summary
    facts = node("6.5.7", clients())
    (verdict,) = judged(CHECK, facts, cluster())
    assert verdict.severity is LATENT


@pytest.mark.parametrize(
    ("socket_lb", "coverage", "expected"),
    [(True, "Full", ARMED), (True, "Hostns-only", ARMED), (False, "", CLEAR)],
)
def test_socket_lb_of_the_host_is_what_matters(
    socket_lb: bool, coverage: str, expected: FindingSeverity
) -> None:
    proxy = kpr(socket_lb=socket_lb, socket_lb_coverage=clean(coverage))
    facts = node(state=status(kube_proxy_replacement=proxy))
    assert severity(CHECK, facts, cluster(volume())) is expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"kube-proxy-replacement": "strict"}, ARMED),
        ({"kube-proxy-replacement": "true", "bpf-lb-sock": "false"}, ARMED),
        ({"kube-proxy-replacement": "partial", "enable-host-reachable-services": "true"}, ARMED),
        ({"kube-proxy-replacement": "false", "bpf-lb-sock": "true"}, ARMED),
        ({"kube-proxy-replacement": "false"}, CLEAR),
        ({"debug": "false"}, UNKNOWN),
    ],
)
def test_without_a_status_the_configuration_tells_of_socket_lb(
    config: dict[str, str], expected: FindingSeverity
) -> None:
    facts = replace(node(), status=Reading.unknown(clean("the agent does not answer")))
    held = replace(cluster(volume()), config_map=cluster_facts(config).config_map)
    assert severity(CHECK, facts, held) is expected


@pytest.mark.parametrize(
    ("one", "services", "expected"),
    [
        (volume("nfs.storage.svc.cluster.local"), (service(),), ARMED),
        (volume("nfs.storage"), (service(),), ARMED),
        (volume("198.51.100.4"), (service(external_ips=("198.51.100.4",)),), ARMED),
        (volume("192.0.2.10"), (service(),), LATENT),
        (volume("filer.example.com"), (service(),), LATENT),
        (volume(BACKEND), (service(),), LATENT),
        (volume("nfs.storage.svc"), (service(is_headless=True, cluster_ips=()),), LATENT),
        (volume("nfs.storage.svc"), (service(type=clean("ExternalName")),), LATENT),
        (volume("", reason=clean("a ConfigMap of the driver")), (service(),), UNKNOWN),
        (
            volume("", key="pvc-7", driver=clean("driver.longhorn.io")),
            (service("longhorn-system/pvc-7"),),
            ARMED,
        ),
        (volume("", key="pvc-7", driver=clean("driver.longhorn.io")), (service(),), UNKNOWN),
    ],
)
def test_only_servers_behind_a_service_are_hurt(
    one: NetworkVolume, services: tuple[Service, ...], expected: FindingSeverity
) -> None:
    assert severity(CHECK, node(), cluster(one, services=services)) is expected


@pytest.mark.parametrize(
    ("server", "volumes", "expected"),
    [
        (NfsServer(VIP, 2049, 2, clean(VIP)), (), ARMED),
        # The kernel prints an address as it was at the mount: no trace of what came after.
        (NfsServer(BACKEND, 2049, 2, clean(VIP)), (), ARMED),
        (NfsServer(BACKEND, 2049, 2, clean("nfs.storage.svc")), (), ARMED),
        # An address that the Service had once: another trouble than this one.
        (NfsServer("10.0.9.1", 2049, 2, clean("nfs.storage.svc")), (), LATENT),
        (NfsServer(BACKEND, 2049, 2), (volume(),), ARMED),
        (NfsServer(BACKEND, 2049, 2, clean(BACKEND)), (), LATENT),
        (NfsServer(BACKEND, 2049, 2), (volume(BACKEND),), LATENT),
        (NfsServer("192.0.2.10", 2049, 2, clean("filer.example.com")), (), LATENT),
    ],
)
def test_the_hosts_own_clients_show_what_is_mounted(
    server: NfsServer, volumes: tuple[NetworkVolume, ...], expected: FindingSeverity
) -> None:
    assert severity(CHECK, node(held=clients(server)), cluster(*volumes)) is expected


@pytest.mark.parametrize("kernel", ["5.15.0-1063-aws", ""])
def test_a_backends_address_proves_nothing_of_the_kernel(kernel: str) -> None:
    held = clients(NfsServer(BACKEND, 2049, 2, clean(VIP)))
    assert severity(CHECK, node(kernel, held), cluster()) is UNKNOWN


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        # With or without the fix, the socket's own peer is a backend.
        (StoragePeer(BACKEND, 2049, is_established=True), ARMED),
        (StoragePeer(BACKEND, 2049, is_established=False), ARMED),
        (StoragePeer("10.0.9.1", 2049, is_established=False), ACTIVE),
        (StoragePeer("10.0.9.1", 2049, is_established=True), ARMED),
        (StoragePeer("192.0.2.10", 2049, is_established=False), ARMED),
    ],
)
def test_a_client_that_still_connects_to_a_backend_that_is_gone(
    peer: StoragePeer, expected: FindingSeverity
) -> None:
    servers = NfsServer(VIP, 2049, 1, clean(VIP)), NfsServer("192.0.2.10", 2049, 1)
    held = clients(*servers, storage_peers=(peer,))
    assert severity(CHECK, node(held=held), cluster()) is expected
    external = clients(servers[1], storage_peers=(peer,))
    assert severity(CHECK, node(held=external), cluster()) is LATENT
    if expected is ACTIVE:
        assert severity(CHECK, node("5.15.0-1063-aws", held), cluster()) is UNKNOWN


def test_a_transport_to_a_backend_of_the_volumes_service_is_told() -> None:
    held = clients(sunrpc_addresses=(BACKEND, "192.0.2.1"))
    (verdict,) = judged(CHECK, node(held=held), cluster(volume()))
    assert verdict.severity is ARMED
    assert f"sunrpc transport to {BACKEND}" in verdict.evidence[0].text
    assert severity(CHECK, node(held=held), cluster()) is LATENT


def test_smb_servers_of_the_host() -> None:
    assert severity(CHECK, node(held=clients(smb_servers=(clean(VIP),))), cluster()) is ARMED
    held = clients(smb_servers=(clean(BACKEND),))
    assert severity(CHECK, node(held=held), cluster(volume(kind=VolumeKind.SMB))) is ARMED
    assert severity(CHECK, node(held=held), cluster()) is LATENT


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('MountVolume.SetUp failed for volume "pv-1" : mount failed: exit status 32', ACTIVE),
        ("Unable to attach or mount volumes: unmounted volumes=[data]: timed out", ACTIVE),
        ('MountVolume.SetUp failed for volume "certs" : secret "certs" not found', ARMED),
        # The server answers, or was never asked: no fault of its address.
        ('failed for volume "pv-1" : mount.nfs: access denied by server', ARMED),
        (
            'failed for volume "pv-1" : mount.nfs: mounting 10.96.7.7:/x failed, reason given by'
            " server: No such file or directory",
            ARMED,
        ),
        ('failed for volume "pv-1" : wrong fs type, bad option, bad superblock', ARMED),
    ],
)
def test_failed_mounts_of_such_a_volume_are_harm(message: str, expected: FindingSeverity) -> None:
    events = known((failure(message),), "GET /api/v1/events")
    assert severity(CHECK, node(), cluster(volume(), mount_failures=events)) is expected
    external = cluster(volume("192.0.2.10"), mount_failures=events)
    assert severity(CHECK, node(), external) is LATENT
    assert severity(CHECK, node("5.15.0-1063-aws"), cluster(volume(), mount_failures=events)) is (
        UNKNOWN
    )


def test_a_timeout_is_not_blamed_where_another_volume_of_the_pod_fails() -> None:
    events = (
        failure('MountVolume.SetUp failed for volume "certs" : secret "certs" not found'),
        failure("Unable to attach or mount volumes: unmounted volumes=[certs]: timed out"),
    )
    assert severity(CHECK, node(), cluster(volume(), mount_failures=known(events))) is ARMED


def test_a_service_without_backends_is_another_trouble() -> None:
    gone = (service(backends=()),)
    events = known((failure('MountVolume.SetUp failed for volume "pv-1" : timed out'),))
    line = clean(f"nfs: server {VIP} not responding, still trying")
    facts = node(held=clients(kernel_log=(line,)))
    held = cluster(volume(), services=gone, mount_failures=events)
    assert severity(CHECK, facts, held) is ARMED
    assert severity(CHECK, facts, cluster(volume(), mount_failures=events)) is ACTIVE


@pytest.mark.parametrize(
    ("server", "expected"),
    [("nfs.storage.svc", ACTIVE), (VIP, ACTIVE), ("filer.example.com", LATENT)],
)
def test_the_kernels_log_names_the_server(server: str, expected: FindingSeverity) -> None:
    line = clean(f"[12.3] nfs: server {server} not responding, still trying")
    assert severity(CHECK, node(held=clients(kernel_log=(line,))), cluster()) is expected


def test_nothing_mounted_is_latent_and_nothing_known_is_unknown() -> None:
    denied = Reading[Any].denied(clean("pods: list is denied"))
    assert severity(CHECK, node(), cluster()) is LATENT
    assert severity(CHECK, node(held=clients()), cluster(workloads=denied)) is LATENT
    (verdict,) = judged(CHECK, node(), cluster(workloads=denied))
    assert verdict.severity is UNKNOWN
    assert "denied" in verdict.missing[0].what
    refused = cluster(volumes_reason=clean("persistentvolumes: list is denied"))
    assert severity(CHECK, node(), refused) is UNKNOWN
    assert severity(CHECK, node("6.8.0-45-generic"), cluster(workloads=denied)) is CLEAR


def test_servers_can_t_be_told_apart_without_services() -> None:
    denied = Reading[Any].denied(clean("services: list is denied"))
    held = clients(NfsServer("192.0.2.10", 2049, 1))
    assert severity(CHECK, node(held=held), replace(cluster(), services=denied)) is UNKNOWN
    assert severity(CHECK, node(), replace(cluster(volume()), services=denied)) is UNKNOWN
    assert severity(CHECK, node(held=clients()), replace(cluster(), services=denied)) is LATENT


def test_a_backend_without_a_name_is_unknown_where_volumes_are_denied() -> None:
    held = clients(NfsServer(BACKEND, 2049, 1))
    denied = Reading[Any].denied(clean("pods: list is denied"))
    assert severity(CHECK, node(held=held), cluster(workloads=denied)) is UNKNOWN


def test_a_person_is_told_all_that_is_needed() -> None:
    gone = StoragePeer("10.0.9.1", 2049, is_established=False)
    held = clients(NfsServer(VIP, 2049, 2, clean(VIP)), storage_peers=(gone,))
    (verdict,) = judged(CHECK, node(held=held), cluster(volume()))
    assert verdict.severity is ACTIVE
    assert {str(one) for one in verdict.objects} == {
        "PersistentVolume pv-1",
        "Service storage/nfs",
    }
    texts = " | ".join(piece.text for piece in verdict.evidence)
    assert "still connects to 10.0.9.1:2049, no backend of storage/nfs any more" in texts
    assert f"{VIP} at {VIP}:2049, 2 uses = Service storage/nfs" in texts
    assert f"kernel {BAD} lacks the fix for NFS" in texts
    assert verdict.evidence[0].source == "cat /proc/net/tcp /proc/net/tcp6"
    assert verdict.evidence[0].at is not None
    remedy = verdict.remedy
    assert "umount -f -l" in remedy.now[0]
    assert any("hostns-only does not help" in one for one in remedy.lasting)
    assert remedy.commands[0].startswith("kubectl drain node-1")
    assert remedy.needs_restart is False
    assert remedy.interrupts
    assert remedy.test
