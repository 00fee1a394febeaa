from __future__ import annotations

import pytest

from tests.unit.cilium_fixtures import read
from tui.cilium.kernel import parse_cgroup, parse_headers, parse_helpers, parse_kernel
from tui.cilium.kernelreleases import (
    has_connect_fix,
    has_feature_of,
    parse_kernel_release,
)
from tui.errors import ParseError

KERNEL = b"""release 5.15.0-113-generic
config CONFIG_INET_DIAG m
config CONFIG_INET_DIAG_DESTROY n
config CONFIG_HZ 250
config NOT_A_CONFIG y
configfile /boot/config-5.15.0-113-generic
kallsyms readable
symbol tcp_diag_destroy [tcp_diag]
symbol bpf_get_netns_cookie_sock_addr
modules /proc/modules
module udp_diag loaded 3
module nfs dep
module libceph builtin
sysctl net/ipv4/tcp_fastopen 1
sysctl net/ipv4/ip_local_port_range 32768\t60999
nfsfs NV SERVER PORT USE HOSTNAME
nfsfs v4 0a600001 801 2 nfs.default.svc
"""


def test_reads_every_kind_of_line() -> None:
    found = parse_kernel(KERNEL)
    assert found.release == "5.15.0-113-generic"
    assert found.configs == {
        "CONFIG_INET_DIAG": "m",
        "CONFIG_INET_DIAG_DESTROY": "n",
        "CONFIG_HZ": "250",
    }
    assert found.config_file == "/boot/config-5.15.0-113-generic"
    assert found.symbols == {"tcp_diag_destroy": "tcp_diag", "bpf_get_netns_cookie_sock_addr": ""}
    assert found.is_kallsyms_readable
    assert found.loaded_modules == {"udp_diag": 3}
    assert found.loadable_modules == {"nfs"}
    assert found.builtin_modules == {"libceph"}
    assert found.sysctls["net/ipv4/ip_local_port_range"] == "32768 60999"
    assert found.nfs_servers == 1


@pytest.mark.parametrize(
    "text",
    [
        b"release 6.1.0\nconfigfile -\nkallsyms hidden\n",
        # Without gzip in the container the file is named and nothing of it is printed.
        b"release 6.1.0\nconfigfile /proc/config.gz\n",
    ],
)
def test_a_configuration_that_was_not_read_is_none(text: bytes) -> None:
    found = parse_kernel(text)
    assert found.config_file is None
    assert not found.is_kallsyms_readable


def test_anything_else_is_refused() -> None:
    with pytest.raises(ParseError, match="printed nothing"):
        parse_kernel(b"")
    with pytest.raises(ParseError):
        parse_kernel(b"sh: uname: not found\n")


@pytest.mark.parametrize("version", ["1.11.7", "1.11.7-k8s", "1.17.5", "1.19.4"])
def test_finds_the_hooks_of_real_agents(version: str) -> None:
    found = parse_cgroup(read(version, "bpftool-cgroup-tree.json")).programs
    assert {"connect4", "connect6", "getpeername4", "sendmsg4", "post_bind6"} <= set(found)
    assert ("sock_release" in found) == (version == "1.19.4")


def test_old_spellings_and_programs_of_others() -> None:
    text = (
        b'[{"cgroup":"/run/cilium/cgroupv2","programs":['
        b'{"attach_type":"connect4","name":"sock4_connect"},'
        b'{"attach_type":"post_bind6","name":""},'
        b'{"attach_type":"cgroup_inet_ingress","name":"cil_x"},'
        b'{"attach_type":"sendmsg4","name":"systemd_thing"},{"attach_type":7},3]},'
        b'{"cgroup":"/x","programs":null},4]'
    )
    assert set(parse_cgroup(text).programs) == {"connect4", "post_bind6"}
    assert parse_cgroup(b"[]").programs == {}


def test_a_refusal_of_bpftool_is_no_empty_list() -> None:
    with pytest.raises(ParseError, match="Permission denied"):
        parse_cgroup(b'{"error":"can\'t query bpf programs attached to /run: Permission denied"}')


def test_reads_generated_headers() -> None:
    node = "/var/run/cilium/state/globals/node_config.h"
    features = "/var/lib/cilium/bpf/include/bpf/features.h"
    found = parse_headers(
        f"{node}:# read\n{node}:#define HOST_NETNS_COOKIE 4142\n"
        f"{features}:# read\n{features}:#define HAVE_NETNS_COOKIE 1\n"
        f"{features}:#define BARE\nx\n".encode()
    )
    assert found.defines == {"HOST_NETNS_COOKIE": "4142", "HAVE_NETNS_COOKIE": "1", "BARE": ""}
    assert found.origins["HAVE_NETNS_COOKIE"] == features
    assert found.was_read("/bpf/features.h")
    assert not found.was_read("features_skb.h")
    with pytest.raises(ParseError):
        parse_headers(b"")


def test_reads_helpers() -> None:
    found = parse_helpers(b"# source kallsyms\nbpf_get_netns_cookie\nrm -rf\n")
    assert found.names == {"bpf_get_netns_cookie"}
    assert found.source == "kallsyms"
    with pytest.raises(ParseError):
        parse_helpers(b"bpf_get_netns_cookie\n")


@pytest.mark.parametrize(
    ("release", "has"),
    [
        ("5.8.0", True),
        ("5.10.0-90-generic", True),
        ("5.4.0-90-generic", False),
        ("4.18.0-553.8.1.el8_10.x86_64", None),
        ("5.4.17-2136.el8uek.x86_64", None),
        ("4.14.336-253.554.amzn2.x86_64", None),
        ("5.3.18-150300.59.93-default", None),
        ("4.19.90-2112.8.0.0131.oe1.x86_64", None),
        ("4.19.91-26.al7.x86_64", None),
        ("5.4.119-19.0009.28", None),
        ("4.19.90-25.16.v2101.ky10.x86_64", None),
        ("5.4.0-1103-azure", False),
        ("5.4.129-flatcar", False),
        ("5.15.133+", True),
        ("6.6.31-talos", True),
        ("5.14.21-150500.55.7-default", True),
        ("not a kernel", None),
        ("", None),
    ],
)
def test_a_release_proves_what_no_distribution_backports(release: str, has: bool | None) -> None:
    assert has_feature_of(parse_kernel_release(release), 5, 8) is has


@pytest.mark.parametrize(
    ("release", "is_fixed"),
    [
        ("6.6.0", True),
        ("6.18.44-fc-v669", True),
        ("6.5.3", True),
        ("6.5.2", False),
        ("6.1.53", True),
        ("6.1.52-gentoo", False),
        ("6.3.1", False),
        ("5.15.0-113-generic", True),
        ("5.15.0-112-generic", False),
        ("5.15.0-1049-gke", None),
        ("6.1.0-13-amd64", None),
        ("4.18.0-553.8.1.el8_10.x86_64", True),
        ("4.18.0-477.10.1.el8_8.x86_64", False),
        ("5.10.192-183.736.amzn2.x86_64", None),
        ("5.14.21-150500.55.7-default", None),
        ("5.10.134-16.1.al8.x86_64", None),
        ("5.15.133+", True),
        ("6.1.66", True),
        ("?", None),
    ],
)
def test_which_kernels_have_the_connect_fix(release: str, is_fixed: bool | None) -> None:
    assert has_connect_fix(parse_kernel_release(release)) is is_fixed
