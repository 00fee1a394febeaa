"""What a check is, in words: `ciltop explain`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from tui.checks.check import About
from tui.model.findings import Remedy


def explain_text(about: About, width: int) -> str:
    """Return what a check is, how it is proved, and the remedy, as lines of so many columns."""
    return "\n".join(_lines(about, max(40, width))) + "\n"


def list_text(abouts: Iterable[About], width: int) -> str:
    """Return the ids of all checks with their titles."""
    known = list(abouts)
    longest = max((len(about.id) for about in known), default=0)
    lines = (f"{about.id:<{longest}}  {about.title}"[: max(40, width)] for about in known)
    return "\n".join(lines) + "\n"


def _lines(about: About, width: int) -> Iterator[str]:
    yield f"{about.id}: {about.title}"
    yield ""
    yield from _wrapped(about.limitation, width)
    yield ""
    yield from _wrapped(about.why, width)
    yield from _titled("Releases", [about.releases], width)
    yield from _titled("Proof, best first", about.proof, width)
    yield from _remedy(about.remedy, width)
    yield from _titled("References", about.references, width)


def _remedy(remedy: Remedy, width: int) -> Iterator[str]:
    yield from _titled("Now", remedy.now, width)
    yield from _titled("Then", remedy.lasting, width)
    settings = [
        f"{one.key}: {one.value}" + (f" (Helm {one.helm})" if one.helm else "")
        for one in remedy.settings
    ]
    yield from _titled("Settings", settings, width)
    if remedy.commands:
        yield ""
        yield "Commands"
        # A command must stay in one piece to be copied.
        yield from (f"  {command}" for command in remedy.commands)
    if remedy.needs_restart is not None:
        text = "needed" if remedy.needs_restart else "not needed"
        yield from _titled("Agent restart", [text], width)
    if remedy.interrupts:
        yield from _titled("Interrupts", [remedy.interrupts], width)


def _titled(title: str, items: Iterable[str], width: int) -> Iterator[str]:
    lines = [line for item in items for line in _wrapped(item, width, "  - ", "    ")]
    if lines:
        yield ""
        yield title
        yield from lines


def _wrapped(text: str, width: int, first: str = "", then: str = "") -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=then, break_on_hyphens=False
    )
