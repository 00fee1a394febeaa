"""Log lines of the agents, and the gaps between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from tui.model.names import ContainerId, NodeUid
from tui.safety import CleanText


class LogLevel(IntEnum):
    """Severity; logrus says `warning`, slog `warn`, and both are WARN."""

    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40
    FATAL = 50


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of an agent's log, parsed."""

    time: float
    """Seconds since the epoch: the line's own, else the API's."""
    level: LogLevel
    message: CleanText
    subsystem: CleanText = CleanText("")
    """`subsys`, or the last part of `module`."""
    fields: tuple[tuple[CleanText, CleanText], ...] = ()
    """The other keys, in the line's order; `error` is the one that explains."""
    is_raw: bool = False
    """Whether the line fitted no known format; the message is then the line itself."""

    @property
    def error(self) -> CleanText:
        """The `error` field, or the empty text."""
        return next((value for key, value in self.fields if key == "error"), CleanText(""))


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A line of one node with its repeats folded into a counter."""

    node_uid: NodeUid
    container_id: ContainerId
    line: LogLine
    """The first of the fold."""
    count: int = 1
    last_time: float = 0.0
    sequence: int = 0
    """Grows with every entry of the store, so that a reader can ask for what is new."""
    is_start_burst: bool = False
    """Whether the line fell within seconds of the agent's start."""
    is_previous: bool = False
    """Whether it comes from the previous container."""
    meaning: str = ""
    """Id of the log catalogue's entry that explains it, such as `L2`; empty where none does."""
    is_varied: bool = False
    """Whether its repeats differ from the first in numbers, names or addresses."""


@dataclass(frozen=True, slots=True)
class LogGap:
    """A stretch in which lines were lost."""

    node_uid: NodeUid
    started_at: float
    ended_at: float
    lost_lines: int | None
    """None where the number can't be known."""
    reason: CleanText
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Lines of one node, in the order they were read."""

    node_uid: NodeUid
    container_id: ContainerId
    lines: tuple[LogLine, ...] = ()
    gap: LogGap | None = None
    """A loss just before these lines."""
    is_previous: bool = False
    agent_started_at: float | None = None
