"""Help: every key and command, from the registries."""

from __future__ import annotations

from tui.keymap import KEYS, Scope
from tui.screens.commands import COMMANDS
from tui.screens.details import Detail
from widgets.detail_lines import DetailLine, empty_line, heading, sentence, value
from widgets.symbols import symbols
from widgets.tones import Span, Tone

_SCOPE_TITLES = {
    Scope.EVERYWHERE: "Everywhere",
    Scope.TABLE: "In tables and panels",
    Scope.HOME: "On Home",
    Scope.LOG: "For the log",
    Scope.FINDINGS: "For findings",
    Scope.BY_NODE: "In the findings and the time line",
    Scope.OPERATION: "In an operation",
    Scope.ACTED: "In an operation and the audit",
}
_FILTERS = (
    ("text", "rows that hold the text"),
    ("!text", "rows that do not"),
    ("re:…", "rows that match a pattern"),
    ("field:value", "rows whose field holds the value, such as kernel:5.4 or status:harm"),
    ("field:>90", "rows whose number is above, or with < below"),
    ("several", "joined by spaces: all must hold"),
)


def help_detail() -> Detail:
    """Return the keys by where they work, the commands, the filters and the symbols."""
    lines: list[DetailLine] = []
    for scope, title in _SCOPE_TITLES.items():
        lines += [heading(title)]
        lines += [value(entry.shown, entry.description) for entry in KEYS if entry.scope is scope]
        lines.append(empty_line())
    lines.append(heading("Commands"))
    lines += [
        value(f":{command.name} {command.argument}".rstrip(), command.description)
        for command in COMMANDS
    ]
    lines += [empty_line(), heading("Filters")]
    lines += [value(f"/{name}", text) for name, text in _FILTERS]
    return Detail("Help", (*lines, *_legend()))


def _legend() -> list[DetailLine]:
    table = symbols()
    meanings = (
        (table.active, Tone.ERROR, "ACTIVE: broken now, or down"),
        (table.armed, Tone.WARNING, "ARMED: about to break, or can't repair itself"),
        (table.latent, Tone.LATENT, "LATENT: worth knowing, nothing uses it"),
        (table.ok, Tone.OK, "nothing wrong is seen"),
        (table.check, Tone.OK, "held by the kernel as wanted; in front of a row: marked"),
        (table.unknown, Tone.UNKNOWN, "unknown, or not allowed to be read; never zero"),
        (table.loading, Tone.MUTED, "being read for the first time"),
        (table.stale, Tone.STALE, "old: the age stands beside it"),
        (table.estimated, Tone.NORMAL, "estimated"),
        (table.paused, Tone.ALERT, "paused: the view is frozen, collecting goes on"),
    )
    return [
        empty_line(),
        heading("Symbols"),
        *(value(symbol, Span(text, tone)) for symbol, tone, text in meanings),
        empty_line(),
        sentence("Counts of map entries are the kernel's; what the agent says stands apart."),
    ]
