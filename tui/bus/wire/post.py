"""What goes to the broker and what comes from it, before anybody knows what it means."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from tui.safety import CleanText

_EMPTY = CleanText("")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A payload for a topic."""

    topic: str
    payload: bytes
    qos: int = 0
    is_retained: bool = False
    expiry_seconds: int | None = None
    """The broker forgets it then (MQTT 5)."""
    replaces: bool = False
    """Whether it takes the place of one for the same topic that still waits: state, not events."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A payload from a topic."""

    topic: str
    payload: bytes
    is_retained: bool
    """Whether the broker had kept it: then it is older than its arrival."""
    received_at: float
    """By the receiver's monotonic clock."""
    held_seconds: float | None = None
    """How long the broker kept it, where the expiry it has left tells (MQTT 5)."""
    overtaken: int = 0
    """Older ones of its topic that waited to be read, and whose place it took: none is lost."""


class LinkKind(StrEnum):
    """How the connection to the broker stands."""

    CONNECTING = "connecting"
    UP = "up"
    DOWN = "down"
    """It will be tried again."""
    REFUSED = "refused"
    """Credentials, certificate or rights: tried again, slowly."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """The connection, and why it is as it is."""

    kind: LinkKind = LinkKind.CONNECTING
    reason: CleanText = _EMPTY
    """One sentence; while UP, a warning such as a topic that may not be read, or empty."""
    protocol: CleanText = _EMPTY
    """`MQTT 5`, or `MQTT 3.1.1` where the broker speaks no newer one; empty before."""
    broker: CleanText = _EMPTY
    """The URL without any secret."""
    since: float = 0.0
    """By the monotonic clock."""


@dataclass(slots=True)
class LinkCounts:
    """What went through, since the start."""

    sent: int = 0
    sent_bytes: int = 0
    received: int = 0
    replaced: int = 0
    """Waiting state that a newer one took the place of: nothing is lost by it."""
    reconnects: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    """Messages that were given up, by the last fixed level of their topic, such as `warnings`."""


class Sends(Protocol):
    """The sending half of a connection."""

    @property
    def state(self) -> LinkState:
        """How the connection stands."""
        ...

    @property
    def counts(self) -> LinkCounts:
        """What went through."""
        ...

    def send(self, outgoing: Outgoing) -> None:
        """Queue it; never waits. What finds the queue full is counted and given up."""
        ...

    def will_replace(self, topic: str) -> bool:
        """Whether a state for this topic waits that nobody can have seen yet."""
        ...
