"""Arming and disarming a session, told as facts and recorded in the audit file."""

from __future__ import annotations

import logging

from tui.cluster.arming import Arming
from tui.errors import CiltopError
from tui.model.operations import ArmingMode, ArmingState, AuditEvent
from tui.model.snapshot import ArmingChanged
from tui.operations.journal import Journal, JournalError
from tui.operations.progress import Scribe, Tell

LOG = logging.getLogger("tui.operations.arming_watch")


class ArmingWatch:
    """Tells every change of the one switch before all writes."""

    def __init__(self, arming: Arming, journal: Journal, tell: Tell) -> None:
        self._arming = arming
        self._scribe = Scribe(journal, tell)
        self._tell = tell
        self._told: ArmingState | None = None

    async def arm(self, typed: str) -> ArmingState:
        """Let the session write.

        Raises:
            ArmingError: it is read-only, or what was typed is not the context's name.
            JournalError: it can't be recorded; the session stays unarmed.
        """
        self._arming.arm(typed)
        try:
            await self._scribe.record(AuditEvent.ARMED)
        except CiltopError:
            self._arming.disarm()
            raise
        await self.tell_change()
        return self._arming.state

    async def disarm(self) -> None:
        """Let the session write no more.

        Raises:
            JournalError: it can't be recorded; the session is disarmed all the same.
        """
        was_armed = self._arming.state.mode is ArmingMode.ARMED
        self._arming.disarm()
        self._told = self._arming.state
        await self._tell(ArmingChanged(self._told))
        if was_armed:
            await self._scribe.record(AuditEvent.DISARMED)

    async def tell_change(self) -> None:
        """Tell how the switch stands, if that is news; idleness turns it off by itself."""
        state = self._arming.state
        before, self._told = self._told, state
        if state == before:
            return
        await self._tell(ArmingChanged(state))
        was_armed = before is not None and before.mode is ArmingMode.ARMED
        if was_armed and state.mode is ArmingMode.UNARMED:
            try:
                text = "by itself, after a while of idleness"
                await self._scribe.record(AuditEvent.DISARMED, text)
            except JournalError as error:
                LOG.warning("%s", error.message)
