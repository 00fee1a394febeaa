"""How bad a fault is, and which of two faults of one severity comes first."""

from __future__ import annotations

from enum import IntEnum


class Severity(IntEnum):
    """How bad a fault is, worst first."""

    HARM = 0
    """Something is broken now."""
    WARNING = 1
    """Something is about to break, or can't repair itself."""
    UNKNOWN = 2
    """Something could not be read."""
    NOTE = 3
    """Worth knowing; does not colour the node."""


class Rank(IntEnum):
    """The order among faults of one severity, worst first (design §6)."""

    MISSING_SERVICE = 0
    BROKEN_SERVICE = 1
    FULL_MAP = 2
    MAP_SYNC = 3
    AGENT_DOWN = 4
    NODE_DOWN = 5
    FILLING_MAP = 6
    CONTROLLER = 7
    AGENT_STATE = 8
    ODD_SERVICE = 9
    LOG_BURST = 10
    UNREADABLE = 11
