"""Which dumps a comparison needs, and what it says where they are missing."""

from __future__ import annotations

import struct
from socket import AF_INET6, inet_pton

import pytest

from tests.unit.collect_clock import VirtualClock
from tui.cilium.frames import EXIT_NO_MAP, Frame
from tui.collect.service_reader import ServiceReader, needed_dumps
from tui.collect.wants import WantKeeper
from tui.model.reading import Origin, ReadingState
from tui.safety import clean

ORIGIN = Origin(clean("bpftool"), 1.0)


def dumped(name: str, pin: str, *rows: tuple[bytes, bytes]) -> Frame:
    lines = [f"# {pin}", *(f"{key.hex()} {value.hex()}" for key, value in rows)]
    return Frame(name, 0, 0.1, "\n".join([*lines, ""]).encode(), b"", False)


def absent(name: str) -> Frame:
    return Frame(name, EXIT_NO_MAP, 0.1, b"", b"no such pin", False)


def ipv6_frames() -> dict[str, Frame]:
    frontend, backend = inet_pton(AF_INET6, "fd00::1"), inet_pton(AF_INET6, "fd01::2")
    port = struct.unpack("<H", struct.pack(">H", 80))[0]
    service = struct.Struct("<16sHHBB2x")
    slot = struct.Struct("<IHHBBH")
    found = (
        absent("services4"),
        absent("backends4"),
        dumped(
            "services6",
            "cilium_lb6_services_v2",
            (service.pack(frontend, port, 0, 6, 0), slot.pack(0, 1, 0, 0, 0, 0)),
            (service.pack(frontend, port, 1, 6, 0), slot.pack(7, 0, 0, 0, 0, 0)),
        ),
        dumped(
            "backends6",
            "cilium_lb6_backends_v3",
            (struct.pack("<I", 7), struct.pack("<16sHBBHBx", backend, port, 6, 0, 0, 0)),
        ),
    )
    return {frame.name: frame for frame in found}


async def test_a_node_with_ipv6_alone_is_compared_by_its_ipv6_maps() -> None:
    frames = ipv6_frames()
    assert needed_dumps(frames)[0] == "services6"
    reading = await ServiceReader(WantKeeper(VirtualClock())).decode(frames, ORIGIN)
    assert reading.value is not None
    held = reading.value.held
    assert held.families == {6}
    assert [str(one.address.ip) for one in held.frontends] == ["fd00::1"]
    assert [one.ip for one in held.backends.values()] == ["fd01::2"]


@pytest.mark.parametrize("missing", ["services6", "backends6"])
async def test_half_of_the_ipv6_maps_is_no_reading(missing: str) -> None:
    frames = ipv6_frames()
    del frames[missing]
    reading = await ServiceReader(WantKeeper(VirtualClock())).decode(frames, ORIGIN)
    assert reading.value is None
    assert reading.reason


async def test_without_any_map_the_ipv4_ones_are_named() -> None:
    frames = {name: absent(name) for name in ipv6_frames()}
    reading = await ServiceReader(WantKeeper(VirtualClock())).decode(frames, ORIGIN)
    assert reading.state is ReadingState.UNKNOWN
    assert "services4" in reading.reason


async def test_an_ipv4_map_that_fails_is_not_made_up_for_by_ipv6() -> None:
    frames = ipv6_frames()
    frames["services4"] = Frame("services4", 1, 0.1, b"", b"out of memory", False)
    reading = await ServiceReader(WantKeeper(VirtualClock())).decode(frames, ORIGIN)
    assert reading.state is ReadingState.FAILED
    assert "out of memory" in reading.reason
