"""What a node's facts look like while they are taken apart: their parts still bytes."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from tui.bus.wire.bounds import OutOfBoundsError, check_of, check_reading
from tui.bus.wire.interning import Elements, Interned, Part, Texts
from tui.bus.wire.node_memory import NodeMemory
from tui.model.agent import AgentMetrics, AgentStatus, AgentVersion, EffectiveConfig
from tui.model.features import Feature
from tui.model.host import BpfFilesystem, HostClients, HostFacts, Neighbors, UdpSockets
from tui.model.logs import LogEntry
from tui.model.maps import MapUsage
from tui.model.names import ContainerId, NodeUid
from tui.model.node import AgentPod, Node
from tui.model.reading import Origin, Reading, ReadingState
from tui.model.services import ServiceCoverage
from tui.model.snapshot import NodeFacts
from tui.safety import CleanText, clean

_NULL = msgspec.Raw(b"null")
_NO_ENTRIES = msgspec.Raw(b"[]")
_EMPTY = CleanText("")
_NEW_WORD = "Invalid enum value"
"""How msgspec begins to tell of a word that an enum does not have: a newer release may."""

_UNASKED: Reading[Any] = Reading()

_NO_CONTAINER = ContainerId("")

_Names = tuple[NodeUid, ContainerId]
"""A node's own names, which each of its origins repeats."""


class _Decodes(Protocol):
    """Takes a part apart."""

    def decode(self, encoded: bytes, /) -> Any:
        """Return the part; raises what `Part.decode` raises."""
        ...


class ReadingView(msgspec.Struct):
    """A reading whose value is still bytes."""

    state: ReadingState = ReadingState.UNKNOWN
    value: msgspec.Raw = _NULL
    reason: CleanText = _EMPTY
    origin: Origin | None = None


class NodeFactsView(msgspec.Struct):
    """`NodeFacts` without its log."""

    node: msgspec.Raw
    agent: msgspec.Raw = _NULL
    version: msgspec.Raw = _NULL
    status: msgspec.Raw = _NULL
    metrics: msgspec.Raw = _NULL
    maps: msgspec.Raw = _NULL
    services: msgspec.Raw = _NULL
    features: msgspec.Raw = _NULL
    config: msgspec.Raw = _NULL
    host: msgspec.Raw = _NULL
    log_error: CleanText = _EMPTY
    swept_at: float | None = None
    sweep_error: CleanText = _EMPTY


class SchemaView(msgspec.Struct):
    """The one field that messages of every schema have."""

    schema: str = ""


class EnvelopeView(SchemaView, kw_only=True):
    """What every message begins with, and `kind` that no class has."""

    kind: str
    cluster: CleanText
    sender: CleanText
    run: str
    seq: int
    at: float


class FactsView(EnvelopeView, kw_only=True):
    """`FactsMessage` with its envelope."""

    facts: NodeFactsView | None
    logged: msgspec.Raw = _NO_ENTRIES
    truncated: dict[str, str] = {}


class _HostView(msgspec.Struct):
    """`HostFacts`; its times differ at each reading, its parts seldom."""

    clients: msgspec.Raw = _NULL
    sockets: msgspec.Raw = _NULL
    neighbors: msgspec.Raw = _NULL
    mounts: msgspec.Raw = _NULL
    reasons: dict[str, CleanText] = {}
    read_at: dict[str, float] = {}


class NodeFactsReader:
    """Makes `NodeFacts` of views.

    Parts that the node's last message had are its objects, and parts that many nodes share are one.
    """

    PARTS = 15
    """Places that it needs in a node's memory: two for each reading."""

    def __init__(self, interned: Interned) -> None:
        texts = Texts()
        # What differs from node to node would only push out what many share.
        self._node: Part[Node] = Part(None, Node)
        self._agent: Part[AgentPod | None] = Part(None, AgentPod | None)
        self._logged: Part[tuple[LogEntry, ...]] = Part(None, tuple[LogEntry, ...])
        self._version = _ReadingPart("version", Part(interned, AgentVersion), texts, 3)
        self._status = _ReadingPart("status", Part(None, AgentStatus), texts, 5)
        self._services = _ReadingPart("services", Part(interned, ServiceCoverage), texts, 7)
        self._features = _ReadingPart("features", Elements(interned, Feature), texts, 9)
        self._config = _ReadingPart("config", Part(interned, EffectiveConfig), texts, 11)
        self._host = _ReadingPart("host", _HostPart(interned), texts, 13)
        # Numbers that change with every sweep are not worth a place.
        self._metrics = _ReadingPart("metrics", Part(None, AgentMetrics), texts)
        self._maps = _ReadingPart("maps", Part(None, tuple[MapUsage, ...]), texts)

    def facts(self, view: NodeFactsView, memory: NodeMemory) -> NodeFacts:
        """Return the facts of a view.

        Raises:
            msgspec.DecodeError, OutOfBoundsError: a part is not what it has to be.
        """
        _CHECK_SWEEP(view.swept_at)
        _CHECK_TEXT(view.log_error)
        _CHECK_TEXT(view.sweep_error)
        node: Node = _remembered(self._node, view.node, memory, 0)
        agent: AgentPod | None = _remembered(self._agent, view.agent, memory, 1)
        names = (node.uid, _NO_CONTAINER if agent is None else agent.container_id)
        return NodeFacts(
            node,
            agent,
            self._version.decode(view.version, memory, names),
            self._status.decode(view.status, memory, names),
            self._metrics.decode(view.metrics, memory, names),
            self._maps.decode(view.maps, memory, names),
            self._services.decode(view.services, memory, names),
            self._features.decode(view.features, memory, names),
            self._config.decode(view.config, memory, names),
            self._host.decode(view.host, memory, names),
            (),
            view.log_error,
            view.swept_at,
            view.sweep_error,
        )

    def logged(self, raw: msgspec.Raw, memory: NodeMemory) -> tuple[LogEntry, ...]:
        """Return the log entries; the same ones again are not kept, and not checked twice.

        Raises:
            msgspec.DecodeError, OutOfBoundsError: they are not what they have to be.
        """
        encoded = bytes(raw)
        mark = hash(encoded)
        if memory.has(2, mark):
            return self._logged.unchecked(encoded)
        entries = self._logged.decode(encoded)
        memory.keep(2, mark, None)
        return entries


