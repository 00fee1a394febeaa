"""What the operator plans and writes with: the session's parts, and the way to a plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from tui.cluster.arming import Arming
from tui.cluster.gate import Gate
from tui.cluster.session import Session
from tui.model.operations import Intent, OperationKind, OperationPlan
from tui.model.snapshot import Snapshot
from tui.operations.endpoints import Execs
from tui.operations.plans import make_plan
from tui.operations.reader import ClusterReader
from tui.operations.undo import UndoError, UndoFolder, UndoRecord
from tui.operations.writer import Reads, Writes

Planner = Callable[[Intent, Snapshot], Awaitable[OperationPlan]]


class Ground(Reads, Execs, Protocol):
    """The part of a session that operations read with."""


class ArmedGate(Writes, Protocol):
    """The gate with its switch."""

    @property
    def arming(self) -> Arming:
        """Whether writes pass."""
        ...


def cluster_planner(
    session: Session, gate: Gate, folder: UndoFolder, clock: Callable[[], float]
) -> Planner:
    """Return what makes plans on a cluster, with the undo records of a folder."""
    reader = ClusterReader(session, gate)

    async def plan(intent: Intent, snapshot: Snapshot) -> OperationPlan:
        undo = record_of(intent, folder)
        return await make_plan(intent, snapshot, reader, undo=undo, clock=clock)

    return plan


def record_of(intent: Intent, folder: UndoFolder) -> UndoRecord | None:
    """Return the record of the operation that an intent undoes; None where there is none."""
    if intent.kind is not OperationKind.UNDO:
        return None
    try:
        return folder.read(intent.undo_id)
    except UndoError:
        return None
