"""Say which log lines are repeats of one another.

Eleven lines that differ in a backend's id and address are one event that happened eleven times.
"""

from __future__ import annotations

import re

from tui.model.logs import LogLine

_TIME_UNIT = "(?:ns|µs|us|ms|s|m|h)"
_VARYING = re.compile(
    r'"[^"\s]{1,100}"'  # a quoted name; a quoted sentence may be the cause
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{13,22}"  # uuid
    r"|(?:[0-9a-fA-F]{0,4}:){2,7}(?:\d+\.\d+\.\d+\.\d+|[0-9a-fA-F]{0,4})(?![0-9A-Za-z])"  # IPv6
    r"|0x[0-9a-fA-F]+"
    r"|(?<![0-9A-Za-z])(?=[a-f]{0,64}\d)[0-9a-f]{8,64}(?![0-9A-Za-z])"  # container id, hash
    # A pod's name ends with letters and digits that mean nothing (k8s.io/apimachinery rand).
    r"|-(?:[bcdf-hj-np-tv-z2-9]{6,10}-)?[bcdf-hj-np-tv-xz2-9]{5}(?![0-9A-Za-z-])"
    rf"|(?<![A-Za-z])\d+(?:\.\d+)?{_TIME_UNIT}(?:\d+(?:\.\d+)?{_TIME_UNIT})*(?![0-9A-Za-z])"
    # The digits of `cilium_lb4_backends_v2`, `cilium_ct_any4_global` and IPv6 name another thing.
    r"|(?<!cilium_lb)(?<!_ct)(?<!ct_any)(?<!_v)(?<!IPv)(?<!ipv)\d+(?:\.\d+)*"
)
_MAY_VARY = re.compile(r'[\d"-]')

Template = tuple[int, str, str, str, str]


def template(line: LogLine, apart: str = "") -> Template:
    """Return what repeats of a line have in common: level, subsystem, message, error.

    Args:
        line: One of the repeats.
        apart: What must be the same too, for example the map that only a field names.
    """
    message, error = constant_part(line.message), constant_part(line.error)
    return (int(line.level), line.subsystem, message, error, apart)


def constant_part(text: str, mark: str = "#") -> str:
    """Return a text with a mark in place of each number, name or address that varies."""
    return _VARYING.sub(mark, text) if _MAY_VARY.search(text) else text
