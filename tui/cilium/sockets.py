"""What the `sockets` probe prints: the remote addresses of connected UDP sockets."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from tui.cilium.output import describe_garbage
from tui.errors import ParseError
from tui.model.host import UdpPeer, UdpSockets
from tui.safety import CleanText, clean

_REMOTE = re.compile(rb"([0-9A-Fa-f]{8}(?:[0-9A-Fa-f]{24})?):([0-9A-Fa-f]{1,4})")
_PODS = re.compile(rb"# pods ([0-9]{1,6}) ([0-9]{1,6})")
_COUNT = re.compile(rb"[0-9]{1,9}")
_MOST_PEERS = 200
_MAX_LINES = 1_000
_WORD_BYTES = 8


def parse_sockets(stdout: bytes) -> UdpSockets:
    """Parse the `sockets` probe: `# host`, `# pods SEEN READ`, `NAMESPACE REMOTE COUNT` lines.

    Raises:
        ParseError: the host's own sockets could not be read.
    """
    lines = stdout.splitlines()[:_MAX_LINES]
    if b"# host" not in lines:
        raise ParseError(describe_garbage(stdout, "sockets probe", "/proc/net/udp of the host"))
    peers = sorted(_peers(lines), key=lambda peer: (peer.namespace, peer.address, peer.port))
    return UdpSockets(
        peers=tuple(peers[:_MOST_PEERS]),
        pod_namespaces_read=_namespaces(lines),
        is_truncated=b"# truncated" in lines or len(peers) > _MOST_PEERS,
    )


def _namespaces(lines: list[bytes]) -> int | None:
    """Return how many were read; None where there are some and none could be entered."""
    for line in lines:
        found = _PODS.fullmatch(line)
        if found:
            seen, read = int(found.group(1)), int(found.group(2))
            return None if seen and not read else read
    return None


def _peers(lines: list[bytes]) -> Iterator[UdpPeer]:
    names: dict[bytes, CleanText] = {}
    for line in lines:
        words = line.split()
        remote = _REMOTE.fullmatch(words[1]) if len(words) == 3 else None
        if remote is None or not _COUNT.fullmatch(words[2]):
            continue
        name = names.setdefault(words[0], clean(words[0], 120))
        address = address_of(remote.group(1).decode())
        yield UdpPeer(address, int(remote.group(2), 16), int(words[2]), name)


def address_of(digits: str) -> str:
    """Return the address that /proc/net/udp prints as words of the machine's byte order.

    Cilium's nodes (amd64, arm64) are little-endian: each four bytes stand the wrong way round. An
    IPv4 address on an IPv6 socket is an IPv4 address.
    """
    words = [digits[at : at + _WORD_BYTES] for at in range(0, len(digits), _WORD_BYTES)]
    address = ipaddress.ip_address(b"".join(bytes.fromhex(word)[::-1] for word in words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
