"""What the host probes print, as text: real-looking, cut off, hostile."""

from __future__ import annotations

import contextlib
import random

import pytest

from tui.cilium.hostclients import parse_clients
from tui.cilium.neighbors import parse_neighbors
from tui.cilium.releases import Release, parse_release
from tui.cilium.sockets import address_of, parse_sockets
from tui.collect.host_reader import host_probes
from tui.errors import ParseError
from tui.model.host import HostClients

IDLE = """# nfs absent
# rpc absent
# sunrpc absent
# smb absent
# rbd absent
# bdi read
/sys/class/bdi/ceph-*
# modules read
# fastopen read
1
# netstat read
TcpExt: A TCPFastOpenPassive B
TcpExt: 1 0 2
# sctp absent
# kmsg read
# kmsg denied
"""


def clients(text: str) -> HostClients:
    return parse_clients(text.encode())


def test_an_idle_node_uses_nothing() -> None:
    assert clients(IDLE) == HostClients(
        nfs_servers=(),
        sunrpc_addresses=(),
        smb_servers=(),
        rbd_devices=0,
        ceph_filesystems=0,
        module_uses={},
        tcp_fastopen=1,
        fastopen_passive=0,
        sctp_associations=0,
        kernel_log=None,
    )


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ("nfs", "nfs_servers"),
        ("sunrpc", "sunrpc_addresses"),
        ("smb", "smb_servers"),
        ("rbd", "rbd_devices"),
        ("sctp", "sctp_associations"),
    ],
)
def test_denied_is_not_none_in_use(part: str, field: str) -> None:
    assert getattr(clients(IDLE), field) in ((), 0)
    assert getattr(clients(IDLE.replace(f"# {part} absent", f"# {part} denied")), field) is None
    # A file without its title is not that file; a folder may be empty.
    empty = getattr(clients(IDLE.replace(f"# {part} absent", f"# {part} read")), field)
    assert empty == {"sunrpc": (), "rbd": 0}.get(part)


def test_sunrpc_without_its_folder_is_unknown_where_sunrpc_is_there() -> None:
    """Before 5.14 the kernel has no such folder."""
    assert clients(IDLE.replace("# rpc absent", "# rpc read")).sunrpc_addresses is None


def test_servers_of_nfs_are_read_by_their_columns() -> None:
    rows = [
        "NV SERVER   PORT USE HOSTNAME",
        "v4 0a600a01  801   1 nfs.storage.svc",
        "v4 0a600a01  801   1 nfs.storage.svc",
        "v3 zzzzzzzz  801   1 broken",
        "v3 0a600a0   801   1 short",
        "v4 fd000000000000000000000000000001 4e21 12 host",
        "v4 0a600a02",
    ]
    found = clients(IDLE.replace("# nfs absent", "\n".join(["# nfs read", *rows])))
    assert [(one.address, one.port, one.uses) for one in found.nfs_servers or ()] == [
        ("10.96.10.1", 2049, 1),
        ("fd00::1", 20001, 12),
    ]


def test_transports_are_addresses_and_no_paths() -> None:
    lines = "# sunrpc read\n10.96.0.9\n/var/run/rpcbind.sock\n<closed>\nfd00::9\n10.96.0.9\n"
    found = clients(IDLE.replace("# sunrpc absent\n", lines))
    assert found.sunrpc_addresses == ("10.96.0.9", "fd00::9")


def test_connections_are_those_of_root_that_stand_or_ask_again() -> None:
    row = "1: 0A00000A:0385 {to}00400A:01BD {state} 0:0 00:0 {again} {uid} 0 4711 2 0 20\n"
    rows = "# tcp read\n" + row.format(to="1F", state="01", again="00000000", uid=0) * 2
    rows += row.format(to="20", state="01", again="00000000", uid=1000) + "1: x y 01\n"
    # A first packet that may still be answered, and one that was sent again.
    rows += row.format(to="21", state="02", again="00000000", uid=0)
    rows += row.format(to="22", state="02", again="00000003", uid=0)
    found = clients(IDLE.replace("# rbd", rows + "# rbd"))
    assert [(one.address, one.port, one.is_established) for one in found.storage_peers or ()] == [
        ("10.64.0.31", 445, True),
        ("10.64.0.34", 445, False),
    ]
    assert clients(IDLE).storage_peers is None


def test_names_of_smb_servers_lose_their_ports() -> None:
    lines = (
        "# smb read\nDisplay\nHostname: (null)\nAddress: 10.0.0.8:445\nAddress: [fd00::8]:445\n"
        "Name: files.example.com\nAddress: fd00::9\n"
    )
    found = clients(IDLE.replace("# smb absent\n", lines))
    assert found.smb_servers == ("10.0.0.8", "fd00::8", "files.example.com", "fd00::9")


