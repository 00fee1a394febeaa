"""Say which log lines are repeats of one another.

Eleven lines that differ in a backend's id and address are one event that happened eleven times.
"""

from __future__ import annotations

import re

from tui.model.logs import LogLine

_VARYING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{13,22}"  # uuid
    r"|(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![0-9A-Za-z])"  # IPv6 address
    r"|0x[0-9a-fA-F]+"
    r"|\d[0-9a-f]{7,}(?![0-9A-Za-z])"  # container id, hash
    r"|\d+"
)
_HAS_DIGIT = re.compile(r"\d")

Template = tuple[int, str, str, str]


def template(line: LogLine) -> Template:
    """Return what repeats of a line have in common: level, subsystem, message, error."""
    return (int(line.level), line.subsystem, _constant(line.message), _constant(line.error))


def _constant(text: str) -> str:
    return _VARYING.sub("#", text) if _HAS_DIGIT.search(text) else text
