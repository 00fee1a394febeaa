"""What a node's facts look like while they are taken apart: their parts still bytes."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from tui.bus.bounds import OutOfBoundsError, check_of, check_reading
from tui.bus.interning import Elements, Interned, Part
from tui.model.agent import AgentMetrics, AgentStatus, AgentVersion, EffectiveConfig
from tui.model.features import Feature
from tui.model.host import BpfFilesystem, HostClients, HostFacts, Neighbors, UdpSockets
from tui.model.logs import LogEntry
from tui.model.maps import MapUsage
from tui.model.node import AgentPod, Node
from tui.model.reading import Origin, Reading, ReadingState
from tui.model.services import ServiceCoverage
from tui.model.snapshot import NodeFacts
from tui.safety import CleanText, clean

T = TypeVar("T")

_NULL = msgspec.Raw(b"null")
_EMPTY = CleanText("")
_NEW_WORD = "Invalid enum value"
"""How msgspec begins to tell of a word that an enum does not have: a newer release may."""

_UNASKED: Reading[Any] = Reading()


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
    version: ReadingView | None = None
    status: ReadingView | None = None
    metrics: ReadingView | None = None
    maps: ReadingView | None = None
    services: ReadingView | None = None
    features: ReadingView | None = None
    config: ReadingView | None = None
    host: ReadingView | None = None
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
    logged: tuple[LogEntry, ...] = ()
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
    """Makes `NodeFacts` of views, with one object for equal parts of whatever node."""

    def __init__(self, interned: Interned) -> None:
        self._node: Part[Node] = Part(interned, Node)
        self._agent: Part[AgentPod | None] = Part(interned, AgentPod | None)
        self._version: Part[AgentVersion] = Part(interned, AgentVersion)
        self._status: Part[AgentStatus] = Part(interned, AgentStatus)
        self._services: Part[ServiceCoverage] = Part(interned, ServiceCoverage)
        self._features: Elements[Feature] = Elements(interned, Feature)
        self._config: Part[EffectiveConfig] = Part(interned, EffectiveConfig)
        # Numbers that change with every sweep would only push others out.
        self._metrics: Part[AgentMetrics] = Part(None, AgentMetrics)
        self._maps: Part[tuple[MapUsage, ...]] = Part(None, tuple[MapUsage, ...])
        self._host = _HostPart(interned)

    def facts(self, view: NodeFactsView) -> NodeFacts:
        """Return the facts of a view.

        Raises:
            msgspec.DecodeError, OutOfBoundsError: a part is not what it has to be.
        """
        _CHECK_SWEEP(view.swept_at)
        _CHECK_TEXT(view.log_error)
        _CHECK_TEXT(view.sweep_error)
        return NodeFacts(
            self._node.decode(view.node),
            self._agent.decode(view.agent),
            _reading("version", view.version, self._version),
            _reading("status", view.status, self._status),
            _reading("metrics", view.metrics, self._metrics),
            _reading("maps", view.maps, self._maps),
            _reading("services", view.services, self._services),
            _reading("features", view.features, self._features),
            _reading("config", view.config, self._config),
            _reading("host", view.host, self._host),
            (),
            view.log_error,
            view.swept_at,
            view.sweep_error,
        )


class _HostPart:
    """The host's facts, with one object for parts that are equal."""

    def __init__(self, interned: Interned) -> None:
        self._view: Part[_HostView] = Part(None, _HostView)
        self._clients: Part[HostClients | None] = Part(interned, HostClients | None)
        self._sockets: Part[UdpSockets | None] = Part(interned, UdpSockets | None)
        self._neighbors: Part[Neighbors | None] = Part(interned, Neighbors | None)
        self._mounts: Part[BpfFilesystem | None] = Part(interned, BpfFilesystem | None)

    def decode(self, raw: msgspec.Raw) -> HostFacts:
        view = self._view.decode(raw)
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


def _reading(
    name: str, view: ReadingView | None, part: Part[T] | Elements[Any] | _HostPart
) -> Reading[Any]:
    if view is None:
        return _UNASKED
    try:
        value = None if bytes(view.value) == b"null" else part.decode(view.value)
        reading: Reading[Any] = Reading(view.state, value, view.reason, view.origin)
        if value is None and reading == _UNASKED:
            return _UNASKED
        check_reading(reading)
    except OutOfBoundsError as error:
        raise OutOfBoundsError(f"{name}: {error}") from None
    except msgspec.ValidationError as error:
        if not str(error).startswith(_NEW_WORD):
            raise msgspec.ValidationError(f"{name}: {error}") from None
        return Reading.failed(clean(f"written by a newer ciltop: {error}"))
    return reading


def _required(hint: Any) -> Any:
    check = check_of(hint)
    if check is None:
        raise TypeError(f"{hint} has no bounds")
    return check


_CHECK_SWEEP = _required(float | None)
_CHECK_TEXT = _required(str)
_CHECK_REASONS = _required(dict[str, CleanText])
_CHECK_TIMES = _required(dict[str, float])
check_logged = _required(tuple[LogEntry, ...])
check_truncated = _required(dict[str, str])
