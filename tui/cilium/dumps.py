"""Decode what the dump and count probes print.

A dump comes as hex rows, reduced on the node; as bpftool's own JSON where the node has no awk;
gzip'd or not. All of it reads the same here.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import msgspec

from tui.errors import ParseError

MAX_DUMP_BYTES = 256 * 1024 * 1024
"""More than any load-balancing map of 2^20 entries prints; a gzip bomb is cut off here."""

_GZIP_MAGIC = b"\x1f\x8b"
_PIN_LINE = re.compile(rb"# ([a-zA-Z0-9_]{1,64})\n")
_ROW = re.compile(rb"((?:[0-9a-f]{2})+) ((?:[0-9a-f]{2})+)\n")
_COUNT_LINE = re.compile(rb"([a-zA-Z0-9_]{1,64}) ([0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class MapDump:
    """The live entries of one pinned map."""

    pin: str
    entries: list[tuple[bytes, bytes]]
    """Keys and values as the kernel holds them."""


class _Entry(msgspec.Struct):
    key: list[str]
    value: list[str] | dict[str, msgspec.Raw] | None = None


def decode_dump(stdout: bytes) -> MapDump:
    """Return the map that a dump probe printed.

    Raises:
        ParseError: anything in it is no row: half a map would be taken for missing Services.
    """
    text = _inflated(stdout) if stdout.startswith(_GZIP_MAGIC) else stdout
    found = _PIN_LINE.match(text)
    if found is None:
        raise ParseError(f"a map dump should begin with `# PIN`, not {text[:80]!r}")
    body = text[found.end() :]
    entries = _json_entries(body) if body.startswith((b"[", b"{")) else _row_entries(body)
    return MapDump(found[1].decode("ascii"), entries)


def _inflated(stdout: bytes) -> bytes:
    inflate = zlib.decompressobj(wbits=31)
    try:
        text = inflate.decompress(stdout, MAX_DUMP_BYTES)
    except zlib.error as error:
        raise ParseError(f"a map dump came with broken compression: {error}") from error
    if not inflate.eof:
        raise ParseError("a map dump was cut before its end")
    return text


def _row_entries(body: bytes) -> list[tuple[bytes, bytes]]:
    """Decode equal rows in one go: a full map of 65,536 entries must not stall the collector."""
    first = _ROW.match(body)
    if first is None:
        if body.strip():
            raise ParseError(f"a map dump should hold `KEY VALUE` in hex, not {body[:80]!r}")
        return []
    width, split = first.end(), len(first[1])
    count, rest = divmod(len(body), width)
    is_even = (
        rest == 0
        and body[split::width] == b" " * count
        and body[width - 1 :: width] == b"\n" * count
    )
    if not is_even:
        raise ParseError("the rows of a map dump differ in length: it was cut or mixed up")
    try:
        raw = bytes.fromhex(body.decode("ascii"))
    except ValueError as error:
        raise ParseError(f"a map dump holds something else than hex: {error}") from error
    key, size = split // 2, (width - 2) // 2
    if len(raw) != count * size:
        raise ParseError("the rows of a map dump differ in length: it was cut or mixed up")
    return [(raw[at : at + key], raw[at + key : at + size]) for at in range(0, len(raw), size)]


def _json_entries(body: bytes) -> list[tuple[bytes, bytes]]:
    try:
        items = msgspec.json.decode(body, type=list[_Entry])
        return [
            (_bytes(item.key), _bytes(item.value)) for item in items if isinstance(item.value, list)
        ]
    except (msgspec.MsgspecError, ValueError) as error:
        raise ParseError(f"a map dump is not bpftool's JSON ({error}): {body[:80]!r}") from error


def _bytes(numbers: list[str]) -> bytes:
    return bytes.fromhex("".join(numbers).replace("0x", ""))


def decode_count(stdout: bytes) -> int:
    """Return the number that a `count=` probe printed.

    Raises:
        ParseError: it is no number.
    """
    text = stdout.strip()
    if not re.fullmatch(rb"[0-9]{1,12}", text):
        raise ParseError(f"a count should be one number, not {text[:80]!r}")
    return int(text)


def decode_counts(stdout: bytes) -> dict[str, int]:
    """Return the counts by pin that `counts` and `policies` printed; other lines are left out."""
    found = (_COUNT_LINE.fullmatch(line) for line in stdout.splitlines())
    return {row[1].decode("ascii"): int(row[2]) for row in found if row}
