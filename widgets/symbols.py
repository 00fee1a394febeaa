"""The screen's symbols, with ASCII ones for terminals that can't draw the rest."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Symbols:
    """One set of symbols; every one is a single cell wide, the bar's and sparkline's parts too."""

    active: str
    """Harm seen now; also "down"."""
    armed: str
    """A condition plus something that uses it; also "warning"."""
    latent: str
    ok: str
    unknown: str
    """Unknown or denied."""
    loading: str
    paused: str
    estimated: str
    stale: str
    check: str
    mark: str
    """In front of a marked row."""
    cursor: str
    """In front of the row under the cursor, so that it shows without colours."""
    ellipsis: str
    arrow: str
    ascending: str
    descending: str
    divider: str
    """Between the parts of a title."""
    rule: str
    times: str
    dash: str
    """Stands where there is nothing to show; not for unknown."""
    bar_parts: str
    """From an eighth to a full cell; ASCII has whole cells only."""
    spark_parts: str
    """From the lowest to the highest level."""


UNICODE = Symbols(
    active="✖",
    armed="▲",
    latent="◇",
    ok="●",
    unknown="?",
    loading="◌",
    paused="⏸",
    estimated="≈",
    stale="⧗",
    check="✓",
    mark="✓",
    cursor="▌",
    ellipsis="…",
    arrow="→",
    ascending="↑",
    descending="↓",
    divider="▏",
    rule="─",
    times="×",
    dash="–",
    bar_parts="▏▎▍▌▋▊▉█",
    spark_parts="▁▂▃▄▅▆▇█",
)

ASCII = Symbols(
    active="X",
    armed="!",
    latent="-",
    ok="+",
    unknown="?",
    loading=".",
    paused="=",
    estimated="~",
    stale="*",
    check="v",
    mark="*",
    cursor=">",
    ellipsis="~",
    arrow=">",
    ascending="^",
    descending="v",
    divider="|",
    rule="-",
    times="x",
    dash="-",
    bar_parts="#",
    spark_parts="_.-=*#",
)

_COERCED = frozenset({"C.UTF-8", "C.utf8", "UTF-8"})
_ASCII_TERMINALS = frozenset({"dumb", "vt52", "vt100", "vt102", "vt220", "unknown"})


def choose_symbols(encoding: str | None, environment: Mapping[str, str]) -> Symbols:
    """Return the symbols a terminal can draw, by its encoding, locale and `TERM`."""
    if (encoding or "").lower().replace("-", "") not in ("utf8", "utf8sig", "utf16", "utf32"):
        return ASCII
    if environment.get("TERM", "") in _ASCII_TERMINALS or not _is_utf8_locale(environment):
        return ASCII
    return UNICODE


def _is_utf8_locale(environment: Mapping[str, str]) -> bool:
    """Return whether the locale that was asked for writes UTF-8; no locale at all may.

    Python writes UTF-8 in the C locale too, and sets `LC_CTYPE` to one of its own (PEP 538, 540).
    """
    names = ["LC_ALL", "LC_CTYPE", "LANG"]
    if environment.get("LC_CTYPE") in _COERCED and environment.get("LANG"):
        names.remove("LC_CTYPE")
    asked = next(filter(None, (environment.get(name) for name in names)), "")
    return not asked or asked.lower().replace("-", "").partition("@")[0].endswith("utf8")


class _Chosen:
    """Holds the set in use, so that it is chosen once for the whole program."""

    symbols: Symbols = UNICODE


def symbols() -> Symbols:
    """Return the symbols in use."""
    return _Chosen.symbols


def use_symbols(chosen: Symbols) -> None:
    """Make every widget draw with these symbols from now on."""
    _Chosen.symbols = chosen


def stdout_encoding() -> str | None:
    """Return the encoding that the terminal is written with."""
    return getattr(sys.__stdout__, "encoding", None)
