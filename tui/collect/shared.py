"""What all tasks of one live source share."""

from __future__ import annotations

from dataclasses import dataclass

from tui.collect.clock import Clock
from tui.collect.gaps import GapBook
from tui.collect.health import Contact
from tui.collect.outbox import Outbox
from tui.collect.settings import CollectSettings


@dataclass(frozen=True, slots=True)
class Shared:
    """Time, the way out for facts, and the books of what fails."""

    clock: Clock
    outbox: Outbox
    gaps: GapBook
    contact: Contact
    settings: CollectSettings

    @classmethod
    def begin(cls, clock: Clock, settings: CollectSettings) -> Shared:
        """Return the parts of a source that has not seen anything yet."""
        outbox = Outbox()
        return cls(clock, outbox, GapBook(outbox, clock), Contact(clock), settings)
