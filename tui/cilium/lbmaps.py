"""The load-balancing maps of the kernel, decoded from their rows.

Layouts, from bpf/lib/common.h (`struct lb4_key`, `lb4_service`, `lb4_backend` and their lb6 twins)
and pkg/maps/lbmap of 1.11 to 1.20:

* services_v2 key, 12 bytes (24 for IPv6): address, be16 port, u16 slot, u8 protocol, u8 scope, pad.
  Slot 0 is the frontend, slots 1 to `count` are its backends.
* services_v2 value, 12 bytes: u32 backend id (in slot 0: affinity timeout, from 1.17 with the
  algorithm in the upper 8 bits, or a proxy port), u16 count, be16 reverse NAT id, u8 flags,
  u8 flags2, u16 (from 1.16) count of quarantined slots.
* backends key: u32 id. v2 value, 8 bytes (20): address, be16 port, u8 protocol, u8 state.
  v3 value, 12 bytes (24): the same, then u16 cluster id (u8 in 1.13), u8 zone, pad.

Numbers that are not be16 are in the node's byte order; amd64 and arm64 are little-endian.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from ipaddress import IPv6Address
from socket import inet_ntoa
from typing import Any, NamedTuple

from tui.cilium.dumps import MapDump
from tui.errors import ParseError
from tui.model.services import Address, FrontendKind

_PROTOCOLS = {6: "TCP", 17: "UDP", 132: "SCTP"}
ANY = "ANY"
"""Protocol 0: releases before 1.17 do not tell protocols apart."""

_EXTERNAL_IP = 1 << 0
_NODE_PORT = 1 << 1
_EXTERNAL_LOCAL = 1 << 2
_HOST_PORT = 1 << 3
_AFFINITY = 1 << 4
_LOAD_BALANCER = 1 << 5
_LOCAL_REDIRECT = 1 << 8
_NAT_46X64 = 1 << 9
_L7_LOAD_BALANCER = 1 << 10
_INTERNAL_LOCAL = 1 << 12
_QUARANTINED_SLOT = 1 << 14
"""Of a slot beyond the count only: the same bit denies source ranges on slot 0, and by mistake on
the other slots too until 1.19."""
_KINDS = (
    (_EXTERNAL_IP, FrontendKind.EXTERNAL_IP),
    (_NODE_PORT, FrontendKind.NODE_PORT),
    (_LOAD_BALANCER, FrontendKind.LOAD_BALANCER),
    (_HOST_PORT, FrontendKind.HOST_PORT),
    (_LOCAL_REDIRECT, FrontendKind.LOCAL_REDIRECT),
)
"""In the order of ServiceFlags.SVCType (pkg/loadbalancer/loadbalancer.go)."""

_SERVICE_ROWS = {
    (12, 12): struct.Struct("<4sHHBB2xIHHBBH"),
    (24, 12): struct.Struct("<16sHHBB2xIHHBBH"),
}
_BACKEND_ROWS = {
    (4, 8): struct.Struct("<I4sHBB"),
    (4, 12): struct.Struct("<I4sHBBHBx"),
    (4, 20): struct.Struct("<I16sHBB"),
    (4, 24): struct.Struct("<I16sHBBHBx"),
}


class Scope(IntEnum):
    """Which traffic a frontend entry serves (`LB_LOOKUP_SCOPE_*`)."""

    EXTERNAL = 0
    INTERNAL = 1
    """Traffic from the node itself, where external traffic stays on local backends."""


class BackendState(IntEnum):
    """State of a backend in the kernel (pkg/loadbalancer `BackendState*Flag`)."""

    ACTIVE = 0
    TERMINATING = 1
    QUARANTINED = 2
    MAINTENANCE = 3


class HeldBackend(NamedTuple):
    """One backend entry."""

    ip: str
    port: int
    protocol: str
    state: int = 0
    cluster_id: int = 0
    zone: int = 0


@dataclass(frozen=True, slots=True)
class HeldFrontend:
    """One frontend entry (slot 0) with the backends of its slots."""

    address: Address
    kind: FrontendKind
    scope: int = Scope.EXTERNAL
    count: int = 0
    """How many slots the frontend says it has."""
    backend_ids: tuple[int, ...] = ()
    """Of the slots 1 to `count` that exist, in order."""
    has_session_affinity: bool = False
    is_external_local: bool = False
    is_internal_local: bool = False
    is_l7_redirect: bool = False
    """Traffic goes to the local Envoy, not to the slots."""
    is_nat46x64: bool = False
    """Its backends are of the other IP family."""
    quarantined_ids: frozenset[int] = frozenset()
    """Backends that this frontend leaves out after a failed health check, from 1.18 on."""


@dataclass(frozen=True, slots=True)
class HeldServices:
    """What one node's kernel holds, IPv4 and IPv6 together."""

    frontends: tuple[HeldFrontend, ...] = ()
    backends: Mapping[int, HeldBackend] = field(default_factory=dict)
    """By id; an id is unique over both families."""
    families: frozenset[int] = frozenset({4})
    """The IP versions whose maps were read; nothing is known of the other."""
    service_entries: int = 0
    """Entries of the services maps, slots included."""
    headless_slots: frozenset[Address] = frozenset()
    """Frontends of which only slots exist: the map was full before slot 0 was written."""
    wildcards: int = 0
    """Entries for port 0, which 1.18 and later add once a frontend address."""


def _v4(address: bytes) -> str:
    return inet_ntoa(address)


def _v6(address: bytes) -> str:
    return str(IPv6Address(address))


