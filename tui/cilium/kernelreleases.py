"""Kernel releases: what a version string proves, and where distributions make it prove nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_RELEASE = re.compile(r"(\d{1,3})\.(\d{1,4})(?:\.(\d{1,5}))?(.*)")
_BACKPORTS = re.compile(
    # RHEL and its kin, Oracle UEK, Amazon Linux; SUSE; openEuler, Anolis, Alibaba, Tencent, Kylin.
    r"\.el\d|uek|\.amzn\d|-default$|-\d{6}\.\d|\.oe\d|euleros|\.an\d|\.al(?:ios)?\d|tlinux|\.tl\d"
    r"|^-\d+\.\d{4}\.\d+|\.ky\d|\.uel|\.vz\d|\.lve\."
)


@dataclass(frozen=True, slots=True)
class KernelRelease:
    """A kernel's release, as `uname -r` prints it."""

    major: int
    minor: int
    patch: int
    suffix: str
    """Such as `-90-generic` or `-553.8.1.el8_10.x86_64`."""

    @property
    def has_backports(self) -> bool:
        """Whether the distribution brings features of newer kernels into old numbers.

        Then a number below the one that brought a feature proves nothing.
        """
        return bool(_BACKPORTS.search(self.suffix))

    def at_least(self, major: int, minor: int, patch: int = 0) -> bool:
        """Tell whether the number is that or higher."""
        return (self.major, self.minor, self.patch) >= (major, minor, patch)


def parse_kernel_release(text: str) -> KernelRelease | None:
    """Parse `uname -r`, or return None where it is no kernel release."""
    found = _RELEASE.match(text.strip())
    if found is None:
        return None
    major, minor, patch, suffix = found.groups()
    return KernelRelease(int(major), int(minor), int(patch or 0), suffix)


def has_feature_of(kernel: KernelRelease | None, major: int, minor: int) -> bool | None:
    """Tell whether a kernel has what came with a mainline release; None where it can't be told."""
    if kernel is None:
        return None
    if kernel.at_least(major, minor):
        return True
    return None if kernel.has_backports else False


_Series = tuple[int, int]
_CONNECT: Mapping[_Series, int] = MappingProxyType(
    {(6, 5): 3, (6, 4): 16, (6, 1): 53, (5, 15): 132, (5, 10): 195, (5, 4): 257, (4, 19): 295}
)
"""First stable release of each series with 0bdf399342c5 ("net: Avoid address overwrite in
kernel_connect"), mainline 6.6, from the stable review announcements."""

_MESSAGE: Mapping[_Series, int] = MappingProxyType(
    {(6, 5): 7, (6, 1): 57, (5, 15): 135, (5, 10): 198, (5, 4): 258, (4, 19): 296}
)
"""Likewise 86a7e0b69bd5 ("net: prevent rewrite of msg_name in sock_sendmsg()"), mainline 6.6; the
numbers but that of 5.10 are inferred from the review round of October 2023."""

_LENGTH: Mapping[_Series, int] = MappingProxyType(
    {(6, 6): 11, (6, 1): 72, (5, 15): 147, (5, 10): 207, (5, 4): 267, (4, 19): 305}
)
"""Likewise 01b2885d9415 ("net: Save and restore msg_namelen in sock_sendmsg"), mainline 6.8; the
numbers are inferred from the review rounds of January 2024."""

_UBUNTU: Mapping[_Series, int] = MappingProxyType({(5, 4): 187, (5, 15): 113, (6, 5): 41})
"""First ABI number of Ubuntu's generic kernels with all four commits, as Cilium's documentation
lists them (1.17, Kubernetes Without kube-proxy)."""

_RHEL: Mapping[_Series, tuple[int, ...]] = MappingProxyType(
    {(4, 18): (553, 8, 1), (5, 14): (427, 31, 1)}
)
"""Likewise RHEL 8 and 9: 4.18.0-553.8.1.el8_10 and 5.14.0-427.31.1.el9_4."""

_NEXT_RHEL: Mapping[_Series, tuple[int, ...]] = MappingProxyType({(5, 14): (503,)})
"""Build that the next minor release began with (9.5), which has them from the start."""

_FLAVOUR_ABI = 1000
"""Ubuntu's cloud flavours (-aws, -azure, -gke) count their ABI from here: not comparable."""