def _remembered(part: _Decodes, raw: msgspec.Raw, memory: NodeMemory, place: int) -> Any:
    encoded = bytes(raw)
    mark = hash(encoded)
    if memory.has(place, mark):
        return memory.part(place)
    found = part.decode(encoded)
    memory.keep(place, mark, found)
    return found


class _ReadingPart:
    """One reading of a node.

    Args:
        name: of its field, for what is wrong with it.
        value: takes its value apart.
        texts: where the texts of origins are shared.
        place: in a node's memory, with the next one for the value; None for neither.
    """

    def __init__(self, name: str, value: _Decodes, texts: Texts, place: int | None = None) -> None:
        self._name = name
        self._value = value
        self._shared = texts.shared
        self._place = place
        self._view = msgspec.json.Decoder(ReadingView)

    def decode(self, raw: msgspec.Raw, memory: NodeMemory, names: _Names) -> Reading[Any]:
        """Return the reading.

        Raises:
            msgspec.DecodeError, OutOfBoundsError: it is not what it has to be.
        """
        encoded = bytes(raw)
        if encoded == b"null":
            return _UNASKED
        place = self._place
        if place is None:
            return self._read(encoded, memory, names)
        mark = hash(encoded)
        if memory.has(place, mark):
            found: Reading[Any] = memory.part(place)
            return found
        found = self._read(encoded, memory, names)
        memory.keep(place, mark, found)
        return found

    def _read(self, encoded: bytes, memory: NodeMemory, names: _Names) -> Reading[Any]:
        view = self._view.decode(encoded)
        try:
            value = self._value_of(view.value, memory)
            origin = None if view.origin is None else self._origin(view.origin, names)
            reading: Reading[Any] = Reading(view.state, value, view.reason, origin)
            if value is None and reading == _UNASKED:
                return _UNASKED
            check_reading(reading)
        except OutOfBoundsError as error:
            raise OutOfBoundsError(f"{self._name}: {error}") from None
        except msgspec.ValidationError as error:
            if not str(error).startswith(_NEW_WORD):
                raise msgspec.ValidationError(f"{self._name}: {error}") from None
            return Reading.failed(clean(f"written by a newer ciltop: {error}"))
        return reading

    def _value_of(self, raw: msgspec.Raw, memory: NodeMemory) -> Any:
        encoded = bytes(raw)
        if encoded == b"null":
            return None
        place = self._place
        if place is None:
            return self._value.decode(encoded)
        mark = hash(encoded)
        if memory.has(place + 1, mark):
            return memory.part(place + 1)
        value = self._value.decode(encoded)
        memory.keep(place + 1, mark, value)
        return value

    def _origin(self, origin: Origin, names: _Names) -> Origin:
        """Return an equal origin without texts of its own: a node has eight of them."""
        uid, container = names
        return Origin(
            self._shared(origin.source),
            origin.observed_at,
            uid if origin.node_uid == uid else origin.node_uid,
            container if origin.container_id == container else origin.container_id,
            self._shared(origin.collector_id),
        )


class _HostPart:
    """The host's facts, with one object for parts that are equal."""

    def __init__(self, interned: Interned) -> None:
        self._view: Part[_HostView] = Part(None, _HostView)
        self._clients: Part[HostClients | None] = Part(interned, HostClients | None)
        self._sockets: Part[UdpSockets | None] = Part(interned, UdpSockets | None)
        self._neighbors: Part[Neighbors | None] = Part(interned, Neighbors | None)
        self._mounts: Part[BpfFilesystem | None] = Part(interned, BpfFilesystem | None)

    def decode(self, encoded: bytes) -> HostFacts:
        """Return the host's facts."""
        view = self._view.decode(encoded)
        _CHECK_REASONS(view.reasons)
        _CHECK_TIMES(view.read_at)
        return HostFacts(
            self._clients.decode(view.clients),
            self._sockets.decode(view.sockets),
            self._neighbors.decode(view.neighbors),
            self._mounts.decode(view.mounts),
            view.reasons,
            view.read_at,
        )


def _required(hint: Any) -> Any:
    check = check_of(hint)
    if check is None:
        raise TypeError(f"{hint} has no bounds")
    return check


_CHECK_SWEEP = _required(float | None)
_CHECK_TEXT = _required(str)
_CHECK_REASONS = _required(dict[str, CleanText])
_CHECK_TIMES = _required(dict[str, float])
check_truncated = _required(dict[str, str])
