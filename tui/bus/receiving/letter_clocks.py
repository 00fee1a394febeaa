"""By how much the times in a letter are off our own clock, by what kind of letter it is."""

from __future__ import annotations

from tui.bus.receiving.clocks import SenderClocks
from tui.bus.wire.messages import AuditMessage, Letter, Message, PresenceMessage, RoomMessage
from tui.bus.wire.post import Incoming
from tui.model.room import Presence


class LetterClocks:
    """The clocks of collectors, and apart from them those of responders.

    Whoever may write audit records, and nothing else, must not set the clocks of collectors.

    Args:
        collectors: shared by those who listen to several clusters; None for new ones.
    """

    def __init__(self, collectors: SenderClocks | None = None) -> None:
        self.collectors = collectors or SenderClocks()
        self._responders = SenderClocks()

    def shift(self, letter: Letter, incoming: Incoming, now_wall: float, now_mono: float) -> float:
        """Learn from a letter, and return what to add to its times to have them by our clock."""
        message = letter.message
        clocks = self._responders if isinstance(message, AuditMessage) else self.collectors
        if not is_will(message):
            clocks.note(letter.envelope, incoming)
        is_told = isinstance(message, AuditMessage | RoomMessage)
        shift = clocks.told_shift if is_told else clocks.shift
        return shift(letter.envelope, incoming, now_wall, now_mono)


def is_will(message: Message) -> bool:
    """Whether it may be a last will: written, and numbered, long before it is sent."""
    return isinstance(message, PresenceMessage) and message.state is Presence.GONE
