"""Real agents' outputs, and kernel rows built from what they print of their maps."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton

from tui.cilium.dumps import MapDump

OUTPUTS = Path(__file__).parent.parent / "fixtures" / "cilium-outputs"
WITH_STATUS = ("1.11.7", "1.11.7-full", "1.11.7-k8s", "1.17.5", "1.19.4", "1.19.4-full")

_PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
_FLAGS = {
    "ExternalIPs": 1 << 0,
    "NodePort": 1 << 1,
    "Local": 1 << 2,
    "HostPort": 1 << 3,
    "sessionAffinity": 1 << 4,
    "LoadBalancer": 1 << 5,
    "check source-range": 1 << 7,
    "LocalRedirect": 1 << 8,
    "InternalLocal": 1 << 12,
}
_ROUTABLE = 1 << 6
_SLOT = re.compile(r"(\S+):(\d+)(?:/(\w+))? \((\d+)\)(?: \((\d+)\))?(?: \[(.*)\])?\s*")
_KEY = re.compile(r"\[?([^\]]+?)\]?:(\d+)(?:/(\w+))?(?: \((\d+)\))?")


def read(version: str, name: str) -> bytes:
    """Return one output of one agent."""
    return (OUTPUTS / version / name).read_bytes()


def service_row(
    address: tuple[str, int, int],
    slot: int = 0,
    *,
    number: int = 0,
    count: int = 0,
    flags: int = _ROUTABLE,
    scope: int = 0,
) -> tuple[bytes, bytes]:
    """Return key and value of a services_v2 entry; `number` is a backend id or a timeout."""
    ip, port, protocol = address
    packed = inet_pton(AF_INET6 if ":" in ip else AF_INET, ip)
    key = packed + struct.pack(">H", port) + struct.pack("<HBBxx", slot, protocol, scope)
    value = struct.pack("<IH", number, count) + struct.pack(">H", 1)
    return key, value + struct.pack("<BBH", flags & 255, flags >> 8, 0)


def backend_row(
    number: int, address: tuple[str, int, int], *, state: int = 0, is_v3: bool = True, zone: int = 0
) -> tuple[bytes, bytes]:
    """Return key and value of a backends_v2 or _v3 entry."""
    ip, port, protocol = address
    packed = inet_pton(AF_INET6 if ":" in ip else AF_INET, ip)
    value = packed + struct.pack(">HBB", port, protocol, state)
    return struct.pack("<I", number), value + (struct.pack("<HBx", 0, zone) if is_v3 else b"")


def dumps_of(version: str) -> tuple[MapDump, MapDump]:
    """Turn a real `bpf lb list -o json` into the rows its kernel must hold.

    Up to 1.16 a frontend's slots stand in one list without their numbers; from 1.17 each slot has
    a key of its own. Ids are given by address.
    """
    listed: dict[str, list[str]] = json.loads(read(version, "bpf-lb-list.json"))
    is_v3 = not version.startswith("1.11")
    ids: dict[tuple[str, int, int], int] = {}
    services: list[tuple[bytes, bytes]] = []
    for name, slots in listed.items():
        key = _KEY.fullmatch(name)
        assert key is not None, name
        frontend = (key[1], int(key[2]), _PROTOCOLS.get(key[3] or "", 0))
        found = [_SLOT.fullmatch(slot) for slot in slots]
        number = 0
        for slot in found:
            assert slot is not None, (name, slots)
            if slot[6]:
                words = slot[6].split(", ")
                flags = sum(_FLAGS.get(word, 0) for word in words)
                flags |= 0 if "non-routable" in words else _ROUTABLE
                count = len(found) - 1 if key[4] is None else _slot_count(listed, name)
                services.append(service_row(frontend, count=count, flags=flags))
                continue
            number = int(slot[5] or number + 1)
            backend = (slot[1], int(slot[2]), _PROTOCOLS.get(slot[3] or "", 0))
            identity = ids.setdefault(backend, len(ids) + 1)
            services.append(service_row(frontend, number, number=identity))
    backends = [backend_row(number, address, is_v3=is_v3) for address, number in ids.items()]
    suffix = "v3" if is_v3 else "v2"
    return (
        MapDump("cilium_lb4_services_v2", services),
        MapDump(f"cilium_lb4_backends_{suffix}", backends),
    )


def _slot_count(listed: dict[str, list[str]], name: str) -> int:
    frontend = name.rsplit(" (", 1)[0]
    return sum(key.startswith(f"{frontend} (") for key in listed) - 1
