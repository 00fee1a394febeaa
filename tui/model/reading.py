"""`Reading`: a value with its state and its origin, so that unknown is never drawn as zero."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from tui.model.names import ContainerId, NodeUid
from tui.safety import CleanText

T = TypeVar("T")


class ReadingState(StrEnum):
    """How a value stands; staleness is not a state but follows from the origin's age."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    """Not asked yet, or the source can't tell."""
    DENIED = "denied"
    """The API server refused; the reason names the missing verb and resource."""
    FAILED = "failed"
    """Asked and not answered; the value, if any, is the last good one."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: enough to ask again by hand."""

    source: CleanText
    """The command as a person would type it in the agent container, or the API path."""
    observed_at: float
    """Seconds since the epoch, by the collector's clock."""
    node_uid: NodeUid | None = None
    container_id: ContainerId | None = None
    collector_id: str = ""


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """One value from the cluster, or the reason why there is none."""

    state: ReadingState = ReadingState.UNKNOWN
    value: T | None = None
    reason: CleanText = CleanText("")
    origin: Origin | None = None

    @classmethod
    def known(cls, value: T, origin: Origin) -> Reading[T]:
        """Return a value that was read."""
        return cls(ReadingState.KNOWN, value, CleanText(""), origin)

    @classmethod
    def unknown(cls, reason: CleanText, origin: Origin | None = None) -> Reading[T]:
        """Return the absence of a value that this source can't give."""
        return cls(ReadingState.UNKNOWN, None, reason, origin)

    @classmethod
    def denied(cls, reason: CleanText, origin: Origin | None = None) -> Reading[T]:
        """Return a refusal; the reason names the missing verb and resource."""
        return cls(ReadingState.DENIED, None, reason, origin)

    @classmethod
    def failed(cls, reason: CleanText, origin: Origin | None = None) -> Reading[T]:
        """Return a failure to read."""
        return cls(ReadingState.FAILED, None, reason, origin)

    @property
    def is_known(self) -> bool:
        """Whether the value was read and the last attempt succeeded."""
        return self.state is ReadingState.KNOWN

    def keeping(self, previous: Reading[T]) -> Reading[T]:
        """Return this reading, with the previous value and origin where this one has none.

        A failure must not empty a panel: the last good value stays and grows old.
        """
        if self.value is not None or previous.value is None:
            return self
        return Reading(self.state, previous.value, self.reason, previous.origin)

    def age_seconds(self, now: float) -> float | None:
        """Return the value's age, or None where there is no value."""
        if self.origin is None or self.value is None:
            return None
        return max(0.0, now - self.origin.observed_at)
