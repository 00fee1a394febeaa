"""The kernels of simulated nodes: which features they have, and where a container can see that."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

ACCOUNTING_SINCE = (6, 4)
"""From here `bytes_memlock` follows the entries of non-preallocated hashes and of LPM tries."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel release and how it was built."""

    release: str
    """As `uname -r` prints it."""
    os_image: str
    has_config_gz: bool = False
    """Whether it was built with CONFIG_IKCONFIG_PROC; Debian and Ubuntu kernels are not."""
    has_inet_diag_destroy: bool = True
    """CONFIG_INET_DIAG_DESTROY, which ends sockets connected to deleted backends."""
    has_udp_diag: bool = True
    is_udp_diag_loaded: bool = True
    """A module that was not loaded yet shows no symbols."""

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor."""
        major, minor = self.release.split(".")[:2]
        return int(major), int(minor)

    def at_least(self, major: int, minor: int) -> bool:
        """Tell whether the kernel has what came with this mainline release."""
        return self.version >= (major, minor)

    @property
    def has_accounting(self) -> bool:
        """Whether `bytes_memlock` follows the entries."""
        return self.version >= ACCOUNTING_SINCE

    @property
    def has_netns_cookie(self) -> bool:
        """Whether bpf_get_netns_cookie works in cgroup sock_addr programs (5.7)."""
        return self.at_least(5, 7)

    @property
    def has_cookie_socket_option(self) -> bool:
        """Whether getsockopt(SO_NETNS_COOKIE) works (5.14); HOST_NETNS_COOKIE needs it."""
        return self.at_least(5, 14)

    @property
    def has_getpeername_hook(self) -> bool:
        """Whether BPF_CGROUP_INET4_GETPEERNAME exists (5.8)."""
        return self.at_least(5, 8)

    @property
    def has_socket_destroyer(self) -> bool:
        """Whether the bpf_sock_destroy kfunc exists (6.5)."""
        return self.at_least(6, 5)

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols of interest in /proc/kallsyms."""
        found = []
        if self.has_inet_diag_destroy:
            found.append("tcp_diag_destroy")
            if self.has_udp_diag and self.is_udp_diag_loaded:
                found.append("udp_diag_destroy")
        if self.has_netns_cookie:
            found.append("bpf_get_netns_cookie_sock_addr")
            found.append("bpf_get_netns_cookie_sock")
        if self.has_socket_destroyer:
            found.append("bpf_sock_destroy")
        return tuple(found)

    def options(self) -> dict[str, str | None]:
        """Return the kernel's configuration as far as it matters here; None is "not set"."""
        return {
            "CONFIG_BPF": "y",
            "CONFIG_BPF_SYSCALL": "y",
            "CONFIG_BPF_JIT": "y",
            "CONFIG_CGROUP_BPF": "y",
            "CONFIG_NET_CLS_BPF": "m",
            "CONFIG_NET_SCH_INGRESS": "m",
            "CONFIG_NFS_FS": "m",
            "CONFIG_CEPH_LIB": "m",
            "CONFIG_IP_SCTP": "m",
            "CONFIG_TCP_FASTOPEN": None,
            "CONFIG_INET_DIAG": "y" if self.has_inet_diag_destroy else "m",
            "CONFIG_INET_TCP_DIAG": "y" if self.has_inet_diag_destroy else "m",
            "CONFIG_INET_UDP_DIAG": "m" if self.has_udp_diag else None,
            "CONFIG_INET_RAW_DIAG": None,
            "CONFIG_INET_DIAG_DESTROY": "y" if self.has_inet_diag_destroy else None,
            "CONFIG_HZ": "250",
        }


# How each was built is made up, so that every way of finding out has a node.
UBUNTU_20 = "Ubuntu 20.04.6 LTS"
UBUNTU_24 = "Ubuntu 24.04.1 LTS"
DEBIAN_12 = "Debian GNU/Linux 12 (bookworm)"
DEBIAN_13 = "Debian GNU/Linux 13 (trixie)"

KERNELS: dict[str, Kernel] = {
    kernel.release: kernel
    for kernel in (
        Kernel("5.4.0-90-generic", UBUNTU_20, has_inet_diag_destroy=False),
        Kernel("6.1.0-13-amd64", DEBIAN_12, has_inet_diag_destroy=False),
        Kernel("6.8.0-45-generic", UBUNTU_24),
        Kernel("6.12.9+deb13-amd64", DEBIAN_13, has_config_gz=True, has_udp_diag=False),
        Kernel("6.18.44", DEBIAN_13, has_config_gz=True),
    )
}


@lru_cache(maxsize=64)
def kernel_of(release: str) -> Kernel:
    """Return the kernel of this release, made up where it is not in the table."""
    return KERNELS.get(release) or Kernel(release, DEBIAN_12, has_config_gz=True)
