"""One write of an operation: recorded before and after, and never repeated blindly.

A write whose outcome is unknown is read back: only when the object shows several times that nothing
happened is it sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any, Protocol, TypeVar

from tui.cluster.gate import WriteRequest
from tui.errors import (
    ClusterError,
    ConnectError,
    DeadlineError,
    IdentityError,
    NotFoundError,
    OperationError,
    ThrottledError,
    UnauthorizedError,
    UnknownOutcomeError,
)
from tui.model.names import NodeName
from tui.model.operations import AuditEvent, Permission, PlannedWrite
from tui.operations.changes import is_restart
from tui.operations.progress import Scribe
from tui.operations.reader import request_of
from tui.operations.timing import Clock, Timing

LOG = logging.getLogger("tui.operations.writer")

T = TypeVar("T")

MOST_WAIT_SECONDS = 15.0
UNREACHED = (ConnectError, DeadlineError, UnauthorizedError, ThrottledError)
"""Nothing was sent, or nothing was done: the same may be asked again when the API is back."""
SERVER_TROUBLE = 500
_LATE = "done; the answer was lost, the object shows it"
_REPEATED = "not done: no answer came, and the object shows nothing of it"


class Reads(Protocol):
    """The part of a session that reads."""

    async def get_json(self, path: str, decoder_type: type[T]) -> T:
        """GET and decode one document."""
        ...


class Writes(Protocol):
    """The gate."""

    async def may(self, request: WriteRequest) -> Permission:
        """Ask the access review."""
        ...

    async def dry_run(self, request: WriteRequest) -> dict[str, Any]:
        """Have the server try it."""
        ...

    async def write(self, request: WriteRequest) -> dict[str, Any]:
        """Make a change."""
        ...


class Stops(Protocol):
    """What ends an operation early."""

    is_cut: bool
    """Nothing is waited for any more."""

    async def ready(self) -> None:
        """Return once a write may be sent."""
        ...


class Outcome(Enum):
    """What an object says of a write."""

    DONE = "done"
    NOT_DONE = "not done"
    REPLACED = "another object, or changed by somebody else"


def sent_as(planned: PlannedWrite) -> WriteRequest:
    """Return a planned write as the gate takes it.

    A pod's resourceVersion moves with its status: there the UID alone says whether it is the same.
    """
    request = request_of(planned)
    return replace(request, resource_version="") if is_restart(planned) else request


def outcome_of(request: WriteRequest, found: Mapping[str, Any] | None) -> Outcome:
    """Tell from the object, as it is now, whether a write happened; None: there is none."""
    metadata = (found or {}).get("metadata") or {}
    uid = metadata.get("uid", "")
    if request.verb == "delete":
        is_gone = found is None or uid != request.uid or metadata.get("deletionTimestamp")
        return Outcome.DONE if is_gone else Outcome.NOT_DONE
    if request.verb == "create":
        if found is None:
            return Outcome.NOT_DONE
        return Outcome.DONE if _holds(found, request.body) else Outcome.REPLACED
    if found is None or uid != request.uid:
        return Outcome.REPLACED
    if _holds(found, request.body):
        return Outcome.DONE
    version = metadata.get("resourceVersion", "")
    is_untouched = request.resource_version in ("", version)
    return Outcome.NOT_DONE if is_untouched else Outcome.REPLACED


def _holds(found: object, wanted: object) -> bool:
    """Whether an object has everything that a body asks for; null asks for absence."""
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return not wanted
        return all(
            key not in found if value is None else key in found and _holds(found[key], value)
            for key, value in wanted.items()
        )
    return found == wanted


class Writer:
    """Makes the writes of one operation."""

    def __init__(  # noqa: PLR0913 - what a write needs
        self,
        session: Reads,
        gate: Writes,
        scribe: Scribe,
        clock: Clock,
        timing: Timing,
        *,
        stops: Stops,
        say: Callable[[str], Awaitable[None]],
    ) -> None:
        """Begin.

        Args:
            session: reads objects back.
            gate: writes.
            scribe: records.
            clock: for waiting.
            timing: how long.
            stops: raises when the operation was aborted: nothing is sent then.
            say: shows what it waits for; the empty text when it goes on.
        """
        self._session = session
        self._gate = gate
        self._scribe = scribe
        self._clock = clock
        self._timing = timing
        self._stops = stops
        self._say = say

    async def make(self, planned: PlannedWrite, node_name: NodeName = NodeName("")) -> str:
        """Make one write of a plan; return the object's UID where the answer names it.

        Raises:
            OperationError: it was not made, and why.
            ClusterError: the same.
            UnknownOutcomeError: even reading back does not tell.
            JournalError: it could not be recorded.
        """
        request = sent_as(planned)

        async def note(event: AuditEvent, result: str = "") -> None:
            await self._scribe.record(
                event,
                target=request.title,
                path=request.path,
                target_uid=planned.uid,
                diff=planned.diff,
                result=result,
                node_name=node_name,
            )

        async def note_repeat() -> None:
            await note(AuditEvent.AFTER_WRITE, _REPEATED)
            await note(AuditEvent.BEFORE_WRITE)

        await note(AuditEvent.BEFORE_WRITE)
        try:
            uid, result = await self._made(request, note_repeat)
        except UnknownOutcomeError as error:
            await note(AuditEvent.AFTER_WRITE, f"outcome unknown: {error.message}")
            raise
        except (OperationError, ClusterError) as error:
            await note(AuditEvent.AFTER_WRITE, f"not done: {error.message}")
            raise
        await note(AuditEvent.AFTER_WRITE, result)
        return uid

    async def _made(
        self, request: WriteRequest, note_repeat: Callable[[], Awaitable[None]]
    ) -> tuple[str, str]:
        failures, is_doubtful = 0, False
        while True:
            try:
                await self._stops.ready()
                answer = await self._gate.write(request)
            except UnknownOutcomeError as error:
                LOG.warning("%s", error.message)
                await self._say(f"outcome unknown, reading back: {error.message}")
                is_doubtful = True
                if (uid := await self._done_all_the_same(request, error)) is not None:
                    return uid, _LATE
                await note_repeat()
            except OperationError as error:
                # What was sent before it may have been done after it was read back.
                uid = await self._done_all_the_same(request, error) if is_doubtful else None
                if uid is None:
                    raise
                return uid, _LATE
            except ClusterError as error:
                if not _is_passing(error):
                    raise
                failures += 1
                await self._say(f"not sent, waiting for the API: {error.message}")
                await self._pause(failures)
            else:
                await self._say("")
                return str((answer.get("metadata") or {}).get("uid", "")), "done"

    async def _done_all_the_same(self, request: WriteRequest, error: OperationError) -> str | None:
        """Return the object's UID where it shows the write; None where it was not done.

        Raises:
            IdentityError: the object is another one, or changed by somebody else.
            UnknownOutcomeError: it can't be read back.
        """
        outcome, uid = await self._read_back(request)
        await self._say("")
        if outcome is Outcome.REPLACED:
            raise IdentityError(
                f"{request.title}: its answer was lost, and the object is now "
                f"{outcome.value}; plan again",
                uid,
            ) from error
        return uid if outcome is Outcome.DONE else None

    async def _read_back(self, request: WriteRequest) -> tuple[Outcome, str]:
        """Look at the object until it tells; a server may still be at work on what was sent."""
        looks, failures = 0, 0
        while True:
            try:
                found = await self._read(request)
            except ClusterError as error:
                if self._stops.is_cut or not _is_passing(error):
                    raise UnknownOutcomeError(
                        f"{request.title}: nobody knows whether it was done; reading it back "
                        f"failed: {error.message}"
                    ) from error
                failures += 1
                await self._pause(failures)
                continue
            outcome = outcome_of(request, found)
            looks += 1
            if outcome is not Outcome.NOT_DONE or looks >= self._timing.read_back_looks:
                return outcome, str(((found or {}).get("metadata") or {}).get("uid", ""))
            await self._clock.sleep(self._timing.read_back)

    async def _read(self, request: WriteRequest) -> dict[str, Any] | None:
        try:
            return await self._session.get_json(request.object_path, dict[str, Any])
        except NotFoundError:
            return None

    async def _pause(self, failures: int) -> None:
        most = min(MOST_WAIT_SECONDS, 2.0 ** min(failures, 8))
        await self._clock.sleep(0.5 + self._clock.random() * most)


def _is_passing(error: ClusterError) -> bool:
    return isinstance(error, UNREACHED) or getattr(error, "status", 0) >= SERVER_TROUBLE
