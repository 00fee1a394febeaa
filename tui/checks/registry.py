"""All checks, found by their modules, in the order of the harm they tell of."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from tui import checks
from tui.checks.check import Check

BY_HARM = (
    "service-map-drift",
    "map-pressure",
    "backend-leak",
    "config-drift",
    "ipsec-with-kpr",
    "udp-stale-backends",
    "nfs-socket-lb",
    "libceph-getpeername",
    "endpointslice-mirroring",
    "hostport-nodeport-range",
    "hostip-loopback",
    "sctp-service",
    "neighbor-discovery-devices",
    "dsr-tcp-fastopen",
    "netns-cookies",
    "masquerade-port-collision",
)
"""Missing Services first, then full maps, then a next start that would break, then the rest."""


@functools.cache
def all_checks() -> tuple[Check, ...]:
    """Return every check: each module of this package that defines `CHECK`."""
    found: list[Check] = []
    for module in pkgutil.iter_modules(checks.__path__):
        check = getattr(importlib.import_module(f"{checks.__name__}.{module.name}"), "CHECK", None)
        if isinstance(check, Check):
            found.append(check)
    return tuple(sorted(found, key=lambda check: (rank_of(check.id), check.id)))


def check_of(check_id: str) -> Check | None:
    """Return a check by its public id."""
    return next((check for check in all_checks() if check.id == check_id), None)


def rank_of(check_id: str) -> int:
    """Return a check's place in the order of harm."""
    return BY_HARM.index(check_id) if check_id in BY_HARM else len(BY_HARM)
