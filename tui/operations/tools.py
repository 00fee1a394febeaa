"""What a running operation works with, and how it is paused and ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tui.errors import BlockedError, OperationError
from tui.model.names import NodeUid
from tui.model.operations import Guard, OperationPlan
from tui.model.snapshot import NodeFacts, Snapshot
from tui.operations.announcing import Announcer
from tui.operations.patient import Baseline, Wanted
from tui.operations.progress import ProgressBook, Scribe
from tui.operations.timing import Clock, Timing
from tui.operations.writer import Writer
from tui.safety import CleanText

Look = Callable[[], Snapshot]
Revisit = Callable[[Collection[NodeUid]], None]
Recheck = Callable[[OperationPlan, Snapshot, NodeUid], Sequence[Guard]]
"""The guards that speak against restarting one node of a plan now."""
AskEndpoints = Callable[[NodeFacts], Awaitable[tuple[int | None, CleanText]]]


class AbortedError(OperationError):
    """Somebody ended the operation."""


class LeaseHeldError(BlockedError):
    """Another operator is at work on this cluster."""


class LeaseLostError(OperationError):
    """Another operator has taken over."""


@dataclass(slots=True)
class Controls:
    """What people asked of a running operation."""

    is_paused: bool = False
    is_aborted: bool = False
    is_cut: bool = False
    """Not even what was begun is verified any more."""
    lost_lease: CleanText = CleanText("")
    """Who took over; empty while nobody did."""
    renew: Callable[[], Awaitable[None]] | None = None
    """Makes sure that nobody else can have taken over."""

    def check(self) -> None:
        """Return while new writes may be made.

        Raises:
            AbortedError: somebody ended it.
            LeaseLostError: another operator has taken over.
        """
        if self.lost_lease:
            raise LeaseLostError(self.lost_lease)
        if self.is_aborted:
            raise AbortedError("aborted: nothing more is begun")

    async def ready(self) -> None:
        """Return once a write may be sent.

        Raises:
            AbortedError: somebody ended the operation.
            LeaseLostError: another operator has taken over.
            CiltopError: whether another has can't be found out.
        """
        self.check()
        if self.renew is not None:
            try:
                await self.renew()
            except LeaseHeldError as error:
                self.lost_lease = error.message
            self.check()


@dataclass(frozen=True, slots=True)
class Tools:
    """What a running operation works with."""

    look: Look
    revisit: Revisit
    recheck: Recheck
    ask_endpoints: AskEndpoints
    writer: Writer
    scribe: Scribe
    book: ProgressBook
    announcer: Announcer
    controls: Controls
    clock: Clock
    timing: Timing
    wanted: Mapping[NodeUid, Wanted] = field(default_factory=dict)
    begun: Mapping[NodeUid, Baseline] = field(default_factory=dict)
    """Nodes whose agents an earlier run restarted: they are verified, not restarted again."""
