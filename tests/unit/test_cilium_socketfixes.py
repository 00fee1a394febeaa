"""Which kernels keep an in-kernel client's server address under socket hooks."""

from __future__ import annotations

import pytest

from tui.cilium.kernelreleases import (
    SocketFixes,
    has_nfs_regression,
    parse_kernel_release,
    socket_fixes,
)

ALL = SocketFixes(connect=True, message=True, length=True, smb=True)
NONE = SocketFixes(connect=False, message=False, length=False, smb=False)
UNKNOWN = SocketFixes(None, None, None, None)
CONNECT = SocketFixes(connect=True, message=False, length=False, smb=False)


@pytest.mark.parametrize(
    ("release", "fixes"),
    [
        ("4.19.294", NONE),
        ("4.19.295", CONNECT),
        ("4.19.296", SocketFixes(True, True, False, None)),
        ("4.19.305", ALL),
        ("5.4.256", NONE),
        ("5.4.257", CONNECT),
        ("5.4.258", SocketFixes(True, True, False, None)),
        ("5.4.266", SocketFixes(True, True, False, None)),
        ("5.4.267", ALL),
        ("5.10.194", NONE),
        ("5.10.195", CONNECT),
        ("5.10.197", CONNECT),
        ("5.10.198", SocketFixes(True, True, False, None)),
        ("5.10.207", ALL),
        ("5.15.131", NONE),
        ("5.15.132", CONNECT),
        ("5.15.135", SocketFixes(True, True, False, None)),
        ("5.15.147", ALL),
        ("6.1.52", NONE),
        ("6.1.53", CONNECT),
        ("6.1.57", SocketFixes(True, True, False, True)),
        ("6.1.72", ALL),
        ("6.3.13", NONE),
        ("6.4.15", NONE),
        ("6.4.16", CONNECT),
        ("6.5.2", NONE),
        ("6.5.3", CONNECT),
        ("6.5.7", SocketFixes(True, True, False, None)),
        ("6.6.0", SocketFixes(True, True, False, True)),
        ("6.6.11", ALL),
        ("6.7.4", SocketFixes(True, True, None, True)),
        ("6.8.0", ALL),
        ("6.12.9-talos", ALL),
    ],
)
def test_stable_releases(release: str, fixes: SocketFixes) -> None:
    assert socket_fixes(parse_kernel_release(release)) == fixes


@pytest.mark.parametrize(
    ("release", "fixes"),
    [
        ("5.4.0-186-generic", NONE),
        ("5.4.0-187-generic", ALL),
        ("5.15.0-112-generic", NONE),
        ("5.15.0-113-generic", ALL),
        ("6.5.0-40-generic", NONE),
        ("6.5.0-41-generic", ALL),
        ("6.8.0-45-generic", ALL),
        ("5.15.0-113-lowlatency", ALL),
        ("5.15.0-112-lowlatency", UNKNOWN),
        # A flavour that counts from 1000: 1004 is two years older than 113.
        ("5.15.0-1004-aws", UNKNOWN),
        ("5.15.0-1070-azure", UNKNOWN),
        ("6.2.0-39-generic", UNKNOWN),
        ("6.1.0-13-amd64", UNKNOWN),
        ("4.18.0-553.el8_10.x86_64", NONE),
        ("4.18.0-553.5.1.el8_10.x86_64", NONE),
        ("4.18.0-553.8.1.el8_10.x86_64", ALL),
        ("4.18.0-553.16.1.el8_10.x86_64", ALL),
        ("5.14.0-427.28.1.el9_4.x86_64", NONE),
        ("5.14.0-427.31.1.el9_4.x86_64", ALL),
        ("5.14.0-503.11.1.el9_5.aarch64", ALL),
        ("5.14.0-427.el9", NONE),
        ("5.15.0-200.131.27.el9uek.x86_64", UNKNOWN),
        ("5.10.192-183.736.amzn2.x86_64", UNKNOWN),
        ("5.10.215-203.850.amzn2.x86_64", ALL),
        ("5.14.21-150500.55.7-default", UNKNOWN),
        ("5.10.134-16.1.al8.x86_64", UNKNOWN),
    ],
)
def test_distributions(release: str, fixes: SocketFixes) -> None:
    assert socket_fixes(parse_kernel_release(release)) == fixes


def test_an_unknown_kernel_proves_nothing() -> None:
    assert socket_fixes(None) == UNKNOWN


@pytest.mark.parametrize(
    ("release", "nfs", "smb", "everything"),
    [
        ("5.15.132", True, False, False),
        ("5.15.135", True, None, False),
        ("6.1.57", True, True, False),
        ("6.7.4", True, True, None),
        ("6.8.1", True, True, True),
        ("5.15.0-1070-azure", None, None, None),
    ],
)
def test_each_client_needs_its_own_commits(
    release: str, nfs: bool | None, smb: bool | None, everything: bool | None
) -> None:
    fixes = socket_fixes(parse_kernel_release(release))
    assert (fixes.for_nfs, fixes.for_smb, fixes.for_all) == (nfs, smb, everything)


@pytest.mark.parametrize(
    ("release", "has"),
    [
        ("5.15.136", True),
        ("5.15.137", False),
        ("6.5.7", True),
        ("6.5.8", False),
        ("6.5.0-7-generic", False),
    ],
)
def test_another_regression_of_nfs_is_told_apart(release: str, has: bool) -> None:
    assert has_nfs_regression(parse_kernel_release(release)) is has
    assert has_nfs_regression(None) is False
