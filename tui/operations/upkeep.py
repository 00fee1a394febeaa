"""The writes that no plan names: the Lease and Kubernetes Events, recorded as upkeep.

They have event kinds of their own in the audit file: `before-write` and `after-write` stay what
tells how far an operation came, and a Lease that was being renewed leaves nothing half done.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from tui.cluster.gate import WriteRequest
from tui.errors import CiltopError, UnknownOutcomeError
from tui.model.operations import AuditEvent, Permission
from tui.operations.journal import JournalError
from tui.operations.progress import Scribe
from tui.operations.writer import Writes

LOG = logging.getLogger("tui.operations.upkeep")

_GIVEN_UP = "outcome unknown: given up before an answer came"


def upkeep(gate: Writes, scribe: Scribe | None) -> Writes:
    """Return a gate that records each write as upkeep; the gate itself where nothing records."""
    return gate if scribe is None else UpkeepGate(gate, scribe)


class UpkeepGate:
    """A gate whose every write has a line in the audit file before it and one after it."""

    def __init__(self, gate: Writes, scribe: Scribe) -> None:
        self._gate = gate
        self._scribe = scribe

    async def may(self, request: WriteRequest) -> Permission:
        """Ask the access review."""
        return await self._gate.may(request)

    async def dry_run(self, request: WriteRequest) -> dict[str, Any]:
        """Have the server try it."""
        return await self._gate.dry_run(request)

    async def write(self, request: WriteRequest) -> dict[str, Any]:
        """Make a change.

        Raises:
            JournalError: it could not be recorded; before the write: it was not sent.
            OperationError: as the gate says.
            ClusterError: the same.
        """
        await self._note(AuditEvent.BEFORE_UPKEEP, request, request.uid)
        try:
            answer = await self._gate.write(request)
        except UnknownOutcomeError as error:
            await self._failed(request, f"outcome unknown: {error.message}")
            raise
        except CiltopError as error:
            await self._failed(request, f"not done: {error.message}")
            raise
        except BaseException:
            # Cancelled, or out of the time that an Event may take: it may have been sent.
            await self._failed(request, _GIVEN_UP)
            raise
        metadata = answer.get("metadata")
        uid = metadata.get("uid", "") if isinstance(metadata, Mapping) else ""
        await self._note(AuditEvent.AFTER_UPKEEP, request, request.uid or str(uid), "done")
        return answer

    async def _failed(self, request: WriteRequest, result: str) -> None:
        """Record what became of it; why it failed counts more than that this can't be recorded."""
        try:
            await self._note(AuditEvent.AFTER_UPKEEP, request, request.uid, result)
        except JournalError as error:
            LOG.warning("%s: %s, not recorded: %s", request.title, result, error.message)

    async def _note(
        self, event: AuditEvent, request: WriteRequest, uid: str, result: str = ""
    ) -> None:
        await self._scribe.record(
            event,
            _words(request.body),
            target=request.title,
            path=request.path,
            target_uid=uid,
            result=result,
        )


def _words(body: object) -> str:
    """Return what an Event says and of which object, or who holds the Lease from now on."""
    if not isinstance(body, Mapping):
        return ""
    if body.get("kind") == "Event":
        about = body["involvedObject"]
        of = f"{about['kind']} {about['name']} ({about['uid'] or 'UID unknown'})"
        return f"{body['reason']} on {of}: {body['message']}"
    holder = body.get("spec", {}).get("holderIdentity", "")
    return f"held by {holder}" if holder else "given back"
