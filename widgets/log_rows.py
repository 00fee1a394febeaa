"""The view-model of a `LogView`: lines and gaps, their texts ready to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from widgets.tones import Tone


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line of the log, repeats folded. An unchanged row should be the same object."""

    sequence: int
    """Grows with every row; a row with the sequence of an older one takes its place."""
    time: str
    """Such as `13:28:38`."""
    node: str
    level: str
    """The word: `ERROR`, `WARN`, `INFO`."""
    severity: int
    """The level as a number that grows with harm, for the level filter."""
    message: str
    """What happened, ending with its cause: both ends stay where the line is too short."""
    count: str = ""
    """Such as `×11 in 1 s at agent start`, of which a short line keeps the first word; empty for
    a line that came once."""
    details: str = ""
    """The other fields as `key=value` text, drawn muted behind the message."""
    tag: str = ""
    """A check or map the line belongs to, drawn muted at the end."""
    tone: Tone = Tone.NORMAL
    """The tone of the level word."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """What `/field:value` looks at, beside time, node, level, message, tag."""
    hint: str = ""
    """What the line means in a few words, drawn muted before the tag where there is room."""

    @property
    def text(self) -> str:
        """All the row shows, as one text to search and to copy."""
        line = (self.time, self.node, self.level, self.count, self.message, self.details)
        return "  ".join(filter(None, (*line, self.hint, self.tag)))


@dataclass(frozen=True, slots=True)
class LogGapRow:
    """A stretch in which lines were lost, drawn as a ruled line; no filter hides it."""

    sequence: int
    text: str
    """Such as `gap: 148 lines lost 13:31:31–13:31:40 (stream reconnected)`."""


LogItem = LogRow | LogGapRow
