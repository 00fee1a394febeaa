"""What the catalogue says of a log line: behind its row, in its detail view, for its filter."""

from __future__ import annotations

from tui.cilium.logcatalogue import Meaning, map_in, meaning_of, short_form
from tui.model.logs import LogEntry
from widgets.detail_lines import DetailLine, empty_line, heading, sentence, value
from widgets.symbols import symbols


def belongs_to(entry: LogEntry) -> str:
    """Return the check a line belongs to, else its map, such as `→ map-pressure`."""
    meaning = meaning_of(entry.meaning)
    if meaning is None:
        return ""
    target = meaning.checks[0] if meaning.checks else _map_name(entry, meaning)
    return f"{symbols().arrow} {target}" if target and "*" not in target else ""


def hint_words(entry: LogEntry) -> str:
    """Return what a line means in a few words."""
    meaning = meaning_of(entry.meaning)
    return "" if meaning is None else short_form(entry.line, meaning)


def meaning_fields(entry: LogEntry) -> dict[str, str]:
    """Return what `/meaning:`, `/check:` and `/map:` look at."""
    meaning = meaning_of(entry.meaning)
    if meaning is None:
        return {}
    return {
        "meaning": f"{meaning.id} {short_form(entry.line, meaning)}",
        "check": " ".join(meaning.checks),
        "map": map_in(entry.line, meaning),
    }


def meaning_lines(entry: LogEntry) -> list[DetailLine]:
    """Return what a line means, what to do, and where to look; nothing for an unknown line."""
    meaning = meaning_of(entry.meaning)
    if meaning is None:
        return []
    lines = [
        empty_line(),
        heading(f"What it means ({meaning.id})"),
        sentence(meaning.meaning),
        empty_line(),
        heading("What to do"),
        sentence(meaning.action),
    ]
    name = map_in(entry.line, meaning)
    if name or meaning.checks:
        lines.append(empty_line())
    if meaning.checks:
        lines.append(value("check", ", ".join(meaning.checks)))
    if name:
        lines.append(value("map", name))
    return [*lines, value("logged by", f"Cilium {_release_words(meaning.releases)}")]


def _map_name(entry: LogEntry, meaning: Meaning) -> str:
    return map_in(entry.line, meaning).removeprefix("cilium_")


def _release_words(releases: str) -> str:
    if not releases:
        return "1.19; not looked up in other releases"
    first, is_range, last = releases.partition("-")
    if not is_range:
        return first
    return f"{first} to {last}" if last else f"{first} and later"
