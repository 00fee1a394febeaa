"""The probes that read the kernel's own files, against a root of their own."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tests.unit.probe_shells import FIXTURES, SHELLS, Container, make_container

RELEASE = os.uname().release
CONFIG = b"""#
# Networking
CONFIG_INET_DIAG=m
CONFIG_INET_UDP_DIAG=y
# CONFIG_INET_DIAG_DESTROY is not set
# CONFIG_INET_RAW_DIAG is not set
CONFIG_INET_DIAG_OTHER=y
CONFIG_CGROUP_BPF=y
"""
SYMBOLS = b"""0000000000000000 T udp_disconnect
0000000000000000 t udp_diag_destroy\t[udp_diag]
0000000000000000 t not_udp_diag_destroy
0000000000000000 T bpf_get_netns_cookie_sock_addr
0000000000000000 d bpf_sock_destroy
"""


@pytest.fixture(params=SHELLS)
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Container:
    return make_container(str(request.param), tmp_path)


def kernel_lines(container: Container) -> list[str]:
    frame = container.run("kernel")["kernel"]
    assert (frame.exit_code, frame.stderr) == (0, b"")
    return frame.stdout.decode().splitlines()


@pytest.mark.parametrize(
    "path",
    [
        "/proc/config.gz",
        f"/boot/config-{RELEASE}",
        f"/lib/modules/{RELEASE}/config",
        f"/lib/modules/{RELEASE}/build/.config",
    ],
)
def test_the_kernel_config_is_found_wherever_it_is(container: Container, path: str) -> None:
    container.file(path, gzip.compress(CONFIG) if path.endswith("gz") else CONFIG)
    lines = kernel_lines(container)
    assert lines[0] == f"release {RELEASE}"
    assert [line for line in lines if line.startswith("config ")] == [
        "config CONFIG_INET_DIAG m",
        "config CONFIG_INET_UDP_DIAG y",
        "config CONFIG_INET_DIAG_DESTROY n",
        "config CONFIG_CGROUP_BPF y",
    ]
    assert f"configfile {container.root}{path}" in lines


def test_no_config_and_hidden_symbols_are_said(container: Container) -> None:
    lines = kernel_lines(container)
    assert lines == [f"release {RELEASE}", "configfile -", "kallsyms hidden"]
    container.file("/proc/kallsyms", b"")
    assert "kallsyms hidden" in kernel_lines(container)


def test_symbols_modules_and_sysctls_are_read(container: Container) -> None:
    container.file("/proc/kallsyms", SYMBOLS)
    container.file(
        "/proc/modules",
        b"nfs 458752 2 nfsv4, Live 0x0\nudp_diag 16384 0 - Live 0x0\nnfsd 1 1 - Live 0x0\n",
    )
    modules = f"/lib/modules/{RELEASE}/modules"
    container.file(f"{modules}.builtin", b"kernel/net/ipv4/inet_diag.ko\nkernel/fs/ext4/ext4.ko\n")
    container.file(
        f"{modules}.dep", b"kernel/net/ipv4/tcp_diag.ko.xz: kernel/x.ko\nkernel/fs/cifs/cifs.ko:\n"
    )
    container.file("/proc/sys/net/ipv4/tcp_fastopen", b"3\n")
    container.file("/host/proc/sys/net/core/bpf_jit_enable", b"1\n")
    container.file("/proc/fs/nfsfs/servers", b"NV SERVER   PORT USE HOSTNAME\nv4 0a600a01 801 1\n")
    lines = kernel_lines(container)
    assert "kallsyms readable" in lines
    assert [line.split() for line in lines if line.startswith("symbol ")] == [
        ["symbol", "udp_diag_destroy", "[udp_diag]"],
        ["symbol", "bpf_get_netns_cookie_sock_addr"],
    ]
    assert [line for line in lines if line.startswith("module ")] == [
        "module nfs loaded 2",
        "module udp_diag loaded 0",
        "module inet_diag builtin",
        "module tcp_diag dep",
        "module cifs dep",
    ]
    assert "sysctl net/ipv4/tcp_fastopen 3" in lines
    assert "sysctl net/core/bpf_jit_enable 1" in lines
    assert "nfsfs v4 0a600a01 801 1" in lines


def test_helpers_come_from_the_symbols_when_they_are_readable(container: Container) -> None:
    container.file("/proc/kallsyms", SYMBOLS)
    frame = container.run("helpers")["helpers"]
    assert frame.stdout == b"# source kallsyms\nbpf_get_netns_cookie\n"


def test_a_bpftool_that_claims_every_helper_is_not_believed(container: Container) -> None:
    """bpftool 7.1 lists 206 helpers for every program type on a 6.18 kernel."""
    real = FIXTURES / "1.19.4" / "bpftool-feature-probe.json"
    container.stub("bpftool", f"cat {real}")
    frame = container.run("helpers")["helpers"]
    assert (frame.exit_code, frame.stdout) == (65, b"")
    assert b"every helper" in frame.stderr


def test_helpers_fall_back_to_the_feature_probe(container: Container) -> None:
    answer = (
        '{"helpers":{"xdp_available_helpers":["bpf_xdp_adjust_head"],'
        '"cgroup_sock_addr_available_helpers":["bpf_get_netns_cookie","bpf_bind"],"x":[]}}'
    )
    container.stub("bpftool", f"printf '%s' '{answer}'")
    frame = container.run("helpers")["helpers"]
    assert frame.stdout == b"# source bpftool feature probe\nbpf_get_netns_cookie\n"
    container.stub("bpftool", "exit 1")
    assert container.run("helpers")["helpers"].exit_code == 65


def test_headers_name_the_files_that_were_read(container: Container) -> None:
    container.file(
        "/var/run/cilium/state/globals/node_config.h",
        b"#define HOST_NETNS_COOKIE 4142\n#define ENABLE_IPV4 1\n#define ENABLE_SOCKET_LB_FULL 1\n",
    )
    container.file("/var/lib/cilium/bpf/include/bpf/features.h", b"#define HAVE_NETNS_COOKIE_X\n")
    frame = container.run("headers")["headers"]
    root = str(container.root)
    node_config = f"{root}/var/run/cilium/state/globals/node_config.h"
    assert frame.stdout.decode().splitlines() == [
        f"{node_config}:# read",
        f"{node_config}:#define HOST_NETNS_COOKIE 4142",
        f"{node_config}:#define ENABLE_SOCKET_LB_FULL 1",
        f"{root}/var/lib/cilium/bpf/include/bpf/features.h:# read",
    ]
    assert frame.exit_code == 0


def test_hooks_are_read_where_the_cgroups_are_mounted(container: Container) -> None:
    container.stub("bpftool", 'echo "$*"')
    container.file("/proc/mounts", b"tmpfs /run tmpfs rw 0 0\ncgroup2 /sys/x cgroup2 rw 0 0\n")
    assert container.run("cgroup")["cgroup"].stdout == b"-j cgroup tree /sys/x\n"
    container.file("/run/cilium/cgroupv2/cgroup.procs")
    wanted = f"-j cgroup tree {container.root}/run/cilium/cgroupv2\n"
    assert container.run("cgroup")["cgroup"].stdout == wanted.encode()
