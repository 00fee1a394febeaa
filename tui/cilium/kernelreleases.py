"""Kernel releases: what a version string proves, and where distributions make it prove nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

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


_CONNECT_FIX = {
    (6, 5): 3,
    (6, 4): 16,
    (6, 1): 53,
    (5, 15): 132,
    (5, 10): 195,
    (5, 4): 257,
    (4, 19): 295,
}
"""First stable release of each series with 0bdf399342c5 ("net: Avoid address overwrite in
kernel_connect"), from the stable review announcements."""

_UBUNTU_CONNECT_FIX = {(5, 4): 187, (5, 15): 113, (6, 5): 41}
"""First ABI number of Ubuntu's generic kernels, as Cilium's documentation lists them."""

_RHEL_CONNECT_FIX = {(4, 18): (553, 8, 1), (5, 14): (427, 31, 1)}


def has_connect_fix(kernel: KernelRelease | None) -> bool | None:
    """Tell whether kernel_connect() keeps its caller's address; None where it can't be told."""
    if kernel is None:
        return None
    if kernel.at_least(6, 6):
        return True
    series = (kernel.major, kernel.minor)
    if kernel.has_backports:
        numbers = tuple(int(number) for number in re.findall(r"\d+", kernel.suffix)[:3])
        needed = _RHEL_CONNECT_FIX.get(series)
        return numbers >= needed if needed and ".el" in kernel.suffix else None
    if kernel.patch == 0 and re.match(r"-\d", kernel.suffix):
        generic = re.fullmatch(r"-(\d+)-generic", kernel.suffix)
        abi = _UBUNTU_CONNECT_FIX.get(series)
        return int(generic.group(1)) >= abi if generic and abi else None
    if series in _CONNECT_FIX:
        return kernel.patch >= _CONNECT_FIX[series]
    return False
