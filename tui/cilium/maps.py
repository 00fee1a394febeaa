"""`bpftool map show`: the kernel's maps by the name of their pin.

Names are cut to 15 characters in the kernel and absent on maps that 1.11 makes, so a map is known
by its pin under `tc/globals` of the agent's bpffs only, wherever that is mounted.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from tui.cilium.output import convert, decode_json, describe_garbage
from tui.errors import ParseError
from tui.model.maps import MapKind

WHAT = "bpftool map show"
GLOBALS = "/sys/fs/bpf/tc/globals/"
"""Where maps are pinned, unless the agent has its bpffs elsewhere."""
_PIN_PATH = re.compile(r"(/.*/tc/globals/)([^/]*)", re.DOTALL)
NO_PREALLOCATION = 1
"""BPF_F_NO_PREALLOC, bit 0 of a map's flags (include/uapi/linux/bpf.h)."""
_PIN_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,255}")
_KINDS = {
    "hash": MapKind.HASH,
    "percpu_hash": MapKind.PERCPU_HASH,
    "lpm_trie": MapKind.LPM_TRIE,
    "lru_hash": MapKind.LRU_HASH,
    "lru_percpu_hash": MapKind.LRU_HASH,
    "array": MapKind.ARRAY,
    "percpu_array": MapKind.ARRAY,
    "prog_array": MapKind.ARRAY,
    "perf_event_array": MapKind.ARRAY,
    "array_of_maps": MapKind.ARRAY,
    "hash_of_maps": MapKind.HASH,
}
_INT_MAX = 2**63


class _Map(msgspec.Struct):
    id: int = 0
    type: str = ""
    flags: int = 0
    bytes_key: int = 0
    bytes_value: int = 0
    max_entries: int = 0
    bytes_memlock: int | None = None
    pinned: list[str] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class KernelMap:
    """One pinned map as the kernel describes it; how many entries it holds is not in it."""

    pin: str
    """The pin's name, such as `cilium_lb4_backends_v2`."""
    type: str
    """The kernel's word, such as `lru_hash`."""
    flags: int
    key_bytes: int
    value_bytes: int
    max_entries: int
    memory_bytes: int | None
    """`bytes_memlock`; None where bpftool does not print it."""
    id: int = 0

    @property
    def kind(self) -> MapKind:
        """What the map does when it is full."""
        return _KINDS.get(self.type, MapKind.OTHER)

    @property
    def is_preallocated(self) -> bool:
        """Whether all entries were allocated with the map; an LPM trie never is."""
        return not self.flags & NO_PREALLOCATION and self.kind is not MapKind.LPM_TRIE


def parse_maps(stdout: bytes) -> tuple[KernelMap, ...]:
    """Parse `bpftool -j -f map show`, whole or reduced to one JSON object a line.

    Lines may be objects with or without the array's brackets and commas; maps of other network
    namespaces and of other programs have no pin under the globals and are left out. Of several
    bpffs the one with the newest map counts.

    Raises:
        ParseError: there is no map at all in it.
    """
    found: dict[str, dict[str, KernelMap]] = {}
    # A machine without any map prints an empty array.
    is_anything_read = stdout.split() == [b"[]"]
    for item in _items(stdout):
        is_anything_read = True
        for path in item.pinned or ():
            parts = _PIN_PATH.fullmatch(path)
            if parts is not None and _PIN_NAME.fullmatch(parts[2]):
                found.setdefault(parts[1], {})[parts[2]] = _kernel_map(parts[2], item)
    if not is_anything_read:
        raise ParseError(describe_garbage(stdout, WHAT))
    # An earlier agent may have left maps in another bpffs: ids only grow, and only here all come.
    maps = max(found.values(), key=lambda held: max(one.id for one in held.values()), default={})
    return tuple(sorted(maps.values(), key=lambda kernel_map: kernel_map.pin))


def parse_pins(stdout: bytes) -> tuple[KernelMap, ...]:
    """Parse `NAME {json}` lines of `bpftool -j map show pinned P`, one a pin.

    NAME may be the whole path. An object with `error` (a link, or no right) is left out.

    Raises:
        ParseError: there is no map at all in it.
    """
    maps: dict[str, KernelMap] = {}
    for line in stdout.splitlines():
        name, space, text = line.partition(b" ")
        path = name.decode("utf-8", "replace")
        parts = _PIN_PATH.fullmatch(path)
        pin = parts[2] if parts is not None else path
        if not space or not _PIN_NAME.fullmatch(pin):
            continue
        item = convert(msgspec.Raw(text), _Map)
        if item is not None and item.type and not item.error:
            maps[pin] = _kernel_map(pin, item)
    if not maps:
        raise ParseError(describe_garbage(stdout, f"{WHAT} pinned"))
    return tuple(sorted(maps.values(), key=lambda kernel_map: kernel_map.pin))


def _kernel_map(pin: str, item: _Map) -> KernelMap:
    return KernelMap(
        # The same few words on every node.
        pin=sys.intern(pin),
        type=sys.intern(item.type) if item.type.isidentifier() else "other",
        flags=_bounded(item.flags),
        key_bytes=_bounded(item.bytes_key),
        value_bytes=_bounded(item.bytes_value),
        max_entries=_shared_number(_bounded(item.max_entries)),
        memory_bytes=None
        if item.bytes_memlock is None
        else _shared_number(_bounded(item.bytes_memlock)),
        id=_bounded(item.id),
    )


@functools.lru_cache(maxsize=4096)
def _shared_number(number: int) -> int:
    """Return one object for equal sizes: thousands of nodes have the same, and keep them all."""
    return number


def _bounded(number: int) -> int:
    return number if 0 <= number < _INT_MAX else 0


def _items(stdout: bytes) -> Iterator[_Map]:
    text = stdout.strip()
    if text.startswith(b"["):
        try:
            raws = decode_json(text, list[msgspec.Raw], WHAT)
        except ParseError:
            raws = None
        if raws is not None:
            for raw in raws:
                item = convert(raw, _Map)
                if item is not None and item.type:
                    yield item
            return
    for line in text.splitlines():
        item = _item_of_line(line.strip(b" \t,[]"))
        if item is not None:
            yield item


def _item_of_line(line: bytes) -> _Map | None:
    """Read an object whose braces a line-wise reduction may have cut off."""
    if not line:
        return None
    line = line.lstrip(b"{").rstrip(b"}")
    # A cut at `},{` can leave the array of pins open.
    if line.count(b"[") > line.count(b"]"):
        line += b"]"
    item = convert(msgspec.Raw(b"{" + line + b"}"), _Map)
    return item if item is not None and item.type else None
