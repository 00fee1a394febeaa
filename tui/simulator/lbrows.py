"""Entries of the load-balancing maps as the kernel holds them, and as people read them.

Layouts from bpf/lib/common.h of each release: `lb4_key`, `lb4_service`, `lb4_backend` (8 bytes in
the v2 map, 12 in v3) and `lb4_reverse_nat`; ports and reverse NAT ids are in network byte order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tui.simulator.loadbalancer import LoadBalancer, SlotKey, SlotValue
from tui.simulator.services import (
    ANY_ADDRESS,
    NODE_ADDRESS,
    BackendTuple,
    FrontendKey,
    text_of,
)

PROTOCOL_NUMBERS = {"ANY": 0, "TCP": 6, "UDP": 17, "SCTP": 132}
_KEY = struct.Struct("<HBB2x")
_VALUE = struct.Struct("<IH")
_VALUE_END = struct.Struct("BB2x")
_BACKEND_END = struct.Struct("BB")


def resolved(address: int, node_address: int) -> int:
    """Put the node's own address, or 0.0.0.0, where the frontend stands for it."""
    if address == NODE_ADDRESS:
        return node_address
    return 0 if address == ANY_ADDRESS else address


def slot_key_bytes(key: SlotKey, node_address: int) -> bytes:
    """Return a key of cilium_lb4_services_v2."""
    frontend = key.frontend
    head = struct.pack(">IH", resolved(frontend.address, node_address), frontend.port)
    return head + _KEY.pack(key.slot, PROTOCOL_NUMBERS.get(frontend.protocol, 0), 0)


def slot_value_bytes(value: SlotValue) -> bytes:
    """Return a value of cilium_lb4_services_v2."""
    return (
        _VALUE.pack(value.backend_id, value.backend_count)
        + struct.pack(">H", value.reverse_nat_id & 0xFFFF)
        + _VALUE_END.pack(value.flags, 0)
    )


def backend_value_bytes(backend: BackendTuple, is_v3: bool) -> bytes:
    """Return a value of cilium_lb4_backends_v2 or _v3."""
    head = struct.pack(">IH", backend.address, backend.port)
    tail = _BACKEND_END.pack(PROTOCOL_NUMBERS.get(backend.protocol, 0), 0)
    return head + tail + (bytes(4) if is_v3 else b"")


def reverse_nat_bytes(number: int, frontend: FrontendKey, node_address: int) -> tuple[bytes, bytes]:
    """Return key and value of cilium_lb4_reverse_nat."""
    address = resolved(frontend.address, node_address)
    return struct.pack(">H", number & 0xFFFF), struct.pack(">IH", address, frontend.port)


class MapRows:
    """The dumps of one load balancer, shared by all nodes that hold the same entries."""

    def __init__(self, balancer: LoadBalancer) -> None:
        self._balancer = balancer
        self._version = -1
        self._shared: dict[str, bytes] = {}
        self._own: list[bytes] = []

    def entries(self, pin: str, node_address: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values of one map."""
        balancer = self._balancer
        if pin == "cilium_lb4_services_v2":
            for key, value in balancer.services.items():
                yield slot_key_bytes(key, node_address), slot_value_bytes(value)
        elif pin == balancer.release.backends_pin:
            is_v3 = pin.endswith("_v3")
            for number, backend in balancer.backends.items():
                yield number.to_bytes(4, "little"), backend_value_bytes(backend, is_v3)
        elif pin == "cilium_lb4_reverse_nat":
            for number, frontend in balancer.reverse_nat.items():
                yield reverse_nat_bytes(number, frontend, node_address)
        elif pin == "cilium_lb_affinity_match":
            for backend_id, number in sorted(balancer.affinity_match):
                yield struct.pack("<I", backend_id) + struct.pack(">H2x", number), b"\x01"

    def services(self, node_address: int) -> bytes:
        """Return the dump of the services map, one `KEYHEX VALUEHEX` line an entry."""
        self._refresh()
        address = f"{node_address:08x}".encode()
        own = b"".join(address + rest for rest in self._own)
        return b"# cilium_lb4_services_v2\n" + self._shared["services"] + own

    def backends(self) -> bytes:
        """Return the dump of the live backend map."""
        self._refresh()
        return self._shared["backends"]

    def _refresh(self) -> None:
        if self._version == self._balancer.version:
            return
        shared: list[str] = []
        self._own = []
        for key, value in self._balancer.services.items():
            row = slot_key_bytes(key, 0).hex() + " " + slot_value_bytes(value).hex() + "\n"
            if key.frontend.address == NODE_ADDRESS:
                self._own.append(row[8:].encode())
            else:
                shared.append(row)
        self._shared["services"] = "".join(shared).encode()
        pin = self._balancer.release.backends_pin
        rows = [f"{key.hex()} {value.hex()}\n" for key, value in self.entries(pin, 0)]
        self._shared["backends"] = f"# {pin}\n{''.join(rows)}".encode()
        self._version = self._balancer.version


def address_text(frontend: FrontendKey, node_address: int, tells_protocols: bool) -> str:
    """Return a frontend as the CLI prints it."""
    text = f"{text_of(resolved(frontend.address, node_address))}:{frontend.port}"
    return f"{text}/{frontend.protocol}" if tells_protocols else text


def flag_words(flags: int) -> str:
    """Return the bracketed words of a master entry, as `bpf lb list` prints them."""
    if flags & 0x20:
        words = ["LoadBalancer"]
    elif flags & 0x02:
        words = ["NodePort"]
    elif flags & 0x01:
        words = ["ExternalIPs"]
    else:
        words = ["ClusterIP"]
    if flags & 0x10:
        words.append("sessionAffinity")
    if flags & 0x80:
        words.append("check source-range")
    if not flags & 0x40:
        words.append("non-routable")
    return f"[{', '.join(words)}]"
