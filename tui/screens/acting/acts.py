"""`Acts`: what the screens ask of the one that may change the cluster, and how they await it."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from typing import Protocol, TypeVar

from tui.errors import CiltopError
from tui.model.operations import ArmingState, Intent, OperationPlan
from tui.safety import CleanText, clean

log = logging.getLogger(__name__)

T = TypeVar("T")


class Acts(Protocol):
    """What may change the cluster; every call returns at once, from any thread."""

    def plan(self, intent: Intent) -> Future[OperationPlan]:
        """Find out what an intent means here; nothing is written."""
        ...

    def plan_finish(self, operation_id: str) -> Future[OperationPlan]:
        """Plan what finishes an operation that an earlier run left half done."""
        ...

    def dismiss(self, operation_id: str) -> Future[None]:
        """Leave an unfinished operation as it is, and show it no more."""
        ...

    def begin(self, plan: OperationPlan, typed: str) -> Future[None]:
        """Begin a confirmed plan; done once it has begun, and failed where it must not begin."""
        ...

    def pause(self) -> None:
        """Begin nothing more until it is resumed."""
        ...

    def resume(self) -> None:
        """Go on."""
        ...

    def abort(self) -> None:
        """Begin nothing more at all; a second time, verify nothing more either."""
        ...

    def arm(self, typed: str) -> Future[ArmingState]:
        """Let this session write, where what was typed is the context's name."""
        ...

    def disarm(self) -> Future[None]:
        """Let this session write no more."""
        ...


async def answer(future: Future[T]) -> T:
    """Await an answer from the collector's thread; leaving drops the question.

    Raises:
        CiltopError: the collector ended before it answered.
    """
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        _raise_unless_ended(future)
        raise


async def kept_answer(future: Future[T]) -> T:
    """Await an answer; leaving does not stop what was asked for, such as a write.

    Raises:
        CiltopError: the collector ended before it answered.
    """
    try:
        return await asyncio.shield(asyncio.wrap_future(future))
    except asyncio.CancelledError:
        _raise_unless_ended(future)
        raise


def _raise_unless_ended(future: Future[T]) -> None:
    """Tell a collector that ended from a screen that was left."""
    task = asyncio.current_task()
    if future.cancelled() and (task is None or not task.cancelling()):
        raise CiltopError("the collector has ended: nothing can be asked any more") from None


def problem_words(error: Exception) -> CleanText:
    """Return why something was refused or failed, in one text to show."""
    if isinstance(error, CiltopError):
        return error.message
    log.error("an action failed", exc_info=error)
    return clean(f"{type(error).__name__}: {error}; see --log-file")
