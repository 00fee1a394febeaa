"""JSON and tables as Go programs print them."""

from __future__ import annotations

import json


def indented(value: object) -> bytes:
    """Return JSON as `-o json` prints it: two spaces, then an empty line."""
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n\n"


def go_number(value: float) -> str:
    """Return a number as Go's encoding/json writes a float64."""
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    if "e" not in text or abs(value) < 1e-6:
        return text
    return f"{value:.25f}".rstrip("0")
