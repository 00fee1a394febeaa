"""`bpf ct list global`: as many connections as the kernel's maps hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tui.simulator.agents.answer import Answer, Context
from tui.simulator.agents.cobra import Parsed
from tui.simulator.agents.gojson import indented
from tui.simulator.bpfmaps import MapSpec, Sizing
from tui.simulator.model import Agent, SimNode, number_from, pinned_specs
from tui.simulator.services import BackendTuple, text_of


@dataclass(frozen=True, slots=True)
class Connection:
    """One tracked connection of a pod to a backend."""

    backend: BackendTuple
    port: int
    is_tcp: bool


def conntrack_list(node: SimNode, agent: Agent, context: Context, parsed: Parsed) -> Answer:
    """Answer `bpf ct list global`."""
    if parsed.arguments[:1] not in ((), ("global",)):
        return Answer(b"", b"Unable to open endpoint's map: no such file or directory\n", 1)
    found = [
        connection
        for spec in pinned_specs(agent.release)
        if spec.sizing in {Sizing.CT_TCP, Sizing.CT_ANY}
        for connection in _connections(node, agent, context, spec)
    ]
    seconds = 0.1 + 2e-5 * len(found)
    if parsed.is_json:
        entries = [_entry(node, agent, connection) for connection in found]
        return Answer(indented(entries), seconds=seconds)
    rest = " (remaining: 3595 sec(s))" if parsed.has("time-diff") else ""
    lines = [_line(node, agent, connection, rest) for connection in found]
    return Answer("".join(lines).encode(), seconds=seconds)


def conntrack_texts(
    node: SimNode, agent: Agent, context: Context, spec: MapSpec
) -> Iterator[tuple[str, str]]:
    """Yield keys and values as `map get` of 1.19 prints them, ports byte-swapped as there."""
    for connection in _connections(node, agent, context, spec):
        source = f"{text_of(connection.backend.address)}:{_swapped(connection.port)}"
        place = f"{node.address_text}:{_swapped(connection.backend.port)}"
        protocol = 6 if connection.is_tcp else 17
        yield f"{source} --> {place}, {protocol}, 0", f"expires=3655 {_COUNTERS[1]}"


def _connections(
    node: SimNode, agent: Agent, context: Context, spec: MapSpec
) -> Iterator[Connection]:
    backends = list(agent.maps.balancer.backends.values()) or [BackendTuple(1 << 24, 80, "TCP")]
    for number in range(context.occupancy.entries(node, agent, spec, context.now)):
        port = 32768 + number_from(f"{node.variant}/{number}") % 28000
        yield Connection(backends[number % len(backends)], port, spec.sizing is Sizing.CT_TCP)


_COUNTERS = (
    "RxPackets=12 RxBytes=2182 RxFlagsSeen=0x1b LastRxReport=2612 TxPackets=6 TxBytes=479"
    " TxFlagsSeen=0x1b LastTxReport=2612 Flags=0x0010 [ SeenNonSyn ] RevNAT=0"
    " SourceSecurityID=0 IfIndex=0 ",
    "Packets=0 Bytes=0 RxFlagsSeen=0x1b LastRxReport=3595 TxFlagsSeen=0x1b LastTxReport=3595"
    " Flags=0x0010 [ SeenNonSyn ] RevNAT=0 SourceSecurityID=0 BackendID=0 NatPort=0 ",
)
"""Up to 1.15, and since."""


def _line(node: SimNode, agent: Agent, connection: Connection, rest: str) -> str:
    protocol = "TCP" if connection.is_tcp else "UDP"
    place = f"{text_of(connection.backend.address)}:{connection.backend.port}"
    flow = f"{protocol} OUT {node.address_text}:{connection.port} -> {place}"
    return f"{flow} expires=3655{rest} {_COUNTERS[agent.release.minor > 15]}\n"


def _swapped(number: int) -> int:
    return (number & 0xFF) << 8 | number >> 8 & 0xFF


def _entry(node: SimNode, agent: Agent, connection: Connection) -> dict[str, Any]:
    key = {
        "DestAddr": list(node.address.to_bytes(4, "big")),
        "SourceAddr": list(connection.backend.address.to_bytes(4, "big")),
        "DestPort": _swapped(connection.backend.port),
        "SourcePort": _swapped(connection.port),
        "NextHeader": 6 if connection.is_tcp else 17,
        "Flags": 0,
    }
    return {"Key": key, "Value": _VALUES[agent.release.minor > 15]}


_SEEN = {"TxFlagsSeen": 27, "RxFlagsSeen": 27, "SourceSecurityID": 0}
_VALUES: tuple[dict[str, Any], dict[str, Any]] = (
    {
        **{"RxPackets": 12, "RxBytes": 2182, "TxPackets": 6, "TxBytes": 479},
        **{"Lifetime": 3655, "Flags": 16, "RevNAT": 0, "IfIndex": 0},
        **_SEEN,
        **{"LastTxReport": 2612, "LastRxReport": 2612},
    },
    {
        **{"Union0": [0, 0], "Packets": 0, "Bytes": 0, "Lifetime": 3655, "Flags": 16},
        **{"RevNAT": 0, "NatPort": 0},
        **_SEEN,
        **{"LastTxReport": 3595, "LastRxReport": 3595},
    },
)
