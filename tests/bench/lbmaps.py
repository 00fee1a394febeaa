"""A backend map of 65,536 entries: decode, count and find duplicates against `json.loads`."""

from __future__ import annotations

import json
import statistics
import struct
import time
from collections.abc import Callable

from tests.bench.measure import heading, ratio, say
from tui.cilium.dumps import decode_dump
from tui.cilium.lbmaps import count_duplicates, decode_backends

ENTRIES = 65_536
RUNS = 5


def measure() -> None:
    """Print the ratio."""
    heading(
        f"backend map of {ENTRIES:,} entries: parse, count, find duplicates",
        "<= 3 x json.loads of the same dump",
    )
    entries = [_entry(number) for number in range(ENTRIES)]
    as_json = json.dumps(
        [{"key": _hex_words(key), "value": _hex_words(value)} for key, value in entries]
    ).encode()
    rows = [f"{key.hex()} {value.hex()}\n" for key, value in entries]
    as_rows = ("# cilium_lb4_backends_v3\n" + "".join(rows)).encode()
    loads = _cpu_seconds(lambda: json.loads(as_json))
    ours = _cpu_seconds(lambda: _read(as_rows))
    say(f"  {'json.loads':<44} cpu {loads:8.3f} s   {len(as_json) / 2**20:6.1f} MiB")
    say(f"  {'decode, count, find duplicates':<44} cpu {ours:8.3f} s")
    say(f"  {'  of rows reduced on the node':<44}{'':16}{len(as_rows) / 2**20:6.1f} MiB")
    ratio("CPU, ours / json.loads", ours / loads, "<= 3", ours <= 3 * loads)


def _entry(number: int) -> tuple[bytes, bytes]:
    """Return a backends_v3 entry; every 16th address stands under two ids."""
    address = 0x0A000000 + number - (1 if number % 16 == 15 else 0)
    value = struct.pack(">IHBBHBx", address, 8080, 6, 0, 0, 0)
    return struct.pack("<I", number + 1), value


def _hex_words(packed: bytes) -> list[str]:
    return [f"0x{byte:02x}" for byte in packed]


def _read(stdout: bytes) -> None:
    backends = decode_backends(decode_dump(stdout))
    duplicates = count_duplicates(backends.values())
    assert len(backends) == ENTRIES
    assert duplicates > 0


def _cpu_seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return statistics.median(times)