def test_a_server_that_answers_again_is_no_trouble() -> None:
    log = """# kmsg read
[1.0] nfs: server 10.96.0.1 not responding, still trying
[2.0] nfs: server 10.96.0.2 not responding, timed out
[3.0] nfs: server 10.96.0.1 OK
[4.0] libceph: mon0 (1)10.0.0.1:6789 wrong peer at address
"""
    found = clients(IDLE.partition("# kmsg")[0] + log)
    assert [line[:5] for line in found.kernel_log or ()] == ["[2.0]", "[4.0]"]


def test_counters_need_their_names() -> None:
    assert clients(IDLE.replace("TcpExt: 1 0 2", "TcpExt: 1 0")).fastopen_passive is None
    assert clients(IDLE.replace("TCPFastOpenPassive", "Other")).fastopen_passive is None
    assert clients(IDLE.replace("# fastopen read\n1", "# fastopen read\n-")).tcp_fastopen is None


def test_hostile_text_is_cleaned() -> None:
    evil = "\x1b]0;owned\x07[/red]"
    lines = f"# nfs read\nNV SERVER PORT USE HOSTNAME\nv4 0a600a01 801 1 {evil}\n"
    log = f"# kmsg read\n[1] libceph: wrong peer {evil}\n"
    text = IDLE.replace("# nfs absent\n", lines).replace("# kmsg read\n# kmsg denied\n", log)
    found = clients(text)
    assert "\x1b" not in f"{found.nfs_servers}{found.kernel_log}"
    assert found.kernel_log


@pytest.mark.parametrize("text", [b"", b"<html>", b"Usage: cat", b"\0" * 999, b"# clients read"])
def test_garbage_is_named(text: bytes) -> None:
    for parse in (parse_clients, parse_sockets, parse_neighbors):
        with pytest.raises(ParseError):
            parse(text)


def test_whatever_comes_is_parsed_or_refused() -> None:
    """Cut and mixed answers raise nothing but ParseError."""
    pick = random.Random(7)  # noqa: S311 - not for secrets
    sources = [
        IDLE.encode(),
        b"# host\n# pods 3 2\ncni-1 0A00600A:0035 4\nhost FFFF:0 x\n# truncated\n",
        b"dev eth0 2 physical\nagent eth0 3\nfailed 10.0.0.1 eth0\ndefault eth0\nfails eth0 1\n",
    ]
    for _ in range(600):
        text = bytearray(b"".join(pick.sample(sources, 2)))
        for _ in range(pick.randrange(1, 12)):
            text[pick.randrange(len(text))] = pick.randrange(256)
        cut = bytes(text[pick.randrange(40) : pick.randrange(40, len(text))])
        for parse in (parse_clients, parse_sockets, parse_neighbors):
            with contextlib.suppress(ParseError):
                parse(cut)


def test_addresses_of_sockets_are_turned_round() -> None:
    assert address_of("0100007F") == "127.0.0.1"
    assert address_of("0000000000000000FFFF00000A00600A") == "10.96.0.10"
    assert address_of("B80D0120000000000000000001000000") == "2001:db8::1"


def test_sockets_tell_what_was_not_read() -> None:
    known = parse_sockets(b"# host\n# pods 4 3\nhost 0A00600A:0035 2\nnonsense\nx y z\n")
    assert (known.pod_namespaces_read, known.is_truncated) == (3, False)
    (peer,) = known.peers
    assert (peer.address, peer.port, peer.count, peer.namespace) == ("10.96.0.10", 53, 2, "host")
    assert parse_sockets(b"# host\n").pod_namespaces_read is None
    assert parse_sockets(b"# host\n# pods 4 0\n").pod_namespaces_read is None
    assert parse_sockets(b"# host\n# pods 0 0\n").pod_namespaces_read == 0
    many = b"".join(b"host %08X:0035 1\n" % number for number in range(1, 400))
    assert parse_sockets(b"# host\n" + many).is_truncated


def test_devices_keep_the_order_of_their_age() -> None:
    found = parse_neighbors(
        b"dev eth1 9 physical\ndev eth0 2 physical\nagent eth0 4\ndefault eth0\ndefault eth0\n"
        b"failed 10.0.0.300 eth1\nfailed 10.0.0.3 eth1\nfails eth1 2\nagent gone 3\n"
    )
    assert [(one.name, one.agent_neighbors) for one in found.devices] == [("eth0", 4), ("eth1", 0)]
    assert found.default_devices == ("eth0",)
    assert found.failed == (("10.0.0.3", "eth1"),)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1.11.20", False),
        ("1.12.0", True),
        ("1.17.14", True),
        ("1.18.0-rc.1", False),
        ("1.18.0", False),
        ("1.20.0-dev", False),
    ],
)
def test_neighbors_are_read_where_the_release_ignores_device_changes(
    text: str, wanted: bool
) -> None:
    release = parse_release(text)
    assert isinstance(release, Release)
    assert ("neighbors" in host_probes(release)) is wanted
    assert host_probes(None) == {"clients", "sockets"}
