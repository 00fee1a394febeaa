"""gzip for payloads, with a bound on what a few hostile bytes can become."""

from __future__ import annotations

import zlib

_GZIP = 31
"""zlib's window bits for 32 KiB with gzip's header, whose time it leaves 0."""

_MAGIC = b"\x1f\x8b"

_QUICK = 1
"""Of zlib's levels; the best one takes five times as long for a tenth of the bytes."""


class PackingError(ValueError):
    """Bytes that can't be unpacked, or would become too many."""


def pack(document: bytes) -> bytes:
    """Return the document gzip'd; the same bytes for the same document."""
    return zlib.compress(document, _QUICK, _GZIP)


def unpack(payload: bytes, most_bytes: int) -> bytes:
    """Return the document of a payload, whether it is packed or not.

    Raises:
        PackingError: it would be longer than `most_bytes`, or is broken.
    """
    if not payload.startswith(_MAGIC):
        if len(payload) > most_bytes:
            raise PackingError(f"{len(payload)} bytes where {most_bytes} are the most")
        return payload
    unpacking = zlib.decompressobj(_GZIP)
    try:
        document = unpacking.decompress(payload, most_bytes + 1)
    except zlib.error as error:
        raise PackingError(f"broken gzip: {error}") from error
    if len(document) > most_bytes:
        raise PackingError(f"unpacks to more than {most_bytes} bytes")
    if not unpacking.eof:
        raise PackingError("broken gzip: it ends too early")
    if unpacking.unused_data:
        raise PackingError("broken gzip: something follows it")
    return document