def _unpack(
    dump: MapDump, layouts: Mapping[tuple[int, int], struct.Struct]
) -> tuple[int, Iterable[tuple[Any, ...]]]:
    """Return how long an entry's key is, and its unpacked rows."""
    rows = dump.entries
    if not rows:
        return 0, ()
    shapes = {(len(key), len(value)) for key, value in rows}
    layout = layouts.get(next(iter(shapes))) if len(shapes) == 1 else None
    if layout is None:
        found = ", ".join(f"{key}+{value}" for key, value in sorted(shapes)[:4])
        known = ", ".join(f"{key}+{value}" for key, value in layouts)
        raise ParseError(f"{dump.pin}: rows of {found} bytes, known are {known}")
    packed = b"".join([part for row in rows for part in row])
    return max(len(rows[0][0]), len(rows[0][1])), layout.iter_unpack(packed)


def decode_backends(dump: MapDump) -> dict[int, HeldBackend]:
    """Decode a backends map, v2 or v3, IPv4 or IPv6, by the size of its rows.

    Raises:
        ParseError: the rows are not those of a backends map.
    """
    size, rows = _unpack(dump, _BACKEND_ROWS)
    text: Callable[[bytes], str] = _v6 if size >= 20 else _v4
    name = _PROTOCOLS.get
    make = HeldBackend
    # A be16 read as little-endian has its bytes swapped.
    return {
        number: make(
            text(address), (port >> 8) | (port & 255) << 8, name(protocol, ANY), state, *more
        )
        for number, address, port, protocol, state, *more in rows
    }


def count_duplicates(backends: Iterable[HeldBackend]) -> int:
    """Count entries that are copies: an earlier one has their address, port, protocol and zone.

    Two ids for one backend are what the leak of 1.11.0 to 1.11.14 leaves behind; its state is
    no part of the identity.
    """
    counts = Counter(
        [(ip, port, protocol, cluster, zone) for ip, port, protocol, _, cluster, zone in backends]
    )
    return sum(counts.values()) - len(counts)


def decode_services(dump: MapDump) -> HeldServices:
    """Decode a services map, IPv4 or IPv6; the backends are another map.

    Raises:
        ParseError: the rows are not those of a services map.
    """
    size, rows = _unpack(dump, _SERVICE_ROWS)
    masters: dict[tuple[bytes, int, int, int], tuple[int, int]] = {}
    slots: dict[tuple[bytes, int, int, int], dict[int, int]] = {}
    quarantined: dict[tuple[bytes, int, int, int], dict[int, int]] = {}
    entries = wildcards = 0
    for address, port, slot, protocol, scope, number, count, _, low, high, _ in rows:
        entries += 1
        key = (address, port, protocol, scope)
        if slot:
            slots.setdefault(key, {})[slot] = number
            if high & _QUARANTINED_SLOT >> 8:
                quarantined.setdefault(key, {})[slot] = number
        elif port:
            masters[key] = (count, low | high << 8)
        else:
            wildcards += 1
    text = _v6 if size > 12 else _v4
    return HeldServices(
        frontends=tuple(
            replace(
                _frontend(_address(key, text), key[3], master, slots.get(key, {})),
                quarantined_ids=frozenset(
                    number for slot, number in quarantined[key].items() if slot > master[0]
                ),
            )
            if key in quarantined
            else _frontend(_address(key, text), key[3], master, slots.get(key, {}))
            for key, master in masters.items()
        ),
        families=frozenset({6 if "lb6" in dump.pin or size > 12 else 4}),
        service_entries=entries,
        headless_slots=frozenset(_address(key, text) for key in slots.keys() - masters.keys()),
        wildcards=wildcards,
    )


def _address(key: tuple[bytes, int, int, int], text: Callable[[bytes], str]) -> Address:
    address, port, protocol, _ = key
    return Address(text(address), (port >> 8) | (port & 255) << 8, _PROTOCOLS.get(protocol, ANY))


def _frontend(
    address: Address, scope: int, master: tuple[int, int], slots: Mapping[int, int]
) -> HeldFrontend:
    count, flags = master
    kind = next((kind for bit, kind in _KINDS if flags & bit), FrontendKind.CLUSTER_IP)
    return HeldFrontend(
        address=address,
        kind=kind,
        scope=scope,
        count=count,
        # Slots beyond the count are left over, or quarantined; the datapath never picks them.
        backend_ids=tuple(
            number for slot, number in sorted(slots.items()) if slot <= count and number
        ),
        has_session_affinity=bool(flags & _AFFINITY),
        is_external_local=bool(flags & _EXTERNAL_LOCAL),
        is_internal_local=bool(flags & _INTERNAL_LOCAL),
        is_l7_redirect=bool(flags & _L7_LOAD_BALANCER),
        is_nat46x64=bool(flags & _NAT_46X64),
    )


def held_services(services: Iterable[MapDump], backends: Iterable[MapDump]) -> HeldServices:
    """Put the maps of both families together; a family needs both of its maps.

    Raises:
        ParseError: a dump is not what its map holds.
    """
    by_id: dict[int, HeldBackend] = {}
    families: set[int] = set()
    for dump in backends:
        by_id.update(decode_backends(dump))
        families.add(6 if "lb6" in dump.pin else 4)
    parts = [part for part in map(decode_services, services) if part.families <= families]
    return HeldServices(
        frontends=tuple(frontend for part in parts for frontend in part.frontends),
        backends=by_id,
        families=frozenset().union(*(part.families for part in parts)),
        service_entries=sum(part.service_entries for part in parts),
        headless_slots=frozenset().union(*(part.headless_slots for part in parts)),
        wildcards=sum(part.wildcards for part in parts),
    )
