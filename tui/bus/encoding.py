"""Letters as bytes and back: the one door through which anything of a broker comes in."""

from __future__ import annotations

from tui.bus.messages import Letter
from tui.bus.post import Incoming
from tui.errors import CiltopError

MOST_BYTES = 256 * 1024
"""Of a payload, as it is sent."""

MOST_BYTES_UNPACKED = 4 * 1024 * 1024


class RejectedError(CiltopError):
    """A payload that is not what its topic promises; `message` says why."""


def encode_letter(letter: Letter, *, limit: int = MOST_BYTES) -> bytes:
    """Return the payload of a letter, at most `limit` bytes long: gzip'd where that pays.

    What does not fit is left out, and `truncated` (for log lines a gap) tells of it.
    """
    raise NotImplementedError


class Decoder:
    """Takes payloads apart; parts with equal bytes become the same object, for any node."""

    def decode(self, incoming: Incoming) -> Letter:
        """Return the letter of a payload that is not empty.

        An empty one is no letter: the retained message of its topic was cleared
        (`Intake.cleared`).

        Raises:
            RejectedError: it is not what its topic promises. Nothing else is ever raised.
        """
        raise NotImplementedError
