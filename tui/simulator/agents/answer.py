"""What one command printed."""

from __future__ import annotations

from dataclasses import dataclass

from tui.simulator.model import Occupancy


@dataclass(frozen=True, slots=True)
class Context:
    """What answers depend on beside the node."""

    occupancy: Occupancy
    kubernetes: str
    now: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What one command printed, and how long it takes."""

    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int = 0
    seconds: float = 0.05