@dataclass(frozen=True, slots=True)
class SocketFixes:
    """Which fixes of in-kernel clients under socket hooks a kernel has; None can't be told."""

    connect: bool | None
    """0bdf399342c5: kernel_connect() keeps its caller's address. NFS over TCP needs it."""
    message: bool | None
    """86a7e0b69bd5: sock_sendmsg() keeps the address. NFS over UDP needs it too."""
    length: bool | None
    """01b2885d9415: sock_sendmsg() keeps the address' length. NFS over UDP needs it too."""
    smb: bool | None
    """cedc019b9f26: SMB connects through kernel_connect(). SMB needs it too."""

    @property
    def for_nfs(self) -> bool | None:
        """Whether NFS over TCP keeps its server's address."""
        return self.connect

    @property
    def for_smb(self) -> bool | None:
        """Whether SMB keeps its server's address."""
        return _all_of(self.connect, self.smb)

    @property
    def for_all(self) -> bool | None:
        """Whether all four commits are there: NFS over UDP too."""
        return _all_of(self.connect, self.message, self.length, self.smb)


def socket_fixes(kernel: KernelRelease | None) -> SocketFixes:
    """Tell which of the four commits a kernel has, by its number or by its distribution's."""
    if kernel is None:
        return SocketFixes(None, None, None, None)
    by_build = _by_distribution(kernel)
    if by_build is not None:
        return by_build
    is_certain = not (kernel.has_backports or _is_build_number(kernel))
    fixes = SocketFixes(
        connect=_since(kernel, (6, 6), _CONNECT),
        message=_since(kernel, (6, 6), _MESSAGE),
        length=_since(kernel, (6, 8), _LENGTH),
        smb=_smb(kernel),
    )
    return fixes if is_certain else _proven_only(fixes)


def has_connect_fix(kernel: KernelRelease | None) -> bool | None:
    """Tell whether kernel_connect() keeps its caller's address; None where it can't be told."""
    return socket_fixes(kernel).connect


def has_nfs_regression(kernel: KernelRelease | None) -> bool:
    """Tell whether NFS 4.1 fails with "Protocol not supported" for a reason of its own.

    5.15.136 and 6.5.7 do, and the next point releases don't (flatcar/Flatcar#1226,
    nfs-ganesha#1025): no fault of socket load balancing.
    """
    numbers = None if kernel is None else (kernel.major, kernel.minor, kernel.patch)
    return numbers in {(5, 15, 136), (6, 5, 7)}


def _since(kernel: KernelRelease, mainline: _Series, stable: Mapping[_Series, int]) -> bool | None:
    series = (kernel.major, kernel.minor)
    if kernel.at_least(*mainline):
        return True
    if series == (6, 7):
        return None  # 01b2885d9415 came while 6.7 was released: its first point releases lack it.
    return series in stable and kernel.patch >= stable[series]


def _smb(kernel: KernelRelease) -> bool | None:
    """Judge cedc019b9f26: seen in the review of 6.1 only; elsewhere certain with the last fix."""
    has_message = _since(kernel, (6, 6), _MESSAGE)
    if kernel.at_least(6, 6) or (kernel.major, kernel.minor) == (6, 1) or not has_message:
        return has_message
    return True if _since(kernel, (6, 8), _LENGTH) else None


def _by_distribution(kernel: KernelRelease) -> SocketFixes | None:
    """Judge by a build number that Cilium's documentation names, if it is of such a build."""
    series = (kernel.major, kernel.minor)
    rhel = re.match(r"-([\d.]+)\.el\d+(_\d+)?(?:\.|$)", kernel.suffix)
    if rhel is not None and series in _RHEL:
        numbers = tuple(int(part) for part in rhel.group(1).split(".") if part)
        # CentOS Stream counts on between two of RHEL's: a build there may be older than the fix.
        is_between = not rhel.group(2) and _RHEL[series] <= numbers < _NEXT_RHEL.get(series, ())
        return None if is_between else _all_or_none(numbers >= _RHEL[series])
    ubuntu = re.fullmatch(r"-(\d{1,6})-([a-z0-9-]+)", kernel.suffix)
    if ubuntu is None or kernel.patch or series not in _UBUNTU:
        return None
    abi = int(ubuntu.group(1))
    if abi < _FLAVOUR_ABI and abi >= _UBUNTU[series]:
        return _all_or_none(has=True)
    return _all_or_none(has=False) if ubuntu.group(2) == "generic" else None


def _is_build_number(kernel: KernelRelease) -> bool:
    """Tell whether the point release is hidden behind a build's own number (Debian, Ubuntu)."""
    return kernel.patch == 0 and bool(re.match(r"-\d", kernel.suffix))


def _all_or_none(has: bool) -> SocketFixes:
    return SocketFixes(has, has, has, has)


def _proven_only(fixes: SocketFixes) -> SocketFixes:
    """Keep what a number proves; a distribution may have brought the rest to a lower one."""
    return SocketFixes(
        fixes.connect or None, fixes.message or None, fixes.length or None, fixes.smb or None
    )


def _all_of(*parts: bool | None) -> bool | None:
    if False in parts:
        return False
    return None if None in parts else True
